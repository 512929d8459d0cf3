package monitor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Type is a resource record type (RFC 9499 §5). Its text form is the mnemonic,
// or TYPEnnn where there is none (RFC 3597 §5).
type Type uint16

// The record types that a watch may ask for, and those met on the way to them.
const (
	TypeA     Type = 1
	TypeNS    Type = 2
	TypeCNAME Type = 5
	TypeSOA   Type = 6
	TypeMX    Type = 15
	TypeTXT   Type = 16
	TypeAAAA  Type = 28
	TypeDNAME Type = 39
	TypeOPT   Type = 41
	TypeRRSIG Type = 46
	TypeSVCB  Type = 64
	TypeHTTPS Type = 65
)

var typeNames = map[Type]string{
	TypeA: "A", TypeNS: "NS", TypeCNAME: "CNAME", TypeSOA: "SOA", TypeMX: "MX", TypeTXT: "TXT",
	TypeAAAA: "AAAA", TypeDNAME: "DNAME", TypeOPT: "OPT", TypeRRSIG: "RRSIG", TypeSVCB: "SVCB", TypeHTTPS: "HTTPS",
}

// ParseType reads a mnemonic in any case, or TYPEnnn.
func ParseType(s string) (Type, error) {
	up := strings.ToUpper(s)
	for t, name := range typeNames {
		if name == up {
			return t, nil
		}
	}
	if digits, ok := strings.CutPrefix(up, "TYPE"); ok {
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
			return Type(n), nil
		}
	}
	return 0, fmt.Errorf("unknown record type %q", s)
}

func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// MarshalText gives the mnemonic.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (t *Type) UnmarshalText(b []byte) (err error) {
	*t, err = ParseType(string(b))
	return err
}

// Address reports whether records of the type carry an address to connect to.
func (t Type) Address() bool { return t == TypeA || t == TypeAAAA }

// Question is what is asked: a name in lower case with its final dot, and a type.
// The class is always IN.
type Question struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

func (q Question) String() string { return q.Name + " " + q.Type.String() }

var errName = errors.New("not a domain name")

// ParseName gives a name in the form that this program uses everywhere: lower
// case ASCII (RFC 5891 for others), fully qualified. Underscores are allowed
// (RFC 8552), characters that a terminal or a log would act on are not.
func ParseName(s string) (string, error) {
	name := strings.TrimSuffix(strings.TrimSpace(s), ".")
	if name == "" {
		return "", fmt.Errorf("%w: %q is empty", errName, s)
	}
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(name)
			if err != nil {
				return "", fmt.Errorf("%w: %q: %w", errName, s, err)
			}
			name = ascii
			break
		}
	}
	name = strings.ToLower(name)
	if len(name) > 253 {
		return "", fmt.Errorf("%w: %q is longer than 253 characters", errName, s)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return "", fmt.Errorf("%w: %q has a label that is empty or longer than 63 characters", errName, s)
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '*' {
				return "", fmt.Errorf("%w: %q has the character %q", errName, s, c)
			}
		}
	}
	return name + ".", nil
}

// Under reports whether name is zone or a name below it; both in the form of ParseName.
func Under(name, zone string) bool {
	return name == zone || zone == "." || strings.HasSuffix(name, "."+zone)
}

package walk

import (
	"bufio"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/dnstaster/dnstaster/monitor"
)

// Server is one address of a name server.
type Server struct {
	Name string // lower case, with its final dot
	Addr netip.Addr
}

func (s Server) String() string { return s.Name + " " + s.Addr.String() }

// Roots gives the root servers of cfg as resolvers. A Validator can have the DS
// records of top-level zones from them, which the servers of these do not have.
func Roots(cfg Config) []monitor.Resolver {
	cfg = cfg.withDefaults()
	var all []monitor.Resolver
	for _, s := range cfg.Hints {
		all = append(all, endpoint(netip.AddrPortFrom(s.Addr, cfg.Port), monitor.TCP))
	}
	return all
}

func byAddress(a, b Server) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Name, b.Name))
}

//go:embed root.hints
var hints string

// rootServers are those of IANA. The file is ours, so that it is right is
// certain before the program is built.
func rootServers() []Server {
	servers, err := ReadHints(strings.NewReader(hints))
	if err != nil {
		panic(err)
	}
	return servers
}

const (
	maxHints    = 256  // lines with records
	maxHintLine = 4096 // octets
)

var errNoHints = errors.New("no root server with an address in it")

// ReadHints reads a file of root servers as IANA publishes it and name servers
// use it: NS records of the root and the addresses of these names, one a line.
// An error names the line. The servers are in order of address, each once.
//
// Of the form of zone files (RFC 1035 §5.1) only what such files have is read:
// comments, and records with an owner that may be left out, as may TTL and class.
// Names are absolute, final dot or not.
func ReadHints(r io.Reader) ([]Server, error) {
	var (
		all   []Server
		roots = map[string]bool{}
		owner string
		n     int
	)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxHintLine)
	for at := 1; lines.Scan(); at++ {
		text, _, _ := strings.Cut(lines.Text(), ";")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		if n++; n > maxHints {
			return nil, fmt.Errorf("line %d: more than %d records, which is no list of root servers", at, maxHints)
		}
		if text[0] != ' ' && text[0] != '\t' {
			name, ok := hintName(fields[0])
			if !ok {
				return nil, fmt.Errorf("line %d: %q is not a name", at, fields[0])
			}
			owner, fields = name, fields[1:]
		}
		kind, value, ok := hintRecord(fields)
		if !ok || owner == "" {
			return nil, fmt.Errorf("line %d: not a record of a root server", at)
		}
		if kind == "NS" {
			name, ok := hintName(value)
			if !ok {
				return nil, fmt.Errorf("line %d: %q is not a name", at, value)
			}
			roots[name] = roots[name] || owner == "."
			continue
		}
		a, err := netip.ParseAddr(value)
		if err != nil || a.Zone() != "" || a.Is4() != (kind == "A") {
			return nil, fmt.Errorf("line %d: %q is not an address of type %s", at, value, kind)
		}
		all = append(all, Server{Name: owner, Addr: a})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	// Addresses of other names may be there for any reason, and none is a root server.
	all = slices.DeleteFunc(all, func(s Server) bool { return !roots[s.Name] })
	if len(all) == 0 {
		return nil, errNoHints
	}
	slices.SortFunc(all, byAddress)
	return slices.CompactFunc(all, func(a, b Server) bool { return a.Addr == b.Addr }), nil
}

// hintRecord takes type and data from the fields after the owner.
func hintRecord(fields []string) (kind, value string, ok bool) {
	for len(fields) > 2 {
		_, err := strconv.ParseUint(fields[0], 10, 32)
		if err != nil && !strings.EqualFold(fields[0], "IN") {
			return "", "", false
		}
		fields = fields[1:]
	}
	if len(fields) != 2 {
		return "", "", false
	}
	kind = strings.ToUpper(fields[0])
	return kind, fields[1], kind == "NS" || kind == "A" || kind == "AAAA"
}

// hintName gives a name in lower case with its final dot.
func hintName(s string) (string, bool) {
	if s == "." {
		return s, true
	}
	name, err := monitor.ParseName(s)
	return name, err == nil
}

package dnssec

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/miekg/dns"
)

// Names are those of miekg/dns in lower case. Their escapes hold no letters,
// and what came off the wire is escaped in one way only, so that names are
// equal where their texts are.

func lower(name string) string { return strings.ToLower(name) }

// canonical brings a name that a person wrote into that one form.
func canonical(name string) (string, error) {
	var wire [255]byte
	n, err := dns.PackDomainName(dns.Fqdn(name), wire[:], 0, nil, false)
	if err != nil {
		return "", err
	}
	name, _, err = dns.UnpackDomainName(wire[:n], 0)
	return lower(name), err
}

// under reports whether name is zone or a name below it.
func under(name, zone string) bool { return dns.IsSubDomain(zone, name) }

// suffix gives the last n labels of a name.
func suffix(name string, n int) string {
	if n == 0 {
		return "."
	}
	i, _ := dns.PrevLabel(name, n)
	return name[i:]
}

func parent(name string) string { return suffix(name, max(0, dns.CountLabel(name)-1)) }

// child puts one label before a name.
func child(label, name string) string { return label + "." + strings.TrimPrefix(name, ".") }

// common is the longest name that both are under.
func common(a, b string) string { return suffix(a, dns.CompareDomainName(a, b)) }

// order compares names canonically: label by label from the end, as octets, a
// name before those below it (RFC 4034 §6.1).
func order(a, b string) int {
	x, y := labels(a), labels(b)
	for i := 1; i <= min(len(x), len(y)); i++ {
		if c := bytes.Compare(x[len(x)-i], y[len(y)-i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

// labels gives the labels of a name as octets; none of what is no name.
func labels(name string) [][]byte {
	wire := make([]byte, 255)
	n, err := dns.PackDomainName(lower(name), wire, 0, nil, false)
	if err != nil {
		return nil
	}
	var all [][]byte
	for wire = wire[:n]; len(wire) > 1; {
		size := int(wire[0])
		all = append(all, wire[1:1+size])
		wire = wire[1+size:]
	}
	return all
}

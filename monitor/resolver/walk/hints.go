package walk

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Server is one address of a name server.
type Server struct {
	Name string // lower case, with its final dot
	Addr netip.Addr
}

func (s Server) String() string { return s.Name + " " + s.Addr.String() }

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
	maxHintsSize = 1 << 20 // octets
	maxHints     = 256     // records
)

var (
	errNoHints   = errors.New("no root server with an address in it")
	errManyHints = fmt.Errorf("more than %d records, which is no list of root servers", maxHints)
)

// ReadHints reads a file of root servers as IANA publishes it and name servers
// use it: NS records of the root and the addresses of these names, in the form
// of a zone file. An error of the form names the line. The servers are in order
// of address, each once.
func ReadHints(r io.Reader) ([]Server, error) {
	p := dns.NewZoneParser(io.LimitReader(r, maxHintsSize), ".", "")
	p.SetDefaultTTL(0)
	var (
		all   []Server
		roots = map[string]bool{}
		n     int
	)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if n++; n > maxHints {
			return nil, errManyHints
		}
		name := lower(rr.Header().Name)
		switch rr := rr.(type) {
		case *dns.NS:
			if name == "." {
				roots[lower(rr.Ns)] = true
			}
		case *dns.A, *dns.AAAA:
			if a, ok := address(rr); ok {
				all = append(all, Server{Name: name, Addr: a})
			}
		}
	}
	if err := p.Err(); err != nil {
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

package probe

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// hostile answers everything with the same octets.
type hostile []byte

func (h hostile) Exchange(_ context.Context, _ monitor.Resolver, query []byte) ([]byte, error) {
	return append(slices.Clone(query[:2]), h...), nil
}

func (h hostile) Ask(_ context.Context, r monitor.Resolver, _ monitor.Question) monitor.Observation {
	o := monitor.From(r, time.Now())
	m, err := reply(append([]byte{0, 0}, h...))
	if err != nil {
		o.Error = monitor.ErrBadResponse
		return o
	}
	return observed(o, m)
}

// FuzzProve makes evidence of any response: it must not panic, stay within its
// bounds and be printable.
func FuzzProve(f *testing.F) {
	q := dns.Question{Name: "id.server.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}
	for _, m := range []*dns.Msg{
		with(q, dns.RcodeSuccess, `id.server. 0 CH TXT "a" "\027[31m"`, "x. 60 IN A 192.0.2.1", "x. 60 IN AAAA ::ffff:192.0.2.1"),
		named(with(q, 23, `o. 0 IN TXT "192.0.2.1"`), "00ff"),
		with(q, dns.RcodeNameError),
	} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[2:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := New(Config{}, hostile(b), nil)
		for _, kind := range Kinds() {
			e := p.Prove(t.Context(), monitor.Proof{Kind: kind, Name: name, Via: isp})
			if len(e.Detail) > maxDetail || len(e.NSID) > 4*maxNSID+2 {
				t.Errorf("%s: %d bytes of detail, %d of NSID", kind, len(e.Detail), len(e.NSID))
			}
			for _, s := range []string{e.Detail, e.NSID, e.Egress} {
				if bytes.ContainsFunc([]byte(s), func(r rune) bool { return r < ' ' || r > '~' }) {
					t.Errorf("%s: %q is not printable", kind, s)
				}
			}
			if !slices.IsSortedFunc(e.Addresses, netip.Addr.Compare) || len(e.Addresses) > 12*maxAddresses {
				t.Errorf("%s: addresses %v", kind, e.Addresses)
			}
		}
	})
}

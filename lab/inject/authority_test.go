//go:build lab

package inject

import (
	"net"
	"testing"

	"github.com/miekg/dns"
)

func TestApex(t *testing.T) {
	s := serve(t, Draw("pool.lab", addrs("198.18.0.1", "198.18.0.2", "198.18.0.3"), 2, 1, 1, Apex("pool.lab", addrs("198.18.0.9")[0])))
	for _, tt := range []struct {
		name            string
		kind            uint16
		code            int
		answer, denials int
	}{
		{"pool.lab.", dns.TypeA, dns.RcodeSuccess, 2, 0},
		{"pool.lab.", dns.TypeAAAA, dns.RcodeSuccess, 0, 1},
		{"pool.lab.", dns.TypeNS, dns.RcodeSuccess, 1, 0},
		{"pool.lab.", dns.TypeSOA, dns.RcodeSuccess, 1, 0},
		{"ns.pool.lab.", dns.TypeA, dns.RcodeSuccess, 1, 0},
		{"bank.lab.", dns.TypeA, dns.RcodeRefused, 0, 0},
	} {
		m := asks(t, "udp", s.Addr(), question(tt.name, tt.kind))
		type got struct{ Code, Answer, Denials int }
		same(t, tt.name+" "+dns.TypeToString[tt.kind], got{tt.code, tt.answer, tt.denials}, got{m.Rcode, len(m.Answer), len(m.Ns)})
	}
}

// Who says where its clients are gets the near address, and is told for whom it is.
func TestBySubnet(t *testing.T) {
	s := serve(t, BySubnet("pool.lab", addrs("198.18.0.1"), addrs("198.18.0.2"), 9, Apex("pool.lab", addrs("198.18.0.9")[0])))
	subnet := func(bits uint8) *dns.EDNS0_SUBNET {
		return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: bits, Address: net.IPv4(10, 0, 0, 0).To4()}
	}
	for _, tt := range []struct {
		query *dns.Msg
		addr  string
		scope uint8
	}{
		{question("pool.lab.", dns.TypeA), "198.18.0.2", 0},
		{with0(question("pool.lab.", dns.TypeA), false, subnet(24)), "198.18.0.1", 24},
		{with0(question("pool.lab.", dns.TypeA), false, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, Address: net.IPv4zero.To4()}), "198.18.0.2", 0},
	} {
		m := asks(t, "udp", s.Addr(), tt.query)
		same(t, "address", tt.addr, m.Answer[0].(*dns.A).A.String())
		if echo := clientSubnet(m); echo != nil {
			same(t, "scope", tt.scope, echo.SourceScope)
		}
	}
}

func TestWhoami(t *testing.T) {
	s := serve(t, Whoami("whoami.lab", Apex("whoami.lab", addrs("198.18.0.9")[0])))
	m := asks(t, "udp", s.Addr(), question("whoami.lab.", dns.TypeTXT))
	same(t, "text", "127.0.0.1", m.Answer[0].(*dns.TXT).Txt[0])
	same(t, "TTL", uint32(0), m.Answer[0].Header().Ttl)
	same(t, "answers to another type", 0, len(asks(t, "udp", s.Addr(), question("whoami.lab.", dns.TypeMX)).Answer))
}

// The first answer is as it came; later ones show the least TTL throughout, and
// count down.
func TestPacketMin(t *testing.T) {
	chain := func(q *Query) *dns.Msg {
		return q.Answer(
			&dns.CNAME{Hdr: dns.RR_Header{Name: q.Name(), Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 300}, Target: "edge.lab."},
			&dns.A{Hdr: dns.RR_Header{Name: "edge.lab.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 20}, A: net.IPv4(198, 18, 0, 1)})
	}
	s := serve(t, PacketMin(chain))
	for _, want := range [][]uint32{{300, 20}, {19, 19}} {
		q := question("www.lab.", dns.TypeA)
		m := asks(t, "udp", s.Addr(), q)
		same(t, "id", q.Id, m.Id)
		var got []uint32
		for _, rr := range m.Answer {
			got = append(got, rr.Header().Ttl)
		}
		same(t, "TTLs", want, got)
	}
}

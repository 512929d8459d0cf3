package capture

import (
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

var seed = maphash.MakeSeed()

// said gives the content of a message in wire format, and how many records of its
// answer section were read.
func said(b []byte) (sum uint64, n int, ok bool) {
	var buf [maxName]byte
	h, ok := parseHeader(b, &buf)
	if !ok {
		return 0, 0, false
	}
	rs := answers(b, &h)
	for _, more := rs.next(); more; _, more = rs.next() {
		n++
	}
	sum, ok = content(seed, b, &h)
	return sum, n, ok
}

// otherwise gives the same message as somebody else would have sent it: in another order,
// in other case, with other TTLs, and compressed or not.
func otherwise(m *dns.Msg, random *rand.Rand) *dns.Msg {
	o := m.Copy()
	o.Id, o.Compress = uint16(random.Uint32()), random.IntN(2) == 0
	random.Shuffle(len(o.Answer), func(i, j int) { o.Answer[i], o.Answer[j] = o.Answer[j], o.Answer[i] })
	for _, rr := range o.Answer {
		rr.Header().Ttl = random.Uint32()
		if name := rr.Header().Name; !strings.Contains(name, `\`) {
			rr.Header().Name = strings.ToUpper(name)
		}
		if c, ok := rr.(*dns.CNAME); ok && !strings.Contains(c.Target, `\`) {
			c.Target = strings.ToUpper(c.Target)
		}
	}
	return o
}

// FuzzMessage holds what is read in place against what miekg/dns reads of it: whatever
// is a message there is one here, says the same however it is put, and something else
// when a record is taken away.
func FuzzMessage(f *testing.F) {
	for _, text := range []string{
		"example.com. 60 IN A 192.0.2.1", "example.com. 60 IN AAAA 2001:db8::1", "example.com. 60 IN CNAME a.example.net.",
		"example.com. 60 IN MX 10 mail.example.com.", "example.com. 60 IN SRV 1 2 443 a.example.com.", "example.com. 60 IN TXT \"a\" \"b\"",
		"example.com. 60 IN SOA ns.example.com. host.example.com. 1 2 3 4 5", "example.com. 60 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1",
		"example.com. 60 IN RRSIG A 13 2 60 20300101000000 20200101000000 1 example.com. AAAA", "example.com. 60 IN NAPTR 1 2 \"s\" \"x\" \"\" a.example.com.",
	} {
		rr, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		m := new(dns.Msg)
		m.SetQuestion("example.com.", rr.Header().Rrtype)
		m.Response, m.Compress, m.Answer = true, true, []dns.RR{rr, rr}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint64(len(b)))
	}
	f.Fuzz(func(t *testing.T, b []byte, chance uint64) {
		sum, n, ok := said(b) // which must not panic
		m := new(dns.Msg)
		if m.Unpack(b) != nil || len(m.Question) != 1 {
			return
		}
		for _, rr := range m.Answer {
			if rr.Header().Rrtype == dns.TypeOPT {
				return // its TTL and class are none
			}
		}
		var buf [maxName]byte
		if h, whole := parseHeader(b, &buf); !whole && len(m.Answer) == 0 || int(h.counts[1]) != len(m.Answer) {
			return // miekg/dns takes a message that ends early for whole
		}
		// miekg/dns takes RDATA that ends behind one of its fields, here it is none.
		short := slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
			before, names, _ := names(rr.Header().Rrtype)
			return names > 0 && (before > 0 || names > 1 || rr.Header().Rdlength == 0)
		})
		if !ok && !short || n != len(m.Answer) {
			t.Fatalf("%d records of %d, ok %t: %s", n, len(m.Answer), ok, m)
		}
		if !ok {
			return
		}
		random := rand.New(rand.NewPCG(chance, 0))
		plain, err := m.Pack()
		if err != nil {
			return
		}
		again, err := otherwise(m, random).Pack()
		if err != nil {
			return
		}
		packed, _, ok1 := said(plain)
		if sum2, _, ok2 := said(again); !ok1 || !ok2 || sum2 != packed {
			t.Fatalf("the same message put otherwise says something else (ok %t %t): %s", ok1, ok2, m)
		}
		// Of other types miekg/dns takes what is cut short, and packs it whole.
		usual := !slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
			switch rr.Header().Rrtype {
			case dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeNS, dns.TypeMX:
				return rr.Header().Rdlength == 0
			}
			return true
		})
		if usual && packed != sum {
			t.Fatalf("it says something else when it is packed again: %s", m)
		}
		sum = packed
		if len(m.Answer) == 0 {
			return
		}
		m.Answer = m.Answer[1:]
		less, err := m.Pack()
		if err != nil {
			return
		}
		if sum2, _, _ := said(less); sum2 == sum {
			t.Fatalf("a message without its first record says the same: %s", m)
		}
	})
}

// What is read in place costs no memory.
func TestContentAllocates(t *testing.T) {
	m := new(dns.Msg)
	m.SetQuestion("www.example.com.", dns.TypeA)
	for _, text := range []string{"www.example.com. 60 IN CNAME edge.example.net.", "edge.example.net. 60 IN A 192.0.2.1", "edge.example.net. 60 IN A 192.0.2.2"} {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	m.Compress = true
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var buf [maxName]byte
	if n := testing.AllocsPerRun(100, func() {
		h, _ := parseHeader(b, &buf)
		if _, ok := content(seed, b, &h); !ok {
			t.Fatal("not read")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkContent reads a usual answer in place, and with miekg/dns.
func BenchmarkContent(b *testing.B) {
	m := new(dns.Msg)
	m.SetQuestion("www.example.com.", dns.TypeA)
	for range 4 {
		rr, _ := dns.NewRR("www.example.com. 60 IN A 192.0.2.1")
		m.Answer = append(m.Answer, rr)
	}
	m.Compress = true
	wire, err := m.Pack()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("in place", func(b *testing.B) {
		var buf [maxName]byte
		for b.Loop() {
			h, _ := parseHeader(wire, &buf)
			content(seed, wire, &h)
		}
	})
	b.Run("miekg", func(b *testing.B) {
		for b.Loop() {
			new(dns.Msg).Unpack(wire)
		}
	})
}

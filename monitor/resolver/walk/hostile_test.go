package walk

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// hostile is an authority at every address, which answers as it likes.
type hostile struct {
	t      testing.TB
	answer func(q *dns.Msg, n int64) []byte
	asked  atomic.Int64
}

func (h *hostile) Exchange(ctx context.Context, r monitor.Resolver, query []byte) ([]byte, error) {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		h.t.Errorf("query: %v", err)
	}
	if r.Addr.Addr().String() == deadOne {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if what, ok := monitor.SpecialPurpose(r.Addr.Addr(), nil); ok {
		h.t.Errorf("%s was asked, which is %s", r.Addr, what)
	}
	return h.answer(q, h.asked.Add(1)), nil
}

// prove walks among hostile servers, and holds the evidence against its bounds.
func (h *hostile) prove(ctx context.Context) monitor.Evidence {
	const queries = 300
	w := New(Config{
		Queries: queries, Dial: (&world{}).dial, Dead: []netip.AddrPort{netip.MustParseAddrPort(deadOne + ":53")},
		Hints: []Server{{"a.root.", netip.MustParseAddr(rootA)}, {"b.root.", netip.MustParseAddr(rootB)}},
		Sweep: Default().Sweep, Timeout: time.Second,
	}, h, nil)
	e := w.Prove(ctx, monitor.Proof{Name: "api.partner.example", Type: monitor.TypeA})
	if n := h.asked.Load(); n > queries {
		h.t.Errorf("%d queries, want at most %d", n, queries)
	}
	if len(e.Addresses) > maxGathered || len(e.Servers) > 2*maxNames*maxServers || len(e.Nameservers) > maxNS || len(e.DS) > maxNS || len(e.Delegation) > maxNS {
		h.t.Errorf("%d addresses, %d servers, %d name servers, %d DS", len(e.Addresses), len(e.Servers), len(e.Nameservers), len(e.DS))
	}
	text := []string{e.Detail, e.Zone}
	text = append(append(append(text, e.Nameservers...), e.DS...), e.Delegation...)
	for _, s := range e.Servers {
		if len(s.Addresses) > maxRecords || len(s.Records) > maxRecords {
			h.t.Errorf("%d addresses and %d records of %s", len(s.Addresses), len(s.Records), s.Address)
		}
		text = append(text, s.Name, s.Error)
		for _, r := range s.Records {
			text = append(text, r.Name, r.Data)
		}
	}
	for _, s := range text {
		if presentation.Text(s, -1) != s {
			h.t.Errorf("text %+q", s)
		}
	}
	if len(e.Detail) > 3*maxDetail {
		h.t.Errorf("Detail of %d octets", len(e.Detail))
	}
	return e
}

// respond answers with sections in zone file form.
func respond(q *dns.Msg, answer, authority, additional []string) []byte {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.Compress = len(answer) > 0 || len(authority) == 0, true
	for _, s := range answer {
		m.Answer = append(m.Answer, must(s))
	}
	for _, s := range authority {
		m.Ns = append(m.Ns, must(s))
	}
	for _, s := range additional {
		m.Extra = append(m.Extra, must(s))
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func TestHostile(t *testing.T) {
	name := func(q *dns.Msg) string { return strings.ToLower(q.Question[0].Name) }
	is := func(q *dns.Msg, kind uint16) bool { return q.Question[0].Qtype == kind }
	for _, tt := range []struct {
		name   string
		answer func(q *dns.Msg, n int64) []byte
	}{
		{"servers that are found by servers without end", func(q *dns.Msg, n int64) []byte {
			return respond(q, nil, []string{fmt.Sprintf("%s 1 NS ns.x%d.example%d.", name(q), n, n)}, nil)
		}},
		{"servers that need each other", func(q *dns.Msg, _ int64) []byte {
			return respond(q, nil, []string{name(q) + " 1 NS ns.a.b.", name(q) + " 1 NS ns.b.a."}, nil)
		}},
		{"a zone below each name", func(q *dns.Msg, n int64) []byte {
			return respond(q, nil, []string{name(q) + " 1 NS ns." + name(q)}, []string{fmt.Sprintf("ns.%s 1 A 193.9.0.%d", name(q), n%200+1)})
		}},
		{"aliases without end", func(q *dns.Msg, n int64) []byte {
			if is(q, dns.TypeNS) {
				return respond(q, nil, nil, nil)
			}
			return respond(q, []string{fmt.Sprintf("%s 1 CNAME x%d.partner.example.", name(q), n)}, nil, nil)
		}},
		{"names that grow", func(q *dns.Msg, n int64) []byte {
			if is(q, dns.TypeNS) {
				return respond(q, nil, nil, nil)
			}
			return respond(q, []string{"example. 1 DNAME " + strings.Repeat("a.", 100) + "example."}, nil, nil)
		}},
		{"4,000 addresses", func(q *dns.Msg, n int64) []byte {
			if !is(q, dns.TypeA) {
				return respond(q, nil, nil, nil)
			}
			var all []string
			for i := range 4000 {
				all = append(all, fmt.Sprintf("%s 1 A 193.%d.%d.%d", name(q), n%200, i/250, i%250))
			}
			return respond(q, all, nil, nil)
		}},
		{"200 servers with addresses of others", func(q *dns.Msg, n int64) []byte {
			var ns, glue []string
			for i := range 200 {
				ns = append(ns, fmt.Sprintf("%s 1 NS ns%d.%s", name(q), i, name(q)))
				glue = append(glue, fmt.Sprintf("ns%d.%s 1 A 10.0.%d.%d", i, name(q), i/250, i%250), fmt.Sprintf("ns%d.%s 1 A 193.9.%d.%d", i, name(q), i/250, i%250))
			}
			return respond(q, nil, ns, glue)
		}},
		{"a referral upwards", func(q *dns.Msg, _ int64) []byte { return respond(q, nil, []string{". 1 NS a.root."}, nil) }},
		{"nothing at all", func(*dns.Msg, int64) []byte { return nil }},
		{"always truncated", func(q *dns.Msg, _ int64) []byte {
			b := respond(q, nil, nil, nil)
			b[2] |= 2
			return b
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hostile{t: t, answer: tt.answer}
				e := h.prove(t.Context())
				t.Logf("%d queries: %s", h.asked.Load(), e.Detail)
			})
		})
	}
}

// FuzzWalk has every server answer with any octets after the question. As it is
// not the same twice, run it with -fuzzminimizetime 1x.
func FuzzWalk(f *testing.F) {
	q := new(dns.Msg).SetQuestion("example.", dns.TypeNS)
	seed := func(bs ...[]byte) {
		var all []byte
		for _, b := range bs {
			end := 12 + len("example.") + 1 + 4
			all = binary.BigEndian.AppendUint16(all, uint16(4+6+len(b)-end))
			all = append(append(all, b[2:4]...), b[6:12]...)
			all = append(all, b[end:]...)
		}
		f.Add(all)
	}
	referral := respond(q, nil, []string{"example. 60 NS ns.example."}, []string{"ns.example. 60 A 193.9.0.1"})
	records := respond(q, []string{"api.partner.example. 60 A 203.0.113.1", "example. 60 NS ns.example."}, nil, nil)
	seed(referral, records)
	seed(referral, respond(q, []string{"api.partner.example. 60 CNAME x.other.", "x.other. 60 A 203.0.113.1"}, nil, nil))
	seed(referral, respond(q, []string{"partner.example. 60 DNAME example."}, nil, nil), records)
	seed(referral, respond(q, nil, []string{"partner.example. 60 NS ns.other.", "api.partner.example. 60 SOA a. b. 1 1 1 1 1"}, nil))
	f.Add([]byte{})
	f.Add([]byte{0, 8, 0x84, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		var chunks [][]byte
		for len(script) >= 2 && len(chunks) < 64 {
			n := min(int(binary.BigEndian.Uint16(script)), len(script)-2)
			chunks = append(chunks, script[2:2+n])
			script = script[2+n:]
		}
		synctest.Test(t, func(t *testing.T) {
			h := &hostile{t: t, answer: func(q *dns.Msg, n int64) []byte {
				head := new(dns.Msg).SetReply(q)
				b, err := head.Pack()
				if err != nil {
					t.Fatal(err)
				}
				if len(chunks) == 0 {
					return b
				}
				c := chunks[int(n-1)%len(chunks)]
				if len(c) < 8 {
					return c
				}
				copy(b[2:4], c[:2])
				copy(b[6:12], c[2:8])
				return append(b, c[8:]...)
			}}
			h.prove(t.Context())
		})
	})
}

package capture_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

const ms = time.Millisecond

// told is a sample in one line: what it holds, and whether it is a conflict.
func told(s monitor.Sample) string {
	var as []string
	for _, o := range s.Answers {
		var data []string
		for _, r := range o.Records {
			data = append(data, r.Data)
		}
		as = append(as, o.Rcode+":"+strings.Join(data, "+"))
	}
	var frames []int
	if t, ok := s.Transaction(); ok {
		frames = t.Frames
	}
	conflict := ""
	if s.Conflict() {
		conflict = " CONFLICT"
	}
	return fmt.Sprintf("%s %dq %s %v%s", s.Question, len(s.Queries), strings.Join(as, " "), frames, conflict)
}

// TestMatcher lets packets pass and looks at every sample that comes of them.
func TestMatcher(t *testing.T) {
	ask := query(0, 7, "www.example.com.", dns.TypeA)
	watched := query(0, 7, "api.partner.example.", dns.TypeA)
	forged := func(d *datagram) { d.mac, d.hop = forgerMAC, 128 }
	tests := []struct {
		name    string
		packets []datagram
		want    []string
	}{
		{
			name:    "one answer to a name that is not watched",
			packets: []datagram{ask, ask.reply(10*ms, "203.0.113.10")},
		},
		{
			name:    "one answer to a watched name",
			packets: []datagram{watched, watched.reply(10*ms, "203.0.113.10")},
			want:    []string{"api.partner.example. A 1q NOERROR:203.0.113.10 [1 2]"},
		},
		{
			name: "the same answer for a watched name again is not told again at once",
			packets: []datagram{
				watched, watched.reply(10*ms, "203.0.113.10"),
				watched.with(func(d *datagram) { d.after, d.msg.Id = time.Second, 8 }),
				watched.with(func(d *datagram) { d.msg.Id = 8 }).reply(1010*ms, "203.0.113.10"),
			},
			want: []string{"api.partner.example. A 1q NOERROR:203.0.113.10 [1 2]"},
		},
		{
			name:    "a forgery after the genuine answer",
			packets: []datagram{ask, ask.reply(10*ms, "203.0.113.10"), ask.reply(14*ms, "198.51.100.66").with(forged)},
			want:    []string{"www.example.com. A 1q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 2 3] CONFLICT"},
		},
		{
			name:    "half a second later, as dnsspoof is",
			packets: []datagram{ask, ask.reply(10*ms, "203.0.113.10"), ask.reply(510*ms, "198.51.100.66")},
			want:    []string{"www.example.com. A 1q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 2 3] CONFLICT"},
		},
		{
			name:    "too late for anybody to listen",
			packets: []datagram{ask, ask.reply(10*ms, "203.0.113.10"), ask.reply(5100*ms, "198.51.100.66")},
		},
		{
			name: "two forgers before the genuine answer",
			packets: []datagram{
				ask, ask.reply(1*ms, "198.51.100.66").with(forged), ask.reply(2*ms, "192.0.2.66").with(forged), ask.reply(30*ms, "203.0.113.10"),
			},
			want: []string{
				"www.example.com. A 1q NOERROR:198.51.100.66 NOERROR:192.0.2.66 [1 2 3] CONFLICT",
				"www.example.com. A 1q NOERROR:198.51.100.66 NOERROR:192.0.2.66 NOERROR:203.0.113.10 [1 2 3 4] CONFLICT",
			},
		},
		{
			name:    "the network doubles the answer",
			packets: []datagram{ask, ask.reply(10*ms, "203.0.113.10"), ask.reply(10*ms, "203.0.113.10")},
		},
		{
			name: "the same records again in another order, for a second less",
			packets: []datagram{
				ask, ask.reply(10*ms, "203.0.113.10", "203.0.113.11"),
				ask.reply(1010*ms, "203.0.113.11", "203.0.113.10").with(func(d *datagram) {
					for _, rr := range d.msg.Answer {
						rr.Header().Ttl--
					}
				}),
			},
		},
		{
			name: "a retransmit, and a zone that rotates",
			packets: []datagram{
				ask, ask.with(func(d *datagram) { d.after = time.Second }), ask.reply(1010*ms, "203.0.113.10"), ask.reply(1020*ms, "198.51.100.20"),
			},
			want: []string{"www.example.com. A 2q NOERROR:203.0.113.10 NOERROR:198.51.100.20 [1 2 3 4]"},
		},
		{
			name: "a forgery that hides behind a retransmit",
			packets: []datagram{
				ask, ask.with(func(d *datagram) { d.after = time.Second }), ask.reply(1010*ms, "198.51.100.66").with(forged), ask.reply(1020*ms, "203.0.113.10"),
			},
			want: []string{"www.example.com. A 2q NOERROR:198.51.100.66 NOERROR:203.0.113.10 [1 2 3 4] CONFLICT"},
		},
		{
			name: "truncated, then the error of another server behind the same address",
			packets: []datagram{
				ask, ask.reply(10 * ms).with(func(d *datagram) { d.msg.Truncated = true }),
				ask.reply(12 * ms).with(func(d *datagram) { d.msg.Rcode = dns.RcodeServerFailure }),
				ask.reply(14*ms, "203.0.113.10"),
			},
			want: []string{
				"www.example.com. A 1q NOERROR: SERVFAIL: [1 2 3]",
				"www.example.com. A 1q NOERROR: SERVFAIL: NOERROR:203.0.113.10 [1 2 3 4]",
			},
		},
		{
			name:    "dual replies from one network",
			packets: []datagram{ask, ask.reply(10*ms, "203.0.113.10"), ask.reply(12*ms, "203.0.113.77")},
			want:    []string{"www.example.com. A 1q NOERROR:203.0.113.10 NOERROR:203.0.113.77 [1 2 3]"},
		},
		{
			name:    "no such name, and yet an address",
			packets: []datagram{ask, ask.reply(10*ms, "198.51.100.66"), ask.reply(12 * ms).with(func(d *datagram) { d.msg.Rcode = dns.RcodeNameError })},
			want:    []string{"www.example.com. A 1q NOERROR:198.51.100.66 NXDOMAIN: [1 2 3] CONFLICT"},
		},
		{
			name: "seen at two interfaces",
			packets: []datagram{
				ask, ask.with(func(d *datagram) { d.iface = 2 }),
				ask.reply(10*ms, "203.0.113.10"), ask.reply(10*ms, "203.0.113.10").with(func(d *datagram) { d.iface = 2 }),
			},
		},
		{
			name: "another question under the same id and port",
			packets: []datagram{
				ask, ask.reply(10*ms, "203.0.113.10"),
				query(20*ms, 7, "other.example.", dns.TypeA), query(20*ms, 7, "other.example.", dns.TypeA).reply(30*ms, "198.51.100.66"),
			},
		},
		{
			name:    "an answer to another question",
			packets: []datagram{ask, query(0, 7, "other.example.", dns.TypeA).reply(10*ms, "198.51.100.66"), ask.reply(12*ms, "203.0.113.10")},
		},
		{
			name:    "the query was never seen",
			packets: []datagram{ask.reply(10*ms, "203.0.113.10"), ask.reply(12*ms, "198.51.100.66")},
			want:    []string{"www.example.com. A 0q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 2]"},
		},
		{
			name:    "the query was never seen, and the packets differ",
			packets: []datagram{ask.reply(10*ms, "203.0.113.10"), ask.reply(12*ms, "198.51.100.66").with(forged)},
			want:    []string{"www.example.com. A 0q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 2] CONFLICT"},
		},
		{
			name: "mixed case comes back in lower case",
			packets: []datagram{
				query(0, 7, "wWw.ExAmple.com.", dns.TypeA), ask.reply(10*ms, "203.0.113.10"), ask.reply(12*ms, "198.51.100.66"),
			},
			want: []string{"www.example.com. A 1q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 2 3] CONFLICT"},
		},
		{
			name: "the clock of the capture is set back by an hour",
			packets: []datagram{
				ask, ask.reply(10*ms, "203.0.113.10"), ask.with(func(d *datagram) { d.after = -time.Hour }), ask.reply(10*ms-time.Hour, "198.51.100.66"),
			},
		},
		{
			name: "two tags, IPv6",
			packets: func() []datagram {
				six := func(d *datagram) {
					d.vlans = []uint16{7, 42}
					for _, p := range []*netip.AddrPort{&d.src, &d.dst} {
						*p = netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", p.Port())), p.Port())
					}
				}
				q := query(0, 9, "www.example.com.", dns.TypeAAAA)
				return []datagram{q.with(six), q.reply(10*ms, "2001:db8:1::1").with(six), q.reply(12*ms, "2001:db8:2::2").with(six)}
			}(),
			want: []string{"www.example.com. AAAA 1q NOERROR:2001:db8:1::1 NOERROR:2001:db8:2::2 [1 2 3] CONFLICT"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
			var got []string
			for i, p := range tt.packets {
				if s, ok := m.Take(p.frame(t, i+1)); ok {
					got = append(got, told(s))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMatcherStats tells apart what is no conflict.
func TestMatcherStats(t *testing.T) {
	q := query(0, 7, "www.example.com.", dns.TypeA)
	answer := func(after time.Duration) datagram { return q.reply(after, "203.0.113.10") }
	packets := []datagram{
		q, q.with(func(d *datagram) { d.iface = 2 }), // the same packet elsewhere
		q.with(func(d *datagram) { d.after = time.Second }),                  // a retransmit
		answer(1010 * ms).with(func(d *datagram) { d.msg.Truncated = true }), // go to TCP
		answer(1020 * ms), answer(1030 * ms), // the same twice
		answer(20 * time.Second), // late
		query(0, 9, "other.example.", dns.TypeA).reply(20*time.Second, "203.0.113.9"),
		query(20*time.Second, 8, "third.example.", dns.TypeA),
		query(0, 8, "fourth.example.", dns.TypeA).reply(21*time.Second, "203.0.113.9"), // another question
	}
	m := capture.NewMatcher(capture.Config{})
	for i, p := range packets {
		f := p.frame(t, i+1)
		if i < 2 {
			f.Data[18], f.Data[19] = 0, 1
		}
		m.Take(f)
	}
	want := capture.Stats{
		Packets: 10, Queries: 4, Responses: 6, Transactions: 2, Duplicates: 1, Retransmits: 1, Truncated: 1, Repeats: 1, Late: 1, Unsolicited: 1, Mismatched: 1,
		Open: 3, Hold: 5 * time.Second,
	}
	if diff := cmp.Diff(want, m.Stats()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// What lies below DNS comes with the sample, and the frames themselves.
func TestMatcherPackets(t *testing.T) {
	q := query(0, 7, "www.example.com.", dns.TypeA).with(func(d *datagram) { d.msg.SetEdns0(1232, true) })
	forged := q.reply(4*ms, "198.51.100.66").with(func(d *datagram) { d.mac, d.hop = forgerMAC, 128; d.msg.Answer[0].Header().Ttl = 10000 })
	genuine := q.reply(15*ms, "203.0.113.10").with(func(d *datagram) { d.msg.SetEdns0(1232, false) })
	m := capture.NewMatcher(capture.Config{Local: func(a netip.Addr) bool { return a == clientAddr.Addr() }})
	var got monitor.Sample
	for i, p := range []datagram{q, forged, genuine} {
		if s, ok := m.Take(p.frame(t, i+1)); ok {
			got = s
		}
	}
	packet := func(d datagram, n int, edns bool, traits monitor.Traits) monitor.Packet {
		f := d.frame(t, n)
		return monitor.Packet{At: f.At, Frame: n, Src: d.src, Dst: d.dst, TXID: 7, HopLimit: d.hop, MAC: d.mac, EDNS: edns, Link: 1, Raw: f.Data, Traits: traits}
	}
	answer := func(d datagram, n int, edns bool, addr string, ttl uint32, rtt time.Duration) monitor.Observation {
		traits := monitor.TraitRD | monitor.TraitRA
		if edns {
			traits |= monitor.TraitOPT
		}
		p := packet(d, n, edns, traits)
		return monitor.Observation{
			At: p.At, Resolver: "wire", Server: serverAddr.Addr(), Role: monitor.Local, Transport: monitor.UDP, Rcode: "NOERROR",
			Flags: []string{"RD", "RA"}, Records: []monitor.Record{{Name: "www.example.com.", Type: monitor.TypeA, Data: addr, TTL: ttl}},
			RTT: monitor.Milliseconds(rtt), Packet: &p,
		}
	}
	want := monitor.Sample{
		At: began.Add(15 * ms), Via: monitor.Wire, Question: monitor.Question{Name: "www.example.com.", Type: monitor.TypeA},
		Queries: []monitor.Packet{packet(q, 1, true, monitor.TraitRD|monitor.TraitAD|monitor.TraitOPT)},
		Answers: []monitor.Observation{answer(forged, 2, false, "198.51.100.66", 10000, 4*ms), answer(genuine, 3, true, "203.0.113.10", 300, 15*ms)},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("sample (-want +got):\n%s", diff)
	}
}

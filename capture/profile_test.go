package capture_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// scene is a wire on which one thing comes after the other.
type scene struct {
	t     *testing.T
	m     *capture.Matcher
	now   time.Duration // since began
	id    uint16
	n     int
	heard []monitor.Sample
}

const sceneName = "api.partner.example."

func newScene(t *testing.T) *scene {
	return &scene{t: t, m: capture.NewMatcher(capture.Config{Watched: []string{sceneName}, Patient: true})}
}

// pass lets a packet pass.
func (s *scene) pass(d datagram) {
	s.n++
	if x, ok := s.m.Take(d.frame(s.t, s.n)); ok {
		s.heard = append(s.heard, x)
	}
}

// asks gives a query for a name, now, with all that an answer can be held against.
func (s *scene) asks(name string) datagram {
	s.id++
	return query(s.now, s.id, name, dns.TypeA).with(func(d *datagram) {
		d.msg.SetEdns0(1232, false)
		d.msg.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}
	})
}

// usual gives the answer of the server, after 20 ms.
func (s *scene) usual(q datagram, addr string) datagram {
	return q.reply(q.after+20*ms, addr).with(func(d *datagram) {
		d.msg.Compress = true
		d.msg.SetEdns0(1232, false)
		d.msg.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "01020304050607081112131415161718"}}
	})
}

// answered lets queries for the watched name be answered, apart from each other, as
// change has the answers.
func (s *scene) answered(n int, apart time.Duration, change func(*datagram)) *scene {
	for range n {
		s.now += apart
		q := s.asks(sceneName)
		s.pass(q)
		s.pass(s.usual(q, "203.0.113.10").with(change))
	}
	return s
}

// last gives the latest sample.
func (s *scene) last() monitor.Sample {
	s.t.Helper()
	if len(s.heard) == 0 {
		s.t.Fatal("nothing was handed over")
	}
	return s.heard[len(s.heard)-1]
}

func asEver(*datagram) {}

// TestManner learns how a server answers, and learns again what changes for good. What
// is told with an answer was known before it.
func TestManner(t *testing.T) {
	const apart = 11 * time.Second // each is handed over
	all := monitor.TraitRD | monitor.TraitRA | monitor.TraitOPT | monitor.TraitCookie | monitor.TraitPointer
	usual := func(change func(*monitor.Manner)) *monitor.Manner {
		k := &monitor.Manner{HopLimits: []int{64}, RTT: monitor.Milliseconds(20 * ms), MACs: []string{serverMAC}, Always: all}
		change(k)
		return k
	}
	same := func(*monitor.Manner) {}
	hop := func(d *datagram) { d.hop = 52 }
	bare := func(d *datagram) { d.msg.Extra = nil }
	for _, tt := range []struct {
		name string
		play func(*scene)
		want *monitor.Manner
	}{
		{"too few answers", func(s *scene) { s.answered(49, apart, asEver) }, nil},
		{"enough", func(s *scene) { s.answered(60, apart, asEver) }, usual(same)},
		{"one over another way", func(s *scene) { s.answered(60, apart, asEver).answered(1, apart, hop) }, usual(same)},
		{"a route that changed", func(s *scene) { s.answered(60, apart, asEver).answered(7, apart, hop) }, usual(func(k *monitor.Manner) { k.HopLimits = []int{52, 64} })},
		{"five within half a minute", func(s *scene) { s.answered(60, apart, asEver).answered(5, time.Second, hop).answered(1, apart, asEver) }, usual(same)},
		{"another way that is never used again is forgotten", func(s *scene) { s.answered(60, apart, hop).answered(3000, apart, asEver) }, usual(same)},
		{"another machine", func(s *scene) {
			s.answered(60, apart, asEver).answered(20, apart, func(d *datagram) { d.mac = forgerMAC })
		}, usual(same)},
		{"another router", func(s *scene) {
			s.answered(60, apart, asEver).answered(60, apart, func(d *datagram) { d.mac = forgerMAC })
		},
			usual(func(k *monitor.Manner) { k.MACs = []string{serverMAC, forgerMAC} })},
		{"without OPT and cookie, a few times", func(s *scene) { s.answered(60, apart, asEver).answered(15, apart, bare) }, usual(same)},
		{"a server that was replaced", func(s *scene) { s.answered(60, apart, asEver).answered(25, apart, bare) },
			usual(func(k *monitor.Manner) { k.Always &^= monitor.TraitOPT | monitor.TraitCookie })},
		{"a nearer node", func(s *scene) {
			s.answered(60, apart, asEver).answered(7, apart, func(d *datagram) { d.after -= 15 * ms })
		},
			usual(func(k *monitor.Manner) { k.RTT = monitor.Milliseconds(5 * ms) })},
		{"one that comes too soon", func(s *scene) {
			s.answered(60, apart, asEver).answered(2, apart, func(d *datagram) { d.after -= 15 * ms })
		}, usual(same)},
		{"forgeries that come first, again and again", func(s *scene) {
			s.answered(60, apart, asEver)
			for range 60 {
				s.now += apart
				q := s.asks(sceneName)
				s.pass(q)
				s.pass(q.reply(s.now+ms, "198.51.100.66").with(func(d *datagram) { d.mac, d.hop = forgerMAC, 128 }))
				s.pass(s.usual(q, "203.0.113.10"))
			}
		}, usual(same)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			tt.play(s)
			if diff := cmp.Diff(tt.want, s.last().Answers[0].Manner); diff != "" {
				t.Errorf("manner (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTraits reads what a query asks for, and what its answer grants.
func TestTraits(t *testing.T) {
	s := newScene(t)
	s.now = time.Second
	q := s.asks("Api.Partner.Example.").with(func(d *datagram) { d.msg.AuthenticatedData = true })
	for _, tt := range []struct {
		name   string
		answer datagram
		want   []string
	}{
		{"all of it", s.usual(q, "203.0.113.10").with(func(d *datagram) { d.msg.AuthenticatedData = true }), []string{"RD", "RA", "AD", "OPT", "COOKIE", "CASE", "POINTER"}},
		{"another cookie", s.usual(q, "203.0.113.10").with(func(d *datagram) {
			d.msg.IsEdns0().Option[0].(*dns.EDNS0_COOKIE).Cookie = "f1020304050607081112131415161718"
		}), []string{"RD", "RA", "OPT", "CASE", "POINTER"}},
		{"small letters", s.usual(q, "203.0.113.10").with(func(d *datagram) { d.msg.Question[0].Name = sceneName; d.msg.Answer[0].Header().Name = sceneName }), []string{"RD", "RA", "OPT", "COOKIE", "POINTER"}},
		{"written out", s.usual(q, "203.0.113.10").with(func(d *datagram) { d.msg.Compress = false }), []string{"RD", "RA", "OPT", "COOKIE", "CASE"}},
		{"nothing", q.reply(q.after+20*ms, "203.0.113.10").with(func(d *datagram) {
			d.msg.RecursionAvailable, d.msg.RecursionDesired, d.msg.Question[0].Name = false, false, sceneName
		}), []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			s.pass(q)
			s.pass(tt.answer)
			got := s.last()
			if diff := cmp.Diff([]string{"RD", "AD", "OPT", "COOKIE", "CASE"}, got.Queries[0].Traits.Words()); diff != "" {
				t.Errorf("the query (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, got.Answers[0].Packet.Traits.Words()); diff != "" {
				t.Errorf("the answer (-want +got):\n%s", diff)
			}
		})
	}
}

package capture_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// quiet lets a scene begin: twelve seconds in which all is well.
func quiet(t *testing.T) *scene { return newScene(t).answered(12, time.Second, asEver) }

// guessing sends responses with ids that nobody waits for.
func (s *scene) guessing(q datagram, n int, change func(int, *datagram)) {
	for i := range n {
		s.pass(s.usual(q, "198.51.100.66").with(func(d *datagram) {
			d.after, d.msg.Id = s.now+30*ms, q.msg.Id+uint16(1000+i)
			change(i, d)
		}))
	}
}

func unchanged(int, *datagram) {}

// port gives an address of the client.
func port(n int) netip.AddrPort { return netip.AddrPortFrom(clientAddr.Addr(), uint16(n)) }

// TestRacket has somebody be at work in the name of a server, and looks at what the
// next answer for the watched name is handed over with.
func TestRacket(t *testing.T) {
	for _, tt := range []struct {
		name   string
		play   func(*scene)
		noise  *monitor.Noise
		strays *monitor.Strays
	}{
		{"nobody", func(s *scene) { s.answered(1, 11*time.Second, asEver) }, nil, nil},
		{"ids are guessed at a watched query", func(s *scene) {
			q := s.asks(sceneName)
			s.pass(q)
			s.pass(s.usual(q, "203.0.113.10"))
			s.guessing(q, 5, unchanged)
		}, &monitor.Noise{WrongIDs: 5, Unsolicited: 5}, &monitor.Strays{WrongID: 5, IDs: 5, Alike: true}},
		{"one id at many ports, while another name is asked for", func(s *scene) {
			for i := range 120 {
				q := s.asks("www.example.com.").with(func(d *datagram) { d.src = port(41000 + i) })
				s.pass(q)
				s.pass(s.usual(q, "198.51.100.66").with(func(d *datagram) { d.msg.Id = 60000 }))
			}
			s.answered(1, time.Second, asEver)
		}, &monitor.Noise{WrongIDs: 120, Unsolicited: 120}, nil},
		{"ports are searched with empty datagrams", func(s *scene) {
			for range 4 {
				s.now += time.Second
				for i := range 50 {
					s.pass(datagram{after: s.now + time.Duration(i)*400*time.Microsecond, src: serverAddr, dst: port(42000 + i), mac: serverMAC, hop: 57})
				}
			}
			s.answered(1, time.Second, asEver)
		}, &monitor.Noise{Sweeps: 4, SweptPorts: 50}, nil},
		// What looks alike.
		{"one port for all queries, of which some are not seen", func(s *scene) {
			for i := range 300 {
				q := s.asks(fmt.Sprintf("n%d.example.com.", i))
				if i%3 > 0 {
					s.pass(q)
				}
				s.pass(s.usual(q, "203.0.113.10"))
			}
			s.answered(1, 11*time.Second, asEver)
		}, nil, nil},
		{"half of the traffic is not seen", func(s *scene) {
			for i := range 600 {
				s.now += ms
				q := s.asks(fmt.Sprintf("n%d.example.com.", i)).with(func(d *datagram) { d.src = port(20000 + i) })
				if i%2 > 0 {
					s.pass(q)
				}
				s.pass(s.usual(q, fmt.Sprintf("203.0.113.%d", i%250)))
			}
			s.answered(1, 11*time.Second, asEver)
		}, nil, nil},
		{"answers that come late", func(s *scene) {
			var qs []datagram
			for i := range 200 {
				q := s.asks("www.example.com.").with(func(d *datagram) { d.src = port(44000 + i) })
				s.pass(q)
				qs = append(qs, q)
			}
			s.answered(1, 11*time.Second, asEver)
			for _, q := range qs {
				s.pass(s.usual(q, "203.0.113.10").with(func(d *datagram) { d.after = s.now + 30*ms }))
			}
			s.answered(1, 11*time.Second, asEver)
		}, nil, nil},
		{"a server that nobody asked", func(s *scene) {
			for i := range 500 {
				s.pass(datagram{after: s.now + 30*ms, src: netip.MustParseAddrPort("198.51.100.99:53"), dst: port(20000 + i), mac: serverMAC, hop: 57})
			}
			s.answered(1, 11*time.Second, asEver)
		}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := quiet(t)
			tt.play(s)
			got := s.last()
			if got.Strays != nil {
				if len(got.Strays.Packets) == 0 {
					t.Error("no packet of the strays is kept")
				}
				got.Strays.Packets = nil
			}
			if diff := cmp.Diff(tt.noise, got.Noise); diff != "" {
				t.Errorf("noise (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.strays, got.Strays); diff != "" {
				t.Errorf("strays (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRacketAtFirst takes nothing for noise before it is known what is usual.
func TestRacketAtFirst(t *testing.T) {
	s := newScene(t).answered(3, time.Second, asEver)
	q := s.asks(sceneName)
	s.pass(q)
	s.pass(s.usual(q, "203.0.113.10"))
	s.guessing(q, 300, unchanged)
	s.answered(1, time.Second, func(d *datagram) { d.msg.Answer[0].Header().Ttl = 7 })
	if n := s.last().Noise; n != nil {
		t.Errorf("noise %+v", *n)
	}
}

// TestRacketIsToldOnce hands a question over once because of an attack that is over,
// and once in ten seconds while it goes on.
func TestRacketIsToldOnce(t *testing.T) {
	s := quiet(t)
	before := len(s.heard)
	storm := func(seconds int) {
		for range seconds {
			q := s.asks("www.example.com.").with(func(d *datagram) { d.src = port(45000) })
			s.pass(q)
			s.guessing(q, 150, func(_ int, d *datagram) { d.msg.Answer[0].Header().Ttl = 60 })
			s.answered(1, time.Second, asEver)
		}
	}
	storm(21)
	if got := len(s.heard) - before; got != 3 {
		t.Errorf("an attack of 21 s was told of %d times", got)
	}
	before = len(s.heard)
	s.answered(30, time.Second, asEver)
	for _, x := range s.heard[before:] {
		if x.Noise.Assault() {
			t.Errorf("at %s it is told of again", x.At)
		}
	}
}

// TestMistake has the right id come with another question.
func TestMistake(t *testing.T) {
	s := quiet(t)
	s.now += 11 * time.Second
	q := s.asks(sceneName)
	s.pass(q)
	s.pass(s.usual(q, "198.51.100.66").with(func(d *datagram) { d.msg.Question[0].Name = "login.bank.example." }))
	s.pass(s.usual(q, "203.0.113.10"))
	got := s.last().Strays
	if got == nil || got.WrongQuestion != 1 || len(got.Packets) != 1 || got.Packets[0].TXID != q.msg.Id {
		t.Errorf("strays are %+v", got)
	}
}

// TestDenials counts names that do not exist under one registrable domain. Those of
// many domains are a list that somebody looks up.
func TestDenials(t *testing.T) {
	for _, tt := range []struct {
		name, of string
		least    int
		domain   string
	}{
		{"under one domain", "n%d.www.example.co.uk.", 150, "example.co.uk."},
		{"under many", "www.n%d.co.uk.", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := quiet(t)
			for i := range 200 {
				q := s.asks(fmt.Sprintf(tt.of, i)).with(func(d *datagram) { d.src = port(43000 + i) })
				s.pass(q)
				s.pass(s.usual(q, "203.0.113.10").with(func(d *datagram) { d.msg.Answer, d.msg.Rcode = nil, dns.RcodeNameError }))
			}
			s.answered(1, time.Second, func(d *datagram) { d.msg.Answer[0].Header().Ttl = 7 })
			var n monitor.Noise
			if s.last().Noise != nil {
				n = *s.last().Noise
			}
			if n.Labels < tt.least || n.Labels > 200 || tt.domain != "" && n.Domain != tt.domain || tt.domain == "" && n.Labels > 1 {
				t.Errorf("%d names under %q", n.Labels, n.Domain)
			}
		})
	}
}

// BenchmarkGuessing is what a response costs that is aimed at a port and has a wrong id.
func BenchmarkGuessing(b *testing.B) {
	m := capture.NewMatcher(capture.Config{})
	t := &testing.T{}
	s := &scene{t: t, m: m}
	s.answered(12, time.Second, asEver)
	q := s.asks("www.example.com.")
	s.pass(q)
	f := s.usual(q, "198.51.100.66").with(func(d *datagram) { d.msg.Id = 9 }).frame(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		m.Take(f)
	}
}

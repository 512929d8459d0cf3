package capture_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
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

// soon makes an answer another than the ones before, so that it is handed over.
func soon(d *datagram) { d.msg.Answer[0].Header().Ttl = 7 }

// passes lets frames pass, now.
func (s *scene) passes(fs ...capture.Frame) {
	for _, f := range fs {
		f.At = began.Add(s.now)
		s.heard = append(s.heard, takeAll(s.m, f)...)
	}
}

// huge gives an answer in two fragments, cut behind so many octets.
func (s *scene) huge(name string, at, id int) []capture.Frame {
	q := query(s.now, uint16(id), name, dns.TypeA)
	r := q.reply(s.now, "203.0.113.10")
	for range 10 {
		r.msg.Extra = append(r.msg.Extra, &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{string(make([]byte, 200))}})
	}
	s.n++
	return split(r.frame(s.t, s.n), uint16(id), at)
}

// overTCP lets a query be asked over TCP.
func (s *scene) overTCP(q datagram) {
	c := newTalk(s.t, q)
	c.tell(0, q)
	s.passes(c.frames...)
}

// icmpError is what the receiver of a packet says of it.
func icmpError(s *scene, kind, code uint8, mtu uint16, about datagram) capture.Frame {
	s.t.Helper()
	s.n++
	quoted := about.frame(s.t, s.n)
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: about.dst.Addr().AsSlice(), DstIP: about.src.Addr().AsSlice()}
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, code), Seq: mtu}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, icmp, gopacket.Payload(quoted.Data[14:][:48])); err != nil {
		s.t.Fatal(err)
	}
	f := quoted
	f.Data = append(quoted.Data[:14:14], b.Bytes()...)
	f.Length = len(f.Data)
	return f
}

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
		{"second fragments for every id", func(s *scene) {
			for i := range 60 {
				s.passes(s.huge("www.example.com.", 1400, i)[1])
			}
			s.answered(1, 6*time.Second, soon)
		}, &monitor.Noise{Orphans: 60, Sprayed: 60}, nil},
		{"fragments of one datagram that contradict each other", func(s *scene) {
			fs := s.huge("www.example.com.", 1400, 7)
			forged := fs[1]
			forged.Data = bytes.Clone(forged.Data)
			forged.Data[len(forged.Data)-1] ^= 1
			s.passes(fs[0], forged, fs[1])
			s.passes(append(s.huge("www.example.com.", 1400, 8)[1:2:2], s.huge("www.example.org.", 1400, 8)[1])...)
			s.answered(1, time.Second, soon)
		}, &monitor.Noise{Torn: 1}, nil},
		{"a first fragment that is short", func(s *scene) {
			s.passes(s.huge("www.example.com.", 512, 7)...)
			s.answered(1, time.Second, soon)
		}, &monitor.Noise{ShortFragments: 1}, nil},
		{"ICMP errors that demand short packets, and that nobody waits", func(s *scene) {
			q := s.asks("www.example.com.")
			for range 40 {
				s.passes(icmpError(s, 3, 3, 0, s.usual(q, "203.0.113.10")))
			}
			s.passes(icmpError(s, 3, 4, 552, q), icmpError(s, 3, 4, 1400, q))
			s.answered(1, time.Second, soon)
		}, &monitor.Noise{Refused: 40, PathMTU: 552}, nil},
		{"questions again over TCP", func(s *scene) {
			for i := range 5 {
				q := s.asks(fmt.Sprintf("n%d.example.com.", i))
				s.pass(q)
				s.pass(s.usual(q, "203.0.113.10"))
				s.overTCP(q)
			}
			s.answered(1, time.Second, soon)
		}, &monitor.Noise{Fallbacks: 5}, nil},

		// What looks alike.
		{"a client that asks over TCP alone", func(s *scene) {
			for i := range 5 {
				s.overTCP(s.asks(fmt.Sprintf("n%d.example.com.", i)))
			}
			s.answered(1, time.Second, soon)
		}, nil, nil},
		{"truncated answers", func(s *scene) {
			for i := range 5 {
				q := s.asks(fmt.Sprintf("n%d.example.com.", i))
				s.pass(q)
				s.pass(s.usual(q, "203.0.113.10").with(func(d *datagram) { d.msg.Truncated = true }))
				s.overTCP(q)
			}
			s.answered(1, time.Second, soon)
		}, nil, nil},
		{"large answers in fragments", func(s *scene) {
			for i := range 20 {
				s.passes(s.huge("www.example.com.", 1480, i)...)
			}
			s.answered(1, 11*time.Second, soon)
		}, nil, nil},
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

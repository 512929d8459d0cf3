package capture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// talk is a TCP connection of a test.
type talk struct {
	t        testing.TB
	from, to datagram  // a packet of the client, and one of the server
	next     [2]uint32 // sequence numbers
	frames   []capture.Frame
}

func newTalk(t testing.TB, q datagram) *talk {
	c := &talk{t: t, from: q, to: q.reply(0), next: [2]uint32{1 << 31, 1<<32 - 20}}
	c.say(0, layers.TCP{SYN: true}, nil)
	c.say(1, layers.TCP{SYN: true, ACK: true}, nil)
	c.say(0, layers.TCP{ACK: true}, nil)
	return c
}

// say adds a segment of a side, which its next goes on behind.
func (c *talk) say(side int, tcp layers.TCP, data []byte) {
	c.again(side, tcp, c.next[side], data)
	c.next[side] += uint32(len(data))
	if tcp.SYN || tcp.FIN {
		c.next[side]++
	}
}

// again adds a segment that begins anywhere.
func (c *talk) again(side int, tcp layers.TCP, seq uint32, data []byte) {
	d := []datagram{c.from, c.to}[side]
	tcp.Seq = seq
	if tcp.ACK {
		tcp.Ack = c.next[1-side]
	}
	c.frames = append(c.frames, tcpFrame(c.t, d, tcp, len(c.frames)+1, data))
}

// tell adds messages of a side, in one segment.
func (c *talk) tell(side int, ds ...datagram) {
	c.say(side, layers.TCP{ACK: true, PSH: true}, prefixed(c.t, ds...))
}

// prefixed gives messages as they go over TCP.
func prefixed(t testing.TB, ds ...datagram) (b []byte) {
	for _, d := range ds {
		m, err := d.msg.Pack()
		if err != nil {
			t.Fatal(err)
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

// tcpFrame is a segment in a frame, a millisecond a frame behind the one before.
func tcpFrame(t testing.TB, d datagram, tcp layers.TCP, number int, data []byte) capture.Frame {
	t.Helper()
	tcp.SrcPort, tcp.DstPort = layers.TCPPort(d.src.Port()), layers.TCPPort(d.dst.Port())
	d.after, d.msg, d.raw = time.Duration(number)*ms, nil, nil
	f := d.frame(t, number) // with UDP: its Ethernet header is taken
	var ip gopacket.SerializableLayer
	if d.src.Addr().Is4() {
		v4 := &layers.IPv4{Version: 4, TTL: d.hop, Protocol: layers.IPProtocolTCP, Id: uint16(number), SrcIP: d.src.Addr().AsSlice(), DstIP: d.dst.Addr().AsSlice()}
		tcp.SetNetworkLayerForChecksum(v4)
		ip = v4
	} else {
		v6 := &layers.IPv6{Version: 6, HopLimit: d.hop, NextHeader: layers.IPProtocolTCP, SrcIP: d.src.Addr().AsSlice(), DstIP: d.dst.Addr().AsSlice()}
		tcp.SetNetworkLayerForChecksum(v6)
		ip = v6
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, &tcp, gopacket.Payload(data)); err != nil {
		t.Fatal(err)
	}
	f.Data = append(f.Data[:14:14], b.Bytes()...)
	f.Length = len(f.Data)
	return f
}

// takeAll gives all that comes of frames.
func takeAll(m *capture.Matcher, fs ...capture.Frame) (got []monitor.Sample) {
	for _, f := range fs {
		for s, ok := m.Take(f); ok; s, ok = m.More() {
			got = append(got, s)
		}
	}
	return got
}

func tellAll(got []monitor.Sample) (out []string) {
	for _, s := range got {
		out = append(out, told(s))
	}
	return out
}

func TestTCP(t *testing.T) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	q2 := query(0, 8, "api.partner.example.", dns.TypeAAAA)
	right, lie := q.reply(0, "203.0.113.10"), q.reply(0, "198.51.100.66")
	other := q2.reply(0, "2001:db8::10")
	ack := layers.TCP{ACK: true}
	tests := []struct {
		name string
		talk func(*talk)
		want []string
	}{
		{"one question", func(c *talk) { c.tell(0, q); c.tell(1, right) },
			[]string{"api.partner.example. A 1q NOERROR:203.0.113.10 [4 5]"}},
		{"two at once", func(c *talk) { c.tell(0, q, q2); c.tell(1, other, right) },
			[]string{"api.partner.example. AAAA 1q NOERROR:2001:db8::10 [4 5]", "api.partner.example. A 1q NOERROR:203.0.113.10 [4 5]"}},
		{"an answer in three segments, the last before the second", func(c *talk) {
			c.tell(0, q)
			b, at := prefixed(t, right), c.next[1]
			c.again(1, ack, at, b[:1])
			c.again(1, ack, at+30, b[30:])
			c.again(1, ack, at+1, b[1:30])
		}, []string{"api.partner.example. A 1q NOERROR:203.0.113.10 [4 7]"}},
		{"a retransmitted answer", func(c *talk) {
			c.tell(0, q)
			at := c.next[1]
			c.tell(1, right)
			c.again(1, ack, at, prefixed(t, right))
		},
			[]string{"api.partner.example. A 1q NOERROR:203.0.113.10 [4 5]"}},
		{"a forged answer before the genuine one", func(c *talk) { c.tell(0, q); at := c.next[1]; c.tell(1, lie); c.again(1, ack, at, prefixed(t, right)) },
			[]string{
				"api.partner.example. A 1q NOERROR:198.51.100.66 [4 5]",
				"api.partner.example. A 1q NOERROR:198.51.100.66 NOERROR:203.0.113.10 [4 5 6] CONFLICT",
			}},
		{"a forged reset does not end it", func(c *talk) { c.tell(0, q); c.again(1, layers.TCP{RST: true}, c.next[1], nil); c.tell(1, right) },
			[]string{"api.partner.example. A 1q NOERROR:203.0.113.10 [4 6]"}},
		{"nor does a forged beginning", func(c *talk) {
			c.tell(0, q)
			c.again(0, layers.TCP{SYN: true}, 1, nil)
			c.again(1, layers.TCP{SYN: true, ACK: true}, 1, nil)
			c.tell(1, right)
		}, []string{"api.partner.example. A 1q NOERROR:203.0.113.10 [4 7]"}},
		{"heard from the middle on", func(c *talk) { c.frames = nil; c.tell(0, q); c.tell(1, right) },
			[]string{"api.partner.example. A 1q NOERROR:203.0.113.10 [1 2]"}},
		{"the same ports once more", func(c *talk) {
			c.tell(0, q)
			c.say(0, layers.TCP{FIN: true, ACK: true}, nil)
			c.say(1, layers.TCP{FIN: true, ACK: true}, nil)
			c.next = [2]uint32{77, 99}
			c.say(0, layers.TCP{SYN: true}, nil)
			c.say(1, layers.TCP{SYN: true, ACK: true}, nil)
			c.tell(0, q2)
			c.tell(1, other)
		}, []string{"api.partner.example. AAAA 1q NOERROR:2001:db8::10 [9 10]"}},
	}
	for _, tt := range tests {
		for _, six := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, IPv6=%t", tt.name, six), func(t *testing.T) {
				from := q
				if six {
					from = overSix(q)
				}
				m, c := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}}), newTalk(t, from)
				tt.talk(c)
				got := takeAll(m, c.frames...)
				if diff := cmp.Diff(tt.want, tellAll(got)); diff != "" {
					t.Errorf("(-want +got):\n%s\n%+v", diff, m.Stats())
				}
				for _, s := range got {
					// What is shown as evidence says the same once more.
					again := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
					for i, o := range s.Answers {
						if o.Transport != monitor.TCP {
							t.Errorf("over %s", o.Transport)
						}
						f := capture.Frame{At: began, Link: capture.LinkType(o.Packet.Link), Data: o.Packet.Raw, Length: len(o.Packet.Raw)}
						f.Sums = capture.SumsOpen
						if n := len(takeAll(again, f)); i == 0 && n != 1 || again.Stats().Undecodable+again.Stats().BadChecksum != 0 {
							t.Errorf("evidence of answer %d gives %d samples, %+v", i, n, again.Stats())
						}
						again = capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
					}
				}
			})
		}
	}
}

// What came in TCP segments that contradict each other says so, and is counted.
func TestTCPConflict(t *testing.T) {
	q := query(0, 7, "www.example.com.", dns.TypeA)
	m, c := capture.NewMatcher(capture.Config{}), newTalk(t, q)
	c.tell(0, q)
	at := c.next[1]
	c.tell(1, q.reply(0, "198.51.100.66"))
	c.again(1, layers.TCP{ACK: true}, at, prefixed(t, q.reply(0, "203.0.113.10")))
	got := takeAll(m, c.frames...)
	if len(got) != 1 || got[0].Answers[1].Packet.Broken != "TCP segments that contradict each other" {
		t.Fatalf("%+v", got)
	}
	if st := m.Stats(); st.TCPMessages != 3 || st.TCPConflicts != 1 || st.TCPGivenUp != 0 || st.Transactions != 1 || st.Responses != 2 {
		t.Errorf("%+v", st)
	}
}

// A truncated answer and the whole one over TCP are two transactions, though ports and
// id are the same.
func TestTruncatedThenTCP(t *testing.T) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	m, c := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}}), newTalk(t, q)
	c.tell(0, q)
	c.tell(1, q.reply(0, "203.0.113.10"))
	short := q.reply(0).with(func(d *datagram) { d.msg.Truncated = true })
	got := takeAll(m, append([]capture.Frame{q.frame(t, 90), short.frame(t, 91)}, c.frames...)...)
	want := []string{"api.partner.example. A 1q NOERROR: [90 91]", "api.partner.example. A 1q NOERROR:203.0.113.10 [4 5]"}
	if diff := cmp.Diff(want, tellAll(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if st := m.Stats(); st.Transactions != 2 || st.Truncated != 1 {
		t.Errorf("%+v", st)
	}
}

// Floods of half-open connections and of segments out of nowhere cost no more than was
// set aside, and make no connection go that is under way.
func TestTCPFloods(t *testing.T) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	m, c := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}}), newTalk(t, q)
	c.tell(0, q)
	answer := prefixed(t, q.reply(0, "203.0.113.10"))
	c.say(1, layers.TCP{ACK: true}, answer[:20])
	takeAll(m, c.frames...)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	junk := append([]byte{0x7f, 0xf0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, make([]byte, 1300)...)
	for i := range 20000 {
		d := q.with(func(d *datagram) {
			d.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), 4000)
		})
		takeAll(m, tcpFrame(t, d, layers.TCP{SYN: true, Seq: 9}, 1, nil), tcpFrame(t, d, layers.TCP{ACK: true, Seq: 10}, 1, junk))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d octets are held", grown)
	}
	c.frames = nil
	c.say(1, layers.TCP{ACK: true}, answer[20:])
	if got := takeAll(m, c.frames...); len(got) != 1 {
		t.Errorf("the connection that was under way is lost: %+v", m.Stats())
	}
	if st := m.Stats(); st.TCPGivenUp < 19000 {
		t.Errorf("%+v", st)
	}
}

// FuzzTCP has segments of any kind come.
func FuzzTCP(f *testing.F) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	c := newTalk(f, q)
	c.tell(0, q)
	c.tell(1, q.reply(0, "203.0.113.10"))
	var all []byte
	for _, x := range c.frames {
		all = append(append(all, byte(len(x.Data))), x.Data...)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, plan []byte) {
		m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}, Memory: 1 << 16})
		for i := 0; len(plan) > 1; i++ {
			n := min(int(plan[0]), len(plan)-1)
			data := bytes.Clone(plan[1 : 1+n])
			plan = plan[1+n:]
			takeAll(m, capture.Frame{At: began.Add(time.Duration(i) * ms), Link: capture.LinkEthernet, Data: data, Length: n})
		}
		if st := m.Stats(); st.Queries+st.Responses > st.TCPMessages+st.Packets {
			t.Fatalf("%+v", st)
		}
	})
}

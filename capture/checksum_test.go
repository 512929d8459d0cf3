package capture_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
)

// udpSum changes the checksum of a datagram over IPv4 or IPv6.
func udpSum(f capture.Frame, sum func(old uint16) uint16) capture.Frame {
	at := 14 + 20 + 6
	if f.Data[12] == 0x86 {
		at = 14 + 40 + 6
	}
	binary.BigEndian.PutUint16(f.Data[at:], sum(binary.BigEndian.Uint16(f.Data[at:])))
	return f
}

// A response that its receiver drops is none, where that can be known.
func TestChecksum(t *testing.T) {
	wrong := func(old uint16) uint16 { return old ^ 0x0101 }
	none := func(uint16) uint16 { return 0 }
	same := func(old uint16) uint16 { return old }
	for _, tt := range []struct {
		name   string
		sums   capture.Sums
		sum    func(uint16) uint16
		before int // right answers of others
		bad4   uint64
		bad6   uint64
	}{
		{"right, live", capture.SumsOpen, same, 0, 0, 0},
		{"wrong, live", capture.SumsOpen, wrong, 0, 1, 1},
		{"none, live", capture.SumsOpen, none, 0, 0, 1}, // RFC 8200 §8.1: IPv6 needs one
		{"wrong, checked by the card", capture.SumsSettled, wrong, 0, 0, 0},
		{"right, in a file", capture.SumsUnsure, same, 100, 0, 0},
		{"wrong, in a file of which nothing is known", capture.SumsUnsure, wrong, 0, 0, 0},
		{"wrong, in a file whose sums are right", capture.SumsUnsure, wrong, 100, 1, 1},
		{"none, in a file whose sums are right", capture.SumsUnsure, none, 100, 0, 1},
	} {
		for _, six := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, IPv6=%t", tt.name, six), func(t *testing.T) {
				q := query(0, 7, "api.partner.example.", dns.TypeA)
				want := tt.bad4
				if six {
					q, want = overSix(q), tt.bad6
				}
				m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
				for i := range tt.before {
					m.Take(query(0, uint16(1000+i), "other.example.", dns.TypeA).frame(t, 1))
				}
				m.Take(q.frame(t, 1))
				f := udpSum(q.reply(10*ms, "203.0.113.10").frame(t, 2), tt.sum)
				f.Sums = tt.sums
				if _, ok := m.Take(f); ok == (want == 1) {
					t.Errorf("sample %t", ok)
				}
				if st := m.Stats(); st.BadChecksum != want || st.Responses != 1-want {
					t.Errorf("%+v", st)
				}
			})
		}
	}
}

// A host that captures what it sends sees sums of which the card still has to make the
// rest. Those are no wrong ones, in whatever file.
func TestChecksumOffloaded(t *testing.T) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
	for i := range 100 {
		m.Take(query(0, uint16(1000+i), "other.example.", dns.TypeA).frame(t, 1))
	}
	m.Take(q.frame(t, 1))
	f := q.reply(10*ms, "203.0.113.10").frame(t, 2)
	ip := f.Data[14:]
	pseudo := uint32(17 + len(ip) - 20)
	for i := 12; i < 20; i += 2 {
		pseudo += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	pseudo = pseudo>>16 + pseudo&0xffff
	if _, ok := m.Take(udpSum(f, func(uint16) uint16 { return uint16(pseudo) })); !ok || m.Stats().BadChecksum != 0 {
		t.Errorf("%t, %+v", ok, m.Stats())
	}
}

// In a file where many are wrong, as in one that was made anonymous, none counts.
func TestChecksumAnonymous(t *testing.T) {
	m := capture.NewMatcher(capture.Config{})
	for i := range 400 {
		sum := func(old uint16) uint16 { return old }
		if i%4 == 0 {
			sum = func(old uint16) uint16 { return old ^ 0x0101 }
		}
		m.Take(udpSum(query(0, uint16(1000+i), "other.example.", dns.TypeA).frame(t, 1), sum))
	}
	if st := m.Stats(); st.BadChecksum != 0 || st.Queries != 400 {
		t.Errorf("%+v", st)
	}
}

// A segment with a wrong sum does not stand in the way of the genuine one; in files
// cards have put segments together.
func TestChecksumTCP(t *testing.T) {
	for _, sums := range []capture.Sums{capture.SumsOpen, capture.SumsUnsure} {
		q := query(0, 7, "api.partner.example.", dns.TypeA)
		m, c := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}}), newTalk(t, q)
		c.tell(0, q)
		at := c.next[1]
		c.again(1, layers.TCP{ACK: true}, at, prefixed(t, q.reply(0, "198.51.100.66")))
		bad := c.frames[len(c.frames)-1].Data
		bad[14+20+16] ^= 1
		c.again(1, layers.TCP{ACK: true}, at, prefixed(t, q.reply(0, "203.0.113.10")))
		for i := range c.frames {
			c.frames[i].Sums = sums
		}
		want := "203.0.113.10"
		if sums == capture.SumsUnsure {
			want = "198.51.100.66"
		}
		if got := takeAll(m, c.frames...); len(got) == 0 || got[0].Answers[0].Records[0].Data != want {
			t.Errorf("%v %+v", tellAll(got), m.Stats())
		}
	}
}

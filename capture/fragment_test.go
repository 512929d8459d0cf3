package capture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/capture"
)

// split cuts the datagram of a frame into fragments, behind each of the octets.
func split(f capture.Frame, id uint16, at ...int) (fs []capture.Frame) {
	const link = 14
	six := binary.BigEndian.Uint16(f.Data[12:]) == 0x86dd
	head := link + 20
	if six {
		head = link + 40
	}
	data := f.Data[head:]
	for i := 0; i <= len(at); i++ {
		from, to := 0, len(data)
		if i > 0 {
			from = at[i-1]
		}
		if i < len(at) {
			to = at[i]
		}
		more := i < len(at)
		b := bytes.Clone(f.Data[:head])
		if six {
			b[link+6] = 44
			flags := uint16(from)
			if more {
				flags |= 1
			}
			b = append(b, 17, 0)
			b = binary.BigEndian.AppendUint16(b, flags)
			b = binary.BigEndian.AppendUint32(b, uint32(id))
			binary.BigEndian.PutUint16(b[link+4:], uint16(8+to-from))
		} else {
			flags := uint16(from / 8)
			if more {
				flags |= 0x2000
			}
			binary.BigEndian.PutUint16(b[link+2:], uint16(20+to-from))
			binary.BigEndian.PutUint16(b[link+4:], id)
			binary.BigEndian.PutUint16(b[link+6:], flags)
		}
		g := f
		g.Data = append(b, data[from:to]...)
		g.Length = len(g.Data)
		fs = append(fs, g)
	}
	return fs
}

// large is an answer that no network carries in one.
func large(q datagram) datagram {
	r := q.reply(10*ms, "203.0.113.10", "203.0.113.11", "203.0.113.12")
	r.msg.Extra = append(r.msg.Extra, &dns.TXT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{string(make([]byte, 200))}})
	return r
}

func overSix(d datagram) datagram {
	return d.with(func(d *datagram) {
		for _, p := range []*netip.AddrPort{&d.src, &d.dst} {
			*p = netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", p.Port())), p.Port())
		}
	})
}

// However a datagram is cut, and in whatever order its fragments come, some of them
// twice, it says what it says whole.
func TestReassembly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q := query(0, 7, "api.partner.example.", dns.TypeA)
		if rapid.Bool().Draw(rt, "IPv6") {
			q = overSix(q)
		}
		m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
		m.Take(q.frame(t, 1))
		f := large(q).frame(t, 2)
		var at []int
		for o := 8; o < len(f.Data)-60; o += 8 {
			if rapid.IntRange(0, 5).Draw(rt, "cut") == 0 {
				at = append(at, o)
			}
		}
		fs := split(f, 99, at...)
		for range rapid.IntRange(0, 3).Draw(rt, "copies") {
			fs = append(fs, fs[rapid.IntRange(0, len(fs)-1).Draw(rt, "copy")])
		}
		rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 0)).Shuffle(len(fs), func(i, j int) { fs[i], fs[j] = fs[j], fs[i] })
		var got string
		for _, x := range fs {
			if s, ok := m.Take(x); ok {
				got = told(s)
			}
		}
		if want := "api.partner.example. A 1q NOERROR:203.0.113.10+203.0.113.11+203.0.113.12 [1 2]"; len(at) > 0 && got != want {
			rt.Fatalf("%q, want %q; %+v", got, want, m.Stats())
		}
	})
}

// The second fragment of an answer is somebody else's, and overlaps the genuine one.
func TestFragmentsContradict(t *testing.T) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	genuine := split(large(q).frame(t, 2), 99, 64)
	forged := large(q)
	forged.msg.Answer[2].(*dns.A).A = []byte{198, 51, 100, 66}
	false2 := split(forged.frame(t, 2), 99, 64)[1]
	m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
	m.Take(q.frame(t, 1))
	m.Take(false2)
	m.Take(genuine[1])
	s, ok := m.Take(genuine[0])
	if !ok || s.Answers[0].Packet.Broken != "fragments that contradict each other" {
		t.Fatalf("%t %+v", ok, s)
	}
	if st := m.Stats(); st.Torn != 1 || st.Reassembled != 1 || st.Fragments != 3 {
		t.Errorf("%+v", st)
	}
}

// What does not become whole is let go of.
func TestFragmentsExpire(t *testing.T) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
	m.Take(q.frame(t, 1))
	fs := split(large(q).frame(t, 2), 99, 64)
	m.Take(fs[0])
	fs[1].At = fs[1].At.Add(6 * time.Second)
	if s, ok := m.Take(fs[1]); ok {
		t.Errorf("a datagram of two halves that are six seconds apart: %s", told(s))
	}
	// A flood of first halves costs no more than what was set aside.
	for i := range 5000 {
		m.Take(split(large(q).frame(t, 2), uint16(i), 64)[0])
	}
	whole := split(large(q).frame(t, 2), 9999, 64)
	m.Take(whole[0])
	if _, ok := m.Take(whole[1]); !ok {
		t.Errorf("the flood pushed out what came after it: %+v", m.Stats())
	}
}

// FuzzFragments has fragments of any kind come. Nothing may panic.
func FuzzFragments(f *testing.F) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	for _, d := range []datagram{large(q), large(overSix(q))} {
		for _, x := range split(d.frame(f, 2), 99, 64) {
			f.Add(x.Data, uint8(0), uint8(64))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, cut, shift uint8) {
		m := capture.NewMatcher(capture.Config{Memory: 1 << 16})
		for i := range 4 {
			b := bytes.Clone(data)
			if i%2 == 1 && len(b) > 21 {
				b[20], b[21] = 0, shift // another place
			}
			b = b[:max(0, len(b)-i*int(cut))]
			m.Take(capture.Frame{At: began.Add(time.Duration(i) * time.Second), Link: capture.LinkEthernet, Data: b, Length: len(b)})
		}
		if st := m.Stats(); st.Reassembled > st.Fragments {
			t.Fatalf("%+v", st)
		}
	})
}

// TestFragmentCounts: a whole datagram is no fragment.
func TestFragmentCounts(t *testing.T) {
	q := query(0, 7, "example.com.", dns.TypeA)
	var got []uint64
	for _, flags := range []byte{0x20, 0x00, 0x01} { // more to come; whole; a later one
		m := capture.NewMatcher(capture.Config{})
		f := q.frame(t, 1)
		f.Data[20] = flags
		m.Take(f)
		got = append(got, m.Stats().Fragments, m.Stats().Queries)
	}
	if diff := cmp.Diff([]uint64{1, 0, 0, 1, 1, 0}, got); diff != "" {
		t.Errorf("fragments and queries (-want +got):\n%s", diff)
	}
}

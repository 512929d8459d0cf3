package capture_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// TestLinks has the same conflict come over every link that is known.
func TestLinks(t *testing.T) {
	q := query(0, 7, "www.example.com.", dns.TypeA)
	ip := func(f capture.Frame) []byte { return f.Data[14:] }
	tests := []struct {
		name string
		link capture.LinkType
		head []byte // in place of the Ethernet header
		mac  string // of the forger, as the sample has it
	}{
		{"Ethernet", capture.LinkEthernet, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x66, 8, 0}, forgerMAC},
		{"802.1Q", capture.LinkEthernet, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x66, 0x81, 0, 0, 42, 8, 0}, forgerMAC},
		{"QinQ", capture.LinkEthernet, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x66, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 42, 8, 0}, forgerMAC},
		{"SLL", capture.LinkSLL, []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0x66, 0, 0, 8, 0}, forgerMAC},
		{"SLL without an address", capture.LinkSLL, []byte{0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}, ""},
		{"SLL2", capture.LinkSLL2, []byte{8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0x66, 0, 0}, forgerMAC},
		{"SLL2 with an inner tag", capture.LinkSLL2, []byte{0x81, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0x66, 0, 0, 0, 42, 8, 0}, forgerMAC},
		{"BSD loopback, little endian", capture.LinkNull, []byte{2, 0, 0, 0}, ""},
		{"BSD loopback, big endian", capture.LinkNull, []byte{0, 0, 0, 2}, ""},
		{"OpenBSD loopback", capture.LinkLoop, []byte{0, 0, 0, 2}, ""},
		{"raw", capture.LinkRaw, nil, ""},
		{"raw BSD", capture.LinkRawBSD, nil, ""},
		{"raw IPv4", capture.LinkIPv4, nil, ""},
		{"PPP", capture.LinkPPP, []byte{0xff, 3, 0, 0x21}, ""},
		{"PPP without framing", capture.LinkPPP, []byte{0, 0x21}, ""},
		{"PPP in HDLC", capture.LinkHDLC, []byte{0xff, 3, 0, 0x21}, ""},
		{"PPPoE", capture.LinkPPPoE, []byte{0x11, 0, 0, 1, 0, 99, 0, 0x21}, ""},
		{"PPPoE in Ethernet", capture.LinkEthernet, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x66, 0x88, 0x64, 0x11, 0, 0, 1, 0, 99, 0, 0x21}, forgerMAC},
		{"PPPoE in a VLAN", capture.LinkEthernet, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x66, 0x81, 0, 0, 42, 0x88, 0x64, 0x11, 0, 0, 1, 0, 99, 0, 0x21}, forgerMAC},
		{"raw OpenBSD", capture.LinkRawOBSD, nil, ""},
		{"PPP, compressed", capture.LinkPPP, []byte{0x21}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := capture.NewMatcher(capture.Config{})
			var got monitor.Sample
			for i, d := range []datagram{q, q.reply(10*ms, "203.0.113.10"), q.reply(12*ms, "198.51.100.66")} {
				f := d.frame(t, i+1)
				f.Link, f.Data = tt.link, append(bytes.Clone(tt.head), ip(f)...)
				f.Length = len(f.Data)
				if s, ok := m.Take(f); ok {
					got = s
				}
			}
			if !got.Conflict() {
				t.Fatalf("no conflict in %+v, counts %+v", got, m.Stats())
			}
			if mac := got.Answers[1].Packet.MAC; mac != tt.mac {
				t.Errorf("MAC %q, want %q", mac, tt.mac)
			}
			// And cut anywhere, it is nothing, or broken, and never a panic.
			f := q.frame(t, 1)
			whole := append(bytes.Clone(tt.head), ip(f)...)
			for n := range whole {
				capture.NewMatcher(capture.Config{}).Take(capture.Frame{At: began, Link: tt.link, Data: whole[:n], Length: len(whole)})
			}
		})
	}
}

// cutAnswer is a response that ends behind the name of its answer. The DNS
// layer of gopacket 1.1.19 panics on these 42 octets.
var cutAnswer = append([]byte{0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0},
	"\x07example\x03com\x00\x00\x01\x00\x01\x07example\x03com\x00"...)

// TestHostile lets messages pass that are no messages.
func TestHostile(t *testing.T) {
	q := query(0, 7, "example.com.", dns.TypeA)
	head := []byte{0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}
	tests := []struct {
		name        string
		message     []byte
		undecodable uint64
		broken      string
	}{
		{"cut behind the name of the answer", cutAnswer, 0, "fewer records than its header says"},
		{"empty", nil, 1, ""},
		{"half a header", head[:6], 1, ""},
		{"a question of a pointer to itself", append(bytes.Clone(head), 0xc0, 12, 0, 1, 0, 1), 1, ""},
		{"a label longer than the message", append(bytes.Clone(head), 63, 'a'), 1, ""},
		{"an answer whose name points to itself", append(bytes.Clone(cutAnswer[:29]), 0xc0, 29, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4), 0, "fewer records than its header says"},
		{"an address of five octets", append(bytes.Clone(cutAnswer[:29]), 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 5, 1, 2, 3, 4, 5), 0, "fewer records than its header says"},
		{"octets behind the last record", append(bytes.Clone(cutAnswer[:29]), 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4, 0, 0), 0, "octets behind its last record"},
		{"as it should be", append(bytes.Clone(cutAnswer[:29]), 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4), 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := capture.NewMatcher(capture.Config{Watched: []string{"example.com."}})
			m.Take(q.frame(t, 1))
			d := q.reply(ms)
			d.msg, d.raw = nil, tt.message
			s, ok := m.Take(d.frame(t, 2))
			if n := m.Stats().Undecodable; n != tt.undecodable || ok != (tt.undecodable == 0) {
				t.Fatalf("undecodable %d, sample %v; want %d", n, ok, tt.undecodable)
			}
			if ok && s.Answers[0].Packet.Broken != tt.broken {
				t.Errorf("broken %q, want %q", s.Answers[0].Packet.Broken, tt.broken)
			}
		})
	}
}

// Floods cost no more than was set aside for them, and a client that floods
// does not push out the others.
func TestMatcherBounds(t *testing.T) {
	m := capture.NewMatcher(capture.Config{Transactions: 1000, Memory: 64 << 10})
	quiet := query(0, 7, "www.example.com.", dns.TypeA)
	flood := func(n int, from time.Duration) {
		for i := range n {
			d := query(from+time.Duration(i)*time.Microsecond, uint16(i), fmt.Sprintf("n%d.example.", i), dns.TypeA)
			d.src = netip.MustParseAddrPort("10.0.0.66:40000")
			m.Take(d.frame(t, i))
		}
	}
	flood(900, 0)
	m.Take(quiet.with(func(d *datagram) { d.after = 900 * time.Microsecond }).frame(t, 1))
	flood(5000, time.Millisecond)
	m.Take(quiet.reply(7*ms, "203.0.113.10").frame(t, 2))
	s, ok := m.Take(quiet.reply(8*ms, "198.51.100.66").frame(t, 3))
	if !ok || len(s.Queries) > 1 {
		t.Errorf("the conflict of the quiet client is lost: %v, counts %+v", ok, m.Stats())
	}
	if st := m.Stats(); st.Refused == 0 {
		t.Errorf("nothing was refused: %+v", st)
	}
}

// FuzzMatcher gives the matcher anything as the frame after a query.
func FuzzMatcher(f *testing.F) {
	q := query(0, 7, "example.com.", dns.TypeA)
	for _, d := range []datagram{q, q.reply(ms, "203.0.113.10"), q.reply(ms, "cdn.example.net."), q.with(func(d *datagram) { d.vlans = []uint16{1, 2} })} {
		f.Add(uint16(capture.LinkEthernet), d.frame(f, 1).Data)
		f.Add(uint16(capture.LinkRaw), d.frame(f, 1).Data[14:])
	}
	d := q.reply(ms)
	d.msg, d.raw = nil, cutAnswer
	f.Add(uint16(capture.LinkEthernet), d.frame(f, 1).Data)
	first := q.frame(f, 1)
	f.Fuzz(func(t *testing.T, link uint16, data []byte) {
		m := capture.NewMatcher(capture.Config{Watched: []string{"example.com."}, Memory: 1 << 16})
		m.Take(first)
		for i := range 3 {
			s, ok := m.Take(capture.Frame{At: began.Add(time.Duration(i) * ms), Link: capture.LinkType(link), Data: data, Length: len(data), Number: i + 2})
			if !ok {
				continue
			}
			for _, o := range s.Answers {
				for _, r := range o.Records {
					for _, c := range []byte(r.Name + r.Data) {
						if c < ' ' || c > '~' {
							t.Fatalf("record %+v holds octet %#x", r, c)
						}
					}
				}
			}
			s.Conflict()
			if _, err := s.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

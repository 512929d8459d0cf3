package capture

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseQuote(t *testing.T) {
	message := []byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01")
	q4 := packetIPv4(protocolUDP, packetUDP(40000, 53, message))
	q6 := packetIPv6(protocolUDP, packetUDP(53, 40000, message))
	s4 := packetIPv4(protocolTCP, packetTCP(40000, 53, 7, tcpSYN, nil))
	later := packetIPv4(protocolUDP, message)
	later[7] = 9
	options := append([]byte{0x46}, q4[1:20]...)
	options = append(append(options, 1, 1, 1, 1), q4[20:]...)
	a1, a2 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	b1, b2 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	port := netip.AddrPortFrom
	for _, tt := range []struct {
		name       string
		six        bool
		kind, code byte
		rest       uint32
		quoted     []byte
		want       *icmpQuote
	}{
		{"port unreachable", false, 3, 3, 0, q4, &icmpQuote{a1, 3, 3, protocolUDP, port(a1, 40000), port(a2, 53), 0, 7, true}},
		{"only eight octets quoted", false, 3, 3, 0, q4[:28], &icmpQuote{a1, 3, 3, protocolUDP, port(a1, 40000), port(a2, 53), 0, 0, false}},
		{"less", false, 3, 3, 0, q4[:27], nil},
		{"options", false, 3, 1, 0, options, &icmpQuote{a1, 3, 1, protocolUDP, port(a1, 40000), port(a2, 53), 0, 7, true}},
		{"of TCP", false, 3, 10, 0, s4, &icmpQuote{a1, 3, 10, protocolTCP, port(a1, 40000), port(a2, 53), 0, 0, false}},
		{"too large", false, 3, 4, 1400, q4, &icmpQuote{a1, 3, 4, protocolUDP, port(a1, 40000), port(a2, 53), 1400, 7, true}},
		{"no MTU where it is not", false, 3, 3, 1400, q4, &icmpQuote{a1, 3, 3, protocolUDP, port(a1, 40000), port(a2, 53), 0, 7, true}},
		{"quench", false, 4, 0, 0, q4, &icmpQuote{a1, 4, 0, protocolUDP, port(a1, 40000), port(a2, 53), 0, 7, true}},
		{"redirect", false, 5, 1, 0xc0000201, q4, &icmpQuote{a1, 5, 1, protocolUDP, port(a1, 40000), port(a2, 53), 0, 7, true}},
		{"time exceeded", false, 11, 0, 0, q4, &icmpQuote{a1, 11, 0, protocolUDP, port(a1, 40000), port(a2, 53), 0, 7, true}},
		{"of a later fragment", false, 3, 3, 0, later, nil},
		{"ping", false, 8, 0, 0, q4, nil},
		{"nothing quoted", false, 3, 3, 0, nil, nil},
		{"another version quoted", false, 3, 3, 0, q6, nil},
		{"ICMPv6 unreachable", true, 1, 4, 0, q6, &icmpQuote{b1, 1, 4, protocolUDP, port(b1, 53), port(b2, 40000), 0, 7, true}},
		{"ICMPv6 too large", true, 2, 0, 1280, q6, &icmpQuote{b1, 2, 0, protocolUDP, port(b1, 53), port(b2, 40000), 1280, 7, true}},
		{"ICMPv6 time exceeded", true, 3, 0, 0, q6, &icmpQuote{b1, 3, 0, protocolUDP, port(b1, 53), port(b2, 40000), 0, 7, true}},
		{"ICMPv6 ping", true, 128, 0, 0, q6, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := append(binary.BigEndian.AppendUint32([]byte{tt.kind, tt.code, 0, 0}, tt.rest), tt.quoted...)
			f := Frame{Link: LinkRaw, Data: packetIPv4(protocolICMP, m)}
			if tt.six {
				f.Data = packetIPv6(protocolICMPv6, m)
			}
			f.Length = len(f.Data)
			g, s := decoder{}.decode(&f)
			if s != icmp {
				t.Fatalf("a frame of sort %d", s)
			}
			q, ok := parseQuote(&g)
			if ok != (tt.want != nil) {
				t.Fatalf("%+v, %t", q, ok)
			}
			if ok {
				if diff := cmp.Diff(*tt.want, q, cmp.AllowUnexported(icmpQuote{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Errors about queries and answers are counted.
func TestQuoted(t *testing.T) {
	message := []byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01")
	answer := append([]byte{0, 7, 0x81}, message[3:]...)
	ask := packetIPv4(protocolUDP, packetUDP(40000, 53, message))
	say := packetIPv4(protocolUDP, packetUDP(53, 40000, answer))
	copy(say[12:], []byte{192, 0, 2, 2, 192, 0, 2, 1})
	foreign := packetIPv4(protocolUDP, packetUDP(40000, 5353, message))
	errs := func(kind, code byte, quoted []byte) []byte {
		return packetIPv4(protocolICMP, append([]byte{kind, code, 0, 0, 0, 0, 0, 0}, quoted...))
	}
	for _, tt := range []struct {
		name               string
		packet             []byte
		queries, responses uint64
	}{
		{"the query did not arrive", errs(3, 3, ask), 1, 0},
		{"the answer was not wanted", errs(3, 3, say), 0, 1},
		{"the answer was too large", errs(3, 4, say), 0, 1},
		{"too little is quoted", errs(3, 3, ask[:28]), 1, 0},
		{"of something else", errs(3, 3, foreign), 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := NewMatcher(Config{})
			for _, b := range [][]byte{ask, tt.packet} {
				m.Take(Frame{Link: LinkRaw, Data: b, Length: len(b)})
			}
			st := m.Stats()
			if st.QuotedQueries != tt.queries || st.QuotedResponses != tt.responses || st.Queries != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// What did not arrive is told from what was too large, or went on.
func TestUnreachable(t *testing.T) {
	four, six := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[2001:db8::1]:53")
	for _, tt := range []struct {
		src        netip.AddrPort
		kind, code uint8
		want       bool
	}{
		{four, 3, 3, true}, {four, 3, 4, false}, {four, 4, 0, false}, {four, 11, 0, false}, {four, 1, 0, false},
		{six, 1, 4, true}, {six, 2, 0, false}, {six, 3, 3, false},
	} {
		q := icmpQuote{src: tt.src, kind: tt.kind, code: tt.code}
		if got := q.unreachable(); got != tt.want {
			t.Errorf("%v, type %d, code %d: %t", tt.src.Addr(), tt.kind, tt.code, got)
		}
	}
}

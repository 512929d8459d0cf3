package capture_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/capture"
)

// live gives d as a live source does that hears it on an interface of a kind.
func (d datagram) live(t testing.TB, number int, hardware uint16) capture.Frame {
	t.Helper()
	f := d.frame(t, number)
	header := make([]byte, 20)
	binary.BigEndian.PutUint16(header, 0x0800)
	binary.BigEndian.PutUint16(header[8:], hardware)
	f.Link, f.Data = capture.LinkSLL2, append(header, f.Data[14:]...)
	f.Length = len(f.Data)
	return f
}

// A response over the loopback interface is marked where its server is not on this
// host.
func TestNonlocal(t *testing.T) {
	ask := query(0, 7, "api.partner.example.", dns.TypeA)
	local := func(a netip.Addr) bool { return a == clientAddr.Addr() || a.IsLoopback() }
	stub := ask.reply(time.Second, "203.0.113.10").with(func(d *datagram) { d.src = netip.MustParseAddrPort("127.0.0.53:53") })
	for _, tt := range []struct {
		name     string
		packet   datagram
		hardware uint16
		local    func(netip.Addr) bool
		want     bool
	}{
		{"over loopback, from elsewhere", ask.reply(time.Second, "203.0.113.10"), unix.ARPHRD_LOOPBACK, local, true},
		{"over loopback, from a stub", stub, unix.ARPHRD_LOOPBACK, local, false},
		{"over a link", ask.reply(time.Second, "203.0.113.10"), unix.ARPHRD_ETHER, local, false},
		{"from a file, where nobody knows", ask.reply(time.Second, "203.0.113.10"), unix.ARPHRD_LOOPBACK, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}, Local: tt.local})
			s, ok := m.Take(tt.packet.live(t, 1, tt.hardware))
			if !ok || len(s.Answers) != 1 {
				t.Fatalf("the matcher gives %d answers, want 1", len(s.Answers))
			}
			if got := s.Answers[0].Packet.Nonlocal; got != tt.want {
				t.Errorf("marked: %t, want %t", got, tt.want)
			}
		})
	}
}

func TestExchanges(t *testing.T) {
	at := func(d time.Duration) time.Time { return began.Add(d) }
	ask := query(time.Second, 7, "www.example.com.", dns.TypeA)
	masqueraded := ask.with(func(d *datagram) { d.src = netip.MustParseAddrPort("192.0.2.9:1024") })
	for _, tt := range []struct {
		name     string
		packet   datagram
		hardware uint16
		at       time.Time
		passed   bool
	}{
		{"the query", ask, unix.ARPHRD_ETHER, at(time.Second), true},
		{"the response", ask.reply(time.Second, "203.0.113.10"), unix.ARPHRD_ETHER, at(time.Second), true},
		{"the query, from another address and port", masqueraded, unix.ARPHRD_ETHER, at(time.Second), true},
		{"over loopback", ask, unix.ARPHRD_LOOPBACK, at(time.Second), false},
		{"long before", ask, unix.ARPHRD_ETHER, at(time.Minute), false},
		{"another id", query(time.Second, 8, "www.example.com.", dns.TypeA), unix.ARPHRD_ETHER, at(time.Second), false},
		{"another server", ask.with(func(d *datagram) { d.dst = netip.MustParseAddrPort("10.0.0.3:53") }), unix.ARPHRD_ETHER, at(time.Second), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := capture.NewExchanges()
			m := capture.NewMatcher(capture.Config{Passed: x})
			m.Take(tt.packet.live(t, 1, tt.hardware))
			passed, sure := x.Passed(serverAddr.Addr(), 7, tt.at, 2*time.Second)
			if passed != tt.passed || !sure {
				t.Errorf("passed: %t, sure: %t; want %t, surely", passed, sure, tt.passed)
			}
		})
	}
}

// Where so much passes that an exchange may have lost its place, nothing is sure; it
// is again when that is over.
func TestExchangesCrowded(t *testing.T) {
	x := capture.NewExchanges()
	m := capture.NewMatcher(capture.Config{Passed: x})
	f := query(time.Second, 0, "www.example.com.", dns.TypeA).live(t, 1, unix.ARPHRD_ETHER)
	const id, server = 20 + 20 + 8, 20 + 16 // in the frame
	for n := range 1 << 20 {
		binary.BigEndian.PutUint16(f.Data[id:], uint16(n))
		binary.BigEndian.PutUint16(f.Data[server+2:], uint16(n>>16)+1000)
		m.Take(f)
	}
	if passed, sure := x.Passed(serverAddr.Addr(), 7, began.Add(time.Second), 2*time.Second); passed || sure {
		t.Errorf("among a million: passed: %t, sure: %t", passed, sure)
	}
	if passed, sure := x.Passed(serverAddr.Addr(), 7, began.Add(time.Minute), 2*time.Second); passed || !sure {
		t.Errorf("a minute later: passed: %t, sure: %t", passed, sure)
	}
}

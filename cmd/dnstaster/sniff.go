package main

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// follower tells the monitor whether its questions went out, by what the ear that
// there is now has heard. It cannot tell unless that hears every interface.
type follower struct{ daemon *daemon }

var _ monitor.Sniffer = follower{}

// Follow implements monitor.Sniffer.
func (f follower) Follow(o monitor.Observation) func() (passed, sure bool) {
	p := f.daemon.parts.Load()
	if p == nil || p.ear.link == nil || o.Server.IsLoopback() || p.ear.link.local.has(o.Server) {
		return func() (bool, bool) { return false, false }
	}
	l := p.ear.link
	l.ring()
	return func() (passed, sure bool) { return l.passed(o) }
}

// link is what an ear that hears every interface knows of what passed them.
type link struct {
	exchanges *capture.Exchanges
	local     localAddrs // used by the goroutine of the monitor alone
	bell      *net.UDPConn
	heard     atomic.Int64 // time of the latest frame, in nanoseconds since 1970
	lost      atomic.Uint64
	lostAt    atomic.Int64
}

// lossFor is how long lost frames keep anything from being sure.
const lossFor = 10 * time.Second

// newLink makes a link. Its bell is a socket on the loopback interface that sends to
// itself: a frame which is heard after an answer came shows that whatever the links
// had to do with it was heard as well. nil where there is no loopback interface.
func newLink() *link {
	bell, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil
	}
	return &link{exchanges: capture.NewExchanges(), bell: bell}
}

// port is that of the bell, which the filter must let pass.
func (l *link) port() uint16 { return l.bell.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// ring sends one octet. That it cannot shows as a frame that is not heard.
func (l *link) ring() {
	to := l.bell.LocalAddr().(*net.UDPAddr).AddrPort()
	_, _ = l.bell.WriteToUDPAddrPort([]byte{0}, to)
}

// hear takes in that a frame came.
func (l *link) hear(f *capture.Frame) {
	if l == nil {
		return
	}
	l.heard.Store(f.At.UnixNano())
	if f.Lost != l.lost.Load() {
		l.lost.Store(f.Lost)
		l.lostAt.Store(f.At.UnixNano())
	}
}

// passed reports whether a packet of the exchange that o came of was seen, and
// whether that can be told.
func (l *link) passed(o monitor.Observation) (passed, sure bool) {
	passed, sure = l.exchanges.Passed(o.Server, o.TXID, o.At, time.Duration(o.RTT)+monitor.WireGrace)
	at := o.At.UnixNano()
	late, lossy := l.heard.Load() < at, at-l.lostAt.Load() < int64(lossFor)
	return passed, sure && !late && !lossy
}

func (l *link) close() {
	if l != nil {
		l.bell.Close()
	}
}

// everything reports whether the interfaces to be heard are all that there are.
func everything(interfaces []string) bool {
	return len(interfaces) == 1 && interfaces[0] == anyInterface
}

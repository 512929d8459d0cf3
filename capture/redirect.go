package capture

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// loopback reports whether a live frame came over the loopback interface.
func (f *Frame) loopback() bool {
	return f.Link == LinkSLL2 && len(f.Data) >= liveHeader && binary.BigEndian.Uint16(f.Data[8:]) == unix.ARPHRD_LOOPBACK
}

// nonlocal reports whether a response came over this host's loopback interface in
// the name of a server that is not on this host. A rule of NAT that leads queries to
// a port of this host does so: only the query was rewritten when it passed.
func (m *Matcher) nonlocal(f *Frame, server netip.Addr) bool {
	return m.cfg.Local != nil && f.loopback() && !m.cfg.Local(server)
}

// Exchanges remembers for a few seconds which queries and responses passed the
// links of this host, the loopback interface left out, so that whoever asked can
// tell whether its questions went out at all. An exchange is known by its server and
// DNS id: source NAT rewrites addresses and ports of the client, never these.
//
// It takes 512 KiB and no lock. Where more passes than it can hold it says so. The
// zero value is not usable.
type Exchanges struct {
	seed  maphash.Seed
	slots [1 << 16]atomic.Uint64 // a tag of the exchange above, milliseconds of the last packet below
}

// NewExchanges makes an empty one.
func NewExchanges() *Exchanges { return &Exchanges{seed: maphash.MakeSeed()} }

// exchange is one query with its response.
type exchange struct {
	server netip.Addr
	id     uint16
}

// place gives where an exchange is noted, and its tag there.
func (x *Exchanges) place(server netip.Addr, id uint16) (*atomic.Uint64, uint32) {
	sum := maphash.Comparable(x.seed, exchange{server.Unmap(), id})
	return &x.slots[sum>>48], uint32(sum)
}

// note takes in a message on its way; nil takes in nothing.
func (x *Exchanges) note(f *Frame, g *datagram, h *header) {
	if x == nil || f.loopback() {
		return
	}
	server := g.dst
	if h.response() {
		server = g.src
	}
	slot, tag := x.place(server.Addr(), h.id)
	slot.Store(uint64(tag)<<32 | uint64(millis(f.At)))
}

// Passed reports whether a packet of the exchange was seen within a time around at.
// It is not sure where another exchange has taken its place since. It may be called
// from any goroutine.
func (x *Exchanges) Passed(server netip.Addr, id uint16, at time.Time, within time.Duration) (passed, sure bool) {
	slot, tag := x.place(server, id)
	v := slot.Load()
	if v == 0 {
		return false, true
	}
	off := time.Duration(int32(uint32(v)-millis(at))) * time.Millisecond // they wrap around every 50 days
	recent := off.Abs() <= within
	if uint32(v>>32) == tag {
		return recent, true
	}
	// What is younger may have taken its place.
	return false, !recent && off < 0
}

// millis is a time in milliseconds, of which the lower half is enough to tell moments
// of one month apart.
func millis(t time.Time) uint32 { return uint32(t.UnixMilli()) }

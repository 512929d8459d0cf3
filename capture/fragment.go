package capture

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// Bounds of what is put together. A resolver gives up sooner, and who sends fragments
// by the million gets no more.
const (
	maxAssemblies = 256
	maxDatagram   = 65535
	maxFragments  = 64              // of one datagram
	holdFragments = 5 * time.Second // from the first one on
)

// piece is one fragment of a datagram (RFC 791 §3.2, RFC 8200 §4.5). Its slices lie
// within the frame.
type piece struct {
	src, dst netip.Addr
	id       uint32
	proto    uint8
	off      int    // of data, in octets
	more     bool   // others come behind it
	before   []byte // of the frame: link header, and the network header of an unfragmented datagram but for its lengths
	head     int    // where in before the network header begins
	next     int    // where in before the number of the header behind it is
	data     []byte
}

// parsePiece reads the fragment that g was found to be. It is false for one that is
// cut, and where nothing of use can be in it.
func parsePiece(f *Frame, g *datagram) (p piece, ok bool) {
	// Of a packet in a tunnel only what is inside is put together.
	from := 0
	if g.tunneled {
		from = g.ip
	}
	b := f.Data[g.ip:]
	if g.src.Addr().Is6() {
		p, ok = parsePiece6(b)
		p.off, p.more = p.off&^7, p.off&1 != 0
	} else {
		size, total, flags := g.transport-g.ip, int(binary.BigEndian.Uint16(b[2:])), binary.BigEndian.Uint16(b[6:])
		if total < size || total > len(b) {
			return p, false
		}
		p = piece{
			id: uint32(g.ident), proto: b[9], off: int(flags&0x1fff) * 8, more: flags&0x2000 != 0,
			next: 9, data: b[size:total],
		}
		ok = true
	}
	p.src, p.dst, p.head, p.next, p.before = g.src.Addr(), g.dst.Addr(), g.ip-from, p.next+g.ip-from, f.Data[from:g.transport]
	switch p.proto {
	case protocolUDP, protocolTCP, protocolGRE, protocolOptions:
		return p, ok
	}
	return p, false
}

// parsePiece6 finds the fragment header of an IPv6 packet that is known to have one.
// The offset is as it stands there, with its flags.
func parsePiece6(b []byte) (p piece, ok bool) {
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return p, false
	}
	next, at := 6, 40
	for b[next] != protocolFragment {
		next, at = at, at+8+int(b[at+1])*8
	}
	if at+8 > total {
		return p, false
	}
	return piece{
		id: binary.BigEndian.Uint32(b[at+4:]), proto: b[at], off: int(binary.BigEndian.Uint16(b[at+2:])),
		next: next, data: b[at+8 : total],
	}, true
}

// fragments puts datagrams together. It is used by one goroutine, and holds no more
// than maxAssemblies datagrams.
type fragments struct {
	table map[fragmentKey]*assembly
	order []fragmentKey // the oldest first
	torn  uint64        // datagrams of which parts for the same octets differed

	orphaned func(fragmentKey, part) // called for one whose beginning never came, with its first part; nil for nobody
}

type fragmentKey struct {
	src, dst netip.Addr
	id       uint32
	proto    uint8
}

// assembly is one datagram of which parts are there.
type assembly struct {
	begun  time.Time
	parts  []part // in the order of their offsets; they do not overlap
	total  int    // octets of the whole; -1 until the last one has come
	before []byte // of the first fragment
	head   int
	next   int
	forged bool // parts for the same octets differ: one of them is somebody else's
}

type part struct {
	off  int
	data []byte
}

// add takes in a fragment. When its datagram is whole, it gives it as a frame as it
// would have come in one. What comes first stands: that another one differs is said
// by forged.
func (fs *fragments) add(f *Frame, p piece) (whole Frame, forged, done bool) {
	fs.expire(f.At)
	k := fragmentKey{p.src, p.dst, p.id, p.proto}
	a := fs.table[k]
	if a == nil {
		if fs.table == nil {
			fs.table = map[fragmentKey]*assembly{}
		}
		if len(fs.table) >= maxAssemblies {
			fs.lose(fs.order[0])
		}
		a = &assembly{begun: f.At, total: -1}
		fs.table[k] = a
		fs.order = append(fs.order, k)
	}
	was := a.forged
	fits := a.take(p)
	if a.forged && !was {
		fs.torn++
	}
	if !fits {
		fs.drop(k)
		return whole, a.forged, false
	}
	if !a.whole() {
		return whole, a.forged, false
	}
	fs.drop(k)
	whole = *f
	if p.head == 0 {
		whole.Link = LinkRaw // if it was not: out of a tunnel
	}
	whole.Data = a.frame()
	whole.Length = len(whole.Data)
	return whole, a.forged, true
}

// expire lets go of datagrams that did not become whole in time.
func (fs *fragments) expire(now time.Time) {
	for len(fs.order) > 0 && now.Sub(fs.table[fs.order[0]].begun).Abs() > holdFragments {
		fs.lose(fs.order[0])
	}
}

// lose lets go of a datagram that did not become whole.
func (fs *fragments) lose(k fragmentKey) {
	if a := fs.table[k]; a.before == nil && len(a.parts) > 0 && fs.orphaned != nil {
		fs.orphaned(k, a.parts[0])
	}
	fs.drop(k)
}

func (fs *fragments) drop(k fragmentKey) {
	delete(fs.table, k)
	if i := slices.Index(fs.order, k); i >= 0 {
		fs.order = slices.Delete(fs.order, i, i+1)
	}
}

// take puts a fragment in its place; false where the datagram cannot be.
func (a *assembly) take(p piece) bool {
	end := p.off + len(p.data)
	switch {
	case end > maxDatagram, len(a.parts) >= maxFragments, p.more && len(p.data)%8 != 0, len(p.data) == 0:
		return false
	case !p.more && a.total >= 0 && a.total != end, a.total >= 0 && end > a.total:
		a.forged = true // two ends
		return true
	case !p.more:
		a.total = end
	}
	if p.off == 0 && a.before == nil {
		a.before, a.head, a.next = bytes.Clone(p.before), p.head, p.next
		a.before[p.next] = p.proto
	}
	// Of what is there already only what is new is taken.
	off, data := p.off, p.data
	for _, x := range a.parts {
		from, to := max(off, x.off), min(off+len(data), x.off+len(x.data))
		if from < to && !bytes.Equal(data[from-off:to-off], x.data[from-x.off:to-x.off]) {
			a.forged = true
		}
	}
	for i := 0; i <= len(a.parts) && len(data) > 0; i++ {
		// The gap before part i, or behind the last one.
		begin, limit := 0, maxDatagram
		if i > 0 {
			begin = a.parts[i-1].off + len(a.parts[i-1].data)
		}
		if i < len(a.parts) {
			limit = a.parts[i].off
		}
		from, to := max(off, begin), min(off+len(data), limit)
		if from < to {
			a.parts = slices.Insert(a.parts, i, part{from, bytes.Clone(data[from-off : to-off])})
			i++
		}
	}
	return true
}

// whole reports whether nothing is missing.
func (a *assembly) whole() bool {
	at := 0
	for _, x := range a.parts {
		if x.off != at {
			return false
		}
		at += len(x.data)
	}
	return a.total >= 0 && at >= a.total && a.before != nil
}

// frame gives the datagram as it would have come in one.
func (a *assembly) frame() []byte {
	b := a.before
	for _, x := range a.parts {
		b = append(b, x.data...)
	}
	b = b[:len(a.before)+a.total]
	ip := b[a.head:]
	if ip[0]>>4 == 4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(min(len(ip), maxDatagram)))
		binary.BigEndian.PutUint16(ip[6:], 0)
		return b
	}
	binary.BigEndian.PutUint16(ip[4:], uint16(min(len(ip)-40, maxDatagram)))
	return b
}

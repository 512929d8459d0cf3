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

// parsePiece reads a fragment behind its link header; false for what is none, or cut.
func parsePiece(f *Frame, n network) (p piece, ok bool) {
	b, link := n.payload, len(f.Data)-len(n.payload)
	if link < 0 {
		return p, false
	}
	if n.ether == etherIPv6 {
		return parsePiece6(f, b, link)
	}
	if len(b) < 20 {
		return p, false
	}
	ihl, total, flags := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:])), binary.BigEndian.Uint16(b[6:])
	if ihl < 20 || total < ihl || total > len(b) {
		return p, false
	}
	p = piece{
		id: uint32(binary.BigEndian.Uint16(b[4:])), proto: b[9], off: int(flags&0x1fff) * 8, more: flags&0x2000 != 0,
		before: f.Data[:link+ihl], head: link, next: link + 9, data: b[ihl:total],
	}
	p.src, _ = netip.AddrFromSlice(b[12:16])
	p.dst, _ = netip.AddrFromSlice(b[16:20])
	return p, p.more || p.off > 0
}

// parsePiece6 finds the fragment header behind those that stand before it.
func parsePiece6(f *Frame, b []byte, link int) (p piece, ok bool) {
	if len(b) < 40 {
		return p, false
	}
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return p, false
	}
	b = b[:total]
	next, at := 6, 40
	for range maxExtensions {
		switch b[next] {
		case 0, 43, 60: // hop by hop, routing, destination
			if at+8 > len(b) {
				return p, false
			}
			size := 8 + int(b[at+1])*8
			if at+size > len(b) {
				return p, false
			}
			next, at = at, at+size
			continue
		case 44:
			if at+8 > len(b) {
				return p, false
			}
			flags := binary.BigEndian.Uint16(b[at+2:])
			p = piece{
				id: binary.BigEndian.Uint32(b[at+4:]), proto: b[at], off: int(flags &^ 7), more: flags&1 != 0,
				before: f.Data[:link+at], head: link, next: link + next, data: b[at+8:],
			}
			p.src, _ = netip.AddrFromSlice(b[8:24])
			p.dst, _ = netip.AddrFromSlice(b[24:40])
			return p, p.more || p.off > 0
		}
		return p, false
	}
	return p, false
}

const maxExtensions = 8

// fragments puts datagrams together. It is used by one goroutine, and holds no more
// than maxAssemblies datagrams.
type fragments struct {
	table map[fragmentKey]*assembly
	order []fragmentKey // the oldest first
	torn  uint64        // datagrams of which parts for the same octets differed
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
			fs.drop(fs.order[0])
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
	whole.Data = a.frame()
	whole.Length = len(whole.Data)
	return whole, a.forged, true
}

// expire lets go of datagrams that did not become whole in time.
func (fs *fragments) expire(now time.Time) {
	for len(fs.order) > 0 && now.Sub(fs.table[fs.order[0]].begun).Abs() > holdFragments {
		fs.drop(fs.order[0])
	}
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

package capture

import (
	"time"
	"unsafe"
)

// memory holds the packets that came last, within a fixed number of octets. It
// takes only what it needs: a chunk is used again when its packets are too old
// to be asked for, and before that only where the bound leaves no other choice.
type memory struct {
	chunks []*chunk // the oldest first; the last one is filled
	first  place    // number of the oldest
	most   int      // chunks
}

// chunk is a piece of a memory.
type chunk struct {
	newest  int64 // when its last packet came, ns since 1970
	packets int
	octets  int
	packet  [chunkPackets]packet
	data    [chunkOctets]byte
}

const (
	chunkPackets = 512
	chunkOctets  = 72 << 10 // the largest datagram and what is before it, or 512 of 144 octets
	chunkSize    = int(unsafe.Sizeof(chunk{}))
	leastChunks  = 2
)

// packet is one packet of a transaction, as it is kept.
type packet struct {
	before place  // the transaction's packet before this one; 0 for none
	at     int64  // ns since 1970
	digest uint64 // of the message behind its id
	says   uint64 // what a response says, as content has it; else its digest
	offset uint32 // of its frame in the chunk
	size   uint32 // of its frame; 0 where that was too large to be kept
	length uint32 // on the wire
	number uint32
	iface  int32
	ident  uint16
	link   LinkType
	query  bool
	pieced bool // put together from fragments
	torn   bool // which contradict each other
}

// place is where a packet lies: which memory, the number of the chunk in it, from
// 1, and that of the packet. It is never used for another packet.
type place uint64

const placeMemory = 62 // bits below the number of the memory

// memories are apart, so that what anybody can send without end does not push out
// what is wanted most: packets of watched names, of others that somebody asked for,
// and responses to nothing.
type memories [3]*memory

const (
	forWatched = iota
	forAsked
	forLone
)

// newMemories makes memories of about size octets together.
func newMemories(size int) memories {
	return memories{newMemory(size / 4), newMemory(size / 2), newMemory(size / 4)}
}

func (ms *memories) put(which place, p packet, frame []byte, stale int64) place {
	return ms[which].put(p, frame, stale) | which<<placeMemory
}

func (ms *memories) get(p place) (*packet, []byte) {
	if p == 0 {
		return nil, nil
	}
	return ms[p>>placeMemory].get(p & (1<<placeMemory - 1))
}

// newMemory makes a memory of about size octets, at least two chunks.
func newMemory(size int) *memory {
	return &memory{first: 1, most: max(size/chunkSize, leastChunks)}
}

// put copies a packet and its frame in, and gives its place. What came in at or
// before stale, in ns since 1970, may be let go of.
func (m *memory) put(p packet, frame []byte, stale int64) place {
	if len(frame) > chunkOctets {
		frame = nil
	}
	n := len(m.chunks) - 1
	if n < 0 || m.chunks[n].packets == chunkPackets || m.chunks[n].octets+len(frame) > chunkOctets {
		m.turn(stale)
		n = len(m.chunks) - 1
	}
	c := m.chunks[n]
	p.offset, p.size = uint32(c.octets), uint32(len(frame))
	copy(c.data[c.octets:], frame)
	c.packet[c.packets] = p
	c.octets += len(frame)
	c.packets++
	c.newest = max(c.newest, p.at)
	return (m.first+place(n))*chunkPackets + place(c.packets-1)
}

// turn begins another chunk.
func (m *memory) turn(stale int64) {
	n := len(m.chunks)
	if n < leastChunks || n < m.most && m.chunks[0].newest > stale {
		m.chunks = append(m.chunks, &chunk{})
		return
	}
	c := m.chunks[0]
	copy(m.chunks, m.chunks[1:])
	m.chunks[n-1] = c
	m.first++
	c.newest, c.packets, c.octets = 0, 0, 0
}

// get gives the packet at p with its frame, nil where they had to make room. Both
// are valid until the next put.
func (m *memory) get(p place) (*packet, []byte) {
	n := p/chunkPackets - m.first // of a chunk that is gone, this is beyond all
	if n >= place(len(m.chunks)) {
		return nil, nil
	}
	c := m.chunks[n]
	x := &c.packet[p%chunkPackets]
	return x, c.data[x.offset : x.offset+x.size : x.offset+x.size]
}

// frame gives the packet as it came.
func (p *packet) frame(data []byte) Frame {
	return Frame{
		At: time.Unix(0, p.at).UTC(), Link: p.link, Data: data,
		Length: int(p.length), Number: int(p.number), Interface: int(p.iface),
	}
}

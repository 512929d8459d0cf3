package capture

import (
	"bytes"
	"encoding/binary"

	"github.com/dnstaster/dnstaster/monitor"
)

// Bounds of what is kept of one side of a connection.
const (
	maxStream    = 32 << 10 // octets
	maxAhead     = 8        // segments beyond a gap
	maxConflicts = 4        // segments that contradict others
)

// stream is what one side of a connection says: messages, each behind two octets of its
// length (RFC 1035 §4.2.2).
type stream struct {
	begun   bool   // base is known
	greeted bool   // by a SYN
	opaque  bool   // it is not followed any more
	torn    bool   // what is to come next has been contradicted
	first   uint32 // sequence number of its first octet, where it was greeted
	base    uint32 // of buf[0], with which a message begins

	buf       []byte // messages that were given, as far as there is room, and the beginning of the next
	given     int    // octets of buf that are messages given
	ahead     []segment
	waiting   int // octets in ahead
	conflicts int
}

// segment is what came before its turn.
type segment struct {
	seq  uint32
	data []byte
}

// add adds the octets of a segment. Each message that is whole with it goes to give,
// its length before it, with its sequence number. What comes first stands, as it does
// for most hosts; where the same octets come again as others, conflict is called and
// the messages that these make are given too, torn. It is false where the stream
// cannot be followed.
func (s *stream) add(seq uint32, data []byte, response bool, give func(said []byte, at uint32, torn bool), conflict func()) bool {
	if !s.begun {
		if !plausible(data, response) {
			return true // in the middle of something: another may be its beginning
		}
		s.begun, s.base = true, seq
	}
	off := int(int32(seq - s.base))
	if off < 0 { // before what is kept
		if -off >= len(data) {
			return true
		}
		data, off = data[-off:], 0
	}
	switch {
	case off > 2*maxStream:
		return true // of no window that the other side opened
	case off > len(s.buf):
		at := s.base + uint32(off)
		if len(s.ahead) == maxAhead || !s.room(len(data)) {
			return false
		}
		s.ahead = append(s.ahead, segment{at, bytes.Clone(data)})
		s.waiting += len(data)
		return true
	}
	if !s.put(off, data, give, conflict) {
		return false
	}
	for i := 0; i < len(s.ahead); i++ {
		x := s.ahead[i]
		off := int(int32(x.seq - s.base))
		if off > len(s.buf) {
			continue
		}
		s.ahead = append(s.ahead[:i], s.ahead[i+1:]...)
		s.waiting -= len(x.data)
		if off < 0 {
			x.data, off = x.data[min(-off, len(x.data)):], 0
		}
		if !s.put(off, x.data, give, conflict) {
			return false
		}
		i = -1 // it may reach up to one that was passed over
	}
	return true
}

// put puts octets where they belong, without a gap before them.
func (s *stream) put(off int, data []byte, give func([]byte, uint32, bool), conflict func()) bool {
	old := min(len(data), len(s.buf)-off)
	// A single octet that was said before is no attempt to say another: it asks whether
	// the other side is still there (RFC 9293 §3.8.4).
	if len(data) > 1 && !bytes.Equal(data[:old], s.buf[off:off+old]) {
		if s.conflicts++; s.conflicts > maxConflicts {
			return false
		}
		conflict()
		s.torn = true
		s.otherwise(off, data, give)
	}
	data = data[old:]
	if !s.room(len(data)) {
		return false
	}
	s.buf = append(s.buf, data...)
	for {
		size, ok := messageSize(s.buf[s.given:])
		if !ok {
			return false
		}
		if size == 0 || s.given+size > len(s.buf) {
			return true
		}
		give(s.buf[s.given:s.given+size], s.base+uint32(s.given), s.torn)
		s.given, s.torn = s.given+size, false
	}
}

// room reports whether n octets more can be kept. Messages that were given are let go of
// for them.
func (s *stream) room(n int) bool {
	if len(s.buf)+s.waiting+n > maxStream {
		s.base += uint32(s.given)
		s.buf, s.given = s.buf[:copy(s.buf, s.buf[s.given:])], 0
	}
	return len(s.buf)+s.waiting+n <= maxStream
}

// otherwise gives the messages that there would be if data at off were genuine, where
// they are others.
func (s *stream) otherwise(off int, data []byte, give func([]byte, uint32, bool)) {
	other := append(bytes.Clone(s.buf[:off]), data...)
	if len(other) < len(s.buf) {
		other = append(other, s.buf[len(other):]...)
	}
	for at := 0; at < off+len(data); {
		size, ok := messageSize(other[at:])
		end := at + size
		if !ok || size == 0 || end > len(other) {
			return
		}
		if end > off && (end > len(s.buf) || !bytes.Equal(other[at:end], s.buf[at:end])) {
			give(other[at:end], s.base+uint32(at), true)
		}
		at = end
	}
}

// unfinished reports whether a message has begun of which the rest did not come.
func (s *stream) unfinished() bool { return len(s.buf) > s.given || s.waiting > 0 }

// messageSize gives how long the message at the beginning of b is, with its length; 0
// where that did not come yet. It is false for one that is too short to be DNS, or too
// long for us.
func messageSize(b []byte) (size int, ok bool) {
	if len(b) < 2 {
		return 0, true
	}
	size = 2 + int(binary.BigEndian.Uint16(b))
	return size, size >= 2+headerSize && size <= maxStream
}

// plausible reports whether data looks like the beginning of a message, for a
// connection that began before we listened.
func plausible(data []byte, response bool) bool {
	if len(data) < 2+headerSize {
		return false
	}
	_, ok := messageSize(data)
	flags, questions := binary.BigEndian.Uint16(data[4:]), binary.BigEndian.Uint16(data[6:])
	return ok && flags&0x8000 != 0 == response && flags>>11&0xf <= 6 && questions <= 1
}

// alone is the message that a segment holds, said with its length and nothing else.
func (g *datagram) alone(said []byte) datagram {
	d := *g
	d.payload, d.stream = said[2:], true
	return d
}

// message gives a message as if it had come in one segment: behind the headers of g,
// with which it became whole, from sequence number at on.
func (g *datagram) message(f *Frame, said []byte, at uint32, torn bool) message {
	m := message{frame: *f}
	from := 0
	if g.tunneled {
		from, m.frame.Link = g.ip, LinkRaw
	}
	head := f.Data[from : g.transport+int(f.Data[g.transport+12]>>4)*4]
	b := append(append(make([]byte, 0, len(head)+len(said)), head...), said...)
	d := g.alone(b[len(head):])
	d.ip, d.transport, d.seq, d.torn, d.cut = g.ip-from, g.transport-from, at, torn, false
	ip, segment := b[d.ip:], b[d.transport:]
	binary.BigEndian.PutUint32(segment[4:], at)
	segment[13] = segment[13]&^(tcpSYN|tcpFIN|tcpRST) | tcpACK
	if g.src.Addr().Is4() {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		ip[10], ip[11] = 0, 0
		binary.BigEndian.PutUint16(ip[10:], ^fold(sum(0, ip[:d.transport-d.ip])))
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
	}
	segment[16], segment[17] = 0, 0
	binary.BigEndian.PutUint16(segment[16:], ^fold(d.pseudo(b)+sum(uint64(len(segment)), segment)))
	m.frame.Data, m.frame.Length, m.frame.Sums = b, len(b), SumsSettled
	m.datagram = d
	return m
}

// again takes apart a frame that a message was seen in.
func (d decoder) again(f *Frame) datagram {
	g, s := d.decode(f)
	if s == tcp && len(g.payload) >= 2 {
		return g.alone(g.payload)
	}
	return g
}

// transportName is what a message came over.
func (g *datagram) transportName() monitor.Transport {
	if g.stream {
		return monitor.TCP
	}
	return monitor.UDP
}

// tornText says what is wrong with a message that was put together from parts which
// contradict each other.
func (g *datagram) tornText() string {
	if g.stream {
		return brokenSegments
	}
	return brokenFragments
}

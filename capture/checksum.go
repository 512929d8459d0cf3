package capture

import (
	"encoding/binary"
	"math/bits"
)

// Sums says what the source of a frame knows of the checksums in it.
type Sums uint8

const (
	// SumsUnsure is for what comes out of files. A host that captures its own
	// packets sees them before the network card has filled the sums in.
	SumsUnsure Sums = iota
	// SumsOpen is for a frame that has all of its sums, and nobody checked them.
	SumsOpen
	// SumsSettled is for one that the kernel or the card has checked, and for one
	// that they still have to fill in.
	SumsSettled
)

// sums judges checksums where they mean something. A host drops what has a wrong one
// and no application hears of it: it is no answer, and no query either. Where a sum
// cannot be relied on the packet is kept, for an answer that is passed over is worse
// than one too many.
type sums struct {
	right, wrong uint64 // of what is SumsUnsure
}

// A file whose sums are to be relied on has had so many right ones, and so many for
// each wrong one. Others were made on a host that sends with offloaded sums, or were
// made anonymous without mending them.
const (
	sumsLeast = 16
	sumsRatio = 8
)

// good reports whether a packet with UDP or TCP in it is one that its receiver took.
func (s *sums) good(f *Frame, g *datagram) bool {
	// Of parts that contradict each other some are wrong, and all are evidence.
	if f.Sums == SumsSettled || g.cut || g.torn {
		return true
	}
	right, partial := g.checksum(f.Data)
	if f.Sums == SumsOpen {
		return right
	}
	switch {
	case right && !partial:
		s.right++
		return true
	case right, partial, g.protocol == protocolTCP:
		// Cards put segments together and leave them the sum of one: in files sums of
		// TCP say little.
		return true
	}
	s.wrong++
	return s.right < sumsLeast || s.right < sumsRatio*s.wrong
}

// checksum sums up a packet with its pseudo-header (RFC 768, RFC 9293 §3.1, RFC 8200
// §8.1). It is partial where the field holds the sum of the pseudo-header: hosts prepare
// it so for a card that adds the rest, without the length where the card is to cut the
// packet up. It is both where there is none, which IPv4 allows of UDP.
func (g *datagram) checksum(frame []byte) (right, partial bool) {
	field, data := 6, frame[g.transport:]
	if g.protocol == protocolTCP {
		field, data = 16, data[:int(data[12]>>4)*4+len(g.payload)]
	} else {
		data = data[:8+len(g.payload)]
	}
	said := binary.BigEndian.Uint16(data[field:])
	if said == 0 && g.protocol == protocolUDP && g.src.Addr().Is4() {
		return true, true
	}
	pseudo := g.pseudo(frame)
	whole := fold(sum(pseudo+uint64(len(data)), data))
	return whole == 0xffff, said == fold(pseudo) || said == fold(pseudo+uint64(len(data)))
}

// pseudo sums up the pseudo-header, but for the length.
func (g *datagram) pseudo(frame []byte) uint64 {
	if g.src.Addr().Is4() {
		return sum(uint64(g.protocol), frame[g.ip+12:g.ip+20])
	}
	return sum(uint64(g.protocol), frame[g.ip+8:g.ip+40])
}

// sum adds b to a sum of big-endian words of two octets (RFC 1071).
func sum(start uint64, b []byte) uint64 {
	total, carry := start, uint64(0)
	for len(b) >= 32 {
		total, carry = bits.Add64(total, binary.BigEndian.Uint64(b), carry)
		total, carry = bits.Add64(total, binary.BigEndian.Uint64(b[8:]), carry)
		total, carry = bits.Add64(total, binary.BigEndian.Uint64(b[16:]), carry)
		total, carry = bits.Add64(total, binary.BigEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		total, carry = bits.Add64(total, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var last [8]byte
	copy(last[:], b)
	total, carry = bits.Add64(total, binary.BigEndian.Uint64(last[:]), carry)
	return uint64(fold(total)) + carry
}

// fold makes one word of a sum.
func fold(total uint64) uint16 {
	total = total>>32 + total&0xffffffff
	total = total>>32 + total&0xffffffff
	total = total>>16 + total&0xffff
	total = total>>16 + total&0xffff
	return uint16(total>>16 + total&0xffff)
}

package capture

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"
)

// The first four bytes of a pcap file, in the byte order of who wrote it
// (draft-ietf-opsawg-pcap §4).
const (
	pcapMicro    = 0xa1b2c3d4
	pcapNano     = 0xa1b23c4d
	pcapModified = 0xa1b2cd34 // Linux of 1999, by Kuznetzov: 8 more bytes before each packet
)

// pcap is the old format: one header, then records of one link type.
type pcap struct {
	order binary.ByteOrder
	unit  uint32 // nanoseconds
	head  int    // bytes before each packet
	mixed bool   // the two lengths may be in either order
	link  LinkType
}

func pcapIs(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	magic := binary.LittleEndian.Uint32(head)
	return pcapKnown(magic) || pcapKnown(bits.ReverseBytes32(magic))
}

func pcapKnown(magic uint32) bool {
	return magic == pcapMicro || magic == pcapNano || magic == pcapModified
}

func newPcap(in *fileInput) (*pcap, error) {
	b, err := in.take(24)
	if err != nil {
		return nil, err
	}
	p := &pcap{order: binary.LittleEndian, unit: 1000, head: 16}
	if !pcapKnown(p.order.Uint32(b)) {
		p.order = binary.BigEndian
	}
	switch p.order.Uint32(b) {
	case pcapNano:
		p.unit = 1
	case pcapModified:
		p.head = 24
	}
	major, minor := p.order.Uint16(b[4:]), p.order.Uint16(b[6:])
	const dgux = 543 // DG/UX wrote this for 2.x
	if major != 2 && major != dgux {
		return nil, fmt.Errorf("%w: pcap %d.%d", ErrVersion, major, minor)
	}
	// Before 2.3 the lengths were the other way round; in 2.3, either.
	p.mixed = minor < 4 || major == dgux
	// The snapshot length (b[16:20]) is often 0 or absurd, and says nothing that
	// the records do not. The upper half of the link type is about checksums.
	p.link = LinkType(p.order.Uint32(b[20:]))
	return p, nil
}

func (p *pcap) next(in *fileInput, _ *ReaderStats) (Frame, error) {
	b, err := in.first(p.head)
	if err != nil {
		return Frame{}, err
	}
	seconds, fraction := p.order.Uint32(b), p.order.Uint32(b[4:])
	captured, wire := p.order.Uint32(b[8:]), p.order.Uint32(b[12:])
	if p.mixed {
		captured, wire = min(captured, wire), max(captured, wire)
	}
	if captured > maxFrame {
		return Frame{}, fmt.Errorf("%w: packet of %d bytes", ErrBadLength, captured)
	}
	data, err := in.take(int(captured))
	if err != nil {
		return Frame{}, err
	}
	return Frame{
		At:     time.Unix(int64(seconds), int64(fraction)*int64(p.unit)).UTC(),
		Link:   p.link,
		Data:   data,
		Length: max(int(wire), int(captured)),
	}, nil
}

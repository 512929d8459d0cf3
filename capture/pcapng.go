package capture

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Types of blocks (draft-ietf-opsawg-pcapng §4).
const (
	ngSection    = 0x0a0d0d0a // the same in both byte orders
	ngInterface  = 1
	ngOldPacket  = 2
	ngSimple     = 3
	ngStatistics = 5
	ngPacket     = 6
	ngJournal    = 9
	ngCustom     = 0xbad
	ngCustomOwn  = 0x40000bad // not to be copied
)

const (
	ngOrderMagic = 0x1a2b3c4d
	ngMinBlock   = 12           // type, length, and length again
	ngMaxBlock   = 16 << 20     // as in libpcap and Wireshark
	ngMaxHeld    = 2 * maxFrame // of a block that is read as a whole
)

// ng is pcapng: sections of blocks, each section with its own byte order and
// its own interfaces.
type ng struct {
	order      binary.ByteOrder
	interfaces []ngIface
	last       time.Time // of the packet before
}

func ngIs(head []byte) bool {
	return len(head) >= 4 && binary.LittleEndian.Uint32(head) == ngSection
}

func newNG(in *fileInput) (*ng, error) {
	b, err := in.peek(12)
	if err != nil {
		return nil, fileCut(err)
	}
	// Four bytes that are line ends may be chance; the byte order mark is not.
	if ngOrder(b[8:]) == nil {
		return nil, ErrNotCapture
	}
	g := &ng{last: time.Unix(0, 0).UTC()}
	if b, err = in.first(8); err != nil {
		return nil, err
	}
	return g, g.section(in, [4]byte(b[4:]))
}

func ngOrder(mark []byte) binary.ByteOrder {
	switch {
	case binary.LittleEndian.Uint32(mark) == ngOrderMagic:
		return binary.LittleEndian
	case binary.BigEndian.Uint32(mark) == ngOrderMagic:
		return binary.BigEndian
	}
	return nil
}

// next reads blocks until one is a packet.
func (g *ng) next(in *fileInput, stats *ReaderStats) (Frame, error) {
	for {
		b, err := in.first(8)
		if err != nil {
			return Frame{}, err
		}
		kind := g.order.Uint32(b)
		if kind == ngSection {
			if err := g.section(in, [4]byte(b[4:])); err != nil {
				return Frame{}, err
			}
			continue
		}
		length, err := ngLength(g.order.Uint32(b[4:]))
		if err != nil {
			return Frame{}, err
		}
		f, packet, err := g.block(in, stats, kind, length)
		if err != nil {
			return Frame{}, fmt.Errorf("block of type %#x: %w", kind, err)
		}
		if packet {
			return f, nil
		}
	}
}

// ngLength checks the length of a block.
func ngLength(length uint32) (int, error) {
	if length < ngMinBlock || length%4 != 0 || length > ngMaxBlock {
		return 0, fmt.Errorf("%w: block of %d bytes", ErrBadLength, length)
	}
	return int(length), nil
}

// section begins a section. Of its header, type and length are read; in which
// byte order the length is follows only now.
func (g *ng) section(in *fileInput, rawLength [4]byte) error {
	b, err := in.take(8)
	if err != nil {
		return err
	}
	order := ngOrder(b)
	if order == nil {
		return fmt.Errorf("%w: section in no byte order", ErrMalformed)
	}
	length, err := ngLength(order.Uint32(rawLength[:]))
	if err != nil {
		return err
	}
	major, minor := order.Uint16(b[4:]), order.Uint16(b[6:])
	// 1.2 is written by some, and is 1.0.
	if major != 1 || minor != 0 && minor != 2 {
		return fmt.Errorf("%w: pcapng %d.%d", ErrVersion, major, minor)
	}
	g.order, g.interfaces = order, g.interfaces[:0]
	// The length of the section, eight bytes, is not trusted with anything.
	const read, fixed = 16, 24
	if length < fixed+4 {
		return fmt.Errorf("%w: section header of %d bytes", ErrBadLength, length)
	}
	return g.skip(in, length, length-read)
}

// block reads the rest of a block that is length bytes long, eight of which
// are read.
func (g *ng) block(in *fileInput, stats *ReaderStats, kind uint32, length int) (f Frame, packet bool, err error) {
	switch kind {
	case ngInterface, ngStatistics, ngOldPacket, ngSimple, ngPacket:
	case ngJournal, ngCustom, ngCustomOwn:
		stats.Records++
		fallthrough
	default:
		stats.Skipped++
		return Frame{}, false, g.skip(in, length, length-8)
	}
	if length > ngMaxHeld {
		return Frame{}, false, fmt.Errorf("%w: %d bytes", ErrBadLength, length)
	}
	b, err := in.take(length - 8)
	if err != nil {
		return Frame{}, false, err
	}
	body, trailer := b[:len(b)-4], b[len(b)-4:]
	if err := g.trailer(trailer, length); err != nil {
		return Frame{}, false, err
	}
	switch kind {
	case ngInterface:
		return Frame{}, false, g.describe(body)
	case ngStatistics:
		g.statistics(body, stats)
		return Frame{}, false, nil
	}
	f, err = g.packet(kind, body, stats)
	return f, err == nil, err
}

// skip passes over the last n bytes of a block of length.
func (g *ng) skip(in *fileInput, length, n int) error {
	if err := in.skip(n - 4); err != nil {
		return err
	}
	b, err := in.take(4)
	if err != nil {
		return err
	}
	return g.trailer(b, length)
}

func (g *ng) trailer(b []byte, length int) error {
	if again := g.order.Uint32(b); again != uint32(length) {
		return fmt.Errorf("%w: %d bytes at the head, %d at the end", ErrBadLength, length, again)
	}
	return nil
}

package capture

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Options of blocks (draft-ietf-opsawg-pcapng §3.5 and those of each block).
const (
	ngOptEnd         = 0
	ngOptComment     = 1
	ngOptApplication = 4 // of a section
	ngOptDescription = 3 // of an interface
	ngOptResolution  = 9
	ngOptOffset      = 14
	ngOptDropped     = 4 // of a packet: lost since the one before
	ngOptByInterface = 5 // of statistics: lost by the interface
	ngOptBySystem    = 7 // and by the system
)

// ngMaxInterfaces bounds the interfaces of one section.
const ngMaxInterfaces = 1 << 16

// ngIface is an interface as a section describes it.
type ngIface struct {
	link   LinkType
	snap   uint32 // 0: no limit
	unit   uint64 // so many to a second
	offset int64  // seconds, to be added
	// What was lost is told twice: by packets, and by statistics that sum up.
	byPackets, byStatistics uint64
}

// describe adds the interface in the body of a block.
func (g *ng) describe(b []byte) error {
	if len(b) < 8 {
		return fmt.Errorf("%w: %d bytes", ErrBadLength, len(b))
	}
	if len(g.interfaces) == ngMaxInterfaces {
		return fmt.Errorf("%w: more than %d interfaces", ErrMalformed, ngMaxInterfaces)
	}
	i := ngIface{link: LinkType(g.order.Uint16(b)), snap: g.order.Uint32(b[4:]), unit: 1_000_000}
	for options := b[8:]; ; {
		code, value, rest, err := ngOption(g.order, options)
		if err != nil {
			return err
		}
		options = rest
		switch code {
		case ngOptEnd:
			g.interfaces = append(g.interfaces, i)
			return nil
		case ngOptResolution:
			if len(value) != 1 {
				return fmt.Errorf("%w: resolution in %d bytes", ErrBadLength, len(value))
			}
			if i.unit = ngUnit(value[0]); i.unit == 0 {
				return fmt.Errorf("%w: resolution %#x", ErrMalformed, value[0])
			}
		case ngOptOffset:
			if len(value) != 8 {
				return fmt.Errorf("%w: offset of times in %d bytes", ErrBadLength, len(value))
			}
			i.offset = int64(g.order.Uint64(value))
		}
	}
}

// ngUnit gives how many units make a second: a power of two where the highest
// bit is set, else of ten. It is 0 where so fine a unit does not fit.
func ngUnit(resolution byte) uint64 {
	if resolution&0x80 != 0 {
		return uint64(1) << (resolution & 0x7f) // 0 from 64 on
	}
	if resolution > 19 {
		return 0
	}
	unit := uint64(1)
	for range resolution {
		unit *= 10
	}
	return unit
}

// time is that of a packet. Where it lies outside of what a Reader gives, it is
// the nearer end, and exact is false.
func (i *ngIface) time(at uint64) (t time.Time, exact bool) {
	seconds, fraction := at/i.unit, at%i.unit
	// fraction is less than the unit, so that the quotient fits.
	hi, lo := bits.Mul64(fraction, uint64(time.Second))
	ns, _ := bits.Div64(hi, lo, i.unit)

	const end, endNS = math.MaxInt64 / 1_000_000_000, math.MaxInt64 % 1_000_000_000
	sum := int64(min(seconds, math.MaxInt64))
	if i.offset > 0 && sum > math.MaxInt64-i.offset {
		sum = math.MaxInt64
	} else {
		sum += i.offset
	}
	switch {
	case sum < 0:
		return time.Unix(0, 0).UTC(), false
	case sum > end || sum == end && ns > endNS:
		return time.Unix(end, endNS).UTC(), false
	}
	return time.Unix(sum, int64(ns)).UTC(), true
}

// lost sets what was lost, and counts what was not known.
func (i *ngIface) lost(byPackets, byStatistics uint64, stats *ReaderStats) {
	before := max(i.byPackets, i.byStatistics)
	i.byPackets, i.byStatistics = byPackets, byStatistics
	if after := max(byPackets, byStatistics); after > before {
		stats.Lost = ngSum(stats.Lost, after-before)
	}
}

// ngSum is a and b, or the highest number where that is more.
func ngSum(a, b uint64) uint64 {
	if sum, carry := bits.Add64(a, b, 0); carry == 0 {
		return sum
	}
	return math.MaxUint64
}

// statistics reads the body of a block that sums up an interface. It is about
// packets that are not there, so one that makes no sense does no harm.
func (g *ng) statistics(b []byte, stats *ReaderStats) {
	if len(b) < 12 {
		return
	}
	id := g.order.Uint32(b)
	if uint64(id) >= uint64(len(g.interfaces)) {
		return
	}
	byInterface, _ := ngOptionUint64(g.order, b[12:], ngOptByInterface)
	bySystem, _ := ngOptionUint64(g.order, b[12:], ngOptBySystem)
	i := &g.interfaces[id]
	i.lost(i.byPackets, max(i.byStatistics, ngSum(byInterface, bySystem)), stats)
}

// ngOption splits the first option off. Where there is none left, the code is
// ngOptEnd.
func ngOption(order binary.ByteOrder, b []byte) (code uint16, value, rest []byte, err error) {
	if len(b) < 4 {
		return ngOptEnd, nil, nil, nil
	}
	code, n := order.Uint16(b), int(order.Uint16(b[2:]))
	if code == ngOptEnd {
		return ngOptEnd, nil, nil, nil
	}
	b = b[4:]
	if ngPadded(n) > len(b) {
		return 0, nil, nil, fmt.Errorf("%w: option of %d bytes in %d", ErrBadLength, n, len(b))
	}
	return code, b[:n], b[ngPadded(n):], nil
}

// ngOptionUint64 finds an option whose value is a number.
func ngOptionUint64(order binary.ByteOrder, b []byte, want uint16) (n uint64, ok bool) {
	for {
		code, value, rest, err := ngOption(order, b)
		switch {
		case err != nil || code == ngOptEnd:
			return 0, false
		case code == want && len(value) == 8:
			return order.Uint64(value), true
		}
		b = rest
	}
}

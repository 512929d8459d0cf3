package capture

import "fmt"

// ngRecord is what the three kinds of packet blocks have in common.
type ngRecord struct {
	iface          uint32
	at             uint64
	timed          bool
	captured, wire uint32
	dropped        uint64 // since the packet before on the same interface
	rest           []byte // the packet, padding, options
}

// packet gives the packet in the body of a block.
func (g *ng) packet(kind uint32, body []byte, stats *ReaderStats) (Frame, error) {
	rec, err := g.record(kind, body)
	if err != nil {
		return Frame{}, err
	}
	if uint64(rec.iface) >= uint64(len(g.interfaces)) {
		return Frame{}, fmt.Errorf("%w: %d of %d", ErrNoInterface, rec.iface, len(g.interfaces))
	}
	iface := &g.interfaces[rec.iface]
	if kind == ngSimple {
		rec.captured = rec.wire
		if iface.snap != 0 {
			rec.captured = min(rec.captured, iface.snap)
		}
	}
	if rec.captured > maxFrame || int(rec.captured) > len(rec.rest) {
		return Frame{}, fmt.Errorf("%w: packet of %d bytes in %d", ErrBadLength, rec.captured, len(rec.rest))
	}
	if kind == ngPacket {
		options := rec.rest[min(len(rec.rest), ngPadded(int(rec.captured))):]
		rec.dropped, _ = ngOptionUint64(g.order, options, ngOptDropped)
	}
	iface.lost(ngSum(iface.byPackets, rec.dropped), iface.byStatistics, stats)
	if rec.timed {
		var exact bool
		if g.last, exact = iface.time(rec.at); !exact {
			stats.Untimed++
		}
	} else {
		stats.Untimed++
	}
	return Frame{
		At:        g.last,
		Link:      iface.link,
		Data:      rec.rest[:rec.captured:rec.captured],
		Length:    max(int(rec.wire), int(rec.captured)),
		Interface: int(rec.iface),
	}, nil
}

// record splits the fixed part of a packet block.
func (g *ng) record(kind uint32, b []byte) (rec ngRecord, err error) {
	fixed := 20
	if kind == ngSimple {
		fixed = 4
	}
	if len(b) < fixed {
		return rec, fmt.Errorf("%w: %d bytes", ErrBadLength, len(b))
	}
	if rec.rest = b[fixed:]; kind == ngSimple {
		rec.wire = g.order.Uint32(b)
		return rec, nil
	}
	rec.iface = g.order.Uint32(b)
	if kind == ngOldPacket {
		rec.iface = uint32(g.order.Uint16(b))
		if n := g.order.Uint16(b[2:]); n != 0xffff { // which is unknown
			rec.dropped = uint64(n)
		}
	}
	rec.at, rec.timed = uint64(g.order.Uint32(b[4:]))<<32|uint64(g.order.Uint32(b[8:])), true
	rec.captured, rec.wire = g.order.Uint32(b[12:]), g.order.Uint32(b[16:])
	return rec, nil
}

// ngPadded is n, rounded up to a multiple of four.
func ngPadded(n int) int { return (n + 3) &^ 3 }

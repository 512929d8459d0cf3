package capture

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// liveHeader is the length of a header of LINKTYPE_LINUX_SLL2.
const liveHeader = 20

// frame copies a packet out of the ring, behind a header of
// LINKTYPE_LINUX_SLL2. It is not wanted if it will come again: what is sent on a
// loopback interface is also received there.
func (l *Live) frame(p ringPacket) (f Frame, wanted bool) {
	a, b := p.address, l.buf
	kind := binary.NativeEndian.Uint16(a[8:])
	if kind == unix.ARPHRD_LOOPBACK && a[10] == unix.PACKET_OUTGOING {
		return f, false
	}
	index := binary.NativeEndian.Uint32(a[4:])
	clear(b[:liveHeader])
	binary.BigEndian.PutUint16(b, liveProtocol(binary.BigEndian.Uint16(a[2:]), p.payload, p.length))
	binary.BigEndian.PutUint32(b[4:], index)
	binary.BigEndian.PutUint16(b[8:], kind)
	b[10], b[11] = a[10], a[11]
	copy(b[12:liveHeader], a[12:12+min(a[11], 8)])
	n := liveHeader + copy(b[liveHeader:], p.payload)
	return Frame{
		At:        time.Unix(int64(p.seconds), int64(p.nanos)).UTC(),
		Link:      LinkSLL2,
		Data:      b[:n:n],
		Length:    liveHeader + int(p.length),
		Interface: int(index),
		Sums:      liveSums(p.status, a[10]),
		Lost:      l.dropped.Load(),
	}, true
}

// liveSums tells whether the checksums of a packet are to be judged. Those of what this
// host sends are not filled in yet, nor are those of what a neighbour on the same
// machine sent; the card may have checked others.
func liveSums(status uint32, kind byte) Sums {
	if kind == unix.PACKET_OUTGOING || status&(unix.TP_STATUS_CSUMNOTREADY|unix.TP_STATUS_CSUM_VALID) != 0 {
		return SumsSettled
	}
	return SumsOpen
}

// liveProtocol mends the protocol that the kernel gives for frames with VLAN
// tags. Since 6.11 it is that behind all tags, though one of two tags received
// is still there; before, it was that of a tag, though a tag sent is not there.
// length is that on the wire.
func liveProtocol(given uint16, payload []byte, length uint32) uint16 {
	if len(payload) < filterShortest {
		return given
	}
	plain, inner := uint16(0), uint16(0)
	switch payload[0] >> 4 {
	case 4:
		plain = etherIPv4
	case 6:
		plain = etherIPv6
	}
	switch behind := binary.BigEndian.Uint16(payload[2:]); {
	case behind == etherIPv4 && payload[4]>>4 == 4, behind == etherIPv6 && payload[4]>>4 == 6:
		inner = behind
	}
	if plain != 0 && inner != 0 {
		// It could be either. Long as these would be, they are not padded.
		switch said := uint32(binary.BigEndian.Uint16(payload[2:])); {
		case plain == etherIPv4 && said == length,
			plain == etherIPv6 && uint32(binary.BigEndian.Uint16(payload[4:]))+40 == length:
			inner = 0
		default:
			plain = 0
		}
	}
	switch given {
	case etherIPv4, etherIPv6:
		if given == inner {
			return etherVLAN
		}
	case etherVLAN, etherQinQ, etherOld:
		if plain != 0 {
			return plain
		}
	}
	return given
}

package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// behindLink gives where the network layer of a frame begins.
func behindLink(link capture.LinkType, b []byte) (at int, ok bool) {
	kind := 0 // where the EtherType lies
	switch link {
	case capture.LinkEthernet:
		kind, at = 12, 14
	case capture.LinkSLL:
		kind, at = 14, 16
	case capture.LinkSLL2:
		kind, at = 0, 20
	case capture.LinkNull, capture.LinkLoop:
		return 4, true
	case capture.LinkPPP:
		if bytes.HasPrefix(b, []byte{0xff, 3}) {
			at = 2
		}
		for _, head := range [][]byte{{0, 0x21}, {0, 0x57}, {0x21}, {0x57}} {
			if bytes.HasPrefix(b[at:], head) {
				return at + len(head), true
			}
		}
		return 0, false
	case capture.LinkRaw, capture.LinkRawBSD, capture.LinkRawOBSD, capture.LinkIPv4, capture.LinkIPv6:
		return 0, true
	default:
		return 0, false
	}
	for len(b) >= at && len(b) >= kind+2 {
		switch binary.BigEndian.Uint16(b[kind:]) {
		case 0x8100, 0x88a8, 0x9100: // a VLAN tag
			kind, at = at+2, at+4
		case 0x0800, 0x86dd:
			return at, true
		default:
			return 0, false
		}
	}
	return 0, false
}

func (r *remap) ipv4(b []byte) {
	head := int(b[0]&0xf) * 4
	if head < 20 || len(b) < head {
		return
	}
	var sum change
	r.patchAddr(b[12:16], 12, &sum)
	r.patchAddr(b[16:20], 16, &sum)
	sum.apply(b, 10)
	if binary.BigEndian.Uint16(b[6:])&0x1fff == 0 {
		r.transport(b[9], b[head:max(head, min(len(b), int(binary.BigEndian.Uint16(b[2:]))))], sum)
	}
}

func (r *remap) ipv6(b []byte) {
	if len(b) < 40 {
		return
	}
	var sum change
	r.patchAddr(b[8:24], 8, &sum)
	r.patchAddr(b[24:40], 24, &sum)
	next, rest := b[6], b[40:]
	for {
		size := 8
		switch {
		case len(rest) < 8:
			return
		case next == 0 || next == 43 || next == 60:
			size += int(rest[1]) * 8
		case next == 44:
			if binary.BigEndian.Uint16(rest[2:])&^7 != 0 {
				return // a later fragment
			}
		default:
			r.transport(next, rest, sum)
			return
		}
		if len(rest) < size {
			return
		}
		next, rest = rest[0], rest[size:]
	}
}

// transport maps what lies behind the network layer, whose addresses are summed
// up with it (RFC 768, RFC 9293 §3.1, RFC 4443 §2.3).
func (r *remap) transport(proto byte, b []byte, sum change) {
	switch {
	case proto == 6:
		sum.apply(b, 16)
	case proto == 58:
		sum.apply(b, 2)
	case proto == 17 && len(b) >= 8:
		if src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]); src == 53 || dst == 53 {
			if src != 53 {
				patch(b[:2], 0, binary.BigEndian.AppendUint16(nil, r.clientPort(src)), &sum)
			}
			if dst != 53 {
				patch(b[2:4], 2, binary.BigEndian.AppendUint16(nil, r.clientPort(dst)), &sum)
			}
			r.message(b[8:], &sum)
		}
		if b[6]|b[7] != 0 { // a sender may leave it out
			sum.apply(b, 6)
			if b[6]|b[7] == 0 {
				b[6], b[7] = 0xff, 0xff
			}
		}
	}
}

// message maps the id and the addresses of a DNS message, as far as it can be
// read. It begins at an even place.
func (r *remap) message(b []byte, sum *change) {
	if len(b) < 12 {
		return
	}
	patch(b[:2], 0, binary.BigEndian.AppendUint16(nil, binary.BigEndian.Uint16(b)+r.id), sum)
	count := func(at int) int { return int(binary.BigEndian.Uint16(b[at:])) }
	at := 12
	for range count(4) {
		if at = behindName(b, at); at < 0 || at+4 > len(b) {
			return
		}
		at += 4
	}
	for range count(6) + count(8) + count(10) {
		if at = behindName(b, at); at < 0 || at+10 > len(b) {
			return
		}
		kind, class, size := count(at), count(at+2), count(at+8)
		if at += 10; at+size > len(b) {
			return
		}
		if class == 1 && (kind == int(monitor.TypeA) && size == 4 || kind == int(monitor.TypeAAAA) && size == 16) {
			r.patchAddr(b[at:at+size], at, sum)
		}
		at += size
	}
}

// behindName gives where a name ends, or -1 (RFC 1035 §4.1.4).
func behindName(b []byte, at int) int {
	for at < len(b) {
		switch n := int(b[at]); {
		case n == 0:
			return at + 1
		case n >= 0xc0 && at+2 <= len(b):
			return at + 2
		case n > 63:
			return -1
		default:
			at += 1 + n
		}
	}
	return -1
}

func (r *remap) patchAddr(b []byte, at int, sum *change) {
	a, _ := netip.AddrFromSlice(b)
	patch(b, at, r.addr(a).AsSlice(), sum)
}

// change is by how much a checksum of the Internet must change (RFC 1624): one
// that was right stays right, also where the capture holds only a part of what
// it sums up, and one that was wrong stays wrong.
type change uint64

// patch writes to over b, which lies at a place that is even or odd.
func patch(b []byte, at int, to []byte, sum *change) {
	for i := range b {
		was, is := change(b[i]), change(to[i])
		if (at+i)%2 == 0 {
			was, is = was<<8, is<<8
		}
		*sum += is + 0xffff - was
	}
	copy(b, to)
}

// apply changes the checksum at a place of b, where it holds one.
func (c change) apply(b []byte, at int) {
	if len(b) < at+2 {
		return
	}
	for c += change(^binary.BigEndian.Uint16(b[at:])); c > 0xffff; {
		c = c>>16 + c&0xffff
	}
	binary.BigEndian.PutUint16(b[at:], ^uint16(c))
}

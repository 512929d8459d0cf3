package capture

import (
	"encoding/binary"
	"net/netip"
)

// Numbers of what an IP packet carries (IANA, Protocol Numbers).
const (
	protocolHop      = 0
	protocolICMP     = 1
	protocolTCP      = 6
	protocolUDP      = 17
	protocolRouting  = 43
	protocolFragment = 44
	protocolGRE      = 47
	protocolICMPv6   = 58
	protocolOptions  = 60 // for the destination
)

// maxExtensions bounds the extension headers of one packet.
const maxExtensions = 8

// ipv4 reads the header at g.ip of frame b (RFC 791 §3.1). It gives the frame up to
// where the packet ends, for links pad short ones, and what is in the packet. The sort
// is other where that is to be read on at g.transport.
func (g *datagram) ipv4(b []byte) (rest []byte, protocol uint8, s sort) {
	if len(b) < g.ip+20 {
		return b, 0, broken
	}
	h := b[g.ip : g.ip+20 : g.ip+20]
	size, total := int(h[0]&0xf)*4, int(binary.BigEndian.Uint16(h[2:]))
	if total == 0 {
		total = len(b) - g.ip // larger than the field can say, as offloading hands them over
	}
	if h[0]>>4 != 4 || size < 20 || total < size || g.ip+size > len(b) {
		return b, 0, broken
	}
	if g.ip+total > len(b) {
		g.cut = true
	} else {
		b = b[:g.ip+total]
	}
	g.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(h[12:])), 0)
	g.dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(h[16:])), 0)
	g.hop, g.ident, g.transport = h[8], binary.BigEndian.Uint16(h[4:]), g.ip+size
	if binary.BigEndian.Uint16(h[6:])&0x3fff != 0 {
		return b, h[9], fragment
	}
	return b, h[9], other
}

// ipv6 does the same (RFC 8200 §3), and passes over extension headers (§4). The
// fragment header of a whole packet is one of these (RFC 6946).
func (g *datagram) ipv6(b []byte) (rest []byte, protocol uint8, s sort) {
	if len(b) < g.ip+40 {
		return b, 0, broken
	}
	h := b[g.ip : g.ip+40 : g.ip+40]
	if h[0]>>4 != 6 {
		return b, 0, broken
	}
	// A packet of length 0 is a jumbogram (RFC 2675 §3).
	if total := 40 + int(binary.BigEndian.Uint16(h[4:])); g.ip+total > len(b) {
		g.cut = true
	} else if total > 40 {
		b = b[:g.ip+total]
	}
	g.src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(h[8:])), 0)
	g.dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(h[24:])), 0)
	g.hop, g.transport = h[7], g.ip+40
	protocol = h[6]
	for range maxExtensions + 1 {
		switch protocol {
		case protocolHop, protocolRouting, protocolOptions, protocolFragment:
		default:
			return b, protocol, other
		}
		x := b[g.transport:]
		if len(x) < 8 {
			return b, protocol, broken
		}
		size := 8
		switch {
		case protocol != protocolFragment:
			size += int(x[1]) * 8
		case binary.BigEndian.Uint16(x[2:])&^6 != 0:
			return b, x[0], fragment
		}
		if size > len(x) {
			return b, protocol, broken
		}
		protocol = x[0]
		g.transport += size
	}
	return b, protocol, broken
}

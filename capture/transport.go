package capture

import (
	"encoding/binary"
	"net/netip"
)

// udp reads a UDP header (RFC 768). A datagram that claims to be longer than the packet
// it came in is dropped by who receives it, unless it was the capture that cut it.
func (g *datagram) udp(b []byte) sort {
	b = b[g.transport:]
	if len(b) < 8 {
		return broken
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case size == 0 && g.src.Addr().Is6():
		size = len(b) // of a jumbogram (RFC 2675 §4)
	case size < 8, size > len(b) && !g.cut:
		return broken
	case size > len(b):
		size = len(b)
	}
	g.ports(b)
	g.payload = b[8:size:size]
	return udp
}

// Control bits of TCP (RFC 9293 §3.1).
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	_
	tcpACK
)

// tcp reads a TCP header (RFC 9293 §3.1).
func (g *datagram) tcp(b []byte) sort {
	b = b[g.transport:]
	if len(b) < 20 {
		return broken
	}
	size := int(b[12]>>4) * 4
	if size < 20 || size > len(b) {
		return broken
	}
	g.ports(b)
	g.seq, g.ack, g.control = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), b[13]
	g.payload = b[size:len(b):len(b)]
	return tcp
}

// ports adds those that a header of UDP or TCP begins with.
func (g *datagram) ports(b []byte) {
	g.src = netip.AddrPortFrom(g.src.Addr(), binary.BigEndian.Uint16(b))
	g.dst = netip.AddrPortFrom(g.dst.Addr(), binary.BigEndian.Uint16(b[2:]))
}

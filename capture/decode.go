package capture

import (
	"encoding/binary"
	"net/netip"
)

// datagram is what a frame carries, with what the layers below say of it: a UDP
// datagram, a TCP segment, an ICMP message. Its slices lie within the frame.
type datagram struct {
	src, dst netip.AddrPort // ports only of UDP and TCP
	protocol uint8
	hop      uint8
	ident    uint16 // IPv4 identification; 0 for IPv6
	mac      []byte // nil within a tunnel
	payload  []byte // of UDP and TCP; of ICMP all of it
	cut      bool   // the capture holds less of it than was sent
	pieced   bool   // put together from fragments
	torn     bool   // put together from parts that contradict each other
	stream   bool   // a DNS message that came over TCP
	tunneled bool   // it came within another packet

	ip        int // where in the frame its network header begins,
	transport int // and the one behind it
	seq, ack  uint32
	control   uint8 // the control bits of TCP
}

// sort is what a frame turned out to be.
type sort uint8

const (
	other    sort = iota // nothing for us
	udp                  // a whole datagram
	tcp                  // a segment
	icmp                 // an ICMP message, or one of ICMPv6
	fragment             // of a datagram (RFC 791 §3.2, RFC 8200 §4.5)
	broken               // a layer contradicts itself or is cut short
)

// maxTunnels is how deep packets are looked for within packets: a mirror may
// carry what was in a tunnel already.
const maxTunnels = 2

// decoder takes frames apart from the link to the transport layer, in place: it
// copies nothing but addresses and keeps nothing.
type decoder struct {
	tunnels bool // packets within VXLAN and GRE count, not those around them
}

// decode takes one frame apart.
func (d decoder) decode(f *Frame) (g datagram, s sort) {
	n, ok := stripLink(f)
	if !ok {
		return g, other
	}
	g.mac, g.cut = n.mac, f.Length > len(f.Data)
	at, ether := len(f.Data)-len(n.payload), n.ether
	b := f.Data
	for depth := 0; ; depth++ {
		g.ip = at
		var protocol uint8
		if ether == etherIPv4 {
			b, protocol, s = g.ipv4(b)
		} else {
			b, protocol, s = g.ipv6(b)
		}
		if s != other {
			return g, s
		}
		g.protocol = protocol
		if s = g.above(b); !d.tunnels || depth == maxTunnels {
			return g, s
		}
		off := -1
		switch {
		case protocol == protocolGRE:
			off, ether = stripGRE(b[g.transport:])
		case s == udp && g.dst.Port() == portVXLAN && g.src.Port() != dnsPort:
			b = b[:g.transport+8+len(g.payload)]
			off, ether = stripVXLAN(b[g.transport:])
		}
		if off < 0 {
			return g, s
		}
		at = g.transport + off
		g = datagram{cut: g.cut, tunneled: true}
	}
}

// above reads the header of what an IP packet carries, from g.transport on.
func (g *datagram) above(b []byte) sort {
	switch g.protocol {
	case protocolUDP:
		return g.udp(b)
	case protocolTCP:
		return g.tcp(b)
	case protocolICMP, protocolICMPv6:
		g.payload = b[g.transport:]
		return icmp
	}
	return other
}

// header is the header of a DNS message (RFC 1035 §4.1.1) with its question.
type header struct {
	id       uint16
	flags    uint16
	counts   [4]uint16 // questions, answers, authority, additional
	question []byte    // name in wire format, lower case; nil without a question
	qtype    uint16
	qclass   uint16
	end      int // of the question
}

func (h *header) response() bool { return h.flags&0x8000 != 0 }
func (h *header) opcode() uint16 { return h.flags >> 11 & 0xf }
func (h *header) rcode() uint16  { return h.flags & 0xf }

const (
	headerSize = 12
	maxName    = 255 // octets on the wire, RFC 1035 §2.3.4
)

// parseHeader reads header and first question of a message. The name is put
// into buf. It is false for what can be no DNS message.
func parseHeader(b []byte, buf *[maxName]byte) (h header, ok bool) {
	if len(b) < headerSize {
		return h, false
	}
	h.id, h.flags, h.end = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), headerSize
	for i := range h.counts {
		h.counts[i] = binary.BigEndian.Uint16(b[4+2*i:])
	}
	if h.counts[0] == 0 {
		return h, true
	}
	for off := headerSize; off < len(b); {
		size := int(b[off])
		off += 1 + size
		// The first name of a message has nothing before it to point to.
		if size > 63 || off > len(b) || off-headerSize > maxName {
			return h, false
		}
		if size > 0 {
			continue
		}
		if off+4 > len(b) {
			return h, false
		}
		h.qtype, h.qclass = binary.BigEndian.Uint16(b[off:]), binary.BigEndian.Uint16(b[off+2:])
		h.question, h.end = buf[:off-headerSize], off+4
		lower(h.question, b[headerSize:off])
		return h, true
	}
	return h, false
}

// lower copies a name in lower case, eight octets at a time: what is from A to Z has
// its bit 5 set. The lengths of labels are below A.
func lower(to, from []byte) {
	const each = 0x0101010101010101
	for len(from) >= 8 {
		w := binary.LittleEndian.Uint64(from)
		low := w & (0x7f * each)
		upper := (low + (0x80-'A')*each) &^ (low + (0x7f-'Z')*each) &^ w & (0x80 * each)
		binary.LittleEndian.PutUint64(to, w|upper>>2)
		to, from = to[8:], from[8:]
	}
	for i, c := range from {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		to[i] = c
	}
}

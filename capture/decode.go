package capture

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// datagram is a UDP datagram with what the layers below say of it. Its slices
// lie within the frame.
type datagram struct {
	src, dst netip.AddrPort
	hop      uint8
	ident    uint16 // IPv4 identification; 0 for IPv6
	mac      []byte
	payload  []byte
	cut      bool // the capture holds less of it than was sent
	torn     bool // put together from fragments that contradict each other
}

// sort is what a frame turned out to be.
type sort uint8

const (
	other    sort = iota // nothing for us
	udp                  // a whole datagram
	fragment             // of a datagram (RFC 791 §3.2, RFC 8200 §4.5)
	broken               // a layer contradicts itself or is cut short
)

// decoder takes frames apart from the network layer to the transport layer.
// Link headers it strips itself, DNS it leaves alone: the DNS layer of gopacket
// panics on some messages. It is used by one goroutine.
type decoder struct {
	v4, v6  *gopacket.DecodingLayerParser
	ip4     layers.IPv4
	ip6     layers.IPv6
	ext     layers.IPv6ExtensionSkipper
	udp     layers.UDP
	payload gopacket.Payload
	found   []gopacket.LayerType
}

func newDecoder() *decoder {
	d := &decoder{}
	make := func(first gopacket.LayerType) *gopacket.DecodingLayerParser {
		p := gopacket.NewDecodingLayerParser(first, &d.ip4, &d.ip6, &d.ext, &d.udp, &d.payload)
		p.IgnoreUnsupported = true
		return p
	}
	d.v4, d.v6 = make(layers.LayerTypeIPv4), make(layers.LayerTypeIPv6)
	return d
}

// decode takes one frame apart.
func (d *decoder) decode(f *Frame) (datagram, sort) {
	n, ok := stripLink(f)
	if !ok {
		return datagram{}, other
	}
	parser := d.v4
	if n.ether == etherIPv6 {
		parser = d.v6
	}
	parser.Truncated = false
	err := parser.DecodeLayers(n.payload, &d.found)
	g := datagram{mac: n.mac, cut: parser.Truncated || f.Length > len(f.Data)}
	var src, dst netip.Addr
	for i, t := range d.found {
		switch t {
		case layers.LayerTypeIPv4:
			src, _ = netip.AddrFromSlice(d.ip4.SrcIP)
			dst, _ = netip.AddrFromSlice(d.ip4.DstIP)
			g.hop, g.ident = d.ip4.TTL, d.ip4.Id
			if d.ip4.Flags&layers.IPv4MoreFragments != 0 || d.ip4.FragOffset != 0 {
				return g, fragment
			}
		case layers.LayerTypeIPv6:
			src, _ = netip.AddrFromSlice(d.ip6.SrcIP)
			dst, _ = netip.AddrFromSlice(d.ip6.DstIP)
			g.hop = d.ip6.HopLimit
		case layers.LayerTypeIPv6Fragment:
			if !d.atomic(i) {
				return g, fragment
			}
		case layers.LayerTypeUDP:
			g.src = netip.AddrPortFrom(src, uint16(d.udp.SrcPort))
			g.dst = netip.AddrPortFrom(dst, uint16(d.udp.DstPort))
			g.payload = d.udp.Payload
			return g, udp
		}
	}
	if err != nil {
		return g, broken
	}
	return g, other
}

// atomic reports whether the fragment header at index i of what was found is
// that of a whole datagram (RFC 6946): it lies right before UDP, with neither
// an offset nor more to come.
func (d *decoder) atomic(i int) bool {
	c := d.ext.Contents
	return i+1 < len(d.found) && d.found[i+1] == layers.LayerTypeUDP && len(c) >= 4 && binary.BigEndian.Uint16(c[2:])&^6 == 0
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

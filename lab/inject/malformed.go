//go:build lab

package inject

import (
	"encoding/binary"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Malformed are frames that try a parser: messages that lie about themselves,
// names that never end, tags on tags, fragments on fragments. They go the path,
// or path6 where a frame is IPv6 alone; the path's source port should be 53.
func Malformed(path, path6 Path) (frames [][]byte, err error) {
	add := func(f []byte, e error) {
		if e != nil {
			err = e
		}
		frames = append(frames, f)
	}
	for _, m := range messages() {
		add(path.frame(header{ttl: 64}, m))
		add(path6.frame(header{ttl: 64}, m))
	}
	add(path.tagged(3))
	for _, f := range overlapping(path6) {
		add(serialize(f...))
	}
	// A length in a header that the frame does not have.
	for _, at := range []struct{ offset, value int }{
		{14, 0x4f}, // IHL: 60 bytes of header
		{14, 0x41}, // IHL: 4 bytes
		{16, 0xff}, // total length
		{38, 0xff}, // length of UDP
		{39, 0x00}, // the same, less than its header
	} {
		f, e := path.frame(header{ttl: 64}, plain())
		if e == nil {
			f[at.offset] = byte(at.value)
		}
		add(f, e)
	}
	whole, e := path.frame(header{ttl: 64}, plain())
	for _, n := range []int{14, 20, 34, 41, 42, 50} {
		if e == nil {
			add(whole[:min(n, len(whole))], nil)
		}
	}
	return frames, err
}

// dnsHeader is a response's header, with the number of entries in each section.
func dnsHeader(qd, an, ns, ar uint16) []byte {
	b := []byte{0x12, 0x34, 0x81, 0x80}
	for _, n := range []uint16{qd, an, ns, ar} {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return b
}

const (
	qname  = "\x03www\x04bank\x03lab\x00"
	inA    = "\x00\x01\x00\x01"
	aField = inA + "\x00\x00\x01\x2c\x00\x04\xc6\x12\x42\x42" // to 198.18.66.66, TTL 300
)

// plain is a response with nothing wrong.
func plain() []byte { return append(dnsHeader(1, 1, 0, 0), qname+inA+"\xc0\x0c"+aField...) }

// messages are payloads that are not what they say.
func messages() [][]byte {
	var ms [][]byte
	add := func(head []byte, parts ...string) {
		ms = append(ms, append(head, strings.Join(parts, "")...))
	}
	long := strings.Repeat("\x3f"+strings.Repeat("a", 63), 5)

	// Names (RFC 1035 §4.1.4).
	add(dnsHeader(1, 0, 0, 0), "\xc0\x0c", inA)                            // a pointer to itself
	add(dnsHeader(1, 0, 0, 0), "\xc0\x0e\xc0\x0c", inA)                    // two that point to each other
	add(dnsHeader(1, 0, 0, 0), "\x01a\xc0\x0c", inA)                       // a label, again and again
	add(dnsHeader(1, 0, 0, 0), "\xff\xff", inA)                            // beyond the end
	add(dnsHeader(1, 0, 0, 0), "\xc0\x00", inA)                            // into the header
	add(dnsHeader(1, 0, 0, 0), "\x41a\x00", inA)                           // reserved type of label
	add(dnsHeader(1, 0, 0, 0), long, "\x00", inA)                          // more than 255 bytes
	add(dnsHeader(1, 0, 0, 0), "\x3fabc")                                  // a label that is cut
	add(dnsHeader(1, 1, 0, 0), qname, inA, "\xc0\x24", aField)             // pointer to itself as owner
	add(dnsHeader(1, 1, 0, 0), qname, inA, strings.Repeat("\xc0\x0c", 99)) // pointers all the way

	// Counts: many records claimed, none there.
	add(dnsHeader(1, 65535, 0, 0), qname, inA)
	add(dnsHeader(1, 0, 65535, 0), qname, inA)
	add(dnsHeader(1, 0, 0, 65535), qname, inA)
	add(dnsHeader(65535, 65535, 65535, 65535), qname, inA, "\xc0\x0c", aField)
	add(dnsHeader(0, 0, 0, 0))
	add(dnsHeader(2, 1, 0, 0), qname, inA, qname, inA, "\xc0\x0c", aField)

	// Records that are cut.
	add(dnsHeader(1, 1, 0, 0), qname, inA, "\xc0\x0c", inA, "\x00\x00\x01\x2c\x00\x04\xc6")
	add(dnsHeader(1, 1, 0, 0), qname, inA, "\xc0\x0c", inA, "\x00\x00\x01\x2c\xff\xff\xc6\x12\x42\x42")
	add(dnsHeader(1, 1, 0, 0), qname, inA, "\xc0\x0c", inA, "\x00\x00\x01\x2c\x00\x03\xc6\x12\x42")
	add(dnsHeader(1, 1, 0, 0), qname, inA, "\xc0")

	// OPT (RFC 6891 §6.1.2): cut, with an option that is cut, twice.
	const opt = "\x00\x00\x29\x04\xd0\x00\x00\x80\x00"
	add(dnsHeader(1, 0, 0, 1), qname, inA, opt)
	add(dnsHeader(1, 0, 0, 1), qname, inA, opt, "\x01\x90\x00\x0a")
	add(dnsHeader(1, 0, 0, 1), qname, inA, opt, "\x00\x04\x00\x0a\xff\xff")
	add(dnsHeader(1, 0, 0, 1), qname, inA, opt, "\x00\x05\x00\x0a\x00\x01\x00")
	add(dnsHeader(1, 0, 0, 2), qname, inA, opt, "\x00\x00", opt, "\x00\x00")

	// Less than a header.
	add(nil)
	add([]byte{0x12})
	add(dnsHeader(1, 0, 0, 0)[:11])
	return ms
}

// tagged is a response behind so many VLAN tags (IEEE 802.1Q; the outer ones as
// in 802.1ad).
func (p Path) tagged(tags int) ([]byte, error) {
	eth := p.ethernet()
	inner := eth.EthernetType
	eth.EthernetType = layers.EthernetTypeQinQ
	ls := []gopacket.SerializableLayer{eth}
	for n := range tags {
		next := layers.EthernetTypeQinQ
		switch n {
		case tags - 1:
			next = inner
		case tags - 2:
			next = layers.EthernetTypeDot1Q
		}
		ls = append(ls, &layers.Dot1Q{VLANIdentifier: uint16(100 + n), Type: next})
	}
	return serialize(append(ls, p.datagram(header{ttl: 64}, plain())...)...)
}

// overlapping are fragments of one IPv6 datagram that cover the same bytes, which
// a host must drop (RFC 5722 §4), and a fragment far beyond any datagram.
func overlapping(p Path) (frames [][]gopacket.SerializableLayer) {
	bytes := strings.Repeat("\x00\x35\x9c\x40\x00\x40\x12\x34", 3) // UDP from 53 to 40000, again and again
	for _, f := range []struct {
		offset uint16 // the low three bits are flags (RFC 8200 §4.5)
		more   uint16
	}{{0, 1}, {8, 1}, {16, 0}, {0, 1}, {65528, 0}} {
		h := []byte{byte(layers.IPProtocolUDP), 0}
		h = binary.BigEndian.AppendUint16(h, f.offset|f.more)
		h = binary.BigEndian.AppendUint32(h, 0xdeadbeef) // one identification for all
		frames = append(frames, []gopacket.SerializableLayer{
			p.ethernet(),
			&layers.IPv6{
				Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolIPv6Fragment,
				SrcIP: p.Src.Addr().AsSlice(), DstIP: p.Dst.Addr().AsSlice(),
			},
			gopacket.Payload(append(h, bytes...)),
		})
	}
	return frames
}

package capture

import "encoding/binary"

const (
	portVXLAN   = 4789 // RFC 7348 §8
	etherTEB    = 0x6558
	etherERSPAN = 0x88be // of types I and II
	etherMirror = 0x22eb // ERSPAN, type III
)

// stripVXLAN gives where in a UDP datagram the packet begins that VXLAN carries
// (RFC 7348 §5), and its EtherType; -1 where there is none.
func stripVXLAN(b []byte) (off int, ether uint16) {
	const head = 8 + 8 // of UDP and of VXLAN
	if len(b) < head || b[8]&0x08 == 0 {
		return -1, 0
	}
	return stripEthernet(b, head)
}

// stripGRE does the same for GRE (RFC 2784 §2, RFC 2890 §2), and for the mirrors that
// switches send in it, ERSPAN (draft-foschiano-erspan-03 §4).
func stripGRE(b []byte) (off int, ether uint16) {
	if len(b) < 4 {
		return -1, 0
	}
	flags, kind := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if flags&0x4007 != 0 { // source routes, and versions other than 0
		return -1, 0
	}
	off = 4
	for _, field := range [...]uint16{0x8000, 0x2000, 0x1000} { // checksum, key, sequence number
		if flags&field != 0 {
			off += 4
		}
	}
	switch kind {
	case etherIPv4, etherIPv6:
		if off > len(b) {
			return -1, 0
		}
		return off, kind
	case etherTEB:
		return stripEthernet(b, off)
	case etherERSPAN:
		if flags&0x1000 != 0 { // of type II; type I has no header
			off += 8
		}
		return stripEthernet(b, off)
	case etherMirror:
		if len(b) < off+12 {
			return -1, 0
		}
		if b[off+11]&1 != 0 { // an optional part follows
			off += 8
		}
		return stripEthernet(b, off+12)
	}
	return -1, 0
}

// stripEthernet gives what lies behind the Ethernet header at off.
func stripEthernet(b []byte, off int) (int, uint16) {
	if len(b) < off {
		return -1, 0
	}
	n, ok := stripLink(&Frame{Link: LinkEthernet, Data: b[off:]})
	if !ok {
		return -1, 0
	}
	return len(b) - len(n.payload), n.ether
}

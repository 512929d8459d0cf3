package capture

import (
	"encoding/binary"
	"net"
)

// EtherTypes that lead on to DNS.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100 // IEEE 802.1Q
	etherQinQ = 0x88a8 // IEEE 802.1ad
	etherOld  = 0x9100 // tags within tags before 802.1ad
	etherPPP  = 0x8864 // PPP over Ethernet, in session (RFC 2516)
)

// maxTags bounds the VLAN tags of one frame.
const maxTags = 4

// network is what lies behind the link header of a frame.
type network struct {
	ether   uint16
	payload []byte
	mac     []byte // of whoever sent the frame; nil where the link has none
}

// stripLink finds the network layer of a frame. It is false for what is no IP,
// is cut short, or comes from a link that is not known.
func stripLink(f *Frame) (n network, ok bool) {
	b := f.Data
	switch f.Link {
	case LinkEthernet:
		if len(b) < 14 {
			return n, false
		}
		n = network{binary.BigEndian.Uint16(b[12:]), b[14:], b[6:12]}
	case LinkSLL:
		if len(b) < 16 {
			return n, false
		}
		n = network{binary.BigEndian.Uint16(b[14:]), b[16:], cooked(b[6:14], binary.BigEndian.Uint16(b[4:]))}
	case LinkSLL2:
		if len(b) < 20 {
			return n, false
		}
		n = network{binary.BigEndian.Uint16(b), b[20:], cooked(b[12:20], uint16(b[11]))}
	case LinkNull, LinkLoop:
		if len(b) < 4 {
			return n, false
		}
		n.payload = b[4:]
		n.ether = versionOf(n.payload)
	case LinkPPP, LinkHDLC:
		return stripPPP(b)
	case LinkPPPoE:
		return stripPPPoE(b)
	case LinkRaw, LinkRawBSD, LinkRawOBSD, LinkIPv4, LinkIPv6:
		n = network{ether: versionOf(b), payload: b}
	default:
		return n, false
	}
	for range maxTags {
		switch n.ether {
		case etherVLAN, etherQinQ, etherOld:
			if len(n.payload) < 4 {
				return n, false
			}
			n.ether, n.payload = binary.BigEndian.Uint16(n.payload[2:]), n.payload[4:]
		}
	}
	if n.ether == etherPPP {
		mac := n.mac
		n, ok = stripPPPoE(n.payload)
		n.mac = mac
		return n, ok
	}
	return n, n.ether == etherIPv4 || n.ether == etherIPv6
}

// cooked gives the sender's address of a Linux cooked frame.
func cooked(field []byte, n uint16) []byte {
	if n != 6 {
		return nil
	}
	return field[:6]
}

// versionOf gives the EtherType that the first octet of an IP packet stands
// for. Address families of loopback frames differ from system to system, this
// does not.
func versionOf(b []byte) uint16 {
	if len(b) == 0 {
		return 0
	}
	switch b[0] >> 4 {
	case 4:
		return etherIPv4
	case 6:
		return etherIPv6
	}
	return 0
}

// stripPPP reads the protocol field (RFC 1661 §2), which may be compressed to
// one octet, behind HDLC framing (RFC 1662 §3.1), which may be absent.
func stripPPP(b []byte) (n network, ok bool) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b = b[2:]
	}
	if len(b) < 2 {
		return n, false
	}
	proto := binary.BigEndian.Uint16(b)
	if b[0]&1 == 1 {
		proto, b = uint16(b[0]), b[1:]
	} else {
		b = b[2:]
	}
	switch proto {
	case 0x0021:
		return network{ether: etherIPv4, payload: b}, true
	case 0x0057:
		return network{ether: etherIPv6, payload: b}, true
	}
	return n, false
}

// stripPPPoE reads PPP behind the header of a session over Ethernet (RFC 2516 §4).
func stripPPPoE(b []byte) (n network, ok bool) {
	if len(b) < 6 || b[0] != 0x11 || b[1] != 0 { // version, type and code
		return n, false
	}
	return stripPPP(b[6:])
}

func macString(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return net.HardwareAddr(b).String()
}

// Tagged reports whether the frame carries a VLAN tag. On a live interface the
// kernel takes the outer one off.
func (f *Frame) Tagged() bool {
	var at int
	switch f.Link {
	case LinkEthernet:
		at = 12
	case LinkSLL:
		at = 14
	case LinkSLL2:
		at = 0
	default:
		return false
	}
	if len(f.Data) < at+2 {
		return false
	}
	switch binary.BigEndian.Uint16(f.Data[at:]) {
	case etherVLAN, etherQinQ, etherOld:
		return true
	}
	return false
}

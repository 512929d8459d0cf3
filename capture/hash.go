package capture

import (
	"hash/maphash"
	"net/netip"
)

// pair stands for two that talk by a protocol: addresses and ports of both.
func (m *Matcher) pair(client, server netip.AddrPort, protocol uint8) uint64 {
	var b [38]byte
	c, s := client.Addr().As16(), server.Addr().As16()
	copy(b[:], c[:])
	copy(b[16:], s[:])
	b[32], b[33] = byte(client.Port()>>8), byte(client.Port())
	b[34], b[35] = byte(server.Port()>>8), byte(server.Port())
	b[36] = protocol
	if client.Addr().Is4() {
		b[37] = 4 // rather than the same address mapped into IPv6
	}
	return maphash.Bytes(m.seed, b[:])
}

// address stands for an address.
func (m *Matcher) address(a netip.Addr) uint64 {
	b := a.As16()
	return maphash.Bytes(m.seed, b[:])
}

// asked stands for a question: its name in lower case, and with it type and class.
type asked struct{ name, whole uint64 }

func (q asked) short() uint32 { return uint32(q.whole >> 32) }

func (m *Matcher) question(h *header) asked {
	name := maphash.Bytes(m.seed, h.question)
	return asked{name, (name ^ uint64(h.qtype)<<16 ^ uint64(h.qclass)) * 0x9e3779b97f4a7c15}
}

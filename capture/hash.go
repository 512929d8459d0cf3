package capture

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"net/netip"
)

// pair stands for two that talk by a protocol: addresses and ports of both.
func (m *Matcher) pair(client, server netip.AddrPort, protocol uint8) uint64 {
	var b [37]byte
	binary.BigEndian.PutUint16(b[:], client.Port())
	binary.BigEndian.PutUint16(b[2:], server.Port())
	b[4] = protocol
	if c, s := client.Addr(), server.Addr(); c.Is4() && s.Is4() {
		c, s := c.As4(), s.As4()
		copy(b[5:], c[:])
		copy(b[9:], s[:])
		return maphash.Bytes(m.seed, b[:13])
	}
	c, s := client.Addr().As16(), server.Addr().As16()
	copy(b[5:], c[:])
	copy(b[21:], s[:])
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
	return asked{name, mix(name, uint64(h.qtype)<<16|uint64(h.qclass))}
}

// mix makes one hash of one and something else, which may be chosen by anybody
// as long as the hash is not known.
func mix(hash, with uint64) uint64 {
	hi, lo := bits.Mul64(hash^0x9e3779b97f4a7c15, (with+1)*0xd6e8feb86659fd93^hash>>32)
	return hi ^ lo
}

// keyHash stands for a transaction of a pair.
func keyHash(pair uint64, id uint16) uint64 { return mix(pair, uint64(id)) }

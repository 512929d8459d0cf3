package capture

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/dnstaster/dnstaster/monitor"
)

// piece notes what fragments say of who sends them in the name of a server: that they
// contradict others of their datagram, or that the first one is shorter than it need be.
func (m *Matcher) piece(p *piece, torn bool) {
	if p.proto != protocolUDP {
		return
	}
	short := p.off == 0 && p.more && len(p.data) >= 2 && binary.BigEndian.Uint16(p.data) == dnsPort &&
		monitor.ShortFragment(len(p.before)-p.head+len(p.data))
	if !torn && !short {
		return
	}
	n := m.named(p.src)
	if n == nil {
		return
	}
	if short {
		n.short.add(m.at, aMinute)
	}
	if torn {
		n.torn.add(m.at, aMoment)
		n.heed(m.at)
	}
}

// orphan notes a datagram whose beginning never came.
func (m *Matcher) orphan(k fragmentKey, x part) {
	if k.proto != protocolUDP {
		return
	}
	if n := m.named(k.src); n != nil {
		n.racket.orphan(maphash.Bytes(m.seed, x.data)^uint64(x.off), m.at)
		n.heed(m.at)
	}
}

package capture

import (
	"bytes"
	"encoding/binary"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	flagRD = 1 << 8
	flagRA = 1 << 7
	flagAD = 1 << 5

	rcodeNXDomain = 3
)

// asking is a query as far as its answer is held against it. Its slices lie within the
// message.
type asking struct {
	traits monitor.Traits
	name   []byte // with its letters as they were sent
	cookie []byte // of the client; none where empty
}

// askingOf reads a query.
func askingOf(b []byte, h *header) (a asking) {
	a.name = nameOf(b, h)
	opt, cookie := options(b, h)
	a.cookie = cookie
	a.traits = header3(h)&^monitor.TraitRA | opt
	if bytes.ContainsFunc(a.name, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
		a.traits |= monitor.TraitCase
	}
	return a
}

// granted gives the traits of a response to a query, which may not have been seen.
func (a asking) granted(b []byte, h *header) (t monitor.Traits) {
	opt, cookie := options(b, h)
	t = header3(h) | opt&monitor.TraitOPT
	if len(a.cookie) > 0 && bytes.Equal(a.cookie, cookie) {
		t |= monitor.TraitCookie
	}
	if a.traits&monitor.TraitCase != 0 && bytes.Equal(a.name, nameOf(b, h)) {
		t |= monitor.TraitCase
	}
	if h.counts[1] > 0 && h.end < len(b) && b[h.end] >= 0xc0 {
		t |= monitor.TraitPointer
	}
	return t
}

// header3 gives the traits that are in the header.
func header3(h *header) (t monitor.Traits) {
	for _, f := range [...]struct {
		bit   uint16
		trait monitor.Traits
	}{{flagRD, monitor.TraitRD}, {flagRA, monitor.TraitRA}, {flagAD, monitor.TraitAD}} {
		if h.flags&f.bit != 0 {
			t |= f.trait
		}
	}
	return t
}

// nameOf gives the name of the question as it is in the message.
func nameOf(b []byte, h *header) []byte {
	if h.question == nil {
		return nil
	}
	return b[headerSize : h.end-4]
}

// options reads the OPT record of a message: that it is there, whether it says DO, and
// the client's cookie.
func options(b []byte, h *header) (t monitor.Traits, cookie []byte) {
	rs := records{b: b, off: h.end, left: int(h.counts[1]) + int(h.counts[2]) + int(h.counts[3])}
	for x, ok := rs.next(); ok; x, ok = rs.next() {
		if x.rtype != dns.TypeOPT {
			continue
		}
		t |= monitor.TraitOPT
		if b[x.data-4]&0x80 != 0 { // DO, RFC 3225 §3
			t |= monitor.TraitAD
		}
		for o := b[x.data:x.end]; len(o) >= 4; {
			code, size := binary.BigEndian.Uint16(o), int(binary.BigEndian.Uint16(o[2:]))
			if 4+size > len(o) {
				break
			}
			if code == dns.EDNS0COOKIE && size >= 8 { // RFC 7873 §4
				cookie = o[4:12]
				t |= monitor.TraitCookie
			}
			o = o[4+size:]
		}
	}
	return t, cookie
}

// learn takes in what a response shows of its server.
func (m *Matcher) learn(e *slot, g *datagram, h *header, first, known bool) {
	if e.queries == 0 || h.flags&flagTC != 0 {
		return
	}
	key := keyHash(e.pair, e.id)
	if !first {
		if n := m.servers[g.src.Addr()]; n != nil && !known {
			n.doubt(key)
		}
		return
	}
	n := m.servers.meet(g.src.Addr(), m.at)
	if h.rcode() == rcodeNXDomain {
		n.deny(h.question, m.question(h).name, m.at)
	}
	if n.answers >= profiled && m.at < n.next {
		return
	}
	n.next = m.at + int64(lookEvery)
	for x, raw := m.memory.get(e.last); x != nil; x, raw = m.memory.get(x.before) {
		if !x.query || len(raw) == 0 {
			continue
		}
		f := x.frame(raw)
		q := m.decoder.again(&f)
		var buf [maxName]byte
		head, ok := parseHeader(q.payload, &buf)
		if !ok {
			return
		}
		a := askingOf(q.payload, &head)
		l := look{hop: uint64(g.hop), mac: macNumber(g.mac), traits: a.granted(g.payload, h), telling: monitor.Telling(a.traits, h.counts[1] > 0)}
		if e.queries == 1 {
			l.rtt = max(0, m.at-x.at)
		}
		n.see(l, key, m.at)
		return
	}
}

// wants reports whether a question is to be handed over because of an attack in the
// name of a server.
func (m *Matcher) wants(g *datagram, q asked) bool {
	n := m.servers[g.src.Addr()]
	return n != nil && n.racket.wants(q.whole, g.pieced, m.at)
}

package capture

import (
	"bytes"
	"hash/maphash"

	"github.com/dnstaster/dnstaster/monitor"
)

// Bounds of what is kept of responses that are aimed at a transaction and are no
// answers to it.
const (
	maxStrayed      = 256 // transactions
	maxStrayPackets = 4   // of one
	crowdedPort     = 4   // a port with more open transactions is shared: there, the question tells
)

// strays are those of one transaction.
type strays struct {
	at       int64
	wrongID  int
	ids      [4]uint64 // a set
	says     uint64    // the first one
	differ   bool
	question int // with the right id and another question
	next     int // wrong ids at which the transaction is handed over again
	places   [maxStrayPackets]place
	n        int
}

// stray keeps the first few packets that were aimed at a transaction.
func (m *Matcher) stray(s *strays, e *slot, f *Frame, g *datagram) {
	s.at = m.at
	which := place(forAsked)
	if e.is(watchedBit) {
		which = forWatched
	}
	if s.n < maxStrayPackets {
		s.places[s.n] = m.memory.put(which, m.see(f, g, false), f.Data, m.at-int64(holdOpen))
		s.n++
	}
}

// strayed gives what is kept of those aimed at a transaction; nil where there is no room.
func (m *Matcher) strayed(key uint64) *strays {
	if s := m.aside[key]; s != nil {
		return s
	}
	if len(m.aside) >= maxStrayed {
		for k, s := range m.aside {
			if m.at-s.at > int64(holdOpen) || s.at > m.at {
				delete(m.aside, k)
			}
		}
		if len(m.aside) >= maxStrayed {
			return nil
		}
	}
	s := &strays{at: m.at}
	m.aside[key] = s
	return s
}

// guess takes in a response to no open transaction: late, or to a query that was not
// seen, or made by somebody who has to guess the id or the port. A watched transaction
// that it was aimed at, and that is to be handed over now, is put into hit.
func (m *Matcher) guess(f *Frame, g *datagram, pair uint64, q asked, late bool) {
	n := m.named(g.src.Addr())
	if n == nil || late || g.stream {
		return
	}
	n.unsolicited.add(m.at, aMoment)
	says := maphash.Bytes(m.seed, g.payload[2:])
	id := uint16(g.payload[0])<<8 | uint16(g.payload[1])
	open, asks := 0, false
	for e := range m.aimed(pair) {
		open, asks = open+1, asks || e.question == q.short()
	}
	switch {
	case open == 0:
		n.knock(g.dst.Port(), says, m.at)
		n.heed(m.at)
		return
	case open > crowdedPort && !asks:
		return // all queries leave from one port, and one of them was not seen
	}
	n.wrongIDs.add(m.at, aMoment)
	n.heed(m.at)
	for e := range m.aimed(pair) {
		if e.question != q.short() {
			continue // whose it may be is not known
		}
		s := m.strayed(keyHash(pair, e.id))
		if s == nil {
			continue
		}
		if s.wrongID == 0 {
			s.says = says
		}
		s.wrongID, s.differ = s.wrongID+1, s.differ || s.says != says
		setBit(s.ids[:], uint64(id))
		m.stray(s, e, f, g)
		storm := s.wrongID >= s.next && s.told().Storm()
		if e.is(watchedBit) && e.answers > 0 && (storm || n.wants(q.whole, g.pieced, m.at)) {
			s.next, m.hit = 2*s.wrongID, m.table.find(pair, e.id)
		}
	}
}

// besieged hands over the transaction that a response was aimed at, if it is to be.
func (m *Matcher) besieged(g *datagram, h *header, told *monitor.Sample) bool {
	hit := m.hit
	if m.hit = 0; hit == 0 {
		return false
	}
	e, q := &m.table.slots[hit], m.question(h)
	if e.pair != m.pair(g.dst, g.src, g.protocol) || e.question != q.short() || e.answers == 0 || !m.afford(q, g.src.Addr()) {
		return false
	}
	*told = m.sample(e, h)
	return len(told.Answers) > 0
}

// mistake takes in a response with the id of an open transaction and another question.
func (m *Matcher) mistake(f *Frame, g *datagram, e *slot) {
	if e.queries == 0 || m.named(g.src.Addr()) == nil {
		return
	}
	if s := m.strayed(keyHash(e.pair, e.id)); s != nil {
		s.question++
		m.stray(s, e, f, g)
	}
}

// knock takes in a packet of a server that is no response at all.
func (m *Matcher) knock(g *datagram) {
	if g.src.Port() != dnsPort || g.protocol != protocolUDP {
		return
	}
	if n := m.named(g.src.Addr()); n != nil {
		for range m.aimed(m.pair(g.dst, g.src, protocolUDP)) {
			return
		}
		n.knock(g.dst.Port(), maphash.Bytes(m.seed, g.payload), m.at)
		n.heed(m.at)
	}
}

// told gives the strays in the words of monitor, without their packets.
func (s *strays) told() *monitor.Strays {
	return &monitor.Strays{WrongID: s.wrongID, IDs: ones(s.ids[:]), Alike: s.wrongID > 1 && !s.differ, WrongQuestion: s.question}
}

// straysOf gives what was aimed at a transaction; nil for nothing.
func (m *Matcher) straysOf(e *slot, room *int) *monitor.Strays {
	s := m.aside[keyHash(e.pair, e.id)]
	if s == nil {
		return nil
	}
	t := s.told()
	for _, at := range s.places[:s.n] {
		x, raw := m.memory.get(at)
		if len(raw) == 0 {
			continue
		}
		f := x.frame(raw)
		g := m.decoder.again(&f)
		p := packetOf(&f, &g)
		if *room -= len(raw); *room >= 0 {
			p.Raw = bytes.Clone(raw)
		}
		if len(g.payload) >= 2 {
			p.TXID = uint16(g.payload[0])<<8 | uint16(g.payload[1])
		}
		t.Packets = append(t.Packets, p)
	}
	return t
}

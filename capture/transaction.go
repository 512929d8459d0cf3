package capture

import (
	"hash/maphash"
	"iter"
	"net/netip"
	"time"
)

// clientCounters is how many counters there are for the transactions of clients.
// Two clients may have the same one, and then share what one of them may hold.
const clientCounters = 1 << 14

func (m *Matcher) client(a netip.Addr) uint16 { return uint16(m.address(a) % clientCounters) }

// begin opens a transaction, lone or waiting, and gives its number; 0 where a client
// that asks may hold no more.
func (m *Matcher) begin(pair uint64, id uint16, q asked, age uint8, client uint16) uint32 {
	t := &m.table
	// One client that asks for everything must not push out all others.
	if age == waiting && t.open > m.cfg.Transactions/4*3 && int(m.clients[client]) > m.cfg.Transactions/8 {
		m.refused.Add(1)
		return 0
	}
	if t.open >= m.cfg.Transactions {
		m.evict()
	}
	s := slot{pair: pair, id: id, question: q.short(), touched: m.at, state: age}
	if len(m.watched) > 0 && m.watched[q.name] != nil {
		s.state |= watchedBit
	}
	was := len(t.slots)
	n := t.add(s)
	if len(t.slots) > was {
		m.ended.grow(len(t.slots), m.at)
	}
	return n
}

// evict makes room: responses to nothing go first, then what was answered longest
// ago. What is watched or odd goes only where it is more than half of all.
func (m *Matcher) evict() {
	t := &m.table
	for _, i := range [...]int{lone, loneKept} {
		if n := t.ages[i].first; n != 0 {
			m.crowded.Add(1)
			m.drop(n)
			return
		}
	}
	oldest := uint32(0)
	for _, i := range [...]int{answered, waiting, kept} {
		n := t.ages[i].first
		if n == 0 || i == kept && t.ages[i].n <= m.cfg.Transactions/2 {
			continue
		}
		if m.at-t.slots[n].touched >= int64(holdLeast) {
			oldest = n
			break
		}
		if oldest == 0 || t.slots[n].touched < t.slots[oldest].touched {
			oldest = n
		}
	}
	held := m.at - t.slots[oldest].touched
	if held < int64(holdLeast) {
		m.blind.Add(1)
	} else {
		m.shortened.Add(1)
	}
	m.hold.Store(min(held, int64(HoldAnswered)))
	m.drop(oldest)
}

// expire ends what was held long enough.
func (m *Matcher) expire() {
	t := &m.table
	for i, hold := range [ages]time.Duration{HoldAnswered, holdOpen, HoldAnswered, holdOpen, holdOpen} {
		for n := t.ages[i].first; n != 0 && m.at-t.slots[n].touched > int64(hold); n = t.ages[i].first {
			if i == answered && m.hold.Load() != int64(HoldAnswered) {
				m.hold.Store(int64(HoldAnswered))
			}
			m.drop(n)
		}
	}
	if m.at-m.counted >= int64(countEvery) {
		m.counted = m.at
		m.openNow.Store(int64(t.open))
	}
}

// drop ends a transaction.
func (m *Matcher) drop(n uint32) {
	s := &m.table.slots[n]
	m.ended.add(keyHash(s.pair, s.id), m.at)
	if s.is(pairedBit) {
		m.clients[s.client]--
	}
	m.table.remove(n)
}

// ask takes in that the query of a transaction was sent, perhaps again.
func (m *Matcher) ask(n uint32, client uint16) {
	s := &m.table.slots[n]
	if s.queries == 0 {
		s.client = client
		m.clients[client]++
		m.table.pairUp(n)
	}
	s.queries = more(s.queries)
}

// touch puts off the end of a transaction.
func (m *Matcher) touch(n uint32) {
	s := &m.table.slots[n]
	s.touched = m.at
	m.table.pull(n)
	special := s.is(watchedBit | oddBit)
	age := uint8(answered)
	switch {
	case s.queries == 0 && special:
		age = loneKept
	case s.queries == 0:
		age = lone
	case special:
		age = kept
	case s.answers == 0:
		age = waiting
	}
	s.state = s.state&^ageMask | age
	m.table.push(n)
}

// astray counts a response to a port that has open transactions, though none of
// its id.
func (m *Matcher) astray(pair uint64) {
	found := false
	for e := range m.aimed(pair) {
		e.strays = more(e.strays)
		found = true
	}
	if found {
		m.strays.Add(1)
	}
}

// maxAimed bounds how many transactions of one pair are looked at.
const maxAimed = 8

// aimed gives the open transactions of a pair that have a query, the newest
// first: those that a response with another id may be meant for, in the hope to
// hit. Of many only the last few are given.
func (m *Matcher) aimed(pair uint64) iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		c := m.table.newest(pair)
		if c == nil {
			return
		}
		for i, n := 0, c.slot; n != 0 && i < maxAimed; i++ {
			e := &m.table.slots[n]
			n = e.elder
			if !yield(e) {
				return
			}
		}
	}
}

// see notes what there is to remember of a packet.
func (m *Matcher) see(f *Frame, g *datagram, query bool) packet {
	return packet{
		at: f.At.UnixNano(), digest: maphash.Bytes(m.seed, g.payload[2:]), ident: g.ident, link: f.Link,
		iface: int32(f.Interface), number: uint32(f.Number), length: uint32(f.Length), query: query, pieced: g.pieced, torn: g.torn,
	}
}

// keep puts a packet into memory, and reports whether there was room: of one
// transaction, further ones are counted only.
func (m *Matcher) keep(e *slot, p packet, frame []byte) bool {
	if e.packets == maxSeen {
		return false
	}
	which := place(forAsked)
	switch {
	case e.queries == 0:
		which = forLone
	case e.is(watchedBit):
		which = forWatched
	}
	p.before = e.last
	e.last = m.memory.put(which, p, frame, m.at-int64(holdOpen))
	e.packets++
	return true
}

// said reports whether a response came before that says the same.
func (m *Matcher) said(e *slot, what uint64) bool {
	for x, _ := m.memory.get(e.last); x != nil; x, _ = m.memory.get(x.before) {
		if !x.query && x.says == what {
			return true
		}
	}
	return false
}

// copied reports whether p is a packet that was seen a moment ago at another
// interface: the same packet on its way, rather than another one.
func (m *Matcher) copied(e *slot, p *packet) bool {
	for x, _ := m.memory.get(e.last); x != nil; x, _ = m.memory.get(x.before) {
		if x.query == p.query && x.digest == p.digest && x.ident == p.ident && x.iface != p.iface &&
			time.Duration(p.at-x.at).Abs() <= sameFrame {
			return true
		}
	}
	return false
}

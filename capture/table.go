package capture

import (
	"hash/maphash"
	"time"
)

// queue holds transactions in the order in which they were last touched.
type queue struct{ first, last *entry }

func (q *queue) push(e *entry) {
	e.queue, e.prev, e.next = q, q.last, nil
	if q.last != nil {
		q.last.next = e
	} else {
		q.first = e
	}
	q.last = e
}

func (q *queue) remove(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.last = e.prev
	}
	e.queue, e.prev, e.next = nil, nil, nil
}

// begin opens a transaction; nil where there is no room for it.
func (m *Matcher) begin(k key, question uint64, h *header) *entry {
	if len(m.table) >= m.cfg.Transactions {
		m.evict()
	}
	// One client that asks for everything must not push out all others.
	if len(m.table) > m.cfg.Transactions/4*3 && m.clients[k.client.Addr()] > m.cfg.Transactions/8 {
		m.refused.Add(1)
		return nil
	}
	e := &entry{key: k, question: question, begun: m.now, touched: m.now, watched: m.watched[string(h.question)]}
	m.table[k] = e
	m.clients[k.client.Addr()]++
	m.open[1].push(e)
	return e
}

// evict makes room: the oldest answered transaction goes first.
func (m *Matcher) evict() {
	e := m.open[0].first
	if e == nil {
		e = m.open[1].first
	}
	if m.now.Sub(e.begun) < holdLeast {
		m.blind.Add(1)
	} else {
		m.shortened.Add(1)
	}
	m.drop(e)
}

// touch puts off the end of a transaction.
func (m *Matcher) touch(e *entry) {
	e.touched = m.now
	e.queue.remove(e)
	if e.responses == 0 || e.watched || e.odd {
		m.open[1].push(e)
	} else {
		m.open[0].push(e)
	}
}

func (m *Matcher) drop(e *entry) {
	e.queue.remove(e)
	m.ended.add(m.keyHash(e.key), m.now, m.cfg.Transactions)
	delete(m.table, e.key)
	if n := m.clients[e.client.Addr()]; n > 1 {
		m.clients[e.client.Addr()] = n - 1
	} else {
		delete(m.clients, e.client.Addr())
	}
}

// keep notes a packet, and reports whether there was room: further ones are
// counted only.
func (e *entry) keep(s seen) bool {
	if len(e.seen) == maxSeen {
		return false
	}
	e.seen = append(e.seen, s)
	return true
}

// said reports whether a response came before that says the same.
func (e *entry) said(what uint64) bool {
	for _, x := range e.seen {
		if !x.query && x.says == what {
			return true
		}
	}
	return false
}

// copied reports whether s is a packet that was seen a moment ago at another
// interface: the same packet on its way, rather than another one.
func (e *entry) copied(s seen) bool {
	for _, x := range e.seen {
		if x.query == s.query && x.digest == s.digest && x.ident == s.ident && x.iface != s.iface && s.at.Sub(x.at).Abs() <= sameFrame {
			return true
		}
	}
	return false
}

// tombs remembers for a while which transactions have ended, so that an answer
// that comes late is told from one that nobody asked for.
type tombs struct {
	young, old map[uint64]struct{}
	turned     time.Time
}

// lateFor is how long an ended transaction is remembered, at least.
const lateFor = 30 * time.Second

func (t *tombs) add(hash uint64, now time.Time, most int) {
	if t.young == nil || now.Sub(t.turned).Abs() > lateFor || len(t.young) >= most {
		t.old, t.young, t.turned = t.young, map[uint64]struct{}{}, now
	}
	t.young[hash] = struct{}{}
}

func (t *tombs) has(hash uint64) bool {
	_, young := t.young[hash]
	_, old := t.old[hash]
	return young || old
}

func (m *Matcher) keyHash(k key) uint64 { return maphash.Comparable(m.seed, k) }

package capture

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Bounds of what is kept of what one sender tells.
const (
	tapRoom   = 256 << 10 // octets
	tapEntry  = 512       // what a transaction takes beside its packets
	tapPacket = 256       // what a query takes beside its octets
	tapAhead  = time.Second
	tapBehind = time.Minute
)

// tapper makes samples of what one sender tells by dnstap.
//
// What a resolver tells it has paired and accepted already. A response without its
// query, which many tell of alone, is therefore as good as one with it, and there is
// nothing to be learnt of what lies below: no hop limit, no address of a machine. A
// packet that is heard on the wire as well is in another transaction there: it cannot
// contradict itself, and for the judge both are one voice, of one server over one
// transport. Who taps the wire and tells of all that passes, though, may tell of two
// responses to one query over UDP; these are a sample together, as they are on the wire.
//
// It is used by one goroutine.
type tapper struct {
	watched func(wire []byte) bool // nil for all: then only contradictions are given
	local   func(netip.Addr) bool
	now     func() time.Time // nil for a file, whose times are believed
	room    int

	seed  maphash.Seed
	open  map[tapKey]*tapTransaction
	queue []tapKey // in the order in which they were begun
	used  int
	heard map[uint64]time.Time
	last  time.Time
	name  [maxName]byte

	*tapCounters
}

// tapCounters are what senders tell, all together.
type tapCounters struct {
	messages, queries, responses, transactions, undecodable, repeats atomic.Uint64
}

// tapKey tells transactions apart.
type tapKey struct {
	client, server netip.AddrPort
	transport      monitor.Transport
	id             uint16
	question       uint64 // hash
}

// tapTransaction is what was told of one transaction.
type tapTransaction struct {
	begun   time.Time
	queries []monitor.Packet
	first   *tapMessage // response; its bytes are a copy
	says    uint64
	cost    int // octets
}

func newTapper(counters *tapCounters) *tapper {
	return &tapper{
		room: tapRoom, seed: maphash.MakeSeed(), open: map[tapKey]*tapTransaction{}, heard: map[uint64]time.Time{}, tapCounters: counters,
	}
}

// take takes in one Dnstap. It returns a sample, and true, for the first response
// to a query for a watched name, unless the same server said the same a moment ago,
// and for one that contradicts it.
func (t *tapper) take(b []byte) (monitor.Sample, bool) {
	number := t.messages.Add(1)
	m, ok := parseTap(b)
	if !ok {
		t.undecodable.Add(1)
		return monitor.Sample{}, false
	}
	h, ok := parseHeader(m.message, &t.name)
	if !ok || h.response() != m.kind.response() {
		t.undecodable.Add(1)
		return monitor.Sample{}, false
	}
	if h.opcode() != 0 {
		return monitor.Sample{}, false
	}
	if t.date(&m); t.now == nil {
		m.frame = int(number)
	}
	if !m.kind.response() {
		t.queries.Add(1)
	} else {
		t.responses.Add(1)
	}
	if h.question == nil || h.qclass != classIN || t.watched != nil && !t.watched(h.question) {
		return monitor.Sample{}, false
	}
	k := tapKey{client: m.client, server: m.server, transport: m.transport, id: h.id, question: t.hash(h.question, h.qtype)}
	e := t.entry(k, &m)
	if !m.kind.response() {
		t.ask(e, &m, &h)
		return monitor.Sample{}, false
	}
	says, ok := content(t.seed, m.message, &h)
	if !ok {
		says = maphash.Bytes(t.seed, m.message[2:])
	}
	q := monitor.Question{Name: nameText(h.question), Type: monitor.Type(h.qtype)}
	switch {
	case e.first != nil && e.says == says:
		t.repeats.Add(1)
		return monitor.Sample{}, false
	case e.first == nil || m.transport != monitor.UDP:
		// Over a connection nobody answers in the place of another, and an id may be used
		// again at once: over HTTPS it is always 0 (RFC 8484 §4.1).
		e.says = says
		t.keep(e, &m)
		if t.watched == nil || t.lately(&m) {
			return monitor.Sample{}, false
		}
		return t.sample(q, e), true
	}
	t.asked(e, &m)
	return t.sample(q, e, &m), true
}

// date gives a message the time that is to be judged by. That of a sender on this
// host is the same as ours; one that says otherwise is not believed.
func (t *tapper) date(m *tapMessage) {
	at := m.at()
	if t.now != nil {
		now := t.now()
		if at.IsZero() || at.After(now.Add(tapAhead)) || at.Before(now.Add(-tapBehind)) {
			at, m.asked, m.said = now, time.Time{}, time.Time{}
		}
	} else if at.IsZero() {
		at = t.last
	}
	if t.last = at; m.kind.response() {
		if m.said = at; m.asked.Before(at.Add(-tapBehind)) {
			m.asked = time.Time{}
		}
	} else {
		m.asked = at
	}
}

// entry gives the transaction that a message belongs to, a new one where it is the
// first of its own.
func (t *tapper) entry(k tapKey, m *tapMessage) *tapTransaction {
	e := t.open[k]
	switch {
	case e == nil:
		e = &tapTransaction{}
		t.open[k] = e
		t.queue = append(t.queue, k)
	case m.at().Sub(e.begun).Abs() <= holdOpen:
		return e
	default: // port and id were used again; its place in the queue stays
		t.used -= e.cost
		*e = tapTransaction{}
	}
	t.transactions.Add(1)
	e.begun = m.at()
	t.charge(e, tapEntry)
	return e
}

// ask notes a query.
func (t *tapper) ask(e *tapTransaction, m *tapMessage, h *header) {
	if len(e.queries) == maxSeen {
		return
	}
	p := m.packet(h.id)
	readQuery(&p, m.message, h)
	e.queries = append(e.queries, p)
	t.charge(e, tapPacket+len(p.Raw))
}

// asked notes the query that a response came with, if it was not told of by itself.
func (t *tapper) asked(e *tapTransaction, m *tapMessage) {
	known := slices.ContainsFunc(e.queries, func(p monitor.Packet) bool { return p.At.Equal(m.asked) })
	if known || m.asked.IsZero() || len(m.query) == 0 {
		return
	}
	q := *m
	q.kind, q.message = m.kind-1, m.query
	var buf [maxName]byte
	if h, ok := parseHeader(q.message, &buf); ok {
		t.ask(e, &q, &h)
	}
}

// keep notes the response that others are compared with.
func (t *tapper) keep(e *tapTransaction, m *tapMessage) {
	t.asked(e, m)
	if e.first != nil {
		t.charge(e, -len(e.first.message))
	}
	c := *m
	c.message, c.query, c.identity = bytes.Clone(m.message), nil, nil
	e.first = &c
	t.charge(e, len(c.message))
}

// charge counts octets that are kept, and makes room for them: the oldest goes, but
// for e.
func (t *tapper) charge(e *tapTransaction, n int) {
	e.cost += n
	t.used += n
	for t.used > t.room && len(t.queue) > 1 {
		k := t.queue[0]
		t.queue = t.queue[1:]
		gone := t.open[k]
		if gone == e {
			t.queue = append(t.queue, k)
			continue
		}
		t.used -= gone.cost
		delete(t.open, k)
	}
}

// hash stands for a question.
func (t *tapper) hash(name []byte, qtype uint16) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	h.Write(name)
	maphash.WriteComparable(&h, qtype)
	return h.Sum64()
}

// lately reports whether the same server gave the same answer a moment ago, and
// notes it.
func (t *tapper) lately(m *tapMessage) bool {
	var h maphash.Hash
	h.SetSeed(t.seed)
	maphash.WriteComparable(&h, m.server.Addr())
	maphash.WriteComparable(&h, m.transport)
	h.Write(m.message[2:])
	sum := h.Sum64()
	last, ok := t.heard[sum]
	if ok && m.at().Sub(last).Abs() < heardAgain {
		return true
	}
	if len(t.heard) >= maxHeard {
		clear(t.heard)
	}
	t.heard[sum] = m.at()
	return false
}

// sample writes a transaction down, with a response that contradicts its first.
func (t *tapper) sample(q monitor.Question, e *tapTransaction, more ...*tapMessage) monitor.Sample {
	s := monitor.Sample{Via: monitor.Wire, Question: q, Queries: e.queries, Answers: []monitor.Observation{}}
	for _, m := range append([]*tapMessage{e.first}, more...) {
		o := t.observation(m)
		switch {
		case !m.asked.IsZero() && m.said.After(m.asked):
			o.RTT = monitor.Milliseconds(m.said.Sub(m.asked))
		case len(e.queries) > 0:
			o.RTT = monitor.Milliseconds(max(0, m.said.Sub(e.queries[len(e.queries)-1].At)))
		}
		s.At = o.At
		s.Answers = append(s.Answers, o)
	}
	return s
}

// observation reads a response.
func (t *tapper) observation(m *tapMessage) monitor.Observation {
	var buf [maxName]byte
	h, _ := parseHeader(m.message, &buf) // it was read before
	p := m.packet(h.id)
	o := monitor.Observation{At: m.said, Resolver: "wire", Server: m.server.Addr(), Transport: m.transport, Packet: &p}
	// A sender on this host that asks does so from here, whether it knows its address or not.
	if t.local != nil && (m.client.IsValid() && t.local(m.client.Addr()) || !m.client.IsValid() && t.now != nil && m.kind.asks()) {
		o.Role = monitor.Local
	}
	readResponse(&o, &p, m.message, &h)
	return o
}

// packet is the message as evidence.
func (m *tapMessage) packet(id uint16) monitor.Packet {
	p := monitor.Packet{
		At: m.at(), Frame: m.frame, Src: m.client, Dst: m.server, TXID: id, Dnstap: m.kind.String(), Link: uint16(linkPDU),
	}
	if m.kind.response() {
		p.Src, p.Dst = p.Dst, p.Src
	}
	p.Raw = pdu(p.Src, p.Dst, m.message)
	return p
}

package capture

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Config is what a Matcher works with. The zero value is usable.
type Config struct {
	// Watched are the names whose answers are handed over even when nothing
	// contradicts them, in the form of monitor.ParseName.
	Watched []string

	// Local reports whether an address is this host's own. nil: none is.
	Local func(netip.Addr) bool

	// Passed takes note of what passes the links of this host. nil: nobody asks.
	Passed *Exchanges

	// Strangers is how many questions that are not watched may have answers that
	// Strangers gives; 0 for none.
	Strangers int

	// Transactions bounds the table of open transactions. 65,536 by default,
	// about 200 octets each.
	Transactions int

	// Memory is how many octets of recent frames are kept, to compare answers
	// and to show them as evidence. 8 MiB by default.
	Memory int
}

// How long a transaction stays open, in the time of the frames. Real tools of
// attackers answer up to half a second after the genuine answer, and a resolver
// may take seconds for its own (Duan et al., Hold-On, SATIN 2012: 5 s).
const (
	holdAnswered = 5 * time.Second
	holdOpen     = 10 * time.Second // not yet answered, watched, or odd
	holdLeast    = time.Second      // however full the table is; below it we are blind
	sameFrame    = 20 * time.Millisecond
	heardAgain   = 10 * time.Second // an answer for a watched name is handed over once in this time
	backwards    = time.Minute      // a clock set back by more than this ends all transactions
)

const (
	defaultTransactions = 1 << 16
	defaultMemory       = 8 << 20
	maxSeen             = 16 // packets of one transaction that are looked at
	maxHeard            = 4096
)

// Matcher pairs queries with all responses that claim to answer them. It takes
// its time from the frames. It must be used by one goroutine; Stats may be
// called from any.
type Matcher struct {
	cfg     Config
	seed    maphash.Seed
	watched map[string]bool
	table   map[key]*entry
	clients map[netip.Addr]int
	open    [2]queue // by hold: holdAnswered, holdOpen
	memory  *memory
	heard   map[uint64]time.Time
	ended   tombs
	parts   fragments

	strangers map[uint64]*stranger // by hash of the question
	now       time.Time
	lost      uint64
	lostAt    time.Time

	decoder *decoder
	again   *decoder // for frames out of memory, while a fresh one is in use
	name    [maxName]byte

	counters
}

// key tells transactions apart. The question is checked, not part of it, so
// that a response with another question is seen for what it is.
type key struct {
	client, server netip.AddrPort
	id             uint16
}

// entry is one open transaction.
type entry struct {
	key
	question  uint64 // hash
	begun     time.Time
	touched   time.Time
	queries   int
	responses int
	seen      []seen
	watched   bool
	odd       bool // its answers differ
	prev      *entry
	next      *entry
	queue     *queue
}

// seen is one packet of a transaction.
type seen struct {
	place
	at     time.Time
	digest uint64 // of the message behind its id
	says   uint64 // what a response says, as content has it; else its digest
	ident  uint16
	link   LinkType
	iface  int
	number int
	length int
	query  bool
	torn   bool // put together from fragments that contradict each other
}

// NewMatcher makes a matcher. Names that cannot be are passed over.
func NewMatcher(cfg Config) *Matcher {
	if cfg.Transactions <= 0 {
		cfg.Transactions = defaultTransactions
	}
	if cfg.Memory <= 0 {
		cfg.Memory = defaultMemory
	}
	m := &Matcher{
		cfg: cfg, seed: maphash.MakeSeed(), watched: map[string]bool{}, table: map[key]*entry{},
		clients: map[netip.Addr]int{}, memory: newMemory(cfg.Memory), heard: map[uint64]time.Time{},
		decoder: newDecoder(), again: newDecoder(),
	}
	for _, name := range cfg.Watched {
		if wire, err := nameWire(name); err == nil {
			m.watched[wire] = true
		}
	}
	return m
}

const (
	dnsPort = 53 // of Do53
	classIN = 1
	flagTC  = 1 << 9

	protocolUDP = 17
)

// Take takes in one frame. It returns a sample, and true, when the frame is a
// response that contradicts an earlier one to the same query, or the first to a
// query for a watched name.
func (m *Matcher) Take(f Frame) (monitor.Sample, bool) {
	m.packets.Add(1)
	m.tick(&f)
	g, sort := m.decoder.decode(&f)
	switch sort {
	case broken:
		m.undecodable.Add(1)
		return monitor.Sample{}, false
	case fragment:
		m.fragments.Add(1)
		if g, sort = m.reassemble(&f); sort != udp {
			return monitor.Sample{}, false
		}
	case other:
		return monitor.Sample{}, false
	}
	if g.src.Port() != dnsPort && g.dst.Port() != dnsPort {
		return monitor.Sample{}, false
	}
	h, ok := parseHeader(g.payload, &m.name)
	if !ok {
		m.undecodable.Add(1)
		return monitor.Sample{}, false
	}
	if h.opcode() != 0 {
		return monitor.Sample{}, false // NOTIFY, UPDATE and the like
	}
	m.cfg.Passed.note(&f, &g, &h)
	switch {
	case h.response() && g.src.Port() == dnsPort:
		return m.response(&f, &g, &h)
	case !h.response() && g.dst.Port() == dnsPort:
		m.query(&f, &g, &h)
	default:
		m.undecodable.Add(1)
	}
	return monitor.Sample{}, false
}

// reassemble takes in a fragment. When its datagram is whole, f becomes the frame that
// it would have come in.
func (m *Matcher) reassemble(f *Frame) (datagram, sort) {
	n, ok := stripLink(f)
	if !ok {
		return datagram{}, other
	}
	p, ok := parsePiece(f, n)
	if !ok || p.proto != protocolUDP {
		return datagram{}, other
	}
	whole, torn, done := m.parts.add(f, p)
	m.torn.Store(m.parts.torn)
	if !done {
		return datagram{}, fragment
	}
	m.reassembled.Add(1)
	*f = whole
	g, sort := m.decoder.decode(f)
	g.torn = torn
	return g, sort
}

// tick moves time on to that of the frame, and lets transactions end.
func (m *Matcher) tick(f *Frame) {
	if f.At.Before(m.now.Add(-backwards)) {
		for _, e := range m.table {
			m.drop(e)
		}
		m.now = f.At
	}
	if f.At.After(m.now) {
		m.now = f.At
	}
	if f.Lost > m.lost {
		m.lost, m.lostAt = f.Lost, m.now
	}
	for i, hold := range [...]time.Duration{holdAnswered, holdOpen} {
		for e := m.open[i].first; e != nil && m.now.Sub(e.touched) > hold; e = m.open[i].first {
			m.drop(e)
		}
	}
}

func (m *Matcher) query(f *Frame, g *datagram, h *header) {
	if h.question == nil {
		m.undecodable.Add(1)
		return
	}
	m.queries.Add(1)
	k := key{client: g.src, server: g.dst, id: h.id}
	q := m.hash(h)
	e := m.table[k]
	if e != nil && e.question != q {
		m.drop(e) // the client uses port and id again
		e = nil
	}
	if e == nil {
		if e = m.begin(k, q, h); e == nil {
			return
		}
		m.transactions.Add(1)
	}
	s := m.see(f, g, true)
	if e.copied(s) {
		m.duplicates.Add(1)
		return
	}
	if e.queries++; e.queries > 1 {
		m.retransmits.Add(1)
	}
	e.keep(s)
	m.touch(e)
}

func (m *Matcher) response(f *Frame, g *datagram, h *header) (monitor.Sample, bool) {
	m.responses.Add(1)
	if h.question == nil {
		return monitor.Sample{}, false // an error from a server that did not read the question
	}
	k := key{client: g.dst, server: g.src, id: h.id}
	q := m.hash(h)
	e := m.table[k]
	switch {
	case e == nil:
		// The query was not seen: capture began later, or sees one way only; or it
		// was answered before, and that is over.
		if m.ended.has(m.keyHash(k)) {
			m.late.Add(1)
		} else {
			m.unsolicited.Add(1)
		}
		if e = m.begin(k, q, h); e == nil {
			return monitor.Sample{}, false
		}
	case e.question != q:
		m.mismatched.Add(1)
		return monitor.Sample{}, false
	}
	s := m.see(f, g, false)
	if e.copied(s) {
		m.duplicates.Add(1)
		return monitor.Sample{}, false
	}
	m.meet(e, g.payload, h)
	if h.flags&flagTC != 0 {
		m.truncated.Add(1)
	}
	s.says = s.digest
	if sum, ok := content(m.seed, g.payload, h); ok {
		s.says = sum
	}
	known := e.said(s.says)
	if known {
		m.repeats.Add(1)
	}
	first := e.responses == 0
	e.responses++
	kept := e.keep(s)
	e.odd = e.odd || !first && !known
	m.touch(e)
	switch {
	case !kept || h.qclass != classIN:
	case first && e.watched && !m.heardLately(e, s), !first && !known:
		return m.sample(e, h)
	}
	return monitor.Sample{}, false
}

// see puts a packet into memory.
func (m *Matcher) see(f *Frame, g *datagram, query bool) seen {
	var hash maphash.Hash
	hash.SetSeed(m.seed)
	hash.Write(g.payload[2:])
	return seen{
		place: m.memory.put(f.Data), at: f.At, digest: hash.Sum64(), ident: g.ident, link: f.Link,
		iface: f.Interface, number: f.Number, length: f.Length, query: query, torn: g.torn,
	}
}

// hash stands for a question: its name in lower case, type and class.
func (m *Matcher) hash(h *header) uint64 {
	var hash maphash.Hash
	hash.SetSeed(m.seed)
	hash.Write(h.question)
	hash.Write([]byte{byte(h.qtype >> 8), byte(h.qtype), byte(h.qclass >> 8), byte(h.qclass)})
	return hash.Sum64()
}

// heardLately reports whether the same server gave the same answer a moment
// ago, and notes it. Ids differ, and TTLs may: then it is heard again.
func (m *Matcher) heardLately(e *entry, s seen) bool {
	var hash maphash.Hash
	hash.SetSeed(m.seed)
	maphash.WriteComparable(&hash, e.server.Addr())
	maphash.WriteComparable(&hash, s.digest)
	sum := hash.Sum64()
	last, ok := m.heard[sum]
	if ok && m.now.Sub(last) < heardAgain {
		return true
	}
	if len(m.heard) >= maxHeard {
		clear(m.heard)
	}
	m.heard[sum] = m.now
	return false
}

// sample writes a transaction down.
func (m *Matcher) sample(e *entry, h *header) (monitor.Sample, bool) {
	s := monitor.Sample{
		At: m.now, Via: monitor.Wire,
		Question: monitor.Question{Name: nameText(h.question), Type: monitor.Type(h.qtype)},
		Answers:  []monitor.Observation{},
	}
	if !m.lostAt.IsZero() && m.now.Sub(m.lostAt) <= holdOpen {
		s.State = append(s.State, monitor.CaptureDegraded)
	}
	var sent time.Time
	for _, x := range e.seen {
		raw := m.memory.get(x.place)
		if raw == nil {
			m.forgotten.Add(1)
			continue
		}
		f := Frame{At: x.at, Link: x.link, Data: raw, Length: x.length, Number: x.number, Interface: x.iface}
		g, _ := m.again.decode(&f)
		p := monitor.Packet{
			At: x.at, Frame: x.number, Src: g.src, Dst: g.dst, TXID: e.id, HopLimit: g.hop, MAC: macString(g.mac),
			Iface: x.iface, Link: uint16(x.link), Raw: append([]byte(nil), raw...),
		}
		var buf [maxName]byte
		head, ok := parseHeader(g.payload, &buf)
		if !ok {
			continue
		}
		if x.query {
			readQuery(&p, g.payload, &head)
			s.Queries = append(s.Queries, p)
			sent = x.at
			continue
		}
		o := monitor.Observation{At: x.at, Resolver: "wire", Server: e.server.Addr(), Transport: monitor.UDP, Packet: &p}
		if m.cfg.Local != nil && m.cfg.Local(e.client.Addr()) {
			o.Role = monitor.Local
		}
		if !sent.IsZero() {
			o.RTT = monitor.Milliseconds(x.at.Sub(sent))
		}
		readResponse(&o, &p, g.payload, &head)
		p.Nonlocal = m.nonlocal(&f, g.src.Addr())
		if x.torn {
			p.Broken = brokenFragments
		}
		s.Answers = append(s.Answers, o)
	}
	return s, len(s.Answers) > 0
}

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

	// Transactions bounds the table of open transactions, which doubles up to it
	// as it fills. One takes at most 128 octets: a slot of 64, half empty indexes,
	// and what is remembered of it later.
	//
	// N packets a second are N/2 transactions, each of which is held for 5 s after
	// its last packet: 5*N/2 are wanted, 250,000 for 100,000 packets a second. The
	// default of 65,536 is enough for 26,000. Above that the hold shrinks, to 1 s
	// at 130,000 (see Stats.Hold), and what must end sooner is Stats.Blind.
	Transactions int

	// Tunnels takes packets out of VXLAN and GRE, ERSPAN included, as the mirror
	// port of a switch sends them. Whoever can reach this host can send such, and
	// so say what was overheard: it is for captures, and where it is asked for.
	Tunnels bool

	// Connections bounds the TCP connections that are followed at once. 256 by
	// default, at most 64 KiB each.
	Connections int

	// Memory bounds the octets of recent packets that are kept, to compare answers
	// and to show them as evidence: 64 and the frame each. It is taken as it is
	// needed. By default it is 256 octets for each of Transactions, 16 MiB.
	Memory int

	// Patient is for a caller that takes samples at its own pace, as one that
	// reads a file: all are handed over. Otherwise a budget bounds how many, and
	// Stats.Withheld counts the others.
	Patient bool
}

// How long a transaction stays open, in the time of the frames. Real tools of
// attackers answer up to half a second after the genuine answer, and a resolver
// may take seconds for its own (Duan et al., Hold-On, SATIN 2012: 5 s).
const (
	HoldAnswered = 5 * time.Second  // once it is answered, and where there is room; see Stats.Hold
	holdOpen     = 10 * time.Second // not yet answered, watched, or odd
	holdLeast    = time.Second      // however full the table is; below it we are blind
	sameFrame    = 20 * time.Millisecond
	heardAgain   = 10 * time.Second // an answer for a watched name is handed over once in this time
	countEvery   = 100 * time.Millisecond
	backwards    = time.Minute // a clock set back by more than this ends all transactions
)

// DefaultTransactions is what Config.Transactions is by default.
const DefaultTransactions = 1 << 16

const (
	memoryEach = 256 // octets of memory for a transaction
	maxSeen    = 16  // packets of one transaction that are looked at
	maxHeard   = 4096
)

// Matcher pairs queries with all responses that claim to answer them. It takes
// its time from the frames. It must be used by one goroutine; Stats may be
// called from any.
type Matcher struct {
	cfg     Config
	seed    maphash.Seed       // a secret, so that nobody can choose names or ports that collide
	watched map[uint64]*bucket // by the hash of a name, what is left of its budget
	table   table
	clients [clientCounters]uint32
	memory  memories
	heard   map[uint64]int64 // when, ns since 1970
	ended   tombs
	budget  budget
	parts   fragments
	servers neighbours         // that answered lately
	aside   map[uint64]*strays // by transaction
	recent  recent
	hit     uint32 // a transaction that the frame was aimed at, to be handed over
	first   int64  // when the first frame came, ns since 1970
	now     time.Time
	at      int64 // now, ns since 1970
	counted int64 // when the open transactions were, for Stats
	lost    uint64
	lostAt  time.Time

	strangers map[uint64]*stranger // by hash of the question

	tcp     connections
	sums    sums
	decoder decoder
	name    [maxName]byte

	lan announcements

	counters
}

// NewMatcher makes a matcher. Names that cannot be are passed over.
func NewMatcher(cfg Config) *Matcher {
	if cfg.Transactions <= 0 {
		cfg.Transactions = DefaultTransactions
	}
	if cfg.Memory <= 0 {
		cfg.Memory = memoryEach * cfg.Transactions
	}
	m := &Matcher{
		cfg: cfg, seed: maphash.MakeSeed(), watched: map[uint64]*bucket{}, table: newTable(cfg.Transactions),
		memory: newMemories(cfg.Memory), heard: map[uint64]int64{}, decoder: decoder{tunnels: cfg.Tunnels},
		servers: neighbours{}, aside: map[uint64]*strays{},
	}
	m.parts.orphaned = m.orphan
	m.ended = newTombs(len(m.table.slots))
	m.hold.Store(int64(HoldAnswered))
	m.tcp.counters, m.tcp.most = &m.counters, cfg.Connections
	if m.tcp.most <= 0 {
		m.tcp.most = defaultConnections
	}
	for _, name := range cfg.Watched {
		if wire, err := nameWire(name); err == nil {
			m.watched[maphash.String(m.seed, wire)] = new(bucket)
		}
	}
	return m
}

const (
	dnsPort = 53 // of Do53
	classIN = 1
	flagTC  = 1 << 9
)

// Take takes in one frame. It returns a sample, and true, when the frame is a
// response that contradicts an earlier one to the same query, or the first to a
// query for a watched name. One frame can be the end of several responses, over
// TCP: More gives the further samples, and is to be called until it is false.
func (m *Matcher) Take(f Frame) (s monitor.Sample, ok bool) {
	m.packets.Add(1)
	m.tcp.ready = m.tcp.ready[:0]
	m.tick(&f)
	g, sort := m.decoder.decode(&f)
	if sort == fragment {
		m.fragments.Add(1)
		g, sort = m.reassemble(&f, &g)
	}
	switch sort {
	case broken:
		m.undecodable.Add(1)
	case icmp:
		if servers := advertised(g.payload); g.src.Addr().Is6() && g.hop == 255 && len(servers) > 0 { // of this link, RFC 4861 §6.1.2
			m.lan.hear(monitor.ByRA, g.src.Addr(), macString(g.mac), f.At, servers)
		}
		m.icmp(&g)
	case tcp:
		return m.segment(&f, &g)
	case udp:
		if g.src.Port() == dnsPort || g.dst.Port() == dnsPort {
			return m.datagram(&f, &g)
		}
		m.lan.told(&f, &g)
	}
	return s, false
}

// datagram takes in one that is DNS by its ports.
func (m *Matcher) datagram(f *Frame, g *datagram) (s monitor.Sample, ok bool) {
	if !m.sums.good(f, g) {
		m.badChecksum.Add(1)
		return s, false
	}
	return m.message(f, g)
}

// message takes in a DNS message.
func (m *Matcher) message(f *Frame, g *datagram) (s monitor.Sample, ok bool) {
	h, ok := parseHeader(g.payload, &m.name)
	if !ok {
		m.undecodable.Add(1)
		m.knock(g)
		return s, false
	}
	if h.opcode() != 0 {
		return s, false // NOTIFY, UPDATE and the like
	}
	m.cfg.Passed.note(f, g, &h)
	switch {
	case h.response() && g.src.Port() == dnsPort:
		ok = m.response(f, g, &h, &s) || m.besieged(g, &h, &s)
		return s, ok
	case !h.response() && g.dst.Port() == dnsPort:
		m.query(f, g, &h)
	default:
		m.undecodable.Add(1)
		m.knock(g)
	}
	return s, false
}

// reassemble takes in a fragment. When its datagram is whole, f becomes the frame that
// it would have come in.
func (m *Matcher) reassemble(f *Frame, g *datagram) (datagram, sort) {
	p, ok := parsePiece(f, g)
	if !ok {
		return datagram{}, other
	}
	whole, torn, done := m.parts.add(f, p)
	m.piece(&p, m.parts.torn > m.torn.Swap(m.parts.torn))
	if !done {
		return datagram{}, fragment
	}
	m.reassembled.Add(1)
	*f = whole
	d, sort := m.decoder.decode(f)
	d.pieced, d.torn = true, torn
	return d, sort
}

// tick moves time on to that of the frame, and lets transactions end.
func (m *Matcher) tick(f *Frame) {
	at := f.At.UnixNano()
	if at < m.at-int64(backwards) {
		for i := range m.table.ages {
			for n := m.table.ages[i].first; n != 0; n = m.table.ages[i].first {
				m.drop(n)
			}
		}
		m.now, m.at, m.counted, m.budget = f.At, at, 0, budget{}
		clear(m.heard)
		clear(m.servers)
		clear(m.aside)
		m.first = at
	}
	if m.first == 0 {
		m.first = at
	}
	if at > m.at {
		m.now, m.at = f.At, at
	}
	if f.Lost > m.lost {
		m.lost, m.lostAt = f.Lost, m.now
	}
	m.parts.expire(f.At)
	m.expire()
}

func (m *Matcher) query(f *Frame, g *datagram, h *header) {
	if h.question == nil {
		m.undecodable.Add(1)
		return
	}
	m.queries.Add(1)
	pair, client := m.pair(g.src, g.dst, g.protocol), m.client(g.src.Addr())
	q := m.question(h)
	n := m.table.find(pair, h.id)
	if n != 0 && m.table.slots[n].question != q.short() {
		m.drop(n) // the client uses port and id again
		n = 0
	}
	if n == 0 {
		if n = m.begin(pair, h.id, q, waiting, client); n == 0 {
			return
		}
		m.transactions.Add(1)
	}
	e := &m.table.slots[n]
	p := m.see(f, g, true)
	if e.queries > 0 && m.copied(e, &p) {
		m.duplicates.Add(1)
		return
	}
	m.ask(n, client)
	m.fallback(g, q, client)
	if e.queries > 1 {
		m.retransmits.Add(1)
	}
	m.keep(e, p, f.Data)
	m.touch(n)
}

// response reports whether there is a sample to tell.
func (m *Matcher) response(f *Frame, g *datagram, h *header, told *monitor.Sample) bool {
	m.responses.Add(1)
	if h.question == nil {
		return false // an error from a server that did not read the question
	}
	pair := m.pair(g.dst, g.src, g.protocol)
	q := m.question(h)
	n := m.table.find(pair, h.id)
	switch {
	case n == 0:
		// The query was not seen: capture began later, or sees one way only; or it
		// was answered before, and that is over.
		late := m.ended.has(keyHash(pair, h.id), m.at)
		if late {
			m.late.Add(1)
		} else {
			m.unsolicited.Add(1)
		}
		m.astray(pair)
		m.guess(f, g, pair, q, late)
		n = m.begin(pair, h.id, q, lone, 0)
	case m.table.slots[n].question != q.short():
		m.mismatched.Add(1)
		m.mistake(f, g, &m.table.slots[n])
		return false
	case m.table.slots[n].queries == 0:
		m.guess(f, g, pair, q, false)
	}
	e := &m.table.slots[n]
	p := m.see(f, g, false)
	if e.answers > 0 && m.copied(e, &p) {
		m.duplicates.Add(1)
		return false
	}
	m.meet(e, q, g.payload, h)
	if h.flags&flagTC != 0 {
		m.truncated.Add(1)
		m.truncate(g, q)
	}
	p.says = p.digest
	if sum, ok := content(m.seed, g.payload, h); ok {
		p.says = sum
	}
	first := e.answers == 0
	known := !first && (e.says == p.says || m.said(e, p.says))
	if known {
		m.repeats.Add(1)
	}
	if first {
		e.says = p.says
	}
	e.answers = more(e.answers)
	kept := m.keep(e, p, f.Data)
	if !first && !known {
		e.state |= oddBit
	}
	m.touch(n)
	m.learn(e, g, h, first, known)
	news := first && e.is(watchedBit)
	if !kept || h.qclass != classIN || !news && (first || known) || news && m.heardLately(g.src.Addr(), p.digest) && !m.wants(g, q) {
		return false
	}
	if !m.afford(q, g.src.Addr()) {
		return false
	}
	if news {
		m.hear(g.src.Addr(), p.digest)
	}
	*told = m.sample(e, h)
	return len(told.Answers) > 0
}

package capture

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// afford reports whether the budget has room for another sample about a question
// that a server spoke of, and takes it.
func (m *Matcher) afford(q asked, server netip.Addr) bool {
	name := m.watched[q.name]
	if m.cfg.Patient || m.budget.spend(name, q.name, m.address(server), m.at) {
		return true
	}
	if name != nil {
		m.withheld.Add(1)
	} else {
		m.unreported.Add(1)
	}
	return false
}

// heardLately reports whether the same server gave the same answer a moment
// ago. Ids differ, and TTLs may: then it is heard again.
func (m *Matcher) heardLately(server netip.Addr, digest uint64) bool {
	last, ok := m.heard[m.address(server)^digest]
	return ok && m.at-last < int64(heardAgain)
}

// hear notes that the answer of a server was handed over.
func (m *Matcher) hear(server netip.Addr, digest uint64) {
	if len(m.heard) >= maxHeard {
		clear(m.heard)
	}
	m.heard[m.address(server)^digest] = m.at
}

// maxRaw bounds the octets of frames that go with one sample, of which many may wait
// for the judge: sixteen of usual size, or one of the largest.
const maxRaw = 72 << 10

// sample writes a transaction down.
func (m *Matcher) sample(e *slot, h *header) monitor.Sample {
	s := monitor.Sample{
		At: m.now, Via: monitor.Wire,
		Question: monitor.Question{Name: nameText(h.question), Type: monitor.Type(h.qtype)},
		Answers:  []monitor.Observation{},
	}
	if !m.lostAt.IsZero() && m.now.Sub(m.lostAt) <= holdOpen {
		s.State = append(s.State, monitor.CaptureDegraded)
	}
	var sent time.Time
	var query asking
	var places [maxSeen]place // the newest first
	n, room := 0, maxRaw
	for at := e.last; n < int(e.packets); n++ {
		x, _ := m.memory.get(at)
		if x == nil {
			break
		}
		places[n], at = at, x.before
	}
	m.forgotten.Add(uint64(int(e.packets) - n))
	for _, at := range slices.Backward(places[:n]) {
		x, raw := m.memory.get(at)
		if len(raw) == 0 {
			m.forgotten.Add(1) // too large to be kept
			continue
		}
		f := x.frame(raw)
		g := m.decoder.again(&f)
		p := packetOf(&f, &g)
		p.TXID, p.Fragmented = e.id, x.pieced
		if room -= len(raw); room >= 0 {
			p.Raw = bytes.Clone(raw)
		}
		var buf [maxName]byte
		head, ok := parseHeader(g.payload, &buf)
		if !ok {
			continue
		}
		if x.query {
			readQuery(&p, g.payload, &head)
			query = askingOf(g.payload, &head)
			p.Traits = query.traits
			s.Queries = append(s.Queries, p)
			sent = f.At
			continue
		}
		o := monitor.Observation{At: f.At, Resolver: "wire", Server: g.src.Addr(), Transport: g.transportName(), Packet: &p}
		if m.cfg.Local != nil && m.cfg.Local(g.dst.Addr()) {
			o.Role = monitor.Local
		}
		if !sent.IsZero() {
			o.RTT = monitor.Milliseconds(f.At.Sub(sent))
		}
		readResponse(&o, &p, g.payload, &head)
		p.Traits = query.granted(g.payload, &head)
		p.Nonlocal = m.nonlocal(&f, g.src.Addr())
		if x.torn {
			p.Broken = g.tornText()
		}
		s.Answers = append(s.Answers, o)
	}
	m.surround(&s, e, m.question(h), &room)
	return s
}

// packetOf gives what layers below DNS say of a packet.
func packetOf(f *Frame, g *datagram) monitor.Packet {
	return monitor.Packet{
		At: f.At, Frame: f.Number, Src: g.src, Dst: g.dst, HopLimit: g.hop, MAC: macString(g.mac),
		Iface: f.Interface, Link: uint16(f.Link),
	}
}

// surround adds to a sample what is known of its server, and what came beside it.
func (m *Matcher) surround(s *monitor.Sample, e *slot, q asked, room *int) {
	s.Strays = m.straysOf(e, room)
	if len(s.Answers) == 0 {
		return
	}
	n := m.servers[s.Answers[0].Server]
	if n == nil {
		return
	}
	pieced := slices.ContainsFunc(s.Answers, func(o monitor.Observation) bool { return o.Packet.Fragmented })
	s.Noise = n.tell(q.whole, pieced, m.at)
	manner := n.manner()
	for i := range s.Answers {
		s.Answers[i].Manner = manner
	}
}

package capture

import "time"

// fallbackWithin is how soon a question is put again over TCP that is so because of what
// came over UDP.
const fallbackWithin = 2 * time.Second

// recent remembers which questions clients asked over UDP a moment ago, and whether the
// answer was truncated. Of two that fall together the later one is known.
type recent [1 << 12]struct {
	hash      uint64
	at        int64
	truncated bool
}

// fallback notes a query. One over TCP, of a question that was asked over UDP a moment ago
// and got no truncated answer (RFC 7766 §5), is a fallback.
func (m *Matcher) fallback(g *datagram, q asked, client uint16) {
	hash := mix(q.whole, uint64(client))
	x := &m.recent[hash%uint64(len(m.recent))]
	switch {
	case !g.stream:
		x.hash, x.at, x.truncated = hash, m.at, false
	case x.hash == hash && m.at-x.at <= int64(fallbackWithin) && !x.truncated:
		x.truncated = true // once
		if n := m.named(g.dst.Addr()); n != nil {
			n.fallbacks.add(m.at, aMinute)
			n.fallen.add(m.at, time.Hour)
		}
	}
}

// truncate notes that a client is sent to TCP.
func (m *Matcher) truncate(g *datagram, q asked) {
	hash := mix(q.whole, uint64(m.client(g.dst.Addr())))
	if x := &m.recent[hash%uint64(len(m.recent))]; x.hash == hash {
		x.truncated = true
	}
}

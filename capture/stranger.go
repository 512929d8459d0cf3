package capture

import (
	"net/netip"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// stranger is a question that nobody watches, with what was answered to it of late.
type stranger struct{ monitor.Stranger }

// meet takes note of a response to a question that is not watched, where that is
// wanted. There is room for so many questions until Strangers is called: what comes
// beyond is counted alone, or a flood of random names would take memory without end.
func (m *Matcher) meet(e *slot, q asked, payload []byte, h *header) {
	if m.cfg.Strangers <= 0 || e.is(watchedBit) || h.qclass != classIN || h.flags&flagTC != 0 {
		return
	}
	s := m.strangers[q.whole]
	if s == nil {
		if len(m.strangers) >= m.cfg.Strangers {
			m.unkept.Add(1)
			return
		}
		if m.strangers == nil {
			m.strangers = map[uint64]*stranger{}
		}
		s = &stranger{monitor.Stranger{
			Question: monitor.Question{Name: nameText(h.question), Type: monitor.Type(h.qtype)}, First: m.now,
		}}
		m.strangers[q.whole] = s
	}
	s.Count, s.Last = s.Count+1, m.now
	rs := answers(payload, h)
	for x, ok := rs.next(); ok; x, ok = rs.next() {
		if x.class != classIN || x.rtype != dns.TypeA && x.rtype != dns.TypeAAAA {
			continue
		}
		if a, ok := netip.AddrFromSlice(payload[x.data:x.end]); ok {
			s.given(a)
		}
	}
}

// given takes note of an address in an answer.
func (s *stranger) given(a netip.Addr) {
	for i := range s.Addresses {
		if g := &s.Addresses[i]; g.Address == a {
			g.Last, g.Count = s.Last, g.Count+1
			return
		}
	}
	if len(s.Addresses) == monitor.MaxStrangerAddresses {
		s.More = true
		return
	}
	s.Addresses = append(s.Addresses, monitor.StrangerAddress{Address: a, First: s.Last, Last: s.Last, Count: 1})
}

// Strangers gives what was answered to questions that are not watched since it was
// last called, and begins anew. It belongs to the goroutine that calls Take.
func (m *Matcher) Strangers() []monitor.Stranger {
	ss := make([]monitor.Stranger, 0, len(m.strangers))
	for _, s := range m.strangers {
		ss = append(ss, s.Stranger)
	}
	clear(m.strangers)
	return ss
}

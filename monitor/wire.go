package monitor

import (
	"net/netip"
	"slices"
	"time"
)

// bucket is how often something may be done: a few times at once, and one more
// each period.
type bucket struct {
	spent int
	since time.Time
}

// take spends a token, if there is one.
func (b *bucket) take(now time.Time, size int, every time.Duration) bool {
	if n := int(now.Sub(b.since) / every); b.since.IsZero() || n >= b.spent {
		b.spent, b.since = 0, now
	} else if n > 0 {
		b.spent, b.since = b.spent-n, b.since.Add(time.Duration(n)*every)
	}
	if b.spent >= size {
		return false
	}
	b.spent++
	return true
}

// How often what is overheard may wake the asking side: whoever can forge
// packets must not be able to make us ask without end (design §8).
const (
	wakesOfName  = 3
	wakesOfAll   = 20
	wakesPerName = 20 // seconds for one more
	wakesPerAll  = 1
)

// heard bounds how much of what is overheard about one question is judged, so that
// forged packets do not keep the judge from all else: one answer in ten seconds in any
// case, and of more what all questions together may have.
type heard struct {
	conflicts, answers bucket
	first              bucket
}

const (
	heardAtOnce   = 16
	heardPer      = 250 * time.Millisecond // for one more
	heardFirst    = 10 * time.Second
	heardOfAll    = 64
	heardPerOfAll = time.Second / 32
)

// heed reports whether one more of a sort is judged.
func (m *Monitor) heed(q *question, sort *bucket, now time.Time) bool {
	return sort.take(now, heardAtOnce, heardPer) &&
		(q.heard.first.take(now, 1, heardFirst) || m.heeds.take(now, heardOfAll, heardPerOfAll))
}

// takeSample judges a sample that was overheard. Of a name that is not watched
// nothing is kept but a count.
func (m *Monitor) takeSample(s Sample) {
	m.listen(s)
	conflict := s.conflict(m.policy)
	attack := conflict || s.assault(m.policy)
	subject := m.subjects[s.Question.Name]
	if subject == nil || subject.question(s.Question.Type) == nil {
		if conflict {
			m.counts.Strangers++
		}
		return
	}
	m.counts.Overheard++
	q := subject.question(s.Question.Type)
	m.introduce(&s)
	m.counts.Unkept += uint64(q.overhear(s, &m.batch))
	for i := range s.Answers {
		m.recall(q, &s.Answers[i])
	}
	now := m.cfg.Now()
	if conflict {
		m.counts.Conflicts++
	}
	if attack {
		if !m.heed(q, &q.heard.conflicts, now) {
			m.counts.Unheeded++
			return
		}
	} else if m.familiar(q, s) {
		return
	} else if !m.heed(q, &q.heard.answers, now) {
		m.counts.Unheeded++
		return
	}
	// Either way somebody must be asked; what is odd beyond the budget waits for
	// the next round.
	if !q.open() && !m.wake(q) {
		m.counts.Unheeded++
		if !attack {
			return
		}
	}
	m.judge(q, s, -1)
}

// wake spends from what may be asked beyond the rounds, and reports whether there
// was some left.
func (m *Monitor) wake(q *question) bool {
	now, factor := m.cfg.Now(), time.Duration(m.cfg.Timing.Factor)
	return q.wakes.take(now, wakesOfName, wakesPerName*time.Second/factor) && m.wakes.take(now, wakesOfAll, wakesPerAll*time.Second/factor)
}

// introduce gives what was overheard the names of the resolvers that it came
// from, where they are known.
func (m *Monitor) introduce(s *Sample) {
	for i := range s.Answers {
		o := &s.Answers[i]
		if p := m.known(o.Server); p != nil {
			o.Resolver, o.Operator, o.Filtering = p.Name, p.Operator, p.Filtering
			if o.Role == Local && p.Role != Local {
				o.Role = p.Role // our own question to a twin, or an application's to the same server
			}
		}
	}
}

// known finds a resolver by its address, this host's own first.
func (m *Monitor) known(a netip.Addr) *Resolver {
	for _, rs := range [][]Resolver{m.current, m.cfg.Twins} {
		for i := range rs {
			if rs[i].Addr.Addr() == a {
				return &rs[i]
			}
		}
	}
	return nil
}

// familiar reports whether an overheard answer tells nothing new: every address
// in it is known to be good, or was asked about lately; and no packet of a moment ago
// was as odd.
func (m *Monitor) familiar(q *question, s Sample) bool {
	c := q.context(m.policy)
	c.Samples = append(slices.Clone(c.Samples), s)
	v := newView(c)
	now := v.now
	return len(now) == 0 || !slices.ContainsFunc(now, func(o *answer) bool {
		if v.stands(o) != suspicious {
			return false
		}
		if len(v.deviations(s, o.Observation)) > 0 && !slices.ContainsFunc(q.samples, func(x Sample) bool { return x.Via == Wire && s.At.Sub(x.At) < m.cfg.Timing.Recheck }) {
			return true
		}
		return slices.ContainsFunc(o.addrs, func(a netip.Addr) bool {
			at, tried := q.tried[a]
			return !tried || s.At.Sub(at) >= m.cfg.Timing.WitnessInterval
		})
	})
}

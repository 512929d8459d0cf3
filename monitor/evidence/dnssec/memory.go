package dnssec

import (
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// memory keeps what is proven of the chain, and for a few seconds what could
// not be had. It is bounded: names below a hostile zone have no end.
type memory struct {
	limit int

	mu       sync.Mutex // guards what follows
	cuts     map[string]*cut
	failures map[failed]failure
}

// failed is what could not be had: of one resolver's path, as another's may
// well lead there.
type failed struct {
	name string
	via  monitor.Resolver
}

type failure struct {
	err error
	at  time.Time
}

// over reports whether it is time to try again, also for a clock that was set back.
func (f failure) over(now time.Time) bool { return now.Sub(f.at).Abs() >= failureAge }

// slack is what proofs under way at the same time may differ by in what they
// take for now. A fact from later than that was proven by another clock.
const slack = time.Minute

func newMemory(limit int) *memory {
	return &memory{limit: limit, cuts: map[string]*cut{}, failures: map[failed]failure{}}
}

// recall gives what is known of the name below its zone; nil where nothing is.
func (m *memory) recall(name string, via monitor.Resolver, now time.Time) (*cut, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.cuts[name]; c != nil && now.Before(c.until) && c.since.Sub(now) < slack {
		return c, nil
	}
	if f, ok := m.failures[failed{name, via}]; ok && !f.over(now) {
		return nil, f.err
	}
	return nil, nil
}

func (m *memory) keep(name string, c *cut, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.cuts[name]; !known && len(m.cuts) >= m.limit {
		shrink(m.cuts, func(c *cut) bool { return !now.Before(c.until) })
	}
	m.cuts[name] = c
}

func (m *memory) fail(name string, via monitor.Resolver, err error, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := failed{name, via}
	if _, known := m.failures[f]; !known && len(m.failures) >= m.limit {
		shrink(m.failures, func(f failure) bool { return f.over(now) })
	}
	m.failures[f] = failure{err, now}
}

// renew puts a zone with newer keys in the place of the one that is remembered.
func (m *memory) renew(z *zone) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, at := range []string{z.name, anchorName(z.name)} {
		if c := m.cuts[at]; c != nil && c.zone != nil {
			newer := *c
			newer.zone = z
			if z.until.Before(c.until) {
				newer.until = z.until
			}
			m.cuts[at] = &newer
		}
	}
}

// shrink makes room: what is over goes, and where that is not a quarter of all,
// whatever a map gives first, which nobody outside can choose.
func shrink[K comparable, V any](m map[K]V, over func(V) bool) {
	room := max(1, len(m)/4)
	before := len(m)
	for k, v := range m {
		if over(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if before-len(m) >= room {
			return
		}
		delete(m, k)
	}
}

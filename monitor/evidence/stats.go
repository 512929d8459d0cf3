package evidence

import (
	"maps"
	"sync"

	"github.com/dnstaster/dnstaster/monitor"
)

// Stats is what a Prover has done since it was made.
type Stats struct {
	Outcomes   map[monitor.Outcome]uint64 // calls of Prove that ended so
	InFlight   int                        // connections open or being opened now
	Guarded    uint64                     // refused by the guard, of OutcomeNotDialled
	OverBudget uint64                     // refused by a budget, of OutcomeNotDialled; shared refusals count once
}

// Stats says what p has done. It may be called at any time; what it returns
// belongs to the caller.
func (p *Prover) Stats() Stats {
	s := p.counts.read()
	s.InFlight = len(p.slots)
	return s
}

type counts struct {
	mu    sync.Mutex // guards stats
	stats Stats
}

func (c *counts) outcome(o monitor.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stats.Outcomes == nil {
		c.stats.Outcomes = map[monitor.Outcome]uint64{}
	}
	c.stats.Outcomes[o]++
}

func (c *counts) guarded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Guarded++
}

func (c *counts) overBudget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.OverBudget++
}

func (c *counts) read() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Outcomes = maps.Clone(s.Outcomes)
	return s
}

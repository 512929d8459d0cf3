package monitor

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// health is which conditions hold, since when, and what they are judged by.
type health struct {
	ailments map[string]*ailment // of the conditions that hold, by code
	looked   time.Time           // at them, last
	stepped  time.Time           // the clock was last seen to jump
	step     time.Duration       // and how far
	dropped  rising
	unheeded rising
	reach    reach
	dates    dates
}

// ailment is a condition that holds.
type ailment struct {
	since   time.Time
	counted time.Time // from when it lasts without another that explains it
	told    bool
	detail  string
}

// notes are the conditions that other parts report. Any goroutine may write
// them, and that of Run reads them.
type notes struct {
	mu   sync.Mutex
	held map[string]string // details, by code; guarded by mu
}

// Note says whether a condition holds that other parts can see and the monitor
// cannot; detail says what of it, and may be shown to anybody. It takes effect
// with the next look at all conditions, a second later at most. It never waits,
// and may be called from any goroutine, before Run too. A condition that is not
// declared is logged and left out.
func (m *Monitor) Note(condition string, bad bool, detail string) {
	if !declared(condition) {
		m.log.Error("no such condition", "condition", condition)
		return
	}
	m.notes.mu.Lock()
	defer m.notes.mu.Unlock()
	if m.notes.held == nil {
		m.notes.held = map[string]string{}
	}
	if bad {
		m.notes.held[condition] = detail
		return
	}
	delete(m.notes.held, condition)
}

func declared(code string) bool {
	return slices.ContainsFunc(conditions, func(c condition) bool { return c.code == code })
}

// silentRole reports whether endpoints of a sort are known, and all of them fail.
func (m *Monitor) silentRole(of func(*peer) bool) bool {
	n := 0
	for _, p := range m.peers {
		if !of(p) {
			continue
		}
		if p.OK {
			return false
		}
		n++
	}
	return n > 0
}

// stepAt is how far the clock must jump to be worth a word. A clock that is
// slewed moves half a millisecond a second.
const stepAt = 5 * time.Second

// watchClock compares the time that the clock says has passed with the time
// that did.
func (m *Monitor) watchClock(now time.Time) {
	last := m.health.looked
	m.health.looked = now
	if last.IsZero() {
		return
	}
	if step := now.Round(0).Sub(last.Round(0)) - now.Sub(last); step.Abs() >= stepAt {
		m.health.stepped, m.health.step = now, step
		m.log.Warn("the clock jumped", "by", step.Round(time.Millisecond))
	}
}

// examine looks at every condition, and makes an event of each that has lasted
// long enough, and of its end. The time during which another explains it does
// not count: when that ends, it has its own time to end too.
func (m *Monitor) examine(now time.Time) {
	if m.health.ailments == nil {
		m.health.ailments = map[string]*ailment{}
	}
	m.watchClock(now)
	m.notes.mu.Lock()
	noted := maps.Clone(m.notes.held)
	m.notes.mu.Unlock()
	for _, c := range conditions {
		detail, holds := noted[c.code]
		holds = c.holds != nil && c.holds(m, now) || holds
		m.ail(c, holds, now)
		if a := m.health.ailments[c.code]; a != nil {
			a.detail = detail
			if c.detail != nil {
				a.detail = c.detail(m)
			}
		}
	}
	for _, c := range conditions {
		a := m.health.ailments[c.code]
		if a == nil || a.told {
			continue
		}
		if m.health.ailments[c.dependsOn] != nil {
			a.counted = now
			continue
		}
		if now.Sub(a.counted) >= c.after/time.Duration(m.cfg.Timing.Factor) {
			a.told = true
			m.log.Warn("health degraded", "condition", c.code, "title", c.title, "detail", a.detail)
			m.event(now, HealthDegraded, c.health(a), "")
		}
	}
}

// ail takes in whether a condition holds.
func (m *Monitor) ail(c condition, holds bool, now time.Time) {
	a := m.health.ailments[c.code]
	switch {
	case holds && a == nil:
		m.health.ailments[c.code] = &ailment{since: now, counted: now}
	case !holds && a != nil:
		delete(m.health.ailments, c.code)
		if a.told {
			a.detail = ""
			m.log.Info("health restored", "condition", c.code)
			m.event(now, HealthRestored, c.health(a), "")
		}
	}
}

func (c condition) health(a *ailment) Health {
	return Health{Condition: c.code, Severity: c.severity, Title: c.title, Text: c.text, Detail: a.detail}
}

// HealthStatus is one condition that holds.
type HealthStatus struct {
	Health
	Since time.Time `json:"since"`
}

func (m *Monitor) healthStatus() []HealthStatus {
	hs := []HealthStatus{}
	for _, c := range conditions {
		if a := m.health.ailments[c.code]; a != nil && a.told {
			hs = append(hs, HealthStatus{c.health(a), a.since})
		}
	}
	slices.SortFunc(hs, func(a, b HealthStatus) int { return strings.Compare(a.Condition, b.Condition) })
	return hs
}

// noteSystem keeps in mind which resolvers are this host's, and logs, once,
// that they cannot be read.
func (m *Monitor) noteSystem(rs []Resolver, err error) {
	if err == nil && m.systemErr == nil && m.current != nil && !slices.Equal(nameservers(m.current), nameservers(rs)) {
		m.changeNetwork(m.cfg.Now(), "its nameservers")
	}
	m.current = rs
	if err != nil && (m.systemErr == nil || m.systemErr.Error() != err.Error()) {
		m.log.Warn("this host's resolvers cannot be read", "err", err)
	}
	m.systemErr = err
}

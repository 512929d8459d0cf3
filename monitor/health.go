package monitor

import (
	"slices"
	"strings"
	"time"
)

// condition is something that keeps the daemon from its work. It is declared
// once, with its words, how long it must last before anybody is told, and
// which other condition explains it away.
type condition struct {
	code      string
	title     string
	text      string
	severity  string // warning, critical
	after     time.Duration
	dependsOn string
	holds     func(m *Monitor, now time.Time) bool
}

var conditions = []condition{
	{
		code: "store_failing", title: "The store takes nothing", severity: "critical", after: 10 * time.Second,
		text:  "Verdicts go on from memory, but alerts are not delivered and would not survive a restart. Look at the disk and the log.",
		holds: func(m *Monitor, _ time.Time) bool { return m.storeErr != nil },
	},
	{
		code: "no_local_resolver", title: "This host's resolvers do not answer", severity: "critical", after: time.Minute,
		text: "Nothing can be judged, and applications resolve nothing either. Look at the link and at resolv.conf.",
		holds: func(m *Monitor, _ time.Time) bool {
			return m.silentRole(func(p *peer) bool {
				return p.Role == Local && slices.ContainsFunc(m.current, func(r Resolver) bool { return r.String() == p.Resolver })
			})
		},
	},
	{
		code: "no_witness", title: "No witness answers", severity: "warning", after: 5 * time.Minute, dependsOn: "no_local_resolver",
		text: "Names are judged by certificates and history alone. Let this host reach its configured resolvers over TLS.",
		holds: func(m *Monitor, _ time.Time) bool {
			return m.silentRole(func(p *peer) bool { return p.Role == Reference && (p.Transport == DoT || p.Transport == DoH) })
		},
	},
	{
		code: "rounds_late", title: "Rounds are late", severity: "warning", after: 5 * time.Minute,
		text: "The machine is too busy, or too many names are watched at too short an interval.",
		holds: func(m *Monitor, now time.Time) bool {
			at, ok := m.agenda.next()
			return ok && now.Sub(at) > 10*time.Second
		},
	},
}

// health is which conditions hold, and since when.
type health struct {
	since map[string]time.Time
	told  map[string]bool
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

// examine looks at every condition, and makes an event of each that has lasted
// long enough, and of its end.
func (m *Monitor) examine(now time.Time) {
	if m.health.since == nil {
		m.health = health{since: map[string]time.Time{}, told: map[string]bool{}}
	}
	for _, c := range conditions {
		h := Health{Condition: c.code, Severity: c.severity, Title: c.title, Text: c.text}
		if !c.holds(m, now) {
			delete(m.health.since, c.code)
			if m.health.told[c.code] {
				delete(m.health.told, c.code)
				m.log.Info("health restored", "condition", c.code)
				m.event(now, HealthRestored, h, "")
			}
			continue
		}
		if m.health.since[c.code].IsZero() {
			m.health.since[c.code] = now
		}
		after := c.after / time.Duration(m.cfg.Timing.Factor)
		_, explained := m.health.since[c.dependsOn]
		if !m.health.told[c.code] && !explained && now.Sub(m.health.since[c.code]) >= after {
			m.health.told[c.code] = true
			m.log.Warn("health degraded", "condition", c.code, "title", c.title)
			m.event(now, HealthDegraded, h, "")
		}
	}
}

// HealthStatus is one condition that holds.
type HealthStatus struct {
	Health
	Since time.Time `json:"since"`
}

func (m *Monitor) healthStatus() []HealthStatus {
	hs := []HealthStatus{}
	for _, c := range conditions {
		if m.health.told[c.code] {
			hs = append(hs, HealthStatus{Health{c.code, c.severity, c.title, c.text}, m.health.since[c.code]})
		}
	}
	slices.SortFunc(hs, func(a, b HealthStatus) int { return strings.Compare(a.Condition, b.Condition) })
	return hs
}

// noteSystem keeps in mind which resolvers are this host's, and logs, once,
// that they cannot be read.
func (m *Monitor) noteSystem(rs []Resolver, err error) {
	m.current = rs
	if err != nil && (m.systemErr == nil || m.systemErr.Error() != err.Error()) {
		m.log.Warn("this host's resolvers cannot be read", "err", err)
	}
	m.systemErr = err
}

package monitor

import (
	"net/netip"
	"slices"
	"time"
)

// crowd is where this host's own path leads watched names to, so that an address
// to which names of different owners lead is seen. Each judgement is about one
// name: what is seen here comes to it as state or evidence of its sample.
type crowd struct {
	lead     map[string]lead                // by name
	at       map[netip.Addr]map[string]bool // the names that lead to an address
	trusted  time.Time                      // when a right certificate was last shown by anybody
	portalAt time.Time                      // since when it looks like a captive portal here; zero for not
	kept     bool                           // it was one when a sample was last judged
}

// lead is the latest answer of this host's path for a name.
type lead struct {
	at    time.Time
	addrs []netip.Addr
}

// crowded is how many names, of which none was known at an address before, make
// it a crowd.
const crowded = 3

// note takes in a sample.
func (c *crowd) note(s Sample) {
	for _, e := range s.Evidence {
		if e.Kind == EvidenceTLS && e.Outcome == OutcomeOK && e.At.After(c.trusted) {
			c.trusted = e.At
		}
	}
	if s.Via != Probe {
		return
	}
	var as []netip.Addr
	heard := false
	for _, o := range s.Answers {
		if o.Role != Local || o.Error != "" {
			continue
		}
		heard = true
		for _, a := range o.Addresses(s.Question) {
			if !slices.Contains(as, a) {
				as = append(as, a)
			}
		}
	}
	if !heard || len(as) == 0 {
		return
	}
	c.forget(s.Question.Name)
	if c.lead == nil {
		c.lead, c.at = map[string]lead{}, map[netip.Addr]map[string]bool{}
	}
	c.lead[s.Question.Name] = lead{s.At, as}
	for _, a := range as {
		if c.at[a] == nil {
			c.at[a] = map[string]bool{}
		}
		c.at[a][s.Question.Name] = true
	}
}

// forget lets go of where a name led to.
func (c *crowd) forget(name string) {
	for _, a := range c.lead[name].addrs {
		if delete(c.at[a], name); len(c.at[a]) == 0 {
			delete(c.at, a)
		}
	}
	delete(c.lead, name)
}

// strangers lists the names that lead to a and were never known there.
func (m *Monitor) strangers(a netip.Addr, now time.Time) []string {
	var names []string
	for name := range m.crowd.at[a] {
		s := m.subjects[name]
		if now.Sub(m.crowd.lead[name].at) > staleIntervals*m.interval(s)+askTimeout {
			continue
		}
		if s.base != nil && s.base.knows(a) {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// knows reports whether a was ever given by witnesses or by the zone. That it
// proved the name is not enough: who relays shows the right certificate.
func (b *Baseline) knows(a netip.Addr) bool {
	for _, t := range b.Types {
		if id := t.Addresses[a]; id != nil && (id.Witnessed.Count > 0 || !id.Authority.IsZero()) {
			return true
		}
	}
	return false
}

// captive reports whether the network looks like one with a captive portal: names
// that have nothing to do with each other lead to one address, nobody is heard
// over TLS, and nothing has shown a right certificate since it began. Who only
// poses as a portal has to cut the host off to hold that up.
func (m *Monitor) captive(now time.Time) bool {
	switch like := m.portalLike(now); {
	case !like:
		m.crowd.portalAt = time.Time{}
	case m.crowd.portalAt.IsZero():
		m.crowd.portalAt = now
	}
	was := m.crowd.kept
	m.crowd.kept = m.crowd.captive()
	if was && !m.crowd.kept && !m.cfg.Once {
		m.beginTransition(now) // what caches on the way have of the portal outlives the login
	}
	return m.crowd.kept
}

// captive reports whether it looked like a captive portal when last looked at.
func (c *crowd) captive() bool { return !c.portalAt.IsZero() && !c.trusted.After(c.portalAt) }

func (m *Monitor) portalLike(now time.Time) bool {
	if !m.silentRole(func(p *peer) bool { return p.Role == Reference && p.Transport != UDP && p.Transport != TCP }) {
		return false
	}
	for a, names := range m.crowd.at {
		if len(names) < crowded || len(m.strangers(a, now)) < crowded {
			continue
		}
		for name := range names {
			if len(m.crowd.lead[name].addrs) == 1 {
				return true
			}
		}
	}
	return false
}

// crowds gives evidence of every address to which this sample leads together with
// other names that have nothing to do with this one.
func (m *Monitor) crowds(s Sample) []Evidence {
	var es []Evidence
	for _, a := range m.crowd.lead[s.Question.Name].addrs {
		if all := m.strangers(a, s.At); len(m.unrelated(all)) >= crowded && slices.Contains(all, s.Question.Name) {
			es = append(es, Evidence{Kind: EvidenceCrowd, At: s.At, Address: a, Names: m.unrelated(all)})
		}
	}
	return es
}

// unrelated leaves one name of each zone: who owns two zones may lead both to one
// front of his, but seldom three, and none that no witness knows of. A name of
// which the zone is not known does not count.
func (m *Monitor) unrelated(names []string) []string { return oneOfEach(names, m.zoneOf) }

// oneOfEach leaves the first name of each zone; one without a zone does not count.
func oneOfEach(names []string, zoneOf func(name string) string) (out []string) {
	var zones []string
	for _, name := range names {
		if zone := zoneOf(name); zone != "" && !slices.Contains(zones, zone) {
			out, zones = append(out, name), append(zones, zone)
		}
	}
	return out
}

// zoneOf gives the zone that a watched name is in; empty where it is not known.
func (m *Monitor) zoneOf(name string) string {
	if b := m.subjects[name].base; b != nil && len(b.Zones) > 0 {
		return b.Zones[len(b.Zones)-1].Zone
	}
	return ""
}

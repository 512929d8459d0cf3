package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// inspection is which names showed certificates that no root here vouches for,
// since anybody last showed a right one.
type inspection struct {
	shown map[string]resigned // by name
	since time.Time           // it looks like an inspection of all TLS; zero for not
	on    bool
	by    string   // the issuer
	names []string // unrelated ones that it signed anew
}

// resigned is what a name showed.
type resigned struct {
	at     time.Time
	issuer string
	known  bool // at an address that is its own
}

// inspectionGrace is how long an inspection is believed in before the addresses are
// known by other means, where nobody disputes them: the zone needs time to be heard.
// Who leads names to servers of his own is not muted for longer.
const inspectionGrace = 5 * time.Minute

// inspect takes in what the addresses of a name showed. Those that witnesses or the
// zone dispute are no sign of an inspection.
func (m *Monitor) inspect(name string, ss []Showing) {
	i := &m.inspection
	for _, s := range ss {
		old, seen := i.shown[name]
		if s.Outcome != OutcomeUntrusted || s.Disputed || s.At.Before(old.at) || !seen && len(i.shown) >= maxReach {
			continue
		}
		if i.shown == nil {
			i.shown = map[string]resigned{}
		}
		i.shown[name] = resigned{s.At, s.Issuer, s.Known || old.known && old.at.Equal(s.At)}
	}
}

// inspected reports whether all TLS of this host is inspected: one issuer that no
// root here vouches for signs names that have nothing to do with each other, at
// addresses that are theirs, and nothing shows a right certificate. Its health
// condition holds as long as that, so that nobody is silently unjudged.
func (m *Monitor) inspected(now time.Time) bool {
	i := &m.inspection
	was := i.on
	i.by, i.names, i.on = "", nil, false
	issuers := map[string][]string{}
	for name, r := range i.shown {
		if m.subjects[name] == nil || !r.at.After(m.crowd.trusted) || now.Sub(r.at) > 2*m.cfg.Timing.ProofInterval {
			delete(i.shown, name)
			continue
		}
		issuers[r.issuer] = append(issuers[r.issuer], name)
	}
	for by, names := range issuers {
		slices.Sort(names)
		known := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !i.shown[name].known })
		names = m.likelyUnrelated(names)
		if !m.enough(names) || len(names) < len(i.names) || len(names) == len(i.names) && by > i.by {
			continue
		}
		if i.since.IsZero() {
			i.since = now
		}
		i.by, i.names = by, names
		i.on = m.enough(m.likelyUnrelated(known)) || now.Sub(i.since) < inspectionGrace/time.Duration(m.cfg.Timing.Factor)
	}
	if i.by == "" {
		i.since = time.Time{}
	}
	if was && !i.on {
		m.tryAnew()
	}
	return i.on
}

// enough reports whether an issuer signs enough names that have nothing to do with
// each other: three, or two where a witness does not prove its name either. Its
// address is configured, so no lie about names leads there.
func (m *Monitor) enough(names []string) bool {
	if len(names) >= crowded {
		return true
	}
	for _, p := range m.peers {
		if p.Role == Reference && (p.Transport == DoT || p.Transport == DoH) && strings.HasPrefix(p.Error, ErrTLS) {
			return len(names) >= crowded-1
		}
	}
	return false
}

// likelyUnrelated is unrelated, but that of a name whose zone was never asked about
// the last two labels are taken for it.
func (m *Monitor) likelyUnrelated(names []string) []string {
	return oneOfEach(names, func(name string) string {
		labels := strings.Split(strings.TrimSuffix(name, "."), ".")
		return cmp.Or(m.zoneOf(name), strings.Join(labels[max(0, len(labels)-2):], ".")+".")
	})
}

// tryAnew has what was muted asked for its certificate with the next round.
func (m *Monitor) tryAnew() {
	for _, s := range m.order {
		for _, q := range s.questions {
			clear(q.tried)
		}
	}
}

// forget begins anew, as another network deserves.
func (i *inspection) forget() { clear(i.shown) }

func (i *inspection) detail() string {
	if !i.on {
		return ""
	}
	return fmt.Sprintf("%q signs %s", i.by, join(i.names, ""))
}

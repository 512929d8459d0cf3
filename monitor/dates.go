package monitor

import "time"

// dates is what bore a date and was out of its time, since something last was in it.
type dates struct {
	certificates map[string]time.Time // by name, at addresses of its own
	signatures   map[string]bool      // by name
}

// note takes in what the latest sample of a name shows.
func (d *dates) note(name string, ss []Showing, es []Evidence) {
	if d.certificates == nil {
		d.certificates, d.signatures = map[string]time.Time{}, map[string]bool{}
	}
	for _, s := range ss {
		if s.Outcome == OutcomeExpired && s.Known && s.At.After(d.certificates[name]) && len(d.certificates) < maxReach {
			d.certificates[name] = s.At
		}
	}
	for _, e := range es {
		switch {
		case e.Kind == EvidenceDNSSEC && e.Status == Secure:
			clear(d.signatures)
		case e.Kind == EvidenceDNSSEC && e.Late && len(d.signatures) < maxReach:
			d.signatures[name] = true
		}
	}
}

// clockNames is how many names must be out of their time: one forgotten certificate,
// or one zone that is not signed anew, is not a wrong clock.
const clockNames = 2

// clockWrong reports whether this host's clock seems wrong: certificates of several
// names are all out of their time, or signatures of several zones are.
func (m *Monitor) clockWrong() bool {
	d := &m.health.dates
	n := 0
	for name, at := range d.certificates {
		if !at.After(m.crowd.trusted) {
			delete(d.certificates, name)
			continue
		}
		n++
	}
	if n >= clockNames {
		return true
	}
	var late []string
	for name := range d.signatures {
		if m.subjects[name] == nil {
			delete(d.signatures, name)
			continue
		}
		late = append(late, name)
	}
	return len(late) >= clockNames && len(m.likelyUnrelated(late)) >= clockNames
}

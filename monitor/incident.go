package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An incident is an alert that stands for those of many names: one lie, told
// about all of them, calls once. It is opened with the alert of the fifth name,
// grows with those that follow, and is over when all of them are. The alerts of
// its names go on by themselves and point to it; webhooks are told of it in
// their place.
const (
	incidentNames  = 5           // names with one cause that make it
	incidentWithin = time.Minute // in which their alerts are opened; an interval of the name, where that is longer
	incidentEvery  = time.Minute // that it says no sooner again that it has grown
)

// IsIncident reports whether the alert stands for those of many names.
func (a *Alert) IsIncident() bool { return len(a.Names) > 0 }

// incidentKey gives the key of the incident that an alert may belong to: of one
// kind, that accuses one voice in one place. It is empty for an alert that always
// speaks for itself: what is about the way is said once anyway, and what becomes
// of one zone says nothing of another.
func incidentKey(a *Alert) string {
	voice, ok := strings.CutPrefix(a.Key, a.Name+"/")
	if !ok || a.Drill || a.IsIncident() || a.Kind.pathWide() || a.Kind == AuthorityHijack {
		return ""
	}
	where := server(a.Resolver)
	if a.Kind == PathRewritten {
		where = "" // whichever resolver is asked, the answer is somebody else's
	}
	return strings.Join([]string{"incident", string(a.Kind), string(a.Attribution), voice, where}, "/")
}

// gather has an alert, of which something is to be told, join the incident that
// it belongs to, or leave one that is over or about something else. It gives the
// type of the event to tell, and the incident that receivers hear of in its place.
//
// What receivers were told of an alert before it joined, they are told the end of,
// unless they were already, and it is back.
func (m *Monitor) gather(l *life, kind string, back bool, at time.Time) (string, string) {
	a, key := &l.alert, incidentKey(&l.alert)
	if a.State != Resolved {
		kind = m.leave(l, key, at, kind, back)
		m.join(l, key, at, kind, back)
	}
	if a.State == Resolved && !a.Untold {
		return kind, ""
	}
	return kind, a.Incident
}

// leave takes an alert out of an incident that is over, or is not about the same.
// Then receivers hear of it by itself, which they may not have so far.
func (m *Monitor) leave(l *life, key string, at time.Time, kind string, back bool) string {
	a := &l.alert
	if a.Incident == "" {
		return kind
	}
	if inc := m.alerts[key]; inc != nil && inc.alert.ID == a.Incident {
		switch {
		case inc.alert.State != Resolved:
			a.Untold = a.Untold || back // its end was told
			return kind
		case kind != AlertOpened && at.Before(inc.quiet):
			m.reopen(inc, ReturnedQuiet, at) // as the alert, it does not call again yet
			a.Untold = a.Untold || back
			return kind
		}
	}
	if a.Untold {
		kind = AlertOpened
	}
	a.Incident, a.Untold, l.called = "", false, at
	return kind
}

// join has an alert join the incident that it belongs to, or make one together
// with others that were opened lately.
func (m *Monitor) join(l *life, key string, at time.Time, kind string, back bool) {
	a := &l.alert
	if a.Incident != "" || key == "" {
		return
	}
	if kind == AlertOpened {
		l.called = at
	}
	if inc := m.alerts[key]; inc != nil && inc.alert.State != Resolved {
		a.Incident, a.Untold = inc.alert.ID, back || kind == AlertOpened
		return
	}
	within := incidentWithin / time.Duration(m.cfg.Timing.Factor)
	if s := m.subjects[a.Name]; s != nil {
		within = max(within, m.interval(s))
	}
	together := []*life{l}
	for _, o := range m.alerts {
		if o != l && o.alert.State != Resolved && o.alert.Incident == "" && incidentKey(&o.alert) == key && at.Sub(o.called) <= within {
			together = append(together, o)
		}
	}
	if l.called.Equal(at) && len(together) >= incidentNames {
		a.Untold = kind == AlertOpened
		m.begin(key, together, at)
	}
}

// begin opens the incident of alerts, or the one that it was before. All of it is
// in the batch before an event has that written: after a crash there is no alert
// that points nowhere.
func (m *Monitor) begin(key string, together []*life, at time.Time) {
	inc := m.alerts[key]
	again := inc != nil
	if !again {
		// A millisecond on: ten characters of its id tell it from the last of its alerts.
		inc = &life{alert: Alert{ID: newID(at.Add(time.Millisecond)), Key: key, Host: m.cfg.Host, Labels: m.cfg.Labels, State: Open, OpenedAt: at}}
		m.alerts[key] = inc
	}
	for _, l := range together {
		l.alert.Incident = inc.alert.ID
		m.putAlert(l.alert)
	}
	if again {
		m.reopen(inc, Returned, at)
		return
	}
	inc.alert = m.sumUp(inc)
	if s := m.subjects[inc.alert.Name]; s != nil {
		if q := s.question(inc.alert.Type); q != nil { // a reload may have taken the type off
			m.keepProofs(inc.alert.ID, q)
		}
	}
	m.passed(inc, FirstSeen, at)
}

// reopen has an incident that was over go on.
func (m *Monitor) reopen(inc *life, t Transition, at time.Time) {
	inc.alert.State, inc.alert.ResolvedAt, inc.quiet = Open, nil, at.Add(m.cfg.Timing.FlapQuiet)
	inc.alert.Flaps++
	inc.alert = m.sumUp(inc)
	m.passed(inc, t, at)
}

// sumUp gives the incident as the alerts of its names make it: as harmful and as
// sure as the worst of them, which stands first, with whatever any of them exposes.
// What it once said stays said.
func (m *Monitor) sumUp(inc *life) Alert {
	a := inc.alert
	var all []*Alert
	for _, l := range m.alerts {
		if l.alert.Incident == a.ID {
			all = append(all, &l.alert)
		}
	}
	if len(all) == 0 {
		return a
	}
	slices.SortFunc(all, func(x, y *Alert) int {
		return cmp.Or(cmp.Compare(flag(x.State == Resolved), flag(y.State == Resolved)), cmp.Compare(y.Severity, x.Severity),
			cmp.Compare(y.Confidence, x.Confidence), x.OpenedAt.Compare(y.OpenedAt), cmp.Compare(x.Name, y.Name))
	})
	worst := all[0]
	if a.Name == "" { // it stays: receivers file the alert by it
		a.Name, a.Type, a.Owner = worst.Name, worst.Type, worst.Owner
	}
	a.Kind, a.Attribution, a.Resolver = worst.Kind, worst.Attribution, worst.Resolver
	a.Severity, a.Confidence = max(a.Severity, worst.Severity), max(a.Confidence, worst.Confidence)
	a.GroupKey = string(a.Kind) + "/" + strings.TrimPrefix(a.Key, "incident/"+string(a.Kind)+"/")
	a.Reasons, a.Evidence, a.WouldChange = worst.Reasons, worst.Evidence, worst.WouldChange
	a.Voices, a.Because = worst.Voices, worst.Because
	a.Verdict, a.Against, a.Expected = worst.Verdict, nil, nil
	a.Exposure.Until = worst.Exposure.Until
	// Others hold what was told: no list is written to in place.
	a.Names, a.Owners, a.Observed = slices.Clone(a.Names), slices.Clone(a.Owners), slices.Clone(a.Observed)
	a.Exposure.SecretNames = slices.Clone(a.Exposure.SecretNames)
	a.Exposure.Clients, a.Exposure.Units = slices.Clone(a.Exposure.Clients), slices.Clone(a.Exposure.Units)
	seen := 0
	for _, x := range all {
		a.Verdict = a.Verdict.Worse(x.Verdict)
		a.Names = union(a.Names, x.Name)
		a.Owners = union(a.Owners, x.Owner)
		a.Observed = union(a.Observed, x.Observed...)
		a.Exposure.SecretNames = union(a.Exposure.SecretNames, x.Exposure.SecretNames...)
		a.Exposure.Clients = union(a.Exposure.Clients, x.Exposure.Clients...)
		a.Exposure.Units = union(a.Exposure.Units, x.Exposure.Units...)
		a.Exposure.Leak = worseLeak(a.Exposure.Leak, x.Exposure.Leak)
		if a.Exposure.From.IsZero() || x.Exposure.From.Before(a.Exposure.From) {
			a.Exposure.From = x.Exposure.From
		}
		if x.Exposure.Until == nil {
			a.Exposure.Until = nil
		} else if a.Exposure.Until != nil && x.Exposure.Until.After(*a.Exposure.Until) {
			a.Exposure.Until = x.Exposure.Until
		}
		if x.LastSeenAt.After(a.LastSeenAt) {
			a.LastSeenAt = x.LastSeenAt
		}
		seen += x.Count
	}
	a.Count = max(a.Count, seen) // alerts that are long over are forgotten
	a.Observed = a.Observed[:min(len(a.Observed), maxObserved)]
	return a
}

// union adds what a sorted list lacks, but for empty words.
func union(list []string, more ...string) []string {
	for _, s := range more {
		if i, ok := slices.BinarySearch(list, s); !ok && s != "" {
			list = slices.Insert(list, i, s)
		}
	}
	return list
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// worseLeak gives the likelier of two.
func worseLeak(a, b Leak) Leak {
	order := []Leak{"", LeakNo, LeakUnchecked, LeakIfHijacked}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// tendIncidents has incidents say what their alerts have come to, and ends those
// of which every alert is over. That more names belong to one is said once a
// minute; that it is worse, or exposes more, at once.
func (m *Monitor) tendIncidents(now time.Time) {
	for _, inc := range m.alerts {
		if !inc.alert.IsIncident() || inc.alert.State == Resolved {
			continue
		}
		was, is := inc.alert, m.sumUp(inc)
		worse := is.Severity > was.Severity || is.Confidence > was.Confidence || is.Exposure.Leak != was.Exposure.Leak ||
			len(is.Exposure.SecretNames) > len(was.Exposure.SecretNames) || len(is.Owners) > len(was.Owners)
		switch grown := len(is.Names) > len(was.Names); {
		case m.allOver(inc.alert.ID):
			is.State, is.ResolvedAt = Resolved, &now
			inc.alert, inc.quiet = is, now.Add(m.cfg.Timing.FlapQuiet)
			m.passed(inc, GoneForGood, now)
		case worse, grown && now.Sub(inc.called) >= incidentEvery/time.Duration(m.cfg.Timing.Factor):
			// Who knows of an incident, or wants to hear no more of it, does not know
			// of names that came since.
			if is.State == Acknowledged || is.State == Silenced && worse {
				is.State = Open
			}
			inc.alert = is
			m.passed(inc, Grown, now)
		default:
			// The names that it was told with tell what is to be told yet, also after
			// a restart: only what is no news is taken over.
			inc.alert.Verdict, inc.alert.Count, inc.alert.LastSeenAt, inc.alert.Exposure.Until = is.Verdict, is.Count, is.LastSeenAt, is.Exposure.Until
		}
	}
}

// allOver reports whether every alert of the incident is resolved.
func (m *Monitor) allOver(id string) bool {
	for _, l := range m.alerts {
		if l.alert.Incident == id && l.alert.State != Resolved {
			return false
		}
	}
	return true
}

// closeWith resolves the alerts of an incident that a person resolves.
func (m *Monitor) closeWith(inc *life, now time.Time) {
	for _, l := range m.alerts {
		if l.alert.Incident == inc.alert.ID && l.alert.State != Resolved {
			l.alert.State, l.alert.ResolvedAt, l.quiet = Resolved, &now, now.Add(m.cfg.Timing.FlapQuiet)
			m.passed(l, ClosedWith, now)
		}
	}
}

// describeIncident fills in what people read of an incident.
func describeIncident(a *Alert, since time.Time) {
	host, where := a.Host, ""
	if host != "" {
		host += ": "
	}
	if a.Resolver != "" && a.Kind != PathRewritten {
		where = " (" + a.Resolver + ")"
	}
	var names []string
	for _, n := range a.Names {
		names = append(names, strings.TrimSuffix(n, "."))
	}
	a.Summary = fmt.Sprintf("%s%s%s, about %d names: %s (%s)", host, a.Kind.Phrase(), where, len(names), join(names, ""), proven(a.Confidence))
	var b strings.Builder
	fmt.Fprintf(&b, "Since %s UTC %d names get %s", since.UTC().Format(time.TimeOnly), len(names), join(a.Observed, "false answers"))
	fmt.Fprintf(&b, ". They are %s. What shows it, at %s:", strings.Join(names, ", "), strings.TrimSuffix(a.Name, "."))
	for _, r := range a.Reasons {
		if r.Weight > 0 {
			b.WriteString(" " + r.Fact + ".")
		}
	}
	b.WriteString(" Each name has an alert of its own, which dnstaster alerts and explain show.")
	a.Text, a.Guidance = b.String(), guidance(*a)
	a.RunbookURL, a.References = RunbookBase+string(a.Kind)+".md", references(a.Kind)
}

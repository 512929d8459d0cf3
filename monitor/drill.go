package monitor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DrillOrder is how a drill is to go.
type DrillOrder struct {
	Name         string        // in the form of ParseName; it must be watched
	Kind         Kind          // ResolverCache where it is empty
	ResolveAfter time.Duration // a minute where it is 0; a second at least and a day at most
	UID          int           // of whoever asks for it
}

// Bounds of a drill.
const (
	defaultDrill = time.Minute
	minDrill     = time.Second
	maxDrill     = 24 * time.Hour
)

// drillKinds are the kinds that a drill can have, which are those of alerts.
var drillKinds = []Kind{PathRewritten, LocalHost, PathInjection, AttackAttempt, ResolverCache, LocalNet, Rebinding, AuthorityHijack, TLSIntercepted, PathRedirected, LocalProxy, PathRelayed, NXRewritten, Denial, PolicyBlock}

// Drill raises an alert that says so itself, and resolves it by itself: whoever
// is to be called finds out whether the call comes through. It is critical, as
// the call must be, and goes to every endpoint as a real one does. It has a key
// of its own, so that no real alert is touched, and no verdict is. It ends when
// the daemon does.
//
// A name that is not watched is ErrNotWatched; a kind that there is not, a time
// out of bounds, or a drill of the name that is still open is ErrAction.
func (m *Monitor) Drill(ctx context.Context, d DrillOrder) (Alert, error) {
	if d.Kind == "" {
		d.Kind = ResolverCache
	}
	if d.ResolveAfter == 0 {
		d.ResolveAfter = defaultDrill
	}
	if !slices.Contains(drillKinds, d.Kind) {
		var all []string
		for _, k := range drillKinds {
			all = append(all, string(k))
		}
		return Alert{}, fmt.Errorf("drill %w: no kind %q; there is %s", ErrAction, d.Kind, strings.Join(all, ", "))
	}
	if d.ResolveAfter < minDrill || d.ResolveAfter > maxDrill {
		return Alert{}, fmt.Errorf("drill %w: it lasts from %s to %s, not %s", ErrAction, minDrill, maxDrill, d.ResolveAfter)
	}
	var out Alert
	var failed error
	err := m.do(ctx, func() { out, failed = m.drill(d) })
	if err == nil {
		err = failed
	}
	return out, err
}

func (m *Monitor) drill(d DrillOrder) (Alert, error) {
	name := strings.TrimSuffix(d.Name, ".")
	s := m.subjects[d.Name]
	if s == nil {
		return Alert{}, fmt.Errorf("%s is %w", name, ErrNotWatched)
	}
	key := drillKey(d.Name)
	if old := m.alerts[key]; old != nil && old.alert.State != Resolved {
		return Alert{}, fmt.Errorf("drill %w: %s of %s is still open (dnstaster alerts resolve %s)", ErrAction, old.alert.ID, name, old.alert.ID)
	}
	now := m.cfg.Now()
	q := s.questions[0]
	l := &life{types: map[Type]*recovery{}, most: maxTransactions}
	l.alert = Alert{
		ID: newID(now), Key: key, GroupKey: key, Host: m.cfg.Host, Labels: m.cfg.Labels, State: Open, Drill: true,
		Kind: d.Kind, Severity: Critical, Confidence: Confirmed, Verdict: q.verdict, Name: d.Name, Type: q.q.Type, Owner: s.watch.Owner,
		Exposure: Exposure{Leak: LeakNo}, OpenedAt: now, LastSeenAt: now, Count: 1,
		WouldChange: fmt.Sprintf("nothing: it ends by itself at %s UTC", now.Add(d.ResolveAfter).UTC().Format(time.TimeOnly)),
		Reasons:     []Reason{{Rule: "drill", Fact: fmt.Sprintf("uid %d asked for a drill", d.UID)}},
	}
	m.alerts[key] = l
	m.log.Warn("drill", "id", l.alert.ID, "name", d.Name, "kind", d.Kind, "uid", d.UID, "resolve_after", d.ResolveAfter)
	m.passed(l, Drilled, now)
	id := l.alert.ID
	m.agenda.add(now.Add(d.ResolveAfter), func(now time.Time) {
		if l.alert.ID == id && l.alert.State != Resolved {
			m.endDrill(l, now)
		}
	})
	return l.alert, nil
}

// endDrill resolves a drill.
func (m *Monitor) endDrill(l *life, now time.Time) {
	l.alert.State, l.alert.ResolvedAt = Resolved, &now
	m.passed(l, DrillOver, now)
}

// endDrills resolves those that an earlier run of the daemon left open: nobody
// else would.
func (m *Monitor) endDrills(now time.Time) {
	for _, l := range m.alerts {
		if l.alert.Drill && l.alert.State != Resolved {
			m.endDrill(l, now)
		}
	}
}

// drillKey is no key of a real alert: those begin with a name, in which there
// is no slash.
func drillKey(name string) string { return "drill/" + name }

// describeDrill fills in what people read of a drill. Nobody may take it for
// the real thing, nor have anything to do but say that it came.
func describeDrill(a *Alert) {
	host, name := a.Host, strings.TrimSuffix(a.Name, ".")
	if host != "" {
		host += ": "
	}
	a.Summary = fmt.Sprintf("DRILL %s%s for %s; nothing happened", host, a.Kind, name)
	a.Text = fmt.Sprintf("This is a drill. Nothing happened to %s, and its verdict is what it was: %s. A real alert of this kind says: %s.",
		name, a.Verdict, a.Kind.Phrase())
	a.Guidance = []string{
		"DRILL: say that this reached you, and do nothing else. It resolves itself.",
		"Open the runbook and see whether you could do what it asks, from where you are now.",
	}
	a.RunbookURL = RunbookBase + string(a.Kind) + ".md"
}

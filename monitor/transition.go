package monitor

import (
	"slices"
	"time"
)

// How long a change of networks mutes, and how much of that there may be: a link
// that goes up and down, or somebody who makes it do so, must not keep us silent.
const (
	transitionFor    = time.Minute
	transitionAtMost = 5 * time.Minute // muted within transitionWithin
	transitionWithin = 15 * time.Minute
)

// transition is when this host lately changed networks.
type transition struct {
	spans []transitionSpan // oldest first; they do not overlap
}

type transitionSpan struct{ from, until time.Time }

// NetworkChanged tells that the way from this host to its resolvers may be another
// from now on: a link went up or down, or a route is another. For a minute nobody
// is accused on the word of probes of more than being suspected, and every name is
// asked for anew as after SystemChanged. It never waits, and may be called from
// any goroutine, before Run too.
func (m *Monitor) NetworkChanged() {
	select {
	case m.shifted <- struct{}{}:
	default:
	}
}

// changeNetwork begins a transition, or has the one that there is last longer.
func (m *Monitor) changeNetwork(now time.Time, what string) {
	if m.cfg.Once {
		return
	}
	m.log.Info("this host's network changed", "what", what)
	m.inspection.forget()
	m.beginTransition(now)
}

func (m *Monitor) beginTransition(now time.Time) {
	until := now.Add(transitionFor / time.Duration(m.cfg.Timing.Factor))
	m.transition.begin(now, until, m.cfg.Timing)
	m.agenda.add(until, m.endTransition)
}

// begin notes a change, and lets go of those that no longer count.
func (t *transition) begin(now, until time.Time, timing Timing) {
	since := now.Add(-transitionWithin / time.Duration(timing.Factor))
	t.spans = slices.DeleteFunc(t.spans, func(s transitionSpan) bool { return s.until.Before(since) })
	if n := len(t.spans); n > 0 && !t.spans[n-1].until.Before(now) {
		t.spans[n-1].until = until
		return
	}
	t.spans = append(t.spans, transitionSpan{now, until})
}

// mutes reports whether there was a transition between two times that still may
// mute.
func (t *transition) mutes(from, now time.Time, timing Timing) bool {
	n := len(t.spans)
	return n > 0 && from.Before(t.spans[n-1].until) && !t.worn(now, timing)
}

// began is when the first of what the sample holds was seen: a walk takes its time.
func (s Sample) began() time.Time {
	at := s.At
	for _, o := range s.Answers {
		if !o.At.IsZero() && o.At.Before(at) {
			at = o.At
		}
	}
	for _, e := range s.Evidence {
		if !e.At.IsZero() && e.At.Before(at) {
			at = e.At
		}
	}
	return at
}

// worn reports whether transitions have muted for as long as they may.
func (t *transition) worn(now time.Time, timing Timing) bool {
	factor := time.Duration(timing.Factor)
	since := now.Add(-transitionWithin / factor)
	var muted time.Duration
	for _, s := range t.spans {
		from, until := s.from, s.until
		if until.Before(since) {
			continue
		}
		if from.Before(since) {
			from = since
		}
		if until.After(now) {
			until = now
		}
		muted += until.Sub(from)
	}
	return muted >= transitionAtMost/factor
}

// endTransition has what is suspected looked at anew: what was seen in the transition
// no longer counts, and what is still there must not wait for the next step of its
// case.
func (m *Monitor) endTransition(now time.Time) {
	spans := m.transition.spans
	if len(spans) == 0 || now.Before(spans[len(spans)-1].until) {
		return // it goes on
	}
	n := 0
	for _, s := range m.order {
		again := false
		for _, q := range s.questions {
			if q.open() && q.peak.Confidence < Confirmed && !slices.ContainsFunc(q.ruling.Accusations, Accusation.anywhere) {
				q.close()
				clear(q.tried)
				again = true
			}
		}
		if again {
			m.appoint(s, now.Add(time.Duration(n)*initialSpread))
			n++
		}
	}
}

// settledFrom gives the index of the first sample that counts in full. When a
// transition is over, what this host's path was seen to do until then is of the old
// network, or may be: it was noticed a moment after it began.
func (c *Case) settledFrom() int {
	if !c.Policy.on("clear." + StateTransition) {
		return 0
	}
	in := func(s Sample) bool { return slices.Contains(s.State, StateTransition) }
	for i, s := range slices.Backward(c.Samples) {
		if in(s) {
			if i == len(c.Samples)-1 {
				return 0 // it is not over
			}
			return i + 1
		}
	}
	return 0
}

// outlives gives what of a sample of the old network still counts: witnesses prove
// their name from everywhere, and what was overheard was whole then too.
func (s Sample) outlives() Sample {
	if s.Via == Probe {
		s.Evidence = nil
		s.Answers = slices.DeleteFunc(slices.Clone(s.Answers), func(o Observation) bool { return !o.Witness() })
	}
	return s
}

// anywhere reports whether the accusation is no matter of which network was asked:
// answers on the wire contradict each other, or a pin is broken.
func (a Accusation) anywhere() bool {
	return a.Pinned || a.Kind == PathInjection || a.Kind == AttackAttempt
}

// unsettle keeps what is said on the word of probes from being more than suspected,
// and from becoming an alert, while this host changes networks.
func (v *view) unsettle(as []Accusation) {
	if !v.in(StateTransition) {
		return
	}
	for i, a := range as {
		if !a.anywhere() {
			as[i].Confidence, as[i].Passing = min(a.Confidence, Suspected), true
		}
	}
}

// nameservers gives the resolvers that are asked over the network.
func nameservers(rs []Resolver) []Resolver {
	return slices.DeleteFunc(slices.Clone(rs), func(r Resolver) bool { return r.Transport == System })
}

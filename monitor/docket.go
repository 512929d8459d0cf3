package monitor

import (
	"slices"
	"strings"
	"time"
)

// docket is what becomes of rulings, live or replayed: verdicts with their
// hysteresis, and alerts. It belongs to one goroutine.
type docket struct {
	policy *Policy
	alerts map[string]*life // by key
}

// remember holds on to the best proof of an open case: what was once shown is
// not taken back because evidence grows old or an endpoint wavers. Only the
// times and counts go on.
func (q *question) remember(r *Ruling) {
	if !q.open() || len(r.Accusations) == 0 || !r.Accusations[0].Local {
		return
	}
	a := &r.Accusations[0]
	// What a change of networks may have made is no proof to hold on to.
	// How far it is proven counts first: signs that pass may add up to more than proof.
	better := a.Confidence > q.peak.Confidence || a.Confidence == q.peak.Confidence && a.Score >= q.peak.Score
	if !a.Passing && (q.peak.Harmless && !a.Harmless || better && (q.peak.Confidence == Unsuspected || !a.Harmless || q.peak.Harmless)) {
		q.peak = *a
		return
	}
	if a.Confidence == Unsuspected || q.peak.Confidence == Unsuspected || a.Harmless {
		return
	}
	last, ttl, count, waits := a.Last, a.TTL, a.Count, a.Passing && q.peak.Confidence < Confirmed
	*a = q.peak
	a.Passing = waits
	a.Last, a.TTL, a.Count = last, max(a.TTL, ttl), max(a.Count, count)
	r.Kind, r.Confidence, r.Attribution, r.Score, r.Reasons = a.Kind, a.Confidence, a.Attribution, a.Score, reasons(a.Findings)
	r.Voices, r.Because, r.Breaches = a.Voices, a.Because, breaches(a.Findings)
	if a.Confidence == Confirmed && r.Verdict == Suspicious {
		r.Verdict = Poisoned
	}
}

// next gives the verdict that follows from a ruling. A bad one is taken back
// only by several good rounds, and a round without an answer says nothing: how
// long that may go on is for age to say.
func (q *question) next(r Ruling) (Verdict, Cause) {
	stale := q.verdict == Unknown && q.cause == CauseStale && !r.Fresh
	if (r.Verdict == Unknown && r.Cause == CauseStale || stale && (r.Verdict == Clean || r.Verdict == Unknown)) && !q.since.IsZero() {
		return q.verdict, q.cause
	}
	if r.Verdict != Clean {
		q.good = 0
		return r.Verdict, r.Cause
	}
	if q.verdict == Poisoned || q.verdict == Suspicious {
		if q.good++; q.good < clearRounds {
			return q.verdict, q.cause
		}
	}
	return Clean, ""
}

// turn sets the verdict. It gives what it was, and whether the change is news.
func (q *question) turn(at time.Time, v Verdict, cause Cause) (was Verdict, news bool) {
	was, first := q.verdict, q.since.IsZero()
	if v == was && cause == q.cause && !first {
		return was, false
	}
	q.verdict, q.cause, q.since, q.good = v, cause, at, 0
	return was, v != was && !(first && v == Clean) // that a name is clean after a start is no news
}

// interval is how often this host's own path is asked for the name.
func (d *docket) interval(s *subject) time.Duration {
	if s.watch.Interval > 0 {
		return s.watch.Interval / time.Duration(d.policy.Timing.Factor)
	}
	return d.policy.Timing.Interval
}

// stale makes the ruling unknown where no answer has confirmed it for too long,
// and reports whether it has just done so. Before the first answer, began counts.
func (d *docket) stale(q *question, began, now time.Time) bool {
	last := q.answered
	if last.IsZero() {
		last = began
	}
	if now.Sub(last) <= staleIntervals*d.interval(q.subject)+askTimeout || q.verdict == Unknown && q.cause == CauseStale {
		return false
	}
	r := q.ruling
	r.Name, r.Type, r.At = q.q.Name, q.q.Type, now
	r.Verdict, r.Cause, r.Cure = Unknown, CauseStale, CauseStale.Cure(q.q.Name)
	r.Reasons, r.Against, r.Accusations, r.Good, r.Proof, r.Absent = []Reason{}, []string{}, nil, nil, "", false
	q.ruling = r
	return true
}

// judgement gives what is published of the question.
func (q *question) judgement() Judgement {
	j := q.ruling.Judgement
	j.Name, j.Type = q.q.Name, q.q.Type
	j.Verdict, j.Cause, j.Since = q.verdict, q.cause, q.since
	j.Cure = q.cause.Cure(strings.TrimSuffix(q.q.Name, "."))
	j.Checking = q.checking()
	if j.Verdict == Clean {
		j.Kind, j.Confidence, j.Attribution, j.Resolver, j.Observed, j.WouldChange = "", Unsuspected, "", "", nil, ""
		j.Voices, j.Because = nil, ""
	} else {
		j.Proven, j.Locked = false, false // it takes more than this one round
	}
	return j
}

// borrow lets the other address type of a name speak for one that has no record
// here: where there is no address, no key is sent.
func (d *docket) borrow(q *question, r *Ruling) {
	if !r.Absent || !q.q.Type.Address() || !d.policy.on("clear.other_type") {
		return
	}
	for _, other := range q.subject.questions {
		if other != q && other.q.Type.Address() && other.verdict == Clean {
			r.Verdict, r.Cause, r.Cure = Clean, "", ""
			r.Proof = "no " + q.q.Type.String() + " record here, so nothing to connect to"
		}
	}
}

// lend looks again at the other address types of the name, which may rest on this
// one, and hands on those that now are clean.
func (d *docket) lend(q *question, cleared func(*question)) {
	for _, other := range q.subject.questions {
		if other == q || !other.ruling.Absent || other.verdict == Clean {
			continue
		}
		r := other.ruling
		if d.borrow(other, &r); r.Verdict == Clean {
			other.ruling = r
			cleared(other)
		}
	}
}

// accuse takes an accusation into its alert, which fresh makes where there is
// none. It gives nil, and why, where none is to be opened.
func (d *docket) accuse(q *question, r Ruling, a Accusation, fresh func(key string) *life) (*life, Transition) {
	key := alertKey(q.q.Name, a)
	why, may := d.policy.mayOpen(a, q.concluded)
	l := d.alerts[key]
	lives := l != nil && (l.alert.State != Resolved || r.At.Sub(*l.alert.ResolvedAt) <= d.policy.Timing.ReopenWithin)
	switch {
	case a.Confidence == Unsuspected, a.Kind == LocalProxy && d.lies(LocalHost):
		return nil, NothingToClaim
	case !may && !(lives && l.alert.State != Resolved):
		return nil, why
	case !lives:
		l = fresh(key)
		d.alerts[key] = l
	}
	return l, l.see(a, r, d.policy.Timing)
}

// lies reports whether an alert of the kind is open: what says less of the same is
// not told beside it.
func (d *docket) lies(k Kind) bool {
	for _, l := range d.alerts {
		if l.alert.Kind == k && l.alert.State != Resolved && !l.alert.Drill {
			return true
		}
	}
	return false
}

// recede has the alerts about the name that the ruling speaks well of come nearer
// to their end.
func (d *docket) recede(q *question, r Ruling, passed func(*life, Transition)) {
	for key, l := range d.alerts {
		if !l.alert.Drill && !l.alert.IsIncident() && l.alert.Name == q.q.Name && l.alert.State != Resolved && recovered(l, key, r) {
			passed(l, l.fine(r, d.policy.Timing))
		}
	}
}

// recovered reports whether the voice that the alert is about was good in r, or does
// what it is held to do.
func recovered(l *life, key string, r Ruling) bool {
	for _, a := range r.Accusations {
		if alertKey(r.Name, a) == key && a.Confidence > Unsuspected {
			return false
		}
	}
	if strings.HasPrefix(key, wide) {
		return slices.Contains(r.Good, key[strings.LastIndexByte(key, '/')+1:])
	}
	voice := key[len(r.Name)+1:]
	if voice == string(Local) && r.Verdict != Clean {
		return r.Blocked && l.alert.Kind.paltry()
	}
	return slices.Contains(r.Good, voice)
}

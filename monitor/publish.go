package monitor

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
)

// publish makes a ruling known: as the verdict on the question, and as alerts.
func (m *Monitor) publish(q *question, r Ruling) {
	m.borrow(q, &r)
	if r.Fresh && r.Verdict == Clean {
		q.lastGood = r.At
	}
	q.remember(&r)
	q.ruling = r
	verdict, cause := q.next(r)
	m.announce(q, r, verdict, cause)
	m.raise(q, r)
	m.queueProofs(q, r)
	m.settle(q)
	m.lend(q, func(other *question) { m.announce(other, other.ruling, Clean, "") })
	for _, other := range q.subject.questions {
		m.settle(other) // it may have waited for this one
	}
}

// announce sets the verdict of a question, and makes an event of a change.
func (m *Monitor) announce(q *question, r Ruling, v Verdict, cause Cause) {
	was, news := q.turn(r.At, v, cause)
	if !news {
		return
	}
	fact := r.Proof
	if len(r.Reasons) > 0 && v != Clean {
		fact = r.Reasons[0].Fact
	}
	m.log.Info("verdict changed", "name", q.q.Name, "type", q.q.Type, "from", was, "to", v, "cause", cause, "fact", fact)
	m.event(r.At, VerdictChanged, Change{Name: q.q.Name, Type: q.q.Type, From: was, To: v, Cause: cause, Fact: fact}, "")
}

// event appends to the log of events; it is committed at once.
func (m *Monitor) event(at time.Time, kind string, data any, alert string) {
	m.eventOf(Event{At: at, Type: kind, Alert: alert}, data)
}

func (m *Monitor) eventOf(e Event, data any) {
	raw, err := json.Marshal(data)
	if err != nil {
		m.log.Error("event cannot be written", "type", e.Type, "err", err)
		return
	}
	e.Data = raw
	m.batch.Events = append(m.batch.Events, e)
	m.commit()
}

// raise opens, updates and resolves alerts by a ruling.
func (m *Monitor) raise(q *question, r Ruling) {
	for _, a := range r.Accusations {
		if a.Kind.notice() {
			m.notice(q, a, r)
			continue
		}
		l, t := m.accuse(q, r, a, func(key string) *life { return m.newLife(q, key, r) })
		if l == nil {
			m.counts.Transitions[t]++
			continue
		}
		if rests := ruleNames(l.alert.Reasons); t != SeenAgain || !slices.Equal(rests, l.rests) {
			l.rests = rests
			m.keepProofs(l.alert.ID, q)
		}
		m.passed(l, t, r.At)
	}
	m.recede(q, r, func(l *life, t Transition) { m.passed(l, t, r.At) })
}

// notice tells of what is no alert, once.
func (m *Monitor) notice(q *question, a Accusation, r Ruling) {
	n := Notice{Kind: a.Kind, Name: q.q.Name, Type: q.q.Type, Reasons: reasons(a.Findings)}
	what := string(a.Kind)
	for _, reason := range n.Reasons {
		what += "\n" + reason.Rule
	}
	if q.noticed == what {
		return
	}
	q.noticed = what
	var rules []string
	for _, reason := range n.Reasons {
		rules = append(rules, reason.Rule)
	}
	m.log.Info("notice", "kind", a.Kind, "name", q.q.Name, "type", q.q.Type, "rules", rules)
	m.event(r.At, Noticed, n, "")
}

func (m *Monitor) newLife(q *question, key string, r Ruling) *life {
	l := &life{types: map[Type]*recovery{}, most: maxTransactions}
	l.alert = Alert{
		ID: newID(r.At), Key: key,
		Host: m.cfg.Host, Labels: m.cfg.Labels, State: Open, Name: q.q.Name, Type: q.q.Type,
		Owner: q.subject.watch.Owner, OpenedAt: r.At,
	}
	l.alert.Exposure.SecretNames = q.subject.watch.SecretNames
	return l
}

// newID makes the id of an alert: a ULID, so that ids sort by time.
func newID(at time.Time) string {
	ms := uint64(max(0, at.UnixMilli())) // a capture may bear any time
	return ulid.MustNew(min(ms, ulid.MaxTime()), ulid.DefaultEntropy()).String()
}

// passed makes known what became of an alert.
func (m *Monitor) passed(l *life, t Transition, at time.Time) {
	m.counts.Transitions[t]++
	describeAlert(&l.alert, l.alert.Exposure.From)
	kind := ""
	switch t {
	case FirstSeen, Returned, Drilled:
		kind = AlertOpened
	case Risen, ReturnedQuiet, SilenceOver, Grown:
		kind = AlertUpdated
	case GoneForGood, Unwatched, DrillOver, ClosedWith:
		kind = AlertResolved
	}
	if l.alert.State == Silenced {
		kind = "" // whoever silenced it wants to hear of its end only
	}
	incident := ""
	if l.alert.IsIncident() && kind != "" {
		l.called = at
	} else if kind != "" {
		kind, incident = m.gather(l, kind, kind == AlertOpened || t == ReturnedQuiet, at)
	}
	m.putAlert(l.alert)
	if kind == "" {
		return
	}
	m.log.Warn("alert", "event", kind, "transition", t, "id", l.alert.ID, "kind", l.alert.Kind, "severity", l.alert.Severity,
		"confidence", l.alert.Confidence, "name", l.alert.Name, "resolver", l.alert.Resolver)
	m.eventOf(Event{At: at, Type: kind, Alert: l.alert.ID, Incident: incident}, l.alert)
}

// tend ends silences that are over, and forgets alerts that were resolved too
// long ago to come back.
func (m *Monitor) tend(now time.Time) {
	for key, l := range m.alerts {
		switch a := &l.alert; {
		case a.State == Silenced && a.Note != nil && a.Note.Until != nil && !a.Note.Until.After(now):
			a.State = Open
			m.passed(l, SilenceOver, now)
		case a.State == Resolved && now.Sub(*a.ResolvedAt) > m.cfg.Timing.ReopenWithin:
			delete(m.alerts, key)
		}
	}
	m.tendIncidents(now)
}

// unwatch resolves alerts about names and types that are no longer watched, and
// about resolvers that are no longer asked: nobody will ever see them end.
func (m *Monitor) unwatch(now time.Time) {
	for key, l := range m.alerts {
		if l.alert.IsIncident() {
			continue // it ends with those of its names
		}
		s := m.subjects[l.alert.Name]
		maps.DeleteFunc(l.types, func(t Type, _ *recovery) bool { return s == nil || s.question(t) == nil })
		gone := len(l.types) == 0 || m.voiceless(key, l.alert.Name)
		if l.alert.Drill {
			gone = s == nil // it accuses nobody
		}
		if l.alert.State != Resolved && gone {
			l.alert.State, l.alert.ResolvedAt = Resolved, &now
			m.passed(l, Unwatched, now)
		}
	}
}

// putAlert has an alert written with the next commit.
func (m *Monitor) putAlert(a Alert) {
	i := slices.IndexFunc(m.batch.Alerts, func(b Alert) bool { return b.ID == a.ID })
	if i < 0 {
		m.batch.Alerts = append(m.batch.Alerts, a)
		return
	}
	m.batch.Alerts[i] = a
}

// settle answers those who wait for a judgement of the question.
func (m *Monitor) settle(q *question) {
	if q.checking() {
		return
	}
	q.waiters = slices.DeleteFunc(q.waiters, func(w waiter) bool {
		switch {
		case q.began.Before(w.asked):
			return false
		case w.whole && q.open() && !q.concluded && q.peak.Confidence < Confirmed:
			return false
		case q.ruling.Absent && q.verdict != Clean && m.undecided(q, w):
			return false
		}
		w.ch <- q.judgement()
		return true
	})
}

// undecided reports whether another address type of the name, on which this one
// may rest, is still to be judged.
func (m *Monitor) undecided(q *question, w waiter) bool {
	return slices.ContainsFunc(q.subject.questions, func(other *question) bool {
		return other != q && other.q.Type.Address() && other.began.Before(w.asked)
	})
}

// proofQueue holds good addresses that have not proven themselves lately. One
// is asked every ProofSpacing, so that what was learnt from witnesses comes to
// rest on proof without anybody noticing a burst.
type proofQueue struct {
	waiting []passing
	last    time.Time
}

type passing struct {
	q    *question
	addr netip.Addr // whose certificate is wanted, or
	via  Resolver   // whose signatures
}

// maxPassing bounds the queue; what finds no place comes again with a later round.
const maxPassing = 4096

func (m *Monitor) queueProofs(q *question, r Ruling) {
	if q.open() || m.cfg.Once {
		return
	}
	every := m.cfg.Timing.ProofInterval
	if m.inspection.on {
		every = m.cfg.Timing.WitnessInterval // a right certificate ends it
	}
	for _, a := range r.Unproven {
		p := passing{q: q, addr: a}
		if at, ok := q.tried[a]; ok && r.At.Sub(at) < every || len(m.proofs.waiting) >= maxPassing || slices.Contains(m.proofs.waiting, p) {
			continue
		}
		m.proofs.waiting = append(m.proofs.waiting, p)
	}
	m.queueValidations(q, r)
}

// zoneEvery is how many witness rounds lie between two looks at where a zone is
// delegated to, where nothing else waits to be proven: that it was stolen should
// not wait for tomorrow.
const zoneEvery = 4

// queueValidations has everybody asked for signatures once in a while, and one
// witness more often: what a resolver handed over before tells whether it strips
// them, and where the zone is delegated to is known before it changes.
func (m *Monitor) queueValidations(q *question, r Ruling) {
	if q.subject.watch.Inside || r.Verdict != Clean || q != q.subject.questions[0] {
		return
	}
	looked := false // at the zone, or about to
	for _, via := range append(m.own(q.q.Type), m.witnesses(q.subject)...) {
		if via.Transport == System || via.Role == Reference && !via.Encrypted() {
			continue
		}
		every := m.cfg.Timing.ProofInterval
		if via.Role == Reference && !looked {
			looked = true
			if len(m.proofs.waiting) == 0 {
				every = min(every, zoneEvery*m.cfg.Timing.WitnessInterval)
			}
		}
		p := passing{q: q, via: via}
		if at, ok := q.checked[From(via, time.Time{}).Endpoint()]; ok && r.At.Sub(at) < every || len(m.proofs.waiting) >= maxPassing || slices.Contains(m.proofs.waiting, p) {
			continue
		}
		m.proofs.waiting = append(m.proofs.waiting, p)
	}
}

func (m *Monitor) proveInPassing(now time.Time) {
	if len(m.proofs.waiting) == 0 || now.Sub(m.proofs.last) < m.cfg.Timing.ProofSpacing {
		return
	}
	p := m.proofs.waiting[0]
	m.proofs.waiting = m.proofs.waiting[1:]
	m.proofs.last = now
	if p.via.Name != "" {
		m.start(job{question: p.q, step: -1, proofs: []Proof{m.validation(p.q, p.via)}})
		return
	}
	p.q.tried[p.addr] = now
	shake := m.proof(p.q, p.addr, Suspect)
	m.start(job{question: p.q, step: -1, proofs: []Proof{shake, announced(shake.Name, shake.Address)}})
}

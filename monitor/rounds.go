package monitor

import (
	"reflect"
	"slices"
	"time"
)

// schedule makes the first appointments: rounds, commits and looks at our own health.
func (m *Monitor) schedule(now time.Time) {
	for i, s := range m.order {
		if m.cfg.Once {
			break
		}
		m.appoint(s, now.Add(min(time.Duration(i)*initialSpread, m.interval(s))))
	}
	m.agenda.add(now.Add(m.cfg.Timing.CommitInterval), m.beat)
}

// appoint sets the next round of s. An earlier appointment no longer counts.
func (m *Monitor) appoint(s *subject, at time.Time) {
	s.rota++
	rota := s.rota
	m.agenda.add(at, func(time.Time) {
		if s.rota == rota {
			m.round(s, at)
		}
	})
}

// beat comes every CommitInterval.
func (m *Monitor) beat(now time.Time) {
	for _, s := range m.order {
		for _, q := range s.questions {
			m.age(q, now)
			q.hearsay.flush(now, &m.batch)
		}
		m.saveBaseline(s, now)
	}
	m.proveInPassing(now)
	m.tend(now)
	m.examine(now)
	m.commit()
	m.agenda.add(now.Add(m.cfg.Timing.CommitInterval), m.beat)
}

// round asks this host's resolvers, and witnesses when it is their time.
func (m *Monitor) round(s *subject, due time.Time) {
	now := m.cfg.Now()
	every := m.interval(s)
	if now.Sub(due) > every/10 {
		m.counts.Late++
	}
	m.ask1(s, now, false)
	// The next round is at the name's own phase of the interval, a little off.
	next := now.Truncate(every).Add(phase(s.watch.Name, m.cfg.Host, every))
	for !next.After(now.Add(every / 2)) {
		next = next.Add(every)
	}
	next = next.Add(jitter(every/10, 1) - every/10)
	// Truncate takes the monotonic reading away. Put back, it keeps the round in
	// its place when the clock is set: an hour back must not be an hour of silence.
	next = now.Add(next.Sub(now))
	m.appoint(s, next)
}

// ask1 starts one round of a name.
func (m *Monitor) ask1(s *subject, now time.Time, verify bool) {
	m.counts.Rounds++
	witness := !now.Before(s.nextWit) || m.recheckWitnesses(s, now)
	if witness {
		m.witnessed(s, now)
	}
	for _, q := range s.questions {
		rs := m.own(q.q.Type)
		var ps []Proof
		if len(rs) > 0 && (witness || !slices.Equal(rs, q.own)) {
			ps = append(ps, lookHere(q)) // those that are new are learnt with their first good answers
		}
		q.own = slices.Clone(rs)
		if witness {
			rs = append(rs, m.witnesses(s)...)
		}
		m.start(job{question: q, step: -1, asks: rs, proofs: ps, began: now, verify: verify})
	}
}

// verify starts a round for those who wait, unless one is under way: then one
// more follows it, for all who came meanwhile. However many callers there are,
// resolvers see one round at a time.
func (m *Monitor) verify(s *subject, now time.Time) {
	if s.verifying > 0 {
		return
	}
	s.verifying = len(s.questions)
	m.ask1(s, now, true)
}

// verified takes in that one question of such a round is judged.
func (m *Monitor) verified(s *subject) {
	if s.verifying--; s.verifying > 0 {
		return
	}
	for _, q := range s.questions {
		if slices.ContainsFunc(q.waiters, func(w waiter) bool { return q.began.Before(w.asked) }) {
			m.verify(s, m.cfg.Now())
			return
		}
	}
}

// recheckWitnesses reports whether an open alert about the name makes its
// witnesses worth asking again before their time.
func (m *Monitor) recheckWitnesses(s *subject, now time.Time) bool {
	if now.Sub(s.witnessed) < m.cfg.Timing.Recheck {
		return false
	}
	for _, l := range m.alerts {
		if l.alert.Name == s.watch.Name && l.alert.State != Resolved && !l.alert.Drill && !l.alert.IsIncident() {
			return true
		}
	}
	return false
}

// takeResult judges what a job brought.
func (m *Monitor) takeResult(r result) {
	q := r.job.question
	for i, o := range r.sample.Answers {
		m.notePeer(o)
		m.follow(o)
		m.recall(q, &r.sample.Answers[i])
	}
	if n := len(r.sample.Evidence); n > 0 {
		m.counts.Proofs += uint64(n)
		for _, e := range r.sample.Evidence {
			if e.Kind == EvidenceTLS {
				q.handshaken = r.sample.At
				m.health.reach.note(e)
			}
		}
	}
	if q.gone {
		if r.job.verify {
			m.verified(q.subject)
		}
		return
	}
	if r.job.step >= 0 && r.job.opened.Equal(q.opened) {
		q.busy--
	}
	q.record(r.sample, &m.batch)
	if r.job.began.After(q.began) {
		q.began = r.job.began
	}
	m.judge(q, r.sample, r.job.step)
	m.seek(q, r.sample)
	if r.job.verify {
		m.verified(q.subject)
	}
}

// seek has witnesses asked at once where this host's resolvers answered for a name
// and no longer do: whether that is theirs or the zone's doing, only others know.
// It is done once as long as it lasts; where the network fails for all names, as many
// as what is overheard may wake.
func (m *Monitor) seek(q *question, s Sample) {
	if m.cfg.Once || q.open() || q.ruling.Fresh || q.answered.IsZero() || !q.subject.witnessed.Before(q.answered) ||
		!slices.ContainsFunc(s.Answers, func(o Observation) bool { return o.Role == Local }) || !m.wake(q) {
		return
	}
	m.witnessed(q.subject, m.cfg.Now())
	for _, q := range q.subject.questions {
		m.start(job{question: q, step: -1, asks: m.witnesses(q.subject)})
	}
}

// witnessed notes that witnesses are asked now, and says when they are again.
func (m *Monitor) witnessed(s *subject, now time.Time) {
	s.witnessed = now
	s.nextWit = now.Add(jitter(m.cfg.Timing.WitnessInterval, 0.2))
}

// judge rules on the case with the new sample, learns from it, and acts.
func (m *Monitor) judge(q *question, s Sample, step int) {
	m.counts.Samples++
	if q.subject.base == nil {
		q.subject.base = NewBaseline(q.q.Name, s.At)
	}
	m.crowd.note(s)
	s.State = append(slices.Clip(s.State), m.states(s)...)
	if !slices.Contains(s.State, StateCaptive) {
		s.Evidence = append(slices.Clip(s.Evidence), m.crowds(s)...)
	}
	s.Evidence = append(slices.Clip(s.Evidence), m.diverted(s)...)
	m.meet(s)
	if q.open() {
		s.Evidence = append(append(slices.Clip(s.Evidence), m.acquainted(q, s)...), q.others(s)...)
	}
	record := m.tap(q)
	q.keep(s)
	r := Judge(q.context(m.policy))
	opens := !q.open() && m.wants(q, r)
	if opens {
		b := q.subject.base.copy()
		q.before = &b
	}
	if q.learn(m.policy, r) {
		q.subject.dirty = true
	}
	q.subject.touched = true
	if r.Fresh {
		q.answered = s.At
	}
	q.ruling = r
	m.inspect(q.q.Name, r.Shown)
	m.health.dates.note(q.q.Name, r.Shown, s.Evidence)
	ready := m.proceed(q, s, r, opens, step)
	record(q.reached(ready))
	if ready {
		m.publish(q, r)
	}
}

// proceed takes the case on, or opens one, and reports whether the ruling is to be
// made known: not while more is asked for at once.
func (m *Monitor) proceed(q *question, s Sample, r Ruling, opens bool, step int) bool {
	switch {
	case opens:
		m.openCase(q, s)
	case !q.open():
		return true
	case step < 0 || step != q.step || q.busy > 0:
		// Something came in between: it counts, but the plan goes its way.
		return !q.checking()
	}
	return m.advance(q, r)
}

// tap gives a function that shows the sample about to be judged to whoever records
// them, once it is judged: with what history and the watch said before.
func (m *Monitor) tap(q *question) func(Sample) {
	if m.cfg.Tap == nil {
		return func(Sample) {}
	}
	var w *Watch
	var b *Baseline
	if is := q.subject.watch; q.tapped == nil || !reflect.DeepEqual(*q.tapped, is) {
		w = &is
		if q.tapped == nil {
			base := q.subject.base.copy()
			b = &base
		}
		q.tapped = w
	}
	return func(s Sample) {
		s.Watch, s.Baseline = w, b
		m.cfg.Tap(s)
	}
}

// wants reports whether a ruling is a reason to open a case.
func (m *Monitor) wants(q *question, r Ruling) bool {
	if r.Unsettled {
		return true
	}
	toProve := r.Suspects
	if m.cfg.Once {
		toProve = append(slices.Clone(toProve), r.Unproven...)
	}
	for _, a := range toProve {
		if at, ok := q.tried[a]; !ok || r.At.Sub(at) >= m.cfg.Timing.WitnessInterval {
			return true
		}
	}
	for _, a := range r.Accusations {
		// What must be seen again is looked for at once: a name without TLS has no
		// handshake to wait for.
		if a.Kind.pathWide() && !m.unheard(q, a) {
			continue // other names said it already
		}
		if a.Score >= suspectAt && !a.Kind.notice() && a.Kind != LocalProxy || a.Local && a.Pending {
			return true
		}
	}
	// What nobody can vouch for is looked into at once, and then as often as
	// witnesses are asked anyway.
	return r.Doubtful && r.At.Sub(q.doubted) >= m.cfg.Timing.WitnessInterval
}

// unheard reports whether no other name's alert says the same of the path.
func (m *Monitor) unheard(q *question, a Accusation) bool {
	l := m.alerts[alertKey(q.q.Name, a)]
	return l == nil || l.alert.State == Resolved || l.alert.Name == q.q.Name
}

// openCase begins the plan with the sample that gave rise to it.
func (m *Monitor) openCase(q *question, s Sample) {
	m.counts.Cases++
	q.doubted = s.At
	q.opened, q.step, q.busy, q.proved, q.concluded, q.peak, q.handshaken = s.At, 0, 0, false, false, Accusation{}, time.Time{}
	var asks []Resolver
	if s.Via == Wire {
		asks = m.own(q.q.Type) // what was overheard may be for others, or by chance
	}
	if !slices.ContainsFunc(s.Answers, Observation.Witness) {
		asks = append(asks, m.witnesses(q.subject)...)
	}
	if len(asks) > 0 {
		m.work(q, job{asks: asks})
	}
}

func (m *Monitor) work(q *question, j job) {
	j.question, j.step, j.opened = q, q.step, q.opened
	q.busy++
	m.start(j)
}

// advance takes the case on after the work of a step has come in. It reports
// whether that is done, and not more of the same step under way.
func (m *Monitor) advance(q *question, r Ruling) bool {
	if q.busy > 0 {
		return false
	}
	if !q.proved {
		q.proved = true
		if ps := m.proofsNow(q, r); len(ps) > 0 {
			m.work(q, job{proofs: ps})
			return false
		}
	}
	// An address without TLS waits for witnesses; of other records the zone is asked.
	if !(m.cleared(r) && q.q.Type.Address()) && !slices.ContainsFunc(r.Accusations, Accusation.presses) && m.mayWalk(q, r) {
		m.work(q, job{proofs: []Proof{m.walk(q, r)}})
		return false
	}
	if !slices.ContainsFunc(r.Accusations, Accusation.presses) {
		// It is cleared; or there is nothing to hold against anybody, and nothing to
		// prove it by: unknown.
		q.close()
		return true
	}
	q.step++
	q.proved = false
	plan := m.cfg.Timing.Plan
	at := q.opened.Add(plan[min(q.step, len(plan)-1)])
	if q.step >= len(plan) {
		q.concluded = true
		at = r.At.Add(m.cfg.Timing.Recheck)
	}
	// Two handshakes count as two only when they lie apart.
	if next := q.handshaken.Add(m.cfg.Timing.Repeat); m.provesNow(q) && next.After(at) {
		at = next
	}
	step, opened := q.step, q.opened
	m.agenda.add(at, func(time.Time) {
		if q.opened.Equal(opened) && q.step == step && !q.gone {
			m.takeStep(q)
		}
	})
	return true
}

// provesNow reports whether the step makes handshakes.
func (m *Monitor) provesNow(q *question) bool {
	last := len(m.cfg.Timing.Plan) - 1
	return q.step == 0 || q.step == 2 || q.step == last || q.step > last && (q.step-last)%5 == 0
}

func (m *Monitor) takeStep(q *question) {
	m.work(q, job{asks: m.pairs(q)})
}

// cleared reports whether nothing suspicious is left.
func (m *Monitor) cleared(r Ruling) bool {
	return len(r.Suspects) == 0 && !slices.ContainsFunc(r.Accusations, Accusation.presses)
}

// age makes a verdict unknown that no answer has confirmed for too long.
func (m *Monitor) age(q *question, now time.Time) {
	if m.stale(q, m.started, now) {
		m.announce(q, q.ruling, Unknown, CauseStale)
	}
}

// saveEvery is how long a baseline waits for its writing when nothing changed
// in it but how often and how lately things were seen.
const saveEvery = 10 * time.Minute

// saveBaseline writes what was learnt: at once when something new was.
func (m *Monitor) saveBaseline(s *subject, now time.Time) {
	if s.base == nil || !s.dirty && !(s.touched && now.Sub(s.written) >= saveEvery) {
		return
	}
	s.dirty, s.touched, s.written = false, false, now
	m.batch.Baselines = append(slices.DeleteFunc(m.batch.Baselines, func(b Baseline) bool { return b.Name == s.base.Name }), s.base.copy())
}

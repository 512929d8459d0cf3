package monitor

import (
	"slices"
	"strings"
	"time"
)

// Replay judges samples that were written down, or overheard in captures, by
// the rules that judge live ones. It asks nobody: evidence that the samples
// lack is not asked for, which speaks neither for an answer nor against it.
//
// Samples of a daemon say how far its case was, and so bring about the verdicts
// and alerts that they brought about then. Others, as of somebody else's
// measurement, all count, each as though nothing more could be found out.
//
// It is used by one goroutine.
type Replay struct {
	docket
	subjects map[string]*subject
	order    []*question
	file     string
}

// NewReplay makes a Replay. Of the configuration, watches, timing, exemptions
// and rules count; a name that is not watched is judged without expectations.
func NewReplay(c Config) *Replay {
	r := &Replay{docket: docket{policy: c.policy(), alerts: map[string]*life{}}, subjects: map[string]*subject{}}
	for _, w := range c.Watches {
		r.subjects[w.Name] = &subject{watch: w}
	}
	return r
}

// File begins with another file: what is still open in the last one stays there.
// name is put on the transactions that samples show; it may be empty.
func (r *Replay) File(name string) {
	r.file = name
	for _, q := range r.order {
		q.restart()
	}
}

// restart forgets the case, but not what came of it.
func (q *question) restart() {
	q.close()
	q.samples, q.peak = nil, Accusation{}
}

// Take judges a sample with all that came before it in its file.
func (r *Replay) Take(s Sample) {
	if s.Case == nil && s.Via == Wire {
		if !s.conflict(r.policy) && !s.assault(r.policy) && len(s.Evidence) == 0 {
			return // a lone answer cannot contradict itself, and nobody is asked
		}
		s.Answers = slices.Clone(s.Answers)
		for i, o := range s.Answers {
			if o.Role == "" {
				s.Answers[i].Role = Local // whoever asked is the host that is judged
			}
		}
	}
	q := r.question(s)
	if s.Baseline != nil {
		b := s.Baseline.copy()
		b.normalize()
		q.subject.base = &b
		if s.Case != nil { // the daemon has just started, or this is another case
			q.restart()
			q.verdict, q.cause, q.since, q.good = Unknown, CauseLearning, time.Time{}, 0
			q.began, q.answered = s.At, time.Time{}
		}
	}
	if q.subject.base == nil {
		q.subject.base = NewBaseline(q.q.Name, s.At)
	}
	if s.Case != nil && !q.began.IsZero() && r.stale(q, q.began, s.At) {
		q.turn(s.At, Unknown, CauseStale)
	}
	q.enter(s)
	q.keep(s)
	ruling := Judge(q.context(r.policy))
	q.learn(r.policy, ruling)
	if ruling.Fresh && s.Case != nil {
		q.answered = s.At
	}
	q.ruling = ruling
	if q.leave(s) {
		r.publish(q, ruling, s.Case != nil)
	}
}

// enter brings the case to where it was when the sample was about to be judged.
func (q *question) enter(s Sample) {
	switch c := s.Case; {
	case c == nil && !q.open():
		q.opened = s.At // every sample of a file may count
	case c == nil, c.Opened.IsZero(), c.Opened.Equal(q.opened):
		// It goes on, or this sample ends it.
	default:
		if q.open() {
			q.close() // its end is not among the samples
		}
		if !c.Opened.Equal(s.At) { // nor is the beginning of this one
			q.opened, q.peak = c.Opened, Accusation{}
		}
	}
}

// leave brings the case to where it was when the sample had been judged, and
// reports whether the ruling was made known.
func (q *question) leave(s Sample) bool {
	switch c := s.Case; {
	case c == nil:
		q.concluded = true
		return true
	case c.Opened.IsZero() && q.open():
		q.close()
	case !c.Opened.Equal(q.opened):
		q.opened, q.peak = c.Opened, Accusation{}
	}
	q.concluded = s.Case.Concluded
	return !s.Case.Waiting
}

// publish makes a verdict and alerts of a ruling. Of samples that no daemon made
// the last word counts, and nothing tells that an alert is over.
func (r *Replay) publish(q *question, ruling Ruling, live bool) {
	r.borrow(q, &ruling)
	q.remember(&ruling)
	q.ruling = ruling
	if live {
		v, cause := q.next(ruling)
		q.turn(ruling.At, v, cause)
	} else if q.verdict, q.cause = ruling.Verdict, ruling.Cause; q.cause == CauseLearning {
		q.cause = CauseNoProof // waiting cures nothing here
	}
	for _, a := range ruling.Accusations {
		r.raise(q, ruling, a)
	}
	if live {
		r.recede(q, ruling, func(*life, Transition) {})
	}
	r.lend(q, func(other *question) { other.turn(ruling.At, Clean, "") })
}

// question finds what a sample is about, and takes in what it expects.
func (r *Replay) question(s Sample) *question {
	sub := r.subjects[s.Question.Name]
	if sub == nil {
		sub = &subject{watch: Watch{Name: s.Question.Name}}
		r.subjects[s.Question.Name] = sub
	}
	if s.Watch != nil {
		sub.watch = *s.Watch
		sub.watch.Name = s.Question.Name
	}
	q := sub.question(s.Question.Type)
	if q == nil {
		q = newQuestion(sub, s.Question)
		sub.questions = append(sub.questions, q)
		r.order = append(r.order, q)
	}
	return q
}

// raise takes an accusation into its alert.
func (r *Replay) raise(q *question, ruling Ruling, a Accusation) {
	for i := range a.Transactions {
		a.Transactions[i].File = r.file
	}
	l, _ := r.accuse(q, ruling, a, func(key string) *life {
		l := &life{types: map[Type]*recovery{}}
		l.alert = Alert{
			ID: newID(ruling.At), Key: key, State: Open, Name: q.q.Name, Type: q.q.Type, Owner: q.subject.watch.Owner, OpenedAt: ruling.At,
		}
		l.alert.Exposure.SecretNames = q.subject.watch.SecretNames
		return l
	})
	if l == nil {
		return
	}
	if n := len(l.alert.Transactions); n > 0 {
		l.alert.Count = n
	}
	describeAlert(&l.alert, l.alert.Exposure.From)
}

// Report sums up: the last judgement of every question, and every alert.
func (r *Replay) Report(at time.Time) Report {
	var js []Judgement
	for _, q := range r.order {
		js = append(js, q.judgement())
	}
	var as []Alert
	for _, l := range r.alerts {
		as = append(as, l.alert)
	}
	slices.SortFunc(as, func(a, b Alert) int {
		if c := a.OpenedAt.Compare(b.OpenedAt); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	return NewReport(at, js, as)
}

package monitor

import (
	"slices"
	"strings"
	"time"
)

// Replay judges samples that were written down, or overheard in captures, by
// the rules that judge live ones. It asks nobody: evidence that the samples
// lack is not asked for. It is used by one goroutine.
type Replay struct {
	policy   *Policy
	subjects map[string]*subject
	order    []*question
	alerts   map[string]*life
	file     string
}

// NewReplay makes a Replay. Of the configuration, watches, timing, exemptions
// and rules count; a name that is not watched is judged without expectations.
func NewReplay(c Config) *Replay {
	r := &Replay{policy: c.policy(), subjects: map[string]*subject{}, alerts: map[string]*life{}}
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
		q.samples, q.opened, q.peak = nil, time.Time{}, Accusation{}
	}
}

// Take judges a sample with all that came before it in its file.
func (r *Replay) Take(s Sample) {
	if s.Via == Wire && !s.conflict(r.policy) && len(s.Evidence) == 0 {
		return // a lone answer cannot contradict itself, and nobody is asked
	}
	if s.Via == Wire {
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
	}
	if q.subject.base == nil {
		q.subject.base = NewBaseline(q.q.Name, s.At)
	}
	if !q.open() {
		q.opened = s.At // every sample of a file may count
	}
	q.keep(s)
	c := q.context(r.policy)
	ruling := Judge(c)
	Learn(q.subject.base, c, !slices.ContainsFunc(ruling.Accusations, func(a Accusation) bool { return a.Score >= suspectAt }))
	q.remember(&ruling)
	q.ruling, q.verdict, q.cause = ruling, ruling.Verdict, ruling.Cause
	for _, a := range ruling.Accusations {
		r.raise(q, ruling, a)
	}
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
		q = &question{subject: sub, q: s.Question}
		sub.questions = append(sub.questions, q)
		r.order = append(r.order, q)
	}
	return q
}

// raise takes an accusation into its alert. Nothing more will be asked, so what
// is left standing is an alert at once.
func (r *Replay) raise(q *question, ruling Ruling, a Accusation) {
	if _, ok := r.policy.mayOpen(a, true); !ok || a.Confidence == Unsuspected {
		return
	}
	key := alertKey(q.q.Name, a)
	l := r.alerts[key]
	if l == nil {
		l = &life{types: map[Type]*recovery{}}
		l.alert = Alert{
			ID: newID(ruling.At), Key: key, State: Open, Name: q.q.Name, Type: q.q.Type, Owner: q.subject.watch.Owner, OpenedAt: ruling.At,
		}
		l.alert.Exposure.SecretNames = q.subject.watch.SecretNames
		r.alerts[key] = l
	}
	for i := range a.Transactions {
		a.Transactions[i].File = r.file
	}
	l.see(a, ruling, r.policy.Timing)
	if n := len(l.alert.Transactions); n > 0 {
		l.alert.Count = n
	}
	describeAlert(&l.alert, l.alert.Exposure.From)
}

// Report sums up: the last judgement of every question, and every alert.
func (r *Replay) Report(at time.Time) Report {
	var js []Judgement
	for _, q := range r.order {
		j := q.ruling.Judgement
		j.Name, j.Type = q.q.Name, q.q.Type
		js = append(js, j)
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

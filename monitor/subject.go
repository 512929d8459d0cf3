package monitor

import (
	"net/netip"
	"slices"
	"time"
)

// subject is one watched name with all that is known and going on about it.
type subject struct {
	watch     Watch
	base      *Baseline
	dirty     bool      // base holds something new since it was last written
	touched   bool      // or only newer times and counts
	written   time.Time // when base was last written
	witnessed time.Time // when witnesses were last asked in routine
	nextWit   time.Time // when they are to be asked next
	verifying int       // questions of a round for callers of Verify that are under way
	rota      int       // which of its appointments for a round is the one that counts
	questions []*question
}

// question is one type of a name.
type question struct {
	subject *subject
	q       Question
	samples []Sample
	series  map[string]*run // intervals that are still growing, by endpoint
	tried   map[netip.Addr]time.Time
	checked map[string]time.Time // when signatures were last asked for, by endpoint
	walked  time.Time            // when the zone was last asked itself
	doubted time.Time            // when a case was last opened
	own     []Resolver           // of this host, when they were asked last
	noticed string               // the change that was told of last
	tapped  *Watch               // Config.Tap has this, and what history said; nil for neither

	// The case, while one is open.
	opened     time.Time
	step       int
	busy       int       // work of this step under way
	proved     bool      // the handshakes of this step were made
	handshaken time.Time // when handshakes were last made
	concluded  bool      // the plan has run its course
	peak       Accusation
	before     *Baseline // what was known before it was opened; nil where that has been left behind

	ruling   Ruling
	verdict  Verdict // as published
	cause    Cause
	since    time.Time
	good     int       // clean rulings in a row since the verdict was bad
	answered time.Time // when this host's own path last gave an answer
	lastGood time.Time // and when it last gave one that was ruled clean
	began    time.Time // when the latest round that was judged began
	waiters  []waiter
	wakes    bucket
	heard    heard
	hearsay  hearsay
	gone     bool // a reload took it off the list
}

// waiter waits for a settled judgement of a round that is younger than its wish.
type waiter struct {
	asked time.Time
	whole bool // also wait for the plan, if a case is open
	ch    chan<- Judgement
}

func newSubject(w Watch) *subject {
	s := &subject{watch: w}
	for _, q := range w.Questions() {
		s.questions = append(s.questions, newQuestion(s, q))
	}
	return s
}

func newQuestion(s *subject, q Question) *question {
	return &question{
		subject: s, q: q, series: map[string]*run{}, tried: map[netip.Addr]time.Time{}, checked: map[string]time.Time{},
		verdict: Unknown, cause: CauseLearning,
	}
}

func (s *subject) question(t Type) *question {
	for _, q := range s.questions {
		if q.q.Type == t {
			return q
		}
	}
	return nil
}

// open reports whether a case is open.
func (q *question) open() bool { return !q.opened.IsZero() }

// checking reports whether evidence is being gathered that may clear the name.
func (q *question) checking() bool { return q.open() && q.step == 0 && !q.concluded }

func (q *question) context(p *Policy) *Case {
	return &Case{Watch: q.subject.watch, Question: q.q, Base: q.subject.base, Policy: p, Opened: q.opened, Samples: q.samples}
}

// learn takes what the last sample shows into history.
func (q *question) learn(p *Policy, r Ruling) (changed bool) {
	calm := !slices.ContainsFunc(r.Accusations, func(a Accusation) bool { return a.Score >= suspectAt && !a.Kind.notice() && a.Kind != LocalProxy })
	return Learn(q.subject.base, q.context(p), calm)
}

// reached notes on the last sample how far the case is now that it is judged, and
// gives it.
func (q *question) reached(ready bool) Sample {
	s := &q.samples[len(q.samples)-1]
	s.Case = &Progress{Opened: q.opened, Concluded: q.concluded, Waiting: !ready}
	return *s
}

// close ends the case.
func (q *question) close() {
	q.opened, q.step, q.concluded, q.before = time.Time{}, 0, false, nil
	q.quiet()
}

// keep adds a sample to the case. In quiet times only the last round of this
// host's path and the last two with witnesses are kept, one before and one after what
// may come to light between them; an open case keeps all that may count, within a
// bound.
func (q *question) keep(s Sample) {
	q.samples = append(q.samples, s)
	if q.open() {
		if len(q.samples) > maxSamples {
			q.samples = shed(q.samples)
			q.before = nil // what was let go has been learnt from
		}
		return
	}
	q.quiet()
}

// shed gives samples but for one. Of those that were overheard the oldest goes first,
// where they are more than half: an attack brings many in a second, and the proofs that
// a case rests on are minutes apart.
func shed(ss []Sample) []Sample {
	overheard, oldest := 0, -1
	for i, s := range ss {
		if s.Via != Wire {
			continue
		}
		if overheard++; oldest < 0 {
			oldest = i
		}
	}
	if overheard <= len(ss)/2 {
		oldest = 0
	}
	return slices.Delete(slices.Clone(ss), oldest, oldest+1)
}

// quietRounds is how many rounds of witnesses are kept in quiet times.
const quietRounds = 2

func (q *question) quiet() {
	var kept []Sample
	haveLocal, witnesses := false, 0
	for i := len(q.samples) - 1; i >= 0 && !(haveLocal && witnesses == quietRounds); i-- {
		l, w := false, false
		for _, o := range q.samples[i].Answers {
			l, w = l || o.Role == Local, w || o.Witness()
		}
		if l && !haveLocal || w && witnesses < quietRounds || i == len(q.samples)-1 {
			kept = append(kept, q.samples[i])
		}
		if haveLocal = haveLocal || l; w {
			witnesses++
		}
	}
	q.samples = q.samples[:0:0]
	for i := len(kept) - 1; i >= 0; i-- {
		q.samples = append(q.samples, kept[i])
	}
}

// others gives evidence of the other types of the name that resolvers of this host,
// which s holds answers of, gave what is right for last.
func (q *question) others(s Sample) []Evidence {
	var es []Evidence
	for _, o := range s.Answers {
		if o.Role != Local || o.Transport == System {
			continue
		}
		e := Evidence{Kind: EvidenceOthers, Resolver: o.Endpoint()}
		for _, other := range q.subject.questions {
			if other == q || other.ruling.Verdict != Clean || slices.Contains(other.ruling.Doubted, e.Resolver) {
				continue
			}
			i := slices.IndexFunc(other.ruling.Answers, func(x Observation) bool { return x.Endpoint() == e.Resolver && x.Canon(other.q).Content == Data })
			if i < 0 {
				continue
			}
			e.Names = append(e.Names, other.q.Type.String())
			if at := other.ruling.Answers[i].At; e.At.IsZero() || at.Before(e.At) {
				e.At = at
			}
		}
		if len(e.Names) > 0 {
			es = append(es, e)
		}
	}
	return es
}

package monitor

import (
	"slices"
	"strings"
	"time"
)

// Transition is why an alert did, or did not, become an event. Each is a
// decision with a name, so that it can be logged, counted and tested.
type Transition string

// The transitions.
const (
	FirstSeen      Transition = "first_seen"       // opened
	Risen          Transition = "risen"            // another kind, or a higher confidence or severity
	Returned       Transition = "returned"         // resolved before, seen again
	ReturnedQuiet  Transition = "returned_quiet"   // the same, but too soon to call again
	SeenAgain      Transition = "seen_again"       // nothing new
	HoldingOn      Transition = "holding_on"       // good again, but not for long enough
	GoneForGood    Transition = "gone_for_good"    // resolved
	SilenceOver    Transition = "silence_over"     // it is heard again
	Unwatched      Transition = "unwatched"        // resolved, since its name is no longer watched
	Drilled        Transition = "drilled"          // opened, for a drill
	DrillOver      Transition = "drill_over"       // resolved
	Grown          Transition = "grown"            // an incident: more names, or more harm
	ClosedWith     Transition = "closed_with"      // resolved, with its incident, by a person
	NotYetProven   Transition = "not_yet_proven"   // suspected, evidence is still being gathered
	NothingToClaim Transition = "nothing_to_claim" // suspected, but without a sign that the content is false
)

// life is an alert and what decides how it goes on.
type life struct {
	alert  Alert
	types  map[Type]*recovery
	quiet  time.Time // it does not call again before
	most   int       // transactions that the alert carries; 0 for all
	noted  time.Time // of the newest transaction counted
	called time.Time // when receivers were last to be called, or told of an incident that it grew
	rests  []string  // rules that the alert rested on when its proofs were kept
}

// recovery is how far one type of the name is from being good again.
type recovery struct {
	lastBad time.Time
	ttl     uint32
	good    int // rounds in a row
}

// severity is the harm of an accusation: what applications of this host get,
// and whether a pin is broken, weighs most.
func severity(a Accusation) Severity {
	switch {
	case a.Kind.paltry():
		return Low
	case a.Kind == Rebinding, a.Kind.pathWide(), a.Kind == AttackAttempt && a.Confidence == Suspected:
		return Medium
	case a.Kind == AttackAttempt:
		return High
	case a.Kind == AuthorityHijack && !(a.Pinned && a.Confidence == Confirmed):
		return High
	case !a.Local && a.Kind != AuthorityHijack:
		if a.Confidence == Confirmed {
			return Medium
		}
		return Low
	case a.Confidence == Confirmed && !a.Unchecked:
		return Critical
	case a.Confidence == Confirmed:
		return High
	case a.Confidence == Probable:
		return High
	}
	return Medium
}

// wide begins the key of an alert that is about no name.
const wide = "*/"

// alertKey is what stays the same for the same thing: the name, and whether it
// is this host's own path or another's resolver that is accused.
func alertKey(name string, a Accusation) string {
	if a.Kind.pathWide() && a.Local {
		return wide + string(a.Kind) + "/" + string(Local)
	}
	if a.Kind.pathWide() {
		return wide + string(a.Kind) + "/" + a.Group
	}
	if a.Local || a.Kind == AuthorityHijack {
		return name + "/" + string(Local)
	}
	return name + "/" + a.Group
}

// groupKey tells receivers which alerts of a fleet belong together.
func groupKey(a Accusation, name string) string {
	where := server(a.Resolver)
	if a.Kind == AuthorityHijack {
		where = "authority"
	}
	return string(a.Kind) + "/" + name + "/" + where
}

// mayOpen decides whether an accusation becomes an alert. A confirmed one does
// at once, others when the plan to confirm them has run its course: what is
// only odd stays a verdict that status shows, and calls nobody.
func (p *Policy) mayOpen(a Accusation, concluded bool) (Transition, bool) {
	switch {
	case a.Passing:
		return NotYetProven, false
	case a.Kind == LocalProxy:
		return FirstSeen, true // a fact, and all that there is to it
	case a.Kind == AttackAttempt || a.Kind == PathInjection && a.Confidence < Confirmed:
		// Two answers to one query are a fact. It waits only for what tells which
		// of them is false.
		if a.Settled || concluded {
			return FirstSeen, true
		}
		return NotYetProven, false
	case a.Confidence == Confirmed && !concluded && a.awaits("id.tls_mismatch"):
		return NotYetProven, false // seconds from now the certificate has been wrong twice
	case a.Confidence == Confirmed:
		return FirstSeen, true
	case !concluded:
		return NotYetProven, false
	case a.Confidence == Probable, a.Confidence == Suspected && (a.Content || a.Kind == Rebinding || a.Kind == AuthorityHijack || a.Kind == PathRedirected || a.Kind.paltry()):
		return FirstSeen, true
	}
	return NothingToClaim, false
}

// awaits reports whether what the rule found must be seen again before it
// counts in full.
func (a Accusation) awaits(rule string) bool {
	return slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == rule && f.Pending })
}

// see takes in that the accusation still stands at r, and says what to make of it.
func (l *life) see(a Accusation, r Ruling, t Timing) Transition {
	rec := l.types[r.Type]
	if rec == nil {
		rec = &recovery{}
		l.types[r.Type] = rec
	}
	rec.lastBad, rec.ttl, rec.good = a.Last, max(rec.ttl, a.TTL), 0

	old := l.alert
	was := old.State == Resolved
	first := old.Count == 0
	l.alert.LastSeenAt = a.Last
	l.alert.Count = max(old.Count+1, a.Count)
	// What was once proven stays proven: a score that falls since evidence grew
	// old takes nothing back. Only the clock of resolution does.
	if was || first || outranks(a, old) && (r.Type == old.Type || a.Confidence > old.Confidence) {
		l.alert.Type = r.Type
		l.alert.Kind, l.alert.Attribution, l.alert.Confidence = a.Kind, a.Attribution, a.Confidence
		l.alert.Severity = severity(a)
		if !was && !first {
			l.alert.Severity = max(old.Severity, l.alert.Severity)
		}
		l.alert.Resolver, l.alert.GroupKey = a.Resolver, groupKey(a, l.alert.Name)
		l.alert.Reasons, l.alert.Against = reasons(a.Findings), r.Against
		l.alert.Voices, l.alert.Because = a.Voices, a.Because
		l.alert.Observed = addresses(a)
		l.alert.Expected = r.Expected
		l.alert.WouldChange = wouldChange(a.Kind, l.alert.Observed, strings.TrimSuffix(r.Name, "."))
		l.alert.Evidence = lastEvidence(r.Evidence)
		l.alert.Exposure.Leak = a.Leak
	}
	l.alert.Verdict = r.Verdict
	if len(a.Transactions) > 0 {
		l.alert.Count = max(1, old.Count+l.note(a.Transactions))
	}
	if l.alert.Exposure.From.IsZero() || was {
		l.alert.Exposure.From = a.First
	}
	l.alert.Exposure.Until = nil
	switch {
	case first:
		return FirstSeen
	case was:
		l.alert.State, l.alert.ResolvedAt = Open, nil
		l.alert.Flaps++
		if r.At.Before(l.quiet) {
			return ReturnedQuiet
		}
		l.quiet = r.At.Add(t.FlapQuiet)
		return Returned
	case l.alert.Kind != old.Kind, l.alert.Confidence > old.Confidence, l.alert.Severity > old.Severity:
		return Risen
	}
	return SeenAgain
}

// outranks reports whether an accusation says more than the alert does so far.
// An attempt says less than anything that is at least probable: somebody is at
// it, but without effect.
func outranks(a Accusation, old Alert) bool {
	if attempt := a.Kind == AttackAttempt; old.Kind != "" && attempt != (old.Kind == AttackAttempt) {
		return !attempt && a.Confidence >= Probable
	}
	return a.Confidence >= old.Confidence
}

// note adds transactions to the alert, of which the first ones are kept, and
// gives how many are new.
func (l *life) note(ts []Transaction) (fresh int) {
	newest := l.noted
	for _, t := range ts {
		if t.Time.After(l.noted) {
			fresh++
		}
		if t.Time.After(newest) {
			newest = t.Time
		}
		i := slices.IndexFunc(l.alert.Transactions, t.Same)
		switch {
		case i >= 0:
			// Others hold the alert as it was told to them.
			l.alert.Transactions = slices.Clone(l.alert.Transactions)
			l.alert.Transactions[i] = t
		case l.most == 0 || len(l.alert.Transactions) < l.most:
			l.alert.Transactions = append(slices.Clip(l.alert.Transactions), t)
		}
	}
	l.noted = newest
	return fresh
}

// maxTransactions bounds what an alert of the daemon carries.
const maxTransactions = 32

// fine takes in that the voice was good at r. The alert is resolved when every
// type of the name has been good for several rounds, and long enough for the
// false record to have left caches.
func (l *life) fine(r Ruling, t Timing) Transition {
	if rec := l.types[r.Type]; rec != nil {
		rec.good++
	}
	l.alert.Verdict = r.Verdict
	until := l.until()
	l.alert.Exposure.Until = &until
	for _, rec := range l.types {
		poison := min(time.Duration(rec.ttl)*time.Second, maxPoisonedTTL) / time.Duration(t.Factor)
		if rec.good < resolveRounds || r.At.Sub(rec.lastBad) < max(t.ResolveAfter, poison) {
			return HoldingOn
		}
	}
	at := r.At
	l.alert.State, l.alert.ResolvedAt = Resolved, &at
	l.quiet = at.Add(t.FlapQuiet)
	return GoneForGood
}

// until is when the last false answer leaves every cache.
func (l *life) until() time.Time {
	var end time.Time
	for _, rec := range l.types {
		if e := rec.lastBad.Add(time.Duration(rec.ttl) * time.Second); e.After(end) {
			end = e
		}
	}
	return end
}

// revive goes on with an alert that was read from the store.
func revive(a Alert, t Timing) *life {
	l := &life{alert: a, types: map[Type]*recovery{a.Type: {lastBad: a.LastSeenAt}}, most: maxTransactions, called: a.OpenedAt, rests: ruleNames(a.Reasons)}
	if a.ResolvedAt != nil {
		l.quiet = a.ResolvedAt.Add(t.FlapQuiet)
	}
	return l
}

// ruleNames gives the rules of reasons, sorted, each once.
func ruleNames(rs []Reason) []string {
	var names []string
	for _, r := range rs {
		names = append(names, r.Rule)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func addresses(a Accusation) []string {
	var ss []string
	for _, addr := range a.Observed {
		ss = append(ss, addr.String())
	}
	slices.Sort(ss)
	return ss[:min(len(ss), maxObserved)]
}

// maxObserved bounds the addresses that an alert shows.
const maxObserved = 16

// maxEvidence bounds the facts that an alert carries.
const maxEvidence = 32

func lastEvidence(es []Evidence) []Evidence {
	return slices.Clone(es[max(0, len(es)-maxEvidence):])
}

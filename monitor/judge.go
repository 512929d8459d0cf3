package monitor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Accusation is what the findings against one voice come to.
type Accusation struct {
	Local       bool   // the voice is on this host's own path
	Group       string // whose it is, where it is not
	Kind        Kind
	Attribution Attribution
	Confidence  Confidence
	Content     bool   // what it says is held to be false, not merely odd
	Pinned      bool   // it breaks a pin
	Score       int    // decibans
	Resolver    string // label of the accused endpoint
	Observed    []netip.Addr
	Findings    []Finding
	First, Last time.Time // when it was said, in this case
	TTL         uint32    // the longest, in seconds, that caches may keep it
	Count       int       // observations of it
	Leak        Leak
	Pending     bool // more of the same would raise it
	Harmless    bool // forged, but the answer that was accepted is good
	Settled     bool // every address in question had its chance to prove itself

	Transactions []Transaction // on the wire that show it, oldest first
}

// Ruling is a judgement with what the monitor needs to act on it.
type Ruling struct {
	Judgement
	Accusations []Accusation
	Suspects    []netip.Addr // addresses that a handshake could settle, those in question first
	Controls    []netip.Addr // addresses believed good, to be asked in the same minute
	Unsettled   bool         // a good address of this host's path showed a wrong certificate, and no control was asked
	Unproven    []netip.Addr // good addresses handed out here that no handshake has shown yet
	Good        []string     // voices whose answer in the sample is good; Local stands for this host's path
	Fresh       bool         // the sample holds an answer of this host's own path
	Absent      bool         // this host's path denies the record, and no witness was heard
}

// Judge decides what is made of a case. It is a pure function: the same case
// gives the same ruling, live or replayed.
func Judge(c *Case) Ruling {
	v := newView(c)
	findings := v.find()
	r := Ruling{Judgement: Judgement{Name: c.Question.Name, Type: c.Question.Type, At: v.at}}
	r.Accusations = v.accuse(findings)
	for _, o := range v.choose(func(*answer) bool { return true }) {
		r.Answers = append(r.Answers, o.Observation)
	}
	for _, s := range c.Samples {
		r.Evidence = append(r.Evidence, s.Evidence...)
	}
	v.fresh(&r)
	v.toProve(&r)
	v.decide(&r)
	v.explain(&r)
	return r
}

// fresh notes whose answers the sample being judged holds, and which are good.
func (v *view) fresh(r *Ruling) {
	standing := map[string]bool{}
	for _, o := range v.now {
		if v.stands(o) == silent {
			continue
		}
		voice := o.Group()
		if o.Role == Local {
			voice, r.Fresh = string(Local), true
		}
		was, seen := standing[voice]
		standing[voice] = v.stands(o) == good && (was || !seen)
	}
	for voice, ok := range standing {
		if ok {
			r.Good = append(r.Good, voice)
		}
	}
	slices.Sort(r.Good)
}

// accuse gathers the findings by the voice they are held against, and weighs
// each heap. The one against this host's own path comes first.
func (v *view) accuse(fs []Finding) []Accusation {
	heaps := map[string]*Accusation{}
	for _, f := range fs {
		key := f.Group
		if f.Local {
			key = "\x00"
		}
		a := heaps[key]
		if a == nil {
			a = &Accusation{Local: f.Local, Group: f.Group, Resolver: f.Resolver}
			heaps[key] = a
		}
		a.Findings = append(a.Findings, f)
		a.Pending = a.Pending || f.Pending
		if f.Address.IsValid() && !slices.Contains(a.Observed, f.Address) {
			a.Observed = append(a.Observed, f.Address)
		}
	}
	var as []Accusation
	for _, a := range heaps {
		v.weigh(a)
		v.measure(a)
		as = append(as, *a)
	}
	if slices.ContainsFunc(as, func(a Accusation) bool { return a.Local && a.Kind == AuthorityHijack }) {
		as = slices.DeleteFunc(as, func(a Accusation) bool { return !a.Local && a.Kind == AuthorityHijack }) // one thing, said once
	}
	slices.SortFunc(as, func(a, b Accusation) int {
		if a.Local != b.Local {
			if a.Local {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Group, b.Group)
	})
	return as
}

// score adds up findings: within a family the strongest counts in full and each
// other rule adds little, since they look at the same lie.
func score(fs []Finding) int {
	best, rulesOf := map[byte]int{}, map[byte]map[string]bool{}
	for _, f := range fs {
		if f.Weight == 0 {
			continue
		}
		fam := family(f.Rule)
		best[fam] = max(best[fam], f.Weight)
		if rulesOf[fam] == nil {
			rulesOf[fam] = map[string]bool{}
		}
		rulesOf[fam][f.Rule] = true
	}
	sum := 0
	for fam, w := range best {
		sum += min(familyCaps[fam], w+min(10, 5*(len(rulesOf[fam])-1)))
	}
	return sum
}

// Thresholds of the score, in decibans.
const (
	suspectAt  = 20
	probableAt = 60
)

// weigh decides kind, place and confidence of an accusation. Confidence is
// confirmed only by a sufficient set: proof of content together with proof of
// place, or a broken pin together with either. No sum of hints confirms.
func (v *view) weigh(a *Accusation) {
	a.Score = score(a.Findings)
	has := func(rule string, weight int) bool {
		return slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == rule && f.Weight >= weight })
	}
	mismatch, pin := has("id.tls_mismatch", proof), has("pin.violation", proof)
	split, uniform := has("div.transport_split", strong), has("div.plain_path_uniform", proof)
	a.Pinned = pin
	a.Content = has("id.tls_mismatch", medium) || has("pin.violation", pending) || split || uniform
	witnesses := len(v.goodGroups(a.Group))

	switch {
	case mismatch && (split || uniform) && witnesses >= 2:
		a.Confidence = Confirmed
	case pin && (mismatch || uniform || split || has("ttl.over_envelope", strong) || v.pinBreakers() >= 2):
		a.Confidence = Confirmed
	case a.Score >= probableAt:
		a.Confidence = Probable
	case a.Score >= suspectAt:
		a.Confidence = Suspected
	}

	if v.injected(a) {
		return
	}
	lying := len(v.liars()) >= uniformGroups || split
	special := has("div.special_purpose", medium)
	switch {
	case v.everybody(a):
		a.Kind, a.Attribution = AuthorityHijack, AtAuthority
	case a.Local && lying:
		a.Kind, a.Attribution = PathRewritten, AtPath
	case special && !a.Content:
		a.Kind, a.Attribution = Rebinding, AtResolver
	default:
		a.Kind, a.Attribution = ResolverCache, AtResolver
		if a.Local && len(v.groups) == 0 {
			a.Attribution = "" // nobody to compare with: resolver and path cannot be told apart
		}
		if a.Local && v.onlyHere() {
			a.Attribution = AtHost
		}
	}
	if a.Kind == PathRewritten && a.Resolver == "" || a.Local {
		for _, o := range v.subjects() {
			if o.Role == Local && v.stands(o) == suspicious {
				a.Resolver = o.Label()
				break
			}
		}
	}
}

// onlyHere reports whether the false answer is what the C library makes of the
// name, and no nameserver of this host gives it: the lie is in /etc/hosts, in a
// cache or in a module on the way between.
func (v *view) onlyHere() bool {
	here, nameserver := false, false
	for _, o := range v.subjects() {
		switch {
		case o.Role != Local:
		case o.Transport == System:
			here = here || v.stands(o) == suspicious
		case v.stands(o) == suspicious:
			return false
		default:
			nameserver = nameserver || v.stands(o) == good
		}
	}
	return here && nameserver
}

// measure says since when, how often, and with what leak a lie was told.
func (v *view) measure(a *Accusation) {
	for _, o := range v.all {
		if (o.Role == Local) != a.Local || !a.Local && o.Group() != a.Group || v.stands(o) != suspicious {
			continue
		}
		if a.First.IsZero() {
			a.First = o.At
		}
		a.Last, a.TTL, a.Count = o.At, max(a.TTL, o.TTL(v.Question)), a.Count+1
	}
	if a.Kind == PathInjection || a.Kind == AttackAttempt {
		var first, last time.Time
		a.Transactions, first, last = v.transactions(v.heard())
		if a.First.IsZero() || first.Before(a.First) {
			a.First = first
		}
		if last.After(a.Last) {
			a.Last = last
		}
		a.Count = max(a.Count, len(v.heard()))
	}
	a.Leak = LeakUnchecked
	switch {
	case a.Harmless:
		a.Leak = LeakNo
	case !a.Local:
		a.Leak = LeakNo // no application of this host asks there
	case v.Watch.TLS.Off:
		a.Leak = LeakIfHijacked
	default:
		for _, addr := range a.Observed {
			for _, p := range v.proofs[addr] {
				if p.Outcome == OutcomeOK {
					a.Leak = LeakIfHijacked // a client that checks would be content
				}
			}
		}
	}
}

// pinBreakers counts voices that break a pin: the owner's declaration stands
// against all of them, and so do they against it.
func (v *view) pinBreakers() int {
	groups := map[string]bool{}
	for _, f := range pinViolation(v) {
		if f.Weight >= proof {
			groups[f.Group] = true
		}
	}
	return len(groups)
}

// everybody reports whether what a is accused of saying is said by a quorum of
// witnesses too: then it is the zone that says it.
func (v *view) everybody(a *Accusation) bool {
	for _, addr := range a.Observed {
		if len(v.given[addr]) >= v.quorum() {
			return true
		}
	}
	return false
}

// toProve lists the addresses that handshakes should be made with.
func (v *view) toProve(r *Ruling) {
	if v.Watch.TLS.Off || !v.Question.Type.Address() {
		return
	}
	add := func(to *[]netip.Addr, a netip.Addr) {
		if !slices.Contains(*to, a) {
			*to = append(*to, a)
		}
	}
	for _, o := range v.subjects() {
		for _, a := range o.addrs {
			r.Unsettled = r.Unsettled || o.Role == Local && v.unsettled(a)
			switch c, _ := v.class(a); {
			case c == Special && !privateAddress(a):
			case c.Suspicious() || c == Kin || v.unsettled(a):
				add(&r.Suspects, a)
			case o.Role == Local && v.dueProof(a, c):
				add(&r.Unproven, a)
			}
		}
	}
	for _, c := range v.heard() {
		for _, a := range slices.Concat(c.accepted.addrs, c.denied.addrs) {
			if cl, _ := v.class(a); cl.Suspicious() && (cl != Special || privateAddress(a)) || cl == Kin {
				add(&r.Suspects, a)
			}
		}
	}
	// A control is an address that proved the name before, else one that a
	// quorum of witnesses gives, else what each witness gives: whoever controls
	// one path does not control them all.
	rank := func(a netip.Addr) int {
		c, _ := v.class(a)
		if c.Good() {
			return int(c)
		}
		return 100 - len(v.given[a])
	}
	candidates := map[netip.Addr]bool{}
	for a := range v.given {
		candidates[a] = true
	}
	if b := v.answered(); b != nil {
		for a := range b.Addresses {
			if c, _ := v.class(a); c == Verified {
				candidates[a] = true
			}
		}
	}
	var sorted []netip.Addr
	for a := range candidates {
		if c, _ := v.class(a); c != ProvenBad && !(c == Special && !privateAddress(a)) {
			sorted = append(sorted, a)
		}
	}
	slices.SortFunc(sorted, func(a, b netip.Addr) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Compare(b)) })
	groups := map[string]bool{}
	for _, a := range sorted {
		fresh := false
		for _, g := range v.given[a] {
			fresh = fresh || !groups[g]
			groups[g] = true
		}
		if c, _ := v.class(a); fresh || c == Verified {
			add(&r.Controls, a)
		}
	}
}

// unsettled reports whether a, good as it is, showed a wrong certificate and no
// control was asked yet.
func (v *view) unsettled(a netip.Addr) bool {
	ps := v.proofs[a]
	return len(ps) > 0 && ps[len(ps)-1].Outcome.Wrong() && !v.triedControl(ps[len(ps)-1])
}

// dueProof reports whether a good address should be asked for its certificate
// when there is time: it never was, or not for long.
func (v *view) dueProof(a netip.Addr, c Class) bool {
	if c != Verified {
		return true
	}
	if len(v.proofs[a]) > 0 {
		return false
	}
	b := v.answered()
	return b == nil || b.Addresses[a] == nil || v.at.Sub(b.Addresses[a].Verified) >= v.Policy.Timing.ProofInterval
}

// decide says what an application here would get.
func (v *view) decide(r *Ruling) {
	var own *Accusation
	for i := range r.Accusations {
		if r.Accusations[i].Local {
			own = &r.Accusations[i]
		}
	}
	best, worst, seen := suspicious, silent, false
	for _, o := range v.choose(local) {
		s := v.stands(o)
		if s == silent {
			continue
		}
		best, worst, seen = min(best, s), max(worst, s), true
	}
	if own != nil && own.Confidence > Unsuspected && !own.Harmless {
		r.Kind, r.Confidence, r.Attribution, r.Resolver, r.Score = own.Kind, own.Confidence, own.Attribution, own.Resolver, own.Score
		for _, a := range own.Observed {
			r.Observed = append(r.Observed, a.String())
		}
		switch {
		case own.Kind == Rebinding:
			r.Verdict, r.Cause = Unknown, CauseNoProof
		case own.Confidence == Confirmed && own.Content:
			r.Verdict = Poisoned
		default:
			r.Verdict = Suspicious
		}
		return
	}
	switch {
	case !seen:
		r.Verdict, r.Cause = Unknown, CauseStale
	case worst == good:
		r.Verdict = Clean
	case worst == unwitnessed:
		r.Verdict, r.Cause, r.Absent = Unknown, CauseNoWitness, best == unwitnessed
	default:
		r.Verdict, r.Cause = Unknown, CauseNoProof
		if v.familyUnreachable() {
			r.Cause = CauseFamilyUnreachable
		} else if len(v.groups) == 0 && v.Watch.TLS.Off {
			r.Cause = CauseNoWitness
		} else if !v.learnt() && !v.settled() {
			r.Cause = CauseLearning
		}
	}
	r.Cure = r.Cause.Cure(strings.TrimSuffix(v.Question.Name, "."))
}

// familyUnreachable reports whether every handshake failed for want of a route.
func (v *view) familyUnreachable() bool {
	n := 0
	for _, ps := range v.proofs {
		for _, p := range ps {
			if p.Outcome != OutcomeUnreachable {
				return false
			}
			n++
		}
	}
	return n > 0
}

// settled reports whether witnesses and handshakes have been tried in this case,
// so that waiting will not change much.
func (v *view) settled() bool {
	return len(v.proofs) > 0 || v.Watch.TLS.Off && len(v.groups) > 0
}

// explain writes down the reasons, what speaks against, and what would change
// the judgement.
func (v *view) explain(r *Ruling) {
	r.Reasons, r.Against, r.Expected = []Reason{}, []string{}, v.expected()
	for _, a := range r.Accusations {
		if !a.Local {
			continue
		}
		r.Reasons = reasons(a.Findings)
	}
	switch r.Verdict {
	case Clean:
		r.Proof = v.proofOf()
	case Suspicious, Poisoned:
		r.Against = v.against()
		r.WouldChange = wouldChange(r.Kind, r.Observed, strings.TrimSuffix(v.Question.Name, "."))
	case Unknown:
		r.WouldChange = r.Cure
		// That an address is not known says little; what was tried says more.
		if facts := v.unknownFacts(); len(facts) > 0 && !slices.ContainsFunc(r.Reasons, func(r Reason) bool { return r.Weight > 0 }) {
			r.Reasons = facts
		}
	}
}

// reasons turns findings into reasons, the heaviest first, each fact once.
func reasons(fs []Finding) []Reason {
	rs := []Reason{}
	for _, f := range fs {
		r := Reason{f.Rule, f.Fact, f.Weight}
		if !slices.Contains(rs, r) {
			rs = append(rs, r)
		}
	}
	slices.SortStableFunc(rs, func(a, b Reason) int { return cmp.Compare(b.Weight, a.Weight) })
	return rs
}

// expected gives the addresses held to be right: proven ones, else what
// witnesses give.
func (v *view) expected() []string {
	var best []netip.Addr
	for _, want := range []Class{Verified, Historical, Witnessed} {
		for a := range v.given {
			if c, _ := v.class(a); c == want {
				best = append(best, a)
			}
		}
		if b := v.answered(); b != nil && len(best) == 0 {
			for a := range b.Addresses {
				if c, _ := v.class(a); c == want {
					best = append(best, a)
				}
			}
		}
		if len(best) > 0 {
			break
		}
	}
	slices.SortFunc(best, netip.Addr.Compare)
	ss := []string{}
	for _, a := range best[:min(len(best), 8)] {
		ss = append(ss, a.String())
	}
	return ss
}

// proofOf says in a few words why a name is clean.
func (v *view) proofOf() string {
	n := map[Class]int{}
	why := ""
	for _, o := range v.choose(local) {
		for _, a := range o.addrs {
			c, w := v.class(a)
			n[c]++
			if why == "" || c == Verified {
				why = w
			}
		}
	}
	total := n[Verified] + n[Historical] + n[Witnessed] + n[Authoritative]
	switch {
	case total == 0 && v.Question.Type.Address():
		return "no such record, as witnesses say too"
	case total == 0:
		return "as a quorum of witnesses says"
	case n[Verified] == total && len(v.groups) == 0 && !v.Watch.Pinned():
		return "certificate, no witness: " + why
	case n[Verified] == total:
		return why
	}
	return why + " (without a certificate)"
}

// against lists what speaks against the suspicion.
func (v *view) against() []string {
	as := []string{}
	for _, o := range v.subjects() {
		for _, a := range o.addrs {
			if c, why := v.class(a); c == Strange && strings.HasPrefix(why, "certificate right") {
				as = append(as, a.String()+": "+why)
			} else if c == Kin {
				as = append(as, a.String()+" is "+why)
			}
		}
		if v.stands(o) == suspicious && v.shared(o) {
			as = append(as, "witnesses of other operators give the same")
		}
	}
	if len(v.groups) == 0 {
		as = append(as, "no witness could be heard")
	}
	slices.Sort(as)
	return slices.Compact(as)
}

// unknownFacts says what is missing.
func (v *view) unknownFacts() []Reason {
	var rs []Reason
	for _, o := range v.choose(local) {
		for _, a := range o.addrs {
			if c, why := v.class(a); !c.Good() {
				fact := fmt.Sprintf("%s at %s: %s", a, o.Label(), why)
				if ps := v.proofs[a]; len(ps) > 0 && ps[len(ps)-1].Outcome != OutcomeOK {
					fact += ", and it " + ps[len(ps)-1].Outcome.Phrase()
				}
				rs = append(rs, Reason{Rule: "div.addr_unknown", Fact: fact})
			}
		}
		if s := v.stands(o); s == unwitnessed || s == denied {
			_, give := v.denials()
			rs = append(rs, Reason{Rule: "div.denial", Fact: fmt.Sprintf("%s denies the record; of %d witnesses heard, %d give it", o.Label(), len(v.groups), give)})
		}
	}
	return rs
}

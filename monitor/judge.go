package monitor

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

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
	Blocked     bool         // this host's own path does what a declared policy has it do
	Doubted     []string     // endpoints whose answer is not good
	Doubtful    bool         // this host's own is among them, and nobody has a good one from it
	Moved       bool         // what witnesses and this host's path give has nothing to do with what they gave
	Unsigned    bool         // it is proven that the zone has no signatures
	Egress      netip.Addr   // from where one of those endpoints asks
	Signed      bool         // a signature of the zone was seen to hold
	Absent      bool         // this host's path denies the record, and no witness was heard
	Shown       []Showing    // certificates of the case that prove nothing
	Untimely    bool         // the certificate of a witness is out of its time
}

// Judge decides what is made of a case. It is a pure function: the same case
// gives the same ruling, live or replayed.
func Judge(c *Case) Ruling {
	v := newView(c)
	findings := v.find()
	r := Ruling{Judgement: Judgement{Name: c.Question.Name, Type: c.Question.Type, At: v.at, Maintenance: c.Watch.Maintained(v.at)}}
	if !v.in(StateCaptive) {
		r.Accusations = v.accuse(findings)
	}
	v.unsettle(r.Accusations)
	for _, o := range v.choose(func(*answer) bool { return true }) {
		r.Answers = append(r.Answers, o.Observation)
	}
	for _, s := range c.Samples {
		r.Evidence = append(r.Evidence, s.Evidence...)
	}
	v.fresh(&r)
	v.doubt(&r)
	v.toProve(&r)
	r.Shown, r.Untimely = v.showings(), len(v.choose(func(o *answer) bool { return o.Witness() && o.Error == ErrExpired })) > 0
	v.decide(&r)
	v.mute(&r)
	v.attribute(&r)
	v.explain(&r)
	return r
}

// fresh notes whose answers the sample being judged holds, and which are good.
func (v *view) fresh(r *Ruling) {
	standing := map[string]bool{}
	for _, o := range v.now {
		if v.stands(o) == silent {
			_, is := v.blocked(o)
			r.Fresh, r.Blocked = r.Fresh || is, r.Blocked || is
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

// doubt notes whose answers are not good.
func (v *view) doubt(r *Ruling) {
	for _, o := range v.subjects() {
		// Records other than addresses cannot prove themselves: a change of them is for
		// the zone to say.
		if s := v.stands(o); s == suspicious || s == denied || s == unwitnessed || s == grey && !v.Question.Type.Address() {
			r.Doubted = append(r.Doubted, o.Endpoint())
			r.Doubtful = r.Doubtful || o.Role == Local && s != unwitnessed
		}
	}
	for _, endpoint := range r.Doubted {
		if a, err := netip.ParseAddr(v.facts.selves[endpoint].Egress); err == nil && !r.Egress.IsValid() {
			r.Egress = a
		}
	}
	r.Moved, r.Unsigned, r.Signed = v.moved(), v.facts.unsigned(), v.facts.secure() != nil
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
	for _, a := range v.declared() {
		candidates[a] = true
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
	return len(ps) > 0 && ps[len(ps)-1].Outcome.Wrong() && !v.triedControl(ps[len(ps)-1]) && !v.inspects(ps[len(ps)-1])
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
			r.Cure = r.Cause.Cure(strings.TrimSuffix(v.Question.Name, "."))
		case own.Kind == AuthorityHijack && !own.Pinned:
			r.Verdict = Suspicious // nobody but the owner can say that it is a theft
		case own.Confidence == Confirmed && own.Content:
			r.Verdict = Poisoned
		default:
			r.Verdict = Suspicious
		}
		return
	}
	switch {
	case len(v.blocks()) > 0:
		r.Verdict, r.Cause = Unknown, CauseWithheld
	case !seen:
		r.Verdict, r.Cause = Unknown, CauseStale
	case worst == good:
		r.Verdict = Clean
	case own != nil && own.Kind.paltry() && own.Kind != NXRewritten:
		r.Kind, r.Confidence, r.Attribution, r.Resolver, r.Score = own.Kind, own.Confidence, own.Attribution, own.Resolver, own.Score
		r.Verdict, r.Cause = Unknown, CauseWithheld
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

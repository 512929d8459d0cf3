package monitor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// explain writes down the reasons, what speaks against, and what would change
// the judgement.
func (v *view) explain(r *Ruling) {
	r.Reasons, r.Against, r.Expected = []Reason{}, []string{}, v.expected()
	for _, a := range r.Accusations {
		if !a.Local {
			continue
		}
		r.Reasons = reasons(a.Findings)
		r.Breaches = breaches(a.Findings)
	}
	switch r.Verdict {
	case Clean:
		r.Proof = v.proofOf()
		r.Proven, r.Locked = v.proven()
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

// saidBy reports whether g says all that f does: the same of the same address
// and resolver, with as much weight; or that it breaks a pin, which is more than
// that it is not known.
func (f Finding) saidBy(g Finding) bool {
	if f.Address != g.Address || f.Resolver != g.Resolver {
		return false
	}
	return f.Rule == g.Rule && f.Weight <= g.Weight && f.Address.IsValid() || f.Rule == "div.addr_unknown" && g.Rule == "pin.violation"
}

// reasons turns findings into reasons, the heaviest first, each fact once.
func reasons(fs []Finding) []Reason {
	rs := []Reason{}
	for i, f := range fs {
		if slices.ContainsFunc(fs[:i], f.saidBy) || slices.ContainsFunc(fs[i+1:], func(g Finding) bool { return f.saidBy(g) && !g.saidBy(f) }) {
			continue
		}
		r := Reason{f.Rule, f.Fact, f.Weight}
		if !slices.Contains(rs, r) {
			rs = append(rs, r)
		}
	}
	slices.SortStableFunc(rs, func(a, b Reason) int { return cmp.Compare(b.Weight, a.Weight) })
	return rs
}

// breaches gives the facts that break a lock, each once.
func breaches(fs []Finding) (facts []string) {
	for _, f := range fs {
		if f.Lock && !slices.Contains(facts, f.Fact) {
			facts = append(facts, f.Fact)
		}
	}
	return facts
}

// declared gives the single addresses that the owner says are right.
func (v *view) declared() []netip.Addr {
	var as []netip.Addr
	for _, p := range v.Watch.Expect.Addresses {
		if p.IsSingleIP() && p.Addr().Is4() == (v.Question.Type == TypeA) && v.Question.Type.Address() {
			as = append(as, p.Addr())
		}
	}
	return as
}

// expected gives the addresses held to be right: proven ones, else what
// witnesses give, else what the owner says.
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
	if len(best) == 0 {
		best = v.declared()
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
	case total == 0 && v.saysZone():
		return "as the zone itself says"
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

// proven reports whether every address that this host is given is proven, or
// declared, and whether each serves a key in the lock.
func (v *view) proven() (all, locked bool) {
	n := 0
	all, locked = true, true
	for _, o := range v.choose(local) {
		for _, a := range o.addrs {
			c, _ := v.class(a)
			n++
			all = all && c == Verified
			locked = locked && slices.ContainsFunc(v.proofs[a], func(p Evidence) bool { return p.Outcome == OutcomeOK && v.locks(p.SPKI) })
		}
	}
	return all && n > 0, locked && n > 0
}

// saysZone reports whether it is the zone's own word that makes this host's answers
// good.
func (v *view) saysZone() bool {
	for _, o := range v.choose(local) {
		switch o.canon.Content {
		case Data:
			if !v.zoneGives(o.canon) {
				return false
			}
		case NoData, NXDomain:
			if !v.zoneDenies() || !v.on("clear.denial_zone") {
				return false
			}
		}
	}
	return true
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
		if zone, is := v.blocked(o); is {
			rs = append(rs, Reason{Rule: "div.denial", Fact: fmt.Sprintf("%s blocks the name, as the declared policy %s has it", o.Label(), zone)})
			continue
		}
		for _, a := range o.addrs {
			c, why := v.class(a)
			if c == Authoritative && v.in(StateTLSInspected) {
				rs = append(rs, Reason{Rule: "div.addr_unknown", Fact: fmt.Sprintf("%s at %s: %s, heard on a path that re-signs certificates", a, o.Label(), why)})
			}
			if !c.Good() {
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

package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// addrUnknown (div.addr_unknown): an answer holds an address that is not known
// for the name. It opens a case and proves nothing: every CDN does it. Where a table
// says who announces addresses, somebody new weighs more, and the same one nothing.
func addrUnknown(v *view) []Finding {
	var fs []Finding
	for _, o := range v.subjects() {
		for _, a := range o.addrs {
			if c, why := v.class(a); c == Strange || c == ProvenBad {
				f := accused(o)
				f.Address, f.Fact = a, fmt.Sprintf("%s%s at %s: %s", a, v.facts.owner(a), o.Label(), why)
				if v.known() {
					f.Weight = weak
				}
				switch foreign, ok := v.foreign(a); {
				case foreign:
					f.Weight, f.Fact = medium, f.Fact+", and in none of the networks that the name was known in"
				case ok:
					f.Weight = 0
				}
				fs = append(fs, f)
			}
		}
	}
	return fs
}

// known reports whether anything good is known of the question at all.
func (v *view) known() bool {
	if v.Watch.Pinned() || v.learnt() {
		return true
	}
	for a := range v.given {
		if c, _ := v.class(a); c == Verified {
			return true
		}
	}
	if b := v.answered(); b != nil {
		for _, id := range b.Addresses {
			if !id.Verified.IsZero() {
				return true
			}
		}
	}
	return false
}

// minorityGroup (div.minority_group): one voice stands alone with its answer
// while three independent witnesses or more give addresses that are known to be
// right, and it does not come round. Until a name is learnt, right means proven.
func minorityGroup(v *view) []Finding {
	if len(v.liars()) > 0 {
		return nil // the plain path as a whole is accused, not one resolver
	}
	var fs []Finding
	for _, o := range v.subjects() {
		if v.stands(o) != suspicious {
			continue
		}
		agree := v.goodGroups(o.Group())
		if len(agree) < minorityGroups || v.shared(o) {
			continue
		}
		f := accused(o)
		bad := v.dissents(o)
		if len(bad) == 0 { // one of a pool, that was good last
			bad = slices.DeleteFunc(v.answersOf(o.Endpoint(), poolAnswers), func(o *answer) bool { return v.stands(o) != suspicious })
		}
		f.Pending = (len(bad) < minorityHits || bad[len(bad)-1].At.Sub(v.firstDissent(o)) < v.Policy.Timing.Minority) && v.on("clear.lag")
		if !f.Pending {
			f.Weight = medium
		}
		f.Address = v.worstOf(o)
		f.Fact = fmt.Sprintf("%s stands alone: %s agree on other addresses (%s), %d of its last %d answers differ, over %s",
			o.Label(), strings.Join(agree, ", "), "proven or witnessed", len(bad), len(v.answersOf(o.Endpoint(), minorityHits+1)),
			round(bad[len(bad)-1].At.Sub(v.firstDissent(o))))
		fs = append(fs, f)
	}
	return fs
}

// goodGroups gives the voices of witnesses, but for that of one group, whose answers
// are good.
func (v *view) goodGroups(but string) []string {
	standing := map[string]bool{}
	for _, o := range v.latest {
		voice := v.voice(o.Group())
		if !v.votes(o) || voice == v.voice(but) {
			continue
		}
		ok := v.stands(o) == good && (v.learnt() || v.best(o) == Verified || !v.on("clear.learning"))
		if was, seen := standing[voice]; seen {
			ok = ok && was
		}
		standing[voice] = ok
	}
	var gs []string
	for g, ok := range standing {
		if ok {
			gs = append(gs, g)
		}
	}
	slices.Sort(gs)
	return gs
}

// shared reports whether a witness that is another voice gives a suspicious address
// of o as well.
func (v *view) shared(o *answer) bool {
	if !v.on("clear.company") {
		return false
	}
	for _, a := range o.addrs {
		if c, _ := v.class(a); !c.Suspicious() {
			continue
		}
		for _, g := range v.given[a] {
			if g != v.voice(o.Group()) && !v.forwards(o, g) {
				return true
			}
		}
	}
	return false
}

// firstDissent is when the endpoint of o first gave a suspicious answer in this case.
func (v *view) firstDissent(o *answer) time.Time {
	for _, p := range v.all {
		if p.Endpoint() == o.Endpoint() && v.stands(p) == suspicious {
			return p.At
		}
	}
	return o.At
}

// specialPurpose (div.special_purpose): a public name is answered with an
// address that is not reachable in public. Policies answer so as well, and
// private endpoints do: the certificate clears those.
func specialPurpose(v *view) []Finding {
	var fs []Finding
	for _, o := range v.subjects() {
		for _, a := range o.addrs {
			// That it showed a wrong certificate as well makes it no less special.
			c, _ := v.class(a)
			what, special := SpecialPurpose(a, v.Policy.Exempt)
			if !special || !c.Suspicious() {
				continue
			}
			f := accused(o)
			f.Address = a
			f.Fact = fmt.Sprintf("%s at %s is %s, and the name is public", a, o.Label(), what)
			switch {
			case !v.public() && v.on("clear.never_public"):
				f.Fact = fmt.Sprintf("%s at %s is %s, as it was since first seen", a, o.Label(), what)
			case sink(a):
				f.Weight = suspectAt
			default:
				f.Weight = strong
			}
			fs = append(fs, f)
		}
	}
	return fs
}

// public reports whether the name is known to have public addresses.
func (v *view) public() bool {
	for a := range v.given {
		if _, special := SpecialPurpose(a, v.Policy.Exempt); !special {
			return true
		}
	}
	return v.wasPublic()
}

// wasPublic reports whether the name is known to have had public addresses before.
func (v *view) wasPublic() bool {
	if b := v.answered(); b != nil {
		for a, id := range b.Addresses {
			if _, special := SpecialPurpose(a, v.Policy.Exempt); !special && (!id.Verified.IsZero() || id.Witnessed.Count > 0) {
				return true
			}
		}
	}
	return false
}

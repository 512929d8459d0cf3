package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// denialTries is how often a denial must be repeated before it counts.
const denialTries = 3

// divDenial (div.denial): a resolver says that there is no such record, over and
// over, while others give it. Filters do that, and so does who wants a name gone;
// only a signature tells them apart.
func divDenial(v *view) []Finding {
	var fs []Finding
	for _, o := range v.subjects() {
		if v.stands(o) != denied || o.Filtering {
			continue
		}
		give := v.giving(o.Group())
		at := v.denied(o)
		if len(give) < uniformGroups || len(at) == 0 {
			continue
		}
		f := accused(o)
		f.Fact = fmt.Sprintf("%s says %s, and %s give an address; %s over %s", o.Label(), show(o), strings.Join(give, ", "), times(len(at)), round(at[len(at)-1].Sub(at[0])))
		if what, ok := policy(o); ok {
			f.Fact += "; " + what
		}
		f.Pending = len(give) < minorityGroups || len(at) < denialTries || at[len(at)-1].Sub(at[0]) < v.Policy.Timing.Minority
		if !f.Pending {
			f.Weight = suspectAt
		}
		fs = append(fs, f)
	}
	return fs
}

// giving lists the witness groups, but for one, that give records.
func (v *view) giving(but string) []string {
	var gs []string
	for _, o := range v.latest {
		if v.votes(o) && o.canon.Content == Data && v.voice(o.Group()) != v.voice(but) && !slices.Contains(gs, v.voice(o.Group())) {
			gs = append(gs, v.voice(o.Group()))
		}
	}
	slices.Sort(gs)
	return gs
}

// denied gives when the endpoint of o denied the record, without an answer in
// between that gave it.
func (v *view) denied(o *answer) (at []time.Time) {
	for _, p := range v.answersOf(o.Endpoint(), len(v.all)) {
		if p.canon.Content == Data {
			at = nil
			continue
		}
		at = append(at, p.At)
	}
	return at
}

// edeBlocked are the extended errors that say that somebody withholds an answer
// on purpose (RFC 8914 §4.5, §4.16 to §4.19).
var edeBlocked = map[uint16]string{4: "forged", 15: "blocked", 16: "censored", 17: "filtered", 18: "prohibited"}

// policy reports whether o looks like what filters answer with (detection CE-7),
// and why. Whoever poisons may claim the same: so it explains, and clears nothing.
func policy(o *answer) (what string, ok bool) {
	for _, e := range o.EDE {
		if word, is := edeBlocked[e]; is {
			return fmt.Sprintf("it says itself that the name is %s (EDE %d)", word, e), true
		}
	}
	if o.canon.Content == NXDomain && !o.Has("RA") && len(o.Flags) > 0 {
		return "it denies the name without offering recursion, as filters do", true
	}
	if len(o.addrs) > 0 && !slices.ContainsFunc(o.addrs, func(a netip.Addr) bool { return !sink(a) }) {
		return "with an address that leads nowhere, as filters do", true
	}
	return "", false
}

// blocked reports whether o is what a declared policy makes a resolver of this host
// answer (detection CE-7), and which: a denial, addresses that lead nowhere, or the
// very ones that the policy gives. Any other address is for the rules to judge.
func (v *view) blocked(o *answer) (zone string, ok bool) {
	if !local(o) || !v.on("clear.rpz") {
		return "", false
	}
	for _, b := range v.Watch.Blocks {
		switch o.canon.Content {
		case NoData, NXDomain:
			return b.Zone, true
		case Data:
			if len(o.addrs) > 0 && !slices.ContainsFunc(o.addrs, func(a netip.Addr) bool { return !sink(a) && !slices.Contains(b.Addresses, a) }) {
				return b.Zone, true
			}
		}
	}
	return "", false
}

// blocks lists the latest answers of this host's path that are so.
func (v *view) blocks() []*answer {
	return v.choose(func(o *answer) bool { _, is := v.blocked(o); return is })
}

// withheld reports whether all that is held against a voice is that it withholds
// the name, and whether in the way that filters do.
func (v *view) withheld(a *Accusation) (withheld, byPolicy bool) {
	if a.Content || len(a.Findings) == 0 {
		return false, false
	}
	for _, o := range v.subjects() {
		if (o.Role == Local) != a.Local || !a.Local && o.Group() != a.Group {
			continue
		}
		switch s := v.stands(o); {
		case s == denied, s == suspicious && v.nowhere(o):
			withheld = true
			_, is := policy(o)
			byPolicy = byPolicy || is || s == suspicious
		case s == suspicious:
			return false, false
		}
	}
	return withheld, byPolicy
}

// nowhere reports whether every address of o leads nowhere, or back to this host:
// filters on the host itself answer with its own address.
func (v *view) nowhere(o *answer) bool {
	for _, a := range o.addrs {
		if !sink(a) && !v.here(a) {
			return false
		}
	}
	return len(o.addrs) > 0
}

// here reports whether a is an address of this host.
func (v *view) here(a netip.Addr) bool {
	return slices.ContainsFunc(v.proofs[a], func(p Evidence) bool {
		return p.Outcome == OutcomeNotDialled && strings.HasSuffix(p.Detail, OwnAddress)
	})
}

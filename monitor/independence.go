package monitor

import (
	"net/netip"
	"slices"
	"strings"
)

// voice is whose voice the group of an observation is, once it is known from where
// witnesses ask: operators that ask from one network are one, and share a cache and
// its fate (detection §6.1). Where nothing is known each operator is its own.
func (v *view) voice(group string) string {
	if all, ok := v.voices[group]; ok {
		return all
	}
	return group
}

// join works out which witnesses are one voice: it is named for all of them.
func (v *view) join() {
	if !v.on("vote.egress") {
		return
	}
	var sets [][]string // of groups, disjoint
	selves := map[string]Evidence{}
	for _, o := range v.choose(func(o *answer) bool { return o.Witness() }) {
		self, ok := v.facts.selves[o.Endpoint()]
		if !ok {
			continue
		}
		set := []string{o.Group()}
		sets = slices.DeleteFunc(sets, func(s []string) bool {
			one := slices.ContainsFunc(v.choose(func(p *answer) bool { return p.Witness() && slices.Contains(s, p.Group()) }), func(p *answer) bool {
				other, ok := selves[p.Endpoint()]
				return ok && (p.Group() == o.Group() || v.facts.shares(self, other))
			})
			if one {
				set = append(set, s...)
			}
			return one
		})
		sets, selves[o.Endpoint()] = append(sets, set), self
	}
	v.voices = map[string]string{}
	for _, s := range sets {
		slices.Sort(s)
		s = slices.Compact(s)
		for _, g := range s {
			v.voices[g] = strings.Join(s, "+")
		}
	}
}

// shares reports whether every address that either of two resolvers asks from is
// near one of the other's: one whoami that lies must not make them one.
func (f *facts) shares(x, y Evidence) bool {
	all := func(as, bs []netip.Addr) bool {
		return len(as) > 0 && !slices.ContainsFunc(as, func(a netip.Addr) bool {
			return !slices.ContainsFunc(bs, func(b netip.Addr) bool { return f.beside(a, b, false) })
		})
	}
	return all(asksFrom(x), asksFrom(y)) && all(asksFrom(y), asksFrom(x))
}

// forwards reports whether o, a resolver of this host, asks through a witness of the
// voice: then they say the same, and neither is company to the other.
func (v *view) forwards(o *answer, voice string) bool {
	self, ok := v.facts.selves[o.Endpoint()]
	return ok && local(o) && v.on("vote.egress") && len(v.choose(func(w *answer) bool {
		other, ok := v.facts.selves[w.Endpoint()]
		return ok && w.Witness() && v.voice(w.Group()) == voice && v.facts.shares(self, other)
	})) > 0
}

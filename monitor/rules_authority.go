package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// walkContradiction (walk.contradiction): the zone's own servers, all of them,
// asked from the root downwards and for clients of several continents, never give
// the address. On its own it says little of a zone with an answer for each
// network; beside a lone voice or a wrong certificate it says much.
func walkContradiction(v *view) []Finding {
	w := v.facts.walk
	if w == nil || w.Absent && len(w.Servers) == 0 {
		return nil
	}
	_, answered := v.facts.authority(netip.Addr{})
	if answered == 0 && len(w.Addresses) == 0 {
		return nil
	}
	var fs []Finding
	for _, o := range v.subjects() {
		for _, a := range o.addrs {
			c, _ := v.class(a)
			gave, _ := v.facts.authority(a)
			if c != Strange && c != ProvenBad || gave > 0 || slices.Contains(w.Addresses, a) {
				continue
			}
			f := accused(o)
			f.Address, f.Weight = a, strong
			switch {
			case !v.learnt() && c != ProvenBad && !v.doubted(a):
				f.Weight = weak // of a name that is new here nobody knows what it gives to whom
			case v.gaveFirst(o, a).After(w.At):
				f.Weight = weak // the zone may have moved since
			case w.Partial || v.unseen(v.voice(o.Group())):
				f.Weight = medium
			}
			f.Fact = fmt.Sprintf("%s at %s: no authoritative server of the zone ever gives it (%d asked, from the root downwards)", a, o.Label(), max(answered, 1))
			fs = append(fs, f)
		}
	}
	return fs
}

// gaveFirst is when the endpoint of o first gave an address in this case.
func (v *view) gaveFirst(o *answer, a netip.Addr) time.Time {
	for _, p := range v.all {
		if p.Endpoint() == o.Endpoint() && slices.Contains(p.addrs, a) {
			return p.At
		}
	}
	return o.At
}

// unseen reports whether a witness, other than the one of a group, is given what
// the walk did not see: the zone answers each network with something else, and
// there is more of it than we were shown.
func (v *view) unseen(but string) bool {
	for a, groups := range v.given {
		gave, _ := v.facts.authority(a)
		if gave == 0 && !slices.Contains(v.facts.walk.Addresses, a) && slices.ContainsFunc(groups, func(g string) bool { return g != but }) {
			return true
		}
	}
	return false
}

// nsSplit (auth.ns_split): one of several authoritative servers of the zone gives
// an address that is held to be false, and the others do not: that server, or the
// route to it, is in somebody else's hands.
func nsSplit(v *view) []Finding {
	w := v.facts.walk
	if w == nil || len(w.Servers) < 2 {
		return nil
	}
	var fs []Finding
	for _, o := range v.subjects() {
		for _, a := range o.addrs {
			c, _ := v.class(a)
			gave, answered := v.facts.authority(a)
			if !c.Suspicious() || gave == 0 || gave*2 > answered || !v.elsewhere(a) {
				continue
			}
			f := accused(o)
			f.Address, f.Weight = a, strong
			var who, rest []string
			for _, s := range w.Servers {
				switch {
				case s.Error != "":
				case slices.Contains(s.Addresses, a):
					who = append(who, strings.TrimSuffix(s.Name, ".")+" "+s.Address.String())
				default:
					rest = append(rest, strings.TrimSuffix(s.Name, ".")+" "+s.Address.String())
				}
			}
			f.Fact = fmt.Sprintf("%s is given by %s, and never by %s", a, strings.Join(who, ", "), strings.Join(rest, ", "))
			fs = append(fs, f)
		}
	}
	return fs
}

// elsewhere reports whether the walk gave an address, other than a, that is good.
func (v *view) elsewhere(a netip.Addr) bool {
	return v.facts.walk != nil && slices.ContainsFunc(v.facts.walk.Addresses, func(b netip.Addr) bool {
		c, _ := v.class(b)
		return b != a && c.Good()
	})
}

// freshFor is how young a certificate is that may have come with a change, and
// how long the signs of one change are taken together.
const freshFor = 48 * time.Hour

// moved reports whether everything that this host's path gives for a name that is
// known is new, and a quorum of witnesses gives nothing else either. Caches of
// others may lag.
func (v *view) moved() bool {
	if !v.movedHere() || len(v.groups) < 2 {
		return false
	}
	staying := map[string]bool{}
	for a, groups := range v.given {
		if v.knownBefore(a) {
			for _, g := range groups {
				staying[g] = true
			}
		}
	}
	return len(v.groups)-len(staying) >= v.quorum()
}

// movedHere reports whether a name that is learnt is found here at good
// addresses only of which none was known before.
func (v *view) movedHere() bool {
	b := v.answered()
	if b == nil || !v.learnt() || !v.Question.Type.Address() {
		return false
	}
	old, seen := false, false
	for a := range b.Addresses {
		old = old || v.knownBefore(a)
	}
	for _, o := range v.choose(local) {
		if s := v.stands(o); s != good && s != silent {
			return false
		}
		for _, a := range o.addrs {
			if v.knownBefore(a) {
				return false
			}
			seen = true
		}
	}
	return old && seen
}

// knownBefore reports whether a was the name's before this case.
func (v *view) knownBefore(a netip.Addr) bool {
	id := v.answered().Addresses[a]
	return id != nil && (!id.Verified.IsZero() || v.isHistorical(a)) && !v.newHere(a)
}

// newHere reports whether a became known in this case only.
func (v *view) newHere(a netip.Addr) bool {
	id := v.answered().Addresses[a]
	return !v.Opened.IsZero() && !id.Seen.First.Before(v.Opened)
}

// delegated gives the newest facts about where the zone is delegated to, and
// where it was before the signs of a change are taken together; nil for unknown.
func (v *view) delegated() (now Evidence, was *Delegation) {
	if v.Base == nil || len(v.Base.Zones) == 0 {
		return now, nil
	}
	if now = v.delegation(); now.Kind == "" {
		return now, nil
	}
	was = &v.Base.Zones[0]
	for i, z := range v.Base.Zones {
		if v.at.Sub(z.First) >= freshFor && z.Last.After(was.Last) {
			was = &v.Base.Zones[i]
		}
	}
	return now, was
}

// delegation gives the newest facts about where the zone is delegated to, from its
// own servers or over TLS; empty for unknown.
func (v *view) delegation() (now Evidence) {
	if w := v.facts.walk; w != nil {
		now = *w
	}
	for endpoint, es := range v.facts.signed {
		for _, e := range es {
			if overTLS(endpoint) && e.At.After(now.At) && len(e.Nameservers) > 0 {
				now = e
			}
		}
	}
	return now
}

// overTLS reports whether the endpoint, as Observation.Endpoint has it, is an
// authenticated one.
func overTLS(endpoint string) bool {
	t := Transport(endpoint[strings.LastIndexByte(endpoint, '|')+1:])
	return t == DoT || t == DoH
}

// changed gives a finding against the path of this host: what it says is what
// everybody says.
func (v *view) changed(weight int, fact string) []Finding {
	os := v.choose(local)
	if len(os) == 0 {
		return nil
	}
	f := accused(os[0])
	f.Weight, f.Fact = weight, fact
	if len(os[0].addrs) > 0 {
		f.Address = os[0].addrs[0]
	}
	return []Finding{f}
}

// changeMoved (name.moved): the name left every network that it was known in,
// not for this host alone, and proves itself with a key that was never seen:
// another provider has it now. It is worth a notice, and no more by itself.
func changeMoved(v *view) []Finding {
	if v.Base == nil || len(v.Base.Keys) == 0 || !v.movedHere() {
		return nil
	}
	b := v.answered()
	for _, o := range v.choose(local) {
		for _, a := range o.addrs {
			if len(v.given[a]) == 0 {
				continue
			}
			for known := range b.Addresses {
				if v.knownBefore(known) && neighbours(known, a) {
					return nil
				}
			}
			if foreign, ok := v.foreign(a); ok && !foreign {
				return nil
			}
			ps := v.proofs[a]
			if len(ps) == 0 || ps[len(ps)-1].Outcome != OutcomeOK || v.keyBefore(ps[len(ps)-1].SPKI) {
				continue
			}
			return v.changed(0, fmt.Sprintf("everybody finds it at %s now, in another network and with a key that was never seen", show(o)))
		}
	}
	return nil
}

// keyBefore reports whether the name had the key before this case.
func (v *view) keyBefore(spki string) bool {
	k := v.Base.Keys[spki]
	return k != nil && (v.Opened.IsZero() || k.First.Before(v.Opened))
}

// nsChanged (deleg.ns_changed): the zone has other name servers than it had. While
// the name stays where it was, that is worth a notice, and no more.
func nsChanged(v *view) []Finding {
	now, was := v.delegated()
	if was == nil || len(was.Nameservers) == 0 || len(now.Nameservers) == 0 || now.Zone != was.Zone || v.servedBefore(now) {
		return nil
	}
	weight, what := medium, "some of"
	if !intersect(now.Nameservers, was.Nameservers) {
		weight, what = strong, "all of"
	}
	if !v.moved() {
		weight = 0
	}
	return v.changed(weight, fmt.Sprintf("%s the name servers of %s are new: %s, where they were %s", what, now.Zone,
		join(now.Nameservers, ""), join(was.Nameservers, "")))
}

// glueMoved (deleg.glue): the zone has the name servers that it had, by name, and
// none of them is where it was, nor near. While the name stays where it was, that is
// worth a notice, and no more.
func glueMoved(v *view) []Finding {
	now, was := v.delegated()
	as := now.serverAddresses()
	if was == nil || now.Zone != was.Zone || !slices.Equal(now.Nameservers, was.Nameservers) || !apart(was.Addresses, as) || v.foundBefore(now) {
		return nil
	}
	weight := medium
	if !v.moved() {
		weight = 0
	}
	return v.changed(weight, fmt.Sprintf("the name servers of %s have their names, and all of them are elsewhere: at %s, where they were at %s", now.Zone,
		texts(as), texts(was.Addresses)))
}

// foundBefore reports whether the zone's servers were found there before the signs
// of a change are taken together.
func (v *view) foundBefore(now Evidence) bool {
	return slices.ContainsFunc(v.Base.Zones, func(z Delegation) bool {
		return z.Zone == now.Zone && slices.Equal(z.Nameservers, now.Nameservers) && v.at.Sub(z.First) >= freshFor &&
			len(z.Addresses) > 0 && !apart(z.Addresses, now.serverAddresses())
	})
}

// texts lists addresses, a few of them.
func texts(as []netip.Addr) string {
	var ss []string
	for _, a := range as {
		ss = append(ss, a.String())
	}
	return join(ss, "nowhere")
}

// apart reports whether two lists of addresses have nothing in common, not even a
// network. Of an empty one that cannot be said.
func apart(as, bs []netip.Addr) bool {
	return len(as) > 0 && len(bs) > 0 && !slices.ContainsFunc(as, func(a netip.Addr) bool {
		return slices.ContainsFunc(bs, func(b netip.Addr) bool { return neighbours(a, b) })
	})
}

// parentChild (deleg.parent_child): the zone's own servers name others than its
// parent does, of somebody else. Many zones are left like that for years; where the
// name moves as well, it is one more thing to look at.
func parentChild(v *view) []Finding {
	w := v.facts.walk
	if w == nil || !w.PathProven || len(w.Nameservers) == 0 || len(w.Delegation) == 0 || !v.moved() {
		return nil
	}
	for _, child := range w.Nameservers {
		if slices.ContainsFunc(w.Delegation, func(parent string) bool { return registrable(parent) == registrable(child) }) {
			return nil
		}
	}
	return v.changed(weak, fmt.Sprintf("%s is delegated to %s, and calls %s its name servers itself", w.Zone, join(w.Delegation, ""), join(w.Nameservers, "")))
}

// servedBefore reports whether the zone had these name servers before the signs of
// a change are taken together: servers of one zone may name different ones.
func (v *view) servedBefore(now Evidence) bool {
	first := v.Base.Zones[0].First
	return slices.ContainsFunc(v.Base.Zones, func(z Delegation) bool {
		return z.Zone == now.Zone && slices.Equal(z.Nameservers, now.Nameservers) && (z.First.Equal(first) || v.at.Sub(z.First) >= freshFor)
	})
}

// dsChanged (deleg.ds): the zone above no longer vouches for the key of this one.
// While the name stays where it was, that is worth a notice, and no more.
func dsChanged(v *view) []Finding {
	now, was := v.delegated()
	if was == nil || len(was.DS) == 0 || now.Zone != was.Zone || now.Status == Indeterminate || intersect(now.DS, was.DS) {
		return nil
	}
	gone, replaced := strong, medium
	if !v.moved() {
		gone, replaced = 0, 0
	}
	if len(now.DS) == 0 {
		return v.changed(gone, fmt.Sprintf("%s was signed, and its DS record is gone", now.Zone))
	}
	return v.changed(replaced, fmt.Sprintf("the DS records of %s are all new: no key was handed on", now.Zone))
}

// certFresh (cert.fresh_unexpected): the name moved, and proves itself with a
// certificate that is as young as the move, and with a key that nobody knew.
// Every migration looks like this, and so does every thief of a domain.
func certFresh(v *view) []Finding {
	if v.Base == nil || len(v.Base.Keys) == 0 || !v.moved() {
		return nil
	}
	for _, o := range v.choose(local) {
		for _, a := range o.addrs {
			for _, p := range slices.Backward(v.proofs[a]) {
				if p.Outcome != OutcomeOK {
					continue
				}
				if v.keyBefore(p.SPKI) || p.NotBefore.IsZero() || p.At.Sub(p.NotBefore) > freshFor {
					return nil
				}
				return v.changed(medium, fmt.Sprintf("%s shows a certificate of %s, with a key that was never seen", a, p.NotBefore.UTC().Format("2006-01-02 15:04")))
			}
		}
	}
	return nil
}

package monitor

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Learn takes into b what the case shows: from what was proven, from what a
// quorum of witnesses gave in the sample being judged, and from nothing else.
// What a resolver says alone is never learnt, however often, and rounds are not
// learnt from while somebody stands accused. It reports whether anything
// changed that must not be lost.
func Learn(b *Baseline, c *Case, calm bool) (changed bool) {
	b.normalize()
	v := newView(c)
	a := b.Types[c.Question.Type]
	if a == nil {
		a = &Answered{}
		a.normalize()
		b.Types[c.Question.Type] = a
		changed = true
	}
	if len(c.Samples) == 0 {
		return changed
	}
	now := c.Samples[len(c.Samples)-1]
	for _, e := range now.Evidence {
		if e.Kind == EvidenceTLS && v.learnProof(b, a, e) || e.Kind == EvidenceDNSSEC && v.learnSigned(b, a, e) {
			changed = true
		}
		if e.Kind == EvidenceASN && v.learnNetwork(a, e) {
			changed = true
		}
		if calm && e.Kind == EvidenceHost && v.learnHost(b, e) {
			changed = true
		}
		if calm && e.Kind == EvidenceWalk && e.PathProven && v.learnWalk(a, e) {
			changed = true
		}
		if calm && (e.Kind == EvidenceWalk && e.PathProven || e.Kind == EvidenceDNSSEC && overTLS(e.Resolver)) && b.learnZone(e) {
			changed = true
		}
	}
	if calm && v.learnWord(a, now) {
		changed = true
	}
	if calm && now.Via == Probe {
		v.learnAD(b)
	}
	if calm && v.learnNAT64(b) {
		changed = true
	}
	if calm && slices.ContainsFunc(now.Answers, Observation.Witness) && v.learnRound(a, now) {
		changed = true
	}
	a.trim()
	trimKeys(b)
	return changed
}

// learnProof takes in one handshake.
func (v *view) learnProof(b *Baseline, a *Answered, e Evidence) (changed bool) {
	class, _ := v.class(e.Address)
	switch {
	case class == Verified && (e.Outcome == OutcomeOK || v.Watch.HasPin(e.SPKI)):
		id, fresh := a.identity(e.Address)
		changed = fresh || id.Verified.IsZero() || id.SPKI != e.SPKI || e.At.Sub(id.Verified) > time.Hour
		id.Seen.add(e.At)
		id.Verified, id.By, id.SPKI, id.Bad = e.At, "certificate", e.SPKI, time.Time{}
		if v.Watch.HasPin(e.SPKI) {
			id.By = "pinned key"
		}
		k := b.Keys[e.SPKI]
		if k == nil {
			k = &KeySpan{Issuer: e.Issuer, NotBefore: e.NotBefore}
			b.Keys[e.SPKI] = k
			changed = true
		}
		k.add(e.At)
	case class == ProvenBad && v.spaced(v.wrong(e.Address)):
		id, _ := a.identity(e.Address)
		id.Seen.add(e.At)
		changed = id.Bad.IsZero()
		id.Bad = e.At
	}
	return changed
}

// learnSigned takes in a record that the zone signed.
func (v *view) learnSigned(b *Baseline, a *Answered, e Evidence) (changed bool) {
	if e.Status != Secure {
		return false
	}
	if b.Signing == nil {
		b.Signing = map[string]time.Time{}
	}
	if _, known := b.Signing[e.Resolver]; known || len(b.Signing) < maxSigning {
		changed = e.At.Sub(b.Signing[e.Resolver]) > time.Hour
		b.Signing[e.Resolver] = e.At
	}
	for _, addr := range e.Addresses {
		if _, special := SpecialPurpose(addr, v.Policy.Exempt); special || v.keyPinned() || !v.on("clear.signed") {
			continue
		}
		id, fresh := a.identity(addr)
		id.Seen.add(e.At)
		if id.Verified.IsZero() || id.By == bySignature {
			changed = changed || fresh || id.Verified.IsZero()
			id.Verified, id.By = e.At, bySignature
		}
	}
	return changed
}

// learnAD counts which endpoints say of good answers that they validated them. It
// is no loss where the last of it is lost.
func (v *view) learnAD(b *Baseline) {
	for _, o := range v.now {
		if o.Transport == System || o.canon.Content != Data || v.stands(o) != good {
			continue
		}
		t, known := b.AD[o.Endpoint()]
		if !known && len(b.AD) >= maxSigning {
			continue
		}
		if b.AD == nil {
			b.AD = map[string]Tally{}
		}
		t.add(o.Has("AD"))
		b.AD[o.Endpoint()] = t
	}
}

// learnWalk takes in what most of the zone's servers give.
func (v *view) learnWalk(a *Answered, e Evidence) (changed bool) {
	for _, addr := range e.Addresses {
		if c, _ := v.class(addr); !c.Good() {
			continue
		}
		if gave, answered := v.facts.authority(addr); gave*2 <= answered {
			continue
		}
		id, fresh := a.identity(addr)
		changed = changed || fresh || id.Authority.IsZero()
		id.Seen.add(e.At)
		id.Authority = e.At
	}
	return changed
}

// learnWord takes in what the zone itself says in the sample s of records that are
// no addresses, and of their absence: caches may say otherwise for a while.
func (v *view) learnWord(a *Answered, s Sample) (changed bool) {
	fresh := slices.ContainsFunc(s.Evidence, func(e Evidence) bool {
		return e.Kind == EvidenceWalk && e.PathProven || e.Kind == EvidenceDNSSEC && e.Status == Secure
	})
	if !fresh {
		return false
	}
	was := a.Denied
	if a.Denied = (time.Time{}); v.zoneDenies() {
		a.Denied = s.At
	}
	changed = was.IsZero() != a.Denied.IsZero()
	if v.Question.Type.Address() {
		return changed
	}
	for _, o := range v.choose(local) {
		if key := o.canon.key(); o.canon.Content == Data && v.zoneGives(o.canon) {
			if a.Canon[key] == nil {
				a.Canon[key] = &Span{}
				changed = true
			}
			a.Canon[key].add(s.At)
		}
	}
	return changed
}

// learnNetwork takes in who announces an address that is good.
func (v *view) learnNetwork(a *Answered, e Evidence) (changed bool) {
	id := a.Addresses[e.Address]
	if c, _ := v.class(e.Address); id == nil || !c.Good() {
		return false
	}
	asn := v.asn(e.Address)
	changed, id.ASN = id.ASN != asn, asn
	return changed
}

// learnHost takes in which nameservers gave this host good answers, and on which
// network. Caches of this host are good as long as what they say is.
func (v *view) learnHost(b *Baseline, e Evidence) (changed bool) {
	good := func(server netip.Addr, cache bool) bool {
		return slices.ContainsFunc(v.choose(local), func(o *answer) bool {
			return o.Transport != System && (o.Server == server || cache && o.Server.IsLoopback()) && v.stands(o) == good
		})
	}
	for _, s := range e.Sources {
		if s.Announced() || !good(s.Server, s.By == ByCache) {
			continue
		}
		s, _ = e.sourceOf(s.Server)
		set := Setting{Network: e.Network, Server: s.Server, By: s.By, From: s.From, MAC: s.MAC, Modules: e.Names}
		i := slices.IndexFunc(b.Hosts, func(k Setting) bool {
			return k.Network == set.Network && k.Server == set.Server && k.From == set.From && k.MAC == set.MAC && slices.Equal(k.Modules, set.Modules)
		})
		if i < 0 {
			if len(b.Hosts) == maxSettings {
				oldest := slices.MinFunc(b.Hosts, func(x, y Setting) int { return x.Last.Compare(y.Last) })
				b.Hosts = slices.DeleteFunc(b.Hosts, func(k Setting) bool { return k.Last.Equal(oldest.Last) && k.Server == oldest.Server })
			}
			b.Hosts, i, changed = append(b.Hosts, set), len(b.Hosts), true
		}
		b.Hosts[i].add(e.At)
	}
	return changed
}

// bySignature is how an address proved itself that the zone signed.
const bySignature = "the zone's signature"

// learnZone takes in where the zone is delegated to. The last few are kept: a
// change is held against what stood before it.
func (b *Baseline) learnZone(e Evidence) (changed bool) {
	if e.Zone == "" || len(e.Nameservers) == 0 || e.Status == Bogus || e.Status == Indeterminate {
		return false
	}
	as := e.serverAddresses()
	for i := range b.Zones {
		z := &b.Zones[i]
		if z.Zone != e.Zone || !slices.Equal(z.Nameservers, e.Nameservers) || !slices.Equal(z.DS, e.DS) || apart(z.Addresses, as) {
			continue
		}
		z.add(e.At)
		if len(as) == 0 || slices.Equal(z.Addresses, as) {
			return false
		}
		z.Addresses = as
		return true
	}
	d := Delegation{Zone: e.Zone, Nameservers: e.Nameservers, DS: e.DS, Addresses: as}
	d.add(e.At)
	b.Zones = append(b.Zones, d)
	b.Zones = b.Zones[max(0, len(b.Zones)-maxZones):]
	return true
}

// learnRound takes in what witnesses said in the sample s.
func (v *view) learnRound(a *Answered, s Sample) (changed bool) {
	if len(v.groups) < v.quorum() {
		return false
	}
	a.Rounds.add(s.At)
	was := a.Gone
	if deny, _ := v.denials(); deny < v.quorum() {
		a.Gone = time.Time{}
	} else {
		a.Absent.add(s.At)
		if was.IsZero() && len(a.TTLs) > 0 {
			a.Gone = s.At
		}
	}
	changed = !a.Gone.Equal(was)
	var longest uint32
	canon := map[string]map[string]bool{}
	for _, o := range v.now {
		if !v.votes(o) || o.canon.Content != Data {
			continue
		}
		if v.stands(o) == good {
			longest = max(longest, o.TTL(v.Question))
			if tail := registrable(o.canon.Tail); o.canon.Tail != v.Question.Name && !slices.Contains(a.Tails, tail) {
				a.Tails = append(a.Tails, tail)
				a.Tails, changed = a.Tails[max(0, len(a.Tails)-maxTails):], true
			}
		}
		key := o.canon.key()
		if canon[key] == nil {
			canon[key] = map[string]bool{}
		}
		canon[key][v.voice(o.Group())] = true
		for _, addr := range o.addrs {
			if c, _ := v.class(addr); c == ProvenBad {
				continue
			}
			id, fresh := a.identity(addr)
			changed = changed || fresh
			if !slices.Contains(id.Groups, o.Group()) && len(id.Groups) < maxGroups {
				id.Groups = append(id.Groups, o.Group())
				slices.Sort(id.Groups)
			}
			if id.Witnessed.Last.Before(s.At) {
				id.Seen.add(s.At)
				id.Witnessed.add(s.At)
			}
		}
	}
	if !v.Question.Type.Address() && v.on("clear.records") {
		for key, groups := range canon {
			if len(groups) >= v.quorum() {
				if a.Canon[key] == nil {
					a.Canon[key] = &Span{}
					changed = true
				}
				a.Canon[key].add(s.At)
			}
		}
	}
	return a.learnTTL(longest, s.At) || changed
}

// learnTTL keeps the longest TTLs that the zone showed, each for as long as it
// was near.
func (a *Answered) learnTTL(ttl uint32, at time.Time) (changed bool) {
	if ttl == 0 {
		return false
	}
	a.TTLs = slices.DeleteFunc(a.TTLs, func(e Envelope) bool { return at.Sub(e.End) >= envelopeFor })
	for i, e := range a.TTLs {
		if ttl <= e.TTL {
			if ttl >= e.TTL-e.TTL/10 {
				a.TTLs[i].End = at
			}
			return false
		}
	}
	a.TTLs = append(a.TTLs, Envelope{TTL: ttl, Start: at, End: at})
	slices.SortFunc(a.TTLs, func(x, y Envelope) int { return cmp.Compare(y.TTL, x.TTL) })
	a.TTLs = a.TTLs[:min(len(a.TTLs), maxEnvelopes)]
	return true
}

// envelope is the longest TTL that the zone is known to have shown. a may be nil.
func (a *Answered) envelope() time.Duration {
	if a == nil || len(a.TTLs) == 0 {
		return 0
	}
	return time.Duration(a.TTLs[0].TTL) * time.Second
}

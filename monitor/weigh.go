package monitor

import (
	"cmp"
	"slices"
)

// accuse gathers the findings by the voice they are held against, and weighs
// each heap. The one against this host's own path comes first.
func (v *view) accuse(fs []Finding) []Accusation {
	heaps := map[string]*Accusation{}
	fs, v.away = setAside(fs)
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
	if !slices.ContainsFunc(as, func(a Accusation) bool { return a.Kind == LocalHost }) {
		as = append(as, v.proxies()...)
	}
	if slices.ContainsFunc(as, func(a Accusation) bool { return a.Local && a.Attribution == AtAuthority }) {
		as = slices.DeleteFunc(as, func(a Accusation) bool { return !a.Local && a.Attribution == AtAuthority }) // one thing, said once
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

// corroborating are rules that lend weight to an accusation and never make one:
// caches differ too much in what they do with TTLs, owners in what they publish, and
// the ways to a server in what they do to a packet; nameservers are changed, and
// validators told to let pass, by those who may.
var corroborating = []string{
	"ttl.over_cap", "ttl.mixed_in_rrset", "ttl.no_countdown", "ttl.early_replace", "ttl.backdated", "ttl.ghost",
	"div.cname_foreign", "div.rrtype_incoherent", "ttl.tool_constant",
	"resp.unsolicited", "resp.question_mismatch", "resp.extraneous", "resp.ip_ttl", "resp.too_fast", "resp.header_profile", "l2.source_changed",
	"resp.malformed", "tcp.without_tc", "kaminsky.burst",
	"dnssec.ad_lost", "host.nss", "host.resolv_conf", "host.dhcp_dns", "lan.control",
}

// corroborates reports whether a finding only lends weight to others.
func (f Finding) corroborates() bool {
	return slices.Contains(corroborating, f.Rule) || slices.Contains(assaults, f.Rule) && f.Weight < strong
}

// score adds up findings. What only corroborates counts where the others suspect
// something without it.
func score(fs []Finding) int {
	alone := sum(slices.DeleteFunc(slices.Clone(fs), Finding.corroborates))
	if alone < suspectAt {
		return alone
	}
	return sum(fs)
}

// sum adds up findings: within a family the strongest counts in full and each
// other rule adds little, since they look at the same lie.
func sum(fs []Finding) int {
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

// weigh decides kind, place and confidence of an accusation.
func (v *view) weigh(a *Accusation) {
	a.Score = score(a.Findings)
	w := v.scales(a)
	w.prove()
	if v.injected(a) || v.assailed(a) {
		return
	}
	w.place()
	if a.Kind == PathRewritten && a.Resolver == "" || a.Local {
		for _, o := range v.subjects() {
			if o.Role == Local && v.stands(o) == suspicious {
				a.Resolver = o.Label()
				break
			}
		}
	}
}

// has reports whether a finding of the rule weighs that much at least.
func (a *Accusation) has(rule string, weight int) bool {
	return slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == rule && f.Weight >= weight })
}

// scales are an accusation with what its findings come to together.
type scales struct {
	*view
	a *Accusation

	mismatch, pin, split, uniform, bogus, unknown, nsSplit, long, minority bool

	redirected bool // somebody answers for addresses at which no resolver is
	lying      bool // and the plain path as a whole lies
	diverted   bool // questions do not leave this host, or not for whom they are for
	inFile     bool // the hosts file of this host has the lie
}

func (v *view) scales(a *Accusation) *scales {
	w := &scales{
		view: v, a: a,
		mismatch: a.has("id.tls_mismatch", proof), pin: a.has("pin.violation", proof), bogus: a.has("dnssec.bogus_here", proof),
		split: a.has("div.transport_split", strong), uniform: a.has("div.plain_path_uniform", proof),
		unknown: a.has("walk.contradiction", strong), nsSplit: a.has("auth.ns_split", strong), long: a.has("ttl.over_envelope", strong),
		minority: a.has("div.minority_group", medium), redirected: a.has("path.dead_resolver_answers", proof), inFile: a.has("host.hosts_file", strong),
	}
	// A lock was learnt: that everybody breaks it may be a change.
	a.Pinned = slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == "pin.violation" && f.Weight >= proof && !f.Lock })
	a.Content = a.has("id.tls_mismatch", medium) || a.has("pin.violation", pending) || w.split || w.uniform || a.has("dnssec.bogus_here", pending) ||
		a.has("dnssec.stripped", strong) || w.minority && w.unknown
	w.lying = len(v.liars()) >= uniformGroups || w.split || w.redirected && a.Content
	if w.diverted = a.Local && len(v.away) > 0 && (a.Content || w.lying); w.diverted {
		a.Findings = append(a.Findings, v.away...)
		a.Score = score(a.Findings)
	}
	return w
}

// prove decides the confidence. It is confirmed only by a sufficient set: proof of
// content together with proof of place, or a broken pin together with either. No sum
// of hints confirms.
func (w *scales) prove() {
	a, witnesses := w.a, len(w.goodGroups(w.a.Group))
	switch {
	case w.bogus: // S1
		a.Confidence = Confirmed
	case w.pin && (w.mismatch || w.uniform || w.split || w.long || w.pinBreakers() >= 2): // S2
		a.Confidence = Confirmed
	case w.mismatch && w.redirected, w.mismatch && (w.split || w.uniform || w.nsSplit) && witnesses >= 2: // S3
		a.Confidence = Confirmed
	case w.mismatch && w.unknown && witnesses >= 2: // S4
		a.Confidence = Confirmed
	case w.mismatch && (w.inFile || a.has("lan.control", medium)) && witnesses >= 2: // S10
		a.Confidence = Confirmed
	case w.diverted && (w.mismatch || w.uniform): // S6
		a.Confidence = Confirmed
	case w.redirected && w.uniform: // S7
		a.Confidence = Confirmed
	case w.unprovable() && w.minority && w.unknown && w.long: // S8
		a.Confidence, a.Unchecked = Confirmed, true
	case w.unprovable() && w.minority && w.unknown && !w.uniform:
		a.Confidence = Probable // nothing tells it from an answer for this network alone
	case a.Score >= probableAt:
		a.Confidence = Probable
	case a.Score >= suspectAt:
		a.Confidence = Suspected
	}
}

// measure says since when, how often, and with what leak a lie was told.
func (v *view) measure(a *Accusation) {
	denies := slices.ContainsFunc(a.Findings, func(f Finding) bool { return !f.Address.IsValid() })
	for _, o := range v.all {
		if s := v.stands(o); (o.Role == Local) != a.Local || !a.Local && o.Group() != a.Group || s != suspicious && (s != denied || !denies) {
			continue
		}
		if a.First.IsZero() {
			a.First = o.At
		}
		a.Last, a.TTL, a.Count = o.At, max(a.TTL, o.TTL(v.Question)), a.Count+1
	}
	if a.Kind == PathInjection || a.Kind == AttackAttempt {
		first, last := v.transact(a)
		if a.First.IsZero() || !first.IsZero() && first.Before(a.First) {
			a.First = first
		}
		if last.After(a.Last) {
			a.Last = last
		}
		a.Count = max(a.Count, len(a.Transactions))
	}
	if a.Last.IsZero() { // it is about no answer
		a.First, a.Last = v.at, v.at
		if !v.Opened.IsZero() {
			a.First = v.Opened
		}
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
	if v.expects("pin.violation") {
		return 0
	}
	for _, f := range pinViolation(v) {
		if f.Weight >= proof && !f.Lock {
			groups[f.Group] = true
		}
	}
	return len(groups)
}

// unprovable reports whether nothing about the name can prove itself: it has no
// TLS, and its zone no signature that we know of.
func (v *view) unprovable() bool {
	return v.Watch.TLS.Off && v.facts.secure() == nil && !v.Watch.Pinned()
}

package monitor

import (
	"cmp"
	"net/netip"
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
// the ways to a server in what they do to a packet.
var corroborating = []string{
	"ttl.over_cap", "ttl.mixed_in_rrset", "ttl.no_countdown", "ttl.early_replace", "ttl.backdated", "ttl.ghost",
	"div.cname_foreign", "div.rrtype_incoherent", "ttl.tool_constant",
	"resp.unsolicited", "resp.question_mismatch", "resp.extraneous", "resp.ip_ttl", "resp.too_fast", "resp.header_profile", "l2.source_changed",
	"resp.malformed", "tcp.without_tc", "kaminsky.burst",
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

// weigh decides kind, place and confidence of an accusation. Confidence is
// confirmed only by a sufficient set: proof of content together with proof of
// place, or a broken pin together with either. No sum of hints confirms.
func (v *view) weigh(a *Accusation) {
	a.Score = score(a.Findings)
	has := func(rule string, weight int) bool {
		return slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == rule && f.Weight >= weight })
	}
	mismatch, pin := has("id.tls_mismatch", proof), has("pin.violation", proof)
	declared := slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == "pin.violation" && f.Weight >= proof && !f.Lock })
	split, uniform := has("div.transport_split", strong), has("div.plain_path_uniform", proof)
	bogus, redirected := has("dnssec.bogus_here", proof), has("path.dead_resolver_answers", proof)
	unknown, nsSplit, long := has("walk.contradiction", strong), has("auth.ns_split", strong), has("ttl.over_envelope", strong)
	inFile, announced := has("host.hosts_file", strong), has("lan.control", medium)
	minority, replaced := has("div.minority_group", medium), has("path.identity", strong) || has("path.ttl_limited", strong)
	a.Pinned = declared // a lock was learnt: that everybody breaks it may be a change
	a.Content = has("id.tls_mismatch", medium) || has("pin.violation", pending) || split || uniform || has("dnssec.bogus_here", pending) ||
		has("dnssec.stripped", strong) || minority && unknown
	lying := len(v.liars()) >= uniformGroups || split || redirected && a.Content
	diverted := a.Local && len(v.away) > 0 && (a.Content || lying)
	if diverted {
		a.Findings = append(a.Findings, v.away...)
		a.Score = score(a.Findings)
	}
	witnesses := len(v.goodGroups(a.Group))

	switch {
	case bogus: // S1
		a.Confidence = Confirmed
	case pin && (mismatch || uniform || split || long || v.pinBreakers() >= 2): // S2
		a.Confidence = Confirmed
	case mismatch && redirected, mismatch && (split || uniform || nsSplit) && witnesses >= 2: // S3
		a.Confidence = Confirmed
	case mismatch && unknown && witnesses >= 2: // S4
		a.Confidence = Confirmed
	case mismatch && (inFile || announced) && witnesses >= 2: // S10
		a.Confidence = Confirmed
	case diverted && (mismatch || uniform): // S6
		a.Confidence = Confirmed
	case redirected && uniform: // S7
		a.Confidence = Confirmed
	case v.unprovable() && minority && unknown && long: // S8
		a.Confidence, a.Unchecked = Confirmed, true
	case v.unprovable() && minority && unknown && !uniform:
		a.Confidence = Probable // nothing tells it from an answer for this network alone
	case a.Score >= probableAt:
		a.Confidence = Probable
	case a.Score >= suspectAt:
		a.Confidence = Suspected
	}

	if v.injected(a) || v.assailed(a) {
		return
	}
	special := has("div.special_purpose", medium)
	withheld, byPolicy := v.withheld(a)
	switch {
	case v.movedOnly(a):
		v.weighMove(a)
	case a.Local && a.Score == 0 && has("dnssec.zone_bogus", 0):
		a.Kind, a.Attribution, a.Confidence, a.Harmless = ZoneBogus, AtAuthority, Unsuspected, true
	case special && v.everybody(a) && !slices.ContainsFunc(a.Observed, func(addr netip.Addr) bool {
		_, is := SpecialPurpose(addr, v.Policy.Exempt)
		return !is
	}):
		a.Kind, a.Attribution = Rebinding, AtAuthority // the zone itself leads inside
	case nsSplit, v.everybody(a):
		a.Kind, a.Attribution = AuthorityHijack, AtAuthority
	case has("div.sni_relay", strong) && !mismatch && !bogus:
		a.Kind, a.Attribution, a.Harmless, a.Content = PathRelayed, AtPath, true, false
	case diverted:
		a.Kind, a.Attribution = LocalHost, AtHost
	case a.Local && a.Content && has("l2.source_changed", medium):
		a.Kind, a.Attribution = LocalNet, AtLAN
	case a.Local && lying:
		a.Kind, a.Attribution = PathRewritten, AtPath
	case has("path.encrypted_mitm", weak):
		a.Kind, a.Attribution = TLSIntercepted, AtPath
	case withheld:
		a.Kind, a.Attribution, a.Harmless = Denial, AtResolver, true
		if byPolicy {
			a.Kind = PolicyBlock
		}
	case has("nx.rewrite", weak) && !slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Weight > 0 && f.Rule != "nx.rewrite" }):
		a.Kind, a.Attribution, a.Harmless = NXRewritten, AtResolver, true
	case redirected, replaced && !slices.ContainsFunc(a.Findings, func(f Finding) bool {
		return f.Weight > weak && f.Rule != "path.identity" && f.Rule != "path.ttl_limited"
	}):
		a.Kind, a.Attribution, a.Harmless = PathRedirected, AtPath, true
	case special && !a.Content:
		a.Kind, a.Attribution = Rebinding, AtResolver
	case a.Local && (inFile || has("host.getaddrinfo", strong)):
		a.Kind, a.Attribution = LocalHost, AtHost
	case a.Local && has("host.dhcp_dns", medium):
		a.Kind, a.Attribution = LocalNet, AtLAN
	case a.Local && has("host.resolv_conf", medium):
		a.Kind, a.Attribution = LocalHost, AtHost
	default:
		a.Kind, a.Attribution = ResolverCache, AtResolver
		if a.Local && len(v.groups) == 0 {
			a.Attribution = "" // nobody to compare with: resolver and path cannot be told apart
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
//
// One cache of a pool that lies now and then looks alike for a moment: so the C
// library must say it each time, and no nameserver ever.
func (v *view) onlyHere() bool {
	here, nameserver := false, false
	for _, o := range v.subjects() {
		if o.Role != Local {
			continue
		}
		as := v.answersOf(o.Endpoint(), poolAnswers)
		bad := slices.DeleteFunc(slices.Clone(as), func(o *answer) bool { return v.stands(o) != suspicious })
		switch {
		case o.Transport == System && len(bad) > 0:
			from := slices.Index(as, bad[0])
			if len(bad) < len(as)-from {
				return false // it wavers
			}
			here = true
		case o.Transport == System:
		case len(bad) > 0:
			return false
		default:
			nameserver = nameserver || v.stands(o) == good
		}
	}
	return here && nameserver
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

// unprovable reports whether nothing about the name can prove itself: it has no
// TLS, and its zone no signature that we know of.
func (v *view) unprovable() bool {
	return v.Watch.TLS.Off && v.facts.secure() == nil && !v.Watch.Pinned()
}

// moveSigns are the rules that see a name move, with those of its witnesses.
var moveSigns = []string{"name.moved", "deleg.ns_changed", "deleg.glue", "deleg.ds", "deleg.parent_child", "cert.fresh_unexpected"}

// movedOnly reports whether all that is held against this host's path is that the
// name moved, and that everybody says so.
func (v *view) movedOnly(a *Accusation) bool {
	return a.Local && len(a.Findings) > 0 && !slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Weight > 0 && !slices.Contains(moveSigns, f.Rule) }) &&
		slices.ContainsFunc(a.Findings, func(f Finding) bool { return slices.Contains(moveSigns, f.Rule) })
}

// hijackSigns is how many signs of a move, all at once, are a theft until
// somebody says otherwise.
const hijackSigns = 3

// weighMove decides between a move and a theft. Migrations look alike; what they
// seldom do is replace servers, keys of the zone and certificate in one moment.
func (v *view) weighMove(a *Accusation) {
	n := 0
	for _, f := range a.Findings {
		if f.Weight == 0 || f.Rule == "deleg.ns_changed" && f.Weight < strong || f.Rule == "deleg.parent_child" {
			continue // in part, or for years
		}
		n++
	}
	if n >= hijackSigns {
		a.Kind, a.Attribution, a.Confidence = AuthorityHijack, AtAuthority, Suspected
		return
	}
	a.Kind, a.Attribution, a.Confidence, a.Harmless = ChangeNotice, AtAuthority, Unsuspected, true
}

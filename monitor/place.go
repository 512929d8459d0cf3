package monitor

import (
	"net/netip"
	"slices"
)

// place decides what an accusation is of, and where the lie is told.
func (w *scales) place() {
	a := w.a
	is := func(k Kind, at Attribution) { a.Kind, a.Attribution = k, at }
	special := a.has("div.special_purpose", medium)
	withheld, byPolicy := w.withheld(a)
	switch {
	case w.movedOnly(a):
		w.weighMove(a)
	case a.Local && a.Score == 0 && a.has("dnssec.zone_bogus", 0):
		is(ZoneBogus, AtAuthority)
		a.Confidence, a.Harmless = Unsuspected, true
	case special && w.everybody(a) && w.inside(a.Observed):
		is(Rebinding, AtAuthority) // the zone itself leads inside
	case w.nsSplit, w.everybody(a):
		is(AuthorityHijack, AtAuthority)
	case a.has("div.sni_relay", strong) && !w.mismatch && !w.bogus:
		is(PathRelayed, AtPath)
		a.Harmless, a.Content = true, false
	case w.diverted:
		is(LocalHost, AtHost)
	case a.Local && a.Content && a.has("l2.source_changed", medium):
		is(LocalNet, AtLAN)
	case a.Local && w.lying:
		is(PathRewritten, AtPath)
	case a.has("path.encrypted_mitm", weak):
		is(TLSIntercepted, AtPath)
	case withheld && byPolicy:
		is(PolicyBlock, AtResolver)
		a.Harmless = true
	case withheld:
		is(Denial, AtResolver)
		a.Harmless = true
	case a.has("nx.rewrite", weak) && a.only(0, "nx.rewrite"):
		is(NXRewritten, AtResolver)
		a.Harmless = true
	case w.redirected, (a.has("path.identity", strong) || a.has("path.ttl_limited", strong)) && a.only(weak, "path.identity", "path.ttl_limited"):
		is(PathRedirected, AtPath)
		a.Harmless = true
	case special && !a.Content:
		is(Rebinding, AtResolver)
	case a.Local && (w.inFile || a.has("host.getaddrinfo", strong)):
		is(LocalHost, AtHost)
	case a.Local && a.has("host.dhcp_dns", medium):
		is(LocalNet, AtLAN)
	case a.Local && a.has("host.resolv_conf", medium):
		is(LocalHost, AtHost)
	case a.Local && len(w.groups) == 0:
		is(ResolverCache, "") // nobody to compare with: resolver and path cannot be told apart
	default:
		is(ResolverCache, AtResolver)
	}
}

// only reports whether no finding but those of these rules weighs more.
func (a *Accusation) only(weight int, rules ...string) bool {
	return !slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Weight > weight && !slices.Contains(rules, f.Rule) })
}

// inside reports whether all of the addresses are special-purpose ones.
func (v *view) inside(as []netip.Addr) bool {
	return !slices.ContainsFunc(as, func(a netip.Addr) bool {
		_, is := SpecialPurpose(a, v.Policy.Exempt)
		return !is
	})
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

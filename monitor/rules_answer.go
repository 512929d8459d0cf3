package monitor

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// cnameForeign (div.cname_foreign): the CNAME chain of a suspicious answer ends
// with somebody to whom neither witnesses nor history ever saw it lead. A change of
// CDN does that too, for everybody.
func cnameForeign(v *view) []Finding {
	heard := slices.ContainsFunc(v.all, func(o *answer) bool { return v.votes(o) && v.stands(o) == good })
	if b := v.answered(); !heard && (b == nil || b.Rounds.Count == 0) {
		return nil // where others are led is not known
	}
	var fs []Finding
	for _, o := range v.doubtful() {
		tail := registrable(o.canon.Tail)
		if o.canon.Tail == v.Question.Name || tail == registrable(v.Question.Name) || v.leads(tail) {
			continue
		}
		f := accused(o)
		f.Weight, f.Address = weak, v.worstOf(o)
		f.Fact = fmt.Sprintf("%s leads to %s, where nobody else is led", o.Label(), strings.TrimSuffix(o.canon.Tail, "."))
		fs = append(fs, f)
	}
	return fs
}

// leads reports whether the name's chain is known to end with whoever has a domain.
func (v *view) leads(domain string) bool {
	if b := v.answered(); b != nil && slices.Contains(b.Tails, domain) {
		return true
	}
	return slices.ContainsFunc(v.all, func(o *answer) bool {
		return v.votes(o) && v.stands(o) == good && registrable(o.canon.Tail) == domain
	})
}

// registrable gives the domain under a public suffix that a name is in, which is
// somebody's own; the name itself where it is in none.
func registrable(name string) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(strings.TrimSuffix(name, "."))
	if err != nil {
		return name
	}
	return domain
}

// rrtypeIncoherent (div.rrtype_incoherent): whoever gives a suspicious answer gives
// the right one for another type of the same name at the same time. Tools forge the
// type that they were made for, and pass the rest on.
func rrtypeIncoherent(v *view) []Finding {
	var fs []Finding
	for _, o := range v.doubtful() {
		e, ok := v.facts.others[o.Endpoint()]
		if !ok || v.at.Sub(e.At) > 2*v.Policy.Timing.Interval {
			continue
		}
		f := accused(o)
		f.Weight, f.Address = medium, v.worstOf(o)
		f.Fact = fmt.Sprintf("%s gives the right %s of the same name", o.Label(), strings.Join(e.Names, " and "))
		fs = append(fs, f)
	}
	return fs
}

// ttlMixed (ttl.mixed_in_rrset): records of one suspicious answer have different
// TTLs, which a zone must not have (RFC 2181 §5.2), twice: they were put together.
func ttlMixed(v *view) []Finding {
	var fs []Finding
	for _, o := range v.doubtful() {
		last := v.answersOf(o.Endpoint(), 2)
		if len(last) < 2 || slices.ContainsFunc(last, func(p *answer) bool { return !p.mixed(v.Question) || v.stands(p) != suspicious }) {
			continue
		}
		f := accused(o)
		f.Weight, f.Address = weak, v.worstOf(o)
		f.Fact = fmt.Sprintf("%s gives records of one set with different TTLs", o.Label())
		fs = append(fs, f)
	}
	return fs
}

// mixed reports whether records of the type that was asked for have different TTLs.
func (o *answer) mixed(q Question) bool {
	var ttls []uint32
	for _, r := range o.Records {
		if r.Type == q.Type && (r.Name == "" || strings.EqualFold(r.Name, o.canon.Tail)) {
			ttls = append(ttls, r.TTL)
		}
	}
	return len(ttls) > 1 && slices.Min(ttls) != slices.Max(ttls)
}

// ttlOverCap (ttl.over_cap): a suspicious answer may be kept for longer than the
// cache that gives it keeps anything else. Forwarders in front of several caches
// have no one cap, and Knot Resolver's is not that of its first answer.
func ttlOverCap(v *view) []Finding {
	var fs []Finding
	for _, o := range v.doubtful() {
		ttl := o.TTL(v.Question)
		if o.Cache == nil || o.Cache.Cap == 0 || ttl <= o.Cache.Cap+2 {
			continue
		}
		f := accused(o)
		f.Weight, f.Address = weak, v.worstOf(o)
		f.Fact = fmt.Sprintf("%s keeps it for %d s more, and nothing else for more than %d s", o.Label(), ttl, o.Cache.Cap)
		fs = append(fs, f)
	}
	return fs
}

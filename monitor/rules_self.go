package monitor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// self gives what the endpoint says that it is, while that counts: as long as a
// probe of the path does.
func (v *view) self(endpoint string) (e Evidence, ok bool) {
	e, ok = v.facts.selves[endpoint]
	return e, ok && v.at.Sub(e.At) <= probedFor*v.Policy.Timing.Recheck
}

// asksFrom gives the addresses that a resolver asks from.
func asksFrom(e Evidence) []netip.Addr {
	a, err := netip.ParseAddr(e.Egress)
	if err != nil || slices.Contains(e.Addresses, a) {
		return e.Addresses
	}
	return append(slices.Clip(e.Addresses), a)
}

// beside reports whether two addresses are in one network: in the same /24 or /48,
// or of the same autonomous system. One in which whoever pays has addresses counts
// only where rented is set: two in it need not be one.
func (f *facts) beside(a, b netip.Addr, rented bool) bool {
	m, n := f.networks[a], f.networks[b]
	return neighbours(a, b) || m.ASN != 0 && m.ASN == n.ASN && (rented || !m.Shared && !n.Shared)
}

// near reports whether two resolvers were seen to ask from one network.
func (f *facts) near(x, y Evidence, rented bool) bool {
	return slices.ContainsFunc(asksFrom(x), func(a netip.Addr) bool {
		return slices.ContainsFunc(asksFrom(y), func(b netip.Addr) bool { return f.beside(a, b, rented) })
	})
}

// stray is an operator that is not in plain what it is over TLS.
type stray struct {
	plain    *answer
	self     Evidence // of the plain endpoint
	nameless bool     // it says who it is over TLS alone
}

// strays lists them. One that calls itself alike, or asks from one network, is
// itself, wherever that is: an operator that moved has moved over TLS as well.
func (v *view) strays() []stray {
	var ss []stray
	for _, p := range v.choose(plain) {
		self, ok := v.self(p.Endpoint())
		if !ok {
			continue
		}
		differs, same, named := false, false, false
		for _, t := range v.choose(func(o *answer) bool { return o.Witness() && o.Operator == p.Operator }) {
			if twin, ok := v.self(t.Endpoint()); ok {
				same = same || self.NSID != "" && self.NSID == twin.NSID || v.facts.near(self, twin, true)
				differs = differs || twin.NSID != "" || len(asksFrom(self)) > 0 && len(asksFrom(twin)) > 0
				named = named || twin.NSID != ""
			}
		}
		if differs && !same {
			ss = append(ss, stray{p, self, named && self.NSID == ""})
		}
	}
	return ss
}

// alike says in what an operator's plain endpoint is one with an endpoint of another;
// empty for nothing.
func (f *facts) alike(x, y Evidence) string {
	switch {
	case x.NSID != "" && x.NSID == y.NSID:
		return "calls itself " + x.NSID
	case f.near(x, y, false):
		return "asks from the network of " + cmp.Or(x.Egress, asksFrom(x)[0].String())
	}
	return ""
}

// pathIdentity (path.identity): an operator is in plain one with another, and over TLS
// they have nothing to do with each other: they have one name there (RFC 5001, RFC
// 4892), or ask from one network. Somebody answers in their place (Liu et al., USENIX
// Security 2018). One that is other than its twin, and like no other, is no sign: the
// nodes of a service differ.
func pathIdentity(v *view) []Finding {
	var named, nameless *Finding
	ss := v.strays()
	for _, x := range ss {
		f := Finding{Local: true, Group: "path", Resolver: x.plain.Label()}
		what, with := "", []string{}
		for _, o := range v.choose(func(o *answer) bool { return o.Role == Reference && o.Operator != x.plain.Operator }) {
			if self, ok := v.self(o.Endpoint()); ok {
				if w := v.facts.alike(x.self, self); w != "" {
					what, with = w, append(with, o.Operator)
				}
			}
		}
		if len(with) > 0 && named == nil {
			slices.Sort(with)
			f.Weight = strong
			f.Fact = fmt.Sprintf("%s, asked in plain, %s, as %s does, and over TLS it does not", x.plain.Operator, what, strings.Join(slices.Compact(with), ", "))
			named = &f
		}
		if len(with) == 0 && x.nameless && nameless == nil && slices.ContainsFunc(ss, func(y stray) bool { return y.nameless && y.plain.Operator != x.plain.Operator }) {
			f.Weight, f.Fact = weak, "operators do not say in plain who they are, and over TLS they do" // a gateway that knows no such questions does that too
			nameless = &f
		}
	}
	switch {
	case named != nil:
		return []Finding{*named}
	case nameless != nil:
		return []Finding{*nameless}
	}
	return nil
}

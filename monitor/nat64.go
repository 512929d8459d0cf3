package monitor

import (
	"net/netip"
	"slices"
)

// wellKnownNAT64 is the prefix that DNS64 uses where nobody chose another (RFC
// 6052 §2.1).
var wellKnownNAT64 = netip.MustParsePrefix("64:ff9b::/96")

// embedded gives the IPv4 address that a carries behind a NAT64 prefix (RFC 6052
// §2.2); false where a is not behind it, or the prefix has another length than
// those that there are.
func embedded(a netip.Addr, p netip.Prefix) (netip.Addr, bool) {
	if !a.Is6() || !p.Contains(a) {
		return netip.Addr{}, false
	}
	at, ok := map[int][4]int{
		32: {4, 5, 6, 7}, 40: {5, 6, 7, 9}, 48: {6, 7, 9, 10}, 56: {7, 9, 10, 11}, 64: {9, 10, 11, 12}, 96: {12, 13, 14, 15},
	}[p.Bits()]
	if !ok {
		return netip.Addr{}, false
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte{b[at[0]], b[at[1]], b[at[2]], b[at[3]]}), true
}

// NAT64Prefix finds the prefix behind which a, an answer for ipv4only.arpa,
// carries one of the addresses of that name (RFC 7050 §3).
func NAT64Prefix(a netip.Addr) (netip.Prefix, bool) {
	for _, bits := range []int{96, 64, 56, 48, 40, 32} {
		p, err := a.Prefix(bits)
		if err != nil {
			continue
		}
		v4, ok := embedded(a, p)
		if ok && (v4 == netip.AddrFrom4([4]byte{192, 0, 0, 170}) || v4 == netip.AddrFrom4([4]byte{192, 0, 0, 171})) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// synthesized gives the IPv4 address of the name that a is written for by DNS64
// (RFC 6147), if that address is known to be the name's and witnesses know of no
// IPv6 address (detection CE-8). A prefix that is not the well-known one counts
// only if it was there from the beginning: whoever forges answers forges the
// discovery of the prefix too.
func (v *view) synthesized(a netip.Addr) (netip.Addr, bool) {
	if v.Question.Type != TypeAAAA || v.Base == nil || v.Base.Types[TypeA] == nil {
		return netip.Addr{}, false
	}
	if _, give := v.denials(); give > 0 {
		return netip.Addr{}, false
	}
	prefixes := append([]netip.Prefix{wellKnownNAT64}, v.Base.NAT64...)
	if len(v.Base.NAT64) == 0 && !v.learnt() {
		prefixes = append(prefixes, v.facts.nat64...)
	}
	for _, p := range prefixes {
		v4, ok := embedded(a, p)
		if !ok {
			continue
		}
		id := v.Base.Types[TypeA].Addresses[v4]
		if id != nil && id.Bad.IsZero() && (!id.Verified.IsZero() || !id.Authority.IsZero() || len(id.Groups) >= 2 && id.Witnessed.Count > 0) {
			return v4, true
		}
	}
	return netip.Addr{}, false
}

// learnNAT64 takes in the prefix of this host's network, as long as the name is new.
func (v *view) learnNAT64(b *Baseline) (changed bool) {
	if len(b.NAT64) > 0 || v.learnt() {
		return false
	}
	for _, p := range v.facts.nat64 {
		if !slices.Contains(b.NAT64, p) {
			b.NAT64 = append(b.NAT64, p)
			changed = true
		}
	}
	return changed
}

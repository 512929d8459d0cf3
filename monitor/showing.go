package monitor

import (
	"net/netip"
	"slices"
)

// Showing is a certificate that an address showed last, which proves nothing, and
// what is known of the address without it.
type Showing struct {
	Evidence
	Known    bool // declared, proven before, signed, or given by the zone or by witnesses
	Disputed bool // witnesses or the zone were heard, and do not give it
}

// showings lists what the handshakes of the case showed last that no root here
// vouches for, or that is out of its time.
func (v *view) showings() (ss []Showing) {
	for a, ps := range v.proofs {
		last := ps[len(ps)-1]
		if last.Outcome != OutcomeUntrusted && last.Outcome != OutcomeExpired {
			continue
		}
		s := Showing{Evidence: last, Known: v.otherwise(a)}
		_, walked := v.facts.authority(a)
		s.Disputed = !s.Known && (walked > 0 || len(v.groups) > 0)
		ss = append(ss, s)
	}
	slices.SortFunc(ss, func(a, b Showing) int { return a.Address.Compare(b.Address) })
	return ss
}

// otherwise reports whether something else than a certificate of this case says
// that the address is the name's.
func (v *view) otherwise(a netip.Addr) bool {
	if allowed, ok := v.Watch.Allows(a); ok {
		return allowed
	}
	if gave, _ := v.facts.authority(a); gave > 0 || v.facts.signs(a) || len(v.given[a]) >= v.quorum() || v.isHistorical(a) {
		return true
	}
	b := v.answered()
	if b == nil || b.Addresses[a] == nil {
		return false
	}
	id := b.Addresses[a]
	return !id.Bad.After(id.Verified) && v.at.Sub(id.Verified) < verifiedFor || !id.Authority.IsZero() && v.at.Sub(id.Authority) < historicalFor
}

// zoneOnly reports whether an answer of this host rests on nothing but the unsigned
// word of the zone's servers.
func (v *view) zoneOnly() bool {
	return slices.ContainsFunc(v.choose(local), func(o *answer) bool {
		return slices.ContainsFunc(o.addrs, func(a netip.Addr) bool {
			c, _ := v.class(a)
			return c == Authoritative && !v.isHistorical(a) && len(v.given[a]) < v.quorum()
		})
	})
}

// inspects reports whether the handshake says nothing, since all certificates are
// re-signed on the way. A good inspection passes on what is wrong as it is.
func (v *view) inspects(p Evidence) bool {
	return p.Outcome == OutcomeUntrusted && v.in(StateTLSInspected)
}

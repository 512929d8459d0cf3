package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// What a lock says is held against answers by pin.violation: it is the owner's
// word, as a pin is, and a planned change suspends it.

// lock gives what a lock says of the name; nil for nothing.
func (v *view) lock() *Locked {
	if v.maintained() {
		return nil
	}
	return v.Watch.Lock
}

// locks reports whether the key is in the lock.
func (v *view) locks(spki string) bool {
	l := v.lock()
	return l != nil && spki != "" && slices.Contains(l.Keys, spki)
}

// breach says in which way a key that was served is not what the lock has; empty
// where it is, or where that cannot be said. asn is who announces the address, 0
// for unknown.
func (l *Locked) breach(p Evidence, asn uint32) string {
	if l == nil || p.SPKI == "" || len(l.Keys)+len(l.Issuers) == 0 || slices.Contains(l.Keys, p.SPKI) {
		return ""
	}
	const other = "serves a key that is not in the lock"
	switch {
	case p.Outcome.Wrong():
		return other + ", and " + p.Outcome.Phrase()
	case !slices.Contains(l.Issuers, p.Issuer) && len(l.Issuers) == 0:
		return other
	case !slices.Contains(l.Issuers, p.Issuer):
		return fmt.Sprintf("%s, and neither is who certified it: %q", other, p.Issuer)
	case asn != 0 && len(l.ASNs) > 0 && !slices.Contains(l.ASNs, asn):
		return fmt.Sprintf("%s, from a network that is not either: AS%d", other, asn)
	}
	return ""
}

// breaches says what the handshakes with a show that the lock does not have, and
// when they did; nothing where the last one that showed a key showed a right one.
func (v *view) breaches(a netip.Addr) (what string, at []time.Time) {
	l := v.lock()
	if l == nil {
		return "", nil
	}
	for _, p := range v.proofs[a] {
		if p.SPKI == "" || v.inspects(p) {
			continue
		}
		if b := l.breach(p, v.asn(a)); b != "" {
			what, at = b, append(at, p.At)
		} else {
			what, at = "", nil
		}
	}
	return what, at
}

// unlocked says of an address that nobody can ask for a key that its network is not
// in the lock, and when it was given.
func (v *view) unlocked(o *answer, a netip.Addr) (what string, at []time.Time) {
	l, asn := v.lock(), v.asn(a)
	if allowed, ok := v.Watch.Allows(a); ok && allowed {
		return "", nil // the owner's word comes before
	}
	if l == nil || !v.Watch.TLS.Off || asn == 0 || len(l.ASNs) == 0 || slices.Contains(l.ASNs, asn) {
		return "", nil
	}
	for _, p := range v.answersOf(o.Endpoint(), len(v.all)) {
		if slices.Contains(p.addrs, a) {
			at = append(at, p.At)
		}
	}
	return fmt.Sprintf("is announced by AS%d, which is not in the lock", asn), at
}

// outOfLock reports whether a is known to be what the lock does not have: then
// nothing but the owner's word clears it.
func (v *view) outOfLock(a netip.Addr) bool {
	what, _ := v.breaches(a)
	return what != ""
}

// forgotten reports whether an address proved itself with what the lock does not
// have, so that it must do so anew.
func (v *view) forgotten(id *Identity) bool {
	k := v.Base.Keys[id.SPKI]
	return k != nil && v.lock().breach(Evidence{SPKI: id.SPKI, Issuer: k.Issuer, Outcome: OutcomeOK}, id.ASN) != ""
}

// zoneBreaches says in which ways the zone that the name leads to is delegated
// otherwise than the lock has it. While the name proves itself that harms nobody,
// and so weighs nothing; that the lock is broken is told all the same.
func (v *view) zoneBreaches() (facts []string) {
	l, now := v.lock(), v.delegation()
	if l == nil || now.Zone == "" || now.Status == Bogus || now.Status == Indeterminate {
		return nil
	}
	for _, z := range l.Zones {
		if z.Zone != now.Zone {
			continue // of other zones nothing is known
		}
		if len(z.Nameservers) > 0 && len(now.Nameservers) > 0 && !intersect(now.Nameservers, z.Nameservers) {
			facts = append(facts, fmt.Sprintf("none of the name servers of %s is in the lock: %s", z.Zone, join(now.Nameservers, "")))
		}
		switch {
		case len(z.DS) == 0 || intersect(now.DS, z.DS):
		case len(now.DS) == 0:
			facts = append(facts, fmt.Sprintf("%s is signed by the lock, and has no DS record", z.Zone))
		default:
			facts = append(facts, fmt.Sprintf("none of the DS records of %s is in the lock", z.Zone))
		}
	}
	return facts
}

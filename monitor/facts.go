package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// facts is the evidence of a case that is no handshake.
type facts struct {
	signed   map[string][]Evidence // what was validated, by endpoint, oldest first
	walk     *Evidence             // the latest with a proven path
	dead     []Evidence            // questions to where no resolver is, oldest first
	limited  []Evidence            // questions that cannot reach whom they are for, oldest first
	nonsense []Evidence            // random names, oldest first
	nat64    []netip.Prefix
	others   map[string]Evidence     // of which other types an endpoint gives what is right, as seen last
	crowds   map[netip.Addr][]string // unrelated names that lead to an address, as seen last
	networks map[netip.Addr]Evidence
	host     *Evidence                          // what this host knows by itself, as seen last
	diverted map[string]map[netip.Addr]Evidence // that questions are led elsewhere on this host, as seen last, by kind and resolver
	selves   map[string]Evidence                // what a resolver says that it is, as it said last, by endpoint
}

// take adds one piece of evidence.
func (f *facts) take(e Evidence) {
	switch e.Kind {
	case EvidenceDNSSEC:
		if f.signed == nil {
			f.signed = map[string][]Evidence{}
		}
		f.signed[e.Resolver] = append(f.signed[e.Resolver], e)
	case EvidenceWalk:
		if e.PathProven && (f.walk == nil || !e.At.Before(f.walk.At)) {
			f.walk = &e
		}
	case EvidenceDead:
		f.dead = append(f.dead, e)
	case EvidenceLimited:
		f.limited = append(f.limited, e)
	case EvidenceNX:
		f.nonsense = append(f.nonsense, e)
	case EvidenceHost:
		if f.host == nil || !e.At.Before(f.host.At) {
			f.host = &e
		}
	case EvidenceNAT64:
		if e.Prefix.IsValid() && !slices.Contains(f.nat64, e.Prefix) {
			f.nat64 = append(f.nat64, e.Prefix)
		}
	case EvidenceOthers:
		if f.others == nil {
			f.others = map[string]Evidence{}
		}
		f.others[e.Resolver] = e
	case EvidenceCrowd:
		if f.crowds == nil {
			f.crowds = map[netip.Addr][]string{}
		}
		f.crowds[e.Address] = e.Names
	case EvidenceLooped, EvidenceNoWire:
		if f.diverted == nil {
			f.diverted = map[string]map[netip.Addr]Evidence{EvidenceLooped: {}, EvidenceNoWire: {}}
		}
		if !e.At.Before(f.diverted[e.Kind][e.Address].At) {
			f.diverted[e.Kind][e.Address] = e
		}
	case EvidenceIdentity:
		if f.selves == nil {
			f.selves = map[string]Evidence{}
		}
		if e.Outcome == "" && !e.At.Before(f.selves[e.Resolver].At) {
			f.selves[e.Resolver] = e
		}
	case EvidenceASN:
		if f.networks == nil {
			f.networks = map[netip.Addr]Evidence{}
		}
		f.networks[e.Address] = e
	}
}

// settle puts the facts in the order of time.
func (f *facts) settle() {
	for _, es := range f.signed {
		slices.SortStableFunc(es, byAge)
	}
	slices.SortStableFunc(f.dead, byAge)
	slices.SortStableFunc(f.limited, byAge)
	slices.SortStableFunc(f.nonsense, byAge)
}

func byAge(a, b Evidence) int { return a.At.Compare(b.At) }

// secure gives the newest validation with a signature that holds, whoever handed
// it over: it is the zone's own word. nil for none.
func (f *facts) secure() *Evidence {
	var best *Evidence
	for _, es := range f.signed {
		for i, e := range es {
			if e.Status == Secure && (best == nil || e.At.After(best.At)) {
				best = &es[i]
			}
		}
	}
	return best
}

// words gives what the zone itself says: all that it signed, since a cache may hold
// what it signed a moment before, or else what its servers say.
func (f *facts) words() (said []*Evidence) {
	for _, es := range f.signed {
		for i, e := range es {
			if e.Status == Secure {
				said = append(said, &es[i])
			}
		}
	}
	if len(said) == 0 && f.walk != nil {
		said = append(said, f.walk)
	}
	return said
}

// unsigned reports whether it is proven that the zone has no signatures.
func (f *facts) unsigned() bool {
	for _, es := range f.signed {
		if slices.ContainsFunc(es, func(e Evidence) bool { return e.Status == Insecure }) {
			return f.secure() == nil
		}
	}
	return false
}

// signs reports whether a validated answer holds a. Every one counts: a zone may
// sign one answer for here and another for there.
func (f *facts) signs(a netip.Addr) bool {
	for _, es := range f.signed {
		if slices.ContainsFunc(es, func(e Evidence) bool { return e.Status == Secure && slices.Contains(e.Addresses, a) }) {
			return true
		}
	}
	return false
}

// bogus gives the evidence that the endpoint handed over what breaks the zone's
// signatures, or with stripped, what lacks them.
func (f *facts) bogus(endpoint string, stripped bool) (es []Evidence) {
	for _, e := range f.signed[endpoint] {
		if e.Status == Bogus && e.Stripped == stripped {
			es = append(es, e)
		}
	}
	return es
}

// authority counts the authoritative servers that answered in the walk, and
// those that gave a.
func (f *facts) authority(a netip.Addr) (gave, answered int) {
	if f.walk == nil {
		return 0, 0
	}
	for _, s := range f.walk.Servers {
		if s.Error != "" {
			continue
		}
		answered++
		if slices.Contains(s.Addresses, a) {
			gave++
		}
	}
	if answered == 0 && slices.Contains(f.walk.Addresses, a) {
		return 1, 1 // a sample that others made need not name the servers
	}
	return gave, answered
}

// redirected reports whether something answered in the place of a resolver that
// does not exist: somebody answers port 53 for everybody.
func (f *facts) redirected() (e Evidence, ok bool) {
	for _, e := range slices.Backward(f.dead) {
		if e.Answered {
			return e, true
		}
	}
	return Evidence{}, false
}

// rewritten reports whether a resolver of this host lately had addresses for names
// that nobody ever registered.
func (f *facts) rewritten() (e Evidence, ok bool) {
	if n := len(f.nonsense); n > 0 && f.nonsense[n-1].Answered {
		return f.nonsense[n-1], true
	}
	return Evidence{}, false
}

// owner says who announces an address, as a table of the user's has it; nothing
// where it is not known.
func (f *facts) owner(a netip.Addr) string {
	e, ok := f.networks[a]
	if !ok || e.ASN == 0 {
		return ""
	}
	who := strings.TrimSpace(fmt.Sprintf(" (AS%d %s", e.ASN, e.Org))
	if e.Shared {
		who += ", where whoever pays has addresses"
	}
	return " " + who + ")"
}

// asn gives who announces an address; 0 where it is not known, and where so many
// have addresses that it tells nothing (detection §1.3, class N).
func (v *view) asn(a netip.Addr) uint32 {
	if e, ok := v.facts.networks[a]; ok {
		if e.Shared {
			return 0
		}
		return e.ASN
	}
	if b := v.answered(); b != nil && b.Addresses[a] != nil {
		return b.Addresses[a].ASN
	}
	return 0
}

// foreign compares who announces a with who announces the addresses that are
// known to be good: is it none of them? It is known only where it is known of all.
func (v *view) foreign(a netip.Addr) (foreign, known bool) {
	e, ok := v.facts.networks[a]
	b := v.answered()
	if !ok || e.ASN == 0 || b == nil {
		return false, false
	}
	for good := range b.Addresses {
		if good == a || !v.knownBefore(good) {
			continue
		}
		switch v.asn(good) {
		case 0:
			return false, false
		case e.ASN:
			return false, true
		}
		known = true
	}
	return known, known
}

// agesOf gives when the evidence was had.
func agesOf(es []Evidence) []time.Time {
	var at []time.Time
	for _, e := range es {
		at = append(at, e.At)
	}
	return at
}

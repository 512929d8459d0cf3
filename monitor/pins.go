package monitor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// PinsSchema is the schema of Pins in JSON.
const PinsSchema = "dnstaster.pins/v1"

// Pins is what is known of names, for their owners to declare it.
type Pins struct {
	GeneratedAt time.Time  `json:"generated_at"`
	Names       []Pinnable `json:"names"`
}

// Pinnable is what may be pinned of one name. While somebody is suspected of lying
// about it nothing should be.
type Pinnable struct {
	Name      string            `json:"name"`
	Verdict   Verdict           `json:"verdict"` // the worst of its types, now
	Types     []Type            `json:"types"`
	Port      uint16            `json:"port"`              // at which it proves itself
	Off       bool              `json:"tls_off,omitempty"` // it serves no TLS
	Addresses []PinnableAddress `json:"addresses"`         // in order
	Keys      []PinnableKey     `json:"spki"`              // in order of when they were first seen
	Zones     []LockedZone      `json:"zones"`             // the one seen last of each
}

// PinnableAddress is an address that a name is known to have.
type PinnableAddress struct {
	Address netip.Addr `json:"address"`
	Proven  bool       `json:"proven"`         // by more than that witnesses give it
	By      string     `json:"by"`             // how it is known
	At      time.Time  `json:"at"`             // when last
	SPKI    string     `json:"spki,omitempty"` // that it serves
	ASN     uint32     `json:"asn,omitempty"`  // that announces it; 0 for unknown
}

// PinnableKey is a public key that a proven address serves.
type PinnableKey struct {
	SPKI      string    `json:"spki"`
	Issuer    string    `json:"issuer"`
	NotBefore time.Time `json:"not_before,omitzero"` // of its certificate
	First     time.Time `json:"first"`               // seen
	Last      time.Time `json:"last"`
}

type pinsFields Pins

// MarshalJSON adds the schema, and writes lists that are empty as such.
func (p Pins) MarshalJSON() ([]byte, error) {
	f := pinsFields(p)
	f.Names = list(f.Names)
	return json.Marshal(struct {
		Schema string `json:"schema"`
		pinsFields
	}{PinsSchema, f})
}

type pinnableFields Pinnable

// MarshalJSON writes lists that are empty as such.
func (p Pinnable) MarshalJSON() ([]byte, error) {
	f := pinnableFields(p)
	f.Types, f.Addresses, f.Keys, f.Zones = list(f.Types), list(f.Addresses), list(f.Keys), list(f.Zones)
	return json.Marshal(f)
}

// Pinnable gives what b knows of the watched name that was proven, or that
// witnesses of two operators gave, and has not gone stale by a time. b may be nil.
func (w Watch) Pinnable(b *Baseline, at time.Time) Pinnable {
	p := Pinnable{Name: w.Name, Verdict: Unknown, Port: w.Port(), Off: w.TLS.Off}
	for _, q := range w.Questions() {
		p.Types = append(p.Types, q.Type)
		known := b.answered(q.Type)
		if known == nil {
			continue
		}
		for a, id := range known.Addresses {
			if pa, ok := id.pinnable(at); ok {
				pa.Address = a
				p.Addresses = append(p.Addresses, pa)
			}
		}
	}
	slices.SortFunc(p.Addresses, func(x, y PinnableAddress) int { return x.Address.Compare(y.Address) })
	if b == nil {
		return p
	}
	for spki, k := range b.Keys {
		served := func(a PinnableAddress) bool { return a.Proven && a.SPKI == spki }
		if spki != "" && slices.ContainsFunc(p.Addresses, served) {
			p.Keys = append(p.Keys, PinnableKey{spki, k.Issuer, k.NotBefore, k.First, k.Last})
		}
	}
	slices.SortFunc(p.Keys, func(x, y PinnableKey) int { return cmp.Or(x.First.Compare(y.First), cmp.Compare(x.SPKI, y.SPKI)) })
	for _, z := range slices.SortedFunc(slices.Values(b.Zones), func(x, y Delegation) int { return y.Last.Compare(x.Last) }) {
		if at.Sub(z.Last) < historicalFor && !slices.ContainsFunc(p.Zones, func(has LockedZone) bool { return has.Zone == z.Zone }) {
			p.Zones = append(p.Zones, LockedZone{z.Zone, z.Nameservers, z.DS})
		}
	}
	return p
}

// pinnable says how an address is known, by the best that speaks for it.
func (id *Identity) pinnable(at time.Time) (a PinnableAddress, ok bool) {
	a.SPKI, a.ASN = id.SPKI, id.ASN
	switch {
	case id.Bad.After(id.Verified):
		return a, false
	case !id.Verified.IsZero() && at.Sub(id.Verified) < verifiedFor:
		a.Proven, a.By, a.At = true, id.By, id.Verified
	case !id.Authority.IsZero() && at.Sub(id.Authority) < historicalFor:
		a.Proven, a.By, a.At = true, "the zone's own servers", id.Authority
	case len(id.Groups) >= 2 && at.Sub(id.Witnessed.Last) < historicalFor:
		a.By, a.At = "witnesses only: "+strings.Join(id.Groups, ", "), id.Witnessed.Last
	default:
		return a, false
	}
	return a, true
}

// Locked gives what of it a lock holds: what outlasts a change of addresses.
func (p Pinnable) Locked() Locked {
	l := Locked{Name: p.Name, Types: p.Types, Off: p.Off, Zones: p.Zones}
	if !p.Off {
		l.Port = p.Port
	}
	add := func(to *[]string, s string) {
		if lockable(s) && !slices.Contains(*to, s) {
			*to = append(*to, s)
		}
	}
	for _, k := range p.Keys {
		add(&l.Keys, k.SPKI)
		add(&l.Issuers, k.Issuer)
	}
	for _, a := range p.Addresses {
		if a.ASN != 0 && (a.Proven || p.Off) && !slices.Contains(l.ASNs, a.ASN) {
			l.ASNs = append(l.ASNs, a.ASN)
		}
	}
	slices.Sort(l.Keys)
	slices.Sort(l.Issuers)
	slices.Sort(l.ASNs)
	return l
}

// Pins gives what is known of a watched name, in the form of ParseName, or of all
// that are watched where name is empty.
func (m *Monitor) Pins(ctx context.Context, name string) (Pins, error) {
	var p Pins
	err := m.do(ctx, func() {
		p.GeneratedAt = m.cfg.Now()
		for _, s := range m.order {
			if name != "" && s.watch.Name != name {
				continue
			}
			known := s.watch.Pinnable(s.base, p.GeneratedAt)
			known.Verdict = Clean
			for _, q := range s.questions {
				known.Verdict = known.Verdict.Worse(q.verdict)
			}
			p.Names = append(p.Names, known)
		}
	})
	if err == nil && name != "" && len(p.Names) == 0 {
		err = fmt.Errorf("%s is %w", strings.TrimSuffix(name, "."), ErrNotWatched)
	}
	return p, err
}

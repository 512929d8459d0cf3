package monitor

import (
	"net/netip"
	"slices"
	"time"
)

// Span is how long and how often something was seen.
type Span struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Count int       `json:"count"`
}

func (s *Span) add(at time.Time) {
	if s.Count == 0 || at.Before(s.First) {
		s.First = at
	}
	if at.After(s.Last) {
		s.Last = at
	}
	s.Count++
}

// Identity is what history knows of one address as an answer for one name.
type Identity struct {
	Seen      Span      `json:"seen"`               // anywhere
	Witnessed Span      `json:"witnessed,omitzero"` // in rounds where a quorum of witnesses gave it
	Groups    []string  `json:"groups,omitempty"`   // witnesses that ever gave it
	Verified  time.Time `json:"verified,omitzero"`  // when it last proved the name
	By        string    `json:"by,omitempty"`       // how: certificate, pin
	SPKI      string    `json:"spki,omitempty"`     // the key it proved with
	Authority time.Time `json:"authority,omitzero"` // when the zone's own servers last gave it
	Bad       time.Time `json:"bad,omitzero"`       // when it was last proven to be somebody else's
	ASN       uint32    `json:"asn,omitempty"`      // who announced it last; 0 for unknown, or where whoever pays has addresses
}

// Envelope is a TTL that the zone showed, and from when until when.
type Envelope struct {
	TTL   uint32    `json:"ttl"` // seconds
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Answered is what history knows of the answers to one question.
type Answered struct {
	Addresses map[netip.Addr]*Identity `json:"addresses,omitempty"`
	TTLs      []Envelope               `json:"ttls,omitempty"`
	Tails     []string                 `json:"tails,omitempty"` // registrable domains in which the CNAME chain of good answers ended, the latest last
	Rounds    Span                     `json:"rounds,omitzero"` // rounds in which a quorum of witnesses took part
	Canon     map[string]*Span         `json:"canon,omitempty"` // answers that a quorum or the zone itself gave, for types without addresses
	Absent    Span                     `json:"absent,omitzero"` // rounds in which a quorum denied the record
	Denied    time.Time                `json:"denied,omitzero"` // when the zone itself denied the record, and did not give it since
	Gone      time.Time                `json:"gone,omitzero"`   // since when quorums deny the record, which they gave before
}

// answered is what is known of the answers of a type; nil for nothing. b may be nil.
func (b *Baseline) answered(t Type) *Answered {
	if b == nil {
		return nil
	}
	return b.Types[t]
}

// gave reports whether all that o says was given before by the zone, or by
// witnesses of two operators, or proved the name. a may be nil.
func (a *Answered) gave(o Observation, q Question) bool {
	if a == nil {
		return false
	}
	if !q.Type.Address() {
		return a.Canon[o.Canon(q).key()] != nil
	}
	as := o.Addresses(q)
	return len(as) > 0 && !slices.ContainsFunc(as, func(addr netip.Addr) bool {
		id := a.Addresses[addr]
		return id == nil || id.Bad.After(id.Verified) || id.Verified.IsZero() && id.Authority.IsZero() && len(id.Groups) < 2
	})
}

// Baseline is what history knows of one name. It is learnt from answers that
// were proven, or that a quorum of witnesses gave, and from nothing else.
type Baseline struct {
	Name    string               `json:"name"`
	Since   time.Time            `json:"since"`
	Keys    map[string]*KeySpan  `json:"keys,omitempty"`    // public keys that the name proved itself with
	Zones   []Delegation         `json:"zones,omitempty"`   // where its zone was delegated to, the first seen first
	Signing map[string]time.Time `json:"signing,omitempty"` // when an endpoint last handed over signatures that hold
	AD      map[string]Tally     `json:"ad,omitempty"`      // how often the good answers of an endpoint had the AD flag (RFC 6840 §5.8)
	Hosts   []Setting            `json:"hosts,omitempty"`   // with which nameservers this host got good answers, the first seen first
	NAT64   []netip.Prefix       `json:"nat64,omitempty"`   // behind which this host's resolvers write IPv4 addresses
	Types   map[Type]*Answered   `json:"types,omitempty"`
}

// KeySpan is how long a public key was seen in use for a name, and by whom it
// was certified.
type KeySpan struct {
	Span
	Issuer    string    `json:"issuer,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
}

// Delegation is where a zone is delegated to, as its own servers or a witness say.
type Delegation struct {
	Span
	Zone        string   `json:"zone"`
	Nameservers []string `json:"ns,omitempty"` // sorted
	DS          []string `json:"ds,omitempty"` // sorted; none where it is unsigned

	Addresses []netip.Addr `json:"addresses,omitempty"` // of its servers, IPv4, sorted; none where they were not asked for
}

// Setting is one nameserver of this host that gave good answers, on one network.
type Setting struct {
	Span
	Network string     `json:"network,omitempty"` // as Evidence has it
	Server  netip.Addr `json:"server"`
	By      string     `json:"by,omitempty"`      // what it was known by, as Source has it
	From    netip.Addr `json:"from,omitzero"`     // who announced it
	MAC     string     `json:"mac,omitempty"`     // of who did
	Modules []string   `json:"modules,omitempty"` // that look names up, in order
}

// Tally is how often something was so and how often it was not. What is long ago
// counts less: both are halved when they grow beyond a thousand.
type Tally struct {
	Yes uint16 `json:"yes,omitempty"`
	No  uint16 `json:"no,omitempty"`
}

const tallyMost = 1000

func (t *Tally) add(yes bool) {
	if yes {
		t.Yes++
	} else {
		t.No++
	}
	if t.Yes+t.No > tallyMost {
		t.Yes, t.No = t.Yes/2, t.No/2
	}
}

// always reports whether it was so in 99 of 100 times, of 50 at least.
func (t Tally) always() bool { return t.Yes+t.No >= 50 && int(t.Yes)*100 >= int(t.Yes+t.No)*99 }

// signed reports whether the zone was signed when it was last looked at.
func (b *Baseline) signed() bool {
	return b != nil && len(b.Zones) > 0 && len(slices.MaxFunc(b.Zones, func(x, y Delegation) int { return x.Last.Compare(y.Last) }).DS) > 0
}

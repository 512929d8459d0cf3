package monitor

import (
	"maps"
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

// Bounds of what is kept of one name, against zones that answer with something
// new each time.
const (
	maxAddresses = 512
	maxKeys      = 32
	maxEnvelopes = 8
	maxCanons    = 64
	maxTails     = 16
	maxGroups    = 16
	maxSigning   = 64
	maxZones     = 4
	maxSettings  = 32
)

// NewBaseline starts the history of a name.
func NewBaseline(name string, since time.Time) *Baseline {
	return &Baseline{Name: name, Since: since, Keys: map[string]*KeySpan{}, Types: map[Type]*Answered{}}
}

// normalize makes a baseline that came from a file usable.
func (b *Baseline) normalize() {
	if b.Keys == nil {
		b.Keys = map[string]*KeySpan{}
	}
	if b.Types == nil {
		b.Types = map[Type]*Answered{}
	}
	maps.DeleteFunc(b.Keys, func(_ string, k *KeySpan) bool { return k == nil })
	maps.DeleteFunc(b.Types, func(_ Type, a *Answered) bool { return a == nil })
	for _, a := range b.Types {
		a.normalize()
	}
}

func (a *Answered) normalize() {
	if a.Addresses == nil {
		a.Addresses = map[netip.Addr]*Identity{}
	}
	if a.Canon == nil {
		a.Canon = map[string]*Span{}
	}
	maps.DeleteFunc(a.Addresses, func(_ netip.Addr, i *Identity) bool { return i == nil })
	maps.DeleteFunc(a.Canon, func(_ string, s *Span) bool { return s == nil })
}

func (a *Answered) identity(addr netip.Addr) (id *Identity, fresh bool) {
	if id = a.Addresses[addr]; id == nil {
		id = &Identity{}
		a.Addresses[addr] = id
		return id, true
	}
	return id, false
}

// trim forgets the addresses and answers that were not seen for longest.
func (a *Answered) trim() {
	for len(a.Addresses) > maxAddresses {
		var oldest netip.Addr
		for addr, id := range a.Addresses {
			if !oldest.IsValid() || id.Seen.Last.Before(a.Addresses[oldest].Seen.Last) {
				oldest = addr
			}
		}
		delete(a.Addresses, oldest)
	}
	for len(a.Canon) > maxCanons {
		oldest := ""
		for key, s := range a.Canon {
			if oldest == "" || s.Last.Before(a.Canon[oldest].Last) {
				oldest = key
			}
		}
		delete(a.Canon, oldest)
	}
}

func trimKeys(b *Baseline) {
	for len(b.Keys) > maxKeys {
		oldest := ""
		for key, k := range b.Keys {
			if oldest == "" || k.Last.Before(b.Keys[oldest].Last) {
				oldest = key
			}
		}
		delete(b.Keys, oldest)
	}
}

// copy gives a baseline that shares nothing with b.
func (b *Baseline) copy() Baseline {
	c := *b
	c.Keys = make(map[string]*KeySpan, len(b.Keys))
	for k, s := range b.Keys {
		s := *s
		c.Keys[k] = &s
	}
	c.Signing = maps.Clone(b.Signing)
	c.AD = maps.Clone(b.AD)
	c.Zones = slices.Clone(b.Zones)
	c.Hosts = slices.Clone(b.Hosts)
	c.NAT64 = slices.Clone(b.NAT64)
	c.Types = make(map[Type]*Answered, len(b.Types))
	for t, a := range b.Types {
		d := *a
		d.TTLs = slices.Clone(a.TTLs)
		d.Addresses = make(map[netip.Addr]*Identity, len(a.Addresses))
		for addr, id := range a.Addresses {
			i := *id
			i.Groups = slices.Clone(id.Groups)
			d.Addresses[addr] = &i
		}
		d.Canon = make(map[string]*Span, len(a.Canon))
		for k, s := range a.Canon {
			s := *s
			d.Canon[k] = &s
		}
		c.Types[t] = &d
	}
	return c
}

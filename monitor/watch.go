package monitor

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"
)

// Private says what a watch makes of addresses in private networks.
type Private string

const (
	// PrivateAuto lets the certificate decide: a private endpoint of a public
	// name is normal, if what answers there proves the name.
	PrivateAuto Private = "auto"
	// PrivateAllow declares that private addresses are right for this name.
	PrivateAllow Private = "allow"
	// PrivateDeny declares that they never are.
	PrivateDeny Private = "deny"
)

// Watch is one name to watch and what its owner knows about it.
type Watch struct {
	Name        string        `json:"name"`
	Types       []Type        `json:"types,omitempty"`
	Interval    time.Duration `json:"-"`
	TLS         TLSExpect     `json:"tls,omitzero"`
	Expect      Expect        `json:"expect,omitzero"`
	SecretNames []string      `json:"secret_names,omitempty"`
	Owner       string        `json:"owner,omitempty"`
	Maintenance []Window      `json:"maintenance,omitempty"` // planned changes
	Inside      bool          `json:"inside,omitempty"`      // never asked of resolvers of others
	Blocks      []Block       `json:"blocks,omitempty"`      // of it by policies of this network that are declared
	Lock        *Locked       `json:"lock,omitempty"`        // what a lock says of it
}

// Block is what a response policy of this network does with the name
// (draft-vixie-dnsop-dns-rpz).
type Block struct {
	Zone      string       `json:"zone"`                // of the policy
	Addresses []netip.Addr `json:"addresses,omitempty"` // that it gives; none where it denies the name, or is silent
}

// TLSExpect is how the name proves itself.
type TLSExpect struct {
	Off  bool     `json:"off,omitempty"`  // the name serves no TLS
	Port uint16   `json:"port,omitempty"` // 443 where it is 0
	Pins []string `json:"pins,omitempty"` // accepted public keys, "sha256/…"
}

// Expect is what the owner of the watch declares about right answers.
type Expect struct {
	Addresses []netip.Prefix `json:"addresses,omitempty"` // all that may be answered
	Private   Private        `json:"private,omitempty"`
}

// Pinned reports whether the owner declared what is right.
func (w Watch) Pinned() bool { return len(w.TLS.Pins) > 0 || len(w.Expect.Addresses) > 0 }

// Allows reports whether an address pin of the family of a lets a pass; without
// such a pin nothing is said, and ok is false.
func (w Watch) Allows(a netip.Addr) (allowed, ok bool) {
	for _, p := range w.Expect.Addresses {
		if p.Addr().Is4() == a.Unmap().Is4() {
			ok = true
			allowed = allowed || p.Contains(a.Unmap())
		}
	}
	return allowed, ok
}

// HasPin reports whether spki is among the pinned keys.
func (w Watch) HasPin(spki string) bool { return spki != "" && slices.Contains(w.TLS.Pins, spki) }

// Port is where the name proves itself.
func (w Watch) Port() uint16 {
	if w.TLS.Port == 0 {
		return 443
	}
	return w.TLS.Port
}

// Questions lists what a round asks.
func (w Watch) Questions() []Question {
	types := w.Types
	if len(types) == 0 {
		types = []Type{TypeA, TypeAAAA}
	}
	qs := make([]Question, len(types))
	for i, t := range types {
		qs[i] = Question{Name: w.Name, Type: t}
	}
	return qs
}

// watchJSON carries the interval in seconds, which is exact for every value
// that a configuration can hold.
type watchJSON struct {
	watchFields
	Interval float64 `json:"interval_seconds,omitempty"`
}

type watchFields Watch

// MarshalJSON writes the watch with its interval in seconds.
func (w Watch) MarshalJSON() ([]byte, error) {
	return json.Marshal(watchJSON{watchFields(w), w.Interval.Seconds()})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (w *Watch) UnmarshalJSON(b []byte) error {
	var j watchJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*w = Watch(j.watchFields)
	w.Interval = time.Duration(j.Interval * float64(time.Second))
	return nil
}

package monitor

import (
	"encoding/json"
	"slices"
)

// Manner is what was known of how a server answers when it gave an answer: what
// fifty of its answers or more were like. It is learnt on the wire, by whoever
// overhears, and forgotten with the process: until it is learnt again, rules that
// need it are mute. What changes for good becomes part of it.
type Manner struct {
	HopLimits []int        `json:"ip_ttls,omitempty"`    // with which its packets arrive: IPv4 time to live, IPv6 hop limit
	RTT       Milliseconds `json:"min_rtt_ms,omitempty"` // its shortest in a week
	MACs      []string     `json:"macs,omitempty"`       // that its frames come from: its own, or a router's
	Always    Traits       `json:"always,omitzero"`      // what all of its answers show that could
	Never     Traits       `json:"never,omitzero"`       // what none of them does
}

// Traits are what header and layout of a message show. A query shows what it asks
// for, and a response what it grants.
type Traits uint8

// The traits.
const (
	TraitRD      Traits = 1 << iota // recursion desired, echoed (RFC 1035 §4.1.1)
	TraitRA                         // recursion available
	TraitAD                         // authentic data; in a query AD or DO (RFC 6840 §5.7)
	TraitOPT                        // an OPT record (RFC 6891 §6.1.1)
	TraitCookie                     // a client cookie, and the same one back (RFC 7873 §5.2)
	TraitCase                       // a name with capital letters, and the same ones back
	TraitPointer                    // the owner of the first answer is a pointer (RFC 1035 §4.1.4)
)

var traitNames = [...]string{"RD", "RA", "AD", "OPT", "COOKIE", "CASE", "POINTER"}

// Telling gives the traits that say something of whoever made the response to a
// query, by whether it is there or not: what was asked for, and what comes with
// data. query is 0 where no query was seen.
func Telling(query Traits, data bool) Traits {
	t := query & (TraitRD | TraitAD | TraitOPT | TraitCookie | TraitCase)
	if data {
		t |= TraitRA | TraitPointer
	}
	return t
}

// Words lists the traits.
func (t Traits) Words() []string {
	words := []string{}
	for i, w := range traitNames {
		if t&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return words
}

// MarshalJSON writes a list of words.
func (t Traits) MarshalJSON() ([]byte, error) { return json.Marshal(t.Words()) }

// UnmarshalJSON reads what MarshalJSON writes. Words that it does not know say nothing.
func (t *Traits) UnmarshalJSON(b []byte) error {
	var words []string
	if err := json.Unmarshal(b, &words); err != nil {
		return err
	}
	*t = 0
	for _, w := range words {
		if i := slices.Index(traitNames[:], w); i >= 0 {
			*t |= 1 << i
		}
	}
	return nil
}

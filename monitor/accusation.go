package monitor

import (
	"net/netip"
	"time"
)

// Accusation is what the findings against one voice come to.
type Accusation struct {
	Local       bool   // the voice is on this host's own path
	Group       string // whose it is, where it is not
	Kind        Kind
	Attribution Attribution
	Confidence  Confidence
	Content     bool   // what it says is held to be false, not merely odd
	Pinned      bool   // it breaks a pin
	Unchecked   bool   // nothing about the name can prove itself, so that the best proof is less than one
	Score       int    // decibans
	Resolver    string // label of the accused endpoint
	Observed    []netip.Addr
	Findings    []Finding
	First, Last time.Time // when it was said, in this case
	TTL         uint32    // the longest, in seconds, that caches may keep it
	Count       int       // observations of it
	Leak        Leak
	Pending     bool // more of the same would raise it
	Harmless    bool // forged, but the answer that was accepted is good
	Passing     bool // this host changes networks: it must still stand when that is over
	Settled     bool // every address in question had its chance to prove itself

	Transactions []Transaction // on the wire that show it, oldest first

	Voices  []Voice // who said what when it was laid
	Because string  // why it is laid where it is
}

// presses reports whether the accusation is reason enough to go on looking.
func (a Accusation) presses() bool {
	return !a.Kind.notice() && a.Kind != LocalProxy && (a.Pending || a.Score >= suspectAt)
}

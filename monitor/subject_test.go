package monitor

import (
	"testing"
	"time"
)

// What is overheard by the second does not push what was asked out of an open case:
// two handshakes count as two only when they lie apart.
func TestOverheardLeavesRoom(t *testing.T) {
	q := &question{opened: time.Unix(1, 0)}
	q.keep(Sample{Via: Probe, Evidence: []Evidence{{Kind: EvidenceTLS}}})
	for range 10 * maxSamples {
		q.keep(Sample{Via: Wire})
	}
	for range maxSamples/2 - 1 {
		q.keep(Sample{Via: Probe})
	}
	if n := len(q.samples); n != maxSamples {
		t.Errorf("%d samples are kept, want %d", n, maxSamples)
	}
	if len(q.samples[0].Evidence) == 0 {
		t.Error("the handshake was let go, though what was overheard could have been")
	}
	// Where what was overheard is the lesser part, the oldest goes, whatever it is.
	q.keep(Sample{Via: Probe})
	q.keep(Sample{Via: Probe})
	if len(q.samples[0].Evidence) > 0 {
		t.Error("the oldest sample is still there, though most were asked")
	}
}

// What was proven later outweighs what only added up to more before.
func TestProofIsHeldOnTo(t *testing.T) {
	q := &question{opened: time.Unix(1, 0)}
	for _, a := range []Accusation{{Local: true, Confidence: Probable, Score: 115}, {Local: true, Confidence: Confirmed, Score: 100}, {Local: true, Confidence: Probable, Score: 130}} {
		q.remember(&Ruling{Accusations: []Accusation{a}})
	}
	r := Ruling{Accusations: []Accusation{{Local: true, Confidence: Suspected, Score: 20}}}
	q.remember(&r)
	if r.Confidence != Confirmed || r.Score != 100 {
		t.Errorf("held on to %s with %d, want what was confirmed", r.Confidence, r.Score)
	}
}

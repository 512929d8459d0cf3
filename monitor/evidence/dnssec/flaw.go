package dnssec

import (
	"errors"
	"fmt"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// fault is why something is not proven.
type fault uint8

const (
	_           fault = iota
	unavailable       // it could not be had
	spent             // it would have cost too much
	untimely          // the signature is right, but for another time
	unsigned          // there is no signature where there must be one
	wrong             // a signature that does not verify, or a proof that does not prove
)

// flaw is an error that says in words of ours why something is not proven.
type flaw struct {
	fault fault
	text  string
	late  bool // since the signature of a zone above is for another time
}

func (f flaw) Error() string { return f.text }

func flawed(f fault, format string, args ...any) error {
	return flaw{f, fmt.Sprintf(format, args...), f == untimely}
}

// faultOf gives the fault of any error; what is no flaw could not be had.
func faultOf(err error) fault {
	var f flaw
	if errors.As(err, &f) {
		return f.fault
	}
	return unavailable
}

// isLate reports whether it is a matter of time only.
func isLate(err error) bool {
	var f flaw
	return errors.As(err, &f) && f.late
}

// status is what an answer with that flaw comes to. A signature by the right
// key that is out of its time is no forgery: a cache that serves what is stale
// (RFC 8767) or a clock that is wrong gives the same.
func status(err error) monitor.DNSSECStatus {
	switch faultOf(err) {
	case unsigned, wrong:
		return monitor.Bogus
	}
	return monitor.Indeterminate
}

// worse gives the error that says more: of several resolvers that did not hand
// over what was asked of them, the one that came closest.
func worse(a, b error) error {
	if a == nil || b != nil && faultOf(b) == untimely && faultOf(a) != untimely {
		return b
	}
	return a
}

// stamp writes a time as people and programs read it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// tlsMismatch (id.tls_mismatch): the answered address shows a certificate that
// is not the name's, while in the same minute another address of the name shows
// the right one. The main proof. Without a control it says little; a refused or
// dropped connection says next to nothing (firewalls, dead CDN nodes).
func tlsMismatch(v *view) []Finding {
	var fs []Finding
	if v.Watch.TLS.Off {
		return nil
	}
	for _, o := range v.subjects() {
		for _, a := range o.addrs {
			if c, _ := v.class(a); c.Good() {
				continue
			}
			f := accused(o)
			f.Address = a
			if v.weighProofs(a, &f) {
				fs = append(fs, f)
			}
		}
	}
	return fs
}

func (v *view) weighProofs(a netip.Addr, f *Finding) bool {
	ps := v.proofs[a]
	if why, bad := v.knownBad(a); bad && !v.spaced(v.wrong(a)) {
		f.Weight, f.Fact = proof, fmt.Sprintf("%s was %s", a, why)
		return true
	}
	if len(ps) == 0 {
		return false
	}
	last := ps[len(ps)-1]
	wrong := v.wrong(a)
	switch {
	case v.spaced(wrong):
		f.Weight = proof
		f.Fact = fmt.Sprintf("%s %s %s %s apart, %s right each time", a, last.Outcome.Phrase(), times(len(wrong)),
			round(wrong[len(wrong)-1].Sub(wrong[0])), v.control(last))
	case len(wrong) > 0:
		f.Weight, f.Pending = medium, true
		f.Fact = fmt.Sprintf("%s %s, %s right in the same minute", a, last.Outcome.Phrase(), v.control(last))
	case last.Outcome.Wrong() && privateAddress(a) && !v.public() && v.on("clear.never_public"):
		f.Fact = fmt.Sprintf("%s %s, as sites inside of networks do", a, last.Outcome.Phrase())
	case v.inspects(last):
		f.Fact = fmt.Sprintf("%s %s, as all do here: TLS is inspected on the way", a, last.Outcome.Phrase())
	case last.Outcome.Wrong() && !v.triedControl(last):
		f.Weight, f.Pending = pending, true
		f.Fact = fmt.Sprintf("%s %s; no address is known to be right to compare with", a, last.Outcome.Phrase())
	case last.Outcome.Wrong():
		f.Fact = fmt.Sprintf("%s %s, but so is the control: the proof does not work here", a, last.Outcome.Phrase())
	case !v.controlled(last):
		return false
	case last.Outcome == OutcomeAlert || last.Outcome == OutcomeNonTLS:
		f.Weight = medium
		f.Fact = fmt.Sprintf("%s %s, %s right in the same minute", a, last.Outcome.Phrase(), v.control(last))
	case last.Outcome == OutcomeRefused || last.Outcome == OutcomeReset || last.Outcome == OutcomeTimeout:
		f.Weight = weak
		f.Fact = fmt.Sprintf("%s %s, %s right in the same minute", a, last.Outcome.Phrase(), v.control(last))
	default:
		return false
	}
	return true
}

// control names an address that proved the name close to p.
func (v *view) control(p Evidence) string {
	var best netip.Addr
	for b, ps := range v.proofs {
		for _, q := range ps {
			if b != p.Address && q.Outcome == OutcomeOK && q.At.Sub(p.At).Abs() <= controlWithin && (!best.IsValid() || b.Less(best)) {
				best = b
			}
		}
	}
	return best.String()
}

func (v *view) triedControl(p Evidence) bool {
	for b, ps := range v.proofs {
		for _, q := range ps {
			if b != p.Address && q.Role == Control && q.Outcome != OutcomeNotDialled {
				return true
			}
		}
	}
	return false
}

// pinViolation (pin.violation): an answer, or the key that is served at it, is
// not among what the owner of the watch declared, or what a lock of the name has.
func pinViolation(v *view) []Finding {
	var fs []Finding
	for _, o := range v.subjects() {
		if o.Filtering && v.on("clear.filtering") {
			continue
		}
		for _, a := range o.addrs {
			f := accused(o)
			f.Address = a
			var at []time.Time
			if allowed, ok := v.Watch.Allows(a); ok && !allowed {
				for _, p := range v.answersOf(o.Endpoint(), len(v.all)) {
					if slices.Contains(p.addrs, a) {
						at = append(at, p.At)
					}
				}
				f.Fact = fmt.Sprintf("%s at %s is outside expect.addresses", a, o.Label())
			} else if c, _ := v.class(a); c.Good() {
				// It served the pinned key since. Where others vouch for an address that the lock
				// does not have, that is told, and weighs nothing.
				if what, _ := v.unlocked(o, a); what != "" {
					f.Lock, f.Fact = true, fmt.Sprintf("%s at %s %s", a, o.Label(), what)
					fs = append(fs, f)
				}
				continue
			} else if at = v.keyed(a); len(v.Watch.TLS.Pins) > 0 && len(at) > 0 {
				f.Fact = fmt.Sprintf("%s at %s serves a key that is not pinned", a, o.Label())
			} else if what, when := v.breaches(a); what != "" {
				at, f.Lock, f.Fact = when, true, fmt.Sprintf("%s at %s %s", a, o.Label(), what)
			} else if what, when := v.unlocked(o, a); what != "" {
				at, f.Lock, f.Fact = when, true, fmt.Sprintf("%s at %s %s", a, o.Label(), what)
			} else {
				continue
			}
			f.Weight, f.Pending = pending, true
			if v.spaced(at) {
				f.Weight, f.Pending = proof, false
				f.Fact += fmt.Sprintf(", %s over %s", times(len(at)), round(at[len(at)-1].Sub(at[0])))
			}
			fs = append(fs, f)
		}
	}
	for _, fact := range v.zoneBreaches() {
		for _, f := range v.changed(0, fact) {
			f.Lock = true
			fs = append(fs, f)
		}
	}
	return fs
}

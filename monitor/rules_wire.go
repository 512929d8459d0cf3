package monitor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// overheard is a contradiction on the wire with what is known of both answers.
type overheard struct {
	clash
	accepted *answer
	denied   *answer // by the first one
}

// harken takes in a sample from the wire. Only the accepted answer counts as
// an answer: the other reached nobody.
//
// It counts for a while only: nobody asks on the wire again to show that all is
// well.
func (v *view) harken(s Sample) (accepted *answer, ok bool) {
	if v.at.Sub(s.At) > clashFor*v.Policy.Timing.Recheck || len(s.Answers) == 0 {
		return nil, false
	}
	v.overhear(s)
	o, ok := s.accepted()
	if !ok {
		return nil, false
	}
	accepted = v.answer(o, s.At)
	if c, ok := s.clash(v.Policy); ok {
		v.clashes = append(v.clashes, overheard{c, accepted, v.answer(c.other, s.At)})
		// A transaction is written down again when more of it is seen.
		if n := len(v.clashes); n > 1 {
			now, _ := s.Transaction()
			v.clashes = slices.DeleteFunc(v.clashes[:n-1], func(c overheard) bool {
				was, ok := c.sample.Transaction()
				return ok && was.Same(now)
			})
			v.clashes = append(v.clashes, overheard{c, accepted, v.answer(c.other, s.At)})
		}
	}
	return accepted, true
}

// overhear keeps a sample from the wire, in the place of the same transaction as it was
// written down before.
func (v *view) overhear(s Sample) {
	if now, ok := s.Transaction(); ok {
		v.wire = slices.DeleteFunc(v.wire, func(w Sample) bool {
			was, ok := w.Transaction()
			return ok && was.Same(now)
		})
	}
	v.wire = append(v.wire, s)
}

// heard gives the contradictions that are not between two answers that are both
// known to be right: a query that was doubled on its way is answered twice.
func (v *view) heard() []overheard {
	return slices.DeleteFunc(slices.Clone(v.clashes), func(c overheard) bool {
		return v.stands(c.accepted) == good && v.stands(c.denied) == good && v.on("clear.both_good")
	})
}

// dupConflict (dup.conflict): a query got answers that contradict each other.
// A server answers once; somebody else answers as well.
func dupConflict(v *view) []Finding {
	cs := v.heard()
	if len(cs) == 0 {
		return nil
	}
	last := cs[len(cs)-1]
	f := Finding{Local: true, Group: "path", Resolver: last.first.Label(), Weight: proof}
	if len(cs) == 1 && len(last.signs) == 0 {
		f.Weight = lone
	}
	what := "one query got"
	if len(cs) > 1 {
		what = fmt.Sprintf("%d queries got contradicting answers, the last one", len(cs))
	}
	f.Fact = fmt.Sprintf("%s %s from %s, and %s later %s", what, say(last.accepted, v.Question), last.first.Server,
		round(last.other.At.Sub(last.first.At)), say(last.denied, v.Question))
	var fs []Finding
	for _, a := range v.forged(cs) {
		f.Address = a
		fs = append(fs, f)
	}
	if len(fs) == 0 {
		fs = append(fs, f)
	}
	return fs
}

// lone is the weight of a single contradiction without a sign in its packets.
const lone = 45

// forged gives the addresses that are held to be false: those that are not
// good, as long as something good stands against them.
func (v *view) forged(cs []overheard) []netip.Addr {
	var as []netip.Addr
	for _, c := range cs {
		for _, o := range []*answer{c.accepted, c.denied} {
			for _, a := range o.addrs {
				if cl, _ := v.class(a); !cl.Good() && !slices.Contains(as, a) {
					as = append(as, a)
				}
			}
		}
	}
	// Where one of two answers is special and the other is not, that one is it.
	if v.special() && slices.ContainsFunc(as, v.ordinary) && !slices.ContainsFunc(as, v.bad) {
		if odd := slices.DeleteFunc(slices.Clone(as), v.ordinary); len(odd) > 0 {
			return odd
		}
	}
	return as
}

func (v *view) bad(a netip.Addr) bool {
	c, _ := v.class(a)
	return c == ProvenBad
}

func (v *view) ordinary(a netip.Addr) bool {
	c, _ := v.class(a)
	return c != Special
}

// special reports whether special-purpose addresses count as signs.
func (v *view) special() bool { return v.on("div.special_purpose") }

// say gives an answer with its time to live.
func say(o *answer, q Question) string {
	if len(o.addrs) == 0 && len(o.canon.Records) > 0 {
		return strings.Join(o.canon.Records[:min(2, len(o.canon.Records))], ", ")
	}
	if o.canon.Content != Data {
		return show(o)
	}
	return fmt.Sprintf("%s (TTL %d)", show(o), o.TTL(q))
}

// injected decides kind, place and confidence of an accusation that rests on
// contradictions on the wire. It is false for every other.
func (v *view) injected(a *Accusation) bool {
	if !slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == "dup.conflict" }) {
		return false
	}
	cs := v.heard()
	shown := len(cs) > 1 // a second time, or a sign in the packets (gate g2)
	lost, won, proven, lan := true, false, false, false
	for _, c := range cs {
		shown = shown || len(c.signs) > 0
		lan = lan || slices.ContainsFunc(c.signs, func(s sign) bool { return s.rule == "l2.source_changed" })
		first, second := v.stands(c.accepted), v.stands(c.denied)
		lost = lost && first == good
		won = won || first != good && second == good
		proven = proven || v.isFalse(c)
	}
	a.Attribution = AtPath
	if lan {
		a.Attribution = AtLAN
	}
	a.Settled = v.tried(cs)
	switch {
	case lost:
		a.Kind, a.Harmless, a.Confidence = AttackAttempt, true, Suspected
	case proven, won:
		a.Kind, a.Content, a.Confidence = PathInjection, true, Probable
		if proven && shown {
			a.Confidence = Confirmed
		}
		return true
	default:
		a.Kind, a.Confidence = AttackAttempt, Suspected
		if shown {
			a.Confidence = Probable
		}
		return true
	}
	if shown {
		a.Confidence = Confirmed
	}
	return true
}

// isFalse reports whether the accepted answer of a contradiction is proven to
// be false: by the certificate, a pin, or because it is special-purpose while
// the other is not (S5 of the sufficient sets).
func (v *view) isFalse(c overheard) bool {
	if slices.ContainsFunc(c.accepted.addrs, v.bad) {
		return true
	}
	return v.special() && len(c.denied.addrs) > 0 && len(c.accepted.addrs) > 0 &&
		!slices.ContainsFunc(c.accepted.addrs, v.ordinary) && !slices.ContainsFunc(c.denied.addrs, func(a netip.Addr) bool { return !v.ordinary(a) })
}

// tried reports whether every address of the contradictions that is not good
// had its chance to prove itself.
func (v *view) tried(cs []overheard) bool {
	if v.Watch.TLS.Off {
		return true
	}
	for _, c := range cs {
		for _, a := range slices.Concat(c.accepted.addrs, c.denied.addrs) {
			if cl, _ := v.class(a); (cl == Strange || cl == Kin) && len(v.proofs[a]) == 0 {
				return false
			}
		}
	}
	return true
}

// transactions lists the contradictions, oldest first, with when they were
// first and last seen.
func (v *view) transactions(cs []overheard) (ts []Transaction, first, last time.Time) {
	for _, c := range cs {
		t, ok := c.sample.Transaction()
		if !ok {
			continue
		}
		if i := slices.IndexFunc(ts, t.Same); i >= 0 {
			ts[i] = t // seen again, with more of its frames
			continue
		}
		ts = append(ts, t)
	}
	slices.SortStableFunc(ts, func(a, b Transaction) int { return a.Time.Compare(b.Time) })
	if len(cs) > 0 {
		byTime := func(a, b overheard) int { return cmp.Compare(a.first.At.UnixNano(), b.first.At.UnixNano()) }
		first, last = slices.MinFunc(cs, byTime).first.At, slices.MaxFunc(cs, byTime).other.At
	}
	return ts, first, last
}

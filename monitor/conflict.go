package monitor

import (
	"net/netip"
	"slices"
)

// Level is how far two answers to one query contradict each other.
type Level uint8

// The levels, L0 to L4 in rising order; Incomparable stands apart.
const (
	Incomparable Level = iota // one of them says nothing: an error, a truncated message
	Same                      // L0
	Overlap                   // L1: they share an address
	Near                      // L2: the same network, or the same CNAME target
	Unrelated                 // L3: nothing in common
	Denied                    // L4: one gives records, the other says there are none
)

var levelNames = [...]string{"Lx", "L0", "L1", "L2", "L3", "L4"}

func (l Level) String() string { return levelNames[l] }

// Contradicts reports whether one of the two answers can hardly be genuine. The
// two dual replies that Hold-On met in 27 million transactions, from one /24 and
// an error beside data, are of lower levels (Duan et al., SATIN 2012).
func (l Level) Contradicts() bool { return l >= Unrelated }

// Compare gives the level of contradiction between two answers to q.
func Compare(q Question, a, b Observation) Level {
	ca, cb := a.Canon(q), b.Canon(q)
	switch {
	case ca.Content == None || cb.Content == None:
		return Incomparable
	case ca.Equal(cb):
		return Same
	case ca.Content == Data != (cb.Content == Data):
		return Denied
	case ca.Content != Data:
		return Near // no such name, or no such type: no address either way
	case ca.Tail == cb.Tail && ca.Tail != q.Name:
		return Near
	case !q.Type.Address():
		if intersect(ca.Records, cb.Records) {
			return Overlap
		}
		return Unrelated
	}
	as, bs := a.Addresses(q), b.Addresses(q)
	if intersect(as, bs) {
		return Overlap
	}
	for _, x := range as {
		if slices.ContainsFunc(bs, func(y netip.Addr) bool { return neighbours(x, y) }) {
			return Near
		}
	}
	return Unrelated
}

func intersect[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}

// neighbours reports whether two addresses lie in one /24 or /48.
func neighbours(a, b netip.Addr) bool {
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	return err == nil && p.Contains(b)
}

// accepted is the answer that whoever asked took, as far as can be told: the
// first that says anything.
func (s Sample) accepted() (o Observation, ok bool) {
	for _, o := range s.Answers {
		if o.Canon(s.Question).Content != None {
			return o, true
		}
	}
	return o, false
}

// Conflict reports whether an overheard sample holds answers that contradict
// each other and cannot all be answers to the queries that were seen. It is
// what the rule dup.conflict goes by, before anything is known of the name.
func (s Sample) Conflict() bool {
	return s.conflict(nil)
}

func (s Sample) conflict(p *Policy) bool {
	_, ok := s.clash(p)
	return ok
}

// clash is two answers to one query that contradict each other.
type clash struct {
	sample  Sample
	first   Observation // which was accepted
	other   Observation
	level   Level
	surplus bool   // there are more responses than queries
	signs   []sign // in which the two packets differ
}

// clash finds the contradiction in an overheard sample.
//
// A query that is sent twice may rightly be answered twice, and differently
// where the zone rotates, so there must be more responses than queries
// (detection D1). But a forgery raced against a retransmitted query would hide
// behind that; there, and where no query was seen at all or packets were lost,
// two signs in the packets themselves decide.
func (s Sample) clash(p *Policy) (clash, bool) {
	if s.Via != Wire || len(s.Answers) < 2 {
		return clash{}, false
	}
	first, ok := s.accepted()
	if !ok {
		return clash{}, false
	}
	c := clash{sample: s, first: first}
	for _, o := range s.Answers {
		level := Compare(s.Question, first, o)
		if near := level == Overlap || level == Near; !level.Contradicts() && (!near || p.on("clear.near")) {
			continue
		}
		signs := compare(first, o, s.Queries)
		if c.level == Incomparable || len(signs) > len(c.signs) {
			c.other, c.level, c.signs = o, level, signs
		}
	}
	if c.level == Incomparable {
		return clash{}, false
	}
	lost := slices.Contains(s.State, CaptureDegraded) && p.on("clear.degraded")
	c.surplus = len(s.Queries) > 0 && !lost && len(s.Answers) > len(s.Queries) || !p.on("clear.surplus")
	return c, c.surplus || len(c.signs) >= 2
}

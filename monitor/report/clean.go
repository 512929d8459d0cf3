package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dnstaster/dnstaster/monitor"
)

// clean says in a few lines what makes the types of a name clean.
func (p *printer) clean(js []monitor.Judgement) {
	var said []string
	for i, j := range js {
		own, _ := split(j)
		p.field("your path", i, "%-24s %s", addresses(own, j), proof(own, j))
		said = append(said, witnesses(j))
	}
	same := !slices.ContainsFunc(said, func(s string) bool { return s != said[0] })
	i := 0
	for n, s := range said {
		switch {
		case s == "" || same && n > 0:
			continue
		case !same:
			s = js[n].Type.String() + ": " + s
		}
		p.field("witnesses", i, "%s", s)
		i++
	}
	i = 0
	for _, j := range js {
		own, _ := split(j)
		for _, a := range given(own, j) {
			if e, ok := handshake(a, j); ok && e.Outcome != monitor.OutcomeOK {
				p.field("noticed", i, "%s: %s", a, certificate(a, j))
				i++
			}
		}
	}
}

// split gives the latest answers of this host's path and those of witnesses.
func split(j monitor.Judgement) (own, witnesses []monitor.Observation) {
	for _, o := range j.Answers {
		switch {
		case o.Role == monitor.Local:
			own = append(own, o)
		case o.Witness():
			witnesses = append(witnesses, o)
		}
	}
	return own, witnesses
}

// proof says why the addresses are right, and where certificates were met, at
// how many of them.
func proof(own []monitor.Observation, j monitor.Judgement) string {
	const right = "certificate right"
	s := j.Proof
	if !strings.Contains(s, right) {
		return s
	}
	var issuers []string
	as, n := given(own, j), 0
	for _, a := range as {
		if e, ok := handshake(a, j); ok && e.Outcome == monitor.OutcomeOK {
			n++
			if e.Issuer != "" && !slices.Contains(issuers, e.Issuer) {
				issuers = append(issuers, e.Issuer)
			}
		}
	}
	switch {
	case n < len(as):
		s = strings.Replace(s, right, fmt.Sprintf("%s at %d of %d", right, n, len(as)), 1)
	case n == 2:
		s = strings.Replace(s, right, right+" at both", 1)
	case n > 2:
		s = strings.Replace(s, right, fmt.Sprintf("%s at all %d", right, n), 1)
	}
	return strings.Join(append([]string{s}, issuers...), ", ")
}

// relation is how what a witness says stands to what this host's path says.
type relation int

// The relations. Of several endpoints of one operator, the best counts.
const (
	noAnswer relation = iota
	otherwise
	elsewhere
	overlapping
	equal
)

// relate compares a witness's answer with those of this host's path.
func relate(own []monitor.Observation, w monitor.Observation, j monitor.Judgement) relation {
	q := j.Question()
	c := w.Canon(q)
	if c.Content == monitor.None {
		return noAnswer
	}
	best := otherwise
	mine := given(own, j)
	for _, o := range own {
		if o.Canon(q).Equal(c) {
			return equal
		}
	}
	if theirs := w.Addresses(q); len(theirs) > 0 && len(mine) > 0 {
		best = elsewhere
		if slices.ContainsFunc(theirs, func(a netip.Addr) bool { return slices.Contains(mine, a) }) {
			best = overlapping
		}
	}
	return best
}

// witnesses says what witnesses make of it; nothing where there is none.
func witnesses(j monitor.Judgement) string {
	own, ws := split(j)
	byGroup := map[string]relation{}
	var apart []monitor.Observation
	for _, w := range ws {
		r := relate(own, w, j)
		byGroup[w.Group()] = max(byGroup[w.Group()], r)
		if r == elsewhere {
			apart = append(apart, w)
		}
	}
	n := map[relation]int{}
	for _, r := range byGroup {
		n[r]++
	}
	var parts []string
	add := func(r relation, one, many string) {
		if n[r] == 1 {
			many = one
		}
		if n[r] > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d %s", n[r], len(byGroup), many))
		}
	}
	add(equal, "says the same", "say the same")
	add(overlapping, "gives some of the same addresses", "give some of the same addresses")
	how := shown(apart, j)
	add(elsewhere, "gives other addresses, "+how, "give other addresses, "+how)
	add(otherwise, "says otherwise", "say otherwise")
	add(noAnswer, "gave no answer", "gave no answer")
	return strings.Join(parts, "; ")
}

// shown says what certificates were met at the addresses that witnesses give.
func shown(ws []monitor.Observation, j monitor.Judgement) string {
	as := given(ws, j)
	asked, right := 0, 0
	for _, a := range as {
		if e, ok := handshake(a, j); ok {
			asked++
			if e.Outcome == monitor.OutcomeOK {
				right++
			}
		}
	}
	switch {
	case asked == 0:
		return "as CDNs do; certificates there not asked for"
	case right == 0 && asked == 1:
		return "certificate not right"
	case right < asked:
		return fmt.Sprintf("certificate right at %d of the %d asked", right, asked)
	case asked < len(as):
		return fmt.Sprintf("certificate right at the %d asked: normal for a CDN", asked)
	case asked == 1:
		return "certificate right: normal for a CDN"
	}
	return "certificate right at all: normal for a CDN"
}

// notChecked names what a clean verdict does not speak of.
func notChecked(js []monitor.Judgement, stats monitor.Stats) string {
	var parts []string
	heard, signed, unsigned, met, addressed := false, false, false, false, false
	for _, j := range js {
		own, ws := split(j)
		heard = heard || len(ws) > 0
		for _, e := range j.Evidence {
			signed = signed || e.Status == monitor.Secure
			unsigned = unsigned || e.Status == monitor.Insecure
		}
		for _, a := range given(own, j) {
			_, ok := handshake(a, j)
			addressed, met = true, met || ok
		}
	}
	if addressed && !met {
		parts = append(parts, "certificates, this time")
	}
	if !heard {
		parts = append(parts, "what others are told (no witness was asked)")
	}
	if stats.Packets == 0 {
		parts = append(parts, "other programs' DNS on the wire")
	}
	switch {
	case signed:
	case unsigned:
		parts = append(parts, "DNSSEC (zone unsigned)")
	default:
		parts = append(parts, "DNSSEC")
	}
	return orA(strings.Join(parts, "; "), "nothing")
}

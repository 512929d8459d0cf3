package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// pair is one plain answer of an operator and the encrypted one nearest to it.
type pair struct {
	plain, enc *answer
	split      bool
}

// pairWithin is how close together the two answers of a pair must be.
const pairWithin = 2 * time.Second

// pairs gives the plain and encrypted answers of each operator, oldest first. A
// pair is split when the plain one is suspicious and the encrypted one good.
func (v *view) pairs() map[string][]pair {
	m := map[string][]pair{}
	for _, p := range v.all {
		if !plain(p) || v.stands(p) == silent {
			continue
		}
		var near *answer
		for _, e := range v.all {
			if e.Witness() && e.Operator == p.Operator && v.stands(e) != silent && e.At.Sub(p.At).Abs() <= pairWithin &&
				(near == nil || e.At.Sub(p.At).Abs() < near.At.Sub(p.At).Abs()) {
				near = e
			}
		}
		if near != nil {
			split := (v.stands(p) == suspicious || v.relayed(p)) && v.stands(near) == good && !v.byTurns(p)
			m[p.Operator] = append(m[p.Operator], pair{p, near, split})
		}
	}
	return m
}

// byTurns reports whether witnesses of two operators gave a suspicious address of o
// as well in this case, and something good after it: who asks in plain and over TLS
// by turns, of a name that is answered by turns, learns nothing about the way.
func (v *view) byTurns(o *answer) bool {
	return v.on("clear.company") && slices.ContainsFunc(o.addrs, func(a netip.Addr) bool {
		if c, _ := v.class(a); !c.Suspicious() {
			return false
		}
		gave, turned := map[string]bool{}, map[string]bool{}
		for _, w := range v.all { // the oldest first
			switch voice := v.voice(w.Group()); {
			case !w.Witness():
			case slices.Contains(w.addrs, a):
				gave[voice] = true
			case gave[voice] && v.stands(w) == good:
				turned[voice] = true
			}
		}
		return len(turned) >= 2
	})
}

// transportSplit (div.transport_split): one operator says one thing in plain
// and another over TLS, in three pairs of three. The lie is told on the way.
func transportSplit(v *view) []Finding {
	var fs []Finding
	for op, ps := range v.pairs() {
		last := ps[max(0, len(ps)-splitPairs):]
		n := 0
		for _, p := range last {
			if p.split {
				n++
			}
		}
		if n == 0 || n < len(last) {
			continue
		}
		p := last[n-1]
		f := Finding{Local: true, Group: op, Resolver: p.plain.Label(), Address: v.worstOf(p.plain), Pending: n < splitPairs}
		if !f.Pending {
			f.Weight = strong
		}
		f.Fact = fmt.Sprintf("%s says %s in plain and %s over TLS, in %d of %d pairs", op, show(p.plain), show(p.enc), n, len(last))
		fs = append(fs, f)
	}
	slices.SortFunc(fs, func(a, b Finding) int { return strings.Compare(a.Group, b.Group) })
	return fs
}

// liars gives the operators, resolvers of this host among them, whose plain
// answer is suspicious and is not what they say over TLS, if at least one of
// them is somebody else's; one of those that are one voice.
func (v *view) liars() []string {
	var ops []string
	reference := false
	for op, ps := range v.pairs() {
		if ps[len(ps)-1].split {
			ops = append(ops, op)
			reference = true
		}
	}
	if !reference {
		return nil
	}
	for _, o := range v.choose(local) {
		// The C library asks the same nameservers: it is no voice beside theirs.
		if (v.stands(o) == suspicious || v.relayed(o)) && o.Transport != System {
			ops = append(ops, o.Group())
		}
	}
	slices.Sort(ops)
	return oneOfEach(ops, v.voice)
}

// plainPathUniform (div.plain_path_uniform): operators that have nothing to do
// with each other give suspicious answers in plain while a witness is right.
// Independent caches do not share a lie by chance: the path tells it.
func plainPathUniform(v *view) []Finding {
	ops := v.liars()
	if len(ops) < uniformGroups || len(v.goodGroups("")) == 0 {
		return nil
	}
	f := Finding{Local: true, Group: "path", Weight: proof}
	var first, last time.Time
	pairs := v.pairs()
	for _, op := range ops { // in order: of two at the same moment the first is shown
		ps, ok := pairs[op]
		if !ok {
			continue
		}
		n := 0
		for _, p := range ps {
			if p.split {
				n++
				if first.IsZero() || p.plain.At.Before(first) {
					first = p.plain.At
				}
				if p.plain.At.After(last) {
					last = p.plain.At
					f.Address = v.worstOf(p.plain)
					f.Resolver = p.plain.Label()
				}
			}
		}
		if n < uniformRounds {
			f.Pending = true
		}
	}
	if f.Pending = f.Pending || last.Sub(first) < v.Policy.Timing.Repeat; f.Pending {
		f.Weight = 0
	}
	f.Fact = fmt.Sprintf("%s all give false addresses in plain, and %s right ones over TLS: independent operators cannot share a lie by chance",
		strings.Join(ops, ", "), strings.Join(v.goodGroups(""), ", "))
	return []Finding{f}
}

// deadResolver (path.dead_resolver_answers): a question to an address at which
// there is no resolver gets an answer, so somebody answers port 53 for everybody
// (Liu et al., USENIX Security 2018). He may be honest: what he says of names is
// for others to judge.
func deadResolver(v *view) []Finding {
	e, ok := v.facts.redirected()
	if !ok || v.at.Sub(e.At) > probedFor*v.Policy.Timing.Recheck {
		return nil
	}
	where := "an address"
	if e.Address.IsValid() { // a sample that others made need not say which
		where = e.Address.String()
	}
	f := Finding{Local: true, Group: "path", Weight: proof, Fact: "a question to " + where + ", where no DNS server is, got an answer"}
	if e.Detail != "" {
		f.Fact += ": " + e.Detail
	}
	return []Finding{f}
}

// ttlLimited (path.ttl_limited): a question whose TTL ends on the way to a resolver
// is answered, twice: somebody nearer answers in its place. Anycast has one way for
// plain and encrypted questions to one address, or nearly so.
func ttlLimited(v *view) []Finding {
	for _, e := range slices.Backward(v.facts.limited) {
		if !e.Answered || v.at.Sub(e.At) > probedFor*v.Policy.Timing.Recheck {
			continue
		}
		whom := "a resolver"
		if e.Address.IsValid() {
			whom = e.Address.String()
		}
		return []Finding{{Local: true, Group: "path", Weight: strong, Fact: fmt.Sprintf("somebody on the way answers in the place of %s: %s", whom, e.Detail)}}
	}
	return nil
}

// nxRewrite (nx.rewrite): a resolver of this host has addresses for names that
// nobody ever registered. Providers do that for advertisements, and so does who
// wants to be asked for everything (Weaver et al., Redirecting DNS for Ads and
// Profit, FOCI 2011).
func nxRewrite(v *view) []Finding {
	e, ok := v.facts.rewritten()
	if !ok || v.at.Sub(e.At) > probedFor*v.Policy.Timing.Recheck {
		return nil
	}
	for _, o := range v.choose(local) {
		if o.Endpoint() == e.Resolver {
			f := accused(o)
			f.Weight, f.Fact = suspectAt, o.Label()+" has addresses for names that nobody registered: "+e.Detail
			return []Finding{f}
		}
	}
	return nil
}

// encryptedMITM (path.encrypted_mitm): an encrypted resolver shows a certificate
// that is not its own, again and again, while another one proves itself: somebody
// on the way to it poses as it.
func encryptedMITM(v *view) []Finding {
	var fs []Finding
	healthy := map[string]bool{}
	for _, o := range v.all {
		if o.Witness() && o.Error == "" {
			healthy[o.Group()] = true
		}
	}
	seen := map[string]bool{}
	for _, o := range v.all {
		if !o.Witness() || seen[o.Endpoint()] || !strings.HasPrefix(o.Error, ErrTLS) {
			continue
		}
		seen[o.Endpoint()] = true
		at, last := v.masked(o.Endpoint())
		if len(at) == 0 || len(healthy) == 0 || len(healthy) == 1 && healthy[o.Group()] {
			continue
		}
		f := accused(last)
		f.Weight, f.Pending = pending, true
		f.Fact = fmt.Sprintf("%s does not prove its name over %s (%s), and others do", o.Label(), o.Transport, strings.TrimPrefix(strings.TrimPrefix(last.Error, ErrTLS), ": "))
		if v.spaced(at) {
			f.Weight, f.Pending = proof, false
			f.Fact += fmt.Sprintf(", %s over %s", times(len(at)), round(at[len(at)-1].Sub(at[0])))
		}
		fs = append(fs, f)
	}
	return fs
}

// masked gives when the endpoint failed to prove its name since it last did, and
// the latest such answer.
func (v *view) masked(endpoint string) (at []time.Time, last *answer) {
	for _, o := range v.all {
		switch {
		case o.Endpoint() != endpoint:
		case o.Error == "":
			at = nil
		case o.Error == ErrExpired && v.in(StateClock):
		case strings.HasPrefix(o.Error, ErrTLS):
			at, last = append(at, o.At), o
		}
	}
	return at, last
}

// relayed reports whether o leads to where unrelated names lead as well, and no
// witness does.
func (v *view) relayed(o *answer) bool {
	return slices.ContainsFunc(o.addrs, func(a netip.Addr) bool { return len(v.facts.crowds[a]) >= crowded && len(v.given[a]) == 0 })
}

// sharedSink (div.shared_sink): unrelated names lead to one address here that is
// none of theirs. Portals, filters and liars do that.
func sharedSink(v *view) []Finding {
	var fs []Finding
	for _, o := range v.choose(local) {
		for _, a := range o.addrs {
			c, _ := v.class(a)
			names := v.facts.crowds[a]
			if !c.Suspicious() || len(names) < crowded {
				continue
			}
			f := accused(o)
			f.Weight, f.Address = strong, a
			f.Fact = fmt.Sprintf("%s leads %d names that have nothing to do with each other to %s", o.Label(), len(names), a)
			fs = append(fs, f)
		}
	}
	return fs
}

// sniRelay (div.sni_relay): unrelated names lead to one address here that shows
// the right certificate of each, and leads there in plain alone: somebody on the
// way relays TLS. He cannot read it, but knows who talks to whom.
func sniRelay(v *view) []Finding {
	var fs []Finding
	for _, o := range v.choose(local) {
		for _, a := range o.addrs {
			c, _ := v.class(a)
			names := v.facts.crowds[a]
			if c.Suspicious() || len(names) < crowded || len(v.given[a]) > 0 {
				continue
			}
			f := accused(o)
			f.Address, f.Pending = a, len(v.pairs()) == 0
			f.Fact = fmt.Sprintf("%s shows the right certificates of %d names that have nothing to do with each other, and no witness gives it", a, len(names))
			if len(v.liars()) >= uniformGroups {
				f.Weight = strong
			}
			if f.Pending || f.Weight > 0 {
				fs = append(fs, f)
			}
		}
	}
	return fs
}

package monitor

import (
	"net/netip"
	"slices"
	"time"
)

// acquaintance is what a resolver said that it is, whichever name it was asked for:
// one inquiry serves all names that are in doubt at that time. What is known of it
// comes to a judgement as evidence of its sample.
type acquaintance struct {
	asked time.Time
	self  Evidence // the latest; zero for none
}

// maxAcquaintances bounds the endpoints that are remembered, as resolvers of this
// host come and go.
const maxAcquaintances = 64

// inquiries ask resolvers who they are: the first that says what is not good, so
// that the walk can ask as one of its clients would, and those that speak against
// it; where the way to them is in doubt, in plain and over TLS. A resolver of this
// host is asked for names that nobody has, once in a case.
func (m *Monitor) inquiries(q *question, r Ruling) []Proof {
	var ps, also []Proof
	ask := func(via Resolver) {
		endpoint := From(via, time.Time{}).Endpoint()
		a, ok := m.acquaintances[endpoint]
		wait := m.cfg.Timing.Recheck
		if r.At.Sub(a.self.At) < (probedFor-1)*wait {
			wait *= probedFor - 1 // what is known counts until then
		}
		if ok && r.At.Sub(a.asked) < wait {
			return
		}
		if !ok && len(m.acquaintances) >= maxAcquaintances {
			clear(m.acquaintances)
		}
		a.asked = r.At
		m.acquaintances[endpoint] = a
		ps = append(ps, Proof{Kind: EvidenceIdentity, Name: q.q.Name, Type: q.q.Type, Via: via})
	}
	others := m.witnesses(q.subject)
	for _, via := range append(m.own(q.q.Type), others...) {
		if via.Transport == System || !slices.Contains(r.Doubted, From(via, time.Time{}).Endpoint()) {
			continue
		}
		ask(via)
		if via.Role == Local && q.step == 2 {
			also = append(also, Proof{Kind: EvidenceNX, Name: q.q.Name, Type: q.q.Type, Via: via})
		}
		break
	}
	if m.doubtsPath(r) {
		others = append(m.pairs(q), others...)
	}
	for _, via := range others {
		if via.Role == Reference && len(ps) < maxInquiries {
			ask(via)
		}
	}
	return append(ps, also...)
}

// meet takes in what resolvers said of themselves.
func (m *Monitor) meet(s Sample) {
	for _, e := range s.Evidence {
		if a, ok := m.acquaintances[e.Resolver]; ok && e.Kind == EvidenceIdentity && e.Outcome == "" {
			a.self = e
			m.acquaintances[e.Resolver] = a
		}
	}
}

// acquainted gives what the resolvers in s said of themselves of late, where the case does
// not hold it yet.
func (m *Monitor) acquainted(q *question, s Sample) []Evidence {
	var es []Evidence
	for _, o := range s.Answers {
		e := m.acquaintances[o.Endpoint()].self
		if e.Kind != "" && s.At.Sub(e.At) <= probedFor*m.cfg.Timing.Recheck && !q.holds(s, func(h Evidence) bool {
			return h.Kind == e.Kind && h.Resolver == e.Resolver && h.At.Equal(e.At)
		}) {
			es = append(es, e)
		}
	}
	return es
}

// announcers ask who announces the addresses that resolvers ask from.
func (m *Monitor) announcers(q *question, r Ruling) []Proof {
	var as []netip.Addr
	for _, o := range r.Answers {
		if from := asksFrom(m.acquaintances[o.Endpoint()].self); len(from) > 0 && !slices.Contains(as, from[0]) {
			as = append(as, from[0])
		}
	}
	var ps []Proof
	for _, a := range as {
		ps = append(ps, announced(q.q.Name, a))
	}
	return ps
}

// holds reports whether the case, with s, holds evidence that passes.
func (q *question) holds(s Sample, pass func(Evidence) bool) bool {
	return slices.ContainsFunc(s.Evidence, pass) ||
		slices.ContainsFunc(q.samples, func(s Sample) bool { return slices.ContainsFunc(s.Evidence, pass) })
}

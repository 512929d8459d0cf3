package monitor

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A case takes steps, at the times of Timing.Plan after its opening:
//
//	0  witnesses; then handshakes with the suspects and with controls, and signatures
//	1  at once, if that did not clear it: each operator in plain and over TLS, this host's resolvers again
//	2  the same, and handshakes and signatures again: two observations count as two only when they
//	   lie apart; a question to where no resolver is; who the resolvers are, as long as that is not known
//	3  the same without handshakes: a third pair; questions that end on the way; the walk from the root
//	4  the same with handshakes: does a lone dissenter hold its answer?
//	then, every Timing.Recheck, as step 3, with handshakes every fifth time, and the walk every tenth
//
// It ends as soon as nothing is suspicious any more.

// job is a step, or half of one: questions, or handshakes.
type job struct {
	question *question
	step     int       // of the case; -1 for a routine round
	opened   time.Time // which case
	asks     []Resolver
	proofs   []Proof
	began    time.Time // of a round
	verify   bool      // callers of Verify wait for the round
}

// result is what came of a job.
type result struct {
	job    job
	sample Sample
}

// start does a job in the background; its result comes back to the goroutine of Run.
func (m *Monitor) start(j job) {
	ctx := m.ctx
	m.workers.Go(func() {
		s := m.perform(ctx, j)
		select {
		case m.results <- result{j, s}:
		case <-ctx.Done():
		}
	})
}

// perform asks and proves, everything at once but within the limits, and
// returns when all of it has come to an end.
func (m *Monitor) perform(ctx context.Context, j job) Sample {
	s := Sample{At: m.cfg.Now(), Via: Probe, Question: j.question.q,
		Answers: make([]Observation, len(j.asks)), Evidence: make([]Evidence, len(j.proofs))}
	var wg sync.WaitGroup
	for i, r := range j.asks {
		wg.Go(func() {
			s.Answers[i] = m.ask(ctx, r, j.question.q)
		})
	}
	for i, p := range j.proofs {
		wg.Go(func() {
			most := proofTimeout
			if p.Kind == EvidenceWalk {
				most = walkTimeout
			}
			ctx, cancel := context.WithTimeout(ctx, most)
			defer cancel()
			s.Evidence[i] = m.prover.Prove(ctx, p)
		})
	}
	wg.Wait()
	// What was not asked for says nothing; of a handshake, that it was not made does.
	s.Evidence = slices.DeleteFunc(s.Evidence, func(e Evidence) bool { return e.Kind != EvidenceTLS && e.Outcome == OutcomeNotDialled })
	// The sample is judged as of its end: nothing in it is younger.
	s.At = m.cfg.Now()
	return s
}

func (m *Monitor) ask(ctx context.Context, r Resolver, q Question) Observation {
	select {
	case m.asks <- struct{}{}:
		defer func() { <-m.asks }()
	case <-ctx.Done():
		o := From(r, m.cfg.Now())
		o.Error = ErrCanceled
		return o
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return m.asker.Ask(ctx, r, q)
}

// own gives the resolvers of this host that can be asked for the type: the C
// library's own lookup gives addresses only.
func (m *Monitor) own(t Type) []Resolver {
	if m.cfg.System == nil {
		return nil
	}
	rs, err := m.cfg.System()
	m.noteSystem(rs, err)
	var can []Resolver
	for _, r := range rs {
		if r.Transport != System || t.Address() {
			can = append(can, r)
		}
	}
	return can
}

// witnesses gives one encrypted endpoint of each operator, the first that is
// not known to fail, and the plain ones that are configured as such; none for a
// name that must not leave.
func (m *Monitor) witnesses(s *subject) []Resolver {
	var rs []Resolver
	if s.watch.Inside {
		return nil
	}
	chosen := map[string]int{}
	for _, r := range m.cfg.References {
		if !r.Encrypted() {
			rs = append(rs, r)
			continue
		}
		i, ok := chosen[r.Operator]
		switch {
		case !ok:
			chosen[r.Operator] = len(rs)
			rs = append(rs, r)
		case m.failing(rs[i]) && !m.failing(r):
			rs[i] = r
		}
	}
	return rs
}

// maxCutShort bounds the resolvers to which questions are sent that end on the way.
const maxCutShort = 2

// cutShort lists resolvers that are to be had in plain and over TLS at one address.
func (m *Monitor) cutShort(q *question) (ps []Proof) {
	for _, w := range m.witnesses(q.subject) {
		i := slices.IndexFunc(m.cfg.Twins, func(t Resolver) bool { return t.Transport == UDP && t.Addr.Addr() == w.Addr.Addr() })
		if i >= 0 && w.Encrypted() && len(ps) < maxCutShort {
			ps = append(ps, Proof{Kind: EvidenceLimited, Name: q.q.Name, Type: q.q.Type, Via: m.cfg.Twins[i], Port: w.Addr.Port()})
		}
	}
	return ps
}

// pairs gives operators in plain and over TLS, close together, and this
// host's resolvers beside them.
func (m *Monitor) pairs(q *question) []Resolver {
	rs := m.own(q.q.Type)
	n := 0
	for _, w := range m.witnesses(q.subject) {
		if !w.Encrypted() || n == maxPairs {
			continue
		}
		i := slices.IndexFunc(m.cfg.Twins, func(t Resolver) bool {
			return t.Operator == w.Operator && t.Addr.Addr().Is4() == w.Addr.Addr().Is4()
		})
		if i < 0 {
			rs = append(rs, w)
			continue
		}
		rs = append(rs, m.cfg.Twins[i], w)
		n++
	}
	return rs
}

// proofsNow lists the proofs that the present step of a case makes.
func (m *Monitor) proofsNow(q *question, r Ruling) []Proof {
	var ps []Proof
	last := len(m.cfg.Timing.Plan) - 1
	shakes := m.provesNow(q)
	if shakes {
		q.handshaken = r.At
		ps = m.handshakes(q, r)
	}
	if m.doubtsPath(r) && (q.step == 0 || q.step == 2) {
		ps = append(ps, lookHere(q))
	}
	if q.subject.watch.Inside {
		return ps // what follows tells others of the name
	}
	suspect := !m.cleared(r) || len(r.Doubted) > 0
	if shakes && (suspect || r.Moved || m.cfg.Zones && q.step == 0) && (q.step == 0 || !r.Unsigned) {
		ps = append(ps, m.validations(q, r)...)
	}
	if q.step == 0 && suspect {
		ps = append(ps, m.networks(q, r, ps)...)
	}
	if q.step == 0 && r.Doubtful && q.q.Type == TypeAAAA {
		for _, via := range m.own(q.q.Type) {
			if via.Transport != System {
				ps = append(ps, Proof{Kind: EvidenceNAT64, Name: q.q.Name, Type: q.q.Type, Via: via})
				break
			}
		}
	}
	if suspect && q.step >= 2 && (q.step == 2 || q.step > last) && m.doubtsPath(r) {
		ps = append(ps, Proof{Kind: EvidenceDead, Name: q.q.Name, Type: q.q.Type, Via: Resolver{Transport: UDP}})
	}
	if suspect && q.step == 3 && m.doubtsPath(r) {
		ps = append(ps, m.cutShort(q)...)
	}
	if suspect && q.step >= 2 {
		ps = append(ps, m.inquiries(q, r)...)
	}
	if suspect && (q.step == 3 || q.step > last && (q.step-last)%5 == 1) {
		ps = append(ps, m.announcers(q, r)...)
	}
	if suspect && (q.step == 3 || q.step > last && (q.step-last)%10 == 0) {
		ps = append(ps, m.walk(q, r))
	}
	return ps
}

// lookHere looks at what this host knows by itself: that asks nobody.
func lookHere(q *question) Proof { return Proof{Kind: EvidenceHost, Name: q.q.Name, Type: q.q.Type} }

// walkEvery is how many witness rounds lie between two walks for what nobody can
// vouch for: a walk is hundreds of questions to servers of others.
const walkEvery = 4

// mayWalk reports whether the zone itself should be asked about what nobody else
// can vouch for; never of a name that must not leave.
func (m *Monitor) mayWalk(q *question, r Ruling) bool {
	return r.Doubtful && !q.subject.watch.Inside && m.cfg.Now().Sub(q.walked) >= walkEvery*m.cfg.Timing.WitnessInterval
}

func (m *Monitor) walk(q *question, r Ruling) Proof {
	q.walked = m.cfg.Now()
	return Proof{Kind: EvidenceWalk, Name: q.q.Name, Type: q.q.Type, Address: r.Egress}
}

// doubtsPath reports whether a resolver of this host said what is not good.
func (m *Monitor) doubtsPath(r Ruling) bool {
	return r.Doubtful || slices.ContainsFunc(r.Accusations, func(a Accusation) bool { return a.Local && a.presses() })
}

// maxValidations bounds the endpoints whose signatures are looked at in one step.
const maxValidations = 4

// validations asks one witness for the signatures, and those who say what is not
// good where the zone is known to be signed. A resolver that is asked with DO and
// CD may fetch the record anew, and so forget the lie that is to be shown.
func (m *Monitor) validations(q *question, r Ruling) []Proof {
	var ps []Proof
	control := false
	for _, via := range append(m.own(q.q.Type), m.witnesses(q.subject)...) {
		endpoint := From(via, time.Time{}).Endpoint()
		doubted := slices.Contains(r.Doubted, endpoint)
		witness := via.Encrypted() && via.Role == Reference
		switch {
		case via.Transport == System, !doubted && (control || !witness), doubted && !r.Signed && !q.subject.base.signed(), len(ps) > maxValidations:
			continue
		case !doubted:
			control = true
		}
		ps = append(ps, m.validation(q, via))
	}
	return ps
}

func (m *Monitor) validation(q *question, via Resolver) Proof {
	q.checked[From(via, time.Time{}).Endpoint()] = m.cfg.Now()
	return Proof{Kind: EvidenceDNSSEC, Name: q.q.Name, Type: q.q.Type, Via: via}
}

// handshakes lists the handshakes that a ruling asks for, and notes when they
// were tried.
func (m *Monitor) handshakes(q *question, r Ruling) []Proof {
	if len(q.tried) > maxAddresses {
		clear(q.tried)
	}
	var ps []Proof
	add := func(as []netip.Addr, role string, most int) {
		for _, a := range as {
			if most == 0 {
				return
			}
			if slices.ContainsFunc(ps, func(p Proof) bool { return p.Address == a }) {
				continue
			}
			ps = append(ps, m.proof(q, a, role))
			q.tried[a] = r.At
			most--
		}
	}
	add(r.Suspects, Suspect, maxSuspects)
	if m.cfg.Once || r.Moved || r.Untimely {
		add(r.Unproven, Suspect, maxSuspects-len(ps))
	}
	if len(ps) > 0 {
		add(r.Controls, Control, maxControls)
	}
	for _, p := range slices.Clone(ps) {
		ps = append(ps, announced(p.Name, p.Address))
	}
	return ps
}

// announced asks a table who announces an address: that costs nothing.
func announced(name string, a netip.Addr) Proof {
	return Proof{Kind: EvidenceASN, Name: name, Address: a}
}

// networks asks about the addresses that are answered and those that are known,
// but for those that ps asks about: a name without TLS has no handshakes.
func (m *Monitor) networks(q *question, r Ruling, ps []Proof) (also []Proof) {
	add := func(a netip.Addr) {
		is := func(p Proof) bool { return p.Kind == EvidenceASN && p.Address == a }
		if len(also) < maxAddresses && !slices.ContainsFunc(ps, is) && !slices.ContainsFunc(also, is) {
			also = append(also, announced(q.q.Name, a))
		}
	}
	for _, o := range r.Answers {
		for _, a := range o.Addresses(q.q) {
			add(a)
		}
	}
	if b := q.subject.base; b != nil && b.Types[q.q.Type] != nil {
		known := b.Types[q.q.Type].Addresses
		for _, a := range slices.SortedFunc(maps.Keys(known), netip.Addr.Compare) {
			if known[a].ASN == 0 {
				add(a)
			}
		}
	}
	return also
}

func (m *Monitor) proof(q *question, a netip.Addr, role string) Proof {
	w := q.subject.watch
	return Proof{
		Name: w.Name, Address: a, Port: w.Port(), Role: role,
		Private: privateAddress(a) && w.Expect.Private != PrivateDeny,
	}
}

//go:build lab

package lab

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// tape plays the recorded samples of a quiet case to a monitor, as its Asker and
// its Prover: over and over, each time a little other. What a resolver says at a
// moment is what it said at that moment of the recording, or just before or
// after, so that resolvers stay in step with each other and with the
// certificates. It may be used by many goroutines.
type tape struct {
	seed   uint64
	now    func() time.Time
	start  time.Time // when playing began
	from   time.Time // when the recording did
	span   time.Duration
	says   map[string][]monitor.Observation  // by endpoint and question, oldest first
	shown  map[netip.Addr][]monitor.Evidence // by handshake, oldest first
	facts  map[string][]monitor.Evidence     // other evidence, by kind, whom it is about, and question; oldest first
	keys   map[netip.Addr]monitor.Evidence   // what history says that addresses show
	wrong  map[netip.Addr]bool               // addresses that showed a wrong certificate
	hosts  map[string]monitor.Resolver       // by endpoint
	bases  map[string]monitor.Baseline       // by name
	watch  map[string]monitor.Watch          // by name
	heard  []monitor.Sample                  // overheard, oldest first
	shifts []time.Time                       // when this host changed networks
	rounds int                               // of this host's own path
	moving bool                              // the sample taken last was of a change of networks
	mu     sync.Mutex                        // guards what follows
	asked  map[string]uint64                 // by endpoint and question
	forged bool                              // every plain answer is a lie
}

// evil are the addresses that the attack at the end answers with.
var evil = map[monitor.Type]netip.Addr{
	monitor.TypeA: netip.MustParseAddr("192.0.66.66"), monitor.TypeAAAA: netip.MustParseAddr("2a00:666::1"),
}

// newTape takes in what was recorded of a name, or of every name where it is
// empty.
func newTape(seed uint64, samples []monitor.Sample, name string) (*tape, error) {
	t := &tape{
		seed: seed, says: map[string][]monitor.Observation{}, shown: map[netip.Addr][]monitor.Evidence{}, facts: map[string][]monitor.Evidence{}, keys: map[netip.Addr]monitor.Evidence{},
		wrong: map[netip.Addr]bool{}, hosts: map[string]monitor.Resolver{}, bases: map[string]monitor.Baseline{}, watch: map[string]monitor.Watch{},
		asked: map[string]uint64{},
	}
	var to time.Time
	for _, s := range samples {
		if n := s.Question.Name; name != "" && n != name {
			continue
		}
		if t.from.IsZero() {
			t.from = s.At
		}
		to = s.At
		t.take(s)
	}
	if len(t.hosts) == 0 {
		return nil, fmt.Errorf("nothing is recorded of %q", cmp.Or(name, "any name"))
	}
	for _, os := range t.says {
		slices.SortStableFunc(os, func(a, b monitor.Observation) int { return a.At.Compare(b.At) })
	}
	for _, es := range t.shown {
		slices.SortStableFunc(es, sooner)
	}
	for _, es := range t.facts {
		slices.SortStableFunc(es, sooner)
	}
	t.span = max(to.Sub(t.from), time.Second)
	return t, nil
}

func (t *tape) take(s monitor.Sample) {
	if moves := slices.Contains(s.State, monitor.StateTransition); moves && !t.moving {
		t.shifts = append(t.shifts, s.At)
		t.moving = true
	} else if !moves {
		t.moving = false
	}
	w := t.watch[s.Question.Name]
	w.Name = s.Question.Name
	if s.Watch != nil {
		types := w.Types
		w = *s.Watch
		w.Types = types
	}
	if !slices.Contains(w.Types, s.Question.Type) {
		w.Types = append(w.Types, s.Question.Type)
	}
	t.watch[w.Name] = w
	if _, known := t.bases[w.Name]; s.Baseline != nil && !known {
		t.bases[w.Name] = *s.Baseline
		for _, a := range s.Baseline.Types {
			for addr, id := range a.Addresses {
				if k := s.Baseline.Keys[id.SPKI]; !id.Verified.IsZero() && k != nil {
					t.keys[addr] = monitor.Evidence{At: id.Verified, Outcome: monitor.OutcomeOK, SPKI: id.SPKI, Issuer: k.Issuer, NotBefore: k.NotBefore}
				}
			}
		}
	}
	for _, e := range s.Evidence {
		e.At = cmp.Or(e.At, s.At)
		if e.Kind != monitor.EvidenceTLS {
			key := fact(e.Kind, e.Resolver, s.Question)
			t.facts[key] = append(t.facts[key], e)
			continue
		}
		t.shown[e.Address] = append(t.shown[e.Address], e)
		t.wrong[e.Address] = t.wrong[e.Address] || e.Outcome.Wrong()
	}
	if s.Via == monitor.Wire {
		t.heard = append(t.heard, s)
		return
	}
	if slices.ContainsFunc(s.Answers, func(o monitor.Observation) bool { return o.Role == monitor.Local }) {
		t.rounds++
	}
	for _, o := range s.Answers {
		o.At, o.Packet = cmp.Or(o.At, s.At), nil
		r := monitor.Resolver{Name: o.Resolver, Operator: o.Operator, Role: o.Role, Transport: o.Transport, Filtering: o.Filtering}
		if o.Server.IsValid() {
			r.Addr = netip.AddrPortFrom(o.Server, 53)
		}
		t.hosts[o.Endpoint()] = r
		key := o.Endpoint() + s.Question.String()
		t.says[key] = append(t.says[key], o)
	}
}

// resolvers gives whom the recorded daemon asked: this host's resolvers, others,
// and the plain twins of those that are encrypted. A twin that was not asked then
// says what its operator says over TLS.
func (t *tape) resolvers() (own, refs, twins []monitor.Resolver) {
	encrypted := map[string]bool{}
	for _, r := range t.hosts {
		encrypted[r.Operator] = encrypted[r.Operator] || r.Encrypted()
	}
	for _, r := range t.hosts {
		switch {
		case r.Role == monitor.Local:
			own = append(own, r)
		case r.Encrypted():
			refs = append(refs, r)
			r.Transport = monitor.UDP
			twins = append(twins, r)
		case !encrypted[r.Operator]:
			refs = append(refs, r)
		}
	}
	// The order in which they are asked is another each time: maps have none.
	return own, refs, twins
}

func isEvil(addr string) bool {
	a, err := netip.ParseAddr(addr)
	return err == nil && (a == evil[monitor.TypeA] || a == evil[monitor.TypeAAAA])
}

// forge has every plain answer be a lie from now on.
func (t *tape) forge() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forged = true
}

func (t *tape) lies() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.forged
}

// dice gives a source of chance that belongs to one act alone: what others do at
// the same moment changes nothing.
func (t *tape) dice(what string) *rand.Rand {
	t.mu.Lock()
	n := t.asked[what]
	t.asked[what]++
	t.mu.Unlock()
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", what, n)
	return rand.New(rand.NewPCG(t.seed, h.Sum64()))
}

// head is where in the recording we are.
func (t *tape) head() time.Time { return t.from.Add(t.now().Sub(t.start) % t.span) }

// last gives the index of the last of xs, in order of time, that is not younger
// than a moment; the first where all are.
func last[T any](xs []T, at time.Time, when func(T) time.Time) int {
	return max(0, sort.Search(len(xs), func(i int) bool { return when(xs[i]).After(at) })-1)
}

// lately gives the index of the last handshake, in order of time, that is not
// younger than a moment. What was wrong once was not seen to last: where the next
// one is not wrong, it is shown for a second.
func lately(es []monitor.Evidence, at time.Time) int {
	i := last(es, at, shown)
	if i+1 < len(es) && es[i].Outcome.Wrong() && !es[i+1].Outcome.Wrong() && at.Sub(es[i].At) > time.Second {
		return i + 1
	}
	return i
}

func seen(o monitor.Observation) time.Time { return o.At }
func shown(e monitor.Evidence) time.Time   { return e.At }
func sooner(a, b monitor.Evidence) int     { return a.At.Compare(b.At) }

// fact names what evidence other than a handshake is about.
func fact(kind, endpoint string, q monitor.Question) string {
	return kind + " " + endpoint + " " + q.String()
}

// How often something is not as it was recorded: one time of so many.
const (
	oneIsLost  = 50 // an answer
	oneUnasked = 20 // a handshake
	oneIsOff   = 4  // an answer is one of those around it in time
	window     = 2  // so many before and behind, and no further away in time than
	aside      = window * time.Second
	maxPool    = 3 // caches behind one resolver
)

// Ask gives what the resolver said.
func (t *tape) Ask(_ context.Context, r monitor.Resolver, q monitor.Question) monitor.Observation {
	o := monitor.From(r, t.now())
	key := o.Endpoint() + q.String()
	dice := t.dice(key)
	time.Sleep(time.Millisecond + time.Duration(dice.Int64N(int64(40*time.Millisecond))))
	o.At = t.now()
	o.RTT = monitor.Milliseconds(time.Millisecond * time.Duration(1+dice.IntN(40)))
	said := t.says[key]
	if len(said) == 0 && r.Role == monitor.Reference && !r.Encrypted() {
		for _, tr := range []monitor.Transport{monitor.DoT, monitor.DoH} {
			twin := r
			twin.Transport = tr
			said = append(said, t.says[monitor.From(twin, o.At).Endpoint()+q.String()]...)
		}
	}
	switch a, lies := evil[q.Type]; {
	case lies && t.lies() && !r.Encrypted():
		o.Rcode, o.Flags = "NOERROR", []string{"RD", "RA"}
		o.Records = []monitor.Record{{Name: q.Name, Type: q.Type, Data: a.String(), TTL: 60}}
		return o
	case len(said) == 0 || dice.IntN(oneIsLost) == 0:
		o.Error = monitor.ErrTimeout
		return o
	}
	i := last(said, t.head(), seen)
	if dice.IntN(oneIsOff) == 0 {
		j := min(max(0, i-window+dice.IntN(2*window+1)), len(said)-1)
		// An address whose owner changed is not told of at another time.
		if said[j].At.Sub(said[i].At).Abs() <= aside && !slices.ContainsFunc(said[j].Addresses(q), func(a netip.Addr) bool { return t.wrong[a] }) {
			i = j
		}
	}
	was := said[i]
	o.Rcode, o.Flags, o.EDE, o.NSID, o.Error = was.Rcode, was.Flags, was.EDE, was.NSID, was.Error
	o.Records = t.aged(slices.Clone(was.Records), said[max(0, i-window):min(len(said), i+window+1)], q, dice)
	dice.Shuffle(len(o.Records), func(i, j int) { o.Records[i], o.Records[j] = o.Records[j], o.Records[i] })
	return o
}

// aged gives records the TTLs that a cache gives them that one of several behind
// the resolver got them from the zone some time ago. None is longer than what the
// resolver said around then.
func (t *tape) aged(rs []monitor.Record, said []monitor.Observation, q monitor.Question, dice *rand.Rand) []monitor.Record {
	var full uint32
	for _, o := range said {
		full = max(full, o.TTL(q))
	}
	if full == 0 {
		return rs
	}
	// Each cache of the pool has a phase of its own and counts down with time.
	age := uint64(t.now().Sub(t.start)/time.Second) + uint64(dice.IntN(maxPool))*uint64(full)/maxPool
	left := full - uint32(age%uint64(full))
	for i := range rs {
		rs[i].TTL = min(left, full)
	}
	return rs
}

// Prove gives what the address showed, or what else was found out. What nobody
// asked for while it was recorded is not known now either.
func (t *tape) Prove(_ context.Context, p monitor.Proof) monitor.Evidence {
	if p.Kind != "" && p.Kind != monitor.EvidenceTLS {
		return t.recall(p)
	}
	dice := t.dice("prove " + p.Address.String())
	time.Sleep(time.Millisecond + time.Duration(dice.Int64N(int64(40*time.Millisecond))))
	now := t.now()
	es := t.shown[p.Address]
	known, history := t.keys[p.Address]
	var e monitor.Evidence
	switch {
	case isEvil(p.Address.String()):
		e = monitor.Evidence{Outcome: monitor.OutcomeSelfSigned, SPKI: "sha256/evil", NotBefore: now.Add(-time.Hour), At: now}
	case t.lies(): // the control is right: what is to be seen is whether somebody looks
		e = monitor.Evidence{Outcome: monitor.OutcomeOK, SPKI: "sha256/control", NotBefore: now.Add(-1000 * time.Hour), At: now}
	case dice.IntN(oneUnasked) == 0 || len(es) == 0 && !history || len(es) > 0 && es[0].At.Sub(t.head()) > aside && !history:
		// What it would have shown then, nobody looked at.
		e = monitor.Evidence{Outcome: monitor.OutcomeNotDialled, At: now}
	case len(es) == 0 || es[0].At.Sub(t.head()) > aside:
		e = known
	default:
		e = es[lately(es, t.head())]
	}
	if !e.NotBefore.IsZero() {
		e.NotBefore = e.NotBefore.Add(now.Sub(e.At)) // as old as it was
	}
	e.Kind, e.At, e.Role, e.Address, e.Port = monitor.EvidenceTLS, now, p.Role, p.Address, p.Port
	return e
}

// recall gives other evidence than a handshake. Whoever lies hands over no
// signatures.
func (t *tape) recall(p monitor.Proof) monitor.Evidence {
	var about string // a walk is about no resolver
	if p.Kind != monitor.EvidenceWalk {
		about = monitor.From(p.Via, t.now()).Endpoint()
	}
	es := t.facts[fact(p.Kind, about, monitor.Question{Name: p.Name, Type: p.Type})]
	if len(es) == 0 || t.lies() && p.Via.Addr.IsValid() && !p.Via.Encrypted() {
		return monitor.Evidence{Kind: p.Kind, At: t.now(), Role: p.Role, Address: p.Address, Outcome: monitor.OutcomeNotDialled}
	}
	e := es[last(es, t.head(), shown)]
	e.At = t.now()
	return e
}

// due is when, from the start, the nth of what happened at times happens again.
func (t *tape) due(times []time.Time, n int) time.Duration {
	loop, i := n/len(times), n%len(times)
	return time.Duration(loop)*t.span + times[i].Sub(t.from)
}

// hearing is when things were overheard.
func (t *tape) hearing() (at []time.Time) {
	for _, s := range t.heard {
		at = append(at, s.At)
	}
	return at
}

// overheard gives an overheard sample as though it were new: its times and its
// transaction number are others.
func (t *tape) overheard(s monitor.Sample, n int) monitor.Sample {
	later := t.now().Sub(s.At)
	shift := func(p monitor.Packet) monitor.Packet {
		if !p.At.IsZero() {
			p.At = p.At.Add(later)
		}
		p.TXID = uint16(n)
		return p
	}
	s.At = s.At.Add(later)
	s.Watch, s.Baseline = nil, nil
	s.Queries, s.Answers = slices.Clone(s.Queries), slices.Clone(s.Answers)
	for i, p := range s.Queries {
		s.Queries[i] = shift(p)
	}
	for i, o := range s.Answers {
		if !o.At.IsZero() {
			s.Answers[i].At = o.At.Add(later)
		}
		if o.Packet != nil {
			p := shift(*o.Packet)
			s.Answers[i].Packet = &p
		}
	}
	return s
}

package monitor_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// reply is what an endpoint says. The zero reply is an empty NOERROR answer.
type reply struct {
	addrs []string
	ttl   uint32
	cname []string // the chain from the name asked for to the owner of addrs
	rcode string   // NOERROR where it is empty
	err   string
	ede   []uint16
	flags []string // beside RD and RA
}

// trick bends one answer: n counts the questions of that type which the
// endpoint "name/transport" got before. It passes with ok false.
type trick func(endpoint string, q monitor.Question, n int) (r reply, ok bool)

// world is a small Internet: what each endpoint answers, and what certificate
// each address shows. Tests bend it while a monitor watches, and read in it who
// was asked what.
type world struct {
	facts func(monitor.Proof) monitor.Evidence // evidence that is no handshake; nil for none
	ledger
	mu     sync.Mutex
	zone   map[monitor.Question]reply // what everybody answers
	tricks []trick                    // what some answer instead; the newest is looked at first
	dead   map[string]bool            // by endpoint: no answer
	stuck  map[string]bool            // by endpoint: no answer until the asker gives up
	certs  map[netip.Prefix]monitor.Evidence
	step   time.Duration // added to the wall clock, not to time that passes
	counts map[string]int
	asks   []asked
	proofs []monitor.Evidence
}

type asked struct {
	at       time.Time
	endpoint string
	q        monitor.Question
	answer   monitor.Observation
}

const (
	goodAddr  = "192.0.80.10"
	goodAddr2 = "192.0.80.11"
	evilAddr  = "192.0.66.66"
	goodKey   = "sha256/good"
	evilKey   = "sha256/evil"
	old       = 41 * 24 * time.Hour // age of a certificate
)

var (
	apiA    = monitor.Question{Name: "api.partner.example.", Type: monitor.TypeA}
	apiAAAA = monitor.Question{Name: apiA.Name, Type: monitor.TypeAAAA}

	everyPlain = []string{"alpha/udp", "bravo/udp", "charlie/udp", "delta/udp", "system/udp"}
	everyDoT   = []string{"alpha/dot", "bravo/dot", "charlie/dot", "delta/dot"}
	everyone   = append(append([]string{}, everyDoT...), everyPlain...)
)

func newWorld() *world {
	w := &world{
		ledger: newLedger(),
		zone:   map[monitor.Question]reply{apiA: {addrs: []string{goodAddr, goodAddr2}, ttl: 300}},
		dead:   map[string]bool{}, stuck: map[string]bool{}, certs: map[netip.Prefix]monitor.Evidence{}, counts: map[string]int{},
	}
	w.cert(goodAddr, monitor.OutcomeOK, goodKey, old)
	w.cert(goodAddr2, monitor.OutcomeOK, goodKey, old)
	w.cert(evilAddr, monitor.OutcomeSelfSigned, evilKey, time.Hour)
	return w
}

// cert has an address, or all of a prefix, show a certificate of the given age.
func (w *world) cert(where string, o monitor.Outcome, key string, age time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := monitor.Evidence{Outcome: o, SPKI: key, Issuer: "Example CA"}
	if key != "" {
		e.NotBefore = time.Now().Add(-age)
	}
	w.certs[prefix(where)] = e
}

func prefix(s string) netip.Prefix {
	if strings.Contains(s, "/") {
		return netip.MustParsePrefix(s)
	}
	a := netip.MustParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen())
}

// bend adds a trick, which is looked at before all others.
func (w *world) bend(t trick) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tricks = append([]trick{t}, w.tricks...)
}

// lie has endpoints answer q with one address.
func (w *world) lie(q monitor.Question, addr string, ttl uint32, endpoints ...string) {
	w.tell(q, reply{addrs: []string{addr}, ttl: ttl}, endpoints...)
}

// tell has endpoints answer q with r.
func (w *world) tell(q monitor.Question, r reply, endpoints ...string) {
	among := set(endpoints)
	w.bend(func(e string, asked monitor.Question, _ int) (reply, bool) { return r, asked == q && among[e] })
}

func set(ss []string) map[string]bool {
	m := map[string]bool{}
	for _, s := range ss {
		m[s] = true
	}
	return m
}

// honest takes back every trick and wakes the dead.
func (w *world) honest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tricks = nil
	clear(w.dead)
	clear(w.stuck)
}

// change has the zone itself give other addresses.
func (w *world) change(q monitor.Question, addrs ...string) {
	w.publish(q, reply{addrs: addrs, ttl: 300})
}

// publish has the zone itself say something else.
func (w *world) publish(q monitor.Question, r reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zone[q] = r
}

func (w *world) kill(endpoints ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range endpoints {
		w.dead[e] = true
	}
}

// wake has endpoints answer again.
func (w *world) wake(endpoints ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range endpoints {
		delete(w.dead, e)
	}
}

// hang has endpoints hold every question until the asker gives up.
func (w *world) hang(endpoints ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range endpoints {
		w.stuck[e] = true
	}
}

// now is the time as this host's clock shows it.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bubbleNow(w.step)
}

func (w *world) stepClock(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.step += d
}

func (w *world) Ask(ctx context.Context, r monitor.Resolver, q monitor.Question) monitor.Observation {
	time.Sleep(3 * time.Millisecond)
	key := r.Name + "/" + string(r.Transport)
	w.mu.Lock()
	stuck := w.stuck[key]
	w.mu.Unlock()
	if stuck {
		<-ctx.Done()
	}
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.counts[key+" "+q.String()]
	w.counts[key+" "+q.String()]++
	say := w.zone[q]
	for _, t := range w.tricks {
		if r, ok := t(key, q, n); ok {
			say = r
			break
		}
	}
	if w.dead[key] {
		say = reply{err: monitor.ErrTimeout}
	}
	if stuck {
		say = reply{err: monitor.ErrCanceled}
	}
	o := say.to(monitor.From(r, now), q)
	w.asks = append(w.asks, asked{now, key, q, o})
	return o
}

// to fills in what came back.
func (r reply) to(o monitor.Observation, q monitor.Question) monitor.Observation {
	o.RTT, o.TXID = monitor.Milliseconds(3*time.Millisecond), 4711
	if r.err != "" {
		o.Error = r.err
		return o
	}
	o.Rcode, o.Flags, o.EDE = "NOERROR", append([]string{"RD", "RA"}, r.flags...), r.ede
	if r.rcode != "" {
		o.Rcode = r.rcode
	}
	owner := q.Name
	for _, next := range r.cname {
		o.Records = append(o.Records, monitor.Record{Name: owner, Type: monitor.TypeCNAME, Data: next, TTL: r.ttl})
		owner = next
	}
	for _, a := range r.addrs {
		o.Records = append(o.Records, monitor.Record{Name: owner, Type: q.Type, Data: a, TTL: r.ttl})
	}
	return o
}

func (w *world) Prove(_ context.Context, p monitor.Proof) monitor.Evidence {
	if p.Kind != "" && p.Kind != monitor.EvidenceTLS {
		return w.learn(p)
	}
	time.Sleep(20 * time.Millisecond)
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	e := monitor.Evidence{Outcome: monitor.OutcomeTimeout}
	bits := -1
	for block, shown := range w.certs {
		if block.Contains(p.Address) && block.Bits() > bits {
			e, bits = shown, block.Bits()
		}
	}
	if a := p.Address; a.IsLoopback() || a.IsUnspecified() || a.IsPrivate() && !p.Private {
		e = monitor.Evidence{Outcome: monitor.OutcomeNotDialled}
	}
	e.Kind, e.At, e.Role, e.Address, e.Port = monitor.EvidenceTLS, now, p.Role, p.Address, p.Port
	w.proofs = append(w.proofs, e)
	return e
}

// questions counts those that went to endpoints with the suffix.
func (w *world) questions(suffix string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, a := range w.asks {
		if strings.HasSuffix(a.endpoint, suffix) {
			n++
		}
	}
	return n
}

func endpoint(name, operator, addr string, role monitor.Role, tr monitor.Transport) monitor.Resolver {
	port := uint16(53)
	if tr == monitor.DoT {
		port = 853
	}
	return monitor.Resolver{Name: name, Operator: operator, Role: role, Transport: tr, Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), port)}
}

// config watches one name by one local resolver and four operators.
func config() monitor.Config {
	c := monitor.Config{
		Watches: []monitor.Watch{{Name: apiA.Name, Types: []monitor.Type{monitor.TypeA}, SecretNames: []string{"PARTNER_API_KEY"}, Owner: "payments"}},
		Timing:  monitor.DefaultTiming(),
		Host:    "app-17",
		System: func() ([]monitor.Resolver, error) {
			return []monitor.Resolver{endpoint("system", "system", "10.0.0.2", monitor.Local, monitor.UDP)}, nil
		},
	}
	for i, op := range []string{"alpha", "bravo", "charlie", "delta"} {
		addr := fmt.Sprintf("9.9.9.%d", i+1)
		c.References = append(c.References, endpoint(op, op, addr, monitor.Reference, monitor.DoT))
		c.Twins = append(c.Twins, endpoint(op, op, addr, monitor.Reference, monitor.UDP))
	}
	return c
}

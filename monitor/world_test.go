package monitor_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// world is a small Internet: what each endpoint answers, and what certificate
// each address shows. Tests bend it while a monitor watches.
type world struct {
	mu     sync.Mutex
	zone   map[monitor.Question][]string            // what everybody answers
	lies   map[string]map[monitor.Question][]string // by endpoint: what it answers instead
	ttl    map[string]uint32                        // by endpoint, for its lies
	dead   map[string]bool                          // by endpoint: no answer
	certs  map[netip.Addr]monitor.Evidence          // what a handshake meets; none: time-out
	asked  map[string]int                           // by endpoint
	proven map[netip.Addr]int                       // handshakes by address
	events []monitor.Event
	saved  map[string]monitor.Baseline
	alerts map[string]monitor.Alert
	fail   error // of commits
}

const (
	goodAddr  = "192.0.80.10"
	goodAddr2 = "192.0.80.11"
	evilAddr  = "192.0.66.66"
	goodKey   = "sha256/good"
	evilKey   = "sha256/evil"
)

var apiA = monitor.Question{Name: "api.partner.example.", Type: monitor.TypeA}

func newWorld() *world {
	w := &world{
		zone: map[monitor.Question][]string{apiA: {goodAddr, goodAddr2}},
		lies: map[string]map[monitor.Question][]string{}, ttl: map[string]uint32{}, dead: map[string]bool{},
		certs: map[netip.Addr]monitor.Evidence{}, asked: map[string]int{}, proven: map[netip.Addr]int{},
		saved: map[string]monitor.Baseline{}, alerts: map[string]monitor.Alert{},
	}
	w.cert(goodAddr, monitor.OutcomeOK, goodKey, 41*24*time.Hour)
	w.cert(goodAddr2, monitor.OutcomeOK, goodKey, 41*24*time.Hour)
	w.cert(evilAddr, monitor.OutcomeSelfSigned, evilKey, time.Hour)
	return w
}

// cert has addr show a certificate of the given age.
func (w *world) cert(addr string, o monitor.Outcome, key string, age time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := monitor.Evidence{Outcome: o, SPKI: key, Issuer: "Example CA"}
	if key != "" {
		e.NotBefore = time.Now().Add(-age)
	}
	w.certs[netip.MustParseAddr(addr)] = e
}

// lie has endpoints answer q with addrs; the endpoint is "name/transport".
func (w *world) lie(q monitor.Question, addr string, ttl uint32, endpoints ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range endpoints {
		if w.lies[e] == nil {
			w.lies[e] = map[monitor.Question][]string{}
		}
		w.lies[e][q] = []string{addr}
		w.ttl[e] = ttl
	}
}

func (w *world) honest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.lies)
	clear(w.dead)
}

func (w *world) change(q monitor.Question, addrs ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zone[q] = addrs
}

func (w *world) kill(endpoints ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range endpoints {
		w.dead[e] = true
	}
}

func (w *world) Ask(ctx context.Context, r monitor.Resolver, q monitor.Question) monitor.Observation {
	time.Sleep(3 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	o := monitor.From(r, time.Now())
	key := r.Name + "/" + string(r.Transport)
	w.asked[key]++
	if w.dead[key] {
		o.Error = monitor.ErrTimeout
		return o
	}
	o.Rcode, o.Flags = "NOERROR", []string{"RD", "RA"}
	addrs, ttl := w.zone[q], uint32(300)
	if lie, ok := w.lies[key][q]; ok {
		addrs, ttl = lie, w.ttl[key]
	}
	for _, a := range addrs {
		o.Records = append(o.Records, monitor.Record{Name: q.Name, Type: q.Type, Data: a, TTL: ttl})
	}
	return o
}

func (w *world) Prove(ctx context.Context, p monitor.Proof) monitor.Evidence {
	time.Sleep(20 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proven[p.Address]++
	e, ok := w.certs[p.Address]
	if !ok {
		e.Outcome = monitor.OutcomeTimeout
	}
	e.Kind, e.At, e.Role, e.Address = monitor.EvidenceTLS, time.Now(), p.Role, p.Address
	return e
}

func (w *world) Commit(_ context.Context, b *monitor.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return w.fail
	}
	for _, e := range b.Events {
		e.Seq = uint64(len(w.events)) + 1
		w.events = append(w.events, e)
	}
	for _, x := range b.Baselines {
		w.saved[x.Name] = x
	}
	for _, a := range b.Alerts {
		w.alerts[a.ID] = a
	}
	return nil
}

func (w *world) Baselines(context.Context) ([]monitor.Baseline, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var bs []monitor.Baseline
	for _, b := range w.saved {
		bs = append(bs, b)
	}
	return bs, nil
}

func (w *world) Alerts(_ context.Context, since time.Time) ([]monitor.Alert, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var as []monitor.Alert
	for _, a := range w.alerts {
		if a.ResolvedAt == nil || a.ResolvedAt.After(since) {
			as = append(as, a)
		}
	}
	return as, nil
}

// seen lists the committed events under a prefix as "type kind confidence severity resolver".
func (w *world) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, e := range w.events {
		if e.Alert == "" {
			continue
		}
		a := decode[monitor.Alert](e.Data)
		out = append(out, fmt.Sprintf("%s %s %s %s %s %s", e.Type, a.Kind, a.Confidence, a.Severity, a.Attribution, a.Resolver))
	}
	return out
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

// watch runs a monitor over the world in a bubble of fake time.
func watch(t *testing.T, w *world, c monitor.Config, story func(m *monitor.Monitor)) {
	t.Helper()
	m, err := monitor.New(c, w, w, w, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	story(m)
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

// wait lets d pass.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func verdict(t *testing.T, m *monitor.Monitor, name string) monitor.Verdict {
	t.Helper()
	s, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Watches, func(w monitor.WatchStatus) bool { return w.Name == name })
	if i < 0 {
		t.Fatalf("%s is not in status", name)
	}
	return s.Watches[i].Verdict
}

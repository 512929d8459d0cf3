package report_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// world is what the real monitor looks at in these tests, so that the values
// on the screens are the ones that it fills in: what each endpoint answers, and
// which certificate each address shows.
type world struct {
	mu     sync.Mutex
	zone   map[monitor.Question][]string            // what everybody answers
	says   map[string]map[monitor.Question][]string // by "name/transport": what it answers instead
	errs   map[string]string                        // by "name/transport": why it does not answer
	certs  map[string]monitor.Evidence              // by address; none: no answer to a handshake
	events []monitor.Event
	ivals  []monitor.Interval
	fail   error // of commits
}

const (
	trueAddr  = "203.0.113.10"
	trueAddr2 = "203.0.113.11"
	falseAddr = "198.51.100.66"
	trueKey   = "sha256/hdz8y8yAO0hLsYWQ7T9tZ1hPiJ4v4vbJdpGfBkYJ3qY="
	falseKey  = "sha256/AAAA8yAO0hLsYWQ7T9tZ1hPiJ4v4vbJdpGfBkYJ3qY0="
)

var (
	apiA    = monitor.Question{Name: "api.partner.example.", Type: monitor.TypeA}
	apiAAAA = monitor.Question{Name: "api.partner.example.", Type: monitor.TypeAAAA}
	sftpA   = monitor.Question{Name: "sftp.bank.example.", Type: monitor.TypeA}
)

// begin is when every story begins.
var begin = time.Date(2026, 11, 20, 3, 6, 40, 0, time.UTC)

func newWorld() *world {
	w := &world{
		zone:  map[monitor.Question][]string{apiA: {trueAddr, trueAddr2}},
		says:  map[string]map[monitor.Question][]string{},
		errs:  map[string]string{},
		certs: map[string]monitor.Evidence{},
	}
	w.right(trueAddr, trueAddr2)
	w.certs[falseAddr] = monitor.Evidence{
		Outcome: monitor.OutcomeSelfSigned, SPKI: falseKey, Issuer: "localhost", Detail: `self-signed "localhost"`,
		NotBefore: begin.Add(-time.Hour), NotAfter: begin.Add(365 * 24 * time.Hour),
	}
	return w
}

// right has addresses show the right certificate, 41 days old.
func (w *world) right(addrs ...string) {
	for _, a := range addrs {
		w.certs[a] = monitor.Evidence{
			Outcome: monitor.OutcomeOK, SPKI: trueKey, Issuer: "Example CA",
			NotBefore: begin.Add(-41 * 24 * time.Hour), NotAfter: begin.Add(49 * 24 * time.Hour),
		}
	}
}

// says has endpoints, each "name/transport", answer q with addrs.
func (w *world) answer(q monitor.Question, addrs []string, endpoints ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range endpoints {
		if w.says[e] == nil {
			w.says[e] = map[monitor.Question][]string{}
		}
		w.says[e][q] = addrs
	}
}

// honest has everybody answer the zone's content again.
func (w *world) honest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.says)
	clear(w.errs)
}

func (w *world) silence(why string, endpoints ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range endpoints {
		w.errs[e] = why
	}
}

func (w *world) breakStore(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

// Ask answers after a time that depends on the type, so that a story goes the
// same way each time.
func (w *world) Ask(_ context.Context, r monitor.Resolver, q monitor.Question) monitor.Observation {
	time.Sleep(3*time.Millisecond + time.Duration(q.Type)*time.Microsecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	o := monitor.From(r, time.Now())
	o.RTT = monitor.Milliseconds(3 * time.Millisecond)
	key := r.Name + "/" + string(r.Transport)
	if why := w.errs[key]; why != "" {
		o.Error = why
		return o
	}
	o.Rcode, o.Flags = "NOERROR", []string{"RD", "RA"}
	addrs, ok := w.says[key][q]
	if !ok {
		addrs = w.zone[q]
	}
	for _, a := range addrs {
		o.Records = append(o.Records, monitor.Record{Name: q.Name, Type: q.Type, Data: a, TTL: 300})
	}
	return o
}

func (w *world) Prove(_ context.Context, p monitor.Proof) monitor.Evidence {
	time.Sleep(20 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.Kind != "" && p.Kind != monitor.EvidenceTLS {
		return monitor.Evidence{Kind: p.Kind, At: time.Now(), Outcome: monitor.OutcomeNotDialled, Detail: "nobody gathers it here"}
	}
	e, ok := w.certs[p.Address.String()]
	if !ok {
		e.Outcome = monitor.OutcomeTimeout
	}
	e.Kind, e.At, e.Role, e.Address, e.Port = monitor.EvidenceTLS, time.Now(), p.Role, p.Address, p.Port
	return e
}

// Commit keeps events and intervals as the store would.
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
next:
	for _, i := range b.Intervals {
		for n, old := range w.ivals {
			if old.Series() == i.Series() && old.First.Equal(i.First) {
				w.ivals[n] = i
				continue next
			}
		}
		w.ivals = append(w.ivals, i)
	}
	return nil
}

func (w *world) Baselines(context.Context) ([]monitor.Baseline, error) { return nil, nil }

func (w *world) Alerts(context.Context, time.Time) ([]monitor.Alert, error) { return nil, nil }

func resolver(name, addr string, role monitor.Role, tr monitor.Transport) monitor.Resolver {
	port := uint16(53)
	if tr == monitor.DoT {
		port = 853
	}
	return monitor.Resolver{Name: name, Operator: name, Role: role, Transport: tr, Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), port)}
}

// config has one name watched, by one resolver of this host and three witnesses.
func config() monitor.Config {
	c := monitor.Config{
		Watches: []monitor.Watch{{Name: apiA.Name, SecretNames: []string{"PARTNER_API_KEY"}, Owner: "payments"}},
		Timing:  monitor.DefaultTiming(),
		Host:    "app-17.fra1",
		Labels:  map[string]string{"env": "prod", "site": "fra1"},
		// The addresses of examples are ordinary ones here.
		Exempt: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Once:   true,
		System: func() ([]monitor.Resolver, error) {
			return []monitor.Resolver{resolver("system", "10.0.0.2", monitor.Local, monitor.UDP)}, nil
		},
	}
	for _, r := range []struct{ name, addr string }{{"cloudflare", "1.1.1.1"}, {"google", "8.8.8.8"}, {"quad9", "9.9.9.10"}} {
		c.References = append(c.References, resolver(r.name, r.addr, monitor.Reference, monitor.DoT))
		c.Twins = append(c.Twins, resolver(r.name, r.addr, monitor.Reference, monitor.UDP))
	}
	return c
}

// plain are the endpoints that share the fate of port 53 from here.
var plain = []string{"system/udp", "cloudflare/udp", "google/udp", "quad9/udp"}

// run lets a real monitor look at the world while a story is told, in fake time
// that starts at begin.
func run(t *testing.T, w *world, c monitor.Config, story func(t *testing.T, m *monitor.Monitor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(begin))
		m, err := monitor.New(c, w, w, w, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- m.Run(ctx) }()
		story(t, m)
		cancel()
		if err := <-ran; err != nil && w.fail == nil {
			t.Error(err)
		}
	})
}

// check does what the command of that name does: a round, and the plan of each
// case that it opens.
func check(t *testing.T, w *world, c monitor.Config) (monitor.Report, time.Duration) {
	t.Helper()
	var r monitor.Report
	var took time.Duration
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		r = verify(t, m, c)
		took = r.GeneratedAt.Sub(begin)
	})
	return r, took
}

func verify(t *testing.T, m *monitor.Monitor, c monitor.Config) monitor.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 59500*time.Millisecond) // a little before the last step
	defer cancel()
	var js []monitor.Judgement
	var as []monitor.Alert
	for _, watch := range c.Watches {
		got, _ := m.Verify(ctx, watch.Name, monitor.WholePlan) // what is known when time is over counts too
		js = append(js, got...)
		as = append(as, explain(t, m, watch.Name).Alerts...)
	}
	r := monitor.NewReport(time.Now(), js, as)
	r.Stats = monitor.Stats{Queries: 8, Responses: 8}
	return r
}

func explain(t *testing.T, m *monitor.Monitor, name string) monitor.Explanation {
	t.Helper()
	e, err := m.Explain(context.WithoutCancel(t.Context()), name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range e.Alerts {
		e.Alerts[i].ID = fixedID(e.Alerts[i].ID)
	}
	return e
}

func status(t *testing.T, m *monitor.Monitor) monitor.Status {
	t.Helper()
	s, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Alerts {
		s.Alerts[i].ID = fixedID(s.Alerts[i].ID)
		if s.Alerts[i].Incident != "" {
			s.Alerts[i].Incident = fixedID(s.Alerts[i].Incident)
		}
	}
	// What the command fills in.
	s.Version = "0.1.0"
	s.Config = monitor.ConfigStatus{Path: "/etc/dnstaster/dnstaster.yaml", Loaded: begin.Add(-42 * time.Hour)}
	s.Started = s.Started.Add(-76 * time.Hour)
	return s
}

// fixedID gives an id the random part that it has in every run; its time stays.
func fixedID(id string) string {
	return id[:10] + strings.Repeat("0", len(id)-12) + fmt.Sprintf("%02d", 7)
}

package monitor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// ledger is a store in memory, which can be told to fail.
type ledger struct {
	mu     *sync.Mutex
	events []monitor.Event
	saved  map[string]monitor.Baseline
	alerts map[string]monitor.Alert
	spans  map[string]monitor.Interval // by series and beginning
	kept   map[string][]monitor.Sample // by alert
	fail   error                       // of commits
	failed int                         // commits that did
}

func newLedger() ledger {
	return ledger{
		mu: new(sync.Mutex), saved: map[string]monitor.Baseline{}, alerts: map[string]monitor.Alert{},
		spans: map[string]monitor.Interval{}, kept: map[string][]monitor.Sample{},
	}
}

// failing has every commit end with err, until it is nil again.
func (l *ledger) failing(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *ledger) Commit(_ context.Context, b *monitor.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		l.failed++
		return l.fail
	}
	for _, e := range b.Events {
		e.Seq = uint64(len(l.events)) + 1
		l.events = append(l.events, e)
	}
	for _, x := range b.Baselines {
		l.saved[x.Name] = x
	}
	for _, a := range b.Alerts {
		l.alerts[a.ID] = a
	}
	for _, p := range b.Proofs {
		l.kept[p.Alert] = through(p.Samples)
	}
	for _, i := range b.Intervals {
		l.spans[i.Series()+i.First.String()] = i
	}
	return nil
}

func (l *ledger) Baselines(context.Context) ([]monitor.Baseline, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var bs []monitor.Baseline
	for _, b := range l.saved {
		bs = append(bs, through(b))
	}
	return bs, nil
}

func (l *ledger) Alerts(_ context.Context, since time.Time) ([]monitor.Alert, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var as []monitor.Alert
	for _, a := range l.alerts {
		if a.ResolvedAt == nil || a.ResolvedAt.After(since) {
			as = append(as, through(a))
		}
	}
	return as, nil
}

// through gives v as it comes back from a disk.
func through[T any](v T) T {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return decode[T](raw)
}

func decode[T any](raw json.RawMessage) (v T) {
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(err)
	}
	return v
}

// seen lists the committed events about alerts, each as "type kind confidence
// severity attribution resolver".
func (l *ledger) seen() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, e := range l.events {
		if e.Alert == "" {
			continue
		}
		a := decode[monitor.Alert](e.Data)
		out = append(out, fmt.Sprintf("%s %s %s %s %s %s", e.Type, a.Kind, a.Confidence, a.Severity, a.Attribution, a.Resolver))
	}
	return out
}

// told lists the committed events of a type.
func (l *ledger) told(kind string) []monitor.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.events), func(e monitor.Event) bool { return e.Type != kind })
}

// changes lists the verdicts that questions went through, as events tell it.
func (l *ledger) changes() []string {
	var out []string
	for _, e := range l.told(monitor.VerdictChanged) {
		c := decode[monitor.Change](e.Data)
		out = append(out, fmt.Sprintf("%s %s %s", c.Type, c.To, c.Cause))
	}
	return out
}

// only gives the one alert that the ledger holds.
func (l *ledger) only(t *testing.T) monitor.Alert {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var as []monitor.Alert
	for _, a := range l.alerts {
		if a.Severity > monitor.Low || len(l.alerts) == 1 { // what calls nobody may be there as well
			as = append(as, a)
		}
	}
	if len(as) != 1 {
		t.Fatalf("%d alerts in the store, want 1", len(as))
	}
	return as[0]
}

// watch runs a monitor over the world in a bubble of fake time.
func watch(t *testing.T, w *world, c monitor.Config, story func(m *monitor.Monitor)) {
	t.Helper()
	keep(t, w, w, c, story)
}

// keep runs a monitor with a store of its own.
func keep(t *testing.T, store monitor.Store, w *world, c monitor.Config, story func(m *monitor.Monitor)) {
	t.Helper()
	if c.Now == nil {
		c.Now = w.now
	}
	m, err := monitor.New(c, w, w, store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	}()
	story(m)
}

// bubble lets a story happen in fake time, with a configuration to bend.
func bubble(t *testing.T, story func(t *testing.T, w *world, c monitor.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { story(t, newWorld(), config()) })
}

// wait lets d pass.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// judged gives what is published of the first type of a name.
func judged(t *testing.T, m *monitor.Monitor, name string) monitor.Judgement {
	t.Helper()
	e, err := m.Explain(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return e.Judgements[0]
}

// wantVerdict compares the worst verdict of the name with what it should be.
func wantVerdict(t *testing.T, m *monitor.Monitor, want monitor.Verdict) {
	t.Helper()
	s, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Watches, func(w monitor.WatchStatus) bool { return w.Name == apiA.Name })
	if i < 0 {
		t.Fatalf("%s is not in status", apiA.Name)
	}
	if got := s.Watches[i].Verdict; got != want {
		e, _ := m.Explain(t.Context(), apiA.Name)
		for _, j := range e.Judgements {
			t.Errorf("verdict %s, want %s: %s is %s (%s); reasons %+v, against %q", got, want, j.Type, j.Verdict, j.Cause, j.Reasons, j.Against)
		}
	}
}

// wantAlerts compares the events about alerts with what they should be.
func wantAlerts(t *testing.T, w *world, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.seen()); diff != "" {
		t.Errorf("alert events (-want +got):\n%s", diff)
		for _, e := range w.told(monitor.AlertOpened) {
			a := decode[monitor.Alert](e.Data)
			t.Logf("%s %s: %+v", e.At.Format(time.TimeOnly), a.Summary, a.Reasons)
		}
	}
}

// wantOne expects that one alert was opened, and what it came to in the end: its
// kind, confidence, severity and attribution.
func wantOne(t *testing.T, w *world, want string) monitor.Alert {
	t.Helper()
	a := w.only(t)
	if got := fmt.Sprint(a.Kind, " ", a.Confidence, " ", a.Severity, " ", a.Attribution); got != want {
		t.Errorf("the alert is %s, want %s; %+v", got, want, a.Reasons)
	}
	opened := slices.DeleteFunc(w.told(monitor.AlertOpened), func(e monitor.Event) bool {
		o := decode[monitor.Alert](e.Data)
		return o.ID != a.ID && o.Severity == monitor.Low
	})
	if len(opened) != 1 {
		t.Errorf("%d alerts were opened, want 1", len(opened))
	}
	return a
}

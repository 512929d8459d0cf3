package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// memoryLog is a Log that a crash does not harm: several Senders may use it one
// after the other.
type memoryLog struct {
	mu      sync.Mutex
	events  []monitor.Event
	cursors map[string]uint64
	alerts  map[string]monitor.Alert // by id
	more    chan struct{}            // closed, and made anew, by each event

	onSetCursor func(seq uint64) error // before it is set; an error keeps it from being
}

func newLog() *memoryLog {
	return &memoryLog{cursors: map[string]uint64{}, more: make(chan struct{})}
}

func (l *memoryLog) add(eventType string, data any) {
	l.addAt(time.Now(), eventType, data)
}

func (l *memoryLog) addAt(at time.Time, eventType string, data any) {
	l.commit(at, eventType, data, func() {})
}

// commit does something with the lock held, and adds an event with it.
func (l *memoryLog) commit(at time.Time, eventType string, data any, do func()) {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
	l.events = append(l.events, monitor.Event{Seq: uint64(len(l.events)) + 1, At: at, Type: eventType, Data: b})
	close(l.more)
	l.more = make(chan struct{})
}

func (l *memoryLog) Events(_ context.Context, after uint64, max int) ([]monitor.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []monitor.Event
	for _, e := range l.events {
		if e.Seq > after && len(found) < max {
			found = append(found, e)
		}
	}
	return found, nil
}

func (l *memoryLog) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return 0
	}
	return l.events[len(l.events)-1].Seq
}

func (l *memoryLog) Wait(ctx context.Context, after uint64) error {
	for {
		l.mu.Lock()
		more := l.more
		l.mu.Unlock()
		if l.Last() > after {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-more:
		}
	}
}

func (l *memoryLog) Cursor(_ context.Context, endpoint string) (uint64, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq, ok := l.cursors[endpoint]
	return seq, ok, nil
}

func (l *memoryLog) SetCursor(ctx context.Context, endpoint string, seq uint64) error {
	if l.onSetCursor != nil {
		if err := l.onSetCursor(seq); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursors[endpoint] = seq
	return nil
}

// put sets the alert that the store holds, and adds an event of it.
func (l *memoryLog) put(eventType string, a monitor.Alert) {
	l.commit(time.Now(), eventType, a, func() {
		if l.alerts == nil {
			l.alerts = map[string]monitor.Alert{}
		}
		l.alerts[a.ID] = a
	})
}

func (l *memoryLog) Alerts(_ context.Context, since time.Time) ([]monitor.Alert, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []monitor.Alert
	for _, id := range slices.Sorted(maps.Keys(l.alerts)) {
		if a := l.alerts[id]; a.ResolvedAt == nil || a.ResolvedAt.After(since) {
			found = append(found, a)
		}
	}
	return found, nil
}

func (l *memoryLog) ID() string { return "01STORE" }

func (l *memoryLog) cursor(endpoint string) uint64 {
	seq, _, _ := l.Cursor(context.Background(), endpoint)
	return seq
}

// pipeNet is a network without sockets, so that HTTP as it is runs in a bubble
// of synctest. It is the listener, and its dial leads there from any address.
type pipeNet struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error   { close(p.closed); return nil }
func (p *pipeNet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipeNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve runs h on a network of its own until the test ends, and gives a Dialer
// that leads to it.
func serve(t *testing.T, h http.HandlerFunc) *Dialer {
	t.Helper()
	p := &pipeNet{conns: make(chan net.Conn), closed: make(chan struct{})}
	var wg sync.WaitGroup
	srv := &http.Server{ErrorLog: quiet(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wg.Add(1) // Close does not wait for handlers
		defer wg.Done()
		h(w, r)
	})}
	wg.Go(func() { _ = srv.Serve(p) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return &Dialer{Lookups: []Lookup{known(netip.MustParseAddr("192.0.2.80"))}, Dial: p.dial}
}

// scripted answers with one status after the other, and then 200 for ever.
type scripted struct {
	mu    sync.Mutex
	steps []func(http.ResponseWriter, *http.Request)
	seen  []arrival
}

type arrival struct {
	at     time.Time
	header http.Header
	body   string
}

func statuses(codes ...int) *scripted {
	s := new(scripted)
	for _, c := range codes {
		s.steps = append(s.steps, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c) })
	}
	return s
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, arrival{time.Now(), r.Header.Clone(), body.String()})
	var step func(http.ResponseWriter, *http.Request)
	if len(s.steps) > 0 {
		step, s.steps = s.steps[0], s.steps[1:]
	}
	s.mu.Unlock()
	if step != nil {
		step(w, r)
	}
}

func (s *scripted) arrivals() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]arrival(nil), s.seen...)
}

func (s *scripted) ids() []string {
	var ids []string
	for _, a := range s.arrivals() {
		ids = append(ids, a.header.Get("webhook-id"))
	}
	return ids
}

func mustURL(t *testing.T, text string) URL {
	t.Helper()
	u, err := NewURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func mustSecret(t *testing.T) Secret {
	t.Helper()
	s, err := NewSecret(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sender gives a Sender named ops to http://hooks.example/ through d, changed by change.
func sender(t *testing.T, log Log, d *Dialer, change func(*Config)) *Sender {
	t.Helper()
	c := Config{Name: "ops", URL: mustURL(t, "http://hooks.example/in"), Secret: mustSecret(t), Dialer: d, Version: "1.2.3"}
	if change != nil {
		change(&c)
	}
	s, err := New(c, log, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs s in a bubble until stop is called or the test ends.
func run(t *testing.T, s *Sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	synctest.Wait()
	return stop
}

// lines is a log for tests to read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *lines) has(t *testing.T, want string) {
	t.Helper()
	if !strings.Contains(l.String(), want) {
		t.Errorf("log lacks %q:\n%s", want, l)
	}
}

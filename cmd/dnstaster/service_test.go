package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dnstaster/dnstaster/monitor"
)

// listenAs is where a service manager would listen; it gives what it is told,
// one datagram at a time.
func listenAs(t *testing.T) <-chan string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dtn-")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	told := make(chan string, 4096)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 4096)
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			told <- string(b[:n])
		}
	}()
	t.Cleanup(func() { c.Close(); <-ended; os.RemoveAll(dir) })
	return told
}

// until gives the next thing told that begins so.
func until(t *testing.T, told <-chan string, prefix string) string {
	t.Helper()
	limit := time.After(awaitLimit)
	for {
		select {
		case s := <-told:
			if strings.HasPrefix(s, prefix) {
				return s
			}
		case <-limit:
			t.Fatalf("%q was never told", prefix)
		}
	}
}

// records keeps what is logged.
type records struct {
	slog.Handler
	mu   sync.Mutex
	said map[string]chan struct{} // closed when the message came
}

func newRecords() *records {
	return &records{Handler: slog.DiscardHandler, said: map[string]chan struct{}{}}
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }

func (r *records) Handle(_ context.Context, rec slog.Record) error {
	ch := r.of(rec.Message)
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-ch:
	default:
		close(ch)
	}
	return nil
}

func (r *records) of(message string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said[message] == nil {
		r.said[message] = make(chan struct{})
	}
	return r.said[message]
}

func (r *records) await(t *testing.T, message string) {
	t.Helper()
	select {
	case <-r.of(message):
	case <-time.After(awaitLimit):
		t.Fatalf("%q was never logged", message)
	}
}

// keep runs a keeper beside the daemon.
func (r *reloadTest) keep(t *testing.T, log *records) (hup chan<- os.Signal) {
	t.Helper()
	k := &keeper{daemon: r.daemon, path: "/etc/x.yaml", ready: make(chan struct{}), log: slog.New(log)}
	signals := make(chan os.Signal, 1)
	ctx, cancel := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return k.watch(ctx) })
	g.Go(func() error { return k.obey(ctx, signals, r.read) })
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
	return signals
}

// What the service manager is told: ready, alive, reloading and ready again,
// with what there is to see.
func TestKeeper(t *testing.T) {
	told := listenAs(t)
	t.Setenv("WATCHDOG_USEC", "150000")
	t.Setenv("WATCHDOG_PID", "")
	r := newReloadTest(t, map[string]string{"watches": "[]"})
	hup := r.keep(t, newRecords())
	const idle = "READY=1\nSTATUS=idle: nothing is watched, put watches into /etc/x.yaml"
	if got := until(t, told, "READY"); got != idle {
		t.Errorf("ready says %q, want %q", got, idle)
	}
	until(t, told, "WATCHDOG=1")
	r.write(t, nil)
	hup <- os.Interrupt // whatever comes on the channel
	until(t, told, "RELOADING=1\nMONOTONIC_USEC=")
	if got, want := until(t, told, "READY"), "READY=1\nSTATUS=watching 1 name: 0 poisoned, 0 suspect, 1 unknown, 0 clean"; got != want {
		t.Errorf("after a reload it says %q, want %q", got, want)
	}
	r.file(t, "dnstaster.yaml", "watchs: []\n")
	hup <- os.Interrupt
	until(t, told, "RELOADING=1")
	if got, want := until(t, told, "READY"), "watching 1 name: 0 poisoned, 0 suspect, 1 unknown, 0 clean; newer configuration refused: "; !strings.Contains(got, want) {
		t.Errorf("after a refused one it says %q, want %q", got, want)
	}
	until(t, told, "WATCHDOG=1")
}

// Nothing is told of a core that does not answer: neither that it is ready at
// the start, nor later that it lives.
func TestKeeperStuck(t *testing.T) {
	told := listenAs(t)
	const every = 50 * time.Millisecond
	t.Setenv("WATCHDOG_USEC", "150000")
	t.Setenv("WATCHDOG_PID", "")
	r := newReloadTest(t, nil)
	// The core calls for this host's resolvers on its own goroutine.
	free := make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	t.Cleanup(release) // before the daemon is stopped
	c, mc, err := r.read()
	if err != nil {
		t.Fatal(err)
	}
	mc.System = func() ([]monitor.Resolver, error) {
		<-free
		return nil, nil
	}
	mc.Watches[0].Interval += time.Hour // so that it is asked about at once
	if err := r.reload(t.Context(), c, mc); err != nil {
		t.Fatal(err)
	}
	log := newRecords()
	r.await(t, func() bool { return !r.monitor.Alive(every) })
	r.keep(t, log)
	silent := func(what string, d time.Duration) {
		t.Helper()
		for len(told) > 0 { // said before
			<-told
		}
		select {
		case s := <-told:
			t.Errorf("%s the service manager is told %q", what, s)
		case <-time.After(d):
		}
	}
	silent("before the core answers", coreTime+10*every)
	release()
	until(t, told, "READY")
	until(t, told, "WATCHDOG")
	stuck, held := make(chan struct{}), make(chan struct{})
	hold, free2 := sync.OnceFunc(func() { close(held) }), sync.OnceFunc(func() { close(stuck) })
	t.Cleanup(free2)
	mc.System = func() ([]monitor.Resolver, error) {
		hold()
		<-stuck
		return nil, nil
	}
	mc.Watches[0].Interval += time.Hour
	if err := r.reload(t.Context(), c, mc); err != nil {
		t.Fatal(err)
	}
	<-held
	log.await(t, "the core does not answer")
	silent("of a stuck core", 10*every)
	free2()
	log.await(t, "the core answers again")
	until(t, told, "WATCHDOG")
}

func TestStatusLine(t *testing.T) {
	watches := func(n int) []monitor.WatchStatus { return make([]monitor.WatchStatus, n) }
	for want, s := range map[string]monitor.Status{
		"idle: nothing is watched, put watches into /etc/d.yaml": {},
		"watching 1 name: 0 poisoned, 0 suspect, 0 unknown, 1 clean": {
			Watches: watches(1), Verdicts: map[monitor.Verdict]int{monitor.Clean: 1},
		},
		"watching 48 names: 1 poisoned, 2 suspect, 3 unknown, 42 clean; 1 alert open": {
			Watches: watches(48), Alerts: make([]monitor.AlertLine, 1),
			Verdicts: map[monitor.Verdict]int{monitor.Poisoned: 1, monitor.Suspicious: 2, monitor.Unknown: 3, monitor.Clean: 42},
		},
		"idle: nothing is watched, put watches into /etc/d.yaml; 2 alerts open; newer configuration refused: d.yaml:1:1: bad …": {
			Alerts: make([]monitor.AlertLine, 2), Config: monitor.ConfigStatus{Error: "d.yaml:1:1: bad\n  1 | x"},
		},
	} {
		if got := statusLine(s, "/etc/d.yaml"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestSoak lets the parts of the daemon live on a loopback interface where
// forgeries, retransmits, doubled and malformed packets go to and fro and
// interfaces come and go, while somebody reads all that can be read. Every
// forgery must be seen and nothing else be taken for one, and neither memory nor
// goroutines may grow. DNSTASTER_SOAK says how long.
func TestSoak(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		long := 5 * time.Second
		if s := os.Getenv("DNSTASTER_SOAK"); s != "" {
			var err error
			if long, err = time.ParseDuration(s); err != nil {
				t.Fatal(err)
			}
		}
		defer goleak.VerifyNone(t)
		soak(t, long)
	})
}

func soak(t *testing.T, long time.Duration) {
	dir, err := os.MkdirTemp("", "dtsoak-") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(t.Context())
	s := &servers{ctx: ctx}
	defer s.wg.Wait()
	defer cancel()
	busy, calm := context.WithTimeout(ctx, long)
	defer calm()
	f := newSoakTraffic(t, busy, s)
	var calls atomic.Uint64
	d := soakDaemon(t, dir, s, &calls)
	running, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- d.run(running) }()
	defer func() {
		stop()
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := d.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()

	var world sync.WaitGroup
	for range 4 {
		world.Go(func() { f.ask(t) })
	}
	world.Go(func() { soakInterfaces(t, busy) })
	world.Go(func() { soakReader(t, busy, filepath.Join(dir, "sock")) })
	growth := soakWatch(busy, long)
	world.Wait()

	st := soakSettle(t, ctx, filepath.Join(dir, "sock"), f)
	wire := st.Wire
	var sent [soakKind]uint64
	for i := range sent {
		sent[i] = f.sent[i].Load()
	}
	t.Logf("%v: queries by plan %v; %d forgeries of watched names and %d of others; %+v; %d packets, %d undecodable; %d calls of the webhook; %+v",
		long, sent, f.watched.Load(), f.strangers.Load(), st.Counts, wire.Packets, wire.Undecodable, calls.Load(), growth)
	// Of names that are not watched not all is looked at, nor is all that differs forged.
	others, forged := st.Counts.Strangers, f.strangers.Load()
	if st.Counts.Conflicts != f.watched.Load() || others > forged || others+wire.Unreported < forged {
		t.Errorf("%d conflicts of watched names, and %d of others with %d that were not looked at; want %d and %d", st.Counts.Conflicts, others, wire.Unreported, f.watched.Load(), forged)
	}
	if wire.Lost+wire.Blind+st.Counts.Dropped != 0 || f.watched.Load() == 0 || wire.Undecodable == 0 || calls.Load() == 0 {
		t.Errorf("%d packets lost, %d blind, %d samples dropped; all that is above must have happened", wire.Lost, wire.Blind, st.Counts.Dropped)
	}
	if growth.goroutines > 200 {
		t.Errorf("%d goroutines at once", growth.goroutines)
	}
	// What comes later may need more than the first fifth did, but not ever more.
	const slack = 64 << 20
	if growth.first == 0 || growth.last > growth.first+slack {
		t.Errorf("memory grew from %d to %d octets", growth.first, growth.last)
	}
}

// soakDaemon puts the daemon together.
func soakDaemon(t *testing.T, dir string, s *servers, calls *atomic.Uint64) *daemon {
	t.Helper()
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	r := &demoResolver{name: "alpha", tlsName: "dns.alpha.example"}
	r.remember(netip.MustParseAddr(demoTrue), demoTTL)
	cert, err := ca.issue(r.tlsName)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.serve(r, netip.MustParseAddr("127.0.3.1"), cert); err != nil {
		t.Fatal(err)
	}
	url, err := s.receive(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"ca.pem": string(ca.pem()), "url": url} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &config{
		path:     filepath.Join(dir, "dnstaster.yaml"),
		Storage:  storageConfig{Path: filepath.Join(dir, "store.db")},
		Control:  controlConfig{Socket: filepath.Join(dir, "sock")},
		TLS:      tlsConfig{Roots: []string{"ca.pem"}},
		Webhooks: []webhookConfig{{Name: "ops", URLFile: "url", Events: []string{"alert.", "health.", "verdict."}}},
	}
	c.setDefaults()
	mc := monitor.Config{Timing: monitor.LabTiming(), Host: "soak", References: []monitor.Resolver{{
		Name: r.name, Operator: r.name, Role: monitor.Reference, Transport: monitor.DoT, Addr: r.tl, TLSName: r.tlsName,
	}}}
	mc.System = func() ([]monitor.Resolver, error) {
		return []monitor.Resolver{{Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.UDP, Addr: netip.MustParseAddrPort("127.0.0.53:53")}}, nil
	}
	for i := range soakWatched {
		mc.Watches = append(mc.Watches, monitor.Watch{
			Name: soakName(i), Types: []monitor.Type{monitor.TypeA}, TLS: monitor.TLSExpect{Off: true},
			Expect: monitor.Expect{Addresses: []netip.Prefix{netip.MustParsePrefix(demoTrue + "/32")}},
		})
	}
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	senses, err := newSenses(c, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(c, mc, senses, log)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// testLog has errors of the daemon fail the test.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Errorf("the daemon says: %s", bytes.TrimSpace(b))
	return len(b), nil
}

// soakInterfaces has interfaces come and go.
func soakInterfaces(t *testing.T, ctx context.Context) {
	for sleep(ctx, 200*time.Millisecond) {
		if err := addInterface("soak0"); err != nil {
			t.Errorf("add an interface: %v", err)
			return
		}
		if err := interfaceUp("soak0"); err != nil {
			t.Errorf("set it up: %v", err)
		}
		sleep(ctx, 200*time.Millisecond)
		if err := removeInterface("soak0"); err != nil {
			t.Errorf("remove an interface: %v", err)
			return
		}
	}
}

// soakReader reads what the daemon tells, as people and Prometheus do.
func soakReader(t *testing.T, ctx context.Context, socket string) {
	c := client(socket)
	defer c.Close()
	after := uint64(0)
	for sleep(ctx, 100*time.Millisecond) {
		_, err := c.Status(ctx)
		if err == nil {
			_, err = c.Explain(ctx, soakName(0))
		}
		if err == nil {
			page, e := c.Events(ctx, after, time.Millisecond)
			if err = e; err == nil && len(page.Events) > 0 {
				after = page.Next
			}
		}
		if err != nil && ctx.Err() == nil {
			t.Errorf("the daemon does not tell: %v", err)
			return
		}
	}
}

// soakGrowth is what a soak took.
type soakGrowth struct {
	goroutines  int // most at once
	first, last int // octets of memory in the second fifth and in the last, most at once
}

// soakWatch measures until ctx ends. The first fifth is for warming up.
func soakWatch(ctx context.Context, long time.Duration) (g soakGrowth) {
	began := time.Now()
	for sleep(ctx, long/50) {
		g.goroutines = max(g.goroutines, runtime.NumGoroutine())
		switch time.Since(began) * 5 / long {
		case 1:
			g.first = max(g.first, resident())
		case 4:
			g.last = max(g.last, resident())
		}
	}
	return g
}

// resident gives the octets of memory that are this process's own, 0 where that
// cannot be told. Pages of the store's file are not: the kernel takes them back.
func resident() int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "RssAnon:" {
			kib, _ := strconv.Atoi(f[1])
			return kib << 10
		}
	}
	return 0
}

// soakSettle waits until what was sent was judged, or it is clear that it will
// not be.
func soakSettle(t *testing.T, ctx context.Context, socket string, f *soakTraffic) monitor.Status {
	t.Helper()
	c := client(socket)
	defer c.Close()
	limit := time.Now().Add(20 * time.Second)
	for {
		st, err := c.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if st.Counts.Conflicts >= f.watched.Load() && st.Counts.Strangers+st.Wire.Unreported >= f.strangers.Load() || time.Now().After(limit) {
			return st
		}
		sleep(ctx, 10*time.Millisecond)
	}
}

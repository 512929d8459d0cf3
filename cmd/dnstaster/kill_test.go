package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dnstaster/dnstaster/monitor"
)

// killEnv makes the test binary a daemon that is there to be killed. Its value
// is a killPlan.
const killEnv = "DNSTASTER_KILL_CHILD"

// killPlan is what such a daemon works with.
type killPlan struct {
	Dir        string
	System     netip.AddrPort
	References []monitor.Resolver
}

const killNames = 20

// killChild runs the daemon proper until it is killed.
func killChild() int {
	var p killPlan
	if err := json.Unmarshal([]byte(os.Getenv(killEnv)), &p); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c := &config{
		path:    filepath.Join(p.Dir, "dnstaster.yaml"),
		Storage: storageConfig{Path: filepath.Join(p.Dir, "store.db")},
		Control: controlConfig{Socket: filepath.Join(p.Dir, "sock")},
		TLS:     tlsConfig{Roots: []string{"ca.pem"}},
		Webhooks: []webhookConfig{{
			Name: "witness", URLFile: "url", SecretFile: "secret", Events: []string{"alert.", "health.", "verdict."},
		}},
	}
	c.setDefaults()
	c.Probes.Dead = nil // there is nothing but loopback
	mc := monitor.Config{Timing: monitor.LabTiming(), Host: "kill", References: p.References}
	mc.Timing.Interval = 200 * time.Millisecond
	mc.Timing.CommitInterval = 50 * time.Millisecond
	// Alerts open, recede, resolve and return between two kills.
	mc.Timing.Repeat, mc.Timing.Minority, mc.Timing.Recheck = 100*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	mc.Timing.ResolveAfter, mc.Timing.FlapQuiet = 500*time.Millisecond, 500*time.Millisecond
	mc.Timing.Plan = []time.Duration{0, 0, 100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond}
	mc.System = func() ([]monitor.Resolver, error) {
		return []monitor.Resolver{{Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.UDP, Addr: p.System}}, nil
	}
	for i := range killNames {
		mc.Watches = append(mc.Watches, monitor.Watch{
			Name: fmt.Sprintf("n%d.partner.example.", i), Types: []monitor.Type{monitor.TypeA}, TLS: monitor.TLSExpect{Off: true},
			Expect: monitor.Expect{Addresses: []netip.Prefix{netip.MustParsePrefix(demoTrue + "/32")}},
		})
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := newSenses(c, nil, log)
	if err == nil {
		var d *daemon
		if d, err = newDaemon(c, mc, s, log); err == nil {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer stop()
			if err = d.run(ctx); err == nil {
				err = d.close()
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestKill kills the daemon with SIGKILL again and again while alerts and
// verdicts change all the time. A witness outside follows the log of events
// over the control socket, so that it has seen what was committed; another
// counts what the webhook receives. At the end nothing that was seen may be
// missing or altered, every event must have been delivered, but for those that an
// incident stands for, and a kill may have cost one delivery twice, no more.
// DNSTASTER_KILLS says how often.
func TestKill(t *testing.T) {
	kills := 8
	if s := os.Getenv("DNSTASTER_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	k := newKillTest(t)
	k.daemon(t, func(ctx context.Context) { k.follow(t, ctx, time.Second, 1) }, false)
	for range kills {
		k.epoch++
		k.daemon(t, func(ctx context.Context) {
			k.follow(t, ctx, time.Duration(50+rand.IntN(3000))*time.Millisecond, 0)
		}, true)
	}
	k.epoch++
	k.steady()
	k.daemon(t, func(ctx context.Context) { k.settle(t, ctx) }, false)
	k.judge(t, kills)
}

// killTest is the world around the daemon, and what the witnesses saw.
type killTest struct {
	dir     string
	plan    string
	local   *demoResolver
	flip    context.CancelFunc
	flipped sync.WaitGroup

	epoch int                        // number of kills so far
	seen  map[uint64]json.RawMessage // events that the witness saw, by sequence
	last  uint64
	log   []monitor.Event // at the end, from the first on

	mu        sync.Mutex       // guards what the receiver saw
	delivered map[string][]int // epochs in which each webhook-id came
	broken    []error
}

func newKillTest(t *testing.T) *killTest {
	t.Helper()
	dir, err := os.MkdirTemp("", "dtkill-") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	k := &killTest{dir: dir, seen: map[uint64]json.RawMessage{}, delivered: map[string][]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	s := &servers{ctx: ctx}
	t.Cleanup(func() {
		cancel()
		s.wg.Wait()
		os.RemoveAll(dir)
	})
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	plan := killPlan{Dir: dir}
	for i, name := range demoOperators {
		r := &demoResolver{name: name, tlsName: "dns." + name + ".example"}
		r.remember(netip.MustParseAddr(demoTrue), demoTTL)
		cert, err := ca.issue(r.tlsName)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.serve(r, netip.AddrFrom4([4]byte{127, 0, 3, byte(i + 1)}), cert); err != nil {
			t.Fatal(err)
		}
		if name == demoHost {
			k.local, plan.System = r, r.plain
			continue
		}
		plan.References = append(plan.References, monitor.Resolver{
			Name: name, Operator: name, Role: monitor.Reference, Transport: monitor.DoT, Addr: r.tl, TLSName: r.tlsName,
		})
	}
	url, err := s.receive(k)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"ca.pem": string(ca.pem()), "url": url, "secret": killSecret} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	k.plan = string(text)
	flip, stop := context.WithCancel(ctx)
	k.flip = stop
	k.flipped.Go(func() {
		for lie := true; sleep(flip, 3*time.Second); lie = !lie {
			a := demoTrue
			if lie {
				a = demoFalse
			}
			k.local.remember(netip.MustParseAddr(a), demoTTL)
		}
	})
	return k
}

const killSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// steady ends the changes, so that the log comes to rest.
func (k *killTest) steady() {
	k.flip()
	k.flipped.Wait()
	k.local.remember(netip.MustParseAddr(demoTrue), demoTTL)
}

// ServeHTTP is the endpoint of the webhook.
func (k *killTest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		var check *standardwebhooks.Webhook
		if check, err = standardwebhooks.NewWebhook(killSecret); err == nil {
			err = check.Verify(body, r.Header)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.broken = append(k.broken, err)
		return
	}
	id := r.Header.Get("webhook-id")
	k.delivered[id] = append(k.delivered[id], k.epoch)
}

// daemon starts a daemon, lets the witness do, and ends it: with SIGKILL, or
// by asking it to.
func (k *killTest) daemon(t *testing.T, witness func(context.Context), kill bool) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killEnv+"="+k.plan)
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	witness(ctx)
	if kill {
		cmd.Process.Kill()
		cmd.Wait()
		return
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the daemon ended with %v:\n%s", err, stderr.String())
	}
}

// follow reads events over the socket for some time, counted from the first
// answer, and until it has seen some number of them.
func (k *killTest) follow(t *testing.T, ctx context.Context, d time.Duration, least int) {
	t.Helper()
	c := client(filepath.Join(k.dir, "sock"))
	defer c.Close()
	var end time.Time
	n := 0
	for {
		page, err := c.Events(ctx, k.last, 20*time.Millisecond)
		if ctx.Err() != nil {
			t.Fatal("the daemon did not come up")
		}
		if err != nil {
			sleep(ctx, 5*time.Millisecond)
			continue
		}
		for _, e := range page.Events {
			raw, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			k.seen[e.Seq], k.last = raw, e.Seq
			n++
		}
		if end.IsZero() {
			end = time.Now().Add(d)
		}
		if time.Now().After(end) && n >= least {
			return
		}
	}
}

// settle waits until nothing happens any more and all is delivered, then reads
// the whole log.
func (k *killTest) settle(t *testing.T, ctx context.Context) {
	t.Helper()
	c := client(filepath.Join(k.dir, "sock"))
	defer c.Close()
	k.follow(t, ctx, 3*time.Second, 0)
	for {
		s, err := c.Status(ctx)
		if err == nil && len(s.Webhooks) == 1 && s.Webhooks[0].Pending == 0 {
			break
		}
		if !sleep(ctx, 50*time.Millisecond) {
			t.Fatalf("not all is delivered: %+v %v", s.Webhooks, err)
		}
	}
	for after := uint64(0); ; {
		page, err := c.Events(ctx, after, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Events) == 0 {
			return
		}
		k.log, after = append(k.log, page.Events...), page.Next
	}
}

// judge compares what the witnesses saw with what is there at the end.
func (k *killTest) judge(t *testing.T, kills int) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, err := range k.broken {
		t.Errorf("a delivery was broken: %v", err)
	}
	byID := map[uint64]json.RawMessage{}
	incidents := map[string]bool{}
	for i, e := range k.log {
		if e.Seq != uint64(i)+1 {
			t.Fatalf("event %d has number %d: the log has a gap", i+1, e.Seq)
		}
		incidents[e.Incident] = true
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		byID[e.Seq] = raw
	}
	for seq, raw := range k.seen {
		if !bytes.Equal(byID[seq], raw) {
			t.Errorf("event %d was committed as %s, and is now %s", seq, raw, byID[seq])
		}
	}
	repeats := make([]int, k.epoch+1)
	for id, epochs := range k.delivered {
		for _, e := range epochs[1:] {
			repeats[e]++
		}
		seq, err := strconv.ParseUint(id[strings.LastIndexByte(id, '-')+1:], 10, 64)
		if err != nil || byID[seq] == nil {
			t.Errorf("%s was delivered, and is not in the log", id)
		}
		delete(byID, seq)
	}
	for seq, raw := range byID {
		if k.log[seq-1].Incident == "" { // else it is told by its incident alone
			t.Errorf("event %d was never delivered: %s", seq, raw)
		}
	}
	opened := map[string]int{} // by alert, as receivers heard of it
	for _, e := range k.log {
		switch {
		case e.Incident != "": // not at all
		case e.Type == monitor.AlertOpened:
			opened[e.Alert]++
		case e.Type == monitor.AlertResolved:
			opened[e.Alert]--
		}
		if n := opened[e.Alert]; n < 0 || n > 1 {
			t.Errorf("event %d: alert %s was opened and resolved out of turn", e.Seq, e.Alert)
			for _, f := range k.log {
				if f.Alert == e.Alert {
					t.Logf("  %d %s %s incident %q", f.Seq, f.At.Format(time.TimeOnly), f.Type, f.Incident)
				}
			}
		}
	}
	for id := range incidents {
		if id != "" && !slices.ContainsFunc(k.log, func(e monitor.Event) bool { return e.Alert == id }) {
			t.Errorf("incident %s was never told", id)
		}
	}
	if len(incidents) < 2 {
		t.Error("no incident came: twenty names were lied about at once")
	}
	total := 0
	for e, n := range repeats {
		total += n
		if n > 1 {
			t.Errorf("kill %d cost %d deliveries twice, at most 1 may be", e, n)
		}
	}
	t.Logf("%d kills: %d events, %d alerts, %d incidents; %d events seen as they were committed, %d ids delivered, %d repeated", kills, len(k.log), len(opened), len(incidents)-1, len(k.seen), len(k.delivered), total)
	if len(k.seen) < kills {
		t.Errorf("the witness saw %d events in %d kills: too few to prove anything", len(k.seen), kills)
	}
}

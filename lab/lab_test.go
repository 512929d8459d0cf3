//go:build lab

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

// binary is the daemon under test, built once.
var binary string

func TestMain(m *testing.M) {
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// prepare builds the binary and the network, runs the tests, and takes
// everything down again.
func prepare(m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("needs root, to make network namespaces")
	}
	dir, err := os.MkdirTemp("", "dnstaster-lab-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "dnstaster")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/dnstaster").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build: %w\n%s", err, out)
	}
	if err := script("up"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, script("down")) }()
	return m.Run(), nil
}

// script runs lab.sh.
func script(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./lab.sh", args...)
	// Daemons that it starts keep its output open: it must be a file, or Wait
	// would wait for them.
	out, err := os.CreateTemp("", "lab-out-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		return fmt.Errorf("lab.sh %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return nil
}

// inside runs f on a thread that is in a network namespace of the lab. Sockets
// that f makes stay there.
func inside(namespace string, f func() error) error {
	done := make(chan error)
	go func() {
		// The thread is never unlocked: it ends with the goroutine, rather than
		// going back to others in the wrong namespace.
		runtime.LockOSThread()
		ns, err := os.Open("/run/netns/dt-" + namespace)
		if err != nil {
			done <- err
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter %s: %w", namespace, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// hook is one delivery that the sink took.
type hook struct {
	at    time.Time
	id    string
	kind  string
	alert monitor.Alert
}

func (h hook) String() string {
	return fmt.Sprintf("%s %s %s %s %s %s at %s", h.kind, h.alert.Kind, h.alert.Confidence, h.alert.Severity, h.alert.Name, h.alert.Attribution, h.alert.Resolver)
}

const sinkSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// sink receives webhooks in the namespace ops and checks their signatures.
type sink struct {
	mu    sync.Mutex
	hooks []hook
	bad   []error
	came  chan struct{} // has a value whenever something came
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{came: make(chan struct{}, 1)}
	var l net.Listener
	if err := inside("ops", func() (err error) {
		l, err = net.Listen("tcp4", "198.18.70.1:9099")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: s}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := hook{at: time.Now(), id: r.Header.Get("webhook-id")}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		var check *standardwebhooks.Webhook
		if check, err = standardwebhooks.NewWebhook(sinkSecret); err == nil {
			err = check.Verify(body, r.Header)
		}
	}
	var e struct {
		Type string
		Data json.RawMessage
	}
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if h.kind = e.Type; err == nil && strings.HasPrefix(e.Type, "alert.") {
		err = json.Unmarshal(e.Data, &h.alert)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.bad = append(s.bad, err)
	}
	s.hooks = append(s.hooks, h)
	select {
	case s.came <- struct{}{}:
	default:
	}
}

// alerts gives the alert events that came so far.
func (s *sink) alerts(t *testing.T) []hook {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, err := range s.bad {
		t.Errorf("webhook: %v", err)
	}
	return slices.DeleteFunc(slices.Clone(s.hooks), func(h hook) bool { return !strings.HasPrefix(h.kind, "alert.") })
}

// await waits for an alert event that want accepts.
func (s *sink) await(t *testing.T, limit time.Duration, want func(hook) bool) (hook, bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		if i := slices.IndexFunc(s.alerts(t), want); i >= 0 {
			return s.alerts(t)[i], true
		}
		select {
		case <-s.came:
		case <-deadline.C:
			return hook{}, false
		}
	}
}

// daemon is a dnstaster that runs in the namespace of the client.
type daemon struct {
	client *control.Client
	log    *bytes.Buffer
}

// watches is what the daemon in the client's namespace watches.
const config = `
watches:
  - {name: www.shop.lab, types: [A], secret_names: [PARTNER_API_KEY], owner: payments}
  - {name: www.bank.lab, types: [A]}
  - {name: edge.cdn.lab, types: [A]}
  - {name: rr.cdn.lab, types: [A]}
resolvers:
  - system
  - {name: pub1, address: 198.18.11.1, transport: dot, tls_name: dns.pub1.lab}
  - {name: pub2, address: 198.18.12.1, transport: dot, tls_name: dns.pub2.lab}
  - {name: pub3, address: 198.18.13.1, transport: dot, tls_name: dns.pub3.lab}
  - {name: pub4, address: 198.18.14.1, transport: dot, tls_name: dns.pub4.lab}
storage: {path: %[1]s/store.db}
control: {socket: %[1]s/sock}
webhooks: [{name: sink, url_file: url, secret_file: secret}]
tls: {roots: [%[2]s/tls/lab-ca.pem]}
special_purpose: {exempt: [198.18.0.0/15]}
timing: {profile: lab}
`

func startDaemon(t *testing.T) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "dtlab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	varDir := os.Getenv("DNSTASTER_LAB_VAR")
	if varDir == "" {
		if varDir, err = filepath.Abs("var"); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"dnstaster.yaml": fmt.Sprintf(config, dir, varDir), "url": "http://198.18.70.1:9099/hook", "secret": sinkSecret,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := &daemon{client: control.NewClient(filepath.Join(dir, "sock"), time.Second), log: &bytes.Buffer{}}
	cmd := exec.Command("ip", "netns", "exec", "dt-client", binary, "run", "--config", filepath.Join(dir, "dnstaster.yaml"))
	cmd.Stderr = d.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		began := time.Now()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the daemon ended with: %v", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the daemon took %s to stop", took)
		}
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", d.log)
		}
	})
	return d
}

// awaitVerdict waits until every name, or the one named, has the verdict.
func (d *daemon) awaitVerdict(t *testing.T, name string, want monitor.Verdict, limit time.Duration) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		s, err := d.client.Status(t.Context())
		n := 0
		for _, w := range s.Watches {
			if (name == "" || w.Name == name) && w.Verdict == want {
				n++
			}
		}
		if err == nil && (n == len(s.Watches) || name != "" && n == 1) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not %s after %s: %+v %v", name, want, limit, s.Watches, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// TestAttacks has each attack lead to one webhook, of the right kind, and the
// name clean again when the attack is over.
func TestAttacks(t *testing.T) {
	tests := []struct {
		attack      string
		name        string
		kind        monitor.Kind
		attribution monitor.Attribution
		confidence  monitor.Confidence
	}{
		{"unbound_cache", "www.shop.lab.", monitor.ResolverCache, monitor.AtResolver, monitor.Probable},
		{"dnat_udp", "www.bank.lab.", monitor.PathRewritten, monitor.AtPath, monitor.Confirmed},
	}
	for _, tt := range tests {
		t.Run(tt.attack, func(t *testing.T) {
			s, d := newSink(t), startDaemon(t)
			d.awaitVerdict(t, "", monitor.Clean, 20*time.Second)
			began := time.Now()
			t.Cleanup(func() { mustScript(t, "calm") })
			mustScript(t, "attack", tt.attack)
			h, ok := s.await(t, time.Until(began.Add(time.Minute)), func(h hook) bool { return h.kind == monitor.AlertOpened })
			if !ok {
				t.Fatalf("no alert within a minute; came: %v", s.alerts(t))
			}
			t.Logf("%.1f s after the attack began: %s", h.at.Sub(began).Seconds(), h)
			if h.alert.Name != tt.name || h.alert.Kind != tt.kind || h.alert.Attribution != tt.attribution ||
				h.alert.Confidence != tt.confidence || h.alert.Resolver != "system 10.77.0.1" {
				t.Errorf("got %s, want %s %s %s %s at system 10.77.0.1", h, tt.kind, tt.confidence, tt.name, tt.attribution)
			}
			mustScript(t, "calm")
			d.awaitVerdict(t, "", monitor.Clean, 30*time.Second)
			if as := s.alerts(t); len(as) != 1 {
				t.Errorf("%d alert events, want 1: %v", len(as), as)
			}
		})
	}
}

// TestWire has forged packets lead to a webhook of the right kind within ten
// seconds, and the packets into the evidence.
func TestWire(t *testing.T) {
	tests := []struct {
		attack string
		kinds  []monitor.Kind // any of them: which answer is first is the attacker's luck
	}{
		{"race", []monitor.Kind{monitor.PathInjection}},
		{"bettercap", []monitor.Kind{monitor.AttackAttempt, monitor.PathInjection}},
	}
	for _, tt := range tests {
		t.Run(tt.attack, func(t *testing.T) {
			s, d := newSink(t), startDaemon(t)
			d.awaitVerdict(t, "", monitor.Clean, 20*time.Second)
			t.Cleanup(func() { mustScript(t, "calm") })
			began := time.Now()
			attacked := make(chan error, 1)
			go func() { attacked <- script("attack", tt.attack) }()
			h, ok := s.await(t, 30*time.Second, func(h hook) bool {
				return strings.HasPrefix(h.kind, "alert.") && slices.Contains(tt.kinds, h.alert.Kind)
			})
			if err := <-attacked; err != nil {
				t.Fatal(err)
			}
			if !ok {
				t.Fatalf("no alert of the kind; came: %v", s.alerts(t))
			}
			// The first forged answer is what the ten seconds count from.
			first := h.alert.Exposure.From
			t.Logf("%.1f s after the attack began, %.1f s after the first forged answer: %s", h.at.Sub(began).Seconds(), h.at.Sub(first).Seconds(), h)
			if took := h.at.Sub(first); took > 10*time.Second {
				t.Errorf("the webhook came %s after the first forged answer", took)
			}
			if h.alert.Name != "www.bank.lab." || len(h.alert.Transactions) == 0 {
				t.Errorf("the alert is about %s, with %d transactions", h.alert.Name, len(h.alert.Transactions))
			}
			e, err := d.client.Evidence(t.Context(), h.alert.ID)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, x := range e.Samples {
				if x.Conflict() {
					n++
				}
				for _, o := range x.Answers {
					if x.Via == monitor.Wire && (o.Packet == nil || len(o.Packet.Raw) == 0) {
						t.Errorf("an overheard answer without its packet: %+v", o)
					}
				}
			}
			if n == 0 {
				t.Errorf("no conflict among the %d samples of the evidence", len(e.Samples))
			}
		})
	}
}

// TestBenign has each legitimate change lead to no alert, and an attack after
// it still be found: silence must not come from being deaf.
func TestBenign(t *testing.T) {
	for _, change := range []string{"roundrobin", "geodns", "rotate", "cdn_migrate", "resolver_down", "duplicate", "arp_forward"} {
		t.Run(change, func(t *testing.T) {
			s, d := newSink(t), startDaemon(t)
			d.awaitVerdict(t, "", monitor.Clean, 20*time.Second)
			t.Cleanup(func() { mustScript(t, "calm") })
			mustScript(t, "benign", change)
			// Ten rounds, and more than half a witness interval, of the lab profile.
			if h, ok := s.await(t, 30*time.Second, func(hook) bool { return true }); ok {
				t.Fatalf("an alert came: %s", h)
			}
			d.awaitVerdict(t, "", monitor.Clean, 10*time.Second)
			if want := changed[change]; want != "" {
				d.answered(t, "www.shop.lab.", want)
			}
			mustScript(t, "attack", "unbound_cache")
			if _, ok := s.await(t, time.Minute, func(h hook) bool {
				return h.kind == monitor.AlertOpened && h.alert.Kind == monitor.ResolverCache && h.alert.Name == "www.shop.lab."
			}); !ok {
				t.Errorf("the attack after it was not found; came: %v", s.alerts(t))
			}
		})
	}
}

// changed gives an address that this host must have seen after a change: a
// test in which nothing changed proves nothing.
var changed = map[string]string{"rotate": "198.18.60.31", "cdn_migrate": "198.18.60.31"}

// answered fails unless this host's path gave the address for the name.
func (d *daemon) answered(t *testing.T, name, addr string) {
	t.Helper()
	is, err := d.client.History(t.Context(), monitor.HistoryQuery{Name: name, Type: monitor.TypeA, Resolver: "system 10.77.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range is {
		if slices.ContainsFunc(i.Records, func(r monitor.Record) bool { return r.Data == addr }) {
			return
		}
	}
	t.Errorf("%s was never answered with %s here: the change did not reach this host", name, addr)
}

func mustScript(t *testing.T, args ...string) {
	t.Helper()
	if err := script(args...); err != nil {
		t.Fatal(err)
	}
}

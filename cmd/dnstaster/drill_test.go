package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dnstaster/dnstaster/monitor"
)

// runDaemon runs the daemon proper on one name and one resolver on loopback,
// with the rest of its configuration as given, until the test ends. It gives
// its socket and the resolver.
func runDaemon(t *testing.T, rest string, files map[string]string) (socket string, own *demoResolver) {
	t.Helper()
	clearEnv(t)
	dir, err := os.MkdirTemp("", "dts-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx, cancel := context.WithCancel(context.Background())
	s := &servers{ctx: ctx}
	t.Cleanup(func() { cancel(); s.wg.Wait() })
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	own = &demoResolver{name: "alpha", tlsName: "dns.alpha.example"}
	own.remember(netip.MustParseAddr(demoTrue), demoTTL)
	cert, err := ca.issue(own.tlsName)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.serve(own, netip.MustParseAddr("127.0.4.1"), cert); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "sock")
	config := fmt.Sprintf("watches: [{name: api.partner.example, types: [A], tls: off, owner: payments, expect: {addresses: [%s]}}]\n", demoTrue) +
		"capture: {enabled: false}\nspecial_purpose: {exempt: [127.0.0.0/8]}\ntiming: {profile: lab}\n" +
		fmt.Sprintf("storage: {path: %s}\ncontrol: {socket: %s}\n", filepath.Join(dir, "store.db"), socket) + rest
	path := filepath.Join(dir, "daemon.yaml")
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	stop, err := startDaemon(path, own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return socket, own
}

// inbox is a webhook receiver that checks each signature.
type inbox struct {
	came chan delivery
	key  string
}

type delivery struct {
	kind  string
	data  json.RawMessage
	wrong error // with the signature, or the body
}

func (b *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var d delivery
	body, err := io.ReadAll(r.Body)
	if err == nil {
		var check *standardwebhooks.Webhook
		if check, err = standardwebhooks.NewWebhook(b.key); err == nil {
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
	d.kind, d.data, d.wrong = e.Type, e.Data, err
	b.came <- d
}

// next gives the next delivery of a type.
func (b *inbox) next(t *testing.T, kind string) delivery {
	t.Helper()
	limit := time.After(awaitLimit)
	for {
		select {
		case d := <-b.came:
			if d.wrong != nil {
				t.Fatalf("a delivery is not as it should be: %v", d.wrong)
			}
			if d.kind == kind {
				return d
			}
		case <-limit:
			t.Fatalf("no %s came", kind)
		}
	}
}

// receivers serves webhook receivers and gives their addresses.
func receivers(t *testing.T, handlers ...http.Handler) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &servers{ctx: ctx}
	t.Cleanup(func() { cancel(); s.wg.Wait() })
	var urls []string
	for _, h := range handlers {
		u, err := s.receive(h)
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, u)
	}
	return urls
}

// TestDrillCalls runs a drill through a real daemon: a receiver gets the alert
// and its end, signed and marked; one that refuses and one that wants no alerts
// are named; status and events show it.
func TestDrillCalls(t *testing.T) {
	in := &inbox{make(chan delivery, 64), killSecret}
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusForbidden)
	})
	urls := receivers(t, in, refuse, http.NotFoundHandler())
	socket, _ := runDaemon(t, "webhooks:\n"+
		"  - {name: ops, url_file: ops.url, secret_file: key}\n"+
		"  - {name: broken, url_file: broken.url, secret_file: key}\n"+
		"  - {name: quiet, url_file: quiet.url, secret_file: key, events: [health.]}\n",
		map[string]string{"ops.url": urls[0], "broken.url": urls[1], "quiet.url": urls[2], "key": killSecret})

	var out, errs bytes.Buffer
	if got := run([]string{"drill", "API.partner.example", "--socket", socket, "--resolve-after", "30s", "--timeout", "5s"}, nil, &out, &errs); got != exitUnavailable {
		t.Errorf("with an endpoint that refuses it ends with %d, want %d: %s", got, exitUnavailable, errs.String())
	}
	for _, want := range []string{"DRILL  ", "critical resolver_cache  api.partner.example", "webhook ops              took it",
		"webhook broken           DID NOT TAKE IT: 403 Forbidden", "webhook quiet            wants no alerts", "resolved by itself in 30s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	var a monitor.Alert
	if err := json.Unmarshal(in.next(t, monitor.AlertOpened).data, &a); err != nil {
		t.Fatal(err)
	}
	if !a.Drill || !strings.HasPrefix(a.Summary, "DRILL") || a.Severity != monitor.Critical || a.Owner != "payments" ||
		a.Reasons[0].Fact != fmt.Sprintf("uid %d asked for a drill", os.Getuid()) {
		t.Errorf("what came is %+v", a)
	}
	out.Reset()
	if got := run([]string{"status", "--socket", socket}, nil, &out, &errs); got != 0 || !strings.Contains(out.String(), "DRILL     api.partner.example") {
		t.Errorf("status ends with %d and says:\n%s", got, out.String())
	}
	if got := run([]string{"drill", "api.partner.example", "--socket", socket}, nil, &out, &errs); got != exitUsage {
		t.Errorf("a second drill while one is open ends with %d, want %d", got, exitUsage)
	}
	out.Reset()
	if got := run([]string{"alerts", "resolve", a.ID, "--socket", socket}, nil, &out, &errs); got != 0 {
		t.Errorf("resolve ends with %d: %s", got, errs.String())
	}
	in.next(t, monitor.AlertResolved)

	// And by itself.
	out.Reset()
	if got := run([]string{"drill", "api.partner.example", "--socket", socket, "--kind", "path_injection", "--resolve-after", "1s", "--timeout", "10ms", "--json"}, nil, &out, &errs); got != exitUnavailable {
		t.Errorf("ends with %d, want %d", got, exitUnavailable)
	}
	var r drillResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Alert.Kind != monitor.PathInjection || len(r.Webhooks) != 3 {
		t.Errorf("%v in %s", err, out.String())
	}
	var end monitor.Alert
	if err := json.Unmarshal(in.next(t, monitor.AlertResolved).data, &end); err != nil || end.ID != r.Alert.ID || !end.Drill {
		t.Errorf("%v; resolved is %s, want %s", err, end.ID, r.Alert.ID)
	}
}

// TestHeartbeatComes has a daemon send heartbeats, signed, with how it fares.
func TestHeartbeatComes(t *testing.T) {
	in := &inbox{make(chan delivery, 64), killSecret}
	urls := receivers(t, in)
	socket, _ := runDaemon(t, "external_labels: {site: fra1}\nwebhooks: [{name: ops, url_file: ops.url, secret_file: key, events: [alert., heartbeat], heartbeat: 10s}]\n",
		map[string]string{"ops.url": urls[0], "key": killSecret})
	var p monitor.Pulse
	if err := json.Unmarshal(in.next(t, monitor.Heartbeat).data, &p); err != nil {
		t.Fatal(err)
	}
	if p.Host == "" || p.Labels["site"] != "fra1" || p.Health != "ok" || p.Verdicts[monitor.Clean]+p.Verdicts[monitor.Unknown] != 1 || p.Started.IsZero() {
		t.Errorf("the heartbeat says %+v", p)
	}
	var out, errs bytes.Buffer
	if got := run([]string{"drill", "api.partner.example", "--socket", socket, "--resolve-after", "1s"}, nil, &out, &errs); got != 0 {
		t.Errorf("drill ends with %d: %s%s", got, out.String(), errs.String())
	}
	in.next(t, monitor.AlertOpened)
	if err := json.Unmarshal(in.next(t, monitor.Heartbeat).data, &p); err != nil {
		t.Error(err)
	}
	if p.Alerts != 0 {
		t.Errorf("the heartbeat counts %d alerts, where there was a drill", p.Alerts)
	}
}

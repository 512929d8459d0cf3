package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"

	"github.com/dnstaster/dnstaster/monitor"
)

// alertmanager is a real one, on loopback, that forgets what it does not hear
// of within resolveTimeout, and rings at once.
type alertmanager struct {
	url   string // as it would stand in url_file
	rings *rings
}

const (
	resolveTimeout = 2 * time.Second
	amUser, amWord = "dnstaster", "open-sesame"
	// amHash is amWord by bcrypt, at its least cost.
	amHash = "$2b$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G"
	// amPrefix stands for what is secret in a URL.
	amPrefix = "/T0PS3CRET"
)

// startAlertmanager runs one until the test ends.
func startAlertmanager(t *testing.T) *alertmanager {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager") // as Debian calls it
	if err != nil {
		program, err = exec.LookPath("alertmanager")
	}
	if err != nil {
		// The tests must run on a machine with git and Go alone. lab/install.sh brings it,
		// and .ci/run refuses the skip.
		t.Skip("alertmanager is not installed")
	}
	am := &alertmanager{rings: &rings{}}
	receiver := listen(t, am.rings.ServeHTTP)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config.yml": fmt.Sprintf("global: {resolve_timeout: %s}\nroute: {receiver: test, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"+
			"receivers: [{name: test, webhook_configs: [{url: %q}]}]\n", resolveTimeout, receiver),
		"web.yml": fmt.Sprintf("basic_auth_users: {%s: %q}\n", amUser, amHash),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// It takes no listener of ours, so that its port may be lost to somebody else
	// between here and there.
	for range 5 {
		if am.run(t, program, dir) {
			return am
		}
	}
	t.Fatal("alertmanager does not start")
	return nil
}

// run starts the program on a free port, and reports whether it answers there.
func (am *alertmanager) run(t *testing.T, program, dir string) bool {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	var log lines
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "config.yml"), "--storage.path="+filepath.Join(dir, "data"), "--web.config.file="+filepath.Join(dir, "web.yml"),
		"--web.listen-address="+address, "--web.route-prefix="+amPrefix, "--web.external-url=http://"+address+amPrefix, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	am.url = "http://" + address + amPrefix
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		select {
		case <-ended:
			t.Logf("alertmanager ended:\n%s", &log)
			return false
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := am.alerts(); err == nil {
			t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
			return true
		}
	}
	_ = cmd.Process.Kill()
	<-ended
	t.Fatalf("alertmanager does not answer:\n%s", &log)
	return false
}

// standing is an alert as Alertmanager's API shows it.
type standing struct {
	Labels, Annotations map[string]string
	StartsAt, UpdatedAt time.Time
}

// alerts asks for all that fire.
func (am *alertmanager) alerts() ([]standing, error) {
	req, err := http.NewRequest(http.MethodGet, am.url+alertsPath, nil)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(amUser, amWord)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	var list []standing
	return list, json.NewDecoder(resp.Body).Decode(&list)
}

// await asks until what fires is as wanted, and gives it then.
func (am *alertmanager) await(t *testing.T, what string, ok func([]standing) bool) []standing {
	t.Helper()
	var list []standing
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var err error
		if list, err = am.alerts(); err != nil {
			t.Fatal(err)
		}
		if ok(list) {
			return list
		}
	}
	t.Fatalf("never %s: %+v", what, list)
	return nil
}

// rings is whom Alertmanager calls.
type rings struct {
	mu   sync.Mutex
	seen []string // "firing warning", "resolved critical", …
}

func (r *rings) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	var call struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	body, _ := io.ReadAll(req.Body)
	_ = json.Unmarshal(body, &call)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range call.Alerts {
		r.seen = append(r.seen, a.Status+" "+a.Labels["severity"])
	}
}

func (r *rings) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

func (r *rings) await(t *testing.T, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if slices.Equal(r.all(), want) {
			return
		}
	}
	t.Fatalf("rings %q, want %q", r.all(), want)
}

// tell runs a Sender to am until stop is called.
func (am *alertmanager) tell(t *testing.T, log Log, out *lines, change func(*Config)) (stop func()) {
	t.Helper()
	c := Config{
		Name: "am", URL: mustURL(t, am.url+"/"), Format: Alertmanager, Resend: resolveTimeout / 8, Host: "app-17", Labels: map[string]string{"site": "fra1"},
		HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: amUser, Password: amWord}},
	}
	if change != nil {
		change(&c)
	}
	s, err := New(c, log, out.logger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = s.Run(ctx); close(done) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func openAlert() monitor.Alert {
	return monitor.Alert{
		ID: "01KAT3Q7W2", Key: "api.partner.example./local", Host: "app-17", Labels: map[string]string{"site": "fra1", "severity": "mine"},
		Kind: monitor.PathInjection, Severity: monitor.High, Confidence: monitor.Probable, Verdict: monitor.Suspicious, State: monitor.Open,
		Name: "api.partner.example.", Type: monitor.TypeA, Owner: "payments", Summary: "app-17: someone forges answers", Text: "Since 03:06:52.",
		Guidance: []string{"Stop jobs.", "Find the machine."}, RunbookURL: monitor.RunbookBase + "path_injection.md", OpenedAt: time.Now().Add(-time.Second),
	}
}

// TestAlertmanager takes an alert through its life at a real Alertmanager.
func TestAlertmanager(t *testing.T) {
	t.Parallel()
	am := startAlertmanager(t)
	log, out := newLog(), new(lines)
	stop := am.tell(t, log, out, nil)

	a := openAlert()
	log.put(monitor.AlertOpened, a)
	list := am.await(t, "firing", func(l []standing) bool { return len(l) == 1 })
	wantLabels := map[string]string{
		"alertname": "DnstasterAlert", "severity": "warning", "kind": "path_injection", "name": "api.partner.example", "host": "app-17",
		"owner": "payments", "key": "api.partner.example./local", "site": "fra1",
	}
	if diff := cmp.Diff(wantLabels, list[0].Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"summary": a.Summary, "description": "Since 03:06:52.\n- Stop jobs.\n- Find the machine.", "runbook_url": a.RunbookURL, "severity": "high", "id": a.ID, "state": "open",
	} {
		if got := list[0].Annotations[name]; got != want {
			t.Errorf("annotation %s = %q, want %q", name, got, want)
		}
	}
	if !list[0].StartsAt.Equal(a.OpenedAt.Truncate(time.Millisecond)) {
		t.Errorf("it starts at %s, want %s", list[0].StartsAt, a.OpenedAt)
	}
	am.rings.await(t, "firing warning")

	// It is heard of again for three times as long as Alertmanager remembers, and
	// never away.
	first := list[0].UpdatedAt
	am.await(t, "told again", func(l []standing) bool {
		if len(l) != 1 {
			t.Fatalf("%d alerts fire, want 1", len(l))
		}
		return l[0].UpdatedAt.Sub(first) > 3*resolveTimeout
	})

	// What a person does here rings nobody there, and lets nothing end.
	a.State = monitor.Acknowledged
	log.put(monitor.AlertAcknowledged, a)
	am.await(t, "acknowledged", func(l []standing) bool { return len(l) == 1 && l[0].Annotations["state"] == "acknowledged" })
	a.State = monitor.Silenced
	log.put(monitor.AlertSilenced, a)
	quiet := am.await(t, "silenced", func(l []standing) bool { return len(l) == 1 && l[0].Annotations["state"] == "silenced" })

	// A restart goes on from the store: no event is new.
	stop()
	stop = am.tell(t, log, out, nil)
	am.await(t, "told again after a restart", func(l []standing) bool {
		return len(l) == 1 && l[0].UpdatedAt.Sub(quiet[0].UpdatedAt) > 2*resolveTimeout
	})
	am.rings.await(t, "firing warning")

	// A rise is another alert there; the one before ends with it.
	a.State, a.Severity, a.Confidence = monitor.Open, monitor.Critical, monitor.Confirmed
	log.put(monitor.AlertUpdated, a)
	am.await(t, "risen", func(l []standing) bool { return len(l) == 1 && l[0].Labels["severity"] == "critical" })

	end := time.Now()
	a.State, a.ResolvedAt = monitor.Resolved, &end
	log.put(monitor.AlertResolved, a)
	am.await(t, "gone", func(l []standing) bool { return len(l) == 0 })
	for deadline := time.Now().Add(time.Minute); !slices.Contains(am.rings.all(), "resolved critical"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("rings %q, want one that it is resolved", am.rings.all())
		}
	}
	if got := am.rings.all(); len(only(got, "firing warning")) != 1 || len(only(got, "firing critical")) != 1 {
		t.Errorf("rings %q, want each firing once", got)
	}

	// What is not told again is forgotten: without this, the above shows nothing.
	b := openAlert()
	b.ID, b.Key = "01KAT3Q7W3", "other"
	log.put(monitor.AlertOpened, b)
	am.await(t, "firing", func(l []standing) bool { return len(l) == 1 })
	stop()
	am.await(t, "forgotten", func(l []standing) bool { return len(l) == 0 })
	if n := log.cursor("am"); n != log.Last() {
		t.Errorf("cursor = %d, want %d, the end", n, log.Last())
	}
	for _, secret := range []string{amPrefix, amWord, strings.TrimPrefix(am.url, "http://")} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, out)
		}
	}
}

// only picks what is s.
func only(list []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(x string) bool { return x != s })
}

// TestAlertmanagerHealth tells what keeps the daemon from its work, a test of
// the endpoint, and that a wrong password is refused.
func TestAlertmanagerHealth(t *testing.T) {
	t.Parallel()
	am := startAlertmanager(t)
	log, out := newLog(), new(lines)
	var mu sync.Mutex
	held := []monitor.HealthStatus{{Health: monitor.Health{Condition: "no_witness", Severity: "warning", Title: "No witness answers"}, Since: time.Now().Add(-time.Minute)}}
	am.tell(t, log, out, func(c *Config) {
		c.Conditions = func(context.Context) ([]monitor.HealthStatus, error) {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(held), nil
		}
	})
	list := am.await(t, "degraded", func(l []standing) bool { return len(l) == 1 })
	want := map[string]string{"alertname": "DnstasterHealth", "severity": "warning", "condition": "no_witness", "host": "app-17", "site": "fra1"}
	if diff := cmp.Diff(want, list[0].Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	am.await(t, "told again", func(l []standing) bool {
		return len(l) == 1 && l[0].UpdatedAt.Sub(list[0].UpdatedAt) > 2*resolveTimeout
	})
	mu.Lock()
	held = nil
	mu.Unlock()
	log.add(monitor.HealthRestored, monitor.Health{Condition: "no_witness", Severity: "warning", Title: "No witness answers"})
	am.await(t, "restored", func(l []standing) bool { return len(l) == 0 })

	c := Config{Name: "am", URL: mustURL(t, am.url), Format: Alertmanager, Host: "app-17",
		HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: amUser, Password: amWord}}}
	s, err := New(c, log, out.logger())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Test(t.Context()); err != nil {
		t.Errorf("Test() = %s, %v", r, err)
	}
	if l := am.await(t, "tested", func(l []standing) bool { return len(l) == 1 }); l[0].Labels["alertname"] != "DnstasterTest" || l[0].Labels["endpoint"] != "am" {
		t.Errorf("labels of a test: %v", l[0].Labels)
	}
	c.HTTP.BasicAuth.Password = "wrong-word"
	if s, err = New(c, log, out.logger()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Test(t.Context()); err == nil || r.Status != http.StatusUnauthorized {
		t.Errorf("Test() with a wrong password = %s, %v, want a refusal", r, err)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/monitor"
)

// reloadTest is a daemon that asks nobody, with a configuration in a directory.
type reloadTest struct {
	*daemon
	dir  string
	read func() (*config, monitor.Config, error)
}

// startWith is the configuration that such a daemon starts with. Its sections
// may be replaced.
var startWith = map[string]string{
	"watches":   "[{name: api.partner.example, types: [A]}]",
	"resolvers": `[{name: nobody, address: "127.0.0.1:9", transport: udp}]`,
	"capture":   "{enabled: false}",
	"storage":   "{path: store.db}",
	"control":   "{socket: sock}",
}

func newReloadTest(t *testing.T, sections map[string]string) *reloadTest {
	t.Helper()
	dir, err := os.MkdirTemp("", "dtr-") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &reloadTest{dir: dir}
	r.read = func() (*config, monitor.Config, error) {
		c, err := loadConfig(filepath.Join(dir, "dnstaster.yaml"))
		if err != nil {
			return nil, monitor.Config{}, err
		}
		mc, err := c.monitorConfig()
		return c, mc, err
	}
	r.write(t, sections)
	c, mc, err := r.read()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s, err := newSenses(c, mc.Exempt, log)
	if err != nil {
		t.Fatal(err)
	}
	if r.daemon, err = newDaemon(c, mc, s, log); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- r.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ran, r.close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// write puts sections into the configuration, beside those it starts with.
func (r *reloadTest) write(t *testing.T, sections map[string]string) {
	t.Helper()
	var b strings.Builder
	for key, text := range startWith {
		if _, ok := sections[key]; !ok {
			fmt.Fprintf(&b, "%s: %s\n", key, text)
		}
	}
	for key, text := range sections {
		fmt.Fprintf(&b, "%s: %s\n", key, text)
	}
	text := strings.NewReplacer("path: ", "path: "+r.dir+"/", "socket: ", "socket: "+r.dir+"/").Replace(b.String())
	r.file(t, "dnstaster.yaml", text)
}

func (r *reloadTest) file(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *reloadTest) reread(t *testing.T) error { return r.daemon.reread(t.Context(), r.read) }

// tell puts events into the log, at once.
func (r *reloadTest) tell(t *testing.T, n int) {
	t.Helper()
	var b monitor.Batch
	for range n {
		b.Events = append(b.Events, monitor.Event{At: time.Now(), Type: monitor.AlertOpened, Data: []byte(`{}`), Alert: "A"})
	}
	if err := r.store.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

// receiver takes what webhooks send, slowly if it is told so.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	ids  []string
	way  []string      // the path before the id
	hold chan struct{} // if not nil, an answer waits for it
	came chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{came: make(chan struct{}, 4096)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	io.Copy(io.Discard, req.Body)
	r.mu.Lock()
	id := req.Header.Get("webhook-id")
	id = id[strings.LastIndexByte(id, '-')+1:]
	r.ids, r.way = append(r.ids, id), append(r.way, req.URL.Path+" "+id)
	hold := r.hold
	r.mu.Unlock()
	r.came <- struct{}{}
	if hold != nil {
		<-hold
	}
}

// wait waits until n requests came.
func (r *receiver) wait(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-r.came:
		case <-time.After(awaitLimit):
			t.Fatalf("only %q came", r.got())
		}
	}
}

func (r *receiver) ways() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.way)
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

// However often a webhook changes while events are on their way, each of them
// arrives once, and in order.
func TestReloadWebhooks(t *testing.T) {
	hooks := newReceiver(t)
	r := newReloadTest(t, nil)
	r.file(t, "ops.url", hooks.URL)
	r.file(t, "more.url", hooks.URL+"/more")
	secrets := []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}
	r.file(t, "ops.secret", secrets[0])
	section := "[{name: ops, url_file: ops.url, secret_file: ops.secret}]"
	r.write(t, map[string]string{"webhooks": section})
	if err := r.reread(t); err != nil {
		t.Fatal(err)
	}
	const rounds, each = 10, 5
	var want []string
	// A sender that is new starts at the end of the log: it must have begun.
	r.await(t, func() bool {
		_, ok, err := r.store.Cursor(t.Context(), "ops")
		return ok && err == nil
	})
	for i := range rounds {
		r.tell(t, each)
		for j := range each {
			want = append(want, fmt.Sprint(i*each+j+1))
		}
		r.file(t, "ops.secret", secrets[(i+1)%2])
		if i%3 == 2 { // one that is only renamed in place, one that goes elsewhere
			r.write(t, map[string]string{"webhooks": strings.Replace(section, "ops.url", []string{"more.url", "ops.url"}[i%2], 1)})
		}
		if err := r.reread(t); err != nil {
			t.Fatal(err)
		}
	}
	hooks.wait(t, len(want))
	if diff := cmp.Diff(want, hooks.got()); diff != "" {
		t.Errorf("events that arrived (-want +got):\n%s", diff)
	}
}

func (r *reloadTest) await(t *testing.T, right func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), awaitLimit)
	defer cancel()
	for !right() {
		if !sleep(ctx, 5*time.Millisecond) {
			t.Fatal("it never came to that")
		}
	}
}

// An event that is on its way when the webhook changes is waited for, and one
// that nothing is changed about goes on without noticing.
func TestReloadInFlight(t *testing.T) {
	for name, changes := range map[string]bool{"changed": true, "unchanged": false} {
		t.Run(name, func(t *testing.T) {
			hooks := newReceiver(t)
			hooks.hold = make(chan struct{})
			r := newReloadTest(t, nil)
			r.file(t, "ops.url", hooks.URL)
			r.write(t, map[string]string{"webhooks": "[{name: ops, url_file: ops.url}]"})
			if err := r.reread(t); err != nil {
				t.Fatal(err)
			}
			r.await(t, func() bool {
				_, ok, err := r.store.Cursor(t.Context(), "ops")
				return ok && err == nil
			})
			before := r.parts.Load().desks[0]
			r.tell(t, 2)
			hooks.wait(t, 1)
			if changes {
				r.file(t, "ops.url", hooks.URL+"/other")
			} else {
				r.write(t, map[string]string{"webhooks": "\n  - name: ops # in other words\n    url_file: ops.url"})
			}
			done := make(chan error, 1)
			go func() { done <- r.daemon.reread(t.Context(), r.read) }()
			if changes {
				r.await(t, func() bool {
					before.gate.mu.Lock()
					defer before.gate.mu.Unlock()
					return before.gate.closing
				})
			} else if err := <-done; err != nil {
				t.Fatal(err)
			}
			close(hooks.hold)
			if changes {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			if same := r.parts.Load().desks[0] == before; same == changes {
				t.Errorf("the sender is the same: %t", same)
			}
			r.tell(t, 1)
			hooks.wait(t, 2)
			want := []string{"/ 1", "/ 2", "/ 3"}
			if changes { // what was not on its way goes the new way already
				want = []string{"/ 1", "/other 2", "/other 3"}
			}
			if diff := cmp.Diff(want, hooks.ways()); diff != "" {
				t.Errorf("events that arrived (-want +got):\n%s", diff)
			}
		})
	}
}

// An endpoint that answers nothing keeps no reload waiting, and a webhook that
// is taken off gets nothing any more.
func TestReloadHungWebhook(t *testing.T) {
	hooks := newReceiver(t)
	hooks.hold = make(chan struct{})
	defer close(hooks.hold)
	r := newReloadTest(t, nil)
	r.file(t, "ops.url", hooks.URL)
	r.write(t, map[string]string{"webhooks": "[{name: ops, url_file: ops.url}]"})
	if err := r.reread(t); err != nil {
		t.Fatal(err)
	}
	r.await(t, func() bool {
		_, ok, err := r.store.Cursor(t.Context(), "ops")
		return ok && err == nil
	})
	r.tell(t, 1)
	hooks.wait(t, 1)
	r.write(t, nil)
	if err := r.reread(t); err != nil {
		t.Fatal(err)
	}
	if n := len(r.parts.Load().desks); n != 0 {
		t.Errorf("%d webhooks are left", n)
	}
}

// What cannot be used, or needs a restart, changes nothing, and is said.
func TestReloadRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		sections map[string]string
		want     string
	}{
		"not understood":   {map[string]string{"watchs": "[]"}, `unknown key "watchs"`},
		"store":            {map[string]string{"storage": "{path: other.db}"}, "storage.path changed: that needs a restart"},
		"socket":           {map[string]string{"control": "{socket: other}"}, "control.socket changed: that needs a restart"},
		"several":          {map[string]string{"control": "{socket: other}", "storage": "{path: store.db, retention: 1d}"}, "storage.retention and control.socket changed: that needs a restart"},
		"no such secret":   {map[string]string{"webhooks": "[{name: ops, url_file: none}]", "watches": "[]"}, "webhook ops: read webhook url"},
		"no such roots":    {map[string]string{"tls": "{roots: [none.pem]}", "watches": "[]"}, "tls.roots: open"},
		"no such resolver": {map[string]string{"resolvers": "[nobody]"}, "no resolver"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReloadTest(t, nil)
			parts, senses, loaded := r.parts.Load(), r.senses.current(), r.loaded.Load().Loaded
			r.write(t, tt.sections)
			if err := r.reread(t); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
			if r.parts.Load() != parts || r.senses.current() != senses {
				t.Error("parts were replaced")
			}
			b := &backend{r.monitor, r.daemon}
			s, err := b.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Watches) != 1 || !strings.Contains(s.Config.Error, tt.want) || !s.Config.Loaded.Equal(loaded) {
				t.Errorf("status shows %d watches and %+v", len(s.Watches), s.Config)
			}
			if got := r.metric(t, "dnstaster_config_last_reload_successful"); got != "0" {
				t.Errorf("the metric is %s", got)
			}
			r.write(t, map[string]string{"watches": "[]"})
			if err := r.reread(t); err != nil {
				t.Fatal(err)
			}
			if s, err = b.Status(t.Context()); err != nil || s.Config.Error != "" || len(s.Watches) != 0 || !s.Config.Loaded.After(loaded) {
				t.Errorf("afterwards status shows %d watches and %+v, %v", len(s.Watches), s.Config, err)
			}
			if got := r.metric(t, "dnstaster_config_last_reload_successful"); got != "1" {
				t.Errorf("the metric is %s", got)
			}
		})
	}
}

// metric gives the value of a metric without labels, as the socket shows it.
func (r *reloadTest) metric(t *testing.T, name string) string {
	t.Helper()
	rec := httptest.NewRecorder()
	// The server's own handler: what it serves is the socket's.
	r.control.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for l := range strings.Lines(rec.Body.String()) {
		if v, ok := strings.CutPrefix(l, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatalf("no metric %s:\n%s", name, rec.Body)
	return ""
}

// A configuration that was there and is gone is no wish to watch nothing.
func TestReloadGone(t *testing.T) {
	r := newReloadTest(t, nil)
	none := func() (*config, monitor.Config, error) {
		c := &config{}
		c.setDefaults()
		mc, err := c.monitorConfig()
		return c, mc, err
	}
	if err := r.daemon.reread(t.Context(), none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Connections, budgets and counters are kept unless what they rest on changes;
// what is under way goes on with what it began with.
func TestReloadSenses(t *testing.T) {
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	other, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	r := newReloadTest(t, nil)
	r.file(t, "ca.pem", string(ca.pem()))
	with := map[string]string{"tls": "{roots: [ca.pem]}"}
	for _, step := range []struct {
		what    string
		change  func()
		changes bool
	}{
		{"nothing", func() {}, false},
		{"a watch", func() { r.write(t, map[string]string{"watches": "[]"}) }, false},
		{"a root", func() { r.write(t, with) }, true},
		{"nothing more", func() {}, false},
		{"the file of the root", func() { r.file(t, "ca.pem", string(other.pem())) }, true},
		{"an exempt block", func() {
			r.write(t, map[string]string{"tls": with["tls"], "special_purpose": "{exempt: [198.18.0.0/15]}"})
		}, true},
	} {
		before := r.senses.current()
		step.change()
		if err := r.reread(t); err != nil {
			t.Fatal(err)
		}
		if changed := r.senses.current() != before; changed != step.changes {
			t.Errorf("%s: the senses are others: %t, want %t", step.what, changed, step.changes)
		}
		if r.senses.current().second.Load() == nil {
			t.Errorf("%s: nobody takes second answers", step.what)
		}
	}
}

// Senses that are replaced are not closed under a question that is on its way.
func TestRelayRetire(t *testing.T) {
	defer goleak.VerifyNone(t)
	c := &config{}
	log := slog.New(slog.DiscardHandler)
	one, err := newSenses(c, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	two, err := newSenses(c, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	r := newRelay(one)
	work := r.begin()
	r.retire(r.swap(&shift{senses: two}))
	if r.current() != two {
		t.Error("the new senses are not used")
	}
	q := monitor.Question{Name: "api.partner.example.", Type: monitor.TypeA}
	to := monitor.Resolver{Name: "nobody", Transport: monitor.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:9")}
	if o := work.asker.Ask(t.Context(), to, q); strings.HasPrefix(o.Error, monitor.ErrCanceled) {
		t.Errorf("the question under way ended with %q", o.Error)
	}
	work.work.Done()
	r.Close()
	if o := work.asker.Ask(t.Context(), to, q); !strings.HasPrefix(o.Error, monitor.ErrCanceled) {
		t.Errorf("the old senses answer %q after all was closed", o.Error)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		"no such table":    {map[string]string{"asn": "{file: none.csv}"}, "asn.file: open"},
		"a bad table":      {map[string]string{"asn": "{file: dnstaster.yaml}"}, "dnstaster.yaml: line 1: want a prefix"},
		"no such anchors":  {map[string]string{"dnssec": "{anchors: none.txt}"}, "dnssec.anchors: open"},
		"no such hints":    {map[string]string{"root_hints": "none.txt"}, "root_hints: open"},
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
		{"a table", func() {
			r.file(t, "asn.csv", "192.0.2.0/24,64500,One\n")
			r.write(t, map[string]string{"tls": with["tls"], "asn": "{file: asn.csv}"})
		}, true},
		{"the same table", func() {}, false},
		{"another table in its place", func() { r.file(t, "asn.csv", "192.0.2.0/24,64501,Two\n") }, true},
		{"dead addresses", func() {
			r.write(t, map[string]string{"tls": with["tls"], "asn": "{file: asn.csv}", "probes": "{dead: [203.0.113.1, 203.0.113.2]}"})
		}, true},
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

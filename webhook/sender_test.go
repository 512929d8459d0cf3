package webhook

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dnstaster/dnstaster/monitor"
)

var health = monitor.Health{Condition: "no_witness", Severity: "high", Title: "t", Text: "x"}

func TestDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		log.add(monitor.HealthDegraded, health) // before the endpoint was known
		got := statuses(500, 200)
		s := sender(t, log, serve(t, got.ServeHTTP), nil)
		stop := run(t, s)

		if n := log.cursor("ops"); n != 1 {
			t.Errorf("cursor of a new endpoint = %d, want 1, the end of the log", n)
		}
		log.add(monitor.AlertOpened, monitor.Alert{ID: "01A", Kind: monitor.ResolverCache})
		log.add(monitor.VerdictChanged, monitor.Change{Name: "api.partner.example."})
		log.add(monitor.HealthDegraded, health)
		log.add(monitor.VerdictChanged, monitor.Change{Name: "api.partner.example."})
		time.Sleep(time.Minute)
		synctest.Wait()

		want := []string{"01STORE-2", "01STORE-2", "01STORE-4"}
		if diff := cmp.Diff(want, got.ids()); diff != "" {
			t.Errorf("webhook ids (-want +got):\n%s", diff)
		}
		verifier, err := standardwebhooks.NewWebhook(testSecret)
		if err != nil {
			t.Fatal(err)
		}
		seen := got.arrivals()
		for i, a := range seen {
			if err := verifier.VerifyIgnoringTimestamp([]byte(a.body), a.header); err != nil {
				t.Errorf("arrival %d: %v", i, err)
			}
			if ts := a.header.Get("webhook-timestamp"); ts != strconv.FormatInt(a.at.Unix(), 10) {
				t.Errorf("arrival %d: timestamp = %s, want that of the try, %d", i, ts, a.at.Unix())
			}
			if ct, ua := a.header.Get("Content-Type"), a.header.Get("User-Agent"); ct != "application/json" || ua != "dnstaster/1.2.3" {
				t.Errorf("arrival %d: Content-Type %q, User-Agent %q", i, ct, ua)
			}
		}
		if seen[0].body != seen[1].body {
			t.Error("a retry has another body")
		}
		if a, b := seen[0].header.Get("webhook-signature"), seen[1].header.Get("webhook-signature"); a == b {
			t.Error("a retry has the old signature")
		}
		if n := log.cursor("ops"); n != 5 {
			t.Errorf("cursor = %d, want 5, past what is not wanted", n)
		}
		st := s.Stats()
		if st.Delivered != 2 || st.Failed[Unavailable] != 1 || st.Pending != 0 || st.LastSuccess.IsZero() || !st.NextTry.IsZero() {
			t.Errorf("Stats() = %+v", st)
		}
		if st.LastError != "500 Internal Server Error" {
			t.Errorf("LastError = %q", st.LastError)
		}
		stop()
	})
}

func TestGoneSwitchesOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		got := statuses(410)
		d := serve(t, got.ServeHTTP)
		s := sender(t, log, d, nil)
		stop := run(t, s)
		log.add(monitor.HealthDegraded, health)
		log.add(monitor.HealthRestored, health)
		time.Sleep(100 * time.Hour)
		st := s.Stats()
		if !st.Disabled || st.Pending != 2 || st.Failed[Gone] != 1 || log.cursor("ops") != 0 || len(got.ids()) != 1 {
			t.Errorf("Stats() = %+v, cursor %d, arrivals %q", st, log.cursor("ops"), got.ids())
		}
		stop()

		run(t, sender(t, log, d, nil)) // a reload makes another Sender
		want := []string{"01STORE-1", "01STORE-1", "01STORE-2"}
		if diff := cmp.Diff(want, got.ids()); diff != "" {
			t.Errorf("webhook ids (-want +got):\n%s", diff)
		}
	})
}

// TestCrash loses the process between POST and SetCursor.
func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		got := statuses()
		d := serve(t, got.ServeHTTP)
		first := sender(t, log, d, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- first.Run(ctx) }()
		synctest.Wait()
		log.onSetCursor = func(seq uint64) error {
			if seq == 2 {
				cancel()
				return errors.New("killed")
			}
			return nil
		}
		for range 3 {
			log.add(monitor.HealthDegraded, health)
		}
		if err := <-done; err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
		log.onSetCursor = nil
		run(t, sender(t, log, d, nil))
		want := []string{"01STORE-1", "01STORE-2", "01STORE-2", "01STORE-3"}
		if diff := cmp.Diff(want, got.ids()); diff != "" {
			t.Errorf("webhook ids (-want +got):\n%s", diff)
		}
	})
}

// TestStopAfterDelivery: to be asked to stop is no crash, and repeats nothing.
func TestStopAfterDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		ctx, cancel := context.WithCancel(t.Context())
		s := sender(t, log, nil, nil)
		s.transport = roundTrip(func(*http.Request) (*http.Response, error) {
			cancel()
			return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
		})
		log.cursors["ops"] = 0
		log.add(monitor.HealthDegraded, health)
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
		if n := log.cursor("ops"); n != 1 {
			t.Errorf("cursor = %d, want 1", n)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestStop(t *testing.T) {
	tests := []struct {
		name string
		step func(http.ResponseWriter, *http.Request)
		add  bool
	}{
		{"idle", nil, false},
		{"during a try", hang, true},
		{"between tries", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, true},
		{"switched off", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newLog()
				got := &scripted{steps: []func(http.ResponseWriter, *http.Request){tt.step}}
				s := sender(t, log, serve(t, got.ServeHTTP), nil)
				stop := run(t, s)
				if tt.add {
					log.add(monitor.HealthDegraded, health)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				before, failed := time.Now(), len(s.Stats().Failed)
				stop()
				if d := time.Since(before); d > 0 {
					t.Errorf("Run took %s to stop", d)
				}
				if n := len(s.Stats().Failed); n != failed {
					t.Error("a try that was stopped counts as failed")
				}
			})
		})
	}
}

// TestLogTrouble: neither reading nor writing may fail for good, and an event
// whose cursor cannot be written yet is not sent again.
func TestLogTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog(), new(lines)
		got := statuses()
		s := sender(t, log, serve(t, got.ServeHTTP), nil)
		s.logger = out.logger()
		run(t, s)
		fails := 5
		log.onSetCursor = func(uint64) error {
			if fails--; fails >= 0 {
				return errors.New("disk full")
			}
			return nil
		}
		log.add(monitor.HealthDegraded, health)
		log.add(monitor.HealthRestored, health)
		time.Sleep(10 * time.Minute)
		if diff := cmp.Diff([]string{"01STORE-1", "01STORE-2"}, got.ids()); diff != "" {
			t.Errorf("webhook ids (-want +got):\n%s", diff)
		}
		out.has(t, "event log is not available to webhook")
	})
}

func TestMissedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog(), new(lines)
		for range 9 {
			log.add(monitor.HealthDegraded, health)
		}
		log.events = log.events[5:] // retention took 1 to 5
		log.cursors["ops"] = 2
		got := statuses()
		s := sender(t, log, serve(t, got.ServeHTTP), nil)
		s.logger = out.logger()
		run(t, s)
		if st := s.Stats(); st.Missed != 3 || st.Delivered != 4 {
			t.Errorf("%d missed, %d delivered, want 3, 4", st.Missed, st.Delivered)
		}
		out.has(t, "level=ERROR msg=\"events left the log before this endpoint took them\" first=3 count=3")
	})
}

func TestCursorBeyondEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog(), new(lines)
		log.add(monitor.HealthDegraded, health)
		log.cursors["ops"] = 100 // of a store that was replaced
		got := statuses()
		s := sender(t, log, serve(t, got.ServeHTTP), nil)
		s.logger = out.logger()
		run(t, s)
		log.add(monitor.HealthRestored, health)
		synctest.Wait()
		if diff := cmp.Diff([]string{"01STORE-2"}, got.ids()); diff != "" {
			t.Errorf("webhook ids (-want +got):\n%s", diff)
		}
		out.has(t, "webhook cursor is beyond the end of the event log")
	})
}

// TestManyEvents goes through several batches and many cursors, in order.
func TestManyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		log.cursors["ops"] = 0
		var want []string
		for i := range 3*batchSize + 7 {
			eventType := monitor.HealthDegraded
			if i%3 == 1 {
				eventType = monitor.VerdictChanged
			} else {
				want = append(want, "01STORE-"+strconv.Itoa(i+1))
			}
			log.add(eventType, health)
		}
		got := statuses(500, 200, 200, 503, 408)
		s := sender(t, log, serve(t, got.ServeHTTP), nil)
		run(t, s)
		time.Sleep(time.Hour)
		var once []string
		for i, id := range got.ids() {
			if i == 0 || id != got.ids()[i-1] {
				once = append(once, id)
			}
		}
		if diff := cmp.Diff(want, once); diff != "" {
			t.Errorf("webhook ids (-want +got):\n%s", diff)
		}
		if n := log.cursor("ops"); n != log.Last() {
			t.Errorf("cursor = %d, want %d", n, log.Last())
		}
	})
}

func TestSlowEndpointDelaysOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		quick := statuses()
		slow := serve(t, hang)
		a := sender(t, log, slow, func(c *Config) { c.Name = "slow" })
		b := sender(t, log, serve(t, quick.ServeHTTP), nil)
		run(t, a)
		run(t, b)
		start := time.Now()
		for range 20 {
			log.add(monitor.HealthDegraded, health)
		}
		synctest.Wait()
		if d, n := time.Since(start), len(quick.ids()); d > 0 || n != 20 {
			t.Errorf("after %s the quick endpoint has %d of 20", d, n)
		}
		if p, q := a.Stats().Pending, b.Stats().Pending; p != 20 || q != 0 {
			t.Errorf("pending: slow %d, quick %d, want 20, 0", p, q)
		}
	})
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"unsigned", func(c *Config) { c.Secret = Secret{} }, "webhook is not signed"},
		{"plain http", nil, "plain http"},
		{"plain http at home", func(c *Config) { c.URL = mustURL(t, "http://127.0.0.1:8080/") }, ""},
		{"unchecked", func(c *Config) {
			c.URL = mustURL(t, "https://hooks.example/")
			c.HTTP.TLSConfig.InsecureSkipVerify = true
		}, "does not check certificates"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := new(lines)
			s := sender(t, newLog(), nil, tt.change)
			s.logger = out.logger()
			s.warn()
			if tt.want == "" && out.String() != "" {
				t.Errorf("log = %s, want nothing", out)
			}
			out.has(t, tt.want)
		})
	}
}

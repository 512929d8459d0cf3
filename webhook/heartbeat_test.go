package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dnstaster/dnstaster/monitor"
)

// beating has a Config send a heartbeat every five minutes that says how often
// it was made.
func beating(made *atomic.Int64) func(*Config) {
	return func(c *Config) {
		c.Types = []string{"alert.", monitor.Heartbeat}
		c.Heartbeat = 5 * time.Minute
		c.Pulse = func(context.Context) (monitor.Pulse, error) {
			return monitor.Pulse{Host: "app-17", Health: "ok", Alerts: int(made.Add(1))}, nil
		}
	}
}

// arrived lists what came: when, and the type, or which heartbeat it was.
func arrived(t *testing.T, s *scripted, begin time.Time) []string {
	t.Helper()
	out := []string{}
	for _, a := range s.arrivals() {
		var body struct {
			Type string
			Data monitor.Pulse
		}
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			t.Fatal(err)
		}
		out = append(out, a.at.Sub(begin).Round(time.Second).String()+" "+body.Type)
	}
	return out
}

// A heartbeat comes at once and then at its interval, signed, beside events and
// without a place in the log.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		got, log := new(scripted), newLog()
		begin := time.Now()
		s := sender(t, log, serve(t, got.ServeHTTP), beating(&made))
		run(t, s)
		time.Sleep(6 * time.Minute)
		log.add(monitor.AlertOpened, monitor.Alert{ID: "01A"})
		log.add(monitor.HealthDegraded, health) // not wanted
		time.Sleep(5 * time.Minute)
		want := []string{"0s heartbeat", "5m0s heartbeat", "6m0s alert.opened", "10m0s heartbeat"}
		if diff := cmp.Diff(want, arrived(t, got, begin)); diff != "" {
			t.Errorf("arrivals (-want +got):\n%s", diff)
		}
		if st := s.Stats(); st.Heartbeats != 3 || st.Delivered != 1 || log.cursor("ops") != 2 || st.Pending != 0 {
			t.Errorf("stats %+v, cursor %d", st, log.cursor("ops"))
		}
		check, err := standardwebhooks.NewWebhook(testSecret)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]bool{}
		for _, a := range got.arrivals() {
			// Not Verify: the clock in the bubble shows the year 2000.
			if err := check.VerifyIgnoringTimestamp([]byte(a.body), a.header); err != nil {
				t.Error(err)
			}
			ids[a.header.Get("webhook-id")] = true
		}
		if len(ids) != 4 {
			t.Errorf("webhook-ids %v, want four", ids)
		}
		if !strings.Contains(got.arrivals()[0].body, `"data":{"host":"app-17",`) {
			t.Errorf("body %s", got.arrivals()[0].body)
		}
	})
}

// An outage of hours leaves no pile: what comes after it is one heartbeat, and
// it says how things are then. Then the old rhythm goes on.
func TestHeartbeatAfterOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		var down atomic.Bool
		got, log := new(scripted), newLog()
		begin := time.Now()
		s := sender(t, log, serve(t, func(w http.ResponseWriter, r *http.Request) {
			if down.Load() {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			got.ServeHTTP(w, r)
		}), beating(&made))
		run(t, s)
		down.Store(true)
		time.Sleep(3*time.Hour + time.Minute)
		if made.Load() < 10 {
			t.Errorf("tried with %d heartbeats in three hours, want each try to make its own", made.Load())
		}
		if s.Stats().LastError == "" || s.Stats().NextTry.IsZero() {
			t.Error("a heartbeat that fails does not show")
		}
		log.add(monitor.AlertOpened, monitor.Alert{ID: "01A"})
		down.Store(false)
		before := len(got.arrivals())
		time.Sleep(16 * time.Minute) // the longest wait between tries
		seen := arrived(t, got, begin)[before:]
		beats := 0
		for _, s := range seen {
			if strings.HasSuffix(s, monitor.Heartbeat) {
				beats++
			}
		}
		if len(seen)-beats != 1 || beats < 1 || beats > 4 {
			t.Errorf("after the outage came %q, want the alert and no pile of heartbeats", seen)
		}
		var last struct{ Data monitor.Pulse }
		all := got.arrivals()
		if err := json.Unmarshal([]byte(all[len(all)-1].body), &last); err != nil || last.Data.Alerts != int(made.Load()) {
			t.Errorf("the last that came is number %d of %d", last.Data.Alerts, made.Load())
		}
		before = len(all)
		time.Sleep(10 * time.Minute)
		for _, s := range arrived(t, got, begin)[before:] {
			if d, err := time.ParseDuration(strings.Fields(s)[0]); err != nil || d%(5*time.Minute) != 0 {
				t.Errorf("%s is off the rhythm", s)
			}
		}
	})
}

// A heartbeat says that what came before it was taken: while an event is
// refused there is none.
func TestHeartbeatWaitsForEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		got, log := statuses(200, 400, 400), newLog()
		begin := time.Now()
		s := sender(t, log, serve(t, got.ServeHTTP), beating(&made))
		run(t, s)
		log.add(monitor.AlertOpened, monitor.Alert{ID: "01A"})
		time.Sleep(35 * time.Minute)
		seen := arrived(t, got, begin)
		if len(seen) < 5 || !cmp.Equal(seen[:2], []string{"0s heartbeat", "0s alert.opened"}) ||
			!strings.HasSuffix(seen[2], monitor.AlertOpened) || !strings.HasSuffix(seen[3], monitor.AlertOpened) || !strings.HasSuffix(seen[4], monitor.Heartbeat) {
			t.Errorf("arrivals %q, want no heartbeat between the three tries of the alert, and one at once after it", seen)
		}
	})
}

// A core that is stuck has no heartbeat, and an endpoint that is gone gets none.
func TestHeartbeatEnds(t *testing.T) {
	t.Run("stuck core", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var stuck atomic.Bool
			got := new(scripted)
			s := sender(t, newLog(), serve(t, got.ServeHTTP), func(c *Config) {
				beating(new(atomic.Int64))(c)
				c.Pulse = func(ctx context.Context) (monitor.Pulse, error) {
					if stuck.Load() {
						<-ctx.Done()
						return monitor.Pulse{}, ctx.Err()
					}
					return monitor.Pulse{}, nil
				}
			})
			run(t, s)
			stuck.Store(true)
			time.Sleep(61 * time.Minute)
			if n := len(got.arrivals()); n != 1 {
				t.Errorf("%d heartbeats came, want the first alone", n)
			}
			stuck.Store(false)
			time.Sleep(6 * time.Minute)
			if n := len(got.arrivals()); n != 2 {
				t.Errorf("%d heartbeats came after it answers again, want 2", n)
			}
		})
	})
	t.Run("gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			got := statuses(200, 410)
			s := sender(t, newLog(), serve(t, got.ServeHTTP), beating(new(atomic.Int64)))
			run(t, s)
			time.Sleep(24 * time.Hour)
			if n := len(got.arrivals()); n != 2 || !s.Stats().Disabled {
				t.Errorf("%d arrivals, disabled %t; want 2 and off", n, s.Stats().Disabled)
			}
		})
	})
}

func TestHeartbeatConfig(t *testing.T) {
	pulse := func(context.Context) (monitor.Pulse, error) { return monitor.Pulse{}, errors.New("unused") }
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string // part of the error
	}{
		{"none", func(*Config) {}, ""},
		{"as it should be", beating(new(atomic.Int64)), ""},
		{"listed, but never", func(c *Config) { c.Types = []string{"alert.", "heartbeat"} }, "give heartbeat: 5m"},
		{"often, but not listed", func(c *Config) { c.Heartbeat, c.Pulse = time.Minute, pulse }, "give events: [alert., health., heartbeat]"},
		{"too often", func(c *Config) { beating(new(atomic.Int64))(c); c.Heartbeat = time.Millisecond }, "below 1s"},
		{"negative", func(c *Config) { beating(new(atomic.Int64))(c); c.Heartbeat = -time.Minute }, "below 1s"},
		{"no pulse", func(c *Config) { beating(new(atomic.Int64))(c); c.Pulse = nil }, "without a pulse"},
		{"chat", func(c *Config) { beating(new(atomic.Int64))(c); c.Format = Slack }, "goes with format standard"},
		{"a type that is like it", func(c *Config) { c.Types = []string{"heart"} }, "is neither one type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{Name: "ops", URL: mustURL(t, "http://hooks.example/in"), Secret: mustSecret(t)}
			tt.change(&c)
			_, err := New(c, newLog(), slog.New(slog.DiscardHandler))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("New gives %v, want %q in it", err, tt.want)
			}
		})
	}
}

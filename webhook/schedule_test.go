package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestSchedule holds the waits between tries against what doc.go promises.
func TestSchedule(t *testing.T) {
	after := func(status int, value string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", strings.ReplaceAll(value, "DATE", time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat)))
			w.WriteHeader(status)
		}
	}
	type span struct{ min, max time.Duration }
	tests := []struct {
		name  string
		step  func(http.ResponseWriter, *http.Request)
		waits []span
	}{
		{"500 grows", after(500, "3000"), []span{{time.Second, 3 * time.Second}, {2 * time.Second, 6 * time.Second}, {4 * time.Second, 12 * time.Second}, {8 * time.Second, 24 * time.Second}}},
		{"429 waits as asked", after(429, "120"), []span{{120 * time.Second, 120 * time.Second}, {120 * time.Second, 120 * time.Second}}},
		{"503 waits as asked, at most an hour", after(503, "86400"), []span{{time.Hour, time.Hour}}},
		{"503 waits until a date, at most an hour", after(503, "DATE"), []span{{time.Hour, time.Hour}}},
		{"429 that asks for nothing", after(429, ""), []span{{time.Second, 3 * time.Second}}},
		{"429 that asks for no wait", after(429, "0"), []span{{time.Second, 3 * time.Second}}},
		{"404 is slow from the start", after(404, "1"), []span{{5 * time.Minute, 15 * time.Minute}, {5 * time.Minute, 15 * time.Minute}}},
		{"302 is slow from the start", after(302, ""), []span{{5 * time.Minute, 15 * time.Minute}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := new(scripted)
				for range tt.waits {
					got.steps = append(got.steps, tt.step)
				}
				log := newLog()
				s := sender(t, log, serve(t, got.ServeHTTP), nil)
				run(t, s)
				log.add(monitor.HealthDegraded, health)
				synctest.Wait()
				if next := s.Stats().NextTry; next.Before(time.Now().Add(tt.waits[0].min)) {
					t.Errorf("NextTry is %s from now, want at least %s", time.Until(next), tt.waits[0].min)
				}
				time.Sleep(4 * time.Hour)
				seen := got.arrivals()
				if len(seen) != len(tt.waits)+1 {
					t.Fatalf("%d tries, want %d", len(seen), len(tt.waits)+1)
				}
				for i, w := range tt.waits {
					if d := seen[i+1].at.Sub(seen[i].at); d < w.min || d > w.max {
						t.Errorf("wait %d = %s, want %s to %s", i+1, d, w.min, w.max)
					}
				}
			})
		})
	}
}

func TestBackoffEnds(t *testing.T) {
	b := newBackoff(firstInterval)
	for i := range 50 {
		if d := b.NextBackOff(); d < time.Second || d > 15*time.Minute+time.Millisecond {
			t.Errorf("wait %d = %s, want 1s to 15m", i+1, d)
		}
	}
}

// broken is a transport that fails until it is mended.
type broken struct {
	mu     sync.Mutex
	status int
}

func (b *broken) RoundTrip(*http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &http.Response{StatusCode: b.status, Header: http.Header{}, Body: http.NoBody}, nil
}

func (b *broken) set(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

func TestGiveUp(t *testing.T) {
	for _, status := range []int{500, 400, 302} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, out := newLog(), new(lines)
				b := &broken{status: status}
				s := sender(t, log, nil, nil)
				s.transport, s.logger = b, out.logger()
				run(t, s)
				log.add(monitor.AlertOpened, monitor.Alert{ID: "01A"})
				time.Sleep(time.Hour)
				log.add(monitor.AlertResolved, monitor.Alert{ID: "01A"})
				time.Sleep(22*time.Hour + 50*time.Minute)
				if st := s.Stats(); st.Dead != 0 || log.cursor("ops") != 0 {
					t.Fatalf("after 23h50m: %d dead, cursor %d", st.Dead, log.cursor("ops"))
				}
				time.Sleep(26 * time.Minute)
				st := s.Stats()
				if st.Dead != 1 || log.cursor("ops") != 1 || st.Pending != 1 {
					t.Fatalf("after 24h16m: %d dead, cursor %d, %d pending, want 1, 1, 1", st.Dead, log.cursor("ops"), st.Pending)
				}
				if d := st.LastDead[0]; d.ID != "01STORE-1" || d.Type != monitor.AlertOpened || d.Error == "" {
					t.Errorf("LastDead = %+v", d)
				}
				out.has(t, "level=ERROR msg=\"webhook gave an event up\" id=01STORE-1")
				// The next one waited behind it, and does not get a day of its own on top.
				time.Sleep(80 * time.Minute)
				if st := s.Stats(); st.Dead != 2 || log.cursor("ops") != 2 {
					t.Errorf("after 25h36m: %d dead, cursor %d, want 2, 2", st.Dead, log.cursor("ops"))
				}
				log.add(monitor.HealthDegraded, health)
				b.set(200)
				time.Sleep(16 * time.Minute)
				if st := s.Stats(); st.Delivered != 1 || log.cursor("ops") != 3 {
					t.Errorf("after it was mended: %d delivered, cursor %d, want 1, 3", st.Delivered, log.cursor("ops"))
				}
			})
		})
	}
}

// TestOldEventGetsItsTime: a host that was off for days comes up before its
// network does. The first failure must not bury what waited.
func TestOldEventGetsItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		log.cursors["ops"] = 0
		log.addAt(time.Now().Add(-72*time.Hour), monitor.HealthDegraded, health)
		log.addAt(time.Now().Add(72*time.Hour), monitor.HealthRestored, health) // written by a wrong clock
		b := &broken{status: 502}
		s := sender(t, log, nil, nil)
		s.transport = b
		run(t, s)
		time.Sleep(23 * time.Hour)
		if st := s.Stats(); st.Dead != 0 {
			t.Errorf("%d dead after 23h, want 0", st.Dead)
		}
		time.Sleep(26 * time.Hour)
		if st := s.Stats(); st.Dead != 2 {
			t.Errorf("%d dead after 49h, want 2", st.Dead)
		}
	})
}

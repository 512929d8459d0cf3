package monitor_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// types of the committed events about alerts, in order.
func (w *world) calls() []string {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	var out []string
	for _, e := range w.events {
		if e.Alert != "" {
			out = append(out, e.Type)
		}
	}
	return out
}

func wantCalls(t *testing.T, w *world, want ...string) {
	t.Helper()
	got := w.calls()
	if len(got) != len(want) {
		t.Fatalf("events %q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("events %q, want %q", got, want)
		}
	}
}

func act(t *testing.T, m *monitor.Monitor, id string, a monitor.Action, n monitor.Note) {
	t.Helper()
	if _, err := m.Act(t.Context(), id, a, n); err != nil {
		t.Fatal(err)
	}
}

// An alert that is open when the daemon restarts is not told of again, goes on
// under its id, and is resolved by the daemon that comes after.
func TestRestartWithOpenAlert(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(*monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
		})
		wantCalls(t, w, monitor.AlertOpened)
		was := w.only(t)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			wantVerdict(t, m, monitor.Poisoned)
		})
		wantCalls(t, w, monitor.AlertOpened)
		is := w.only(t)
		if is.ID != was.ID || !is.OpenedAt.Equal(was.OpenedAt) || !is.Exposure.From.Equal(was.Exposure.From) || is.Confidence != monitor.Confirmed || !is.LastSeenAt.After(was.LastSeenAt) {
			t.Errorf("after the restart: %s opened %s, from %s, %s, last seen %s; before: %s opened %s, from %s, %s, last seen %s",
				is.ID, is.OpenedAt, is.Exposure.From, is.Confidence, is.LastSeenAt, was.ID, was.OpenedAt, was.Exposure.From, was.Confidence, was.LastSeenAt)
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			w.honest()
			wait(time.Hour)
			wantVerdict(t, m, monitor.Clean)
		})
		wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
	})
}

// A lie that ended while the daemon was down is resolved all the same, and a
// kill between two commits changes nothing of that.
func TestRestartAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(*monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
		})
		w.honest()
		wait(time.Hour)
		watch(t, w, c, func(m *monitor.Monitor) { wait(30 * time.Minute) })
		wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
	})
}

// Time alone resolves nothing: it takes five good rounds, however rare they are.
func TestResolutionTakesRounds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.Watches[0].Interval = 10 * time.Minute
		c.Timing.Recheck = 10 * time.Minute
		watch(t, w, c, func(*monitor.Monitor) {
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
			w.honest()
			wait(25 * time.Minute)
			wantCalls(t, w, monitor.AlertOpened)
			wait(time.Hour)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
		})
	})
}

// Nobody will ever see an alert end whose name is no longer watched.
func TestUnwatchedNamesResolve(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(*monitor.Monitor) {
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
		})
		c.Watches[0].Name = "other.partner.example."
		watch(t, w, c, func(*monitor.Monitor) { wait(time.Minute) })
		wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
		if a := w.only(t); a.State != monitor.Resolved || a.ResolvedAt == nil || a.Name != apiA.Name {
			t.Errorf("%s is %s, resolved at %v", a.Name, a.State, a.ResolvedAt)
		}
	})
}

// Who acknowledged an alert is not called again for it, but hears of its end.
func TestAcknowledge(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
			act(t, m, w.only(t).ID, monitor.Acknowledge, monitor.Note{UID: 1000, Comment: "on it"})
			wait(time.Hour)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertAcknowledged)
			wantVerdict(t, m, monitor.Poisoned) // nothing that a person does changes a verdict
			if a := w.only(t); a.State != monitor.Acknowledged || a.Note == nil || a.Note.Comment != "on it" || a.Note.UID != 1000 {
				t.Errorf("the alert is %s with note %+v", a.State, a.Note)
			}
			w.honest()
			wait(time.Hour)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertAcknowledged, monitor.AlertResolved)
		})
	})
}

// A silence ends by itself, also across a restart, and the alert is heard again.
func TestSilenceExpires(t *testing.T) {
	for _, restart := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world, c monitor.Config) {
			rest := func(m *monitor.Monitor) {
				wait(time.Hour)
				wantCalls(t, w, monitor.AlertOpened, monitor.AlertSilenced)
				wait(61 * time.Minute)
				wantCalls(t, w, monitor.AlertOpened, monitor.AlertSilenced, monitor.AlertUpdated)
				if a := w.only(t); a.State != monitor.Open {
					t.Errorf("after its silence the alert is %s", a.State)
				}
			}
			watch(t, w, c, func(m *monitor.Monitor) {
				w.lie(apiA, evilAddr, 60, everyPlain...)
				wait(5 * time.Minute)
				until := w.now().Add(2 * time.Hour)
				act(t, m, w.only(t).ID, monitor.Silence, monitor.Note{Until: &until})
				wait(time.Second)
				if !restart {
					rest(m)
				}
			})
			if restart {
				watch(t, w, c, rest)
			}
		})
	}
}

// What cannot be done is refused, and changes nothing.
func TestActRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
			id, past := w.only(t).ID, w.now().Add(-time.Second)
			for name, tt := range map[string]struct {
				id     string
				action monitor.Action
				until  *time.Time
				want   error
			}{
				"no such alert":          {"01ARZ3NDEKTSV4RRFFQ69G5FAV", monitor.Acknowledge, nil, monitor.ErrNoAlert},
				"too short an id":        {id[:7], monitor.Acknowledge, nil, monitor.ErrNoAlert},
				"silence without end":    {id, monitor.Silence, nil, monitor.ErrAction},
				"silence that was":       {id, monitor.Silence, &past, monitor.ErrAction},
				"an action of its own":   {id, "forget", nil, monitor.ErrAction},
				"nothing to be found by": {"", monitor.Resolve, nil, monitor.ErrNoAlert},
			} {
				if _, err := m.Act(t.Context(), tt.id, tt.action, monitor.Note{Until: tt.until}); !errors.Is(err, tt.want) {
					t.Errorf("%s: %v, want %v", name, err, tt.want)
				}
			}
			wait(time.Minute)
			wantCalls(t, w, monitor.AlertOpened)
		})
	})
}

// An alert that somebody resolved while it goes on comes back without a call.
func TestResolveByHandIsQuietForAWhile(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
			act(t, m, w.only(t).ID, monitor.Resolve, monitor.Note{})
			wait(10 * time.Minute)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved, monitor.AlertUpdated)
			if a := w.only(t); a.State != monitor.Open || a.Flaps != 1 {
				t.Errorf("the alert is %s after %d flaps, want open after 1", a.State, a.Flaps)
			}
		})
	})
}

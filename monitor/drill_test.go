package monitor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

func drill(t *testing.T, m *monitor.Monitor, d monitor.DrillOrder) monitor.Alert {
	t.Helper()
	a, err := m.Drill(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A drill is an alert in all but what it says: it is seen everywhere, ends by
// itself, and changes nothing else.
func TestDrill(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			asked := w.questions("")
			a := drill(t, m, monitor.DrillOrder{Name: apiA.Name, UID: 1000})
			if !a.Drill || !strings.HasPrefix(a.Summary, "DRILL") || a.Severity != monitor.Critical || a.State != monitor.Open ||
				a.Verdict != monitor.Clean || a.Kind != monitor.ResolverCache || a.Owner != "payments" || a.Exposure.Leak != monitor.LeakNo ||
				!strings.HasSuffix(a.RunbookURL, "/resolver_cache.md") {
				t.Errorf("the drill is %+v", a)
			}
			wait(30 * time.Second)
			s, err := m.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Alerts) != 1 || !s.Alerts[0].Drill || s.Alerts[0].ID != a.ID || s.Verdicts[monitor.Clean] != 1 {
				t.Errorf("the status has alerts %+v and verdicts %v", s.Alerts, s.Verdicts)
			}
			if e, err := m.Explain(t.Context(), a.ID); err != nil || len(e.Alerts) != 1 || !e.Alerts[0].Drill {
				t.Errorf("explained as %+v, %v", e.Alerts, err)
			}
			if _, err := m.Drill(t.Context(), monitor.DrillOrder{Name: apiA.Name}); !errors.Is(err, monitor.ErrAction) {
				t.Errorf("a second drill while the first is open: %v", err)
			}
			wantCalls(t, w, monitor.AlertOpened)
			wait(31 * time.Second)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
			if got := w.only(t); !got.Drill || got.State != monitor.Resolved || got.ResolvedAt.Sub(got.OpenedAt) != time.Minute {
				t.Errorf("in the store is %+v", got)
			}
			// Nobody was asked for its sake: a minute has one round.
			if n := w.questions("") - asked; n > 2 {
				t.Errorf("%d questions in the minute of the drill", n)
			}
			wantVerdict(t, m, monitor.Clean)
			if n := len(w.told(monitor.VerdictChanged)); n != 0 {
				t.Errorf("%d changes of a verdict", n)
			}
			second := drill(t, m, monitor.DrillOrder{Name: apiA.Name, Kind: monitor.PathInjection, ResolveAfter: 2 * time.Second})
			if second.ID == a.ID || second.Kind != monitor.PathInjection {
				t.Errorf("the second drill is %+v", second)
			}
			wait(3 * time.Second)
			if s, err = m.Status(t.Context()); err != nil || len(s.Alerts) != 0 {
				t.Errorf("still open: %+v, %v", s.Alerts, err)
			}
		})
	})
}

// A drill beside a real alert of the same name: neither touches the other,
// whichever comes first and whichever ends first.
func TestDrillBesideRealAlert(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			early := drill(t, m, monitor.DrillOrder{Name: apiA.Name, ResolveAfter: 10 * time.Minute})
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
			wantVerdict(t, m, monitor.Poisoned)
			e, err := m.Explain(t.Context(), apiA.Name)
			if err != nil || len(e.Alerts) != 2 {
				t.Fatalf("%d alerts of the name, %v; want the drill and the real one", len(e.Alerts), err)
			}
			real := e.Alerts[1]
			if e.Alerts[0].ID != early.ID || real.Drill || real.Key == early.Key || real.Severity != monitor.Critical || real.Count < 2 {
				t.Errorf("alerts %+v", e.Alerts)
			}
			wait(6 * time.Minute)
			late := drill(t, m, monitor.DrillOrder{Name: apiA.Name, ResolveAfter: time.Minute})
			if late.Verdict != monitor.Poisoned {
				t.Errorf("the name is %s by the drill's account", late.Verdict)
			}
			wait(2 * time.Minute)
			s, err := m.Status(t.Context())
			if err != nil || len(s.Alerts) != 1 || s.Alerts[0].ID != real.ID || s.Alerts[0].State != monitor.Open {
				t.Errorf("after both drills: %+v, %v", s.Alerts, err)
			}
			w.honest()
			overlap := drill(t, m, monitor.DrillOrder{Name: apiA.Name, ResolveAfter: 3 * time.Hour})
			wait(time.Hour)
			if s, err = m.Status(t.Context()); err != nil || len(s.Alerts) != 1 || s.Alerts[0].ID != overlap.ID {
				t.Errorf("an hour after the attack: %+v, %v; want the drill alone", s.Alerts, err)
			}
			wantVerdict(t, m, monitor.Clean)
			act(t, m, overlap.ID, monitor.Resolve, monitor.Note{Comment: "seen"})
			wait(time.Second)
			before := len(w.told(monitor.AlertResolved))
			wait(3 * time.Hour)
			if n := len(w.told(monitor.AlertResolved)); n != before {
				t.Error("a drill that was resolved by hand is resolved again")
			}
		})
	})
}

// A drill does not outlive the daemon that was asked for it, nor a reload that
// takes its name away.
func TestDrillEndsWithDaemon(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(time.Minute)
			drill(t, m, monitor.DrillOrder{Name: apiA.Name, ResolveAfter: time.Hour})
		})
		if a := w.only(t); a.State != monitor.Open {
			t.Fatalf("the store holds it as %s", a.State)
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(time.Second)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
			drill(t, m, monitor.DrillOrder{Name: apiA.Name, ResolveAfter: time.Hour})
			other := c
			other.Watches = []monitor.Watch{{Name: "other.example.", Types: []monitor.Type{monitor.TypeA}}}
			same := c
			same.References = same.References[:3]
			if err := m.Reload(t.Context(), same); err != nil {
				t.Fatal(err)
			}
			wait(time.Second)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved, monitor.AlertOpened)
			if err := m.Reload(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			wait(time.Second)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved, monitor.AlertOpened, monitor.AlertResolved)
		})
	})
}

func TestDrillRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			got := []bool{}
			for _, tt := range []struct {
				order monitor.DrillOrder
				want  error
			}{
				{monitor.DrillOrder{Name: "other.example."}, monitor.ErrNotWatched},
				{monitor.DrillOrder{Name: apiA.Name, Kind: "nonsense"}, monitor.ErrAction},
				{monitor.DrillOrder{Name: apiA.Name, ResolveAfter: time.Millisecond}, monitor.ErrAction},
				{monitor.DrillOrder{Name: apiA.Name, ResolveAfter: -time.Minute}, monitor.ErrAction},
				{monitor.DrillOrder{Name: apiA.Name, ResolveAfter: 25 * time.Hour}, monitor.ErrAction},
			} {
				_, err := m.Drill(t.Context(), tt.order)
				got = append(got, errors.Is(err, tt.want))
			}
			if diff := cmp.Diff([]bool{true, true, true, true, true}, got); diff != "" {
				t.Errorf("refused as it should be (-want +got):\n%s", diff)
			}
			wait(time.Second)
			wantCalls(t, w)
		})
	})
}

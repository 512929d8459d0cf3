package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// names gives a configuration that watches n names, and a world that has them.
func names(w *world, c *monitor.Config, n int) {
	c.Watches = nil
	for i := range n {
		q := monitor.Question{Name: fmt.Sprintf("n%d.partner.example.", i), Type: monitor.TypeA}
		c.Watches = append(c.Watches, monitor.Watch{Name: q.Name, Types: []monitor.Type{q.Type}})
		w.change(q, goodAddr)
	}
}

// Two thousand names are asked for at their own moments: in no second go out
// many more questions than in the mean, at the start no more than it spreads.
func TestManyNamesAreSpread(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		const n = 2000
		names(w, &c, n)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(5 * time.Minute)
			s, err := m.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if s.Counts.Late > 0 || s.Verdicts[monitor.Clean] != n {
				t.Errorf("%d rounds late, verdicts %v; want none late, all clean", s.Counts.Late, s.Verdicts)
			}
		})
		perSecond, asked := map[int]int{}, map[string]int{}
		for _, a := range w.asks {
			if a.endpoint == "system/udp" {
				perSecond[int(a.at.Sub(anchor)/time.Second)]++
				asked[a.q.Name]++
			}
		}
		// 2000 a minute are 33 a second; the first minute's tail of 50 a second
		// falls together with names whose own moment has come.
		most := 0
		for _, k := range perSecond {
			most = max(most, k)
		}
		if most > 130 {
			t.Errorf("%d questions in one second, want at most 130", most)
		}
		for name, k := range asked {
			if k < 4 || k > 8 {
				t.Errorf("%s was asked for %d times in five minutes", name, k)
			}
		}
		if len(asked) != n {
			t.Errorf("%d names were asked for, want %d", len(asked), n)
		}
	})
}

// crowd has n callers verify the name at once, and gives their judgements.
func crowd(t *testing.T, m *monitor.Monitor, n int) [][]monitor.Judgement {
	t.Helper()
	all := make([][]monitor.Judgement, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			js, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof)
			if err != nil {
				t.Error(err)
			}
			all[i] = js
		})
	}
	wg.Wait()
	return all
}

// However many ask at the same moment, one round answers them all.
func TestVerifySharesRounds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.Once = true
		watch(t, w, c, func(m *monitor.Monitor) {
			crowd(t, m, 1)
			before := w.questions("system/udp")
			for _, js := range crowd(t, m, 200) {
				if len(js) != 1 || js[0].Verdict != monitor.Clean {
					t.Fatalf("judgements %+v, want one that is clean", js)
				}
			}
			if got := w.questions("system/udp") - before; got != 1 {
				t.Errorf("200 callers cost %d questions, want 1", got)
			}
			// What was asked before a caller came is not its answer: those who
			// come while a round is under way share the next.
			before = w.questions("system/udp")
			var first sync.WaitGroup
			first.Go(func() { crowd(t, m, 10) })
			time.Sleep(time.Millisecond)
			crowd(t, m, 100)
			first.Wait()
			if got := w.questions("system/udp") - before; got != 2 {
				t.Errorf("callers from before and from within a round cost %d questions, want 2", got)
			}
		})
	})
}

// A caller that no longer waits is told so, and keeps nobody else waiting.
func TestVerifyGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.hang(everyone...)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			js, err := m.Verify(ctx, apiA.Name, monitor.FirstProof)
			if !errors.Is(err, context.DeadlineExceeded) || len(js) != 1 {
				t.Errorf("%d judgements and %v, want what is known so far and the deadline", len(js), err)
			}
			if _, err := m.Verify(t.Context(), "other.example.", monitor.FirstProof); !errors.Is(err, monitor.ErrNotWatched) {
				t.Errorf("a name that is not watched: %v", err)
			}
		})
	})
}

// While the store takes nothing, judgement goes on from memory; when it works
// again, all that happened is in it, once and in order.
func TestStoreFailsAndRecovers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.failing(errors.New("no space left on device"))
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
			wantVerdict(t, m, monitor.Poisoned)
			wantCalls(t, w)
			s, err := m.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Alerts) != 1 || len(s.Health) != 1 || s.Health[0].Condition != "store_failing" {
				t.Errorf("in status are alerts %v and health %v, want one alert and store_failing", s.Alerts, s.Health)
			}
			act(t, m, s.Alerts[0].ID, monitor.Acknowledge, monitor.Note{Comment: "seen"})
			wait(time.Minute)
			w.failing(nil)
			wait(time.Minute)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertAcknowledged)
			if a := w.only(t); a.State != monitor.Acknowledged {
				t.Errorf("the store holds the alert as %s", a.State)
			}
			wait(30 * time.Minute)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertAcknowledged)
		})
		var kinds []string
		for _, e := range w.events {
			if e.Alert == "" && e.Type != monitor.VerdictChanged {
				kinds = append(kinds, e.Type)
			}
		}
		if want := []string{monitor.HealthDegraded, monitor.HealthRestored}; !slices.Equal(kinds, want) {
			t.Errorf("health events %q, want %q", kinds, want)
		}
		if w.failed == 0 {
			t.Error("no commit ever failed")
		}
		if n := w.answersStored(); n < 45 {
			t.Errorf("of this host's answers %d are in the store, want those of the outage too", n)
		}
	})
}

// answersStored counts the answers of this host's resolver that intervals hold.
func (w *world) answersStored() (n int) {
	for _, i := range w.spans {
		if i.Resolver == "system 10.0.0.2" {
			n += i.Count
		}
	}
	return n
}

// A store that cannot be read is a reason not to start.
func TestStoreCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		unread := errors.New("not a database")
		m, err := monitor.New(config(), w, w, unreadable{&w.ledger, unread}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Run(t.Context()); !errors.Is(err, unread) {
			t.Errorf("Run gave %v, want %v", err, unread)
		}
		if _, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof); err == nil {
			t.Error("a monitor that has stopped verifies")
		}
	})
}

type unreadable struct {
	*ledger
	err error
}

func (u unreadable) Baselines(context.Context) ([]monitor.Baseline, error) { return nil, u.err }

// The monitor stops at once, whatever hangs; the bubble ends only when no
// goroutine is left in it.
func TestStopsWhileResolversHang(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		names(w, &c, 100)
		w.hang(everyone...)
		var began time.Time
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(5 * time.Second)
			if n := w.questions(""); n > 0 {
				t.Fatalf("%d questions were answered, want all to hang", n)
			}
			began = time.Now()
		})
		if took := time.Since(began); took > 0 {
			t.Errorf("stopping took %s", took)
		}
		m, err := monitor.New(c, w, w, w, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := m.Run(ctx); err != nil {
			t.Errorf("stopped before it began: %v", err)
		}
		if m.Alive(time.Second) {
			t.Error("it is alive after its end")
		}
	})
}

package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

var other = monitor.Question{Name: "other.partner.example.", Type: monitor.TypeA}

func watchOf(q monitor.Question) monitor.Watch {
	return monitor.Watch{Name: q.Name, Types: []monitor.Type{q.Type}}
}

func reload(t testing.TB, m *monitor.Monitor, c monitor.Config) {
	t.Helper()
	if err := m.Reload(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// verdicts gives the published verdict of every name in status.
func verdicts(t testing.TB, m *monitor.Monitor) map[string]monitor.Verdict {
	t.Helper()
	s, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	vs := map[string]monitor.Verdict{}
	for _, w := range s.Watches {
		vs[w.Name] = w.Verdict
	}
	return vs
}

// about counts the questions about a name that any endpoint got.
func (w *world) about(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, a := range w.asks {
		if a.q.Name == name {
			n++
		}
	}
	return n
}

// A name that is added is asked about at once, and those that stay neither
// notice nor are asked more often for it.
func TestReloadAdds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		w.change(other, goodAddr)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			since, asked := judged(t, m, apiA.Name).Since, w.about(apiA.Name)
			c.Watches = append(c.Watches, watchOf(other))
			reload(t, m, c)
			wait(2 * time.Second)
			want := map[string]monitor.Verdict{apiA.Name: monitor.Clean, other.Name: monitor.Clean}
			if diff := cmp.Diff(want, verdicts(t, m)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
			if got := judged(t, m, apiA.Name).Since; !got.Equal(since) {
				t.Errorf("clean since %s, and since %s after the reload", since, got)
			}
			if n := w.about(apiA.Name) - asked; n > 6 {
				t.Errorf("%d questions about the name that stayed, want at most a round", n)
			}
		})
		wantAlerts(t, w)
	})
}

// An open case and its alert go on through a reload that does not touch them,
// and end as they would have.
func TestReloadKeepsCases(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			for range 20 { // in the middle of the plan as well
				wait(7 * time.Second)
				reload(t, m, c)
			}
			wait(5 * time.Minute)
			wantVerdict(t, m, monitor.Poisoned)
			wantCalls(t, w, monitor.AlertOpened)
			w.honest()
			wait(time.Hour)
			wantVerdict(t, m, monitor.Clean)
		})
		wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
	})
}

// Nothing goes on about a name that is no longer watched: its alert is
// resolved, nobody is asked, and what still comes back is not judged.
func TestReloadRemoves(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		w.change(other, goodAddr)
		kept := c
		kept.Watches = []monitor.Watch{watchOf(other)}
		c.Watches = append(c.Watches, kept.Watches...)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
			wantCalls(t, w, monitor.AlertOpened)
			w.hang("alpha/dot") // so that work is under way
			wait(time.Minute)
			reload(t, m, kept)
			wait(15 * time.Second)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
			asked, changes := w.about(apiA.Name), len(w.changes())
			wait(2 * time.Hour)
			if n := w.about(apiA.Name) - asked; n != 0 {
				t.Errorf("%d questions about a name that is no longer watched", n)
			}
			if n := len(w.changes()) - changes; n != 0 {
				t.Errorf("%d changes of verdicts afterwards: %v", n, w.changes())
			}
			if diff := cmp.Diff(map[string]monitor.Verdict{other.Name: monitor.Clean}, verdicts(t, m)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
			if _, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof); !errors.Is(err, monitor.ErrNotWatched) {
				t.Errorf("verify says %v", err)
			}
		})
		wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
	})
}

// Who waits for a verdict on a name that goes is told so, and who waits for one
// that stays gets it.
func TestReloadAnswersWaiters(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		w.change(other, goodAddr)
		c.Watches = append(c.Watches, watchOf(other))
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.hang("system/udp")
			ended := map[string]chan error{apiA.Name: make(chan error, 1), other.Name: make(chan error, 1)}
			for name, ch := range ended {
				go func() {
					_, err := m.Verify(t.Context(), name, monitor.FirstProof)
					ch <- err
				}()
			}
			wait(time.Second)
			c.Watches = c.Watches[1:]
			reload(t, m, c)
			synctest.Wait()
			select {
			case err := <-ended[apiA.Name]:
				if !errors.Is(err, monitor.ErrNotWatched) {
					t.Errorf("for the name that went: %v", err)
				}
			default:
				t.Error("nobody told who waits for the name that went")
			}
			w.honest()
			wait(time.Minute)
			select {
			case err := <-ended[other.Name]:
				if err != nil {
					t.Errorf("for the name that stayed: %v", err)
				}
			default:
				t.Error("who waits for the name that stayed waits still")
			}
		})
	})
}

// A name that comes back finds its history, also when the store had no time to
// take it, or takes nothing at all.
func TestReloadComesBack(t *testing.T) {
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprintf("broken store %t", broken), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				without := c
				without.Watches = nil
				watch(t, w, c, func(m *monitor.Monitor) {
					if broken {
						w.failing(errors.New("disk full"))
					}
					wait(10 * time.Minute)
					proofs := len(w.proofs)
					if proofs == 0 {
						t.Fatal("nothing was proven before")
					}
					reload(t, m, without)
					if n := len(verdicts(t, m)); n != 0 {
						t.Errorf("%d names are watched", n)
					}
					reload(t, m, c)
					wait(10 * time.Minute)
					wantVerdict(t, m, monitor.Clean)
					if n := len(w.proofs) - proofs; n != 0 {
						t.Errorf("%d addresses proved themselves again", n)
					}
					w.failing(nil)
				})
			})
		})
	}
}

// A type that is taken off takes along what is said of it alone.
func TestReloadTypes(t *testing.T) {
	for name, tt := range map[string]struct {
		lies []monitor.Question
		want []string
	}{
		"the alert is of the type that went": {[]monitor.Question{apiAAAA}, []string{monitor.AlertOpened, monitor.AlertResolved}},
		"the alert is of both":               {[]monitor.Question{apiA, apiAAAA}, []string{monitor.AlertOpened}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				const good6, evil6 = "2620:fe::80", "2620:fe::66"
				w.change(apiAAAA, good6)
				w.cert(good6, monitor.OutcomeOK, goodKey, old)
				w.cert(evil6, monitor.OutcomeSelfSigned, evilKey, time.Hour)
				c.Watches[0].Types = []monitor.Type{monitor.TypeA, monitor.TypeAAAA}
				fewer := c
				fewer.Watches = slices.Clone(c.Watches)
				fewer.Watches[0].Types = []monitor.Type{monitor.TypeA}
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(10 * time.Minute)
					for _, q := range tt.lies {
						addr := evilAddr
						if q == apiAAAA {
							addr = evil6
						}
						w.lie(q, addr, 60, everyPlain...)
					}
					wait(5 * time.Minute)
					wantCalls(t, w, monitor.AlertOpened)
					reload(t, m, fewer)
					wait(5 * time.Minute)
					wantCalls(t, w, tt.want...)
					w.honest()
					wait(time.Hour)
					wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
					wantVerdict(t, m, monitor.Clean)
				})
			})
		})
	}
}

// What the owner says of a name counts at once, not a round or fifteen minutes
// later.
func TestReloadExpectations(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		pinned := c
		pinned.Watches = slices.Clone(c.Watches)
		pinned.Watches[0].Expect.Addresses = []netip.Prefix{netip.MustParsePrefix("192.0.99.0/24")}
		pinned.Watches[0].Owner = "treasury"
		pinned.Labels = map[string]string{"site": "fra1"}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10*time.Minute + 30*time.Second)
			wantVerdict(t, m, monitor.Clean)
			w.change(apiA, goodAddr) // nothing else is new
			reload(t, m, pinned)
			wait(time.Second)
			if v := verdicts(t, m)[apiA.Name]; v == monitor.Clean {
				t.Errorf("a second after an address was forbidden the name is %s", v)
			}
			wait(5 * time.Minute)
			if a := w.only(t); a.Owner != "treasury" || a.Labels["site"] != "fra1" {
				t.Errorf("the alert is %s's, with labels %v", a.Owner, a.Labels)
			}
			reload(t, m, c)
			wait(time.Hour)
			wantVerdict(t, m, monitor.Clean)
			if a := w.only(t); a.State != monitor.Resolved || a.Owner != "payments" {
				t.Errorf("the alert is %s, and %s's", a.State, a.Owner)
			}
		})
	})
}

// Resolvers that are no longer configured are neither asked nor shown nor
// believed, and the alert about a liar among them ends.
func TestReloadResolvers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		fewer := c
		fewer.References, fewer.Twins = c.References[1:], c.Twins[1:]
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, "alpha/dot", "alpha/udp")
			wait(time.Hour)
			wantCalls(t, w, monitor.AlertOpened)
			reload(t, m, fewer)
			asked := w.questions("alpha/dot") + w.questions("alpha/udp")
			wait(time.Hour)
			wantCalls(t, w, monitor.AlertOpened, monitor.AlertResolved)
			if n := w.questions("alpha/dot") + w.questions("alpha/udp") - asked; n > 2 { // what was under way
				t.Errorf("%d questions to a resolver that is no longer configured", n)
			}
			s, err := m.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range s.Resolvers {
				if r.Operator == "alpha" {
					t.Errorf("status shows %+v", r)
				}
			}
			wantVerdict(t, m, monitor.Clean)
		})
	})
}

// Rounds keep the pace of the configuration, whatever appointments there were.
func TestReloadInterval(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			for every, most := range map[time.Duration]int{10 * time.Second: 66, 5 * time.Minute: 5, time.Minute: 13} {
				c.Watches = slices.Clone(c.Watches)
				c.Watches[0].Interval = every
				for range 5 {
					reload(t, m, c)
				}
				before := w.questions("system/udp")
				wait(10 * time.Minute)
				if n := w.questions("system/udp") - before; n > most || n < most/2 {
					t.Errorf("every %s: %d rounds in 10 minutes, want at most %d", every, n, most)
				}
			}
		})
	})
}

// Every field of a Config is either taken over or said to stay: a new one must
// be decided on.
func TestReloadFields(t *testing.T) {
	decided := []string{
		"Watches", "System", "References", "Twins", "Timing", "Exempt", "Off", "Host", "Labels", // takeOver
		"Sniffer", "Once", "Zones", "MaxAsks", "Now", "Tap", // stay
	}
	var got []string
	for f := range reflect.TypeFor[monitor.Config]().Fields() {
		got = append(got, f.Name)
	}
	if diff := cmp.Diff(decided, got); diff != "" {
		t.Errorf("fields of a Config that Monitor.Reload does not know, or no longer (-known +there):\n%s", diff)
	}
}

// impatient is a store that gives up reading with its caller.
type impatient struct{ *world }

func (impatient) Baselines(ctx context.Context) ([]monitor.Baseline, error) {
	return nil, ctx.Err()
}

// Whoever is told to stop before it began stops, and nothing went wrong; a
// reload from then on is refused.
func TestStopAtOnce(t *testing.T) {
	w := newWorld()
	m, err := monitor.New(config(), w, w, impatient{w}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := m.Reload(t.Context(), config()); !errors.Is(err, monitor.ErrStopped) {
		t.Errorf("reload says %v", err)
	}
}

// So does a timing that is another for all of them.
func TestReloadTiming(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.Timing.WitnessInterval = 48 * time.Hour
		slow := c
		slow.Timing.Interval = 6 * time.Hour
		watch(t, w, slow, func(m *monitor.Monitor) {
			wait(10 * time.Hour) // the next round may be hours away
			reload(t, m, c)
			before := w.questions("system/udp")
			wait(10 * time.Minute)
			if n := w.questions("system/udp") - before; n < 9 {
				t.Errorf("%d rounds in 10 minutes, want 10", n)
			}
		})
	})
}

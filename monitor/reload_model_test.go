package monitor_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

// What New refuses, Reload refuses, and all goes on as before.
func TestReloadRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			for name, bend := range map[string]func(*monitor.Config){
				"nobody to ask": func(c *monitor.Config) { c.System, c.References = nil, nil },
				"no such rule":  func(c *monitor.Config) { c.Off = []string{"no.such"} },
				"a name twice":  func(c *monitor.Config) { c.Watches = append(slices.Clone(c.Watches), c.Watches...) },
			} {
				bad := c
				bad.Watches = append(slices.Clone(c.Watches), watchOf(other))
				bend(&bad)
				if err := m.Reload(t.Context(), bad); err == nil {
					t.Errorf("%s: taken", name)
				}
			}
			wait(10 * time.Minute)
			if diff := cmp.Diff(map[string]monitor.Verdict{apiA.Name: monitor.Clean}, verdicts(t, m)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	})
}

// Whatever is watched, and however it changes, status shows just that, only
// that is asked about, and open alerts are about nothing else.
func TestReloadModel(t *testing.T) {
	qs := []monitor.Question{apiA, other, {Name: "third.partner.example.", Type: monitor.TypeA}}
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 1<<len(qs)-1), 1, 12).Draw(rt, "watched") // by bits
		pauses := rapid.SliceOfN(rapid.IntRange(0, 400), len(steps), len(steps)).Draw(rt, "pauses")
		liars := rapid.SliceOfN(rapid.IntRange(0, 1<<len(qs)-1), len(steps), len(steps)).Draw(rt, "lies")
		bubble(t, func(t *testing.T, w *world, c monitor.Config) {
			for _, q := range qs {
				w.change(q, goodAddr)
			}
			watch(t, w, c, func(m *monitor.Monitor) {
				for i, set := range steps {
					w.honest()
					c.Watches = nil
					want := map[string]bool{}
					for j, q := range qs {
						if set>>j&1 == 1 {
							c.Watches = append(c.Watches, watchOf(q))
							want[q.Name] = true
						}
						if liars[i]>>j&1 == 1 {
							w.lie(q, evilAddr, 60, everyPlain...)
						}
					}
					reload(t, m, c)
					synctest.Wait()
					wait(20 * time.Millisecond) // what was under way
					w.mu.Lock()
					asked := len(w.asks)
					w.mu.Unlock()
					wait(time.Duration(pauses[i]) * time.Second)
					got := map[string]bool{}
					for name := range verdicts(t, m) {
						got[name] = true
					}
					if diff := cmp.Diff(want, got); diff != "" {
						rt.Errorf("step %d: watched (-want +got):\n%s", i, diff)
					}
					for _, a := range w.asks[asked:] {
						if !want[a.q.Name] {
							rt.Errorf("step %d: %s was asked about %s", i, a.endpoint, a.q)
						}
					}
					s, err := m.Status(t.Context())
					if err != nil {
						rt.Fatal(err)
					}
					for _, a := range s.Alerts {
						if !want[a.Name] {
							rt.Errorf("step %d: an alert about %s is %s", i, a.Name, a.State)
						}
					}
				}
			})
		})
	})
}

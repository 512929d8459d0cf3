package monitor_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// portal leads all names to one address and cuts everything else off.
func (w *world) portal(names []monitor.Question) {
	w.kill(everyDoT...)
	for _, q := range names {
		w.lie(q, evilAddr, 60, everyPlain...)
	}
}

// neighbours has three more names watched, and gives all of them.
func neighbours(w *world, c *monitor.Config) []monitor.Question {
	names := []monitor.Question{apiA}
	for i := range 3 {
		q := monitor.Question{Name: fmt.Sprintf("name%d.example.", i), Type: monitor.TypeA}
		w.publish(q, reply{addrs: []string{goodAddr}, ttl: 300})
		names = append(names, q)
		c.Watches = append(c.Watches, monitor.Watch{Name: q.Name, Types: []monitor.Type{q.Type}})
	}
	return names
}

// When a portal lets this host out, caches on the way still have what it said: that
// is a change of networks.
func TestLogin(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		names := neighbours(w, &c)
		var taken tape
		c.Tap = taken.add
		shut := func(o monitor.Outcome, key string) {
			for _, a := range []string{goodAddr, goodAddr2} {
				w.cert(a, o, key, 1000*time.Hour)
			}
		}
		w.cert(evilAddr, monitor.OutcomeSelfSigned, evilKey, time.Hour)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(30 * time.Minute)
			shut(monitor.OutcomeTimeout, "")
			w.portal(names)
			wait(10 * time.Minute)
			if j := judged(t, m, apiA.Name); j.Cause != monitor.CauseCaptive {
				t.Fatalf("%s %q in a portal: %+v", j.Verdict, j.Cause, j.Reasons)
			}
			before := len(taken.all())
			shut(monitor.OutcomeOK, goodKey)
			w.wake(everyDoT...)
			if _, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof); err != nil {
				t.Fatal(err)
			}
			wait(50 * time.Second)
			w.honest()
			wait(20 * time.Minute)
			if !slices.ContainsFunc(taken.all()[before:], func(s monitor.Sample) bool { return slices.Contains(s.State, monitor.StateTransition) }) {
				t.Error("the network did not change when the portal let go")
			}
			wantAlerts(t, w)
			wantVerdict(t, m, monitor.Clean)
		})
	})
}

// A portal is taken for one only as long as it cuts off everything: a right
// certificate, shown once, is held against it for as long as it goes on.
func TestCaptive(t *testing.T) {
	for name, tt := range map[string]struct {
		open bool // genuine addresses can be reached
		want string
	}{
		"everything is cut off":              {false, "unknown captive"},
		"genuine addresses prove themselves": {true, "suspect "},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				names := neighbours(w, &c)
				w.cert(evilAddr, monitor.OutcomeSelfSigned, evilKey, time.Hour)
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(30 * time.Minute)
					wantVerdict(t, m, monitor.Clean)
					if !tt.open {
						w.cert("0.0.0.0/0", monitor.OutcomeTimeout, "", 0)
						w.cert(goodAddr, monitor.OutcomeTimeout, "", 0)
						w.cert(goodAddr2, monitor.OutcomeTimeout, "", 0)
					}
					w.portal(names)
					for range 20 {
						wait(time.Minute)
						j := judged(t, m, apiA.Name)
						if j.Cause == monitor.CauseCaptive && tt.open {
							t.Fatalf("captive, though %s proves itself", goodAddr)
						}
					}
					if got := slices.Contains(ill(t, m), monitor.Captive); got == tt.open {
						t.Errorf("the condition captive: %t", got)
					}
					if j := judged(t, m, apiA.Name); fmt.Sprint(j.Verdict, " ", j.Cause) != tt.want {
						t.Errorf("%s %s, want %s; %+v", j.Verdict, j.Cause, tt.want, j.Reasons)
					}
				})
			})
		})
	}
}

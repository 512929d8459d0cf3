package monitor_test

import (
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// What lasts for no longer than a change of networks calls nobody, and is not
// remembered when that is over; without the test it does.
func TestTransition(t *testing.T) {
	for off, want := range map[string]bool{"": false, "clear.transition": true} {
		t.Run(off, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				if off != "" {
					c.Off = []string{off}
				}
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(30 * time.Minute)
					m.NetworkChanged()
					w.lie(apiA, evilAddr, 60, everyPlain...)
					wait(45 * time.Second)
					w.honest()
					wait(20 * time.Minute)
					if got := w.seen(); len(got) > 0 != want {
						t.Errorf("alerts %q, want any: %t", got, want)
					}
					wantVerdict(t, m, monitor.Clean)
				})
			})
		})
	}
}

// An attack that is new when the network changes is suspected at once, and proven
// soon after that is over: by what is seen then.
func TestAttackInTransition(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"after the change": 0, "just before it": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(30 * time.Minute)
					w.lie(apiA, evilAddr, 60, everyPlain...)
					m.SystemChanged()
					wait(ahead)
					m.NetworkChanged()
					wait(30 * time.Second)
					wantVerdict(t, m, monitor.Suspicious)
					wait(29 * time.Second)
					wantAlerts(t, w)
					wait(31 * time.Second)
					wantVerdict(t, m, monitor.Poisoned)
					wantOne(t, w, rewritten)
				})
			})
		})
	}
}

// Who makes a link go up and down keeps nobody silent for more than five minutes.
func TestTransitionsAreCapped(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(30 * time.Minute)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			for range 9 {
				m.NetworkChanged()
				wait(50 * time.Second)
			}
			wantOne(t, w, rewritten)
			wantIll(t, m, "while it flaps", monitor.NetworkUnsteady)
			wait(20 * time.Minute)
			wantIll(t, m, "in the end")
		})
	})
}

// Other nameservers are another network too; another hosts file is not.
func TestNameserversChange(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		read, moved := c.System, false
		c.System = func() ([]monitor.Resolver, error) {
			if moved {
				return []monitor.Resolver{endpoint("system", "system", "10.0.0.9", monitor.Local, monitor.UDP)}, nil
			}
			return read()
		}
		var tape tape
		c.Tap = tape.add
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			m.SystemChanged()
			wait(5 * time.Second)
			if states := tape.last().State; len(states) > 0 {
				t.Errorf("states %q, and only a file changed", states)
			}
			moved = true
			m.SystemChanged()
			wait(20 * time.Second)
			if states := tape.last().State; len(states) != 1 || states[0] != monitor.StateTransition {
				t.Errorf("states %q with other nameservers", states)
			}
			wait(3 * time.Minute)
			if states := tape.last().State; len(states) > 0 {
				t.Errorf("states %q, three minutes later", states)
			}
		})
	})
}

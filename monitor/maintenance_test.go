package monitor_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// window opens one for the first name, from now on.
func window(w *world, c *monitor.Config, d time.Duration) {
	now := w.now()
	c.Watches[0].Maintenance = []monitor.Window{{From: now, Until: now.Add(d), Reason: "move"}}
}

// A pinned name moves in a window that its owner declared: nobody is called, both
// the old and the new count, and at the end the pin binds again.
func TestMaintenance(t *testing.T) {
	for name, tt := range map[string]struct {
		pin func(*monitor.Config)
		off []string
		now string // called within the window
	}{
		"a pinned key":                  {pin: pinned},
		"pinned addresses":              {pin: func(c *monitor.Config) { c.Watches[0].Expect.Addresses = prefixesOf(goodAddr, goodAddr2) }},
		"a pinned key, switched off":    {pin: pinned, off: []string{"clear.maintenance"}, now: "alert.opened"},
		"no pin: a move is no news":     {pin: func(*monitor.Config) {}},
		"no pin, switched off: is news": {pin: func(*monitor.Config) {}, off: []string{"clear.maintenance"}, now: "change.noticed"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				tt.pin(&c)
				watch(t, w, c, func(*monitor.Monitor) { wait(30 * time.Hour) })
				window(w, &c, 6*time.Hour)
				c.Off = tt.off
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(time.Hour)
					const newAddr = "192.0.99.10"
					w.cert(newAddr, monitor.OutcomeOK, "sha256/new", time.Hour)
					w.change(apiA, newAddr)
					wait(4 * time.Hour)
					if tt.now == "" {
						wantVerdict(t, m, monitor.Clean)
					}
				})
				called := len(w.told(monitor.AlertOpened)) + len(w.told(monitor.Noticed))
				if tt.now == "" && called > 0 || tt.now != "" && len(w.told(tt.now)) == 0 {
					t.Fatalf("within the window: %q, %d notices; want %q", w.seen(), len(w.told(monitor.Noticed)), tt.now)
				}
				if tt.now != "" {
					return
				}
				watch(t, w, c, func(*monitor.Monitor) { wait(3 * time.Hour) })
				if broken := len(w.told(monitor.AlertOpened)); (broken > 0) != c.Watches[0].Pinned() {
					t.Errorf("after the window: %q, want an alert where the pin is still broken", w.seen())
				}
			})
		})
	}
}

// A window hides no lie.
func TestMaintenanceHidesNoLie(t *testing.T) {
	for name, pin := range map[string]func(*monitor.Config){"pinned": pinned, "not pinned": func(*monitor.Config) {}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				pin(&c)
				window(w, &c, 6*time.Hour)
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(30 * time.Minute)
					w.lie(apiA, evilAddr, 60, everyPlain...)
					wait(10 * time.Minute)
					wantVerdict(t, m, monitor.Poisoned)
					s, err := m.Status(t.Context())
					if err != nil || s.Watches[0].Maintenance == nil || s.Watches[0].Maintenance.Reason != "move" {
						t.Errorf("status shows the window %+v, %v", s.Watches[0].Maintenance, err)
					}
				})
				if got := w.seen(); len(got) != 1 || got[0] != "alert.opened path_rewritten confirmed critical path system 10.0.0.2" {
					t.Errorf("%q, want the lie", got)
				}
			})
		})
	}
}

func prefixesOf(addrs ...string) (ps []netip.Prefix) {
	for _, a := range addrs {
		ps = append(ps, prefix(a))
	}
	return ps
}

package monitor_test

import (
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Signatures of one zone that are out of their time are the zone's fault; of two,
// this host's clock's. One that is in its time says that the clock is right.
func TestClockBySignatures(t *testing.T) {
	for zones, want := range map[int]bool{1: false, 2: true} {
		bubble(t, func(t *testing.T, w *world, c monitor.Config) {
			c.Timing.ProofInterval = 2 * time.Minute
			strangers(w, &c, zones, goodAddr)
			late := monitor.Evidence{Status: monitor.Indeterminate, Late: true}
			w.facts = func(monitor.Proof) monitor.Evidence { return late }
			watch(t, w, c, func(m *monitor.Monitor) {
				wait(20 * time.Minute)
				wantIll(t, m, "out of their time", []string{monitor.ClockWrong}[:map[bool]int{true: 1}[want]]...)
				w.mu.Lock()
				late = monitor.Evidence{Status: monitor.Secure}
				w.mu.Unlock()
				wait(10 * time.Minute)
				wantIll(t, m, "in their time")
			})
		})
	}
}

// One witness whose certificate is out of its time poses as nobody where all others'
// are as well, and its names are asked for theirs to see that.
func TestOutdatedWitness(t *testing.T) {
	for name, tt := range map[string]struct {
		shows monitor.Outcome
		want  int // alerts
	}{
		"all are out of their time": {monitor.OutcomeExpired, 0},
		"all others are in it":      {monitor.OutcomeOK, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				qs := strangers(w, &c, 2, goodAddr)
				w.cert(goodAddr, tt.shows, goodKey, old)
				for _, q := range qs {
					w.tell(q, reply{err: monitor.ErrExpired}, "alpha/dot")
				}
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(30 * time.Minute)
					if got := w.told(monitor.AlertOpened); len(got) != tt.want {
						t.Errorf("%d alerts, want %d: %q", len(got), tt.want, w.seen())
					}
				})
			})
		})
	}
}

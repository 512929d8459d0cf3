package monitor_test

import (
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// While this host's resolver is silent, a name is unknown all the time: a round
// without an answer brings back no older verdict, whenever witnesses were asked last.
func TestStaleStays(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			for range 6 {
				wait(7 * time.Minute)
				wantVerdict(t, m, monitor.Clean)
				before := len(w.told(monitor.VerdictChanged))
				w.kill("system/udp")
				wait(13 * time.Minute)
				wantVerdict(t, m, monitor.Unknown)
				if n := len(w.told(monitor.VerdictChanged)) - before; n != 1 {
					t.Errorf("the verdict changed %d times, want once", n)
				}
				w.honest()
			}
		})
	})
}

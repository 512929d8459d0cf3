package monitor_test

import (
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Whoever records what a monitor judges can judge it again, and comes to the
// same: the first sample of a question carries what the others rest on.
func TestTapIsReplayed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		var tape []monitor.Sample
		c.Watches[0].Types = []monitor.Type{monitor.TypeA, monitor.TypeAAAA}
		watch(t, w, c, func(*monitor.Monitor) { wait(time.Hour) }) // what was learnt is in the store
		c.Tap = func(s monitor.Sample) { tape = append(tape, s) }
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
			wantVerdict(t, m, monitor.Poisoned)
		})
		r := monitor.NewReplay(monitor.Config{Timing: c.Timing})
		begun := map[monitor.Type]bool{}
		for i, s := range tape {
			if told := s.Baseline != nil && s.Watch != nil; told == begun[s.Question.Type] {
				t.Errorf("sample %d carries history and watch: %t", i, told)
			}
			begun[s.Question.Type] = true
			r.Take(through(s))
		}
		as := r.Report(w.now()).Alerts
		if len(as) != 1 || as[0].Kind != monitor.PathRewritten || as[0].Confidence != monitor.Confirmed {
			t.Errorf("judged again, %d samples give %+v", len(tape), as)
		}
	})
}

package monitor_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// ruled lists judgements, and alerts that are not over, as a replay must have them
// too.
func ruled(js []monitor.Judgement, as []monitor.Alert) []string {
	names := func(rs []monitor.Reason) (ids []string) {
		for _, r := range rs {
			ids = append(ids, r.Rule)
		}
		return ids
	}
	var lines []string
	for _, j := range js {
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s %s", j.Type, j.Verdict, j.Cause, j.Kind, j.Confidence, names(j.Reasons)))
	}
	for _, a := range as {
		if a.State != monitor.Resolved {
			lines = append(lines, fmt.Sprintf("%s %s %s %s %s", a.Key, a.Kind, a.Confidence, a.Severity, names(a.Reasons)))
		}
	}
	slices.Sort(lines)
	return lines
}

// tape is what a monitor records of its samples while a test looks on.
type tape struct {
	mu      sync.Mutex // guards samples
	samples []monitor.Sample
}

func (t *tape) add(s monitor.Sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.samples = append(t.samples, s)
}

func (t *tape) all() []monitor.Sample {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.samples)
}

// last gives the latest sample; an empty one before there is any.
func (t *tape) last() (s monitor.Sample) {
	if ss := t.all(); len(ss) > 0 {
		s = ss[len(ss)-1]
	}
	return s
}

// Whoever records what a monitor judges can judge it again, and at every moment
// comes to the same: while evidence is gathered, when a lie is proven and taken
// back, and when the daemon starts anew. The first sample of a question carries
// what the others rest on.
func TestTapIsReplayed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		var tape tape
		c.Watches[0].Types = []monitor.Type{monitor.TypeA, monitor.TypeAAAA}
		watch(t, w, c, func(*monitor.Monitor) { wait(time.Hour) }) // what was learnt is in the store
		c.Tap = tape.add
		told := map[int][]string{} // by samples so far
		look := func(m *monitor.Monitor, d time.Duration) {
			for range d / time.Second {
				wait(time.Second)
				e, err := m.Explain(t.Context(), apiA.Name)
				if err != nil {
					t.Fatal(err)
				}
				told[len(tape.all())] = ruled(e.Judgements, e.Alerts)
			}
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			look(m, 10*time.Minute)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			look(m, 5*time.Minute)
			wantVerdict(t, m, monitor.Poisoned)
			ss, err := m.Samples(t.Context(), apiA.Name)
			if err != nil {
				t.Fatal(err)
			}
			e, err := m.Explain(t.Context(), apiA.Name)
			if err != nil {
				t.Fatal(err)
			}
			r := monitor.NewReplay(monitor.Config{Timing: c.Timing})
			for _, s := range ss {
				r.Take(through(s))
			}
			if diff := cmp.Diff(ruled(nil, e.Alerts), ruled(nil, r.Report(w.now()).Alerts)); diff != "" {
				t.Errorf("what it rests on, judged again (-live +replayed):\n%s", diff)
			}
			w.honest()
			look(m, 2*time.Minute)
		})
		first := len(tape.all())
		watch(t, w, c, func(m *monitor.Monitor) {
			look(m, 30*time.Minute)
			w.kill("system/udp")
			wait(10 * time.Minute)
			wantVerdict(t, m, monitor.Unknown)
			look(m, time.Minute)
		})

		r := monitor.NewReplay(monitor.Config{Timing: c.Timing})
		begun := map[monitor.Type]bool{}
		all := tape.all()
		for i, s := range all {
			if i == first {
				clear(begun)
			}
			if told := s.Baseline != nil && s.Watch != nil; told == begun[s.Question.Type] {
				t.Errorf("sample %d carries history and watch: %t", i, told)
			}
			begun[s.Question.Type] = true
			r.Take(through(s))
			if want, ok := told[i+1]; ok && (i < first || len(begun) == 2) {
				rep := r.Report(w.now())
				if diff := cmp.Diff(want, ruled(rep.Watches, rep.Alerts)); diff != "" {
					t.Fatalf("after %d of %d samples, judged again (-live +replayed):\n%s", i+1, len(all), diff)
				}
			}
		}
	})
}

package monitor_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// listener is a store that adds up what was overheard.
type listener struct {
	*world
	mu        sync.Mutex // guards what follows
	heard     map[string]int
	writes    int
	strangers []monitor.Stranger
}

func (l *listener) Commit(ctx context.Context, b *monitor.Batch) error {
	l.mu.Lock()
	for _, i := range b.Intervals {
		if i.Via == monitor.Wire {
			what := i.Rcode
			for _, r := range i.Records {
				what += " " + r.Data
			}
			if i.First.After(i.Last) || i.Count < 1 {
				what += " odd"
			}
			l.heard[i.Resolver+" "+what] += i.Count
			l.writes++
		}
	}
	l.strangers = append(l.strangers, b.Strangers...)
	l.mu.Unlock()
	return l.world.Commit(ctx, b)
}

// Both answers of a contradiction are kept, though the first of them is handed over
// twice, and what comes again is counted and seldom written.
func TestOverheardIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		l := &listener{world: w, heard: map[string]int{}}
		keep(t, l, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			for n := range uint16(50) {
				both := transaction(n, 1, good(goodAddr), evil(evilAddr))
				first := both
				first.Answers = both.Answers[:1]
				m.Offer(first)
				if n == 7 {
					m.Offer(both)
				}
				wait(11 * time.Second)
			}
			m.Offer(transaction(99, 1, good("NXDOMAIN")))
			wait(time.Second)
		})
		want := map[string]int{"system 10.0.0.2 NOERROR " + goodAddr: 50, "system 10.0.0.2 NOERROR " + evilAddr: 1, "system 10.0.0.2 NXDOMAIN": 1}
		if diff := cmp.Diff(want, l.heard); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
		if l.writes > 20 {
			t.Errorf("it was written %d times in ten minutes", l.writes)
		}
	})
}

// Whoever makes answers up fills neither the store nor memory, and does not drive out
// what is answered again and again.
func TestOverheardFlood(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		l := &listener{world: w, heard: map[string]int{}}
		var unkept uint64
		keep(t, l, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			m.Offer(transaction(1, 1, good(goodAddr)))
			for n := range 300 {
				m.Offer(transaction(2, 1, evil(fmt.Sprintf("198.18.%d.%d", n/256, n%256))))
				wait(100 * time.Millisecond)
			}
			m.Offer(transaction(3, 1, good(goodAddr)))
			wait(time.Second)
			s, err := m.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			unkept = s.Counts.Unkept
		})
		if n := len(l.heard); n > 40 || unkept != uint64(301-n) {
			t.Errorf("of 301 answers %d are kept and %d counted", n, unkept)
		}
		if n := l.heard["system 10.0.0.2 NOERROR "+goodAddr]; n != 2 {
			t.Errorf("the good answer was kept %d times, want 2", n)
		}
	})
}

// What was overheard of names that nobody watches goes to the store as it is.
func TestOverhearStrangers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		l := &listener{world: w, heard: map[string]int{}}
		ss := []monitor.Stranger{{Question: monitor.Question{Name: "other.example.", Type: monitor.TypeA}, First: w.now(), Last: w.now(), Count: 3}}
		keep(t, l, w, c, func(m *monitor.Monitor) {
			wait(time.Minute)
			if !m.Overhear(ss) {
				t.Error("there is no room")
			}
			wait(time.Minute)
		})
		if !slices.EqualFunc(ss, l.strangers, func(a, b monitor.Stranger) bool { return reflect.DeepEqual(a, b) }) {
			t.Errorf("stored is %v", l.strangers)
		}
	})
}

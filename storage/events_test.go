package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	for n := range 5 {
		commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, fmt.Sprint(2*n+1)), event(t0, fmt.Sprint(2*n+2))}})
	}
	tests := []struct {
		name  string
		after uint64
		max   int
		want  []uint64
	}{
		{"from the beginning", 0, 3, []uint64{1, 2, 3}},
		{"from within", 7, 100, []uint64{8, 9, 10}},
		{"from the end", 10, 100, nil},
		{"beyond the end", 11, 100, nil},
		{"as far as numbers go", 1<<64 - 1, 100, nil},
		{"none", 0, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := db.Events(t.Context(), tt.after, tt.max)
			if err != nil {
				t.Fatal(err)
			}
			var got []uint64
			for _, e := range list {
				if string(e.Data) != fmt.Sprintf(`"%d"`, e.Seq) {
					t.Errorf("event %d holds %s", e.Seq, e.Data)
				}
				got = append(got, e.Seq)
			}
			if !cmp.Equal(got, tt.want) {
				t.Errorf("Events(%d, %d) = %d, want %d", tt.after, tt.max, got, tt.want)
			}
		})
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, _ := openAt(t, Config{})
		var wg sync.WaitGroup
		var mu sync.Mutex
		woken := map[uint64]int{}
		wait := func(ctx context.Context, after uint64, want error) {
			wg.Go(func() {
				if err := db.Wait(ctx, after); !errors.Is(err, want) {
					t.Errorf("Wait(%d) = %v, want %v", after, err, want)
				}
				mu.Lock()
				defer mu.Unlock()
				woken[after]++
			})
		}
		expect := func(when string, want map[uint64]int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, woken); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		for range 50 {
			wait(t.Context(), 0, nil)
		}
		wait(t.Context(), 2, nil)
		cancelled, cancel := context.WithCancel(t.Context())
		wait(cancelled, 8, context.Canceled)
		wait(t.Context(), 9, ErrClosed)
		expect("before any event", map[uint64]int{})
		commit(t, db, monitor.Batch{Alerts: []monitor.Alert{alert("01A", t0)}})
		expect("after a commit without events", map[uint64]int{})
		commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "1"), event(t0, "2")}})
		expect("after two events", map[uint64]int{0: 50})
		commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "3")}})
		expect("after three", map[uint64]int{0: 50, 2: 1})
		cancel()
		expect("after cancelling", map[uint64]int{0: 50, 2: 1, 8: 1})
		if err := db.Wait(cancelled, 2); err != nil {
			t.Errorf("Wait for what is there = %v", err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		expect("after Close", map[uint64]int{0: 50, 2: 1, 8: 1, 9: 1})
		wg.Wait()
	})
}

func TestCursors(t *testing.T) {
	t.Parallel()
	path := testPath(t)
	db, _ := openAt(t, Config{Path: path})
	commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "1"), event(t0, "2"), event(t0, "3")}})
	if _, ok, err := db.Cursor(t.Context(), "ops"); ok || err != nil {
		t.Errorf("Cursor that was never set = %v, %v", ok, err)
	}
	for _, seq := range []uint64{3, 0, 2} {
		if err := db.SetCursor(t.Context(), "ops", seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.SetCursor(t.Context(), "ops", 4); err == nil || !strings.Contains(err.Error(), "beyond") {
		t.Errorf("SetCursor beyond the end = %v", err)
	}
	if err := db.SetCursor(t.Context(), "", 1); err == nil {
		t.Error("SetCursor of nobody = nil")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, _ = openAt(t, Config{Path: path})
	if seq, ok, err := db.Cursor(t.Context(), "ops"); seq != 2 || !ok || err != nil {
		t.Errorf("Cursor = %d, %v, %v, want 2", seq, ok, err)
	}
	check(t, db)
}

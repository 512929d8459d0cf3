package storage

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

const day = 24 * time.Hour

// prune calls Prune until it has no more to do, and gives the number of calls.
func prune(t *testing.T, db *DB, now time.Time) (calls int) {
	t.Helper()
	for more := true; more; calls++ {
		var err error
		if more, err = db.Prune(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if calls > 5000 {
			t.Fatal("pruning does not end")
		}
	}
	return calls
}

func TestPruneByAge(t *testing.T) {
	t.Parallel()
	ago := func(days int) time.Time { return t0.Add(-time.Duration(days) * day) }
	tests := []struct {
		name      string
		batch     monitor.Batch
		cursors   map[string]uint64
		intervals string
		alerts    []string
		events    []uint64
	}{
		{
			name:      "intervals",
			batch:     monitor.Batch{Intervals: []monitor.Interval{interval("a.", "x", ago(12)), interval("a.", "x", ago(11)), interval("a.", "x", ago(9)), interval("a.", "x", t0)}},
			intervals: "a./A/x/0 a./A/x/-216",
		},
		{
			name:      "the newest of a series stays",
			batch:     monitor.Batch{Intervals: []monitor.Interval{interval("a.", "x", ago(19)), interval("a.", "x", ago(18)), interval("a.", "y", ago(15))}},
			intervals: "a./A/y/-360 a./A/x/-432",
		},
		{
			name:  "but not for ever",
			batch: monitor.Batch{Intervals: []monitor.Interval{interval("a.", "x", ago(40)), interval("a.", "x", ago(30))}},
		},
		{
			name: "what began long ago and went on",
			batch: monitor.Batch{Intervals: []monitor.Interval{
				{Question: monitor.Question{Name: "a.", Type: 1}, Resolver: "x", First: ago(50), Last: ago(9)}, interval("a.", "x", t0),
			}},
			intervals: "a./A/x/0 a./A/x/-1200",
		},
		{
			name:   "alerts",
			batch:  monitor.Batch{Alerts: []monitor.Alert{alert("1", ago(11)), alert("2", ago(9)), alert("3", time.Time{})}},
			alerts: []string{"2", "3"},
		},
		{
			name:   "events",
			batch:  monitor.Batch{Events: []monitor.Event{event(ago(12), ""), event(ago(11), ""), event(ago(9), "")}},
			events: []uint64{3},
		},
		{
			name:    "events wait for the slowest cursor",
			batch:   monitor.Batch{Events: []monitor.Event{event(ago(13), ""), event(ago(12), ""), event(ago(11), "")}},
			cursors: map[string]uint64{"fast": 3, "slow": 1},
			events:  []uint64{2, 3},
		},
		{
			name:    "but not for ever",
			batch:   monitor.Batch{Events: []monitor.Event{event(ago(30), ""), event(ago(21), ""), event(ago(19), "")}},
			cursors: map[string]uint64{"dead": 0},
			events:  []uint64{3},
		},
		{
			name:   "no gaps where clocks went back",
			batch:  monitor.Batch{Events: []monitor.Event{event(ago(12), ""), event(ago(1), ""), event(ago(12), "")}},
			events: []uint64{2, 3},
		},
		{
			name:  "all events; the sequence goes on",
			batch: monitor.Batch{Events: []monitor.Event{event(ago(12), "")}},
		},
		{
			name:  "baselines stay",
			batch: monitor.Batch{Baselines: []monitor.Baseline{{Name: "a.", Since: ago(1000)}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, _ := openAt(t, Config{Retention: 10 * day})
			commit(t, db, tt.batch)
			for endpoint, seq := range tt.cursors {
				if err := db.SetCursor(t.Context(), endpoint, seq); err != nil {
					t.Fatal(err)
				}
			}
			prune(t, db, t0)
			check(t, db)
			if got, err := db.History(t.Context(), monitor.HistoryQuery{Name: "a."}); err != nil || labels(got) != tt.intervals {
				t.Errorf("intervals %q, %v, want %q", labels(got), err, tt.intervals)
			}
			if got, err := db.Alerts(t.Context(), time.Time{}); err != nil || !cmp.Equal(ids(got), tt.alerts) {
				t.Errorf("alerts %q, %v, want %q", ids(got), err, tt.alerts)
			}
			var events []uint64
			list, err := db.Events(t.Context(), 0, 100)
			for _, e := range list {
				events = append(events, e.Seq)
			}
			if err != nil || !cmp.Equal(events, tt.events) {
				t.Errorf("events %d, %v, want %d", events, err, tt.events)
			}
			if got := db.Stats().Baselines; got != uint64(len(tt.batch.Baselines)) {
				t.Errorf("%d baselines, want %d", got, len(tt.batch.Baselines))
			}
			if got, want := db.Last(), uint64(len(tt.batch.Events)); got != want {
				t.Errorf("Last() = %d, want %d", got, want)
			}
			commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "")}})
			check(t, db)
		})
	}
}

func TestPruneInSlices(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{Retention: 10 * day})
	var b monitor.Batch
	for n := range 1500 {
		first := t0.Add(-20*day + time.Duration(n)*2*time.Minute)
		b.Intervals = append(b.Intervals, interval("a.", "x", first), interval(fmt.Sprintf("n%d.", n%7), "x", first))
		b.Events = append(b.Events, event(t0.Add(-11*day), ""))
		b.Alerts = append(b.Alerts, alert(fmt.Sprint(n), t0.Add(-11*day)))
	}
	commit(t, db, b)
	const want = 2*1500 - 8 + 2*1500 // the newest of each series stays
	pruned := func() uint64 {
		s := db.Stats()
		return s.PrunedIntervals + s.PrunedAlerts + s.PrunedEvents
	}
	calls, before := 0, uint64(0)
	for more := true; more; calls++ {
		start := time.Now()
		var err error
		if more, err = db.Prune(t.Context(), t0); err != nil {
			t.Fatal(err)
		}
		t.Logf("slice of %d took %v", pruned()-before, time.Since(start))
		if got := pruned() - before; got > sliceRecords {
			t.Errorf("one call dropped %d records", got)
		}
		before = pruned()
	}
	if before != want || calls < want/sliceRecords {
		t.Errorf("%d calls dropped %d records, want %d", calls, before, want)
	}
	check(t, db)
	settled := db.Stats()
	if calls := prune(t, db, t0); calls != 1 || db.Stats() != settled {
		t.Errorf("pruning again took %d calls and changed %s", calls, cmp.Diff(settled, db.Stats()))
	}
}

func TestPruneBySize(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	ago := func(d time.Duration) time.Time { return t0.Add(-d) }
	db, log := openAt(t, Config{MaxSize: size})
	fill := func(n int, from, to time.Duration) (b monitor.Batch) {
		step := (from - to) / time.Duration(n)
		for i := range n {
			b.Intervals = append(b.Intervals, interval(fmt.Sprintf("n%d.", i%10), "x", ago(from-time.Duration(i)*step)))
		}
		return b
	}
	commit(t, db, monitor.Batch{
		Baselines: []monitor.Baseline{fullBaseline("a.")},
		Alerts:    []monitor.Alert{alert("old", ago(80*day)), alert("open", time.Time{})},
		Events:    []monitor.Event{event(ago(80*day), "")},
	})
	prune(t, db, t0)
	if s := db.Stats(); s.OverSize || s.PrunedIntervals != 0 {
		t.Errorf("pruned within its size: %+v", s)
	}
	commit(t, db, fill(10_000, 80*day, 2*time.Minute))
	if s := db.Stats(); s.UsedBytes < size {
		t.Fatalf("only %d bytes are in use", s.UsedBytes)
	}
	more, err := db.Prune(t.Context(), t0)
	if err != nil || !more || !db.Stats().OverSize {
		t.Errorf("Prune = %v, %v, stats %+v", more, err, db.Stats())
	}
	prune(t, db, t0)
	check(t, db)
	s := db.Stats()
	if s.OverSize || s.UsedBytes > size || s.UsedBytes < size/2 || s.Alerts != 2 || s.Events != 1 {
		t.Errorf("after pruning to size: %+v", s)
	}
	if n := strings.Count(log.String(), "over its size"); n != 1 {
		t.Errorf("the log says %d times that it is too large:\n%s", n, log)
	}
	for n := range 10 {
		got, err := db.History(t.Context(), monitor.HistoryQuery{Name: fmt.Sprintf("n%d.", n), Limit: 10000})
		if err != nil || len(got) == 0 {
			t.Fatalf("History = %d intervals, %v", len(got), err)
		}
		// Every series lost its oldest, down to about the same time.
		if oldest := ago(0).Sub(got[len(got)-1].First); oldest > 70*day || oldest < day {
			t.Errorf("the oldest of %d is %v old", n, oldest)
		}
	}

	// What is left when intervals are not what takes the room.
	for round := range 4 {
		var b monitor.Batch
		for n := range 70 {
			a := alert(fmt.Sprintf("a%d-%d", round, n), ago(time.Hour))
			a.Text = strings.Repeat("x", 1000)
			b.Alerts = append(b.Alerts, a)
			b.Events = append(b.Events, event(ago(time.Hour), strings.Repeat("y", 3500)))
		}
		commit(t, db, b)
		if err := db.SetCursor(t.Context(), "ops", 6); err != nil {
			t.Fatal(err)
		}
		prune(t, db, t0)
	}
	check(t, db)
	if s := db.Stats(); !s.OverSize || s.Alerts != 1 || s.Events != 281-6 || s.Intervals < 10 || s.Baselines != 1 {
		t.Errorf("open alert, unread events, newest intervals and the baseline should be left: %+v", s)
	}
	if n := strings.Count(log.String(), "over its size"); n > 5 {
		t.Errorf("the log says %d times that it is too large:\n%s", n, log)
	}
}

func TestFullAndPrunedAgain(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{MaxSize: 2 << 20})
	n := 0
	next := func() error {
		var b monitor.Batch
		for range 20 {
			n++
			a := alert(fmt.Sprint(n), t0.Add(-time.Hour))
			a.Text = strings.Repeat("x", 20_000)
			b.Alerts = append(b.Alerts, a)
		}
		b.Events = []monitor.Event{event(t0, "x")}
		return db.Commit(t.Context(), &b)
	}
	var err error
	for range 30 {
		if err = next(); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "storage.max_size") {
		t.Fatalf("Commit to a full file = %v", err)
	}
	check(t, db)
	if s := db.Stats(); s.FileBytes > 2*s.MaxBytes+growStep || s.CommitErrors != 1 {
		t.Errorf("stats when full: %+v", s)
	}
	events := db.Stats().Events
	prune(t, db, t0)
	check(t, db)
	if err := next(); err != nil {
		t.Errorf("Commit after pruning = %v", err)
	}
	if s := db.Stats(); s.LastEvent != events+1 {
		t.Errorf("last event is %d, want %d", s.LastEvent, events+1)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, _ := openAt(t, Config{Retention: time.Hour, PruneInterval: time.Minute})
		var b monitor.Batch
		for n := range 1200 {
			b.Alerts = append(b.Alerts, alert(fmt.Sprint(n), time.Now().Add(-time.Duration(n%2)*2*time.Hour)))
		}
		commit(t, db, b)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- db.Run(ctx) }()
		expect := func(after time.Duration, want uint64) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := db.Stats().Alerts; got != want {
				t.Errorf("%d alerts are left, want %d", got, want)
			}
		}
		expect(59*time.Second, 1200)
		expect(2*time.Second, 600)
		expect(58*time.Minute, 600)
		expect(3*time.Minute, 0)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

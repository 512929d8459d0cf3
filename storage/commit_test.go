package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	held, _ := openAt(t, Config{})
	tests := []struct {
		name string
		cfg  Config
		is   error
		want []string // in the message
	}{
		{"no path", Config{}, nil, []string{"storage.path"}},
		{"no directory", Config{Path: filepath.Join(t.TempDir(), "no", "store.db")}, os.ErrNotExist, []string{"store.db", "make the directory", "StateDirectory="}},
		{"negative size", Config{Path: testPath(t), MaxSize: -1}, nil, []string{"negative"}},
		{"locked", Config{Path: held.cfg.Path, LockTimeout: time.Millisecond}, ErrLocked, []string{held.cfg.Path, "another process", "storage.path"}},
		{"a directory", Config{Path: t.TempDir()}, nil, []string{"is a directory"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(tt.cfg, slog.New(slog.DiscardHandler))
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Fatalf("Open = %v, want %v", err, tt.is)
			}
			for _, s := range tt.want {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q does not say %q", err, s)
				}
			}
		})
	}
}

func TestFileIsPrivateAndKeepsItsID(t *testing.T) {
	t.Parallel()
	path := testPath(t)
	db, _ := openAt(t, Config{Path: path})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v, want 0600", info.Mode(), err)
	}
	id := db.ID()
	if len(id) != 16 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Errorf("ID() = %q, want 16 of lower-case base32", id)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := openAt(t, Config{Path: path})
	if again.ID() != id {
		t.Errorf("ID() = %q after opening again, want %q", again.ID(), id)
	}
	other, _ := openAt(t, Config{})
	if other.ID() == id {
		t.Errorf("two stores have the id %q", id)
	}
}

func TestCommitSurvivesReopen(t *testing.T) {
	t.Parallel()
	path := testPath(t)
	db, _ := openAt(t, Config{Path: path})
	b := monitor.Batch{
		Intervals: []monitor.Interval{interval("a.example.", "isp", t0)},
		Baselines: []monitor.Baseline{fullBaseline("a.example.")},
		Alerts:    []monitor.Alert{alert("01A", time.Time{})},
		Events:    []monitor.Event{event(t0, "one"), event(t0, "two")},
	}
	commit(t, db, b)
	if got := []uint64{b.Events[0].Seq, b.Events[1].Seq}; !cmp.Equal(got, []uint64{1, 2}) {
		t.Errorf("events are numbered %d, want 1 and 2", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, _ = openAt(t, Config{Path: path})
	if got, err := db.History(t.Context(), monitor.HistoryQuery{Name: "a.example."}); err != nil || !cmp.Equal(got, b.Intervals, same) {
		t.Errorf("History = %+v, %v", got, err)
	}
	if got, err := db.Baselines(t.Context()); err != nil || !cmp.Equal(got, b.Baselines, same) {
		t.Errorf("Baselines = %v, %v", cmp.Diff(b.Baselines, got, same), err)
	}
	if got, ok, err := db.Alert(t.Context(), "01A"); err != nil || !ok || !cmp.Equal(got, b.Alerts[0], same) {
		t.Errorf("Alert = %v, %v, %v", cmp.Diff(b.Alerts[0], got, same), ok, err)
	}
	if got, err := db.Events(t.Context(), 0, 10); err != nil || !cmp.Equal(got, b.Events, same) {
		t.Errorf("Events = %v, %v", cmp.Diff(b.Events, got, same), err)
	}
	more := monitor.Batch{Events: []monitor.Event{event(t0, "three")}}
	commit(t, db, more)
	if got := more.Events[0].Seq; got != 3 || db.Last() != 3 {
		t.Errorf("first event after opening again is %d, Last() = %d, want 3", got, db.Last())
	}
	check(t, db)
}

func TestRefusedBatchLeavesNothing(t *testing.T) {
	t.Parallel()
	good := monitor.Batch{
		Intervals: []monitor.Interval{interval("a.", "isp", t0)},
		Events:    []monitor.Event{event(t0, "good")},
	}
	tests := []struct {
		name  string
		spoil func(*monitor.Batch)
	}{
		{"interval without time", func(b *monitor.Batch) {
			b.Intervals = append(b.Intervals, monitor.Interval{Question: monitor.Question{Name: "b."}})
		}},
		{"endless name", func(b *monitor.Batch) {
			b.Intervals = append(b.Intervals, interval(strings.Repeat("x", 70000), "isp", t0))
		}},
		{"endless baseline name", func(b *monitor.Batch) {
			b.Baselines = append(b.Baselines, monitor.Baseline{Name: strings.Repeat("x", 70000)})
		}},
		{"alert without id", func(b *monitor.Batch) { b.Alerts = append(b.Alerts, alert("", time.Time{})) }},
		{"data is not JSON", func(b *monitor.Batch) { b.Events = append(b.Events, monitor.Event{Seq: 9, Data: []byte("{")}) }},
		{"endless value", func(b *monitor.Batch) {
			i := interval("b.", "isp", t0)
			i.Rcode = strings.Repeat("x", maxValue)
			b.Intervals = append(b.Intervals, i)
		}},
		{"value that does not come back", func(b *monitor.Batch) {
			at := t0.In(time.FixedZone("", 23*3600+59*60+59)) // JSON has no seconds of zone
			b.Alerts = append(b.Alerts, alert("01A", at))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, _ := openAt(t, Config{})
			b := monitor.Batch{Intervals: good.Intervals[:1:1], Events: []monitor.Event{{Seq: 7, At: t0, Data: good.Events[0].Data}}}
			tt.spoil(&b)
			err := db.Commit(t.Context(), &b)
			if err == nil {
				t.Fatal("Commit = nil")
			}
			if errors.Is(err, ErrCorrupt) {
				t.Errorf("a bad batch passes for damage: %v", err)
			}
			for _, e := range b.Events {
				if e.Seq != 0 {
					t.Errorf("event has number %d after an error", e.Seq)
				}
			}
			if got, err := db.History(t.Context(), monitor.HistoryQuery{Name: "a."}); len(got) != 0 || err != nil {
				t.Errorf("History = %+v, %v, want nothing", got, err)
			}
			if s := db.Stats(); db.Last() != 0 || s.Intervals+s.Events+s.Alerts != 0 || s.CommitErrors != 1 {
				t.Errorf("Last() = %d, stats %+v, want nothing but an error", db.Last(), s)
			}
			check(t, db)
			commit(t, db, good)
		})
	}
}

func TestContextAndClose(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "x")}})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func(context.Context) error{
		"Commit": func(ctx context.Context) error {
			return db.Commit(ctx, &monitor.Batch{Events: []monitor.Event{event(t0, "y")}})
		},
		"Baselines": func(ctx context.Context) error { _, err := db.Baselines(ctx); return err },
		"Alerts":    func(ctx context.Context) error { _, err := db.Alerts(ctx, t0); return err },
		"Alert":     func(ctx context.Context) error { _, _, err := db.Alert(ctx, "01A"); return err },
		"History": func(ctx context.Context) error {
			_, err := db.History(ctx, monitor.HistoryQuery{Name: "a."})
			return err
		},
		"Events":    func(ctx context.Context) error { _, err := db.Events(ctx, 0, 1); return err },
		"Cursor":    func(ctx context.Context) error { _, _, err := db.Cursor(ctx, "ops"); return err },
		"SetCursor": func(ctx context.Context) error { return db.SetCursor(ctx, "ops", 1) },
		"Prune":     func(ctx context.Context) error { _, err := db.Prune(ctx, t0); return err },
		"Check":     db.Check,
		"Wait":      func(ctx context.Context) error { return db.Wait(ctx, 1) },
	}
	for name, call := range calls {
		if err := call(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with an ended context = %v", name, err)
		}
	}
	for range 2 {
		if err := db.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	for name, call := range calls {
		if err := call(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close = %v, want ErrClosed", name, err)
		}
	}
	if db.Last() != 1 || db.ID() == "" || db.Stats().Events != 1 {
		t.Errorf("after Close Last() = %d, ID() = %q, Events = %d", db.Last(), db.ID(), db.Stats().Events)
	}
}

// Everything at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{Retention: time.Hour})
	const rounds = 20
	var wg sync.WaitGroup
	each := func(workers int, fn func(worker, round int) error) {
		for w := range workers {
			wg.Go(func() {
				for r := range rounds {
					if err := fn(w, r); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	each(3, func(w, r int) error {
		i := interval(fmt.Sprintf("n%d.", w), "isp", t0.Add(time.Duration(r)*time.Minute))
		b := monitor.Batch{
			Intervals: []monitor.Interval{i}, Events: []monitor.Event{event(t0, "x"), event(t0, "y")},
			Alerts: []monitor.Alert{alert(fmt.Sprintf("%d-%d", w, r), t0)}, Baselines: []monitor.Baseline{{Name: i.Question.Name}},
		}
		err := db.Commit(t.Context(), &b)
		if err == nil && b.Events[1].Seq != b.Events[0].Seq+1 {
			err = fmt.Errorf("events of a batch are numbered %d and %d", b.Events[0].Seq, b.Events[1].Seq)
		}
		return err
	})
	each(2, func(w, r int) error {
		if err := db.Wait(t.Context(), uint64(r)); err != nil {
			return err
		}
		list, err := db.Events(t.Context(), uint64(r), 3)
		if err == nil && (len(list) == 0 || list[0].Seq != uint64(r+1)) {
			err = fmt.Errorf("events after %d are %+v", r, list)
		}
		return errors.Join(err, db.SetCursor(t.Context(), fmt.Sprint(w), uint64(r)))
	})
	each(2, func(w, _ int) error {
		_, err1 := db.History(t.Context(), monitor.HistoryQuery{Name: fmt.Sprintf("n%d.", w)})
		_, err2 := db.Alerts(t.Context(), t0.Add(-time.Second))
		_, err3 := db.Prune(t.Context(), t0)
		_, _ = db.Stats(), db.Last()
		return errors.Join(err1, err2, err3)
	})
	wg.Wait()
	check(t, db)
	if s := db.Stats(); s.Events != 3*2*rounds || s.Intervals != 3*rounds || s.LastEvent != s.Events {
		t.Errorf("stats after all: %+v", s)
	}
}

package storage

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

// overheard is an answer of one address that was heard n times.
func overheard(name, resolver, addr string, first, last time.Time, n int) monitor.Interval {
	i := interval(name, resolver, first)
	i.Via, i.Transport, i.Last, i.Count = monitor.Wire, monitor.UDP, last, n
	i.Records[0].Data, i.Records[0].TTL = addr, 0
	return i
}

// What was overheard is added to what is known of it, in whatever order it comes, and
// lies beside what was asked for.
func TestHeard(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	at := func(m int) time.Time { return t0.Add(time.Duration(m) * time.Minute) }
	low, high := overheard("n.", "x", "192.0.2.1", at(10), at(20), 3), overheard("n.", "x", "192.0.2.1", at(5), at(6), 1)
	low.TTLMin, high.TTLMax = 7, 900
	probed := interval("n.", "x", at(0))
	commit(t, db, monitor.Batch{Intervals: []monitor.Interval{low, high, probed, overheard("n.", "x", "192.0.2.2", at(1), at(30), 1)}})
	commit(t, db, monitor.Batch{Intervals: []monitor.Interval{overheard("n.", "x", "192.0.2.1", at(15), at(40), 4), overheard("n.", "y", "192.0.2.1", at(2), at(2), 1), overheard("nn.", "x", "192.0.2.9", at(1), at(1), 1)}})
	check(t, db)

	merged := overheard("n.", "x", "192.0.2.1", at(5), at(40), 8)
	merged.TTLMin, merged.TTLMax = 7, 900
	second, other := overheard("n.", "x", "192.0.2.2", at(1), at(30), 1), overheard("n.", "y", "192.0.2.1", at(2), at(2), 1)
	for _, tt := range []struct {
		name string
		q    monitor.HistoryQuery
		want []monitor.Interval
	}{
		{"all", monitor.HistoryQuery{}, []monitor.Interval{merged, other, second, probed}},
		{"overheard", monitor.HistoryQuery{Via: monitor.Wire}, []monitor.Interval{merged, other, second}},
		{"asked for", monitor.HistoryQuery{Via: monitor.Probe}, []monitor.Interval{probed}},
		{"since", monitor.HistoryQuery{Via: monitor.Wire, Since: at(31)}, []monitor.Interval{merged}},
		{"until", monitor.HistoryQuery{Via: monitor.Wire, Until: at(2)}, []monitor.Interval{second}},
		{"resolver", monitor.HistoryQuery{Via: monitor.Wire, Resolver: "y"}, []monitor.Interval{other}},
		{"another type", monitor.HistoryQuery{Type: monitor.TypeAAAA}, nil},
		{"limit", monitor.HistoryQuery{Limit: 1}, []monitor.Interval{merged}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.Name = "n."
			got, err := db.History(t.Context(), tt.q)
			if diff := cmp.Diff(tt.want, got, same); diff != "" || err != nil {
				t.Errorf("history: %v (-want +got):\n%s", err, diff)
			}
		})
	}
	if n := db.Stats().Heard; n != 4 {
		t.Errorf("%d answers are counted, want 4", n)
	}
}

func TestHeardIsPruned(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{Retention: 10 * day})
	var b monitor.Batch
	for n := range 3000 { // more than one slice
		name := "n" + strconv.Itoa(n) + "."
		b.Intervals = append(b.Intervals, overheard(name, "x", "192.0.2.1", t0.Add(-40*day), t0.Add(-11*day), 1))
		b.Strangers = append(b.Strangers, met(name, t0.Add(-11*day), 1))
	}
	b.Intervals = append(b.Intervals, overheard("kept.", "x", "192.0.2.1", t0.Add(-40*day), t0.Add(-9*day), 1))
	b.Strangers = append(b.Strangers, met("kept.", t0.Add(-9*day), 1))
	commit(t, db, b)
	prune(t, db, t0)
	check(t, db)
	if s := db.Stats(); s.Heard != 1 || s.Strangers != 1 || s.PrunedHeard != 6000 {
		t.Errorf("after pruning: %d heard, %d strangers, %d pruned; want 1, 1, 6000", s.Heard, s.Strangers, s.PrunedHeard)
	}
}

// A file of schema 1 has neither table, and counts of fewer.
func TestMigrateToHeard(t *testing.T) {
	t.Parallel()
	path := testPath(t)
	db, _ := openAt(t, Config{Path: path})
	commit(t, db, monitor.Batch{Intervals: []monitor.Interval{interval("a.", "x", t0)}, Events: []monitor.Event{event(t0, "x")}})
	db.Close()
	raw, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{"heard", "strangers"} {
			if err := tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		counts := meta.Get(metaCounts)
		if err := meta.Put(metaCounts, append([]byte(nil), counts[:8*8]...)); err != nil {
			return err
		}
		return meta.Put(metaSchema, []byte("1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = Open(Config{Path: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	commit(t, db, monitor.Batch{Intervals: []monitor.Interval{overheard("a.", "x", "192.0.2.1", t0, t0, 1)}})
	check(t, db)
	if is, err := db.History(t.Context(), monitor.HistoryQuery{Name: "a."}); len(is) != 2 || err != nil {
		t.Errorf("%d intervals, %v; want the old one and the new one", len(is), err)
	}
	if s := db.Stats(); s.Schema != 2 || s.Intervals != 1 || s.Events != 1 || s.SetAsides != 0 {
		t.Errorf("after migrating: %+v", s)
	}
}

package storage

import (
	"errors"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestCheckFinds(t *testing.T) {
	t.Parallel()
	put := func(t table, k, v []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return t.in(tx).Put(k, v) }
	}
	drop := func(t table, k []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return t.in(tx).Delete(k) }
	}
	i := interval("a.", "isp", t0)
	key, err := seriesOf(&i).key()
	if err != nil {
		t.Fatal(err)
	}
	value := appendInterval(nil, &i)
	tests := []struct {
		name   string
		damage func(*bolt.Tx) error
		want   string
	}{
		{"a gap in the sequence", drop(events, seqKey(2)), "3 follows 1"},
		{"the last event is missing", drop(events, seqKey(3)), "last event"},
		{"an event too many", put(events, seqKey(4), []byte("12345678{}")), "last event"},
		{"an event that is not JSON", put(events, seqKey(2), []byte("12345678{")), "events: "},
		{"an event without time", put(events, seqKey(2), []byte("1234567")), "7 bytes"},
		{"a key of the wrong length", put(events, []byte("x"), []byte("12345678{}")), "sequence 78"},
		{"a count", drop(baselines, nameKey("a.")), "baselines: 0 records, counted as 1"},
		{"an alert without end", drop(ends, endKey(never, "01A")), `"01A" has no end`},
		{"an end without alert", put(ends, endKey(never, "01B"), []byte{}), "ends: 2 records"},
		{"an alert with another end", put(alerts, []byte("01A"), append(stampOf(t0).append(nil), `{"state":"open"}`...)), "two times"},
		{"a past without a present", put(past, pastKey(9, stampOf(t0)), value), "no newer interval"},
		{"a past in the future", put(past, pastKey(1, never-1), value), "no newer interval"},
		{"a cut interval", put(current, key, pastKey(1, 1)), "16 bytes"},
		{"a longer interval", put(current, key, append(append(pastKey(1, stampOf(t0)), value...), 0)), "interval of a. A"},
		{"a series key", put(current, []byte{0, 9}, value), "series key"},
		{"a cursor beyond the end", put(cursors, []byte("ops"), seqKey(4)), `"ops" is at 4 of 3`},
		{"half a cursor", put(cursors, []byte("ops"), []byte("x")), "sequence 78"},
		{"no bucket", func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("past")) }, "bucket past is missing"},
		{"no schema", func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Delete(metaSchema) }, "no schema"},
		{"no id", func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Delete(metaID) }, "id is"},
		{"no counts", func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Delete(metaCounts) }, "counts have 0 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, _ := openAt(t, Config{})
			commit(t, db, monitor.Batch{
				Intervals: []monitor.Interval{i},
				Baselines: []monitor.Baseline{fullBaseline("a.")},
				Alerts:    []monitor.Alert{alert("01A", time.Time{})},
				Events:    []monitor.Event{event(t0, "1"), event(t0, "2"), event(t0, "3")},
			})
			check(t, db)
			err := db.file.run(true, func(tx *bolt.Tx) error {
				if err := tt.damage(tx); err != nil {
					return err
				}
				return tx.Commit()
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Check(t.Context()); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check = %v, want it to say %q", err, tt.want)
			}
			check(t, db) // and this is a fresh one
			if db.Stats().SetAsides != 1 {
				t.Error("damage was not set aside")
			}
		})
	}
}

package storage

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/monitor"
)

// The test binary runs itself as a child where a test needs a process to kill,
// or limits that only a process has.
const childEnv = "DNSTASTER_STORAGE_CHILD"

func TestMain(m *testing.M) {
	switch role := os.Getenv(childEnv); role {
	case "":
		// Each check commits for real; -rapid.checks asks for more.
		flag.Set("rapid.checks", "15")
		goleak.VerifyTestMain(m)
	case "commit":
		childCommit()
	case "limit":
		childLimit()
	default:
		panic("unknown child " + role)
	}
}

// t0 is when the tests take place.
var t0 = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// same compares values that went through the file with those that did not.
var same = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}),
	cmp.Transformer("json", func(m json.RawMessage) any {
		var v any
		if err := json.Unmarshal(m, &v); err != nil {
			return string(m)
		}
		return v
	}),
}

func testPath(t testing.TB) string { return filepath.Join(t.TempDir(), "store.db") }

// openAt opens a store that the test closes at its end, with what it logs.
func openAt(t testing.TB, cfg Config) (*DB, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	if cfg.Path == "" {
		cfg.Path = testPath(t)
	}
	db, err := Open(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, &log
}

func commit(t testing.TB, db *DB, b monitor.Batch) {
	t.Helper()
	if err := db.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

func check(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// interval is one of an A question that begins at first and lasts for a minute.
func interval(name, resolver string, first time.Time) monitor.Interval {
	return monitor.Interval{
		Question: monitor.Question{Name: name, Type: monitor.TypeA}, Resolver: resolver, Transport: monitor.DoH,
		Rcode:   "NOERROR",
		Records: []monitor.Record{{Name: name, Type: monitor.TypeA, Data: "192.0.2.1", TTL: 300}},
		First:   first, Last: first.Add(time.Minute), Count: 2, TTLMin: 60, TTLMax: 300, Verdict: monitor.Clean,
	}
}

func alert(id string, resolved time.Time) monitor.Alert {
	a := monitor.Alert{ID: id, Key: "key of " + id, State: monitor.Open, Severity: monitor.High, OpenedAt: t0.Add(-time.Hour), LastSeenAt: t0}
	if !resolved.IsZero() {
		a.State, a.ResolvedAt = monitor.Resolved, &resolved
	}
	return a
}

func event(at time.Time, data string) monitor.Event {
	doc, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return monitor.Event{At: at, Type: monitor.VerdictChanged, Data: doc}
}

// ids gives those of alerts.
func ids(alerts []monitor.Alert) (list []string) {
	for _, a := range alerts {
		list = append(list, a.ID)
	}
	return list
}

package storage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// label tells intervals of a test apart: the resolver, and hours since t0.
func label(i monitor.Interval) string {
	return fmt.Sprintf("%s/%s/%s/%v", i.Question.Name, i.Question.Type, i.Resolver, i.First.Sub(t0).Hours())
}

func labels(list []monitor.Interval) string {
	var b strings.Builder
	for _, i := range list {
		b.WriteString(label(i) + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestHistory(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	at := func(name string, typ monitor.Type, resolver string, hour int) monitor.Interval {
		i := interval(name, resolver, t0.Add(time.Duration(hour)*time.Hour))
		i.Question.Type = typ
		i.Last = i.First.Add(30 * time.Minute)
		return i
	}
	const a, aaaa = monitor.TypeA, monitor.TypeAAAA
	// In no order, and over several batches.
	commit(t, db, monitor.Batch{Intervals: []monitor.Interval{at("n.", a, "x", 4), at("n.", a, "x", 1), at("n.", aaaa, "x", 2), at("nn.", a, "x", 1)}})
	commit(t, db, monitor.Batch{Intervals: []monitor.Interval{at("n.", a, "x", 3), at("n.", a, "y", 3), at("n.", a, "x", 5)}})
	commit(t, db, monitor.Batch{Intervals: []monitor.Interval{at("n.", a, "x", 2), at("n\x00.", a, "x", 1), at("", a, "n.", 1)}})

	hour := func(h float64) time.Time { return t0.Add(time.Duration(h * float64(time.Hour))) }
	tests := []struct {
		name string
		q    monitor.HistoryQuery
		want string
	}{
		{"all of a name", monitor.HistoryQuery{Name: "n."}, "n./A/x/5 n./A/x/4 n./A/x/3 n./A/y/3 n./A/x/2 n./AAAA/x/2 n./A/x/1"},
		{"type", monitor.HistoryQuery{Name: "n.", Type: aaaa}, "n./AAAA/x/2"},
		{"resolver", monitor.HistoryQuery{Name: "n.", Resolver: "y"}, "n./A/y/3"},
		{"limit over series", monitor.HistoryQuery{Name: "n.", Limit: 4}, "n./A/x/5 n./A/x/4 n./A/x/3 n./A/y/3"},
		{"since takes what was going on", monitor.HistoryQuery{Name: "n.", Since: hour(3.25)}, "n./A/x/5 n./A/x/4 n./A/x/3 n./A/y/3"},
		{"since leaves out what was over", monitor.HistoryQuery{Name: "n.", Since: hour(3.75)}, "n./A/x/5 n./A/x/4"},
		{"until leaves out what began then", monitor.HistoryQuery{Name: "n.", Until: hour(3)}, "n./A/x/2 n./AAAA/x/2 n./A/x/1"},
		{"since and until", monitor.HistoryQuery{Name: "n.", Type: a, Since: hour(1.75), Until: hour(4)}, "n./A/x/3 n./A/y/3 n./A/x/2"},
		{"before everything", monitor.HistoryQuery{Name: "n.", Until: hour(0)}, ""},
		{"a name that begins alike", monitor.HistoryQuery{Name: "nn."}, "nn./A/x/1"},
		{"a hostile name", monitor.HistoryQuery{Name: "n\x00."}, "n\x00./A/x/1"},
		{"no name", monitor.HistoryQuery{}, "/A/n./1"},
		{"unknown name", monitor.HistoryQuery{Name: "m."}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := db.History(t.Context(), tt.q)
			if err != nil || labels(got) != tt.want {
				t.Errorf("History = %v, %v\nwant %v", labels(got), err, tt.want)
			}
		})
	}
	check(t, db)
	if got := db.Stats().Intervals; got != 10 {
		t.Errorf("%d intervals are counted, want 10", got)
	}
}

func TestIntervalsAdvance(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	open := interval("a.", "isp", t0)
	grown := open
	grown.Last, grown.Count, grown.TTLMin = t0.Add(time.Hour), 60, 1
	next := interval("a.", "isp", t0.Add(2*time.Hour))
	late := grown
	late.Verdict = monitor.Poisoned
	steps := []struct {
		name  string
		batch []monitor.Interval
		want  []monitor.Interval
	}{
		{"begins", []monitor.Interval{open}, []monitor.Interval{open}},
		{"grows", []monitor.Interval{grown}, []monitor.Interval{grown}},
		{"is the same again", []monitor.Interval{grown}, []monitor.Interval{grown}},
		{"of two in a batch the later stays", []monitor.Interval{open, grown}, []monitor.Interval{grown}},
		{"ends", []monitor.Interval{next}, []monitor.Interval{next, grown}},
		{"is amended when over", []monitor.Interval{late}, []monitor.Interval{next, late}},
	}
	for _, s := range steps {
		commit(t, db, monitor.Batch{Intervals: s.batch})
		got, err := db.History(t.Context(), monitor.HistoryQuery{Name: "a."})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.want, got, same); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.name, diff)
		}
		check(t, db)
	}
}

func TestHistoryStaysBounded(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	var b monitor.Batch
	for r := range 300 {
		for h := range 12 {
			b.Intervals = append(b.Intervals, interval("a.", fmt.Sprint(r), t0.Add(time.Duration(h)*time.Hour)))
		}
	}
	commit(t, db, b)
	for limit, want := range map[int]int{0: defaultHistory, 7: 7, 1 << 30: 3600} {
		got, err := db.History(t.Context(), monitor.HistoryQuery{Name: "a.", Limit: limit})
		if err != nil || len(got) != want {
			t.Errorf("Limit %d gives %d intervals, %v, want %d", limit, len(got), err, want)
		}
		for n := 1; n < len(got); n++ {
			if got[n].First.After(got[n-1].First) {
				t.Fatalf("interval %d of limit %d is newer than the one before", n, limit)
			}
		}
	}
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	resolvedAt := alert("05", time.Time{})
	resolvedAt.State = monitor.Resolved // without saying when
	flapping := alert("06", t0)
	flapping.State = monitor.Open // again; when it was resolved before does not count
	silenced := alert("07", time.Time{})
	silenced.State = monitor.Silenced
	commit(t, db, monitor.Batch{Alerts: []monitor.Alert{
		silenced, flapping, resolvedAt, alert("04", t0.Add(time.Hour)), alert("03", t0), alert("02", t0.Add(-time.Hour)), alert("01", time.Time{}),
	}})
	tests := []struct {
		name  string
		since time.Time
		want  []string
	}{
		{"all", time.Time{}, []string{"01", "02", "03", "04", "05", "06", "07"}},
		{"resolved after", t0.Add(-time.Minute), []string{"01", "03", "04", "05", "06", "07"}},
		{"resolved then is not after", t0, []string{"01", "04", "06", "07"}},
		{"open only", t0.Add(1000 * time.Hour), []string{"01", "06", "07"}},
		{"open at the end of time", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), []string{"01", "06", "07"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := db.Alerts(t.Context(), tt.since)
			if err != nil || !cmp.Equal(ids(got), tt.want) {
				t.Errorf("Alerts = %q, %v, want %q", ids(got), err, tt.want)
			}
		})
	}
	commit(t, db, monitor.Batch{Alerts: []monitor.Alert{alert("01", t0), alert("03", time.Time{}), alert("04", t0.Add(-time.Hour))}})
	if got, err := db.Alerts(t.Context(), t0.Add(-time.Second)); err != nil || !cmp.Equal(ids(got), []string{"01", "03", "05", "06", "07"}) {
		t.Errorf("after changes Alerts = %q, %v", ids(got), err)
	}
	if a, ok, err := db.Alert(t.Context(), "03"); err != nil || !ok || a.State != monitor.Open {
		t.Errorf("Alert = %+v, %v, %v", a, ok, err)
	}
	if _, ok, err := db.Alert(t.Context(), "99"); ok || err != nil {
		t.Errorf("Alert that is not there = %v, %v", ok, err)
	}
	check(t, db)
}

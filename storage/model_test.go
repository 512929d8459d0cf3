package storage

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

const modelRetention = 10 * day

// model is what a store should hold, in memory.
type model struct {
	now       time.Time
	intervals map[series][]monitor.Interval // each from the oldest to the newest
	baselines map[string]monitor.Baseline
	alerts    map[string]monitor.Alert
	events    []monitor.Event
	last      uint64
	cursors   map[string]uint64
}

// draw makes a batch that a monitor could commit, and applies it.
func (m *model) draw(t *rapid.T) (b monitor.Batch) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 72).Draw(t, "hours")) * time.Hour)
	pick := func(what string, most int) int { return rapid.IntRange(0, most).Draw(t, what) }
	for range pick("intervals", 6) {
		name := rapid.SampledFrom([]string{"a.", "aa.", "a\x00.", "\xff"}).Draw(t, "name")
		s := series{monitor.Question{Name: name, Type: monitor.Type(1 + 27*pick("type", 1))}, fmt.Sprint("r", pick("resolver", 1)), monitor.UDP}
		b.Intervals = append(b.Intervals, m.interval(t, s))
	}
	for range pick("baselines", 2) {
		base := fullBaseline(rapid.SampledFrom([]string{"a.", "aa.", "b."}).Draw(t, "baseline"))
		base.Since = m.now
		b.Baselines = append(b.Baselines, base)
		m.baselines[base.Name] = base
	}
	for range pick("alerts", 2) {
		a := alert(fmt.Sprint("a", pick("alert", 5)), time.Time{})
		if pick("resolved", 1) == 1 {
			a = alert(a.ID, m.now.Add(-time.Duration(pick("ago", 100))*time.Hour))
		}
		b.Alerts = append(b.Alerts, a)
		m.alerts[a.ID] = a
	}
	for range pick("events", 3) {
		b.Events = append(b.Events, event(m.now, fmt.Sprint("e", pick("data", 9))))
		m.last++
		m.events = append(m.events, b.Events[len(b.Events)-1])
		m.events[len(m.events)-1].Seq = m.last
	}
	return b
}

// interval grows the newest of a series, begins another, or amends a past one.
func (m *model) interval(t *rapid.T, s series) monitor.Interval {
	list := m.intervals[s]
	fresh := interval(s.question.Name, s.resolver, m.now)
	fresh.Question, fresh.Transport = s.question, s.transport
	if len(list) == 0 {
		m.intervals[s] = []monitor.Interval{fresh}
		return fresh
	}
	newest := &list[len(list)-1]
	switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
	case kind == 0:
		old := &list[rapid.IntRange(0, len(list)-1).Draw(t, "which")]
		old.Verdict = monitor.Poisoned
		return *old
	case kind == 1 || !m.now.After(newest.Last):
		if m.now.After(newest.Last) {
			newest.Last = m.now
		}
		newest.Count++
		return *newest
	}
	m.intervals[s] = append(list, fresh)
	return fresh
}

func (m *model) history(q monitor.HistoryQuery) (list []monitor.Interval) {
	keys := slices.SortedFunc(maps.Keys(m.intervals), func(a, b series) int {
		ka, _ := a.key()
		kb, _ := b.key()
		return cmp.Compare(string(ka), string(kb))
	})
	for _, s := range keys {
		for _, i := range m.intervals[s] {
			if s.question.Name == q.Name && wants(q, s) && (q.Since.IsZero() || !i.Last.Before(q.Since)) && (q.Until.IsZero() || i.First.Before(q.Until)) {
				list = append(list, i)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b monitor.Interval) int { return b.First.Compare(a.First) })
	return list[:min(len(list), q.Limit)]
}

func (m *model) prune() {
	old, ancient := m.now.Add(-modelRetention), m.now.Add(-2*modelRetention)
	for s, list := range m.intervals {
		newest := list[len(list)-1]
		list = slices.DeleteFunc(list[:len(list)-1], func(i monitor.Interval) bool { return i.Last.Before(old) })
		if m.intervals[s] = append(list, newest); len(list) == 0 && newest.Last.Before(ancient) {
			delete(m.intervals, s)
		}
	}
	maps.DeleteFunc(m.alerts, func(_ string, a monitor.Alert) bool {
		return a.State == monitor.Resolved && a.ResolvedAt.Before(old)
	})
	passed := m.last
	for _, seq := range m.cursors {
		passed = min(passed, seq)
	}
	for len(m.events) > 0 {
		e := m.events[0]
		if !e.At.Before(ancient) && (!e.At.Before(old) || e.Seq > passed) {
			break
		}
		m.events = m.events[1:]
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		f, err := os.CreateTemp(dir, "*.db")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		cfg := Config{Path: f.Name(), Retention: modelRetention}
		var db *DB
		open := func() {
			if db, err = Open(cfg, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
		}
		open()
		defer func() { db.Close() }()
		id := db.ID()
		m := &model{
			now: t0, intervals: map[series][]monitor.Interval{}, baselines: map[string]monitor.Baseline{},
			alerts: map[string]monitor.Alert{}, cursors: map[string]uint64{},
		}
		equal := func(what string, want, got any, err error) {
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if diff := gocmp.Diff(want, got, same); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", what, diff)
			}
		}
		ctx := t.Context()
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) {
				first := m.last
				b := m.draw(t)
				if err := db.Commit(ctx, &b); err != nil {
					t.Fatal(err)
				}
				for n, e := range b.Events {
					if e.Seq != first+uint64(n)+1 {
						t.Fatalf("event %d after %d has number %d", n, first, e.Seq)
					}
				}
			},
			"history": func(t *rapid.T) {
				q := monitor.HistoryQuery{
					Name: rapid.SampledFrom([]string{"a.", "aa.", "a\x00.", "\xff", "b."}).Draw(t, "name"),
					Type: rapid.SampledFrom([]monitor.Type{0, 1, 28}).Draw(t, "type"), Resolver: rapid.SampledFrom([]string{"", "r1"}).Draw(t, "resolver"),
					Limit: rapid.IntRange(1, 20).Draw(t, "limit"),
				}
				hours := rapid.IntRange(-100, 400)
				if rapid.Bool().Draw(t, "has since") {
					q.Since = m.now.Add(-time.Duration(hours.Draw(t, "since")) * time.Hour)
				}
				if rapid.Bool().Draw(t, "has until") {
					q.Until = m.now.Add(-time.Duration(hours.Draw(t, "until")) * time.Hour)
				}
				got, err := db.History(ctx, q)
				equal(fmt.Sprintf("History(%+v)", q), m.history(q), got, err)
			},
			"events": func(t *rapid.T) {
				after, most := rapid.Uint64Range(0, m.last+2).Draw(t, "after"), rapid.IntRange(0, 10).Draw(t, "max")
				var want []monitor.Event
				for _, e := range m.events {
					if e.Seq > after && len(want) < most {
						want = append(want, e)
					}
				}
				got, err := db.Events(ctx, after, most)
				equal("Events", want, got, err)
			},
			"alerts": func(t *rapid.T) {
				since := m.now.Add(-time.Duration(rapid.IntRange(-1, 300).Draw(t, "hours")) * time.Hour)
				var want []monitor.Alert
				for _, id := range slices.Sorted(maps.Keys(m.alerts)) {
					if a := m.alerts[id]; a.State != monitor.Resolved || a.ResolvedAt.After(since) {
						want = append(want, a)
					}
				}
				got, err := db.Alerts(ctx, since)
				equal("Alerts", want, got, err)
			},
			"cursor": func(t *rapid.T) {
				endpoint := rapid.SampledFrom([]string{"ops", "chat"}).Draw(t, "endpoint")
				seq := rapid.Uint64Range(0, m.last+1).Draw(t, "seq")
				if err := db.SetCursor(ctx, endpoint, seq); (err != nil) != (seq > m.last) {
					t.Fatalf("SetCursor(%d) of %d = %v", seq, m.last, err)
				}
				if seq <= m.last {
					m.cursors[endpoint] = seq
				}
			},
			"prune": func(t *rapid.T) {
				for more := true; more; {
					if more, err = db.Prune(ctx, m.now); err != nil {
						t.Fatal(err)
					}
				}
				m.prune()
			},
			"reopen": func(t *rapid.T) {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				open()
			},
			"": func(t *rapid.T) {
				if err := db.Check(ctx); err != nil {
					t.Fatal(err)
				}
				bases, err := db.Baselines(ctx)
				slices.SortFunc(bases, func(a, b monitor.Baseline) int { return cmp.Compare(a.Name, b.Name) })
				want := slices.SortedFunc(maps.Values(m.baselines), func(a, b monitor.Baseline) int { return cmp.Compare(a.Name, b.Name) })
				equal("Baselines", want, bases, err)
				for endpoint, want := range m.cursors {
					got, _, err := db.Cursor(ctx, endpoint)
					equal("Cursor", want, got, err)
				}
				if db.Last() != m.last || db.ID() != id {
					t.Fatalf("Last() = %d, ID() = %q, want %d, %q", db.Last(), db.ID(), m.last, id)
				}
			},
		})
	})
}

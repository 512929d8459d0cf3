package report_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// TestLists shows alerts, events and history of one story: poisoned, seen by
// somebody, over.
func TestLists(t *testing.T) {
	w, c := newWorld(), config()
	c.Timing.WitnessInterval = 30 * time.Second // in every round: when else is left to chance
	var open, all []monitor.Alert
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		verify(t, m, c)
		w.answer(apiA, []string{falseAddr}, plain...)
		w.silence("timeout: nothing in 5s", "quad9/dot")
		time.Sleep(3 * time.Minute)
		verify(t, m, c)
		open = explain(t, m, apiA.Name).Alerts
		raw, err := m.Explain(t.Context(), apiA.Name)
		if err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(2 * time.Hour)
		if _, err := m.Act(t.Context(), raw.Alerts[0].ID, monitor.Silence, monitor.Note{UID: 1000, Until: &until}); err != nil {
			t.Fatal(err)
		}
		all = append(all, explain(t, m, apiA.Name).Alerts...)
		w.honest()
		time.Sleep(7 * time.Second) // off the beat of the open case
		for range 21 {
			time.Sleep(time.Minute)
			if _, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof); err != nil {
				t.Fatal(err)
			}
		}
		e, err := m.Explain(t.Context(), raw.Alerts[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		e.Alerts[0].ID = fixedID(e.Alerts[0].ID)
		all = append(all, e.Alerts...)
	})
	drill := open[0]
	drill.Drill = true
	all = append(all, drill)

	write := func(name string, f func(b *strings.Builder) error) {
		t.Helper()
		var b strings.Builder
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
	write("alerts", func(b *strings.Builder) error { return report.Alerts(b, all) })
	write("alerts_none", func(b *strings.Builder) error { return report.Alerts(b, nil) })

	events := append([]monitor.Event(nil), w.events...)
	for i, e := range events {
		if e.Alert != "" {
			events[i].Data = json.RawMessage(strings.ReplaceAll(string(e.Data), e.Alert, fixedID(e.Alert)))
		}
	}
	health, err := json.Marshal(monitor.Health{Condition: "no_witness", Severity: "warning", Title: "No witness answers", Text: "…"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(drill)
	if err != nil {
		t.Fatal(err)
	}
	n, at := uint64(len(events)), events[len(events)-1].At
	events = append(events,
		monitor.Event{Seq: n + 1, At: at, Type: monitor.HealthDegraded, Data: health},
		monitor.Event{Seq: n + 2, At: at, Type: monitor.AlertOpened, Data: data, Alert: drill.ID},
		monitor.Event{Seq: n + 3, At: at, Type: monitor.WebhookTest, Data: json.RawMessage(`{}`)},
	)
	write("events", func(b *strings.Builder) error { return report.Events(b, events) })

	intervals := slices.Clone(w.ivals)
	slices.SortFunc(intervals, func(a, b monitor.Interval) int { // as the store gives them
		if c := b.First.Compare(a.First); c != 0 {
			return c
		}
		return strings.Compare(a.Series(), b.Series())
	})
	write("history", func(b *strings.Builder) error { return report.History(b, intervals) })
	write("history_none", func(b *strings.Builder) error { return report.History(b, nil) })
}

// TestHistoryLines shows what a night, a changing TTL and a crowd look like.
func TestHistoryLines(t *testing.T) {
	var records []monitor.Record
	for _, a := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5", "203.0.113.6"} {
		records = append(records, monitor.Record{Name: apiA.Name, Type: monitor.TypeA, Data: a, TTL: 300})
	}
	i := monitor.Interval{
		Question: apiA, Resolver: "system 10.0.0.2", Transport: monitor.UDP, Rcode: "NOERROR", Records: records,
		First: begin.Add(-30 * time.Hour), Last: begin, Count: 1800, TTLMin: 17, TTLMax: 300, Verdict: monitor.Clean,
	}
	gone := i
	gone.Rcode, gone.Records, gone.TTLMin, gone.TTLMax, gone.Count = "NXDOMAIN", nil, 0, 0, 1
	gone.First = gone.Last
	var b strings.Builder
	if err := report.History(&b, []monitor.Interval{gone, i}); err != nil {
		t.Fatal(err)
	}
	golden(t, "history_lines", b.String())
}

package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// TestExplain shows what is known of names and alerts, as the monitor tells it.
func TestExplain(t *testing.T) {
	w, c := newWorld(), config()
	c.Timing.WitnessInterval = 30 * time.Second // in every round: when else is left to chance
	c.Watches[0].Types = []monitor.Type{monitor.TypeA}
	c.Watches = append(c.Watches, monitor.Watch{Name: sftpA.Name, Types: []monitor.Type{monitor.TypeA}, TLS: monitor.TLSExpect{Off: true}})
	w.zone[sftpA] = []string{"203.0.113.50"}
	for i, e := range []string{"cloudflare/dot", "google/dot", "quad9/dot"} {
		w.answer(sftpA, []string{"203.0.113.6" + string(rune('0'+i))}, e)
	}
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		show := func(name string, e monitor.Explanation, verbose bool) {
			t.Helper()
			var b strings.Builder
			if err := report.Explain(&b, e, verbose); err != nil {
				t.Fatal(err)
			}
			golden(t, "explain_"+name, b.String())
		}
		// minutes lets time pass with a round in each minute.
		minutes := func(n int) {
			t.Helper()
			for range n {
				time.Sleep(time.Minute)
				if _, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof); err != nil {
					t.Fatal(err)
				}
			}
		}
		verify(t, m, c)
		show("clean", explain(t, m, apiA.Name), false)
		show("clean_verbose", explain(t, m, apiA.Name), true)
		show("unknown", explain(t, m, sftpA.Name), false)

		w.answer(apiA, []string{falseAddr}, plain...)
		time.Sleep(12 * time.Minute)
		verify(t, m, c)
		e := explain(t, m, apiA.Name)
		show("alert", e, false)
		show("alert_verbose", e, true)

		raw, err := m.Explain(t.Context(), apiA.Name)
		if err != nil {
			t.Fatal(err)
		}
		id := raw.Alerts[0].ID
		if _, err := m.Act(t.Context(), id, monitor.Acknowledge, monitor.Note{UID: 1000, Comment: "ticket 4711,\nAna looks"}); err != nil {
			t.Fatal(err)
		}
		show("acknowledged", explain(t, m, apiA.Name), false)

		w.honest()
		time.Sleep(7 * time.Second) // off the beat of the open case
		if _, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof); err != nil {
			t.Fatal(err)
		}
		show("one_good_round", explain(t, m, apiA.Name), false)
		minutes(4)
		show("clean_again", explain(t, m, apiA.Name), false)
		minutes(17)
		show("over", explain(t, m, id), false)

		if _, err := m.Act(t.Context(), id, monitor.Resolve, monitor.Note{UID: 1000}); err != nil {
			t.Fatal(err)
		}
		closed := explain(t, m, id).Alerts[0]
		closed.Verdict = monitor.Poisoned // as when somebody closes it too soon
		show("closed", monitor.Explanation{Alerts: []monitor.Alert{closed}}, false)
	})
}

// TestExplainSuspect shows what is held against this host's resolver without
// proof, and against a witness while the name is clean.
func TestExplainSuspect(t *testing.T) {
	tests := []struct {
		name  string
		liars []string
	}{
		{"suspect", []string{"system/udp"}},
		{"lying_witness", []string{"google/dot", "google/udp"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, c := newWorld(), config()
			c.Watches[0].Types = []monitor.Type{monitor.TypeA}
			c.References = append(c.References, resolver("delta", "9.9.9.99", monitor.Reference, monitor.DoT))
			w.answer(apiA, []string{falseAddr}, tt.liars...)
			run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
				verify(t, m, c)
				var b strings.Builder
				if err := report.Explain(&b, explain(t, m, apiA.Name), false); err != nil {
					t.Fatal(err)
				}
				golden(t, "explain_"+tt.name, b.String())
			})
		})
	}
}

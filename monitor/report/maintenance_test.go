package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// TestMaintenance shows that a planned change of a name is under way, also beside
// an alert about it.
func TestMaintenance(t *testing.T) {
	w, c := newWorld(), config()
	c.Watches[0].Types = []monitor.Type{monitor.TypeA}
	c.Watches[0].Maintenance = []monitor.Window{{From: begin.Add(-time.Hour), Until: begin.Add(5 * time.Hour), Reason: "move to the new provider"}}
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		verify(t, m, c)
		showStatus(t, "maintenance", status(t, m))
		w.answer(apiA, []string{falseAddr}, plain...)
		time.Sleep(12 * time.Minute)
		verify(t, m, c)
		var b strings.Builder
		if err := report.Explain(&b, explain(t, m, apiA.Name), false); err != nil {
			t.Fatal(err)
		}
		golden(t, "explain_maintenance", b.String())
	})
}

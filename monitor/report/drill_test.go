package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// TestDrill shows a drill beside the real alert of the same name and kind: the
// one is marked wherever it is, and the other never is.
func TestDrill(t *testing.T) {
	w, c := newWorld(), config()
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		verify(t, m, c)
		d, err := m.Drill(t.Context(), monitor.DrillOrder{Name: apiA.Name, Kind: monitor.PathRewritten, ResolveAfter: time.Hour, UID: 1000})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // or their ids would begin alike
		w.answer(apiA, []string{falseAddr}, plain...)
		verify(t, m, c)
		showStatus(t, "drill", status(t, m))
		var b strings.Builder
		if err := report.Explain(&b, explain(t, m, d.ID), false); err != nil {
			t.Fatal(err)
		}
		if err := report.Alerts(&b, explain(t, m, d.ID).Alerts); err != nil {
			t.Fatal(err)
		}
		golden(t, "explain_drill", b.String())
		if n := strings.Count(b.String(), "DRILL DRILL") + strings.Count(b.String(), "DRILL  DRILL"); n > 0 {
			t.Errorf("marked twice:\n%s", b.String())
		}
	})
}

// TestStatusHealthDetail says of a condition what others saw, and nothing twice.
func TestStatusHealthDetail(t *testing.T) {
	s := monitor.Status{Host: "app-17.fra1", Version: "0.1.0", At: begin, Started: begin.Add(-time.Hour)}
	s.Store.SetAside = "dnstaster.db.corrupt-20261120T030640Z"
	s.Health = []monitor.HealthStatus{
		{Health: monitor.Health{Condition: monitor.StoreSetAside, Title: "A damaged store was set aside", Text: "Look.", Detail: s.Store.SetAside}, Since: begin.Add(-time.Minute)},
		{Health: monitor.Health{Condition: monitor.WebhookFailing, Title: "A webhook delivers nothing", Text: "Alerts wait.", Detail: "ops: 502 Bad\x1bGateway"}, Since: begin.Add(-time.Minute)},
	}
	showStatus(t, "health_detail", s)
}

package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// TestIncident shows an alert that stands for many names, and one of those.
func TestIncident(t *testing.T) {
	w, c := newWorld(), config()
	c.Watches = nil
	for i := range 7 {
		q := monitor.Question{Name: fmt.Sprintf("api%d.partner.example.", i), Type: monitor.TypeA}
		c.Watches = append(c.Watches, monitor.Watch{
			Name: q.Name, Types: []monitor.Type{q.Type}, Owner: []string{"payments", "billing"}[i%2], SecretNames: []string{fmt.Sprintf("KEY_%d", i%3)},
		})
		w.zone[q] = []string{trueAddr}
		w.answer(q, []string{falseAddr}, plain...)
	}
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		for _, x := range c.Watches {
			one := c
			one.Watches = []monitor.Watch{x}
			verify(t, m, one)
		}
		time.Sleep(time.Minute)
		showStatus(t, "incident", status(t, m))
		s, err := m.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var id string
		for _, a := range s.Alerts {
			if a.Names > 0 {
				id = a.ID
			}
		}
		incident, name := explain(t, m, id), explain(t, m, "api6.partner.example.")
		for what, e := range map[string]monitor.Explanation{"incident": incident, "incident_name": name} {
			for i := range e.Alerts {
				if e.Alerts[i].Incident != "" {
					e.Alerts[i].Incident = fixedID(e.Alerts[i].Incident)
				}
			}
			var b strings.Builder
			if err := report.Explain(&b, e, false); err != nil {
				t.Fatal(err)
			}
			golden(t, "explain_"+what, b.String())
		}
		var b strings.Builder
		if err := report.Alerts(&b, append(incident.Alerts, name.Alerts...)); err != nil {
			t.Fatal(err)
		}
		golden(t, "alerts_incident", b.String())
	})
}

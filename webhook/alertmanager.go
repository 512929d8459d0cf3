package webhook

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Names of alerts at Alertmanager, the label alertname.
const (
	alertPoisoning = "DnstasterAlert"
	alertHealth    = "DnstasterHealth"
	alertTest      = "DnstasterTest"
)

const (
	// alertsPath is where Alertmanager takes alerts.
	alertsPath = "/api/v2/alerts"
	// testLasts is how long a test fires.
	testLasts = time.Minute
	// maxAnnotation bounds one annotation in bytes.
	maxAnnotation = 4000
	// maxLabel bounds the value of a label in bytes.
	maxLabel = 300
)

// postable is an alert as Alertmanager takes it.
type postable struct {
	Labels      map[string]string `json:"labels"` // its identity
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt,omitzero"`
	EndsAt      time.Time         `json:"endsAt,omitzero"` // zero while it fires
}

// target gives the URL that is posted to: as it is, or for Alertmanager, that of
// its alerts where only the server, or a prefix, is given.
func (c Config) target() *url.URL {
	u := c.URL.parse()
	if c.Format == Alertmanager && u.Host != "" && !strings.HasSuffix(strings.TrimRight(u.Path, "/"), alertsPath) {
		u = u.JoinPath(alertsPath)
	}
	return u
}

// alertmanagerBody is the body for a test. What stands is not sent by events:
// see [Sender.mirror].
func alertmanagerBody(c Config, e monitor.Event) []byte {
	if e.Type != monitor.WebhookTest {
		return []byte("[]")
	}
	p := c.own(alertTest, "info")
	p.Labels["endpoint"] = c.Name
	p.Annotations = annotations(map[string]string{"summary": "A test of the webhook " + c.Name + ". Nothing happened."})
	p.StartsAt, p.EndsAt = e.At, e.At.Add(testLasts)
	body, _ := json.Marshal([]postable{p.tidied()})
	return body
}

// own begins an alert that is about this daemon.
func (c Config) own(name, severity string) postable {
	p := postable{Labels: map[string]string{}}
	p.label(c.Labels, map[string]string{"alertname": name, "severity": severity, "host": c.Host})
	return p
}

// alertOf gives an alert of ours. Nothing that changes in the life of an alert
// is among the labels but kind and severity, which routes need, and which rise
// seldom.
func alertOf(a monitor.Alert) postable {
	p := postable{Labels: map[string]string{}, StartsAt: a.OpenedAt}
	own := map[string]string{
		"alertname": alertPoisoning, "severity": urgency(a.Severity), "kind": string(a.Kind), "name": strings.TrimSuffix(a.Name, "."),
		"host": a.Host, "owner": a.Owner, "key": a.Key, // two resolvers may lie about one name
	}
	if a.Drill {
		own["drill"] = "true"
	}
	p.label(a.Labels, own)
	summary := a.Summary
	if a.Drill {
		summary = "DRILL " + summary
	}
	lines := []string{a.Text}
	for _, g := range a.Guidance {
		lines = append(lines, "- "+g)
	}
	note := ""
	if a.Note != nil {
		note = a.Note.Comment
	}
	p.Annotations = annotations(map[string]string{
		"summary": summary, "description": strings.Join(lines, "\n"), "runbook_url": a.RunbookURL, "id": a.ID, "type": a.Type.String(),
		"severity": a.Severity.String(), "confidence": a.Confidence.String(), "verdict": string(a.Verdict), "state": string(a.State), "note": note,
		"resolver": a.Resolver, "observed": strings.Join(a.Observed, ", "), "expected": strings.Join(a.Expected, ", "),
		"names": strings.Join(a.Names, ", "), "owners": strings.Join(a.Owners, ", "), "incident": a.Incident,
		"secret_names": strings.Join(a.Exposure.SecretNames, ", "), "leak": string(a.Exposure.Leak),
	})
	if a.State == monitor.Resolved && a.ResolvedAt != nil {
		p.end(*a.ResolvedAt)
	}
	return p.tidied()
}

// conditionOf gives a condition of this daemon, which holds since then.
func (c Config) conditionOf(h monitor.Health, since time.Time) postable {
	severity := "warning"
	if h.Severity == "critical" {
		severity = "critical"
	}
	p := c.own(alertHealth, severity)
	p.Labels["condition"] = h.Condition
	p.StartsAt = since
	p.Annotations = annotations(map[string]string{"summary": h.Title, "description": h.Text})
	return p.tidied()
}

// urgency gives a severity in the three words that routes know: only critical
// wakes somebody.
func urgency(s monitor.Severity) string {
	switch s {
	case monitor.Critical:
		return "critical"
	case monitor.Low:
		return "info"
	}
	return "warning"
}

// end says when it ended. Alertmanager refuses an end before the beginning,
// which a clock that was set back makes.
func (p *postable) end(at time.Time) {
	p.EndsAt = at
	if at.Before(p.StartsAt) {
		p.StartsAt = at
	}
}

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// label sets labels: the external ones, and then our own, which win.
func (p *postable) label(external, own map[string]string) {
	for name, value := range external {
		name = unfit.ReplaceAllString(name, "_")
		if name == "" || name[0] >= '0' && name[0] <= '9' {
			name = "_" + name
		}
		p.Labels[name] = value
	}
	maps.Copy(p.Labels, own)
}

// tidied leaves out labels that are empty, which Alertmanager does too, and cuts
// those that are too long.
func (p postable) tidied() postable {
	for name, value := range p.Labels {
		value = cutString(strings.ToValidUTF8(value, "?"), maxLabel)
		p.Labels[name] = value
		if value == "" {
			delete(p.Labels, name)
		}
	}
	return p
}

// annotations leaves out those that are empty, and cuts those that are too long.
func annotations(as map[string]string) map[string]string {
	for name, value := range as {
		value = cutString(strings.ToValidUTF8(value, "?"), maxAnnotation)
		as[name] = value
		if value == "" {
			delete(as, name)
		}
	}
	return as
}

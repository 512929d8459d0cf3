package monitor

import (
	"encoding/json"
	"time"
)

// Event types. Those under alert and health go to webhooks.
const (
	AlertOpened       = "alert.opened"
	AlertUpdated      = "alert.updated" // another kind, confidence or severity, more names; not repeated otherwise
	AlertResolved     = "alert.resolved"
	AlertAcknowledged = "alert.acknowledged"
	AlertSilenced     = "alert.silenced"
	VerdictChanged    = "verdict.changed"
	Noticed           = "change.noticed" // something that is worth knowing, and calls nobody
	HealthDegraded    = "health.degraded"
	HealthRestored    = "health.restored"
	WebhookTest       = "webhook.test"
	Heartbeat         = "heartbeat" // not in the log; see Pulse
)

// Event is one thing that happened, in the order it was committed. The log of
// events is at once audit trail, live feed and the outbox of every webhook.
type Event struct {
	Seq   uint64          `json:"seq"` // given by the store, from 1, without gaps
	At    time.Time       `json:"at"`
	Type  string          `json:"type"`
	Data  json.RawMessage `json:"data"`            // an Alert, a Change, a Notice or a Health, by Type
	Alert string          `json:"alert,omitempty"` // the alert's id, where it is about one

	// Incident is the id of the alert of which webhooks are told instead.
	Incident string `json:"incident,omitempty"`
}

// Change is the data of verdict.changed.
type Change struct {
	Name  string  `json:"name"`
	Type  Type    `json:"type"`
	From  Verdict `json:"from"`
	To    Verdict `json:"to"`
	Cause Cause   `json:"cause,omitempty"`
	Fact  string  `json:"fact"`
}

// Notice is the data of a notice.
type Notice struct {
	Kind    Kind     `json:"kind"`
	Name    string   `json:"name"`
	Type    Type     `json:"type"`
	Reasons []Reason `json:"reasons"`
}

// Pulse is the data of a heartbeat: that the daemon is alive and how it fares.
// Whoever waits for it learns from its absence that nobody watches any more. It
// is made when it is sent, and is not an event of the log.
type Pulse struct {
	Host       string            `json:"host"`
	Labels     map[string]string `json:"labels"`
	Version    string            `json:"version"`
	Started    time.Time         `json:"started"`
	Health     string            `json:"health"` // ok, degraded
	Conditions []HealthStatus    `json:"conditions"`
	Verdicts   map[Verdict]int   `json:"verdicts"` // names by their worst verdict
	Alerts     int               `json:"alerts"`   // that are not resolved, without drills
}

// Health is the data of health.degraded and health.restored.
type Health struct {
	Condition string `json:"condition"`
	Severity  string `json:"severity"`
	Title     string `json:"title"`
	Text      string `json:"text"`
	Detail    string `json:"detail,omitempty"` // what of it, such as which endpoint
}

package monitor

import (
	"encoding/json"
	"net/netip"
	"time"
)

// State is where an alert stands in its life.
type State string

// The states. Acknowledged and silenced alerts are still open: they only no
// longer call for anybody.
const (
	Open         State = "open"
	Acknowledged State = "acknowledged"
	Silenced     State = "silenced"
	Resolved     State = "resolved"
)

// Leak is how likely a secret reached somebody else.
type Leak string

// The leaks. A client that checks certificates refuses a false server before
// it sends anything.
const (
	LeakNo         Leak = "no"
	LeakUnchecked  Leak = "only_without_certificate_check"
	LeakIfHijacked Leak = "likely_if_hijacked"
)

// AlertSchema is the schema of an Alert in JSON; it rises only on a change
// that breaks readers.
const AlertSchema = "dnstaster.alert/v1"

// Exposure is what a lie may have cost.
type Exposure struct {
	From        time.Time  `json:"from,omitzero"` // first answer held to be false
	Until       *time.Time `json:"until"`         // when the last such answer leaves every cache; null while it goes on
	SecretNames []string   `json:"secret_names"`
	Leak        Leak       `json:"leak"`
	Clients     []string   `json:"clients"`
	Units       []string   `json:"units"`
}

// Transaction is one query on the wire with the frames that belong to it.
type Transaction struct {
	File   string         `json:"file,omitempty"`
	Time   time.Time      `json:"time"`
	Client netip.AddrPort `json:"client"`
	Server netip.AddrPort `json:"server"`
	TXID   uint16         `json:"txid"`
	Name   string         `json:"name"`
	Type   Type           `json:"type"`
	Frames []int          `json:"frames"` // 1-based record numbers in the file
}

// Alert is one thing that happened, from its first sign to its end. Key stays
// the same for as long as it is the same thing, also when it turns out to be of
// another kind.
type Alert struct {
	ID           string            `json:"id"` // ULID
	Key          string            `json:"key"`
	GroupKey     string            `json:"group_key"`
	Host         string            `json:"host"`
	Labels       map[string]string `json:"labels"`
	Kind         Kind              `json:"kind"`
	Severity     Severity          `json:"severity"`
	Confidence   Confidence        `json:"confidence"`
	Verdict      Verdict           `json:"verdict"`
	State        State             `json:"state"`
	Name         string            `json:"name"`
	Type         Type              `json:"type"`
	Attribution  Attribution       `json:"attribution"`
	Resolver     string            `json:"resolver"`
	Owner        string            `json:"owner"`
	Summary      string            `json:"summary"`
	Text         string            `json:"text"`
	Expected     []string          `json:"expected"`
	Observed     []string          `json:"observed"`
	Reasons      []Reason          `json:"reasons"`
	Against      []string          `json:"against"`
	WouldChange  string            `json:"would_change"`
	Evidence     []Evidence        `json:"evidence"`
	Voices       []Voice           `json:"voices,omitempty"`  // who said what, by which the lie is attributed
	Because      string            `json:"because,omitempty"` // why it is attributed so, in a line
	Transactions []Transaction     `json:"transactions"`
	Exposure     Exposure          `json:"exposure"`
	Guidance     []string          `json:"guidance"`
	RunbookURL   string            `json:"runbook_url"`
	References   []string          `json:"references"`
	OpenedAt     time.Time         `json:"opened_at"`
	LastSeenAt   time.Time         `json:"last_seen_at"`
	ResolvedAt   *time.Time        `json:"resolved_at"`
	Count        int               `json:"count"` // observations that showed it
	Flaps        int               `json:"flaps,omitempty"`
	Note         *Note             `json:"note,omitempty"`
	Drill        bool              `json:"drill,omitempty"`
	Names        []string          `json:"names,omitempty"`    // of an incident: all that it stands for, sorted
	Owners       []string          `json:"owners,omitempty"`   // of an incident: those of its names, sorted
	Incident     string            `json:"incident,omitempty"` // id of the one that the alert belongs to
	Untold       bool              `json:"untold,omitempty"`   // receivers hear of it by its incident alone
	Truncated    bool              `json:"truncated,omitempty"`
}

// Note is what a person said of an alert.
type Note struct {
	At      time.Time  `json:"at"`
	UID     int        `json:"uid"` // of the peer on the control socket
	Comment string     `json:"comment,omitempty"`
	Until   *time.Time `json:"until,omitempty"` // of a silence
}

type alertFields Alert

// MarshalJSON adds the schema, and writes lists that are empty as such.
func (a Alert) MarshalJSON() ([]byte, error) {
	f := alertFields(a)
	f.Expected, f.Observed, f.Against = list(f.Expected), list(f.Observed), list(f.Against)
	f.Reasons, f.Evidence, f.Guidance, f.References = list(f.Reasons), list(f.Evidence), list(f.Guidance), list(f.References)
	f.Transactions = list(f.Transactions)
	f.Exposure.SecretNames = list(f.Exposure.SecretNames)
	f.Exposure.Clients, f.Exposure.Units = list(f.Exposure.Clients), list(f.Exposure.Units)
	if f.Labels == nil {
		f.Labels = map[string]string{}
	}
	return json.Marshal(struct {
		Schema string `json:"schema"`
		alertFields
	}{AlertSchema, f})
}

// list gives s, or an empty list where s is nil: JSON readers expect [] rather than null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

package monitor

import (
	"encoding/json"
	"net/netip"
	"time"
)

// ReportSchema is the schema of a Report in JSON; it rises only on a change
// that breaks readers.
const ReportSchema = "dnstaster.report/v1"

// Report is the outcome of a check, a verification or a replay.
type Report struct {
	GeneratedAt time.Time   `json:"generated_at"`
	Verdict     Verdict     `json:"verdict"` // the worst of all
	Watches     []Judgement `json:"watches"`
	Alerts      []Alert     `json:"alerts"`
	Stats       Stats       `json:"stats"`
	Score       *Score      `json:"score,omitempty"` // where it was asked for
}

// Stats counts what went into a report.
type Stats struct {
	Packets      uint64 `json:"packets"` // records read
	Queries      uint64 `json:"queries"`
	Responses    uint64 `json:"responses"`
	Transactions uint64 `json:"transactions"` // distinct queries seen
	Flagged      uint64 `json:"flagged"`      // those of them that the alerts show
	TCP          uint64 `json:"tcp"`          // messages over TCP
	VLAN         uint64 `json:"vlan"`         // packets that carry a VLAN tag
	Undecodable  uint64 `json:"undecodable"`
	Dropped      uint64 `json:"dropped"`
}

// Flagged counts the transactions that the alerts show, each once.
func (r Report) Flagged() uint64 {
	type key struct {
		file           string
		at             int64
		client, server netip.AddrPort
		id             uint16
		question       Question
	}
	seen := map[key]bool{}
	for _, a := range r.Alerts {
		for _, t := range a.Transactions {
			seen[key{t.File, t.Time.UnixNano(), t.Client, t.Server, t.TXID, Question{t.Name, t.Type}}] = true
		}
	}
	return uint64(len(seen))
}

// NewReport sums up judgements: the verdict is the worst of them, and unknown
// where there is none.
func NewReport(at time.Time, js []Judgement, alerts []Alert) Report {
	r := Report{GeneratedAt: at, Verdict: Unknown, Watches: js, Alerts: alerts}
	for i, j := range js {
		if i == 0 {
			r.Verdict = j.Verdict
		}
		r.Verdict = r.Verdict.Worse(j.Verdict)
	}
	return r
}

type reportFields Report

// MarshalJSON adds the schema, and writes lists that are empty as such.
func (r Report) MarshalJSON() ([]byte, error) {
	f := reportFields(r)
	f.Watches, f.Alerts = list(f.Watches), list(f.Alerts)
	return json.Marshal(struct {
		Schema string `json:"schema"`
		reportFields
	}{ReportSchema, f})
}

type judgementFields Judgement

// MarshalJSON writes lists that are empty as such.
func (j Judgement) MarshalJSON() ([]byte, error) {
	f := judgementFields(j)
	f.Reasons, f.Against, f.Answers = list(f.Reasons), list(f.Against), list(f.Answers)
	return json.Marshal(f)
}

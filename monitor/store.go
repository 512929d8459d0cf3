package monitor

import (
	"context"
	"time"
)

// Interval is a run of equal answers of one endpoint to one question: what
// history keeps in place of single polls. One that was overheard is every time that
// the answer was: others may have come in between. A store adds what it is given of
// it to what it has.
type Interval struct {
	Question  Question  `json:"question"`
	Resolver  string    `json:"resolver"` // Observation.Label
	Transport Transport `json:"transport"`
	Rcode     string    `json:"rcode"`
	Error     string    `json:"error,omitempty"`
	Records   []Record  `json:"records"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Count     int       `json:"count"`
	TTLMin    uint32    `json:"ttl_min"`
	TTLMax    uint32    `json:"ttl_max"`
	Verdict   Verdict   `json:"verdict"`       // of the question when it began
	Via       Via       `json:"via,omitempty"` // Wire where it was overheard; empty where it was asked for
}

// Series names the endpoint and question that the interval belongs to. It
// orders by name, then type.
func (i Interval) Series() string {
	return i.Question.Name + "\x00" + i.Question.Type.String() + "\x00" + i.Resolver + "\x00" + string(i.Transport)
}

// Batch is what one commit writes: all of it or nothing. Within a batch, a
// later Interval of the same series and First replaces an earlier one.
type Batch struct {
	Intervals []Interval
	Strangers []Stranger // what was overheard of names that nobody watches; adds to what the store holds
	Baselines []Baseline
	Alerts    []Alert  // by ID; replaces what the store holds
	Proofs    []Proofs // by alert; replaces what the store holds
	Events    []Event  // in order; the store sets Seq
}

// Proofs are the samples that an alert rests on, oldest first: whoever judges
// them again comes to the same. The first carries what history and the watch
// said then.
type Proofs struct {
	Alert   string // its ID
	Samples []Sample
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool {
	return len(b.Strangers)+len(b.Intervals)+len(b.Baselines)+len(b.Alerts)+len(b.Proofs)+len(b.Events) == 0
}

// Store remembers. Its methods may be called from several goroutines; values
// given to them are not kept, and those that they return belong to the caller.
type Store interface {
	// Commit writes b atomically and durably, and sets Seq of its events.
	Commit(ctx context.Context, b *Batch) error
	// Baselines reads what is known of every name.
	Baselines(ctx context.Context) ([]Baseline, error)
	// Alerts reads those that are not resolved, and those resolved after since.
	Alerts(ctx context.Context, since time.Time) ([]Alert, error)
}

// HistoryQuery selects intervals.
type HistoryQuery struct {
	Name     string // in the form of ParseName
	Type     Type   // 0 for all
	Resolver string // Observation.Label; empty for all
	Via      Via    // Probe for what was asked for, Wire for what was overheard; empty for both
	Since    time.Time
	Until    time.Time
	Limit    int // of intervals, the newest first; a store has a bound of its own
}

package webhook

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// keptDead is how many dead events are listed; all are counted and logged.
const keptDead = 16

// Stats is how an endpoint fares since the Sender was made.
type Stats struct {
	Endpoint    string              `json:"endpoint"`
	Delivered   uint64              `json:"delivered"`
	Failed      map[Reaction]uint64 `json:"failed"`  // tries
	Dead        uint64              `json:"dead"`    // events given up
	Missed      uint64              `json:"missed"`  // events that the log no longer held
	Cursor      uint64              `json:"cursor"`  // sequence number of the last event that is done with
	Pending     uint64              `json:"pending"` // events after the cursor, wanted or not
	Disabled    bool                `json:"disabled"`
	Heartbeats  uint64              `json:"heartbeats,omitempty"` // that the endpoint took
	LastSuccess time.Time           `json:"last_success,omitzero"`
	LastFailure time.Time           `json:"last_failure,omitzero"`
	LastError   string              `json:"last_error,omitempty"` // of LastFailure; fit to be shown
	NextTry     time.Time           `json:"next_try,omitzero"`    // zero unless the endpoint is failing
	LastDead    []Dead              `json:"last_dead,omitempty"`  // the latest at the end
}

// Dead is an event that was given up.
type Dead struct {
	ID    string    `json:"id"` // webhook-id
	Type  string    `json:"type"`
	Alert string    `json:"alert,omitempty"`
	At    time.Time `json:"at"` // of the event
	Error string    `json:"error"`
}

// tally holds the Stats of a Sender; Run writes it, anybody reads it.
type tally struct {
	mu      sync.Mutex
	stats   Stats // guarded by mu
	started bool  // guarded by mu; the cursor is known
}

// snapshot gives a copy, with what is pending in a log that ends at last.
func (t *tally) snapshot(last uint64) Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.Failed = maps.Clone(s.Failed)
	s.LastDead = slices.Clone(s.LastDead)
	if t.started {
		s.Pending = last - min(s.Cursor, last)
	}
	return s
}

func (t *tally) moved(cursor uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Cursor, t.started = cursor, true
}

func (t *tally) missed(n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Missed += n
}

func (t *tally) delivered(now time.Time, n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Delivered += n
	t.stats.LastSuccess = now
	t.stats.NextTry = time.Time{}
}

func (t *tally) beat(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Heartbeats++
	t.stats.LastSuccess = now
	t.stats.NextTry = time.Time{}
}

func (t *tally) failed(a attempt, now, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Failed[a.reaction]++
	t.stats.LastFailure = now
	t.stats.LastError = a.err
	t.stats.NextTry = next
	t.stats.Disabled = a.reaction == Gone
}

func (t *tally) buried(id string, e monitor.Event, a attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Dead++
	t.stats.LastDead = append(t.stats.LastDead, Dead{ID: id, Type: e.Type, Alert: e.Alert, At: e.At, Error: a.err})
	if extra := len(t.stats.LastDead) - keptDead; extra > 0 {
		t.stats.LastDead = slices.Delete(t.stats.LastDead, 0, extra)
	}
}

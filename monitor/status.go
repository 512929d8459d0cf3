package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// StatusSchema is the schema of a Status in JSON.
const StatusSchema = "dnstaster.status/v1"

// Status is how the daemon and everything that it watches is doing.
type Status struct {
	Schema    string            `json:"schema"`
	At        time.Time         `json:"at"`
	Host      string            `json:"host"`
	Labels    map[string]string `json:"labels"`
	Version   string            `json:"version"`
	Started   time.Time         `json:"started"`
	Verdicts  map[Verdict]int   `json:"verdicts"` // names by their worst verdict
	Watches   []WatchStatus     `json:"watches"`
	Alerts    []AlertLine       `json:"alerts"` // those that are not resolved
	Resolvers []ResolverStatus  `json:"resolvers"`
	Health    []HealthStatus    `json:"health"`
	Counts    Counts            `json:"counts"`

	// What follows is filled in by whoever runs the monitor beside other parts.
	Config   ConfigStatus    `json:"config,omitzero"`
	Store    StoreStatus     `json:"store,omitzero"`
	Webhooks []WebhookStatus `json:"webhooks"`
	Wire     WireStatus      `json:"wire,omitzero"`
	Dnstap   DnstapStatus    `json:"dnstap,omitzero"` // zero where there is no socket for it
}

// ConfigStatus is the configuration in use.
type ConfigStatus struct {
	Path   string    `json:"path"`
	Loaded time.Time `json:"loaded"`
	Error  string    `json:"error,omitempty"` // of a newer one that was refused
}

// StoreStatus is how the store is doing.
type StoreStatus struct {
	Bytes      int64     `json:"bytes"`
	Events     uint64    `json:"events"`
	LastCommit time.Time `json:"last_commit,omitzero"`
	SetAside   string    `json:"set_aside,omitempty"` // a damaged file that was replaced
}

// WebhookStatus is how one endpoint is doing.
type WebhookStatus struct {
	Name        string    `json:"name"`
	Delivered   uint64    `json:"delivered"`
	Pending     uint64    `json:"pending"`
	Dead        uint64    `json:"dead"`
	Cursor      uint64    `json:"cursor"` // number of the last event that is done with
	Disabled    bool      `json:"disabled,omitempty"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	Error       string    `json:"error,omitempty"` // while it fails
}

// WireStatus is how listening goes. Without interfaces nothing is heard: Error
// says why, and is empty where that is meant.
type WireStatus struct {
	Interfaces   []string `json:"interfaces"`
	Promiscuous  bool     `json:"promiscuous,omitempty"` // frames to others are heard too
	Rings        int      `json:"rings,omitempty"`       // of each interface, where there is more than one
	Packets      uint64   `json:"packets"`
	Queries      uint64   `json:"queries"`
	Responses    uint64   `json:"responses"`
	Transactions uint64   `json:"transactions"`
	Undecodable  uint64   `json:"undecodable"`
	Lost         uint64   `json:"lost"`  // packets, by the kernel
	Blind        uint64   `json:"blind"` // transactions or packets that the table or memory had no room for

	// How the table of open transactions gets along. While it is full, transactions
	// end early, and Hold is how long after their answer; within a second of it they
	// are Blind.
	Open      int          `json:"open"`
	Room      int          `json:"room"`
	Hold      Milliseconds `json:"hold_ms"`
	Shortened uint64       `json:"shortened"`

	Withheld uint64 `json:"withheld"` // answers for watched names, beyond what the judge is given in a flood
	Strays   uint64 `json:"strays"`   // responses to an open port, with an id that was not asked with
	Unkept   uint64 `json:"unkept"`   // responses to names that are not watched, for which passive DNS had no room
	Error    string `json:"error,omitempty"`
}

// DnstapStatus is how hearing resolvers goes that tell what they do.
type DnstapStatus struct {
	Socket      string `json:"socket"`
	Senders     int    `json:"senders"` // that are connected now
	Queries     uint64 `json:"queries"`
	Responses   uint64 `json:"responses"`
	Undecodable uint64 `json:"undecodable"`
	Failed      uint64 `json:"failed"`  // connections that ended for what came over them
	Refused     uint64 `json:"refused"` // connections that there was no room for
}

// WatchStatus is one name in a Status.
type WatchStatus struct {
	Name    string           `json:"name"`
	Verdict Verdict          `json:"verdict"` // the worst of its types
	Types   []QuestionStatus `json:"types"`
	Owner   string           `json:"owner,omitempty"`

	Maintenance *Window `json:"maintenance,omitempty"` // a planned change that is under way
}

// QuestionStatus is one type of a name in a Status.
type QuestionStatus struct {
	Type     Type      `json:"type"`
	Verdict  Verdict   `json:"verdict"`
	Cause    Cause     `json:"cause,omitempty"`
	Cure     string    `json:"cure,omitempty"`
	Kind     Kind      `json:"kind,omitempty"`
	Proof    string    `json:"proof,omitempty"`
	Checking bool      `json:"checking,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Answered time.Time `json:"answered,omitzero"`  // when this host's own path last answered
	LastGood time.Time `json:"last_good,omitzero"` // when it last gave an answer that was ruled clean
}

// AlertLine is an alert in one line.
type AlertLine struct {
	ID         string     `json:"id"`
	Kind       Kind       `json:"kind"`
	Severity   Severity   `json:"severity"`
	Confidence Confidence `json:"confidence"`
	State      State      `json:"state"`
	Name       string     `json:"name"`
	Resolver   string     `json:"resolver"`
	Summary    string     `json:"summary"`
	OpenedAt   time.Time  `json:"opened_at"`
	Drill      bool       `json:"drill,omitempty"`
	Names      int        `json:"names,omitempty"`    // of an incident: how many it stands for
	Incident   string     `json:"incident,omitempty"` // id of the one that it belongs to
}

// Status takes a snapshot. Version and the other parts are left to the caller.
func (m *Monitor) Status(ctx context.Context) (Status, error) {
	var s Status
	err := m.do(ctx, func() {
		s = Status{
			Schema: StatusSchema, At: m.cfg.Now(), Host: m.cfg.Host, Labels: m.cfg.Labels, Started: m.started,
			Verdicts: map[Verdict]int{}, Watches: []WatchStatus{}, Alerts: []AlertLine{},
			Resolvers: m.resolverStatus(), Health: m.healthStatus(), Counts: m.counts, Webhooks: []WebhookStatus{},
		}
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		s.Counts.Transitions = maps.Clone(m.counts.Transitions)
		s.Counts.Dropped = m.dropped.Load()
		for _, w := range m.order {
			ws := WatchStatus{Name: w.watch.Name, Verdict: Clean, Owner: w.watch.Owner, Maintenance: w.watch.Maintained(s.At)}
			for _, q := range w.questions {
				j := q.judgement()
				ws.Verdict = ws.Verdict.Worse(j.Verdict)
				ws.Types = append(ws.Types, QuestionStatus{
					Type: q.q.Type, Verdict: j.Verdict, Cause: j.Cause, Cure: j.Cure, Kind: j.Kind, Proof: j.Proof,
					Checking: j.Checking, Since: j.Since, Answered: q.answered, LastGood: q.lastGood,
				})
			}
			s.Verdicts[ws.Verdict]++
			s.Watches = append(s.Watches, ws)
		}
		for _, l := range m.alerts {
			if a := l.alert; a.State != Resolved {
				s.Alerts = append(s.Alerts, AlertLine{a.ID, a.Kind, a.Severity, a.Confidence, a.State, a.Name, a.Resolver, a.Summary, a.OpenedAt, a.Drill, len(a.Names), a.Incident})
			}
		}
	})
	slices.SortFunc(s.Watches, func(a, b WatchStatus) int {
		return cmp.Or(cmp.Compare(b.Verdict.Rank(), a.Verdict.Rank()), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(s.Alerts, func(a, b AlertLine) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.OpenedAt.Compare(b.OpenedAt))
	})
	return s, err
}

// ErrNotWatched is returned for a name that the configuration does not watch.
var ErrNotWatched = errors.New("not watched")

// ErrNoAlert is returned for an alert that is not known, or no longer.
var ErrNoAlert = errors.New("no such alert")

// Settle says how much a caller of Verify waits for.
type Settle bool

const (
	// FirstProof waits for a round, and for handshakes if an answer is not known.
	FirstProof Settle = false
	// WholePlan also waits for the plan of a case to run its course.
	WholePlan Settle = true
)

// Verify asks for a name anew and returns a judgement of each of its types, in
// the order of the watch, as soon as they are settled. When ctx ends first, it
// returns what is known so far together with the context's error.
func (m *Monitor) Verify(ctx context.Context, name string, settle Settle) ([]Judgement, error) {
	var s *subject
	var chans []chan Judgement
	var asked []*question // a reload may give the name others
	err := m.do(ctx, func() {
		if s = m.subjects[name]; s == nil {
			return
		}
		now := m.cfg.Now()
		asked = s.questions
		for _, q := range asked {
			ch := make(chan Judgement, 1)
			q.waiters = append(q.waiters, waiter{asked: now, whole: bool(settle), ch: ch})
			chans = append(chans, ch)
		}
		m.verify(s, now)
	})
	if err != nil {
		return nil, err
	}
	notWatched := fmt.Errorf("%s is %w", strings.TrimSuffix(name, "."), ErrNotWatched)
	if s == nil {
		return nil, notWatched
	}
	js := make([]Judgement, 0, len(chans))
	for i, ch := range chans {
		select {
		case j, ok := <-ch:
			if !ok {
				return js, notWatched // any more
			}
			js = append(js, j)
		case <-ctx.Done():
			err = ctx.Err()
			short, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			doErr := m.do(short, func() { js = append(js, m.unanswered(asked[i])) })
			cancel()
			if doErr != nil {
				return js, doErr
			}
		case <-m.done:
			return js, ErrStopped
		}
	}
	return js, err
}

// unanswered gives what is known of a question when the time for it is up. That
// nobody answered in all that time is another thing than not having asked.
func (m *Monitor) unanswered(q *question) Judgement {
	j := q.judgement()
	if q.ruling.At.IsZero() {
		j.Cause, j.Cure = CauseStale, CauseStale.Cure(strings.TrimSuffix(q.q.Name, "."))
	}
	return j
}

// Explanation is all that is known of a name or an alert.
type Explanation struct {
	Judgements []Judgement `json:"judgements"`
	Alerts     []Alert     `json:"alerts"`
}

// Explain gives every reason and fact for a name, in the form of ParseName, or
// for the alert with an id, which may be cut to its first characters.
func (m *Monitor) Explain(ctx context.Context, what string) (Explanation, error) {
	e := Explanation{Judgements: []Judgement{}, Alerts: []Alert{}}
	found := false
	err := m.do(ctx, func() {
		name := what
		if l := m.findAlert(what); l != nil {
			e.Alerts = append(e.Alerts, l.alert)
			name, found = l.alert.Name, true
		}
		s := m.subjects[name]
		if s == nil {
			return
		}
		for _, q := range s.questions {
			e.Judgements = append(e.Judgements, q.judgement())
		}
		if found {
			return
		}
		found = true
		for _, l := range m.alerts {
			if l.alert.Name == name && l.alert.State != Resolved && !l.alert.IsIncident() {
				e.Alerts = append(e.Alerts, l.alert)
			}
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("%s: %w, and no alert has that id", strings.TrimSuffix(what, "."), ErrNotWatched)
	}
	slices.SortFunc(e.Alerts, func(a, b Alert) int { return a.OpenedAt.Compare(b.OpenedAt) })
	return e, err
}

// ErrAction is returned for an action that cannot be carried out as asked.
var ErrAction = errors.New("cannot be done")

// shortID is how much of an alert's id a person must type at least. The first
// ten characters of a ULID are its time.
const shortID = 8

func (m *Monitor) findAlert(id string) *life {
	if len(id) < shortID {
		return nil
	}
	var found *life
	for _, l := range m.alerts {
		if strings.HasPrefix(l.alert.ID, strings.ToUpper(id)) {
			if found != nil {
				return nil
			}
			found = l
		}
	}
	return found
}

// Action is what a person does with an alert.
type Action string

// The actions.
const (
	Acknowledge Action = "ack"
	Silence     Action = "silence"
	Resolve     Action = "resolve"
)

// Act carries out an action on an alert and gives the alert as it is then.
// Nothing that a person does changes a verdict.
func (m *Monitor) Act(ctx context.Context, id string, action Action, n Note) (Alert, error) {
	var out Alert
	var failed error
	err := m.do(ctx, func() {
		l := m.findAlert(id)
		if l == nil {
			failed = fmt.Errorf("%s: %w", id, ErrNoAlert)
			return
		}
		now := m.cfg.Now()
		n.At = now
		kind := ""
		switch action {
		case Acknowledge:
			l.alert.State, kind = Acknowledged, AlertAcknowledged
		case Silence:
			if n.Until == nil || !n.Until.After(now) {
				failed = fmt.Errorf("silence %w: it needs an end in the future", ErrAction)
				return
			}
			l.alert.State, kind = Silenced, AlertSilenced
		case Resolve:
			l.alert.State, l.alert.ResolvedAt, kind = Resolved, &now, AlertResolved
			if l.alert.IsIncident() {
				m.closeWith(l, now)
			}
			l.quiet = now.Add(m.cfg.Timing.FlapQuiet)
		default:
			failed = fmt.Errorf("%q %w: there is ack, silence and resolve", action, ErrAction)
			return
		}
		l.alert.Note = &n
		m.log.Info("alert changed by hand", "id", l.alert.ID, "action", action, "uid", n.UID, "comment", n.Comment)
		m.putAlert(l.alert)
		incident := ""
		if l.alert.Untold {
			incident = l.alert.Incident
		}
		m.eventOf(Event{At: now, Type: kind, Alert: l.alert.ID, Incident: incident}, l.alert)
		out = l.alert
	})
	if err == nil {
		err = failed
	}
	return out, err
}

// Alive reports whether the goroutine of Run is at work: it answers a call
// within the time.
func (m *Monitor) Alive(within time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return m.do(ctx, func() {}) == nil
}

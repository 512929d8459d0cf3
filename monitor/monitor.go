package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Monitor asks, judges, remembers and raises alerts. One goroutine, that of
// Run, owns all of its state; every other method sends to it.
type Monitor struct {
	docket // its alerts belong to the goroutine of Run
	cfg    Config
	asker  Asker
	prover Prover
	store  Store // nil: nothing is remembered
	log    *slog.Logger

	samples chan Sample
	unknown chan []Stranger
	results chan result
	calls   chan func()
	stored  chan error
	done    chan struct{} // closed when Run has ended
	reload  sync.Mutex    // held while a configuration is taken over
	asks    chan struct{} // a slot for each question under way
	workers sync.WaitGroup
	dropped atomic.Uint64 // samples offered that found no room
	notes   notes
	moved   chan struct{} // of size 1: this host's resolvers may be others
	shifted chan struct{} // of size 1: the way to them may be another

	// What follows belongs to the goroutine of Run.
	subjects   map[string]*subject
	order      []*subject
	agenda     agenda
	batch      Batch
	writing    *Batch // the batch that is being committed
	storeErr   error
	systemErr  error
	current    []Resolver // this host's, when last looked at
	lastBeat   time.Time
	started    time.Time
	ctx        context.Context // of Run, for the work it starts
	counts     Counts
	health     health
	crowd      crowd
	diversions diversions
	inspection inspection
	transition transition
	proofs     proofQueue
	peers      map[string]*peer
	wakes      bucket               // of all names
	heeds      bucket               // of what is overheard about them
	hastened   time.Time            // when rounds were last brought forward, or will be
	resting    map[string]*Baseline // of names that a reload took off the list

	acquaintances map[string]acquaintance // by endpoint
}

// Counts are totals since the start.
type Counts struct {
	Rounds      uint64                `json:"rounds"`
	Late        uint64                `json:"late"`    // rounds that began more than a tenth of their interval late
	Samples     uint64                `json:"samples"` // judged
	Dropped     uint64                `json:"dropped"` // samples offered that found no room
	Cases       uint64                `json:"cases"`   // opened
	Proofs      uint64                `json:"proofs"`
	Overheard   uint64                `json:"overheard"` // samples from the wire, of watched names
	Conflicts   uint64                `json:"conflicts"` // of those, with answers that contradict each other
	Strangers   uint64                `json:"strangers"` // contradictions about names that are not watched
	Unheeded    uint64                `json:"unheeded"`  // of watched names, for which no question was to spare
	Unkept      uint64                `json:"unkept"`    // answers overheard that passive DNS had no room for
	Transitions map[Transition]uint64 `json:"transitions"`
}

// New makes a monitor that is started by Run. store may be nil.
func New(cfg Config, asker Asker, prover Prover, store Store, log *slog.Logger) (*Monitor, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxAsks == 0 {
		cfg.MaxAsks = defaultAsks
	}
	m := &Monitor{
		docket: docket{policy: cfg.policy(), alerts: map[string]*life{}},
		cfg:    cfg, asker: asker, prover: prover, store: store, log: log,
		samples: make(chan Sample, sampleQueue), unknown: make(chan []Stranger, strangerQueue), results: make(chan result), calls: make(chan func()),
		stored: make(chan error, 1), done: make(chan struct{}), asks: make(chan struct{}, cfg.MaxAsks),
		moved: make(chan struct{}, 1), shifted: make(chan struct{}, 1),
		diversions: diversions{}, subjects: map[string]*subject{}, peers: map[string]*peer{}, resting: map[string]*Baseline{},
		acquaintances: map[string]acquaintance{},
	}
	m.counts.Transitions = map[Transition]uint64{}
	for _, w := range cfg.Watches {
		s := newSubject(w)
		m.subjects[w.Name] = s
		m.order = append(m.order, s)
	}
	return m, nil
}

// Run works until ctx ends, and returns nil then. It returns early only when
// the store cannot be read.
func (m *Monitor) Run(ctx context.Context) error {
	defer close(m.done)
	work, cancel := context.WithCancel(ctx)
	m.ctx = work
	defer m.workers.Wait()
	defer cancel()
	m.started = m.cfg.Now()
	if err := m.load(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // it is to stop before it began
		}
		return err
	}
	m.schedule(m.started)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m.lastBeat = m.cfg.Now()
		if at, ok := m.agenda.next(); ok {
			timer.Reset(max(0, at.Sub(m.lastBeat)))
		}
		select {
		case <-ctx.Done():
			return m.finish()
		case <-timer.C:
			m.agenda.run(m.cfg.Now())
		case s := <-m.samples:
			m.takeSample(s)
		case ss := <-m.unknown:
			m.keepStrangers(ss)
		case r := <-m.results:
			m.takeResult(r)
		case call := <-m.calls:
			call()
		case <-m.moved:
			m.hasten(m.cfg.Now())
		case <-m.shifted:
			now := m.cfg.Now()
			m.changeNetwork(now, "the way to its resolvers")
			m.hasten(now)
		case err := <-m.stored:
			m.wrote(err)
		}
	}
}

// load reads what was known before.
func (m *Monitor) load(ctx context.Context) error {
	if m.store == nil {
		return nil
	}
	baselines, err := m.store.Baselines(ctx)
	if err != nil {
		return fmt.Errorf("read baselines: %w", err)
	}
	for _, b := range baselines {
		if s := m.subjects[b.Name]; s != nil {
			b.normalize()
			b := b.copy()
			s.base = &b
		}
	}
	alerts, err := m.store.Alerts(ctx, m.started.Add(-m.cfg.Timing.ReopenWithin))
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	slices.SortFunc(alerts, func(a, b Alert) int { return a.OpenedAt.Compare(b.OpenedAt) })
	for _, a := range alerts {
		m.alerts[a.Key] = revive(a, m.cfg.Timing)
	}
	m.unwatch(m.started)
	m.endDrills(m.started)
	return nil
}

// finish writes what is not yet written. It runs when Run's context has ended.
func (m *Monitor) finish() error {
	for _, s := range m.order {
		for _, q := range s.questions {
			q.flush(&m.batch)
		}
		m.saveBaseline(s, m.lastBeat.Add(saveEvery))
	}
	if m.writing != nil {
		m.wrote(<-m.stored)
	}
	if m.store == nil || m.batch.Empty() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), commitTimeout)
	defer cancel()
	if err := m.store.Commit(ctx, &m.batch); err != nil {
		return fmt.Errorf("last commit: %w", err)
	}
	return nil
}

// Submit hands over a sample that was not asked for by the monitor itself. It
// waits for room.
func (m *Monitor) Submit(ctx context.Context, s Sample) error {
	select {
	case m.samples <- s:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.done:
		return ErrStopped
	}
}

// Offer hands over a sample if there is room, and reports whether there was. It
// never waits.
func (m *Monitor) Offer(s Sample) bool {
	select {
	case m.samples <- s:
		return true
	default:
		m.dropped.Add(1)
		return false
	}
}

// ErrStopped is returned once Run has ended.
var ErrStopped = errors.New("the monitor has stopped")

// do runs f on the goroutine of Run and waits for it.
func (m *Monitor) do(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case m.calls <- func() { f(); close(ran) }:
	case <-ctx.Done():
		return ctx.Err()
	case <-m.done:
		return ErrStopped
	}
	<-ran
	return nil
}

// commitTimeout bounds a commit; a disk that stalls for longer is reported as
// failing, while judgement goes on from memory.
const commitTimeout = 30 * time.Second

// commit hands what happened to the store, unless it is still busy with the last.
func (m *Monitor) commit() {
	if m.store == nil {
		m.batch = Batch{}
		return
	}
	if m.writing != nil || m.batch.Empty() {
		return
	}
	b := m.batch
	m.batch = Batch{}
	m.writing = &b
	ctx := m.ctx
	m.workers.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		m.stored <- m.store.Commit(ctx, &b)
	})
}

// wrote takes in how a commit ended. What could not be written is kept and
// tried again with what came since: judgement goes on from memory.
func (m *Monitor) wrote(err error) {
	b := m.writing
	m.writing = nil
	if err == nil {
		if m.storeErr != nil {
			m.log.Info("store works again")
			m.storeErr = nil
			m.writeAll()
		}
		if len(m.batch.Events) > 0 {
			m.commit()
		}
		return
	}
	if m.storeErr == nil {
		m.log.Error("store does not take what happened; going on from memory", "err", err)
	}
	m.storeErr = err
	m.batch = merge(*b, m.batch)
}

// writeAll has everything written that must not be lost: a store that failed
// may be a fresh one now.
func (m *Monitor) writeAll() {
	for _, s := range m.order {
		s.dirty = s.base != nil
	}
	for _, l := range m.alerts {
		m.putAlert(l.alert)
	}
}

// merge puts what came later behind what could not be written.
func merge(a, b Batch) Batch {
	a.Intervals = append(a.Intervals, b.Intervals...)
	a.Baselines = append(slices.DeleteFunc(a.Baselines, func(x Baseline) bool {
		return slices.ContainsFunc(b.Baselines, func(y Baseline) bool { return x.Name == y.Name })
	}), b.Baselines...)
	a.Alerts = append(slices.DeleteFunc(a.Alerts, func(x Alert) bool {
		return slices.ContainsFunc(b.Alerts, func(y Alert) bool { return x.ID == y.ID })
	}), b.Alerts...)
	a.Proofs = append(slices.DeleteFunc(a.Proofs, func(x Proofs) bool {
		return slices.ContainsFunc(b.Proofs, func(y Proofs) bool { return x.Alert == y.Alert })
	}), b.Proofs...)
	a.Events = append(a.Events, b.Events...)
	a.Strangers = append(a.Strangers, b.Strangers...)
	if over := len(a.Strangers) - maxStrangers; over > 0 {
		a.Strangers = slices.Delete(a.Strangers, 0, over)
	}
	if over := len(a.Intervals) - maxUnwritten; over > 0 {
		a.Intervals = slices.Delete(a.Intervals, 0, over)
	}
	return a
}

// maxUnwritten bounds the observations kept while the store fails. Alerts and
// events are few and are all kept.
const maxUnwritten = 100_000

package control_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

var errUnasked = errors.New("the test does not expect this call")

// backend is a control.Backend of functions; one that is nil must not be called.
type backend struct {
	status  func(ctx context.Context) (monitor.Status, error)
	verify  func(ctx context.Context, name string, settle monitor.Settle) ([]monitor.Judgement, error)
	explain func(ctx context.Context, what string) (monitor.Explanation, error)
	act     func(ctx context.Context, id string, a monitor.Action, n monitor.Note) (monitor.Alert, error)
	drill   func(ctx context.Context, d monitor.DrillOrder) (monitor.Alert, error)
	pins    func(ctx context.Context, name string) (monitor.Pins, error)
}

func (b backend) Status(ctx context.Context) (monitor.Status, error) {
	if b.status == nil {
		return monitor.Status{}, errUnasked
	}
	return b.status(ctx)
}

func (b backend) Verify(ctx context.Context, name string, settle monitor.Settle) ([]monitor.Judgement, error) {
	if b.verify == nil {
		return nil, errUnasked
	}
	return b.verify(ctx, name, settle)
}

func (b backend) Explain(ctx context.Context, what string) (monitor.Explanation, error) {
	if b.explain == nil {
		return monitor.Explanation{}, errUnasked
	}
	return b.explain(ctx, what)
}

func (b backend) Act(ctx context.Context, id string, a monitor.Action, n monitor.Note) (monitor.Alert, error) {
	if b.act == nil {
		return monitor.Alert{}, errUnasked
	}
	return b.act(ctx, id, a, n)
}

func (b backend) Drill(ctx context.Context, d monitor.DrillOrder) (monitor.Alert, error) {
	if b.drill == nil {
		return monitor.Alert{}, errUnasked
	}
	return b.drill(ctx, d)
}

func (b backend) Pins(ctx context.Context, name string) (monitor.Pins, error) {
	if b.pins == nil {
		return monitor.Pins{}, errUnasked
	}
	return b.pins(ctx, name)
}

// memory is a control.Log of functions; one that is nil must not be called.
type memory struct {
	events    func(ctx context.Context, after uint64, most int) ([]monitor.Event, error)
	wait      func(ctx context.Context, after uint64) error
	last      func() uint64
	history   func(ctx context.Context, q monitor.HistoryQuery) ([]monitor.Interval, error)
	unwatched func(ctx context.Context, name string, asked netip.Addr) ([]monitor.Stranger, error)
	alerts    func(ctx context.Context, since time.Time) ([]monitor.Alert, error)
	proofs    func(context.Context, string) ([]monitor.Sample, error)
}

func (m memory) Events(ctx context.Context, after uint64, most int) ([]monitor.Event, error) {
	if m.events == nil {
		return nil, errUnasked
	}
	return m.events(ctx, after, most)
}

func (m memory) Wait(ctx context.Context, after uint64) error {
	if m.wait == nil {
		return errUnasked
	}
	return m.wait(ctx, after)
}

func (m memory) Last() uint64 {
	if m.last == nil {
		return 0
	}
	return m.last()
}

func (m memory) History(ctx context.Context, q monitor.HistoryQuery) ([]monitor.Interval, error) {
	if m.history == nil {
		return nil, errUnasked
	}
	return m.history(ctx, q)
}

func (m memory) Unwatched(ctx context.Context, name string, asked netip.Addr) ([]monitor.Stranger, error) {
	if m.unwatched == nil {
		return nil, errUnasked
	}
	return m.unwatched(ctx, name, asked)
}

func (m memory) Alerts(ctx context.Context, since time.Time) ([]monitor.Alert, error) {
	if m.alerts == nil {
		return nil, errUnasked
	}
	return m.alerts(ctx, since)
}

func (m memory) Proofs(ctx context.Context, alert string) ([]monitor.Sample, error) {
	if m.proofs == nil {
		return nil, errUnasked
	}
	return m.proofs(ctx, alert)
}

var (
	_ control.Backend = backend{}
	_ control.Log     = memory{}
)

// feed is a log of events that grows while somebody waits for it.
type feed struct {
	mu    sync.Mutex // guards what follows
	list  []monitor.Event
	grown chan struct{}
}

func newFeed(n int) *feed {
	f := &feed{grown: make(chan struct{})}
	for range n {
		f.add()
	}
	return f
}

func (f *feed) add() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, monitor.Event{
		Seq: uint64(len(f.list) + 1), At: noon, Type: monitor.VerdictChanged, Data: []byte(`{"name":"api.example."}`),
	})
	close(f.grown)
	f.grown = make(chan struct{})
}

func (f *feed) last() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.list))
}

// log gives the feed as what a Server reads.
func (f *feed) log() memory {
	return memory{
		last: f.last,
		events: func(ctx context.Context, after uint64, most int) ([]monitor.Event, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if after >= uint64(len(f.list)) {
				return nil, ctx.Err()
			}
			rest := f.list[after:]
			return rest[:min(len(rest), most)], ctx.Err()
		},
		wait: func(ctx context.Context, after uint64) error {
			for {
				f.mu.Lock()
				n, grown := uint64(len(f.list)), f.grown
				f.mu.Unlock()
				if n > after {
					return nil
				}
				select {
				case <-grown:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		},
	}
}

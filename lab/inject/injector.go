//go:build lab

package inject

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// An Injector sends packets in the background. Its methods may be called from
// many goroutines.
type Injector struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	sent    atomic.Int64
	first   atomic.Pointer[time.Time]
	err     atomic.Pointer[error]
}

// launch runs work until it returns or is stopped, or for the time given at most
// (0: without end), and then closes what it works with.
func launch(limit time.Duration, work func(ctx context.Context, i *Injector) error, closeAll func()) *Injector {
	ctx, cancel := context.WithCancel(context.Background())
	if limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	i := &Injector{cancel: cancel}
	i.running.Go(func() {
		defer closeAll()
		defer cancel()
		i.fail(work(ctx, i))
	})
	return i
}

// note keeps what came of sending a packet, and returns the error.
func (i *Injector) note(sent bool, err error) error {
	if sent && i.sent.Add(1) == 1 {
		now := time.Now()
		i.first.Store(&now)
	}
	i.fail(err)
	return err
}

// fail keeps the first error. That a socket was closed, or that time is over, is
// how an Injector ends, and no error.
func (i *Injector) fail(err error) {
	for _, end := range []error{nil, os.ErrClosed, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			return
		}
	}
	i.err.CompareAndSwap(nil, &err)
}

// Count is the number of forged packets sent so far. A packet may arrive before it
// is counted; after Stop all are.
func (i *Injector) Count() int { return int(i.sent.Load()) }

// First is when the first forged packet was sent; zero if none was.
func (i *Injector) First() time.Time {
	if t := i.first.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

// Err is the first error of sending or receiving, nil if there was none.
func (i *Injector) Err() error {
	if err := i.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Wait waits until a bounded Injector has done all, and returns Err. It does not
// return from Race and Advertise before Stop.
func (i *Injector) Wait() error {
	i.running.Wait()
	return i.Err()
}

// Stop ends the Injector, waits until nothing of it runs, and returns Err. It may
// be called again.
func (i *Injector) Stop() error {
	i.cancel()
	return i.Wait()
}

// A pace keeps to a number of packets per second.
type pace struct {
	start time.Time
	rate  int
	n     int
}

func newPace(rate int) *pace { return &pace{start: time.Now(), rate: rate} }

// next waits until one more packet may go, and reports whether ctx still runs.
// Waits under a millisecond are saved up: timers are no finer.
func (p *pace) next(ctx context.Context) bool {
	due := p.start.Add(time.Duration(p.n) * time.Second / time.Duration(p.rate))
	p.n++
	if early := time.Until(due); early > time.Millisecond {
		return wait(ctx, early)
	}
	return ctx.Err() == nil
}

// wait waits, and reports whether ctx still runs.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package main

import (
	"context"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/webhook"
)

// gate is the log of events as one sender sees it. It stops the sender between
// two events: one that is on its way when a reload replaces the sender would
// else be sent by both, since nobody could tell whether it came through.
type gate struct {
	webhook.Log
	stop context.CancelFunc // of the sender

	mu      sync.Mutex // guards all following fields
	busy    bool       // events were given out, and the cursor may not stand behind them yet
	closing bool
}

// Events implements webhook.Log.
func (g *gate) Events(ctx context.Context, after uint64, most int) ([]monitor.Event, error) {
	g.pause(false)
	es, err := g.Log.Events(ctx, after, most)
	if g.pause(len(es) > 0) {
		return nil, context.Canceled
	}
	return es, err
}

// SetCursor implements webhook.Log. What stands before the cursor is done with.
func (g *gate) SetCursor(ctx context.Context, endpoint string, seq uint64) error {
	err := g.Log.SetCursor(ctx, endpoint, seq)
	if err == nil {
		g.pause(true)
	}
	return err
}

// pause is a moment in which nothing is on its way. It stops the sender there if
// that is wanted, and else notes whether events are from now on.
func (g *gate) pause(busy bool) (stopped bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		g.stop()
		return true
	}
	g.busy = busy
	return false
}

// close has the sender stop at the next such moment, which is now if it waits
// for events, and at the latest after grace.
func (g *gate) close(grace time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closing = true
	if !g.busy {
		g.stop()
		return
	}
	time.AfterFunc(grace, g.stop)
}

package storage

import (
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxEvents bounds what Events returns at once.
const maxEvents = 1000

// Events reads the events after the given number, in order: at most max of
// them, and never more than 1000. Where the oldest were pruned it begins with
// the first that is left.
func (db *DB) Events(ctx context.Context, after uint64, max int) ([]monitor.Event, error) {
	if after >= db.Last() || max <= 0 {
		return nil, ctx.Err()
	}
	var list []monitor.Event
	err := db.view(ctx, func(tx *bolt.Tx) error {
		c := events.in(tx).Cursor()
		for k, v := c.Seek(seqKey(after + 1)); k != nil && len(list) < min(max, maxEvents); k, v = c.Next() {
			e, err := parseEvent(k, v)
			if err != nil {
				return err
			}
			list = append(list, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return list, nil
}

// Last is the number of the last event, 0 before the first.
func (db *DB) Last() uint64 {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.last
}

// Wait returns nil as soon as there is an event after the given number, or else
// the context's error or ErrClosed.
func (db *DB) Wait(ctx context.Context, after uint64) error {
	for {
		db.mu.Lock()
		last, grown := db.last, db.grown
		db.mu.Unlock()
		if last > after {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		case <-db.done:
			return ErrClosed
		}
	}
}

// rise tells everybody who waits of the last event.
func (db *DB) rise(last uint64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if last > db.last {
		db.last = last
		close(db.grown)
		db.grown = make(chan struct{})
	}
}

// Cursor gives the last event that the endpoint has dealt with; ok is false
// where it never said.
func (db *DB) Cursor(ctx context.Context, endpoint string) (seq uint64, ok bool, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) (err error) {
		v := cursors.in(tx).Get([]byte(endpoint))
		if ok = v != nil; ok {
			seq, err = parseSeq(v)
		}
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("read cursor of %q: %w", endpoint, err)
	}
	return seq, ok, nil
}

// SetCursor notes that the endpoint has dealt with all events up to seq. It is
// on disk when SetCursor returns nil. A cursor may go back, but not beyond the
// last event.
func (db *DB) SetCursor(ctx context.Context, endpoint string, seq uint64) error {
	err := db.update(ctx, reserve, func(w *writer) error {
		if last := w.buckets[events].Sequence(); seq > last {
			return fmt.Errorf("%d is beyond the last event, %d", seq, last)
		}
		return w.put(cursors, []byte(endpoint), seqKey(seq))
	})
	if err != nil {
		return fmt.Errorf("set cursor of %q: %w", endpoint, err)
	}
	return nil
}

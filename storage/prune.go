package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	// One call of Prune drops at most sliceRecords, and looks for them no longer
	// than sliceTime. The rest of its time is the commit.
	sliceRecords = 1000
	sliceTime    = 15 * time.Millisecond
	// slicePause between two slices lets others in.
	slicePause = 20 * time.Millisecond
	// reserve is what a full file may still grow by, in bytes, so that pruning
	// can write the pages by which it makes room.
	reserve = 64 << 20
	// Under pressure the time before which intervals go moves towards now by a
	// floorStep'th of the way, until it is floorEnd away.
	floorStep = 8
	floorEnd  = time.Hour
	// Pressure ends when a relief'th of the size is free again.
	relief = 16
)

// errIdle rolls back a slice that found nothing to drop.
var errIdle = errors.New("nothing to prune")

// pruner is how far pruning has come.
type pruner struct {
	at       []byte    // the series to go on with; nil to begin with the first
	pressed  bool      // more is in use than should be
	heard    [2][]byte // the overheard answer, and the stranger, to go on with
	floor    time.Time // intervals that ended before go, where it is set
	squeezed bool      // intervals are as short as they may be
}

// Prune drops, in one short transaction, some of what is over for longer than
// Config.Retention; more says that another call has work to do. Over are
// intervals, and what was overheard, by when they were last seen, resolved alerts by when they were, and
// events by when they happened. What is not dropped for its age:
//
//   - the newest interval of a series, and events that a cursor has not passed,
//     until they are twice as old;
//   - open alerts, baselines, cursors.
//
// While more than Config.MaxSize bytes are in use, the oldest past intervals go
// before their time; when only those of the last hour are left, the oldest
// resolved alerts, and events that all cursors have passed.
func (db *DB) Prune(ctx context.Context, now time.Time) (more bool, err error) {
	var s slice
	err = db.update(ctx, reserve, func(w *writer) error {
		s = slice{w: w, left: sliceRecords, until: time.Now().Add(sliceTime)}
		db.press(now)
		var err error
		if more, err = db.prune.cut(&s, now, db.cfg.Retention); err != nil {
			return err
		}
		if s.dropped() == 0 {
			return errIdle
		}
		return nil
	})
	if err != nil && !errors.Is(err, errIdle) {
		return false, fmt.Errorf("prune: %w", err)
	}
	db.note(func(st *Stats) {
		st.PrunedIntervals += s.intervals
		st.PrunedAlerts += s.alerts
		st.PrunedEvents += s.events
		st.PrunedHeard += s.heard
	})
	return more, nil
}

// Run prunes until ctx ends, and then returns nil. Errors are logged; the next
// round tries again.
func (db *DB) Run(ctx context.Context) error {
	ticker := time.NewTicker(db.cfg.PruneInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for {
			more, err := db.Prune(ctx, time.Now())
			if err != nil && ctx.Err() == nil {
				db.log.Warn("pruning failed", "path", db.cfg.Path, "err", err)
			}
			if !more || err != nil {
				break
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(slicePause):
			}
		}
	}
}

// press takes note of whether too much is in use, and says so when that changes.
func (db *DB) press(now time.Time) {
	p, used := &db.prune, db.Stats().UsedBytes
	most := db.cfg.MaxSize
	if p.pressed {
		most -= most / relief
	}
	pressed := used > most
	if pressed == p.pressed {
		return
	}
	*p = pruner{pressed: pressed}
	if pressed {
		p.floor = now.Add(-db.cfg.Retention)
		db.log.Warn("store is over its size; the oldest goes before its time",
			"path", db.cfg.Path, "used_bytes", used, "max_bytes", db.cfg.MaxSize)
	} else {
		db.log.Info("store is within its size again", "path", db.cfg.Path, "used_bytes", used, "max_bytes", db.cfg.MaxSize)
	}
	db.note(func(s *Stats) { s.OverSize = pressed })
}

// cut drops what is over, until s is spent or nothing is left.
func (p *pruner) cut(s *slice, now time.Time, retention time.Duration) (more bool, err error) {
	old, ancient := stampOf(now.Add(-retention)), stampOf(now.Add(-2*retention))
	through, err := p.intervals(s, max(old, stampOf(p.floor)), ancient)
	if err != nil || !through {
		return true, err
	}
	for i, t := range []table{heard, strangers} {
		if through, err := s.pruneHeard(t, &p.heard[i], max(old, stampOf(p.floor))); err != nil || !through {
			return true, err
		}
	}
	alertsUntil, squeeze := old, p.pressed && p.squeezed
	if squeeze {
		alertsUntil = never
	}
	if err := s.pruneAlerts(alertsUntil); err != nil {
		return false, err
	}
	if err := s.pruneEvents(old, ancient, squeeze); err != nil {
		return false, err
	}
	if !p.pressed {
		return s.spent(), nil
	}
	switch age := now.Sub(p.floor); {
	case age > floorEnd:
		p.floor = p.floor.Add(max(age/floorStep, time.Minute))
		return true, nil
	case !p.squeezed:
		p.squeezed = true
		return true, nil
	}
	return s.dropped() > 0, nil
}

// intervals drops past intervals that were last seen before the cutoff, series
// by series, and series whose newest was before ancient. It reports whether it
// came through to the last series.
func (p *pruner) intervals(s *slice, cutoff, ancient stamp) (through bool, err error) {
	type dead struct {
		table
		key []byte
	}
	var found []dead
	series, older := s.w.buckets[current].Cursor(), s.w.buckets[past].Cursor()
	k, v := series.Seek(p.at)
	for ; k != nil && !s.spent(); k, v = series.Next() {
		pk, pv, err := cutCurrent(v)
		if err != nil {
			return false, err
		}
		seen, own, kept := stampAt(pv), pk[:8], false
		for pk, pv = older.Seek(own); bytes.HasPrefix(pk, own); pk, pv = older.Next() {
			last, err := lastSeen(pv)
			if err != nil {
				return false, err
			}
			if kept = last >= cutoff || s.left == 0; kept {
				break
			}
			found = append(found, dead{past, bytes.Clone(pk)})
			s.left--
		}
		if s.left == 0 {
			break // there may be more of this series
		}
		if !kept && seen < ancient {
			found = append(found, dead{current, bytes.Clone(k)})
			s.left--
		}
	}
	p.at = bytes.Clone(k)
	for _, d := range found {
		if err := s.w.drop(d.table, d.key); err != nil {
			return false, err
		}
		s.intervals++
	}
	return k == nil, nil
}

// slice is one transaction's worth of pruning.
type slice struct {
	w     *writer
	left  int       // records that it may still drop
	until time.Time // it may go on looking

	intervals, alerts, events, heard uint64 // that it dropped
}

func (s *slice) dropped() uint64 { return s.intervals + s.alerts + s.events + s.heard }

func (s *slice) spent() bool { return s.left <= 0 || time.Now().After(s.until) }

// pruneHeard drops what was last overheard before the cutoff, and reports whether it
// came through to the end of the table.
func (s *slice) pruneHeard(t table, at *[]byte, cutoff stamp) (through bool, err error) {
	var keys [][]byte
	c := s.w.buckets[t].Cursor()
	k, v := c.Seek(*at)
	for ; k != nil && !s.spent(); k, v = c.Next() {
		last, err := t.lastHeard(v)
		if err != nil {
			return false, err
		}
		if last < cutoff {
			keys = append(keys, bytes.Clone(k))
			s.left--
		}
	}
	*at = bytes.Clone(k)
	for _, k := range keys {
		if err := s.w.drop(t, k); err != nil {
			return false, err
		}
		s.heard++
	}
	return k == nil, nil
}

// lastHeard reads from a value of either table when that was.
func (t table) lastHeard(v []byte) (stamp, error) {
	if len(v) < 16 {
		return 0, fmt.Errorf("%w: %s: a value of %d bytes", ErrCorrupt, t, len(v))
	}
	if t == heard {
		v = v[8:]
	}
	return stampAt(v), nil
}

// pruneAlerts drops alerts that were resolved before the cutoff.
func (s *slice) pruneAlerts(cutoff stamp) error {
	var keys [][]byte
	c := s.w.buckets[ends].Cursor()
	for k, _ := c.First(); k != nil && !s.spent(); k, _ = c.Next() {
		if end, _, err := parseEndKey(k); err != nil {
			return err
		} else if end >= cutoff {
			break
		}
		keys = append(keys, bytes.Clone(k))
		s.left--
	}
	for _, k := range keys {
		if err := errors.Join(s.w.drop(ends, k), s.w.drop(alerts, k[8:])); err != nil {
			return err
		}
		if s.w.buckets[proofs].Get(k[8:]) != nil {
			if err := s.w.drop(proofs, k[8:]); err != nil {
				return err
			}
		}
		s.alerts++
	}
	return nil
}

// pruneEvents drops events that happened before the cutoff, or under pressure
// any, if all cursors have passed them, and those before ancient in any case.
// Only from the beginning, so that no gaps come to be.
func (s *slice) pruneEvents(cutoff, ancient stamp, squeeze bool) error {
	passed := uint64(math.MaxUint64)
	c := s.w.buckets[cursors].Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		seq, err := parseSeq(v)
		if err != nil {
			return err
		}
		passed = min(passed, seq)
	}
	var keys [][]byte
	c = s.w.buckets[events].Cursor()
	for k, v := c.First(); k != nil && !s.spent(); k, v = c.Next() {
		seq, err := parseSeq(k)
		if err != nil {
			return err
		}
		if len(v) < 8 {
			return fmt.Errorf("%w: event %d", ErrCorrupt, seq)
		}
		at := stampAt(v)
		if at >= ancient && (seq > passed || at >= cutoff && !squeeze) {
			break
		}
		keys = append(keys, bytes.Clone(k))
		s.left--
	}
	for _, k := range keys {
		if err := s.w.drop(events, k); err != nil {
			return err
		}
		s.events++
	}
	return nil
}

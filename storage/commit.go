package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Commit writes b in one transaction. When it returns nil, b is on disk and the
// events in it have their numbers; on an error nothing of b is visible, and
// they have none. The one exception is a disk that fails in the last write of
// the commit and again when that is looked at: then the next open decides.
func (db *DB) Commit(ctx context.Context, b *monitor.Batch) (err error) {
	if b.Empty() {
		return ctx.Err()
	}
	defer func(start time.Time) {
		if err != nil {
			for i := range b.Events {
				b.Events[i].Seq = 0
			}
			err = fmt.Errorf("commit: %w", err)
		}
		db.noteCommit(start, err)
	}(time.Now())
	e, err := encode(b)
	if err != nil {
		return err
	}
	db.disguise(&e, b.Strangers)
	var last uint64
	err = db.update(ctx, 0, func(w *writer) error {
		last, err = e.write(w)
		return err
	})
	if err != nil {
		return err
	}
	first := last - uint64(len(b.Events))
	for i := range b.Events {
		b.Events[i].Seq = first + uint64(i) + 1
	}
	db.rise(last)
	db.note(func(s *Stats) { s.Forgotten += e.forgot })
	return nil
}

// encoded is a batch in bytes, each table in the order of its keys: pages are
// then met once each.
type encoded struct {
	intervals         []change
	baselines, alerts []record
	proofs            []record
	events            [][]byte
	heard             []sighting
	strangers         []meeting
	most              uint64 // strangers that there may be
	forgot            uint64 // those that went for others
}

type record struct{ key, value []byte }

// sighting is an answer that was overheard.
type sighting struct {
	key []byte
	monitor.Interval
}

// change is an interval that begins or grows.
type change struct {
	series []byte
	first  stamp
	value  []byte
}

func encode(b *monitor.Batch) (e encoded, err error) {
	buf := make([]byte, 0, 160*len(b.Intervals))
	for n := range b.Intervals {
		i := &b.Intervals[n]
		if !stamped(i.First) || !stamped(i.Last) {
			return e, fmt.Errorf("interval of %q has no usable time", i.Question.Name)
		}
		if i.Via == monitor.Wire {
			key, err := heardKey(i)
			if err != nil {
				return e, fmt.Errorf("answer overheard: %w", err)
			}
			e.heard = append(e.heard, sighting{key, *i})
			continue
		}
		key, err := seriesOf(i).key()
		if err != nil {
			return e, fmt.Errorf("interval: %w", err)
		}
		start := len(buf)
		buf = appendInterval(buf, i)
		e.intervals = append(e.intervals, change{key, stampOf(i.First), buf[start:len(buf):len(buf)]})
	}
	for _, b := range b.Baselines {
		if len(b.Name) > maxKeyString {
			return e, fmt.Errorf("baseline of %.50q…: name is longer than %d bytes", b.Name, maxKeyString)
		}
		key := nameKey(b.Name)
		value, err := json.Marshal(b)
		if err == nil {
			err = baselines.parse(key, value)
		}
		if err != nil {
			return e, fmt.Errorf("baseline of %q: %w", b.Name, unreadable(err))
		}
		e.baselines = append(e.baselines, record{key, value})
	}
	for n := range b.Alerts {
		a := &b.Alerts[n]
		key := []byte(a.ID)
		value, err := appendStamped(endOf(a), a)
		if err == nil {
			err = alerts.parse(key, value)
		}
		if err != nil {
			return e, fmt.Errorf("alert %q: %w", a.ID, unreadable(err))
		}
		e.alerts = append(e.alerts, record{key, value})
	}
	for _, p := range b.Proofs {
		key := []byte(p.Alert)
		value, err := json.Marshal(p.Samples)
		if err == nil {
			err = proofs.parse(key, value)
		}
		if err != nil {
			return e, fmt.Errorf("proofs of alert %q: %w", p.Alert, unreadable(err))
		}
		e.proofs = append(e.proofs, record{key, value})
	}
	for n := range b.Events {
		ev := &b.Events[n]
		value, err := appendStamped(stampOf(ev.At), ev)
		if err == nil {
			err = events.parse(seqKey(0), value)
		}
		if err != nil {
			return e, fmt.Errorf("event %q: %w", ev.Type, unreadable(err))
		}
		e.events = append(e.events, value)
	}
	// Stable: of equal keys the later one stays.
	slices.SortStableFunc(e.intervals, func(a, b change) int {
		return cmp.Or(bytes.Compare(a.series, b.series), cmp.Compare(a.first, b.first))
	})
	slices.SortStableFunc(e.heard, func(a, b sighting) int { return bytes.Compare(a.key, b.key) })
	for _, r := range [][]record{e.baselines, e.alerts, e.proofs} {
		slices.SortStableFunc(r, func(a, b record) int { return bytes.Compare(a.key, b.key) })
	}
	return e, nil
}

// unreadable says that a value would not come back as it is: it would later
// pass for damage, and cost the whole file. It is not damage yet.
func unreadable(err error) error {
	if errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("cannot be read back: %v", err)
	}
	return err
}

// write puts everything in its place, and gives the number of the last event.
func (e *encoded) write(w *writer) (last uint64, err error) {
	for _, c := range e.intervals {
		if err := c.put(w); err != nil {
			return 0, err
		}
	}
	for _, s := range e.heard {
		if err := putHeard(w, s.key, s.Interval); err != nil {
			return 0, err
		}
	}
	for _, m := range e.strangers {
		forgot, err := m.meet(w, e.most)
		if err != nil {
			return 0, err
		}
		if forgot {
			e.forgot++
		}
	}
	for _, r := range e.baselines {
		if err := w.put(baselines, r.key, r.value); err != nil {
			return 0, err
		}
	}
	for _, r := range e.alerts {
		if err := putAlert(w, r.key, r.value); err != nil {
			return 0, err
		}
	}
	for _, r := range e.proofs {
		if err := w.put(proofs, r.key, r.value); err != nil {
			return 0, err
		}
	}
	log := w.buckets[events]
	last = log.Sequence()
	for _, v := range e.events {
		last++
		if err := w.add(events, seqKey(last), v); err != nil {
			return 0, err
		}
	}
	return last, log.SetSequence(last)
}

// put makes an interval the newest of its series, or puts it among the past
// ones where a newer one is known.
func (c change) put(w *writer) error {
	newest := w.buckets[current].Get(c.series)
	if newest == nil {
		n, err := w.buckets[current].NextSequence()
		if err != nil {
			return err
		}
		return w.add(current, c.series, append(pastKey(number(n), c.first), c.value...))
	}
	oldKey, oldValue, err := cutCurrent(newest)
	if err != nil {
		return err
	}
	n, first, err := parsePastKey(oldKey)
	if err != nil {
		return err
	}
	key := pastKey(n, c.first)
	switch {
	case c.first < first:
		return w.put(past, key, c.value)
	case c.first > first:
		// Cloned, as what is read does not outlast what is written in its place.
		if err := w.add(past, bytes.Clone(oldKey), bytes.Clone(oldValue)); err != nil {
			return err
		}
	}
	return w.replace(current, c.series, append(key, c.value...))
}

// putAlert sets an alert and its place among the ends.
func putAlert(w *writer, key, value []byte) error {
	end := stampAt(value)
	if old := w.buckets[alerts].Get(key); len(old) >= 8 {
		if was := stampAt(old); was != end {
			if err := w.drop(ends, endKey(was, string(key))); err != nil {
				return err
			}
		}
	}
	if err := w.put(alerts, key, value); err != nil {
		return err
	}
	return w.put(ends, endKey(end, string(key)), []byte{})
}

// stamped reports whether a stamp can stand for t.
func stamped(t time.Time) bool { return stampOf(t).time().Equal(t) }

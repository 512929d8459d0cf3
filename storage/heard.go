package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

// An answer that was overheard has for its key that of its series and a digest of
// what it says, and for its value when it was first heard and then what an interval
// has. So one that comes again is found, and what is new of it is added.

// digestLen is enough that answers of one series do not meet by chance or on purpose.
const digestLen = 16

func heardKey(i *monitor.Interval) ([]byte, error) {
	key, err := seriesOf(i).key()
	if err != nil {
		return nil, err
	}
	b := appendText(nil, i.Rcode)
	for _, r := range i.Records {
		b = appendText(append(appendText(b, r.Name), byte(r.Type>>8), byte(r.Type)), r.Data)
	}
	sum := sha256.Sum256(b)
	return append(key, sum[:digestLen]...), nil
}

func appendHeard(b []byte, i *monitor.Interval) []byte {
	return appendInterval(stampOf(i.First).append(b), i)
}

func parseHeard(k, v []byte) (monitor.Interval, error) {
	if len(k) < digestLen || len(v) < 16 {
		return monitor.Interval{}, fmt.Errorf("%w: an answer of %d bytes that was overheard", ErrCorrupt, len(v))
	}
	s, err := parseSeriesKey(k[:len(k)-digestLen])
	if err != nil {
		return monitor.Interval{}, err
	}
	i, err := parseInterval(s, pastKey(0, stampAt(v)), v[8:])
	i.Via = monitor.Wire
	return i, err
}

// putHeard adds what was overheard of an answer to what is known of it.
func putHeard(w *writer, key []byte, i monitor.Interval) error {
	if old := w.buckets[heard].Get(key); old != nil {
		known, err := parseHeard(key, old)
		if err != nil {
			return err
		}
		i.Count += known.Count
		i.TTLMin, i.TTLMax, i.Verdict = min(i.TTLMin, known.TTLMin), max(i.TTLMax, known.TTLMax), known.Verdict
		if known.First.Before(i.First) {
			i.First = known.First
		}
		if known.Last.After(i.Last) {
			i.Last = known.Last
		}
	}
	return w.put(heard, key, appendHeard(nil, &i))
}

// readHeard appends answers that were overheard.
func readHeard(ctx context.Context, tx *bolt.Tx, q monitor.HistoryQuery, list []monitor.Interval) ([]monitor.Interval, error) {
	prefix := nameKey(q.Name)
	c := heard.in(tx).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		i, err := parseHeard(k, v)
		if err != nil {
			return nil, err
		}
		if !wants(q, seriesOf(&i)) || !q.Since.IsZero() && i.Last.Before(q.Since) || !q.Until.IsZero() && !i.First.Before(q.Until) {
			continue
		}
		if list = append(list, i); len(list) > 4*q.Limit {
			list = newest(list, q.Limit)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

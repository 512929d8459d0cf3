package storage

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

// Bounds of monitor.HistoryQuery.Limit.
const (
	defaultHistory = 1000
	maxHistory     = 10_000
)

// wants reports whether intervals of the series are asked for.
func wants(q monitor.HistoryQuery, s series) bool {
	return (q.Type == 0 || q.Type == s.question.Type) && (q.Resolver == "" || q.Resolver == s.resolver)
}

// History reads intervals of one name, those that began last first. It takes
// intervals of one series to follow one another.
func (db *DB) History(ctx context.Context, q monitor.HistoryQuery) ([]monitor.Interval, error) {
	if q.Limit <= 0 {
		q.Limit = defaultHistory
	}
	q.Limit = min(q.Limit, maxHistory)
	var list []monitor.Interval
	err := db.view(ctx, func(tx *bolt.Tx) (err error) {
		if q.Via != monitor.Probe {
			if list, err = readHeard(ctx, tx, q, list); err != nil || q.Via == monitor.Wire {
				return err
			}
		}
		all, older := current.in(tx).Cursor(), past.in(tx).Cursor()
		prefix := nameKey(q.Name)
		for k, v := all.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = all.Next() {
			s, err := parseSeriesKey(k)
			if err != nil {
				return err
			}
			if !wants(q, s) {
				continue
			}
			if list, err = walk(q, list, s, v, older); err != nil {
				return err
			}
			// A name may have many series; keep what is held small.
			if len(list) > 4*q.Limit {
				list = newest(list, q.Limit)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read history of %q: %w", q.Name, err)
	}
	return newest(list, q.Limit), nil
}

// walk appends intervals of one series, from its newest backwards.
func walk(q monitor.HistoryQuery, list []monitor.Interval, s series, newest []byte, older *bolt.Cursor) ([]monitor.Interval, error) {
	since, until := stamp(0), never
	if !q.Since.IsZero() {
		since = stampOf(q.Since)
	}
	if !q.Until.IsZero() {
		until = stampOf(q.Until)
	}
	k, v, err := cutCurrent(newest)
	if err != nil {
		return nil, err
	}
	n, first, err := parsePastKey(k)
	if err != nil {
		return nil, err
	}
	// take reports whether to go on with what is older.
	end := len(list) + q.Limit
	take := func(k, v []byte) (bool, error) {
		if last, err := lastSeen(v); err != nil || last < since {
			return false, err
		}
		i, err := parseInterval(s, k, v)
		if err != nil {
			return false, err
		}
		list = append(list, i)
		return len(list) < end, nil
	}
	more := true
	if first < until {
		more, err = take(k, v)
	}
	k, v = before(older, pastKey(n, min(first, until)))
	for more && err == nil && bytes.HasPrefix(k, newest[:8]) {
		more, err = take(k, v)
		k, v = older.Prev()
	}
	return list, err
}

// before moves the cursor to the last key that is less than key.
func before(c *bolt.Cursor, key []byte) (k, v []byte) {
	if k, _ := c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// newest sorts by when intervals began, the last first, and keeps limit of them.
func newest(list []monitor.Interval, limit int) []monitor.Interval {
	slices.SortStableFunc(list, func(a, b monitor.Interval) int { return b.First.Compare(a.First) })
	return list[:min(limit, len(list))]
}

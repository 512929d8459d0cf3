package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// maxProblems bounds how much of a damaged file is described.
const maxProblems = 20

// Check reads the whole file and reports what is not as it should be: in the
// records, between them, and in the pages. It is for tests and operators:
// nothing else runs meanwhile. Damage to records is treated like damage met in
// passing; what bbolt says of pages, such as that some are lost, is only said.
func (db *DB) Check(ctx context.Context) error {
	if err := db.take(ctx); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer db.release()
	f := db.file
	err := f.run(false, func(tx *bolt.Tx) error {
		c, err := load(tx)
		if err != nil {
			return err
		}
		// First what a guard reaches: bbolt's check runs in a goroutine of its own.
		if err := verify(ctx, tx, f, c); err != nil {
			return err
		}
		var problems []error
		for err := range tx.Check() {
			problems = report(problems, fmt.Errorf("pages: %w", err))
		}
		return errors.Join(problems...)
	})
	if err != nil {
		return fmt.Errorf("check: %w", db.judge(err))
	}
	return nil
}

func report(problems []error, err error) []error {
	if err == nil || len(problems) == maxProblems {
		return problems
	}
	return append(problems, err)
}

// probe looks at a file in a time that hardly depends on its size: is all of it
// there, and can both ends of each table be read? What the daemon reads whole at
// its start, baselines and alerts, is read whole, for it could not start again
// with one that is damaged.
func probe(tx *bolt.Tx, f *file, c contents) error {
	if err := whole(tx, f); err != nil {
		return err
	}
	for t := range tables {
		cur := t.in(tx).Cursor()
		for _, move := range []func() ([]byte, []byte){cur.First, cur.Last} {
			k, v := move()
			if k == nil {
				continue
			}
			if err := t.parse(k, v); err != nil {
				return err
			}
		}
	}
	for _, t := range []table{baselines, alerts, ends, cursors} {
		if _, err := t.scan(context.Background(), tx, nil); err != nil {
			return err
		}
	}
	return lastEvent(tx, c)
}

// whole reports whether the file is as long as its pages need.
func whole(tx *bolt.Tx, f *file) error {
	info, err := f.os.Stat()
	if err == nil && info.Size() < tx.Size() {
		err = fmt.Errorf("%w: %d bytes of %d are there", ErrCorrupt, info.Size(), tx.Size())
	}
	return err
}

func lastEvent(tx *bolt.Tx, c contents) error {
	if k, _ := events.in(tx).Cursor().Last(); k != nil && !bytes.Equal(k, seqKey(c.last)) {
		return fmt.Errorf("%w: last event is %x, not %d", ErrCorrupt, k, c.last)
	}
	return nil
}

// scan reads every record of a table, hands it to fn, and counts them.
func (t table) scan(ctx context.Context, tx *bolt.Tx, fn func(k, v []byte) error) (n uint64, err error) {
	cur := t.in(tx).Cursor()
	var before []byte
	for k, v := cur.First(); k != nil; k, v = cur.Next() {
		if bytes.Compare(k, before) <= 0 {
			return n, fmt.Errorf("%w: %s: key %x after %x", ErrCorrupt, t, k, before)
		}
		before = k
		if err := t.parse(k, v); err != nil {
			return n, fmt.Errorf("%s: %w", t, err)
		}
		if fn != nil {
			if err := fn(k, v); err != nil {
				return n, fmt.Errorf("%s: %w", t, err)
			}
		}
		if n++; n%256 == 0 && ctx.Err() != nil {
			return n, ctx.Err()
		}
	}
	return n, nil
}

// verify reads all records. It does not use bbolt's own check, which takes the
// process with it where a page cannot be read.
func verify(ctx context.Context, tx *bolt.Tx, f *file, c contents) error {
	if err := whole(tx, f); err != nil {
		return err
	}
	var problems []error
	for t := range tables {
		n, err := t.scan(ctx, tx, t.relations(tx))
		if err == nil && n != c.counts[t] {
			err = fmt.Errorf("%w: %s: %d records, counted as %d", ErrCorrupt, t, n, c.counts[t])
		}
		problems = report(problems, err)
	}
	if n := c.counts[alerts]; n != c.counts[ends] {
		problems = report(problems, fmt.Errorf("%w: %d alerts with %d ends", ErrCorrupt, n, c.counts[ends]))
	}
	problems = report(problems, lastEvent(tx, c))
	return errors.Join(problems...)
}

// relations gives what must hold between a record and others.
func (t table) relations(tx *bolt.Tx) func(k, v []byte) error {
	switch t {
	case past: // of a series that there is, and older than its newest
		newest := map[number]stamp{}
		c := current.in(tx).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if key, _, err := cutCurrent(v); err == nil {
				n, first, _ := parsePastKey(key)
				newest[n] = first
			}
		}
		return func(k, _ []byte) error {
			n, first, err := parsePastKey(k)
			if err == nil && first >= newest[n] {
				err = fmt.Errorf("%w: %x has no newer interval", ErrCorrupt, k)
			}
			return err
		}
	case alerts: // every alert has its place among the ends; their numbers are equal
		return func(k, v []byte) error {
			if ends.in(tx).Get(endKey(stampAt(v), string(k))) == nil {
				return fmt.Errorf("%w: %q has no end", ErrCorrupt, k)
			}
			return nil
		}
	case events: // no gaps
		next := uint64(0)
		return func(k, _ []byte) error {
			seq, err := parseSeq(k)
			if err == nil && next != 0 && seq != next {
				err = fmt.Errorf("%w: %d follows %d", ErrCorrupt, seq, next-1)
			}
			next = seq + 1
			return err
		}
	case cursors:
		return func(k, v []byte) error {
			seq, err := parseSeq(v)
			if last := events.in(tx).Sequence(); err == nil && seq > last {
				err = fmt.Errorf("%w: %q is at %d of %d", ErrCorrupt, k, seq, last)
			}
			return err
		}
	}
	return nil
}

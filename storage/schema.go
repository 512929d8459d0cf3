package storage

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// table is a bucket of records.
type table int

const (
	current   table = iota // series: its number and its newest interval
	past                   // number and first time: an interval
	baselines              // name: a baseline
	alerts                 // id: an alert
	proofs                 // id of an alert: the samples that it rests on
	ends                   // end and id: nothing; alerts by when they were resolved, open ones last
	events                 // sequence: an event
	cursors                // endpoint: a sequence
	heard                  // series and digest of an answer: when it was overheard, and what it says
	strangers              // keyed hash of a name, and type: when it was overheard, and keyed hashes of addresses
	tables
)

var tableNames = [tables]string{"current", "past", "baselines", "alerts", "proofs", "ends", "events", "cursors", "heard", "strangers"}

func (t table) String() string { return tableNames[t] }

// in gives the bucket, or nil where the file has none.
func (t table) in(tx *bolt.Tx) *bolt.Bucket { return tx.Bucket([]byte(tableNames[t])) }

// The bucket of facts about the file, and its keys.
var (
	metaBucket = []byte("meta")
	metaSchema = []byte("schema")
	metaID     = []byte("id")
	metaCounts = []byte("counts")
)

// step brings a file from one schema to the next.
type step func(*bolt.Tx) error

// migrations[n] brings a file of schema n+1 to n+2. The schema of this program
// is what the last of them leads to, so 1 while there is none.
var migrations = []step{overhears}

// overhears adds what is kept of what was overheard.
func overhears(tx *bolt.Tx) error {
	for _, t := range []table{heard, strangers} {
		if _, err := tx.CreateBucket([]byte(tableNames[t])); err != nil {
			return err
		}
	}
	meta := tx.Bucket(metaBucket)
	old := meta.Get(metaCounts)
	return meta.Put(metaCounts, append(slices.Clone(old), make([]byte, 16)...))
}

// prepare fills a fresh file, and migrates an old one.
func (db *DB) prepare(f *file) error {
	newest := len(db.steps) + 1
	version, fresh := 0, false
	err := f.run(false, func(tx *bolt.Tx) (err error) {
		if k, _ := tx.Cursor().First(); k == nil {
			fresh = true
			return nil
		}
		version, err = readSchema(tx)
		return err
	})
	switch {
	case err != nil:
		return err
	case fresh:
		return f.run(true, func(tx *bolt.Tx) error {
			if err := db.fill(tx, newest); err != nil {
				return err
			}
			return tx.Commit()
		})
	case version > newest:
		return fmt.Errorf("%w: it is %d, known is %d (run the program that wrote it, or move the file away)", ErrSchema, version, newest)
	case version == newest:
		return nil
	}
	db.log.Info("migrating store", "path", db.cfg.Path, "from", version, "to", newest)
	return f.run(true, func(tx *bolt.Tx) error {
		for n, step := range db.steps[version-1:] {
			if err := step(tx); err != nil {
				return fmt.Errorf("migrate from schema %d: %w", version+n, err)
			}
		}
		if err := tx.Bucket(metaBucket).Put(metaSchema, []byte(strconv.Itoa(newest))); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// fill makes the buckets. A file that replaces one in use goes on with its id
// and its sequence.
func (db *DB) fill(tx *bolt.Tx, version int) error {
	meta, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	for _, name := range tableNames {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	db.mu.Lock()
	id, last := db.id, db.last
	db.mu.Unlock()
	if id == "" {
		id = newID()
	}
	return errors.Join(
		meta.Put(metaSchema, []byte(strconv.Itoa(version))),
		meta.Put(metaID, []byte(id)),
		meta.Put(metaCounts, counts{}.bytes()),
		events.in(tx).SetSequence(last))
}

func newID() string {
	var b [10]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

func readSchema(tx *bolt.Tx) (int, error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return 0, errors.New("a bbolt file, but not of dnstaster (set another storage.path)")
	}
	version, err := strconv.Atoi(string(meta.Get(metaSchema)))
	if err != nil || version < 1 {
		return 0, fmt.Errorf("%w: no schema", ErrCorrupt)
	}
	return version, nil
}

// contents is what a file says of itself.
type contents struct {
	schema int
	id     string
	counts counts
	last   uint64 // sequence of the last event ever
}

func load(tx *bolt.Tx) (c contents, err error) {
	if c.schema, err = readSchema(tx); err != nil {
		return c, err
	}
	for t := range tables {
		if t.in(tx) == nil {
			return c, fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, t)
		}
	}
	meta := tx.Bucket(metaBucket)
	if c.id = string(meta.Get(metaID)); len(c.id) != 16 {
		return c, fmt.Errorf("%w: id is %q", ErrCorrupt, c.id)
	}
	c.last = events.in(tx).Sequence()
	c.counts, err = parseCounts(meta.Get(metaCounts))
	return c, err
}

// counts is how many records each table holds. It is kept in the file because
// counting means reading all of it.
type counts [tables]uint64

func (c counts) bytes() []byte {
	b := make([]byte, 0, 8*tables)
	for _, n := range c {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func parseCounts(b []byte) (c counts, err error) {
	if len(b) != 8*len(c) {
		return c, fmt.Errorf("%w: counts have %d bytes", ErrCorrupt, len(b))
	}
	for t := range c {
		c[t] = binary.BigEndian.Uint64(b[8*t:])
	}
	return c, nil
}

// fillEvents is how full a page of events becomes before the next is begun, in
// place of the half that bbolt leaves for keys in between: there are none. For
// intervals the half is right; with more, files come out half as large again.
const fillEvents = 0.95

// writer is a transaction that writes, and counts.
type writer struct {
	tx      *bolt.Tx
	buckets [tables]*bolt.Bucket
	counts  counts
}

func newWriter(tx *bolt.Tx, c counts) *writer {
	w := &writer{tx: tx, counts: c}
	for t := range tables {
		w.buckets[t] = t.in(tx)
	}
	w.buckets[events].FillPercent = fillEvents
	return w
}

// put sets the value of a key that may be there.
func (w *writer) put(t table, key, value []byte) error {
	if w.buckets[t].Get(key) == nil {
		return w.add(t, key, value)
	}
	return w.replace(t, key, value)
}

// add sets the value of a key that is not there.
func (w *writer) add(t table, key, value []byte) error {
	w.counts[t]++
	return w.replace(t, key, value)
}

// replace sets the value of a key that is there.
func (w *writer) replace(t table, key, value []byte) error {
	if len(value) > maxValue {
		return fmt.Errorf("%s: a value of %d bytes is larger than %d", t, len(value), maxValue)
	}
	if err := w.buckets[t].Put(key, value); err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	return nil
}

// drop removes a key that is there.
func (w *writer) drop(t table, key []byte) error {
	w.counts[t]--
	return w.buckets[t].Delete(key)
}

func (w *writer) saveCounts() error {
	return w.tx.Bucket(metaBucket).Put(metaCounts, w.counts.bytes())
}

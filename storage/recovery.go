package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// open opens the file, or a fresh one in the place of a damaged one.
func (db *DB) open() error {
	// Damage met twice without one write between is of a kind that reading the
	// file does not find; going on with it would end in the same place.
	err := fmt.Errorf("%w: again", ErrCorrupt)
	if db.strikes < 2 {
		err = db.attach()
	}
	if !errors.Is(err, ErrCorrupt) {
		return err
	}
	aside, e := setAside(db.cfg.Path, time.Now())
	if e != nil {
		return errors.Join(err, e)
	}
	db.log.Error("store set aside; a fresh one takes its place", "path", db.cfg.Path, "aside", aside, "err", err)
	db.note(func(s *Stats) {
		s.SetAside = aside
		s.SetAsides++
	})
	db.strikes = 0
	return db.attach()
}

// attach opens the file as it is and learns what it holds. How closely it looks
// depends on whether damage was met.
func (db *DB) attach() error {
	info, err := os.Stat(db.cfg.Path)
	if err == nil && info.Size() == 0 {
		if db.ID() != "" {
			return fmt.Errorf("%w: it was emptied", ErrCorrupt)
		}
		db.log.Error("store is an empty file; starting from nothing", "path", db.cfg.Path)
	}
	created := errors.Is(err, fs.ErrNotExist)
	f, err := openFile(db.cfg.Path, db.cfg.LockTimeout)
	if err != nil {
		return err
	}
	if created {
		err = syncDir(filepath.Dir(db.cfg.Path))
	}
	if err == nil {
		err = db.prepare(f)
	}
	var c contents
	if err == nil {
		err = f.run(false, func(tx *bolt.Tx) (err error) {
			if c, err = load(tx); err != nil {
				return err
			}
			if db.strikes > 0 {
				return verify(context.Background(), tx, f, c)
			}
			return probe(tx, f, c)
		})
	}
	var size, used int64
	if err == nil {
		size, used, err = f.sizes()
	}
	if err != nil {
		return errors.Join(err, f.close())
	}
	db.file, db.counts = f, c.counts
	if db.hard == 0 {
		// A step more, because bbolt counts the next one in; and no less than
		// there is, where MaxSize was lowered.
		db.hard = max(2*db.cfg.MaxSize+growStep, size)
	}
	db.mu.Lock()
	db.id, db.stats.Schema = c.id, c.schema
	db.mu.Unlock()
	db.noteSizes(size, used)
	db.rise(c.last)
	return nil
}

// drop closes the file; the next transaction opens it again.
func (db *DB) drop() error {
	f := db.file
	db.file = nil
	if f == nil {
		return nil
	}
	return f.close()
}

// settle follows a commit of transaction id that failed on its way to the disk.
// The handle is not used again: after a failed fsync the kernel forgets which
// pages were not written. The transaction may have got as far as its meta page,
// the last thing written, without that being flushed. Then it is visible, and
// one more commit on top flushes a meta page that stands on the same, flushed,
// data pages: when that succeeds, so did the first.
func (db *DB) settle(id int, err error) error {
	db.note(func(s *Stats) { s.Reopened++ })
	if e := db.drop(); e != nil {
		return errors.Join(err, e)
	}
	if errors.Is(err, ErrCorrupt) {
		return err // and judge has the file looked at
	}
	if e := db.attach(); e != nil {
		return errors.Join(err, fmt.Errorf("open again: %w", e))
	}
	visible := false
	e := db.file.run(false, func(tx *bolt.Tx) error {
		visible = tx.ID() >= id
		return nil
	})
	if e != nil || !visible {
		return errors.Join(err, e)
	}
	e = db.file.run(true, func(tx *bolt.Tx) error {
		if err := newWriter(tx, db.counts).saveCounts(); err != nil {
			return err
		}
		return db.commit(tx)
	})
	if e != nil {
		return errors.Join(err, e, db.drop())
	}
	db.log.Warn("a commit that failed at its end was completed", "path", db.cfg.Path, "err", err)
	return nil
}

// setAside renames the file at path and gives its new name. It holds the file's
// lock meanwhile: what was found damaged may by now be another process's.
func setAside(path string, now time.Time) (string, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("set damaged store aside: %w", err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return "", fmt.Errorf("set damaged store aside: %w", ErrLocked)
	}
	name := path + ".corrupt-" + now.UTC().Format("20060102T150405Z")
	aside := name
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s.%d", name, n)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("set damaged store aside: %w", err)
	}
	return aside, syncDir(filepath.Dir(path))
}

// syncDir makes a new name in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

// Errors that a caller may want to tell apart.
var (
	// ErrLocked is returned by Open where another process has the file open.
	ErrLocked = errors.New("in use by another process")
	// ErrSchema is returned by Open where the file is of a newer program.
	ErrSchema = errors.New("schema is newer than this program")
	// ErrCorrupt is returned where the file is damaged, or cannot be read. The
	// next call starts with a file that works, if need be a fresh one.
	ErrCorrupt = errors.New("damaged file")
	// ErrFull is returned by writes where the file or the disk has no room.
	ErrFull = errors.New("no room (free disk space, or raise storage.max_size)")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("store is closed")
)

// Defaults of Config.
const (
	DefaultRetention     = 90 * 24 * time.Hour
	DefaultMaxSize       = 256 << 20
	DefaultLockTimeout   = time.Second
	DefaultPruneInterval = time.Minute
)

// Config says where the file is and how much of the past it keeps. What is zero
// has its default.
type Config struct {
	Path          string        // of the file; its directory must exist
	Retention     time.Duration // how long what is over is kept; see Prune
	MaxSize       int64         // bytes in use above which the oldest is dropped early; the file ends at twice that
	LockTimeout   time.Duration // how long Open waits for another process to let go of the file
	PruneInterval time.Duration // of Run
}

// withDefaults fills what is zero.
func (c Config) withDefaults() (Config, error) {
	if c.Path == "" {
		return c, errors.New("no path (set storage.path)")
	}
	if c.Retention < 0 || c.MaxSize < 0 || c.LockTimeout < 0 || c.PruneInterval < 0 {
		return c, errors.New("retention, size and times must not be negative")
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.MaxSize == 0 {
		c.MaxSize = DefaultMaxSize
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = DefaultLockTimeout
	}
	if c.PruneInterval == 0 {
		c.PruneInterval = DefaultPruneInterval
	}
	return c, nil
}

// DB is an open store. Its methods may be called from several goroutines.
type DB struct {
	cfg    Config
	log    *slog.Logger
	steps  []step
	commit func(*bolt.Tx) error // only tests set another
	done   chan struct{}        // closed by Close

	// turn holds a token while a transaction runs, and so protects what
	// follows. It is a channel so that waiting for it ends with the context.
	turn    chan struct{}
	file    *file // nil after a failure, until the next transaction opens it again
	hard    int64 // bytes at which the file ends
	counts  counts
	strikes int // damage met since the last transaction that wrote
	prune   pruner

	mu    sync.Mutex // protects what follows
	id    string
	last  uint64
	grown chan struct{} // closed and replaced when last rises
	stats Stats
}

var _ monitor.Store = (*DB)(nil)

// Open opens the file, or makes it with mode 0600. A damaged file is set aside
// as PATH.corrupt-TIME and replaced by a fresh one, which the log and Stats tell.
func Open(cfg Config, log *slog.Logger) (*DB, error) {
	return openWith(cfg, log, migrations)
}

func openWith(cfg Config, log *slog.Logger, steps []step) (*DB, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	dir := filepath.Dir(cfg.Path)
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open store %s: %w (make the directory, owned by the daemon's user, with mode 0700; under systemd StateDirectory= does)", cfg.Path, err)
	}
	db := &DB{
		cfg: cfg, log: log, steps: steps, commit: (*bolt.Tx).Commit,
		done: make(chan struct{}), turn: make(chan struct{}, 1), grown: make(chan struct{}),
	}
	if err := db.open(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", cfg.Path, err)
	}
	return db, nil
}

// Close waits for the transaction that runs, closes the file, and ends every
// Wait. Further calls of any method but Stats, Last and ID give ErrClosed.
func (db *DB) Close() error {
	db.turn <- struct{}{}
	defer db.release()
	if db.closed() {
		return nil
	}
	close(db.done)
	if err := db.drop(); err != nil {
		return fmt.Errorf("close store %s: %w", db.cfg.Path, err)
	}
	return nil
}

// ID tells this store from any other: 16 characters of lower-case base32, made
// once and kept in the file.
func (db *DB) ID() string {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.id
}

func (db *DB) closed() bool {
	select {
	case <-db.done:
		return true
	default:
		return false
	}
}

// take waits for the turn and makes sure of an open file.
func (db *DB) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case db.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := ErrClosed
	if !db.closed() {
		if db.file != nil {
			return nil
		}
		if err = db.open(); err == nil {
			return nil
		}
	}
	db.release()
	return err
}

func (db *DB) release() { <-db.turn }

// view runs fn in a transaction that reads.
func (db *DB) view(ctx context.Context, fn func(*bolt.Tx) error) error {
	if err := db.take(ctx); err != nil {
		return err
	}
	defer db.release()
	return db.judge(db.file.run(false, fn))
}

// update runs fn in a transaction that writes, which is on disk when it returns
// nil. The file may grow by extra bytes above its end.
func (db *DB) update(ctx context.Context, extra int64, fn func(*writer) error) error {
	if err := db.take(ctx); err != nil {
		return err
	}
	defer db.release()
	var w *writer
	var id int
	committing := false
	db.file.bolt.MaxSize = int(min(db.hard+extra, math.MaxInt))
	err := db.file.run(true, func(tx *bolt.Tx) error {
		w, id = newWriter(tx, db.counts), tx.ID()
		if err := fn(w); err != nil {
			return err
		}
		if err := w.saveCounts(); err != nil {
			return err
		}
		committing = true
		return db.commit(tx)
	})
	if err != nil && committing {
		err = db.settle(id, err)
	}
	if err != nil {
		return db.judge(err)
	}
	db.counts, db.strikes = w.counts, 0
	if size, used, err := db.file.sizes(); err == nil {
		db.noteSizes(size, used)
	} else {
		db.judge(err) // what is committed stays so
	}
	return nil
}

// judge parts with the file where err says that it is damaged.
func (db *DB) judge(err error) error {
	if errors.Is(err, ErrCorrupt) {
		db.strikes++
		db.log.Error("store is damaged or unreadable", "path", db.cfg.Path, "err", err)
		if e := db.drop(); e != nil {
			db.log.Error("damaged store does not close", "path", db.cfg.Path, "err", e)
		}
	}
	return full(err)
}

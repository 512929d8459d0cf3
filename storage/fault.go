package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const (
	// pageSize of new files. It does not follow the machine's, so that a file
	// can move to another.
	pageSize = 4096
	// growStep is by how much a larger file grows. bbolt's own 16 MiB are more
	// than most hosts will ever need.
	growStep = 1 << 20
)

// guard runs fn and turns a panic in it into ErrCorrupt: a fault in the mapped
// file, or what bbolt makes of pages that cannot be right. It holds for this
// goroutine only.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return fn()
}

// file is an open bbolt file.
type file struct {
	bolt  *bolt.DB
	os    *os.File // the same file, to let go of where bbolt cannot
	stuck bool     // a transaction could not be ended, and bbolt's locks are held
}

// openFile opens the file at path. The freelist is kept in the file: without it
// bbolt would read the whole tree at each start, in a goroutine that no guard
// reaches.
func openFile(path string, lockTimeout time.Duration) (*file, error) {
	f := &file{}
	opts := &bolt.Options{
		Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, PageSize: pageSize,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			f.os, err = os.OpenFile(name, flag, mode)
			return f.os, err
		},
	}
	err := guard(func() (err error) {
		f.bolt, err = bolt.Open(path, 0o600, opts)
		return err
	})
	switch {
	case err == nil:
		f.bolt.AllocSize = growStep
		return f, nil
	case errors.Is(err, ErrCorrupt):
		f.stuck = true
		return nil, errors.Join(err, f.close())
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w (stop the other one, or set another storage.path)", ErrLocked)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w (file and directory must belong to the daemon's user)", err)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	// Of a file too short for its first pages bbolt has no error of its own.
	if info, e := os.Stat(path); e == nil && info.Mode().IsRegular() && info.Size() < 2*pageSize {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil, err
}

// run runs fn in a transaction, and rolls back what fn does not commit.
func (f *file) run(writable bool, fn func(*bolt.Tx) error) error {
	var tx *bolt.Tx
	err := guard(func() (err error) {
		if tx, err = f.bolt.Begin(writable); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return fn(tx)
	})
	if tx == nil {
		f.stuck = true // it died between taking bbolt's locks and returning
		return err
	}
	end := guard(func() error {
		if e := tx.Rollback(); !errors.Is(e, berrors.ErrTxClosed) {
			return e
		}
		return nil
	})
	if errors.Is(end, ErrCorrupt) {
		f.stuck = true
	}
	return errors.Join(err, end)
}

// close gives the file back. Where bbolt's locks are held it cannot be asked;
// then the mapping stays until the process ends.
func (f *file) close() error {
	if !f.stuck {
		return f.bolt.Close()
	}
	if f.os == nil {
		return nil
	}
	// The mapping keeps the file open, and with it the lock.
	return errors.Join(unix.Flock(int(f.os.Fd()), unix.LOCK_UN), f.os.Close())
}

// sizes gives the bytes of the file, and those of its pages that are in use.
func (f *file) sizes() (size, used int64, err error) {
	info, err := f.os.Stat()
	if err != nil {
		return 0, 0, err
	}
	err = f.run(false, func(tx *bolt.Tx) error {
		used = tx.Size()
		return nil
	})
	stats := f.bolt.Stats()
	free := int64(stats.FreePageN+stats.PendingPageN) * int64(f.bolt.Info().PageSize)
	return info.Size(), used - free, err
}

// full gives err the sentinel ErrFull where it speaks of room.
func full(err error) error {
	for _, e := range []error{berrors.ErrMaxSizeReached, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return err
}

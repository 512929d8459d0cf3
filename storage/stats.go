package storage

import (
	"errors"
	"time"
)

// Stats is the state of a store, for status and metrics. Numbers of events are
// since Open, numbers of records are those in the file.
type Stats struct {
	Schema    int
	FileBytes int64 // of the file; it never shrinks
	UsedBytes int64 // of pages that hold something
	MaxBytes  int64 // Config.MaxSize
	OverSize  bool  // the oldest is being dropped before its time

	Intervals uint64
	Baselines uint64
	Alerts    uint64
	Events    uint64
	Heard     uint64 // answers that were overheard
	Strangers uint64 // questions that were, and nobody watches
	Cursors   uint64
	LastEvent uint64 // its number

	LastCommit         time.Time // that succeeded
	LastCommitDuration time.Duration
	Commits            uint64
	CommitErrors       uint64
	Reopened           uint64 // after a write that failed

	SetAside  string // the last damaged file that was replaced; empty if none
	SetAsides uint64

	Forgotten       uint64 // strangers that went for others
	PrunedHeard     uint64 // of both
	PrunedIntervals uint64
	PrunedAlerts    uint64
	PrunedEvents    uint64
}

// Stats gives the state as of the last transaction. It waits for none.
func (db *DB) Stats() Stats {
	db.mu.Lock()
	defer db.mu.Unlock()
	s := db.stats
	s.MaxBytes = db.cfg.MaxSize
	s.LastEvent = db.last
	return s
}

// note changes the stats.
func (db *DB) note(fn func(*Stats)) {
	db.mu.Lock()
	defer db.mu.Unlock()
	fn(&db.stats)
}

// noteSizes takes note of sizes in bytes, and of numbers of records.
func (db *DB) noteSizes(size, used int64) {
	n := db.counts
	db.note(func(s *Stats) {
		s.FileBytes, s.UsedBytes = size, used
		s.Intervals = n[current] + n[past]
		s.Heard, s.Strangers = n[heard], n[strangers]
		s.Baselines, s.Alerts, s.Events, s.Cursors = n[baselines], n[alerts], n[events], n[cursors]
	})
}

func (db *DB) noteCommit(start time.Time, err error) {
	now := time.Now()
	db.note(func(s *Stats) {
		switch {
		case err == nil:
			s.Commits++
			s.LastCommit, s.LastCommitDuration = now, now.Sub(start)
		case !errors.Is(err, ErrClosed):
			s.CommitErrors++
		}
	})
}

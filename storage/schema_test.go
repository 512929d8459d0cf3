package storage

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestSchema(t *testing.T) {
	t.Parallel()
	note := func(key string) step {
		return func(tx *bolt.Tx) error {
			b := tx.Bucket(metaBucket)
			return b.Put([]byte(key), append(b.Get([]byte(key)), 'x'))
		}
	}
	broken := func(tx *bolt.Tx) error { return errors.Join(note("second")(tx), errors.New("cannot")) }
	noted := func(db *DB, key string) (v string) {
		err := db.view(t.Context(), func(tx *bolt.Tx) error {
			v = string(tx.Bucket(metaBucket).Get([]byte(key)))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return v
	}
	log := slog.New(slog.DiscardHandler)
	path := testPath(t)
	db, _ := openAt(t, Config{Path: path})
	commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "x")}})
	id := db.ID()
	db.Close()

	if _, err := openWith(Config{Path: path}, log, append(slices.Clone(migrations), note("first"), broken)); err == nil || !strings.Contains(err.Error(), "migrate from schema 3: cannot") {
		t.Fatalf("opening with a migration that fails = %v", err)
	}
	// Nothing of it happened.
	db, _ = openAt(t, Config{Path: path})
	if db.Stats().Schema != 2 || noted(db, "first") != "" {
		t.Errorf("after a failed migration schema is %d, note %q", db.Stats().Schema, noted(db, "first"))
	}
	db.Close()

	steps := append(slices.Clone(migrations), note("first"), note("second"))
	for range 2 { // and once only
		db, err := openWith(Config{Path: path}, log, steps)
		if err != nil {
			t.Fatal(err)
		}
		if db.Stats().Schema != 4 || noted(db, "first") != "x" || noted(db, "second") != "x" || db.ID() != id || db.Last() != 1 {
			t.Errorf("after migrating: schema %d, notes %q and %q", db.Stats().Schema, noted(db, "first"), noted(db, "second"))
		}
		check(t, db)
		db.Close()
	}

	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(Config{Path: path}, log)
	if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "it is 4, known is 2") {
		t.Errorf("Open of a newer schema = %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Errorf("Open of a newer schema changed the file, %v", err)
	}
	if aside, _ := filepath.Glob(path + ".*"); len(aside) != 0 {
		t.Errorf("Open of a newer schema set aside %q", aside)
	}
}

func TestForeignFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := testPath(t)
	other, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = other.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("somebody's"))
		return err
	})
	if err := errors.Join(err, other.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Path: path}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "not of dnstaster") {
		t.Errorf("Open of another program's file = %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

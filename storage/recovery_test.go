package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

// populate commits enough for trees of several levels, and gives the last number.
func populate(t testing.TB, db *DB) uint64 {
	t.Helper()
	for n := range 4 {
		var b monitor.Batch
		for i := range 500 {
			b.Intervals = append(b.Intervals, interval(fmt.Sprintf("n%d.example.", i), "isp", t0.Add(time.Duration(n)*time.Hour)))
			if i%5 == 0 {
				b.Events = append(b.Events, event(t0, strings.Repeat("x", 50)))
				b.Baselines = append(b.Baselines, fullBaseline(fmt.Sprintf("n%d.example.", i)))
				b.Alerts = append(b.Alerts, alert(fmt.Sprintf("%d-%d", n, i), t0))
			}
		}
		commit(t, db, b)
	}
	return db.Last()
}

// readAll reads everything there is, and gives the errors.
func readAll(t testing.TB, db *DB) error {
	t.Helper()
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	_, err := db.Baselines(t.Context())
	note(err)
	_, err = db.Alerts(t.Context(), time.Time{})
	note(err)
	for i := range 500 {
		_, err := db.History(t.Context(), monitor.HistoryQuery{Name: fmt.Sprintf("n%d.example.", i)})
		note(err)
	}
	for after := uint64(0); after < db.Last(); after += maxEvents {
		_, err := db.Events(t.Context(), after, maxEvents)
		note(err)
	}
	_, _, err = db.Cursor(t.Context(), "ops")
	note(err)
	return errors.Join(errs...)
}

func TestFileTruncatedWhileOpen(t *testing.T) {
	t.Parallel()
	uses := map[string]func(*testing.T, *DB) error{
		"reading": func(t *testing.T, db *DB) error { return readAll(t, db) },
		"writing": func(t *testing.T, db *DB) error {
			var b monitor.Batch
			for i := range 500 {
				b.Intervals = append(b.Intervals, interval(fmt.Sprintf("n%d.example.", i), "isp", t0.Add(9*time.Hour)))
			}
			b.Events = []monitor.Event{event(t0, "x")}
			err := db.Commit(t.Context(), &b)
			if err != nil && b.Events[0].Seq != 0 {
				t.Errorf("event has number %d after %v", b.Events[0].Seq, err)
			}
			return err
		},
		"pruning":  func(t *testing.T, db *DB) error { _, err := db.Prune(t.Context(), t0.Add(1000*day)); return err },
		"checking": func(t *testing.T, db *DB) error { return db.Check(t.Context()) },
	}
	for what, use := range uses {
		for _, size := range []int64{0, 100, 2 * pageSize, 20*pageSize + 7, 100 * pageSize} {
			t.Run(fmt.Sprintf("%s at %d bytes", what, size), func(t *testing.T) {
				t.Parallel()
				db, log := openAt(t, Config{})
				last, id := populate(t, db), db.ID()
				if info, err := os.Stat(db.cfg.Path); err != nil || info.Size() <= size {
					t.Fatalf("file is too small for the test: %v, %v", info, err)
				}
				if err := os.Truncate(db.cfg.Path, size); err != nil {
					t.Fatal(err)
				}
				if err := use(t, db); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%s a truncated file = %v, want ErrCorrupt", what, err)
				}
				// From here on it works, with a fresh file.
				commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "after")}})
				check(t, db)
				if err := readAll(t, db); err != nil {
					t.Errorf("reading after that = %v", err)
				}
				s := db.Stats()
				if s.SetAside == "" || s.Baselines != 0 || s.Events != 1 {
					t.Errorf("stats after that: %+v", s)
				}
				if info, err := os.Stat(s.SetAside); err != nil || !strings.HasPrefix(s.SetAside, db.cfg.Path+".corrupt-2") || info.Size() < size {
					t.Errorf("set aside as %q: %v", s.SetAside, err)
				}
				if db.ID() != id || db.Last() != last+1 {
					t.Errorf("id %q, last event %d, want %q, %d", db.ID(), db.Last(), id, last+1)
				}
				if list, err := db.Events(t.Context(), last, 10); err != nil || len(list) != 1 || list[0].Seq != last+1 {
					t.Errorf("events after that: %+v, %v", list, err)
				}
				if !strings.Contains(log.String(), "level=ERROR") {
					t.Errorf("the log is calm:\n%s", log)
				}
			})
		}
	}
}

// A fault must not leave anybody waiting for a lock.
func TestFileTruncatedUnderManyUsers(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	populate(t, db)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 60 {
				_, err := db.History(t.Context(), monitor.HistoryQuery{Name: fmt.Sprintf("n%d.example.", (w*60+n)%500)})
				if err == nil && n%20 == 0 {
					err = db.Commit(t.Context(), &monitor.Batch{Events: []monitor.Event{event(t0, "x")}})
				}
				if err != nil && !errors.Is(err, ErrCorrupt) {
					t.Error(err)
				}
				if w == 0 && n == 20 {
					if err := os.Truncate(db.cfg.Path, 0); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	check(t, db)
}

func TestDamagedFileAtOpen(t *testing.T) {
	t.Parallel()
	source, _ := openAt(t, Config{})
	populate(t, source)
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(source.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	scribble := func(b []byte) {
		noise := rand.New(rand.NewPCG(1, 2))
		for i := range b {
			b[i] = byte(noise.Uint32())
		}
	}
	pages := len(whole) / pageSize
	tests := []struct {
		name   string
		damage func(b []byte) []byte
		late   bool // may be found only on reading
	}{
		{"a few bytes", func(b []byte) []byte { return b[:100] }, false},
		{"one page", func(b []byte) []byte { return b[:pageSize] }, false},
		{"no meta pages", func(b []byte) []byte { clear(b[:2*pageSize]); return b }, false},
		{"other text", func([]byte) []byte { return bytes.Repeat([]byte("not a store\n"), 5000) }, false},
		{"meta pages only", func(b []byte) []byte { return b[:2*pageSize] }, false},
		{"a quarter", func(b []byte) []byte { return b[:len(b)/4] }, false},
		{"all but meta pages zero", func(b []byte) []byte { clear(b[2*pageSize:]); return b }, false},
		{"all but meta pages noise", func(b []byte) []byte { scribble(b[2*pageSize:]); return b }, false},
		{"noise in the middle", func(b []byte) []byte { scribble(b[pages/3*pageSize : pages/2*pageSize]); return b }, true},
		{"zeros in the middle", func(b []byte) []byte { clear(b[pages/3*pageSize : pages/2*pageSize]); return b }, true},
		{"each fifth page zero", func(b []byte) []byte {
			for p := 5; p < pages; p += 5 {
				clear(b[p*pageSize : (p+1)*pageSize])
			}
			return b
		}, true},
		{"pages end in zeros", func(b []byte) []byte {
			for p := 2; p < pages; p++ {
				clear(b[p*pageSize+3500 : (p+1)*pageSize])
			}
			return b
		}, true},
		{"pages in another order", func(b []byte) []byte {
			for p := 2; p+1 < pages; p += 2 {
				x := bytes.Clone(b[p*pageSize : (p+1)*pageSize])
				copy(b[p*pageSize:], b[(p+1)*pageSize:(p+2)*pageSize])
				copy(b[(p+1)*pageSize:], x)
			}
			return b
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := testPath(t)
			damaged := tt.damage(bytes.Clone(whole))
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			db, log := openAt(t, Config{Path: path})
			t.Logf("opened in %v", time.Since(start))
			for round := 0; tt.late; round++ {
				err := readAll(t, db)
				if err == nil {
					break
				}
				if !errors.Is(err, ErrCorrupt) || round == 3 {
					t.Fatalf("reading = %v", err)
				}
			}
			commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "after")}})
			check(t, db)
			s := db.Stats()
			if s.SetAsides != 1 || s.Events != 1 {
				t.Errorf("stats: %+v", s)
			}
			kept, err := os.ReadFile(s.SetAside)
			if err != nil || !bytes.Equal(kept, damaged) {
				t.Errorf("what was set aside as %q is not what was there, %v", s.SetAside, err)
			}
			if !strings.Contains(log.String(), "set aside") || !strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("the log is calm:\n%s", log)
			}
		})
	}
}

// One of the two meta pages may be lost without losing anything else.
func TestHalfWrittenMetaPage(t *testing.T) {
	t.Parallel()
	for page := range 2 {
		path := testPath(t)
		db, _ := openAt(t, Config{Path: path})
		for range 5 {
			commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "x")}})
		}
		db.Close()
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt(make([]byte, 20), int64(page*pageSize+40))
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		db, _ = openAt(t, Config{Path: path})
		check(t, db)
		if db.Last() < 4 || db.Stats().SetAside != "" {
			t.Errorf("without meta page %d the last event is %d, stats %+v", page, db.Last(), db.Stats())
		}
	}
}

func TestSetAsideNeverOverwrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	for n := range 3 {
		if err := os.WriteFile(path, []byte{byte(n)}, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := setAside(path, t0); err != nil {
			t.Fatal(err)
		}
	}
	for n, suffix := range []string{"", ".2", ".3"} {
		name := path + ".corrupt-20261103T120000Z" + suffix
		if b, err := os.ReadFile(name); err != nil || b[0] != byte(n) {
			t.Errorf("%s holds %v, %v", name, b, err)
		}
	}
}

func TestFailedCommit(t *testing.T) {
	t.Parallel()
	early := func(tx *bolt.Tx) error { return errors.Join(syscall.EIO, tx.Rollback()) }
	late := func(tx *bolt.Tx) error { return errors.Join(syscall.EIO, tx.Commit()) }
	half := func(*bolt.Tx) error { return syscall.EIO }
	died := func(*bolt.Tx) error { panic("page 7 already freed") }
	full := func(tx *bolt.Tx) error { return errors.Join(syscall.ENOSPC, tx.Rollback()) }
	tests := []struct {
		name   string
		fail   []func(*bolt.Tx) error // commits, one after the other
		want   error
		events uint64 // that are there afterwards
	}{
		{"before the meta page", []func(*bolt.Tx) error{early}, syscall.EIO, 1},
		{"in the last flush", []func(*bolt.Tx) error{late}, nil, 2},
		{"and again", []func(*bolt.Tx) error{late, early}, syscall.EIO, 2},
		{"without an end", []func(*bolt.Tx) error{half}, syscall.EIO, 1},
		{"disk full", []func(*bolt.Tx) error{full}, ErrFull, 1},
		{"a panic", []func(*bolt.Tx) error{died}, ErrCorrupt, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, log := openAt(t, Config{})
			commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "before")}})
			handle, whole := db.file, db.commit
			db.commit = func(tx *bolt.Tx) error {
				fail := tt.fail[0]
				if tt.fail = tt.fail[1:]; len(tt.fail) == 0 {
					db.commit = whole
				}
				return fail(tx)
			}
			b := monitor.Batch{Events: []monitor.Event{event(t0, "during")}}
			err := db.Commit(t.Context(), &b)
			if !errors.Is(err, tt.want) {
				t.Errorf("Commit = %v, want %v", err, tt.want)
			}
			if want := map[bool]uint64{true: 2, false: 0}[err == nil]; b.Events[0].Seq != want {
				t.Errorf("event has number %d, want %d", b.Events[0].Seq, want)
			}
			if db.file == handle {
				t.Error("the handle whose commit failed is still in use")
			}
			check(t, db)
			if s := db.Stats(); s.Events != tt.events || s.LastEvent != tt.events || s.SetAside != "" {
				t.Errorf("stats: %+v, want %d events\n%s", s, tt.events, log)
			}
			commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "after")}})
			check(t, db)
		})
	}
}

// Damage that no look at the file finds must not keep the store from working.
func TestDamageMetAgain(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	commit(t, db, monitor.Batch{Events: []monitor.Event{event(t0, "before")}})
	whole := db.commit
	db.commit = func(*bolt.Tx) error { panic("page 7 already freed") }
	b := monitor.Batch{Events: []monitor.Event{event(t0, "x")}}
	for range 2 {
		if err := db.Commit(t.Context(), &b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("Commit = %v, want ErrCorrupt", err)
		}
		if db.Stats().SetAside != "" {
			t.Error("set aside too early")
		}
	}
	db.commit = whole
	commit(t, db, b)
	if s := db.Stats(); s.SetAsides != 1 || s.Events != 1 || s.LastEvent != 2 {
		t.Errorf("stats: %+v", s)
	}
	check(t, db)
}

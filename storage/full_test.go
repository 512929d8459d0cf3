package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/monitor"
)

// fillUp commits until there is no room, makes room, and commits again. It
// gives what is wrong with that.
func fillUp(ctx context.Context, db *DB, makeRoom func() error) error {
	n := 0
	next := func() (monitor.Batch, error) {
		n++
		a := alert(fmt.Sprintf("%06d", n), time.Time{})
		a.Text = strings.Repeat("x", 20_000)
		b := monitor.Batch{Alerts: []monitor.Alert{a}, Events: []monitor.Event{event(t0, "x"), event(t0, "y")}}
		return b, db.Commit(ctx, &b)
	}
	var b monitor.Batch
	var err error
	for range 2000 {
		if b, err = next(); err != nil {
			break
		}
	}
	if err == nil {
		return errors.New("the disk does not get full")
	}
	if !errors.Is(err, ErrFull) && !strings.Contains(err.Error(), "file too large") {
		return fmt.Errorf("commit to a full disk: %w, want ErrFull", err)
	}
	if b.Events[0].Seq != 0 {
		return fmt.Errorf("event has number %d after an error", b.Events[0].Seq)
	}
	want := db.Last()
	if list, err := db.Alerts(ctx, t0); err != nil || uint64(len(list)) != want/2 {
		return fmt.Errorf("%d alerts are left, %w, want %d", len(list), err, want/2)
	}
	// What the failed one would have freed may be enough for another, or not.
	if _, err := next(); err == nil {
		want += 2
	}
	if err := db.Check(ctx); err != nil {
		return err
	}
	if err := makeRoom(); err != nil {
		return err
	}
	if b, err = next(); err != nil || b.Events[0].Seq != want+1 {
		return fmt.Errorf("commit with room again: %w, number %d, want %d", err, b.Events[0].Seq, want+1)
	}
	if s := db.Stats(); s.CommitErrors == 0 || s.SetAside != "" {
		return fmt.Errorf("stats afterwards: %+v", s)
	}
	return db.Check(ctx)
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	t.Run("small file system", func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
			// The tests must run without privilege; as root, .ci/run refuses the skip.
			t.Skipf("mounting needs root: %v", err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		})
		db, _ := openAt(t, Config{Path: filepath.Join(dir, "store.db")})
		err := fillUp(t.Context(), db, func() error { return unix.Mount("", dir, "", unix.MS_REMOUNT, "size=64m") })
		if err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil { // before the file system goes
			t.Error(err)
		}
	})
	t.Run("limit on file size", func(t *testing.T) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=limit", childEnv+"_PATH="+testPath(t))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("child: %v\n%s", err, out)
		}
	})
}

// childLimit fills a store up to a limit on the size of files.
func childLimit() {
	signal.Ignore(syscall.SIGXFSZ)
	db, err := Open(Config{Path: os.Getenv(childEnv + "_PATH")}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		panic(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	set := func(cur uint64) error {
		return unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: cur, Max: limit.Max})
	}
	if err := set(1 << 19); err != nil {
		panic(err)
	}
	if err := fillUp(context.Background(), db, func() error { return set(limit.Cur) }); err != nil {
		panic(err)
	}
	if err := db.Close(); err != nil {
		panic(err)
	}
}

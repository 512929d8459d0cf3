package storage

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// killBatch is the nth batch of the child, from which every part of it can be told.
func killBatch(n int) monitor.Batch {
	at := t0.Add(time.Duration(n) * time.Hour)
	b := monitor.Batch{
		Alerts:    []monitor.Alert{alert(fmt.Sprintf("%06d", n), at)},
		Baselines: []monitor.Baseline{{Name: "a.", Since: at}, {Name: fmt.Sprintf("n%d.", n), Since: at}},
	}
	for r := range 20 {
		b.Intervals = append(b.Intervals, interval("a.", fmt.Sprint(r), at))
	}
	for range 1 + n%3 {
		b.Events = append(b.Events, event(at, strconv.Itoa(n)))
	}
	return b
}

// childCommit commits batch after batch, says when one is acknowledged, and
// ends when it is killed.
func childCommit() {
	db, err := Open(Config{Path: os.Getenv(childEnv + "_PATH")}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	for n := int(db.Stats().Alerts); ; n++ {
		b := killBatch(n)
		if err := db.Commit(ctx, &b); err != nil {
			panic(err)
		}
		seq := b.Events[len(b.Events)-1].Seq
		fmt.Println("batch", n, seq)
		if err := db.SetCursor(ctx, "ops", seq); err != nil {
			panic(err)
		}
		fmt.Println("cursor", n, seq)
		if _, err := db.Prune(ctx, t0); err != nil {
			panic(err)
		}
	}
}

// TestKill kills a process that commits, again and again, and looks at what is
// left. DNSTASTER_KILL_ROUNDS asks for more than 20 rounds.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 20
	if s := os.Getenv("DNSTASTER_KILL_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	path := testPath(t)
	noise := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for round := range rounds {
		// Some die while they make or open the file, the others in full flight.
		lines := noise.IntN(40)
		if round%5 == 0 {
			lines = 0
		}
		acknowledged, cursor := killChild(t, path, lines, time.Duration(noise.IntN(20_000))*time.Microsecond)
		inspect(t, path, acknowledged, cursor)
		if t.Failed() {
			t.Fatalf("in round %d, after %d lines", round, lines)
		}
	}
}

// killChild lets a child print lines, and for none start for a while, before it
// is killed. It gives the last batch and cursor that the child acknowledged.
func killChild(t *testing.T, path string, lines int, start time.Duration) (batch int, cursor uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=commit", childEnv+"_PATH="+path)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	batch = -1
	if lines == 0 {
		timer := time.AfterFunc(start, func() { cmd.Process.Kill() })
		defer timer.Stop()
	}
	sc := bufio.NewScanner(out)
	for n := 1; sc.Scan(); n++ { // to the end: what was printed before the kill counts
		var what string
		var number int
		var seq uint64
		if _, err := fmt.Sscan(sc.Text(), &what, &number, &seq); err != nil {
			t.Fatalf("child printed %q: %v", sc.Text(), err)
		}
		if batch = number; what == "cursor" {
			cursor = seq
		}
		if n == lines {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	if stderr.Len() > 0 && !strings.Contains(stderr.String(), "empty file") {
		t.Errorf("child: %s", &stderr)
	}
	return batch, cursor
}

// inspect looks for every batch up to the acknowledged one, whole, and at most
// one more.
func inspect(t *testing.T, path string, acknowledged int, cursor uint64) {
	t.Helper()
	db, err := Open(Config{Path: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	check(t, db)
	s := db.Stats()
	batches := int(s.Alerts)
	if s.SetAside != "" {
		t.Fatalf("a killed process left damage: %+v", s)
	}
	if acknowledged >= 0 && (batches < acknowledged+1 || batches > acknowledged+2) {
		t.Errorf("%d batches are there, %d were acknowledged", batches, acknowledged+1)
	}
	if got, ok, err := db.Cursor(t.Context(), "ops"); err != nil || got < cursor || ok && got > db.Last() {
		t.Errorf("cursor is %d, %v, %v, want at least %d", got, ok, err, cursor)
	}
	var want []monitor.Event
	for n := range batches {
		b := killBatch(n)
		want = append(want, b.Events...)
		if _, ok, err := db.Alert(t.Context(), b.Alerts[0].ID); !ok || err != nil {
			t.Errorf("alert of batch %d: %v, %v", n, ok, err)
		}
	}
	var got []monitor.Event
	for after := uint64(0); after < db.Last(); after = got[len(got)-1].Seq {
		list, err := db.Events(t.Context(), after, 100)
		if err != nil || len(list) == 0 {
			t.Fatalf("events after %d: %d, %v", after, len(list), err)
		}
		got = append(got, list...)
	}
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d of %d batches", len(got), len(want), batches)
	}
	for n, e := range got {
		var a, b string
		if json.Unmarshal(e.Data, &a) != nil || json.Unmarshal(want[n].Data, &b) != nil || a != b || e.Seq != uint64(n+1) {
			t.Fatalf("event %d is %d of batch %s, want of %s", n+1, e.Seq, a, b)
		}
	}
	if s.Intervals != uint64(20*batches) {
		t.Errorf("%d intervals, want %d", s.Intervals, 20*batches)
	}
	if want := uint64(batches + 1); batches > 0 && s.Baselines != want {
		t.Errorf("%d baselines, want %d", s.Baselines, want)
	}
}

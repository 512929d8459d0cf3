package capture

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const second = int64(time.Second)

// TestTombs holds them against a map, with room for all: 64 in eight rows.
func TestTombs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ts, model, now := newTombs(64), map[uint64]int64{}, 1000*second
		for range rapid.IntRange(1, 100).Draw(rt, "steps") {
			now += second * rapid.Int64Range(0, 20).Draw(rt, "pause")
			// One hash for each row, so that none has to make room.
			hash := rapid.Uint64Range(0, 7).Draw(rt, "hash") << 61
			if rapid.Bool().Draw(rt, "add") {
				ts.add(hash, now)
				model[hash] = now
			}
			if rapid.IntRange(0, 49).Draw(rt, "grow") == 0 {
				ts.grow(1024, now)
			}
			at, ok := model[hash]
			if got, want := ts.has(hash, now), ok && now-at <= int64(lateFor); got != want {
				rt.Fatalf("%x ended %v ago: %t", hash, time.Duration(now-at), got)
			}
		}
	})
}

// Where there is no room, what ended longest ago is forgotten, and what ended in a
// time that a clock has been set back from.
func TestTombsFull(t *testing.T) {
	ts := newTombs(1)
	for i := range int64(9) {
		ts.add(uint64(i)<<32, (100+i)*second)
	}
	for i := range int64(9) {
		if got := ts.has(uint64(i)<<32, 109*second); got != (i > 0) {
			t.Errorf("%d: %t", i, got)
		}
	}
	if ts.has(8<<32, 50*second) {
		t.Error("it ended before it was there")
	}
	for i := range int64(8) {
		ts.add(uint64(20+i)<<32, 50*second)
	}
	for i := range int64(8) {
		if !ts.has(uint64(20+i)<<32, 51*second) {
			t.Errorf("%d is forgotten for one yet to come", i)
		}
	}
}

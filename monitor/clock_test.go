package monitor_test

import (
	"testing"
	"time"
	"unsafe"
)

// stepWall gives t as it reads after the wall clock was set by d, in whole
// seconds: the monotonic clock goes on as before. That is what settimeofday
// does to every time.Now that follows, and no arithmetic on a Time can show it.
func stepWall(t time.Time, d time.Duration) time.Time {
	if d == 0 {
		return t
	}
	const hasMonotonic, nsecShift = 1 << 63, 30
	wall := (*uint64)(unsafe.Pointer(&t))
	if *wall&hasMonotonic == 0 {
		return t.Add(d)
	}
	*wall += uint64(int64(d/time.Second)) << nsecShift
	*wall |= hasMonotonic
	return t
}

// The layout of a Time is not promised; here it is checked.
func TestStepWall(t *testing.T) {
	for _, d := range []time.Duration{time.Hour, -time.Hour} {
		was := time.Now()
		is := stepWall(was, d)
		if got := is.Sub(was); got != 0 {
			t.Errorf("step of %s: %s of monotonic time passed, want 0", d, got)
		}
		if got := is.Round(0).Sub(was.Round(0)); got != d {
			t.Errorf("step of %s: the wall clock moved by %s", d, got)
		}
	}
}

package monitor_test

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// midnight is when every bubble of fake time begins.
var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// anchor is midnight as a running clock shows it: with a monotonic reading,
// which times in a bubble lack. Without one, setting the clock would look as if
// time had passed.
var anchor = func() time.Time {
	now := time.Now()
	*wall(&now) &^= 1<<nsecShift - 1
	return stepWall(now, midnight.Sub(now.Round(0)))
}()

// bubbleNow is the time in a bubble as this host's clock shows it after it was
// set by step.
func bubbleNow(step time.Duration) time.Time {
	return stepWall(anchor, step).Add(time.Since(midnight))
}

// stepWall gives t as it reads after the wall clock was set by d, in whole
// seconds: the monotonic clock goes on as before. That is what settimeofday
// does to every time.Now that follows, and no arithmetic on a Time can show it.
func stepWall(t time.Time, d time.Duration) time.Time {
	*wall(&t) += uint64(int64(d/time.Second)) << nsecShift
	*wall(&t) |= hasMonotonic
	return t
}

const hasMonotonic, nsecShift = 1 << 63, 30

func wall(t *time.Time) *uint64 { return (*uint64)(unsafe.Pointer(t)) }

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
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(90 * time.Second)
		was, is := bubbleNow(0), bubbleNow(-time.Hour)
		if got := was.Round(0); !got.Equal(time.Now()) {
			t.Errorf("the clock in a bubble shows %s, want %s", got, time.Now())
		}
		if passed, set := is.Sub(was), is.Round(0).Sub(was.Round(0)); passed != 0 || set != -time.Hour {
			t.Errorf("set back by an hour: %s passed and the clock moved by %s", passed, set)
		}
	})
}

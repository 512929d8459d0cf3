package monitor

import (
	"container/heap"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// agenda holds what is to be done when. It belongs to one goroutine.
type agenda []appointment

type appointment struct {
	at time.Time
	do func(now time.Time)
}

func (a *agenda) add(at time.Time, do func(now time.Time)) { heap.Push(a, appointment{at, do}) }

// next is when the first appointment is due; ok is false when there is none.
func (a agenda) next() (at time.Time, ok bool) {
	if len(a) == 0 {
		return time.Time{}, false
	}
	return a[0].at, true
}

// run does everything that is due.
func (a *agenda) run(now time.Time) {
	for len(*a) > 0 && !(*a)[0].at.After(now) {
		heap.Pop(a).(appointment).do(now)
	}
}

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(appointment)) }

func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = appointment{}
	*a = old[:len(old)-1]
	return last
}

// phase spreads names over an interval by their hash, so that the rounds of
// many names, and of many hosts that started together, do not come in bursts.
func phase(name, host string, interval time.Duration) time.Duration {
	if interval <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(host))
	h.Write([]byte{0})
	h.Write([]byte(name))
	return time.Duration(h.Sum64() % uint64(interval))
}

// jitter moves d by at most part of it, up or down, so that nobody can know
// when the next question comes.
func jitter(d time.Duration, part float64) time.Duration {
	return time.Duration(float64(d) * (1 + part*(2*rand.Float64()-1)))
}

// initialSpread is how far apart the first rounds of two names are after a
// start: near enough that a few names are judged at once, far enough that
// thousands do not go out as one burst.
const initialSpread = 20 * time.Millisecond

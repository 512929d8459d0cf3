package score

import (
	"math"
	"slices"
)

// Totals sum up a board.
type Totals struct {
	Attacks   Count `json:"attacks"` // exact kind
	Benign    Count `json:"benign"`  // quiet
	Additions Count `json:"additions"`
	// Webhook is the delay from the first forged packet to the webhook, over all
	// injections.
	Webhook Latency `json:"webhook_seconds"`
	Confirm Confirm `json:"confirm_seconds"`
	// The two bounds of false alarms stay apart: a round within the process has
	// no network in it, so its number says nothing about the network's surprises.
	Live   Alarms `json:"live"`
	Judged Alarms `json:"judged"`
}

// A Count is how many of how many.
type Count struct {
	Pass int `json:"pass"`
	Of   int `json:"of"`
}

func (c *Count) add(pass bool) {
	c.Of++
	if pass {
		c.Pass++
	}
}

// Confirm is the time from the start to a confirmed verdict, in seconds, over
// the attacks that reached one.
type Confirm struct {
	N      int     `json:"n"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// Alarms are rounds with the false alarms in them, and the upper bound of the
// rate per round that this number supports, at 95 %, one-sided.
type Alarms struct {
	Rounds
	Bound float64 `json:"bound"`
}

// Totals count what is on the board.
func (b Board) Totals() Totals {
	var t Totals
	var live, judged Rounds
	var confirm []float64
	for _, r := range b.Cases {
		switch r.Group() {
		case "attack":
			t.Attacks.add(r.Pass)
		case "benign":
			t.Benign.add(r.Pass)
		default:
			t.Additions.add(r.Pass)
		}
		if r.Confirm > 0 && r.Group() == "attack" {
			confirm = append(confirm, r.Confirm)
		}
		live, judged = live.plus(r.Live), judged.plus(r.Judged)
	}
	latency := b.Latency()
	t.Webhook = latency[len(latency)-1]
	if len(confirm) > 0 {
		t.Confirm = Confirm{len(confirm), milli(*median(confirm, 0)), milli(slices.Max(confirm))}
	}
	t.Live, t.Judged = Alarms{live, digits(Upper(live))}, Alarms{judged, digits(Upper(judged))}
	return t
}

// A Latency has the quantiles of the delay of one case's injections, in seconds.
// A missed injection counts as slower than all others; a quantile that falls on
// one is null.
type Latency struct {
	Case   string   `json:"case"`
	N      int      `json:"n"` // with the missed ones
	Missed int      `json:"missed"`
	Median *float64 `json:"median"`
	P99    *float64 `json:"p99"`
}

// Enough tells whether a p99 can be told from the maximum.
func (l Latency) Enough() bool { return l.N >= 100 }

// Latency has one row for each case, and "all" as the last.
func (b Board) Latency() []Latency {
	var rows []Latency
	all := Injections{Case: "all"}
	for _, in := range slices.SortedStableFunc(slices.Values(b.Injections), func(x, y Injections) int { return byID(x.Case, y.Case) }) {
		rows = append(rows, in.latency())
		all.Seconds = append(all.Seconds, in.Seconds...)
		all.Missed += in.Missed
	}
	return append(rows, all.latency())
}

func (in Injections) latency() Latency {
	l := Latency{Case: in.Case, N: len(in.Seconds) + in.Missed, Missed: in.Missed}
	l.Median, l.P99 = median(in.Seconds, in.Missed), quantile(in.Seconds, in.Missed, 99)
	for _, q := range []*float64{l.Median, l.P99} {
		if q != nil {
			*q = milli(*q)
		}
	}
	return l
}

// median is the middle of the values with missed ones above them, or the mean of
// the two in the middle. It is nil where the middle is a missed one, or nothing.
func median(values []float64, missed int) *float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v) + missed
	if n == 0 || n/2 >= len(v) {
		return nil
	}
	m := (v[(n-1)/2] + v[n/2]) / 2
	return &m
}

// quantile is the smallest value that percent of all do not exceed (nearest rank).
func quantile(values []float64, missed, percent int) *float64 {
	v := slices.Sorted(slices.Values(values))
	rank := ((len(v)+missed)*percent + 99) / 100
	if rank == 0 || rank > len(v) {
		return nil
	}
	q := v[rank-1]
	return &q
}

// Upper is the upper bound, at 95 %, one-sided, of the rate of false alarms per
// round. For none it is the rule of three, 3/N; for some, Clopper and Pearson's
// exact bound. It takes rounds as independent. Without rounds it is 1.
func Upper(r Rounds) float64 {
	switch {
	case r.N <= 0 || r.False >= r.N:
		return 1
	case r.False == 0:
		return min(1, 3/float64(r.N))
	}
	low, high := float64(r.False)/float64(r.N), 1.0
	for range 60 { // halves the interval each time, to the end of float64
		if p := (low + high) / 2; atMost(r.False, r.N, p) > 0.05 {
			low = p
		} else {
			high = p
		}
	}
	return high
}

// atMost is the probability of at most k of n, each with the probability p.
func atMost(k, n int, p float64) float64 {
	if p >= 1 {
		return 0 // k < n
	}
	sum, all := 0.0, lgamma(n+1)
	for i := range k + 1 {
		sum += math.Exp(all - lgamma(i+1) - lgamma(n-i+1) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

func lgamma(n int) float64 {
	v, _ := math.Lgamma(float64(n))
	return v
}

// digits rounds up to three digits that count: a bound is never rounded down.
func digits(v float64) float64 {
	if v <= 0 {
		return 0
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(v)))
	return math.Ceil(v*scale-1e-9) / scale
}

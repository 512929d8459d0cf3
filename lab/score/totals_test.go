package score

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func number(v float64) *float64 { return &v }

func TestTotals(t *testing.T) {
	want := Totals{
		Attacks: Count{2, 3}, Benign: Count{1, 2}, Additions: Count{1, 1},
		Webhook: Latency{Case: "all", N: 260, Missed: 1, Median: number(4.55), P99: number(11.9)},
		Confirm: Confirm{2, 21.5, 30.5},
		Live:    Alarms{Rounds{400, 1}, 0.0119},
		Judged:  Alarms{Rounds{10000, 0}, 0.0003},
	}
	if diff := cmp.Diff(want, sample().Totals()); diff != "" {
		t.Error(diff)
	}
}

func TestQuantiles(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Injections
		want Latency
	}{
		{"nothing", Injections{}, Latency{}},
		{"one", Injections{Seconds: []float64{2}}, Latency{N: 1, Median: number(2), P99: number(2)}},
		{"two", Injections{Seconds: []float64{4, 2}}, Latency{N: 2, Median: number(3), P99: number(4)}},
		{"a hundred", Injections{Seconds: ramp(100)}, Latency{N: 100, Median: number(5.05), P99: number(9.9)}},
		{"a hundred and one", Injections{Seconds: ramp(101)}, Latency{N: 101, Median: number(5.1), P99: number(10)}},
		{"one of a hundred missed", Injections{Seconds: ramp(99), Missed: 1}, Latency{N: 100, Missed: 1, Median: number(5.05), P99: number(9.9)}},
		{"two of a hundred missed", Injections{Seconds: ramp(98), Missed: 2}, Latency{N: 100, Missed: 2, Median: number(5.05)}},
		{"half missed", Injections{Seconds: ramp(2), Missed: 2}, Latency{N: 4, Missed: 2}},
		{"all missed", Injections{Missed: 3}, Latency{N: 3, Missed: 3}},
	} {
		if diff := cmp.Diff(c.want, c.in.latency(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestUpper compares with bounds that were reckoned in 60 digits from the
// binomial sum itself.
func TestUpper(t *testing.T) {
	for _, c := range []struct {
		r    Rounds
		want float64
	}{
		{Rounds{0, 0}, 1},
		{Rounds{2, 0}, 1},
		{Rounds{300, 0}, 0.01},
		{Rounds{10200, 0}, 3.0 / 10200},
		{Rounds{10, 10}, 1},
		{Rounds{2, 1}, math.Sqrt(0.95)}, // 1-p² = 0.05
		{Rounds{10, 1}, 0.394163},
		{Rounds{100, 5}, 0.102253},
		{Rounds{10200, 1}, 0.000465},
	} {
		if got := Upper(c.r); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%+v: %.8f, want %.8f", c.r, got, c.want)
		}
	}
	// For many rounds the bound goes to Poisson's, 6.2958 for two.
	if got := Upper(Rounds{10_000_000, 2}) * 1e7; math.Abs(got-6.2958) > 1e-3 {
		t.Errorf("two of many: %v", got)
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, 1: 1, 0.01: 0.01, 0.0123: 0.0123, 0.01231: 0.0124, 0.00029999: 0.0003} {
		if got := digits(v); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v: %v, want %v", v, got, want)
		}
	}
}

package score

import (
	"math"
	"strings"
	"testing"
	"time"
)

// line samples f, of hours, n times from the start to the end.
func line(n int, end time.Duration, f func(hours float64) float64) []Point {
	points := make([]Point, n)
	for i := range points {
		at := end * time.Duration(i) / time.Duration(n-1)
		points[i] = Point{at, f(at.Hours())}
	}
	return points
}

func TestSlope(t *testing.T) {
	h := time.Hour
	for _, c := range []struct {
		name          string
		points        []Point
		slope, stderr float64
	}{
		{"none", nil, 0, math.Inf(1)},
		{"one", []Point{{h, 3}}, 0, math.Inf(1)},
		{"two", []Point{{0, 1}, {2 * h, 5}}, 2, math.Inf(1)},
		{"all at once", []Point{{h, 1}, {h, 2}, {h, 3}}, 0, math.Inf(1)},
		{"exact", line(10, 3*h, func(x float64) float64 { return 7 - 2*x }), -2, 0},
		// By hand: the line is 1.5x + 1/6, it leaves 1/6, -1/3, 1/6 over; 1/6 / 1 / 2.
		{"noisy", []Point{{0, 0}, {h, 2}, {2 * h, 3}}, 1.5, math.Sqrt(1.0 / 12)},
	} {
		slope, stderr := Slope(c.points)
		if math.Abs(slope-c.slope) > 1e-9 || stderr != c.stderr && math.Abs(stderr-c.stderr) > 1e-7 {
			t.Errorf("%s: %v ± %v, want %v ± %v", c.name, slope, stderr, c.slope, c.stderr)
		}
	}
}

func TestFlat(t *testing.T) {
	saw := func(x float64) float64 { return 100 + 10*math.Mod(x*7.3, 1) }
	for _, c := range []struct {
		name   string
		points []Point
		why    []string // a part of each reason
	}{
		{"constant", line(100, 10*time.Hour, func(float64) float64 { return 5 }), nil},
		{"a warm-up alone", line(100, 10*time.Hour, func(x float64) float64 { return 100 * min(x, 1) }), nil},
		{"a sawtooth", line(500, 10*time.Hour, saw), nil},
		{"it falls", line(100, 10*time.Hour, func(x float64) float64 { return 100 - x }), nil},
		{"it grows", line(100, 10*time.Hour, func(x float64) float64 { return 100 + x }), []string{"line rises", "last quarter"}},
		{"a sawtooth that grows", line(500, 10*time.Hour, func(x float64) float64 { return saw(x) + x }), []string{"line rises", "last quarter"}},
		{"too few", line(12, 10*time.Hour, func(float64) float64 { return 5 }), []string{"only 10 points"}},
		{"noise hides it", line(20, 10*time.Hour, func(x float64) float64 { return 100 + 50*math.Mod(x*6180.3, 1) }), []string{"line rises"}},
		{"no number", line(100, 10*time.Hour, func(float64) float64 { return math.NaN() }), []string{"line rises", "last quarter"}},
	} {
		why := Flat(c.points, time.Hour, 4)
		if len(why) != len(c.why) {
			t.Errorf("%s: %q", c.name, why)
			continue
		}
		for i, part := range c.why {
			if !strings.Contains(why[i], part) {
				t.Errorf("%s: %q lacks %q", c.name, why[i], part)
			}
		}
	}
}

package score

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A Point is a value at a time after the start.
type Point struct {
	At    time.Duration
	Value float64
}

// enoughPoints is how many points after the warm-up a trend is judged by: below
// it, the slope's error says more of the sampling than of the program.
const enoughPoints = 12

// Slope is that of the line of least squares, per hour, with its standard error.
// The error is infinite where points are too few to tell one: below three, or all
// at one time. It takes what the line leaves over as independent; what swings
// slowly makes the true error greater.
func Slope(points []Point) (perHour, stderr float64) {
	n := float64(len(points))
	if n < 2 {
		return 0, math.Inf(1)
	}
	var x0, y0 float64
	for _, p := range points {
		x0 += p.At.Hours() / n
		y0 += p.Value / n
	}
	var xx, xy float64
	for _, p := range points {
		x := p.At.Hours() - x0
		xx += x * x
		xy += x * (p.Value - y0)
	}
	if xx == 0 {
		return 0, math.Inf(1)
	}
	perHour = xy / xx
	if n < 3 {
		return perHour, math.Inf(1)
	}
	var rest float64
	for _, p := range points {
		d := p.Value - y0 - perHour*(p.At.Hours()-x0)
		rest += d * d
	}
	return perHour, math.Sqrt(rest / (n - 2) / xx)
}

// Flat gives the reasons why a series grows, or why nobody can tell; none means
// that it is flat. Of the points after the warm-up, allowance, in the unit of
// the values, is how far the series may rise over all of that time: by the line
// of least squares and two standard errors more, so that noise does not pass for
// flatness, and by the medians of the first and the last quarter, which see a
// step that the line makes light of. To fall is allowed.
func Flat(points []Point, warmup time.Duration, allowance float64) []string {
	after := settled(points, warmup)
	if len(after) < enoughPoints {
		return []string{fmt.Sprintf("only %d points after the warm-up of %v, %d are needed", len(after), warmup, enoughPoints)}
	}
	span := after[len(after)-1].At - after[0].At
	perHour, stderr := Slope(after)
	var why []string
	if rise := (perHour + 2*stderr) * span.Hours(); !(rise <= allowance) { // what is no number does not pass
		why = append(why, fmt.Sprintf("the line rises by up to %.4g in %v, %.4g are allowed (%.4g ± %.2g an hour)", rise, span, allowance, perHour, stderr))
	}
	quarter := len(after) / 4
	first, last := middle(after[:quarter]), middle(after[len(after)-quarter:])
	if !(last-first <= allowance) {
		why = append(why, fmt.Sprintf("the last quarter is %.4g above the first, %.4g are allowed (median %.4g, then %.4g)", last-first, allowance, first, last))
	}
	return why
}

// settled are the points from the end of the warm-up, in the order of time.
func settled(points []Point, warmup time.Duration) []Point {
	var after []Point
	for _, p := range points {
		if p.At >= warmup {
			after = append(after, p)
		}
	}
	slices.SortStableFunc(after, func(x, y Point) int { return int(min(max(x.At-y.At, -1), 1)) })
	return after
}

func middle(points []Point) float64 {
	values := make([]float64, len(points))
	for i, p := range points {
		values[i] = p.Value
	}
	return *median(values, 0)
}

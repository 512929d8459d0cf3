package score

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Series is one value over time: resident memory, descriptors, goroutines, or
// the size of a file.
type Series struct {
	Title  string
	Bytes  bool // labels are in KiB, MiB or GiB
	Points []Point
}

// The picture's measures, in pixels.
const (
	panelWidth, panelHeight = 460, 260
	padLeft, padRight       = 62, 26
	padTop, padBottom       = 46, 34
	titleHeight             = 34
	plotWidth               = panelWidth - padLeft - padRight
	plotHeight              = panelHeight - padTop - padBottom
)

const style = `text{font:11px sans-serif;fill:#333}.h{font-size:15px;font-weight:bold}.t{font-size:12px;font-weight:bold}` +
	`.n{fill:#666;font-size:10px}.e{text-anchor:end}.m{text-anchor:middle}` +
	`path{fill:none}.g{stroke:#e4e4e4}.a{stroke:#333}.w{stroke:#c60;stroke-dasharray:4 3}.v{stroke:#06c;stroke-width:1.2;stroke-linejoin:round}`

// Plot draws the series as an SVG picture, two panels in a row, all on the same
// axis of time. Values start at zero, so that a small growth looks small; its
// slope after the warm-up is written beside it. A dashed line marks the warm-up's
// end. The same series give the same bytes, and long ones stay small.
func Plot(title string, warmup time.Duration, series ...Series) []byte {
	end := warmup
	for _, s := range series {
		for _, p := range s.Points {
			end = max(end, p.At)
		}
	}
	end = max(end, time.Second)
	rows := (len(series) + 1) / 2
	width, height := 2*panelWidth, titleHeight+rows*panelHeight
	var w strings.Builder
	fmt.Fprintf(&w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d">`+"\n<style>%[3]s</style>\n", width, height, style)
	fmt.Fprintf(&w, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(&w, `<text class="h m" x="%d" y="24">%s</text>`+"\n", panelWidth, escape(title))
	for i, s := range series {
		fmt.Fprintf(&w, `<g transform="translate(%d,%d)">`+"\n", i%2*panelWidth, titleHeight+i/2*panelHeight)
		panel(&w, s, warmup, end)
		fmt.Fprint(&w, "</g>\n")
	}
	fmt.Fprint(&w, "</svg>\n")
	return []byte(w.String())
}

func panel(w *strings.Builder, s Series, warmup, end time.Duration) {
	unit, scale := "", 1.0
	var high float64
	for _, p := range s.Points {
		high = max(high, p.Value)
	}
	if s.Bytes {
		unit = "B"
		for _, next := range []string{"KiB", "MiB", "GiB"} {
			if high/scale < 1024 {
				break
			}
			unit, scale = next, scale*1024
		}
	}
	step := niceStep(high / scale / 4)
	top := step * max(1, math.Ceil(high/scale/step*1.02)) // the line keeps off the upper edge
	x := func(at time.Duration) float64 { return padLeft + plotWidth*at.Seconds()/end.Seconds() }
	y := func(v float64) float64 { return padTop + plotHeight*(1-v/scale/top) }

	name := s.Title
	if unit != "" {
		name += ", " + unit
	}
	fmt.Fprintf(w, `<text class="t" x="%d" y="18">%s</text>`+"\n", padLeft, escape(name))
	fmt.Fprintf(w, `<text class="n" x="%d" y="34">%s</text>`+"\n", padLeft, escape(slopeNote(s, warmup, unit, scale)))
	for i := range int(math.Round(top/step)) + 1 {
		v := step * float64(i)
		fmt.Fprintf(w, `<path class="g" d="M%d %.1fh%d"/><text class="e" x="%d" y="%.1f">%s</text>`+"\n",
			padLeft, y(v*scale), plotWidth, padLeft-6, y(v*scale)+4, strconv.FormatFloat(v, 'g', 6, 64))
	}
	every, per, in := timeStep(end)
	for at := time.Duration(0); at <= end; at += every {
		fmt.Fprintf(w, `<path class="a" d="M%.1f %dv4"/><text class="m" x="%.1f" y="%d">%s</text>`+"\n",
			x(at), padTop+plotHeight, x(at), padTop+plotHeight+16, strconv.FormatFloat(float64(at)/float64(per), 'g', 6, 64)+in)
	}
	if line := polyline(s.Points, x, y); line != "" {
		fmt.Fprintf(w, `<path class="v" d="%s"/>`+"\n", line)
	}
	if 0 < warmup {
		fmt.Fprintf(w, `<path class="w" d="M%.1f %dv%d"/>`+"\n", x(warmup), padTop, plotHeight)
		anchor, shift := "n", 4.0
		if x(warmup) > padLeft+plotWidth/2 {
			anchor, shift = "n e", -4
		}
		fmt.Fprintf(w, `<text class="%s" x="%.1f" y="%d">warm-up ends</text>`+"\n", anchor, x(warmup)+shift, padTop+plotHeight-6)
	}
	fmt.Fprintf(w, `<path class="a" d="M%d %dv%dh%d"/>`+"\n", padLeft, padTop, plotHeight, plotWidth)
}

// slopeNote tells what the line does after the warm-up.
func slopeNote(s Series, warmup time.Duration, unit string, scale float64) string {
	after := settled(s.Points, warmup)
	perHour, stderr := Slope(after)
	if math.IsInf(stderr, 1) {
		return "too few points after the warm-up for a slope"
	}
	if unit != "" {
		unit = " " + unit
	}
	return fmt.Sprintf("after the warm-up: %+.3g ± %.2g%s an hour, %d points", perHour/scale, stderr/scale, unit, len(after))
}

// polyline is the path through the points. Of those that fall on the same column
// of pixels it draws the lowest and the highest, so that no peak is lost.
func polyline(points []Point, x func(time.Duration) float64, y func(float64) float64) string {
	var w strings.Builder
	draw := func(px float64, p Point) {
		verb := "L"
		if w.Len() == 0 {
			verb = "M"
		}
		fmt.Fprintf(&w, "%s%.0f %.1f", verb, px, y(p.Value))
	}
	sorted := settled(points, 0)
	for i := 0; i < len(sorted); {
		column, low, high := math.Round(x(sorted[i].At)), sorted[i], sorted[i]
		for ; i < len(sorted) && math.Round(x(sorted[i].At)) == column; i++ {
			if sorted[i].Value < low.Value {
				low = sorted[i]
			}
			if sorted[i].Value > high.Value {
				high = sorted[i]
			}
		}
		if high.At < low.At {
			low, high = high, low // in the order of time
		}
		draw(column, low)
		if low.Value != high.Value {
			draw(column, high)
		}
	}
	return w.String()
}

// niceStep is the smallest of 1, 2, 5 times a power of ten that is not below v.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*ten >= v {
			return m * ten
		}
	}
	return 10 * ten
}

// timeStep gives the distance of ticks for at most six of them and one at zero,
// and the unit of their labels.
func timeStep(end time.Duration) (every, per time.Duration, unit string) {
	const day = 24 * time.Hour
	for _, u := range []struct {
		per   time.Duration
		unit  string
		steps []time.Duration
	}{
		{time.Second, " s", []time.Duration{1, 2, 5, 10, 20, 30}},
		{time.Minute, " min", []time.Duration{1, 2, 5, 10, 20, 30}},
		{time.Hour, " h", []time.Duration{1, 2, 3, 4, 6, 12}},
	} {
		for _, n := range u.steps {
			if end <= 6*n*u.per {
				return n * u.per, u.per, u.unit
			}
		}
	}
	return day * ((end + 6*day - 1) / (6 * day)), day, " d"
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}

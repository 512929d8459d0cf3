package score

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestPlot(t *testing.T) {
	if n := len(soak()); n > 80_000 {
		t.Errorf("the picture of a day has %d bytes", n)
	}
	for name, picture := range map[string][]byte{
		"soak":    soak(),
		"nothing": Plot("", 0),
		"empty":   Plot("a", time.Minute, Series{Title: `"<&>"`}),
		"point":   Plot("a", 0, Series{Title: "b", Points: []Point{{0, 0}}}),
	} {
		d := xml.NewDecoder(bytes.NewReader(picture))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
		for _, bad := range []string{"NaN", "Inf", "%!"} {
			if strings.Contains(string(picture), bad) {
				t.Errorf("%s: there is %s in it", name, bad)
			}
		}
	}
}

// TestPeak holds that one point among thousands is drawn.
func TestPeak(t *testing.T) {
	flat := line(10_000, 10*time.Hour, func(float64) float64 { return 1 })
	flat[5003].Value = 9
	got := polyline(flat, func(at time.Duration) float64 { return at.Minutes() / 2 }, func(v float64) float64 { return v })
	if !strings.Contains(got, " 9.0") {
		t.Error("the peak is lost")
	}
}

func TestTimeStep(t *testing.T) {
	for end, want := range map[time.Duration]string{
		time.Second: "1s s", 7 * time.Second: "2s s", 3 * time.Minute: "30s s", 4 * time.Minute: "1m0s min",
		time.Hour: "10m0s min", 24 * time.Hour: "4h0m0s h", 72 * time.Hour: "12h0m0s h", 100 * time.Hour: "24h0m0s d", 1000 * time.Hour: "168h0m0s d",
	} {
		every, _, unit := timeStep(end)
		if got := every.String() + unit; got != want {
			t.Errorf("%v: %s, want %s", end, got, want)
		}
		if n := int(end / every); n > 6 {
			t.Errorf("%v: %d ticks", end, n)
		}
	}
}

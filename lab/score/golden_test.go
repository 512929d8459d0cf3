package score

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds text against a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := Write(path, got); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// ramp is a series from 1 up to n, in tenths of a second.
func ramp(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = float64(i+1) / 10
	}
	slices.Reverse(v) // order must not count
	return v
}

// sample is a board with everything in it that the writers know.
func sample() Board {
	b := Board{
		ProfileHash: "0123456789ab",
		Injections: []Injections{
			{Case: "A10", Seconds: ramp(40)},
			{Case: "A02", Seconds: ramp(120)},
			{Case: "A05", Seconds: ramp(99), Missed: 1},
		},
	}
	b.Add(Result{ID: "C01", Title: "restart amid an attack", Expected: "one incident", Got: "one incident", Pass: true, Seconds: 4})
	b.Add(Result{ID: "B02", Title: "CDN adds a place", Expected: "OK", Got: "SUSPECT", Seconds: 20, Rules: []string{"A2"}, Live: Rounds{200, 1}, Judged: Rounds{5000, 0}})
	b.Add(Result{ID: "B01", Title: "CDN | answers by source", Expected: "OK", Got: "OK", Pass: true, Seconds: 20, Live: Rounds{200, 0}, Judged: Rounds{5000, 0}})
	b.Add(Result{ID: "A10", Title: "both ports led away", Expected: "PATH_INTERCEPTION", Got: "OK", Why: "the path's proof\nwas not asked for", Seconds: 180})
	b.Add(Result{ID: "A02", Title: "spoof wins", Got: "a first try"})
	b.Add(Result{ID: "A02", Title: "spoof wins for *bank.lab", Expected: "PATH_INJECTION", Got: "PATH_INJECTION", Pass: true,
		Seconds: 1.23456, Confirm: 12.5, Rules: []string{"D1", "A2"}, Forged: time.Unix(1, 0)})
	b.Add(Result{ID: "A06", Title: "reply dropped", Expected: "PATH_INTERCEPTION <in path>", Got: "PATH_INTERCEPTION", Pass: true,
		Seconds: 2, Confirm: 30.5, Rules: []string{"A6"}})
	return b
}

func TestGolden(t *testing.T) {
	json, err := sample().JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "results.json", json)
	golden(t, "results.md", sample().Markdown())
	empty, err := Board{}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "empty.json", empty)
	golden(t, "empty.md", Board{}.Markdown())
	golden(t, "mutations.md", Mutations([]Mutation{
		{Off: "rule D1", Case: "A05", Red: true, Got: "OK"},
		{Off: "rule C1", Case: "A19", Got: "RESOLVER_CACHE, by A2"},
		{Off: "rule A2", Case: "A02", Red: true, Got: "no alert"},
		{Off: "clearing CE-1", Case: "B01", Got: "OK"},
	}))
	golden(t, "mutations_none.md", Mutations(nil))
	golden(t, "soak.svg", soak())
}

// soak is the picture of a day, with what a garbage collector does to memory.
func soak() []byte {
	var memory, files, routines, store []Point
	for i := range 24 * 360 {
		at := time.Duration(i) * 10 * time.Second
		warm := 1 - math.Exp(-at.Hours()/0.4)
		memory = append(memory, Point{at, (30e6 + 8e6*float64(i%40)/40) * (0.6 + 0.4*warm)})
		files = append(files, Point{at, 24 + float64(i*7%5) - float64(i*3%4)})
		spike := 0.0
		if i == 5000 {
			spike = 60
		}
		routines = append(routines, Point{at, 41 + float64(i*5%9) + spike})
		store = append(store, Point{at, 65536 * (1 + math.Floor(at.Hours()/3))})
	}
	return Plot("Soak of 24 hours, causes <mixed> at random", 2*time.Hour,
		Series{Title: "Resident memory", Bytes: true, Points: memory},
		Series{Title: "Descriptors", Points: files},
		Series{Title: "Goroutines", Points: routines},
		Series{Title: "Size of the store", Bytes: true, Points: store})
}

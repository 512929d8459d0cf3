package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)

func TestAdd(t *testing.T) {
	had := entry{"a FuzzX", 10, 1000, 50, 4, "2026-11-24"}
	for _, tt := range []struct {
		name string
		had  entry
		r    ran
		want entry
	}{
		{"the first", entry{name: "a FuzzX", last: "never"},
			ran{cpu: 2 * time.Minute, elapsed: 4 * time.Minute, newest: 3 * time.Minute, execs: 7, began: 3, found: 9},
			entry{"a FuzzX", 2, 7, 12, 0.5, "2026-12-01"}},
		{"no news", had, ran{cpu: 2 * time.Minute, elapsed: 2 * time.Minute, execs: 7, began: 50},
			entry{"a FuzzX", 12, 1007, 50, 6, "2026-12-01"}},
		{"news in the middle", had, ran{cpu: 2 * time.Minute, elapsed: 2 * time.Minute, newest: time.Minute, execs: 7, began: 50, found: 1},
			entry{"a FuzzX", 12, 1007, 51, 1, "2026-12-01"}},
		{"no news, but only since the corpus is gone", had, ran{cpu: 2 * time.Minute, elapsed: 2 * time.Minute, execs: 7, began: 3},
			entry{"a FuzzX", 12, 1007, 3, 2, "2026-12-01"}},
		{"seeds were added", had, ran{cpu: time.Minute, elapsed: time.Minute, execs: 7, began: 52},
			entry{"a FuzzX", 11, 1007, 52, 5, "2026-12-01"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &book{fuzzed: []entry{{name: "a FuzzW"}, tt.had}}
			b.add("a FuzzX", tt.r, day)
			if diff := cmp.Diff([]entry{{name: "a FuzzW"}, tt.want}, b.fuzzed, cmp.AllowUnexported(entry{})); diff != "" {
				t.Errorf("book (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	b := &book{fuzzed: []entry{{name: "b FuzzGone", minutes: 3}, {name: "b FuzzKept", minutes: 2, last: "2026-11-24"}}}
	b.targets([]string{"c FuzzNew", "b FuzzKept"})
	want := []entry{{name: "b FuzzKept", minutes: 2, last: "2026-11-24"}, {name: "c FuzzNew", last: "never"}}
	if diff := cmp.Diff(want, b.fuzzed, cmp.AllowUnexported(entry{})); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestLeast(t *testing.T) {
	b := &book{fuzzed: []entry{
		{name: "long", minutes: 90, quiet: 5}, {name: "loud", minutes: 21, quiet: 1}, {name: "some", minutes: 3}, {name: "none"},
	}}
	for _, tt := range []struct{ names, want string }{
		{"long loud some none", "none"}, {"long loud some", "some"}, {"long loud", "loud"}, {"long", "long"}, {"other", ""},
	} {
		if got := b.least(strings.Fields(tt.names)); got != tt.want {
			t.Errorf("least(%s) = %q, want %q", tt.names, got, tt.want)
		}
	}
}

func TestSoaked(t *testing.T) {
	b := &book{soaks: []soaking{{"soak", 10, "2026-11-24"}}}
	b.soaked("soak", 90*time.Second, day)
	b.soaked("lab soak", time.Hour, day)
	want := []soaking{{"soak", 11.5, "2026-12-01"}, {"lab soak", 60, "2026-12-01"}}
	if diff := cmp.Diff(want, b.soaks, cmp.AllowUnexported(soaking{})); diff != "" {
		t.Errorf("soaks (-want +got):\n%s", diff)
	}
}

// The page in the tree is as the program writes it: it reads all that it wrote.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	b, err := readBook(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.fuzzed) == 0 || len(b.soaks) == 0 {
		t.Errorf("%d targets and %d soaks are read", len(b.fuzzed), len(b.soaks))
	}
	if diff := cmp.Diff(string(text), b.String()); diff != "" {
		t.Errorf("page (-in the tree +written):\n%s", diff)
	}
}

func TestReadBookRefuses(t *testing.T) {
	for _, row := range []string{"| a | b |", "| a FuzzX | many | 1 | 1 | 1 | today |", "| soak | long | today |"} {
		if b, err := readBook("text\n" + row + "\n"); err == nil {
			t.Errorf("%s is read as %+v", row, b)
		}
	}
}

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is asked of every target: so much CPU, and none of the last of it with
// news.
const (
	wantMinutes = 20
	wantQuiet   = 5
)

// book is docs/ledger.md.
type book struct {
	fuzzed []entry
	soaks  []soaking
}

// entry is what one fuzz target was given so far. Minutes are of CPU.
type entry struct {
	name    string // package and function
	minutes float64
	execs   int64
	corpus  int     // inputs, each of which covers something that no other does
	quiet   float64 // minutes since the last of them was found
	last    string  // day
}

// soaking is how long a daemon was soaked.
type soaking struct {
	name    string
	minutes float64
	last    string
}

// done reports whether the target has had what is asked.
func (e entry) done() bool { return e.minutes >= wantMinutes && e.quiet >= wantQuiet }

const head = `# How long it was shaken

What each fuzz target and the soaks have had without a finding, in all. make fuzz, make soak and make soak-race add to
it. What a run finds is fixed and gets a test before its minutes count.

## Fuzz targets

Minutes are of CPU, of the test and its workers, without compiling. *Corpus* is how many inputs the last run ended with;
*quiet* is the minutes since one of them was new, that is, covered what no other did. The corpus is Go's fuzzing cache,
below the directory that go env GOCACHE names, and a new machine begins without it: quiet begins anew where a run begins
with a smaller corpus than the one before it left. Asked of each are 20 minutes, and 5 of quiet: `

const soakHead = `
## Soaks

Minutes by the clock: soak is make soak-race, lab soak is make soak.

| what | minutes | last |
|---|---:|---|
`

const fuzzHead = `| target | minutes | executions | corpus | quiet | last |
|---|---:|---:|---:|---:|---|
`

// String writes the page.
func (b *book) String() string {
	var s strings.Builder
	done := 0
	for _, e := range b.fuzzed {
		if e.done() {
			done++
		}
	}
	fmt.Fprintf(&s, "%s%d of %d have had that.\n\n%s", head, done, len(b.fuzzed), fuzzHead)
	for _, e := range b.fuzzed {
		fmt.Fprintf(&s, "| %s | %.2f | %d | %d | %.2f | %s |\n", e.name, e.minutes, e.execs, e.corpus, e.quiet, e.last)
	}
	s.WriteString(soakHead)
	for _, k := range b.soaks {
		fmt.Fprintf(&s, "| %s | %.1f | %s |\n", k.name, k.minutes, k.last)
	}
	return s.String()
}

// readBook reads what String wrote. Only rows of the tables count.
func readBook(text string) (*book, error) {
	b := &book{}
	for i, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| target |") || strings.HasPrefix(line, "| what |") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		if err := b.row(cells); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return b, nil
}

func (b *book) row(cells []string) (err error) {
	number := func(s string) float64 {
		n, e := strconv.ParseFloat(s, 64)
		err = cmp.Or(err, e)
		return n
	}
	switch len(cells) {
	case 3:
		b.soaks = append(b.soaks, soaking{cells[0], number(cells[1]), cells[2]})
	case 6:
		b.fuzzed = append(b.fuzzed, entry{cells[0], number(cells[1]), int64(number(cells[2])), int(number(cells[3])), number(cells[4]), cells[5]})
	default:
		return fmt.Errorf("%d cells, want 3 or 6", len(cells))
	}
	return err
}

// targets has the book hold those targets and no others, in order.
func (b *book) targets(names []string) {
	var kept []entry
	for _, name := range slices.Sorted(slices.Values(names)) {
		i := slices.IndexFunc(b.fuzzed, func(e entry) bool { return e.name == name })
		if i < 0 {
			kept = append(kept, entry{name: name, last: "never"})
		} else {
			kept = append(kept, b.fuzzed[i])
		}
	}
	b.fuzzed = kept
}

// least gives the one among those targets that has had the fewest minutes; where
// all have had what is asked, the one that was quiet for the shortest time.
func (b *book) least(names []string) string {
	var of []entry
	for _, e := range b.fuzzed {
		if slices.Contains(names, e.name) {
			of = append(of, e)
		}
	}
	if len(of) == 0 {
		return ""
	}
	return slices.MinFunc(of, func(x, y entry) int {
		return cmp.Or(cmp.Compare(min(x.minutes, wantMinutes), min(y.minutes, wantMinutes)), cmp.Compare(x.quiet, y.quiet))
	}).name
}

// add adds a run of a target to its row.
func (b *book) add(name string, r ran, on time.Time) {
	for i := range b.fuzzed {
		e := &b.fuzzed[i]
		if e.name != name {
			continue
		}
		if r.found == 0 && r.began >= e.corpus {
			e.quiet += r.cpu.Minutes()
		} else {
			e.quiet = r.quiet().Minutes()
		}
		e.minutes += r.cpu.Minutes()
		e.execs += r.execs
		e.corpus = r.began + r.found
		e.last = on.UTC().Format(time.DateOnly)
	}
}

func (b *book) soaked(name string, d time.Duration, on time.Time) {
	i := slices.IndexFunc(b.soaks, func(s soaking) bool { return s.name == name })
	if i < 0 {
		i = len(b.soaks)
		b.soaks = append(b.soaks, soaking{name: name})
	}
	b.soaks[i].minutes += d.Minutes()
	b.soaks[i].last = on.UTC().Format(time.DateOnly)
}

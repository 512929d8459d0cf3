package score

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Mutation is a part of the daemon that was switched off, and whether the case
// that depends on it noticed.
type Mutation struct {
	Off  string `json:"off"`  // what was switched off
	Case string `json:"case"` // that is to turn red
	Red  bool   `json:"red"`  // it did
	Got  string `json:"got"`  // what the case said then
}

// Mutations is the text of MUTATIONS.md. Holes, where the case stayed green, come
// first: nothing would notice if that part were lost.
func Mutations(list []Mutation) []byte {
	list = slices.SortedStableFunc(slices.Values(list), func(x, y Mutation) int {
		if x.Red != y.Red {
			if y.Red {
				return -1
			}
			return 1
		}
		return cmp.Or(byID(x.Case, y.Case), cmp.Compare(x.Off, y.Off), cmp.Compare(x.Got, y.Got))
	})
	holes := 0
	var rows strings.Builder
	for _, m := range list {
		turned := cell(m.Case)
		if !m.Red {
			holes++
			turned = fmt.Sprintf("**hole**: %s stays green", turned)
		}
		fmt.Fprintf(&rows, "| %s | %s | %s |\n", cell(m.Off), turned, cell(m.Got))
	}
	return fmt.Appendf(nil, "# Mutations\n\nEach part is switched off alone, and the case that needs it must turn red.\n"+
		"%d of %d do; holes: %d.\n\n| switched off | case that turns red | what it said then |\n|---|---|---|\n%s",
		len(list)-holes, len(list), holes, rows.String())
}

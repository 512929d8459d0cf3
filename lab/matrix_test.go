//go:build lab

package lab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// cases is the whole matrix: attacks (A), benign look-alikes (B), and additions
// to both (C), in order.
var cases = func() []Case {
	all := slices.Concat(wireCases, pathCases, cdnCases, resolverCases, hostCases, networkCases, proofCases, doubtCases, zoneCases, deliveryCases)
	slices.SortFunc(all, func(a, b Case) int { return strings.Compare(a.ID, b.ID) })
	return all
}()

// TestMatrix runs every case, or those that -run names: -run 'TestMatrix/A19$'.
// A case whose result this build already has is not run again.
func TestMatrix(t *testing.T) {
	k, err := openKeeper()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if *core && !c.Core {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			if r, ok := k.kept(c.ID); ok {
				k.hold(t, r)
				return
			}
			r := &Run{Case: &c}
			if err := r.execute(t, fmt.Sprintf("w%d", i)); err != nil {
				t.Fatalf("the lab itself failed: %v", err)
			}
			result := r.result()
			if err := k.dir.Save(c.ID, k.mark, result); err != nil {
				t.Error(err)
			}
			k.hold(t, result)
		})
	}
}

// TestCases holds the table itself against mistakes.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases {
		switch {
		case seen[c.ID]:
			t.Errorf("%s is there twice", c.ID)
		case c.Title == "":
			t.Errorf("%s has no title", c.ID)
		case c.Cause == nil && c.Before == nil && c.Also == nil:
			t.Errorf("%s has no cause, and does not show that the world has it: it proves nothing", c.ID)
		}
		seen[c.ID] = true
	}
	for i := 1; i <= 41; i++ {
		if id := fmt.Sprintf("A%02d", i); !seen[id] && id != "A39" {
			t.Errorf("%s of the matrix is not there", id)
		}
	}
	for i := 1; i <= 51; i++ {
		if id := fmt.Sprintf("B%02d", i); !seen[id] {
			t.Errorf("%s of the matrix is not there", id)
		}
	}
}

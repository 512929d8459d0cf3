//go:build lab

package lab

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dnstaster/dnstaster/lab/score"
	"github.com/dnstaster/dnstaster/monitor"
)

// mutationsText is what came of switching off each rule and each clearing test.
const mutationsText = "MUTATIONS.md"

// mutations names, for each rule and each clearing test, a case that passes with it
// and is red without it.
var mutations = map[string]string{}

// TestMutations switches them off, one at a time: the case must turn red. One
// that no case misses is of no use, or lacks its case.
func TestMutations(t *testing.T) {
	if !*mutate {
		return
	}
	k, err := openKeeper()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var list []score.Mutation
	all := slices.Concat(monitor.Rules(), monitor.Clearings())
	t.Cleanup(func() {
		if len(list) < len(all) {
			t.Logf("%d of %d were switched off, so %s stays", len(list), len(all), mutationsText)
			return
		}
		slices.SortFunc(list, func(a, b score.Mutation) int { return slices.Index(all, a.Off) - slices.Index(all, b.Off) })
		if err := score.Write(mutationsText, score.Mutations(list)); err != nil {
			t.Error(err)
		}
	})
	for i, off := range all {
		t.Run(off, func(t *testing.T) {
			t.Parallel()
			m := score.Mutation{Off: off, Case: mutations[off]}
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				list = append(list, m)
			}()
			at := slices.IndexFunc(cases, func(c Case) bool { return c.ID == m.Case })
			if at < 0 {
				t.Errorf("no case misses %s", off)
				return
			}
			key := "off-" + off
			if ok, err := k.dir.Load(key, k.mark+m.Case, &m); err != nil || !ok || *again {
				c := cases[at]
				c.Off = append(slices.Clip(c.Off), off)
				r := &Run{Case: &c}
				if err := r.execute(t, fmt.Sprintf("m%d", i)); err != nil {
					t.Fatalf("the lab itself failed: %v", err)
				}
				m.Red, m.Got = len(r.faults) > 0, strings.Join(r.faults, "; ")
				if err := k.dir.Save(key, k.mark+m.Case, m); err != nil {
					t.Error(err)
				}
			}
			if !m.Red {
				t.Errorf("%s passes without %s too", m.Case, off)
			}
		})
	}
}

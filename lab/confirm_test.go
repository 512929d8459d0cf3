//go:build lab

package lab

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/lab/score"
	"github.com/dnstaster/dnstaster/monitor"
)

var confirm = flag.Bool("lab.confirm", false, "TestConfirm: how long until an alert is confirmed at the timing of production")

// confirmText is what came of it.
const confirmText = "CONFIRM.md"

// unproven has neither TLS nor signatures: it takes a day to be learnt, and the daemon
// that goes on at the timing of production does not take minutes for that.
const unproven = "api.iot.lab"

// Within how long an attack of the board is confirmed, in production: half of them,
// and all of them.
const (
	confirmMedian = time.Minute
	confirmMost   = 3 * time.Minute
)

// TestConfirm makes each attack that is to be confirmed once more, with nothing
// hurried: names are learnt at the lab's timing, and then the daemon goes on at that
// of production. Names are watched as often as in the case, which is every 20 s.
func TestConfirm(t *testing.T) {
	if !*confirm {
		t.Log("nothing to do: give -lab.confirm")
		return
	}
	var mu sync.Mutex
	took := map[string]time.Duration{}
	t.Run("cases", func(t *testing.T) {
		for i, c := range cases {
			if !slices.ContainsFunc(c.Want, func(w Want) bool { return w.Confidence == monitor.Confirmed }) || !passing(t, c) || c.name() == unproven {
				continue
			}
			t.Run(c.ID, func(t *testing.T) {
				t.Parallel()
				c.Limit = 2 * confirmMost
				r := &Run{Case: &c, real: true}
				if err := r.execute(t, fmt.Sprintf("c%d", i)); err != nil {
					t.Fatal(err)
				}
				if len(r.faults) > 0 || r.confirmed == 0 {
					t.Errorf("not confirmed: %s; %s", r.got, strings.Join(r.faults, "; "))
					return
				}
				d := time.Duration(r.confirmed * float64(time.Second))
				t.Logf("%s after %s", r.got, d.Round(100*time.Millisecond))
				mu.Lock()
				defer mu.Unlock()
				took[c.ID] = d
			})
		}
	})
	var all []time.Duration
	var b strings.Builder
	b.WriteString("# Time to a confirmed alert\n\nAt the timing of production, from the first forged packet or the start of the cause to the webhook received. " +
		"Names are watched every 20 s.\n\n| case | title | seconds |\n|---|---|--:|\n")
	for _, c := range cases {
		if d, ok := took[c.ID]; ok {
			all = append(all, d)
			fmt.Fprintf(&b, "| %s | %s | %.1f |\n", c.ID, c.Title, d.Seconds())
		}
	}
	if len(all) == 0 {
		t.Fatal("nothing was confirmed")
	}
	slices.Sort(all)
	median, most := all[(len(all)-1)/2], all[len(all)-1]
	fmt.Fprintf(&b, "\nMedian %.1f s, at most %.1f s, of %d attacks.\n", median.Seconds(), most.Seconds(), len(all))
	t.Logf("median %s, at most %s, of %d", median.Round(100*time.Millisecond), most.Round(100*time.Millisecond), len(all))
	if median > confirmMedian || most > confirmMost {
		t.Errorf("more than %s, and %s at most", confirmMedian, confirmMost)
	}
	if err := score.Write(confirmText, []byte(b.String())); err != nil {
		t.Error(err)
	}
}

// passing reports whether the case passes on the committed board.
func passing(t *testing.T, c Case) bool {
	t.Helper()
	k, err := openKeeper()
	if err != nil {
		t.Fatal(err)
	}
	return k.was[c.ID]
}

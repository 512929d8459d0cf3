package monitor_test

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// What is made of the attack that ends a quiet story.
const (
	rewritten         = "path_rewritten confirmed critical path"
	rewrittenProbably = "path_rewritten probable high path"
)

// quiet is a story without an attack: nobody may be called.
type quiet struct {
	name    string
	config  func(*monitor.Config)
	story   func(w *world)
	verdict monitor.Verdict // clean where it is empty
	suspect bool            // status may show it as suspect, calling nobody
	attack  func(w *world)  // lies to everybody in plain where it is nil
	want    string          // rewritten where it is empty
	steady  bool            // no verdict may change on the way
}

func types(ts ...monitor.Type) func(*monitor.Config) {
	return func(c *monitor.Config) { c.Watches[0].Types = ts }
}

// dice gives the same number below n for the same endpoint and count.
func dice(endpoint string, count, n int) int {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %d", endpoint, count)
	return int(h.Sum32()>>8) % n
}

var plainAndDoT = []string{"bravo/udp", "bravo/dot"}

// TestQuiet lets nothing bad happen, in many ways: nobody is called, and the
// verdict is right. Then somebody does attack, and is found all the same: a
// rule that is kept quiet too well shows here.
func TestQuiet(t *testing.T) {
	for _, tt := range slices.Concat(quietAnswers, quietFailures) {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				if tt.config != nil {
					tt.config(&c)
				}
				if tt.verdict == "" {
					tt.verdict = monitor.Clean
				}
				if tt.attack == nil {
					tt.attack = func(w *world) { w.lie(apiA, evilAddr, 60, everyPlain...) }
				}
				if tt.want == "" {
					tt.want = rewritten
				}
				watch(t, w, c, func(m *monitor.Monitor) {
					tt.story(w)
					wantVerdict(t, m, tt.verdict)
					wantAlerts(t, w)
					for _, change := range w.changes() {
						f := strings.Fields(change)
						if tt.steady || f[1] == "poisoned" || f[1] == "suspect" && !tt.suspect {
							t.Errorf("the verdict was %s on the way", change)
						}
					}
					if t.Failed() {
						return
					}
					tt.attack(w)
					wait(15 * time.Minute)
					a := wantOne(t, w, tt.want)
					want := monitor.Suspicious
					if a.Confidence == monitor.Confirmed {
						want = monitor.Poisoned
					}
					wantVerdict(t, m, want)
				})
			})
		})
	}
}

// While nothing answers, no verdict stands: clean turns into unknown, says
// why, and comes back with the network.
func TestNetworkDownIsUnknown(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(20 * time.Minute)
			w.kill(everyone...)
			wait(10 * time.Minute)
			j := judged(t, m, apiA.Name)
			if j.Verdict != monitor.Unknown || j.Cause != monitor.CauseStale || j.Cure == "" {
				t.Errorf("after ten minutes without answers: %s (%s), cure %q; want unknown (stale) with a cure", j.Verdict, j.Cause, j.Cure)
			}
			w.honest()
			wait(3 * time.Minute)
			wantVerdict(t, m, monitor.Clean)
			var conditions []string
			for _, kind := range []string{monitor.HealthDegraded, monitor.HealthRestored} {
				for _, e := range w.told(kind) {
					conditions = append(conditions, kind+" "+decode[monitor.Health](e.Data).Condition)
				}
			}
			slices.Sort(conditions)
			if want := []string{"health.degraded no_local_resolver", "health.restored no_local_resolver"}; !slices.Equal(conditions, want) {
				t.Errorf("health events %q, want %q", conditions, want)
			}
		})
	})
}

// What a story calls good must be dialled as such: private addresses only where
// the watch lets them be.
func TestPrivateAddressesAreDialledWhereAllowed(t *testing.T) {
	for private, want := range map[monitor.Private]bool{monitor.PrivateAuto: true, monitor.PrivateAllow: true, monitor.PrivateDeny: false} {
		t.Run(string(private), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				c.Watches[0].Expect.Private = private
				w.cert("10.1.2.3", monitor.OutcomeOK, goodKey, old)
				w.lie(apiA, "10.1.2.3", 60, "system/udp")
				watch(t, w, c, func(*monitor.Monitor) { wait(10 * time.Minute) })
				dialled := slices.ContainsFunc(w.proofs, func(e monitor.Evidence) bool {
					return e.Address == netip.MustParseAddr("10.1.2.3") && e.Outcome != monitor.OutcomeNotDialled
				})
				if dialled != want {
					t.Errorf("dialled: %t, want %t", dialled, want)
				}
			})
		})
	}
}

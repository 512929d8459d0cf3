package monitor_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// That a zone is delegated elsewhere is told within an hour or so, while the name
// itself has not moved yet: a notice, once, which calls nobody. One witness is
// asked for that, and no more often.
func TestDelegationChangeIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		servers, ds := oldNS, oldDS
		looks := map[string]int{}
		w.facts = func(p monitor.Proof) monitor.Evidence {
			if p.Kind != monitor.EvidenceDNSSEC {
				return monitor.Evidence{Kind: p.Kind, Status: monitor.Indeterminate}
			}
			looks[p.Via.Name]++
			return monitor.Evidence{Status: monitor.Insecure, Zone: "partner.example.", Nameservers: servers, DS: ds}
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(72 * time.Hour)
			if n := looks["alpha"]; n < 48 || n > 80 || looks["bravo"] > 4 {
				t.Errorf("looks at the zone in three days: %v, want one witness asked once an hour and the others once a day", looks)
			}
			if es := w.told(monitor.Noticed); len(es) > 0 {
				t.Errorf("%d notices before the change", len(es))
			}
			w.mu.Lock()
			servers = newNS
			w.mu.Unlock()
			wait(80 * time.Minute)
			w.mu.Lock()
			ds = nil
			w.mu.Unlock()
			wait(80 * time.Minute)
			var rules []string
			for _, e := range w.told(monitor.Noticed) {
				n := decode[monitor.Notice](e.Data)
				for _, r := range n.Reasons {
					rules = append(rules, string(n.Kind)+" "+r.Rule)
				}
			}
			want := []string{"change_notice deleg.ns_changed", "change_notice deleg.ns_changed", "change_notice deleg.ds"}
			if d := cmp.Diff(want, rules); d != "" {
				t.Errorf("notices (-want +got):\n%s", d)
			}
			wantVerdict(t, m, monitor.Clean)
			wantAlerts(t, w)
		})
	})
}

// That a zone's signatures hold for nobody is a notice, told once, whether or not
// this host's resolver validates.
func TestBrokenZoneIsNoticed(t *testing.T) {
	for name, own := range map[string]bool{"this host's resolver validates": true, "it does not": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(30 * time.Minute)
					w.tell(apiA, reply{rcode: "SERVFAIL", ede: []uint16{7}}, everyDoT...)
					if own {
						w.tell(apiA, reply{rcode: "SERVFAIL"}, everyPlain...)
					}
					wait(40 * time.Minute)
					var notices []string
					for _, e := range w.told(monitor.Noticed) {
						n := decode[monitor.Notice](e.Data)
						notices = append(notices, string(n.Kind)+" "+n.Reasons[0].Rule)
					}
					if d := cmp.Diff([]string{"zone_bogus dnssec.zone_bogus"}, notices); d != "" {
						t.Errorf("notices (-want +got):\n%s", d)
					}
					wantAlerts(t, w)
				})
			})
		})
	}
}

// That this host's resolvers fail at a name may be the zone's doing: witnesses are
// asked at once, and once as long as it lasts.
func TestSilenceIsHeldAgainstWitnesses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(time.Hour)
			was := w.questions("alpha/dot")
			for w.questions("alpha/dot") == was {
				wait(time.Second)
			}
			was = w.questions("alpha/dot") // they are not asked again for a quarter of an hour
			wait(3 * time.Minute)
			if n := w.questions("alpha/dot") - was; n != 0 {
				t.Fatalf("a witness is asked %d times in three minutes anyway: this test shows nothing", n)
			}
			w.tell(apiA, reply{rcode: "SERVFAIL"}, everyPlain...)
			wait(3 * time.Minute)
			if n := w.questions("alpha/dot") - was; n != 1 {
				t.Errorf("a witness was asked %d times in three minutes of failures, want once", n)
			}
		})
	})
}

// Where the network fails for all names, witnesses are not asked in a storm.
func TestSilenceOfAllIsNoStorm(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		names(w, &c, 200)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(5 * time.Minute)
			was := w.questions("alpha/dot")
			wait(2 * time.Minute)
			usual := w.questions("alpha/dot") - was
			for _, watch := range c.Watches {
				w.tell(monitor.Question{Name: watch.Name, Type: monitor.TypeA}, reply{err: monitor.ErrTimeout}, everyPlain...)
			}
			was = w.questions("alpha/dot")
			wait(2 * time.Minute)
			if n := w.questions("alpha/dot") - was; n <= usual || n > usual+20+2*60 {
				t.Errorf("a witness was asked %d times in two minutes, where it is usually %d", n, usual)
			}
		})
	})
}

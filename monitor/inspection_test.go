package monitor_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// strangers watches names of n zones that have nothing to do with each other.
func strangers(w *world, c *monitor.Config, n int, addr string) (qs []monitor.Question) {
	c.Watches = nil
	for i := range n {
		q := monitor.Question{Name: fmt.Sprintf("www.zone%d.example.", i), Type: monitor.TypeA}
		c.Watches = append(c.Watches, monitor.Watch{Name: q.Name, Types: []monitor.Type{q.Type}})
		w.change(q, addr)
		qs = append(qs, q)
	}
	return qs
}

// zoneGives has every walk find one address.
func zoneGives(addr string) func(monitor.Proof) monitor.Evidence {
	return func(p monitor.Proof) monitor.Evidence {
		if p.Kind != monitor.EvidenceWalk {
			return monitor.Evidence{Outcome: monitor.OutcomeNotDialled}
		}
		return monitor.Evidence{PathProven: true, Zone: p.Name[len("www."):], Addresses: []netip.Addr{netip.MustParseAddr(addr)},
			Servers: []monitor.AuthoritativeServer{serves(addr)}}
	}
}

// Where all certificates are re-signed at addresses that are right, the host is told
// so once, and no name is accused; when it ends, all is as before.
func TestInspection(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		qs := strangers(w, &c, 4, goodAddr)
		w.kill(everyDoT...)
		w.cert(goodAddr, monitor.OutcomeUntrusted, evilKey, time.Hour)
		w.facts = zoneGives(goodAddr)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(time.Minute)
			for range 3 {
				for _, q := range qs {
					if j := judged(t, m, q.Name); j.Verdict != monitor.Unknown || j.Cause != monitor.CauseTLSInspected || len(j.Reasons) == 0 {
						t.Errorf("%s is %s %s, %+v", q.Name, j.Verdict, j.Cause, j.Reasons)
					}
				}
				wait(20 * time.Minute)
			}
			wantAlerts(t, w)
			wantIll(t, m, "while it goes on", monitor.NoWitness, monitor.TLSInspected)
			w.cert(goodAddr, monitor.OutcomeOK, goodKey, old)
			w.honest()
			wait(40 * time.Minute)
			wantIll(t, m, "in the end")
			if j := judged(t, m, qs[0].Name); j.Verdict != monitor.Clean {
				t.Errorf("in the end %s is %s %s", qs[0].Name, j.Verdict, j.Cause)
			}
		})
		var told []string
		for _, s := range healthTold(w) {
			if s == "degraded tls_inspected" || s == "restored tls_inspected" {
				told = append(told, s)
			}
		}
		if diff := cmp.Diff([]string{"degraded tls_inspected", "restored tls_inspected"}, told); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// Who leads names to servers of his own buys no silence with certificates of one
// issuer: at once where witnesses are heard, else after a while.
func TestInspectionIsNoCloak(t *testing.T) {
	for name, tt := range map[string]struct {
		hurt  func(w *world)
		learn time.Duration
		soon  time.Duration
	}{
		"witnesses are heard": {func(*world) {}, 30 * time.Minute, 5 * time.Minute},
		// That a wrong certificate is suspected without a control is so of new names only.
		"nobody else is heard": {func(w *world) { w.kill(everyDoT...) }, 0, 8 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				qs := strangers(w, &c, 4, goodAddr)
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(tt.learn)
					w.cert("0.0.0.0/0", monitor.OutcomeTimeout, "", 0)
					w.cert(goodAddr, monitor.OutcomeTimeout, "", 0)
					for i, q := range qs {
						evil := fmt.Sprintf("192.0.66.%d", i+1)
						w.lie(q, evil, 60, everyPlain...)
						w.cert(evil, monitor.OutcomeUntrusted, evilKey, time.Hour)
					}
					tt.hurt(w)
					wait(tt.soon)
					if got := w.told(monitor.AlertOpened); len(got) < len(qs) {
						t.Errorf("%d alerts, want one of each of %d names", len(got), len(qs))
					}
					for _, q := range qs {
						if j := judged(t, m, q.Name); j.Verdict != monitor.Suspicious && j.Verdict != monitor.Poisoned {
							t.Errorf("%s is %s %s", q.Name, j.Verdict, j.Cause)
						}
					}
				})
			})
		})
	}
}

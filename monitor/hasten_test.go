package monitor_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// askedSince counts the questions to this host's own path since a time, and
// how many in the second that had most.
func (w *world) askedSince(at time.Time) (all, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	perSecond := map[int]int{}
	for _, a := range w.asks {
		if a.endpoint == "system/udp" && !a.at.Before(at) {
			all++
			perSecond[int(a.at.Sub(at)/time.Second)]++
		}
	}
	for _, n := range perSecond {
		most = max(most, n)
	}
	return all, most
}

// TestSystemChanged has every name asked for within seconds, spread, once for a
// burst of changes, and no round lost or doubled for it afterwards.
func TestSystemChanged(t *testing.T) {
	for _, n := range []int{1, 50, 1000} {
		bubble(t, func(t *testing.T, w *world, c monitor.Config) {
			names(w, &c, n)
			watch(t, w, c, func(m *monitor.Monitor) {
				wait(10*time.Minute + 13*time.Second)
				began := w.now()
				for range 20 {
					m.SystemChanged()
					wait(100 * time.Millisecond)
				}
				wait(8 * time.Second)
				all, most := w.askedSince(began)
				// Rounds that had just been, or were due anyway, are among them.
				if all < n || all > n+n/2 {
					t.Errorf("%d names: %d questions within 10 s, want each name once", n, all)
				}
				if most > max(50, n/5) {
					t.Errorf("%d names: %d questions in one second", n, most)
				}
				// What changed within the pause is looked at when that is over.
				began = w.now()
				wait(20 * time.Second)
				if all, _ = w.askedSince(began); all < n {
					t.Errorf("%d names: %d questions after the pause, want each name again", n, all)
				}
				began = w.now()
				wait(10 * time.Minute)
				if all, _ = w.askedSince(began); all < 9*n || all > 12*n {
					t.Errorf("%d names: %d questions in the ten minutes after, want about ten each", n, all)
				}
			})
		})
	}
}

// TestSystemChangedOnce has nothing come of it where only callers ask.
func TestSystemChangedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.Once = true
		watch(t, w, c, func(m *monitor.Monitor) {
			m.SystemChanged()
			wait(time.Minute)
			if n := w.questions("system/udp"); n != 0 {
				t.Errorf("%d questions", n)
			}
		})
	})
}

// withWeb gives every operator an endpoint over HTTPS before that over TLS.
func withWeb(c *monitor.Config) {
	var refs []monitor.Resolver
	for _, r := range c.References {
		web := r
		web.Transport = monitor.DoH
		refs = append(refs, web, r)
	}
	c.References = refs
}

// TestWitnessTransports asks witnesses over HTTPS, over TLS once that fails, and
// over HTTPS again an hour later, when it works again.
func TestWitnessTransports(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		withWeb(&c)
		web := []string{"alpha/doh", "bravo/doh", "charlie/doh", "delta/doh"}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(time.Hour)
			if n := w.questions("/dot"); n != 0 {
				t.Errorf("%d questions over TLS while HTTPS answers", n)
			}
			w.kill(web...)
			wait(2 * time.Hour)
			if w.questions("/dot") == 0 {
				t.Error("no question over TLS while HTTPS fails")
			}
			wantVerdict(t, m, monitor.Clean)
			w.wake(web...)
			wait(2 * time.Hour)
			before := w.questions("/dot")
			wait(2 * time.Hour)
			if n := w.questions("/dot") - before; n != 0 {
				t.Errorf("%d questions over TLS after HTTPS came back", n)
			}
			wantCalls(t, w)
		})
	})
}

// own is this host's path as the daemon knows it: a nameserver, and the C library.
func own() ([]monitor.Resolver, error) {
	return []monitor.Resolver{
		endpoint("system", "system", "10.0.0.2", monitor.Local, monitor.UDP),
		{Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.System},
	}, nil
}

// nothing is what the C library gives where it finds no address: no statement.
var nothing = reply{rcode: "none"}

// TestGetentQuiet has the C library give less than a nameserver does, as it may
// for many reasons, and no lifetimes: nobody is called.
func TestGetentQuiet(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.System = own
		c.Watches[0].Types = []monitor.Type{monitor.TypeA, monitor.TypeAAAA, monitor.TypeHTTPS}
		six := reply{addrs: []string{"2001:db8:80::10"}, ttl: 300}
		w.publish(apiAAAA, six)
		w.cert("2001:db8:80::10", monitor.OutcomeOK, goodKey, old)
		w.publish(monitor.Question{Name: apiA.Name, Type: monitor.TypeHTTPS}, reply{})
		w.tell(apiA, reply{addrs: []string{goodAddr2, goodAddr}}, "system/system")
		w.tell(apiAAAA, nothing, "system/system") // no IPv6 here
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(time.Hour)
			e, err := m.Explain(t.Context(), apiA.Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range e.Judgements {
				if j.Verdict != monitor.Clean {
					t.Errorf("%s is %s, want clean", j.Type, j.Verdict)
				}
			}
			wantCalls(t, w)
		})
		for _, a := range w.asks {
			if a.endpoint == "system/system" && !a.q.Type.Address() {
				t.Fatalf("%s was asked of the C library", a.q)
			}
		}
	})
}

// TestGetentSilent has nameservers that do not answer, while the C library finds
// nothing: that is told, as without it.
func TestGetentSilent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.System = own
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.kill("system/udp")
			w.tell(apiA, nothing, "system/system")
			wait(10 * time.Minute)
			s, err := m.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(s.Health, func(h monitor.HealthStatus) bool { return h.Condition == "no_local_resolver" }) {
				t.Errorf("health %v, want no_local_resolver", s.Health)
			}
		})
	})
}

// TestGetentLies has /etc/hosts name a false address: it is told of at the host,
// not at its nameserver, which is right.
func TestGetentLies(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.System = own
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 0, "system/system")
			m.SystemChanged()
			wait(10 * time.Minute)
			a := w.only(t)
			if a.Attribution != monitor.AtHost || a.Resolver != "system getent" || a.Kind != monitor.LocalHost {
				t.Errorf("alert %s at %s by %s, want it at the host, by getent", a.Kind, a.Attribution, a.Resolver)
			}
			t.Log(a.Summary, a.Severity, a.Confidence, a.Verdict, a.Guidance)
		})
	})
}

// TestGetentEchoes has the C library repeat the lie of the nameserver: that is
// one lie, and the nameserver's.
func TestGetentEchoes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.System = own
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 86400, "system/system", "system/udp")
			wait(10 * time.Minute)
			if a := w.only(t); a.Attribution != monitor.AtResolver || a.Resolver != "system 10.0.0.2" || a.Kind != monitor.ResolverCache {
				t.Errorf("alert %s at %s by %s, want it at the nameserver", a.Kind, a.Attribution, a.Resolver)
			}
		})
	})
}

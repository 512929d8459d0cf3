package monitor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// Events of the alert that most attacks on this host's resolver come to.
const (
	cachePoisoned  = "alert.opened resolver_cache probable high resolver system 10.0.0.2"
	cacheConfirmed = "alert.opened resolver_cache confirmed critical resolver system 10.0.0.2"
	pathLies       = "alert.opened path_rewritten confirmed critical path system 10.0.0.2"
	pathLiesOver   = "alert.resolved path_rewritten confirmed critical path system 10.0.0.2"
)

func pinned(c *monitor.Config) { c.Watches[0].TLS.Pins = []string{goodKey} }

// bothResolvers gives this host a second resolver.
func bothResolvers(c *monitor.Config) {
	c.System = func() ([]monitor.Resolver, error) {
		return []monitor.Resolver{
			endpoint("system", "system", "10.0.0.2", monitor.Local, monitor.UDP),
			endpoint("second", "second", "10.0.0.3", monitor.Local, monitor.UDP),
		}, nil
	}
}

var attacks = []struct {
	name    string
	config  func(*monitor.Config)
	story   func(w *world)
	want    []string
	final   string // in place of want: what one alert comes to in the end, however it rose
	verdict monitor.Verdict
	changes []string // verdicts on the way, where they matter
}{
	{
		name:    "cache poisoned before the first round",
		story:   func(w *world) { w.lie(apiA, evilAddr, 60, "system/udp"); wait(5 * time.Minute) },
		want:    []string{cachePoisoned},
		verdict: monitor.Suspicious,
	},
	{
		name: "path lies for 30 seconds",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.brief(30*time.Second, everyPlain...)
			wait(time.Hour)
		},
		want:    []string{pathLies, pathLiesOver},
		verdict: monitor.Clean,
	},
	{
		// Two handshakes proved it before it was over.
		name: "cache lies for 30 seconds",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.brief(30*time.Second, "system/udp")
			wait(time.Hour)
		},
		want:    []string{cachePoisoned, "alert.resolved resolver_cache probable high resolver system 10.0.0.2"},
		verdict: monitor.Clean,
		changes: []string{"A suspect ", "A clean "},
	},
	{
		name: "one forged address among nine good ones",
		story: func(w *world) {
			w.cert("192.0.81.0/24", monitor.OutcomeOK, goodKey, old)
			r := reply{ttl: 60}
			for i := range 9 {
				r.addrs = append(r.addrs, fmt.Sprintf("192.0.81.%d", i+1))
			}
			w.publish(apiA, r)
			wait(10 * time.Minute)
			r.addrs = append(r.addrs[:5:5], append([]string{evilAddr}, r.addrs[5:]...)...)
			w.tell(apiA, r, "system/udp")
			wait(5 * time.Minute)
		},
		want:    []string{cachePoisoned},
		verdict: monitor.Suspicious,
	},
	{
		name:   "AAAA only",
		config: types(monitor.TypeA, monitor.TypeAAAA),
		story: func(w *world) {
			w.cert("2a00:1::/32", monitor.OutcomeOK, goodKey, old)
			w.cert("2a00:666::/32", monitor.OutcomeSelfSigned, evilKey, old)
			w.change(apiAAAA, "2a00:1::10")
			wait(10 * time.Minute)
			w.lie(apiAAAA, "2a00:666::66", 60, everyPlain...)
			wait(5 * time.Minute)
		},
		want:    []string{pathLies},
		verdict: monitor.Poisoned,
		changes: []string{"AAAA suspect ", "AAAA poisoned "},
	},
	{
		name:   "AAAA where the name has none",
		config: types(monitor.TypeA, monitor.TypeAAAA),
		story: func(w *world) {
			w.cert("2a00:666::/32", monitor.OutcomeSelfSigned, evilKey, old)
			wait(10 * time.Minute)
			w.lie(apiAAAA, "2a00:666::66", 60, "system/udp")
			wait(5 * time.Minute)
		},
		want:    []string{"alert.opened resolver_cache suspected medium resolver system 10.0.0.2"},
		verdict: monitor.Suspicious,
	},
	{
		name: "redirected by a CNAME",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.tell(apiA, reply{cname: []string{"evil.example."}, addrs: []string{evilAddr}, ttl: 60}, everyPlain...)
			wait(5 * time.Minute)
		},
		want:    []string{pathLies},
		verdict: monitor.Poisoned,
	},
	{
		name:   "one of this host's two resolvers",
		config: bothResolvers,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, "second/udp")
			wait(5 * time.Minute)
		},
		want:    []string{"alert.opened resolver_cache probable high resolver second 10.0.0.3"},
		verdict: monitor.Suspicious,
	},
	{
		name: "two of four witnesses",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, "alpha/dot", "alpha/udp", "bravo/dot", "bravo/udp")
			wait(time.Hour)
		},
		want: []string{
			"alert.opened resolver_cache probable low resolver alpha 9.9.9.1",
			"alert.opened resolver_cache probable low resolver bravo 9.9.9.2",
		},
		verdict: monitor.Clean,
	},
	{
		name: "two of four witnesses, and the path",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, append([]string{"alpha/dot", "bravo/dot"}, everyPlain...)...)
			wait(20 * time.Minute)
		},
		want: []string{
			pathLies,
			"alert.opened resolver_cache probable low resolver alpha 9.9.9.1",
			"alert.opened resolver_cache probable low resolver bravo 9.9.9.2",
		},
		verdict: monitor.Poisoned,
	},
	{
		name: "every second answer of the cache",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.bend(func(e string, q monitor.Question, n int) (reply, bool) {
				return reply{addrs: []string{evilAddr}, ttl: 60}, e == "system/udp" && n%2 == 0
			})
			wait(30 * time.Minute)
		},
		want:    []string{cachePoisoned},
		verdict: monitor.Suspicious,
	},
	{
		name:   "a valid certificate, the key is not the pinned one",
		config: pinned,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.cert(evilAddr, monitor.OutcomeOK, evilKey, old)
			w.lie(apiA, evilAddr, 60, "system/udp")
			wait(5 * time.Minute)
		},
		want:    []string{cachePoisoned},
		verdict: monitor.Suspicious,
	},
	{
		name:   "the same along the path",
		config: pinned,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.cert(evilAddr, monitor.OutcomeOK, evilKey, old)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(5 * time.Minute)
		},
		want:    []string{pathLies},
		verdict: monitor.Poisoned,
	},
	{
		name:   "the same, kept for longer than the zone ever allowed",
		config: pinned,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.cert(evilAddr, monitor.OutcomeOK, evilKey, old)
			w.lie(apiA, evilAddr, 86400, "system/udp")
			wait(5 * time.Minute)
		},
		want:    []string{cacheConfirmed},
		verdict: monitor.Poisoned,
	},
	{
		name: "TTL 0",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 0, "system/udp")
			wait(5 * time.Minute)
		},
		want:    []string{cachePoisoned},
		verdict: monitor.Suspicious,
	},
	{
		// A denial calls nobody, and is never fine.
		name: "NXDOMAIN forged",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.tell(apiA, reply{rcode: "NXDOMAIN"}, everyPlain...)
			wait(30 * time.Minute)
		},
		want:    []string{"alert.opened denial suspected low resolver system 10.0.0.2"},
		verdict: monitor.Unknown,
	},
	{
		name: "a witness answers 0.0.0.0 with EDE 17",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.tell(apiA, reply{addrs: []string{"0.0.0.0"}, ttl: 60, ede: []uint16{17}}, plainAndDoT...)
			wait(3 * time.Hour)
		},
		want:    []string{"alert.opened policy_block suspected low resolver bravo 9.9.9.2"},
		verdict: monitor.Clean,
	},
	{
		name: "this host's resolver blocks the name with 0.0.0.0 and EDE 15",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.tell(apiA, reply{addrs: []string{"0.0.0.0"}, ttl: 60, ede: []uint16{15}}, "system/udp")
			wait(time.Hour)
		},
		want:    []string{"alert.opened policy_block suspected low resolver system 10.0.0.2"},
		verdict: monitor.Unknown,
	},
	{
		name: "the lie moves from address to address",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.cert("192.0.66.0/24", monitor.OutcomeSelfSigned, evilKey, time.Hour)
			w.bend(func(e string, _ monitor.Question, n int) (reply, bool) {
				return reply{addrs: []string{fmt.Sprintf("192.0.66.%d", 1+n%5)}, ttl: 60}, set(everyPlain)[e]
			})
			wait(30 * time.Minute)
		},
		final:   rewritten,
		verdict: monitor.Poisoned,
	},
	{
		name:   "no TLS, still learning: nothing can be told, and that is said",
		config: func(c *monitor.Config) { c.Watches[0].TLS.Off = true },
		story: func(w *world) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(10 * time.Minute)
		},
		verdict: monitor.Unknown,
	},
	{
		name:   "no TLS, learnt",
		config: func(c *monitor.Config) { c.Watches[0].TLS.Off = true },
		story: func(w *world) {
			wait(25 * time.Hour)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(10 * time.Minute)
		},
		want:    []string{"alert.opened path_rewritten probable high path system 10.0.0.2"},
		verdict: monitor.Suspicious,
	},
	{
		name: "while no witness can be heard",
		story: func(w *world) {
			wait(time.Hour)
			w.kill(everyDoT...)
			wait(time.Hour)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(10 * time.Minute)
		},
		want:    []string{"alert.opened resolver_cache probable high  system 10.0.0.2"},
		verdict: monitor.Suspicious,
	},
	{
		name: "and witnesses come back meanwhile",
		story: func(w *world) {
			wait(time.Hour)
			w.kill(everyDoT...)
			wait(time.Hour)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(10 * time.Minute)
			w.wake(everyDoT...)
			wait(20 * time.Minute)
		},
		final:   rewritten,
		verdict: monitor.Poisoned,
	},
	{
		name: "cache of this host, then the whole path",
		story: func(w *world) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, "system/udp")
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, everyPlain...)
			wait(20 * time.Minute)
		},
		final:   rewritten,
		verdict: monitor.Poisoned,
	},
	{
		name: "poison, clean, poison, each for five minutes",
		story: func(w *world) {
			wait(10 * time.Minute)
			for range 4 {
				w.lie(apiA, evilAddr, 60, everyPlain...)
				wait(5 * time.Minute)
				w.honest()
				wait(5 * time.Minute)
			}
		},
		want:    []string{pathLies},
		verdict: monitor.Clean,
	},
}

// brief lets the endpoints lie for d, from the next question on.
func (w *world) brief(d time.Duration, endpoints ...string) {
	var from time.Time
	among := set(endpoints)
	w.bend(func(e string, _ monitor.Question, _ int) (reply, bool) {
		if from.IsZero() {
			from = time.Now()
		}
		return reply{addrs: []string{evilAddr}, ttl: 20}, among[e] && time.Since(from) < d
	})
}

// TestAttacks poisons the name in every way there is.
func TestAttacks(t *testing.T) {
	for _, tt := range attacks {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				if tt.config != nil {
					tt.config(&c)
				}
				watch(t, w, c, func(m *monitor.Monitor) {
					tt.story(w)
					wantVerdict(t, m, tt.verdict)
					if tt.final == "" {
						wantAlerts(t, w, tt.want...)
					} else {
						wantOne(t, w, tt.final)
					}
					if diff := cmp.Diff(tt.changes, w.changes()); tt.changes != nil && diff != "" {
						t.Errorf("verdicts (-want +got):\n%s", diff)
					}
				})
			})
		})
	}
}

// A policy that is declared after its alert ends it.
func TestDeclaredPolicyEndsItsAlert(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(30 * time.Minute)
			w.tell(apiA, reply{addrs: []string{"0.0.0.0"}, ttl: 60, ede: []uint16{15}}, "system/udp")
			wait(20 * time.Minute)
			if got := w.seen(); len(got) != 1 || !strings.HasPrefix(got[0], "alert.opened policy_block") {
				t.Fatalf("alerts %q, want one of kind policy_block", got)
			}
			c.Watches[0].Blocks = []monitor.Block{{Zone: "feed.example."}}
			if err := m.Reload(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			wait(time.Hour)
			if n := len(w.told(monitor.AlertResolved)); n != 1 {
				t.Errorf("%d alerts resolved, want the one", n)
			}
			wantVerdict(t, m, monitor.Unknown)
		})
	})
}

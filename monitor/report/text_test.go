package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// TestCheck shows every outcome of a check as the real monitor finds it.
func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		world  func(*world)
		config func(*monitor.Config)
		want   monitor.Verdict
	}{
		{
			name: "clean",
			want: monitor.Clean,
		},
		{
			name: "clean_cdn",
			world: func(w *world) {
				w.right("203.0.113.20", "203.0.113.30", "203.0.113.40")
				w.answer(apiA, []string{"203.0.113.20"}, "cloudflare/dot")
				w.answer(apiA, []string{"203.0.113.30"}, "google/dot")
				w.answer(apiA, []string{"203.0.113.40"}, "quad9/dot")
			},
			want: monitor.Clean,
		},
		{
			name: "clean_both_families",
			world: func(w *world) {
				w.zone[apiAAAA] = []string{"2001:db8::10"}
				w.right("2001:db8::10")
				w.answer(apiAAAA, []string{"2001:db8::10", "2001:db8::11"}, "google/dot")
				w.silence(monitor.ErrTimeout, "quad9/dot")
			},
			want: monitor.Clean,
		},
		{
			name: "clean_no_witness",
			config: func(c *monitor.Config) {
				c.References, c.Twins = nil, nil
				c.Watches[0].Types = []monitor.Type{monitor.TypeA}
			},
			want: monitor.Clean,
		},
		{
			name:   "clean_pinned",
			config: func(c *monitor.Config) { c.Watches[0].TLS.Pins = []string{trueKey} },
			want:   monitor.Clean,
		},
		{
			name: "clean_by_witnesses",
			config: func(c *monitor.Config) {
				c.Watches[0].TLS.Off, c.Watches[0].Types = true, []monitor.Type{monitor.TypeA}
			},
			want: monitor.Clean,
		},
		{
			name: "clean_other_type",
			world: func(w *world) {
				w.zone[monitor.Question{Name: apiA.Name, Type: monitor.TypeMX}] = []string{"10 mail.partner.example.", "20 mail2.partner.example."}
			},
			config: func(c *monitor.Config) { c.Watches[0].Types = []monitor.Type{monitor.TypeMX} },
			want:   monitor.Clean,
		},
		{
			name: "clean_lying_witness",
			world: func(w *world) {
				w.answer(apiA, []string{falseAddr}, "google/dot", "google/udp")
				w.answer(apiA, []string{trueAddr}, "delta/dot")
			},
			config: func(c *monitor.Config) {
				c.References = append(c.References, resolver("delta", "9.9.9.99", monitor.Reference, monitor.DoT))
			},
			want: monitor.Clean,
		},
		{
			name:  "poisoned_path",
			world: func(w *world) { w.answer(apiA, []string{falseAddr}, plain...) },
			want:  monitor.Poisoned,
		},
		{
			name: "poisoned_both_families",
			world: func(w *world) {
				w.zone[apiAAAA] = []string{"2001:db8::10"}
				w.right("2001:db8::10")
				w.certs["2001:db8::66"] = w.certs[falseAddr]
				w.answer(apiA, []string{falseAddr}, plain...)
				w.answer(apiAAAA, []string{"2001:db8::66"}, plain...)
			},
			want: monitor.Poisoned,
		},
		{
			name:   "poisoned_pin",
			world:  func(w *world) { w.answer(apiA, []string{falseAddr}, "system/udp") },
			config: func(c *monitor.Config) { c.Watches[0].TLS.Pins = []string{trueKey} },
			want:   monitor.Poisoned,
		},
		{
			name: "suspect_pin",
			world: func(w *world) {
				e := w.certs[trueAddr]
				e.SPKI, e.Issuer = falseKey, "Other CA"
				w.certs[falseAddr] = e
				w.answer(apiA, []string{falseAddr}, "system/udp")
			},
			config: func(c *monitor.Config) {
				c.Watches[0].TLS.Pins = []string{trueKey}
				c.Watches[0].Types = []monitor.Type{monitor.TypeA}
			},
			want: monitor.Suspicious,
		},
		{
			name:  "suspect_cache",
			world: func(w *world) { w.answer(apiA, []string{falseAddr}, "system/udp") },
			want:  monitor.Suspicious,
		},
		{
			name: "suspect_beside_lying_witness",
			world: func(w *world) {
				w.answer(apiA, []string{"198.51.100.9"}, "system/udp")
				w.answer(apiA, []string{falseAddr}, "google/dot", "google/udp")
			},
			config: func(c *monitor.Config) {
				for i, name := range []string{"delta", "echo"} {
					c.References = append(c.References, resolver(name, fmt.Sprintf("9.9.9.9%d", i), monitor.Reference, monitor.DoT))
				}
				c.Watches[0].Types = []monitor.Type{monitor.TypeA}
			},
			want: monitor.Suspicious,
		},
		{
			name: "clean_odd_cdn",
			world: func(w *world) {
				w.right("203.0.113.20")
				w.answer(apiA, []string{"203.0.113.20"}, "cloudflare/dot")
				w.answer(apiA, []string{falseAddr}, "google/dot", "quad9/dot")
			},
			config: func(c *monitor.Config) { c.Watches[0].Types = []monitor.Type{monitor.TypeA} },
			want:   monitor.Clean,
		},
		{
			name:  "suspect_dead_node",
			world: func(w *world) { w.answer(apiA, []string{"198.51.100.9"}, "system/udp") },
			want:  monitor.Suspicious,
		},
		{
			name:   "suspect_no_control",
			world:  func(w *world) { w.answer(apiA, []string{falseAddr}, "system/udp") },
			config: func(c *monitor.Config) { c.References, c.Twins = nil, nil },
			want:   monitor.Suspicious,
		},
		{
			name: "poisoned_authority",
			world: func(w *world) {
				e := w.certs[trueAddr]
				e.SPKI, e.NotBefore = falseKey, begin.Add(-time.Minute)
				w.certs[falseAddr] = e
				w.zone[apiA] = []string{falseAddr}
			},
			config: func(c *monitor.Config) {
				c.Watches[0].TLS.Pins = []string{trueKey}
				c.Watches[0].Types = []monitor.Type{monitor.TypeA}
				c.Twins = nil
			},
			want: monitor.Poisoned,
		},
		{
			name:  "clean_odd_certificate",
			world: func(w *world) { w.zone[apiA] = []string{falseAddr} },
			want:  monitor.Clean,
		},
		{
			name:  "unknown_rebinding",
			world: func(w *world) { w.answer(apiA, []string{"10.1.2.3"}, "system/udp") },
			want:  monitor.Unknown,
		},
		{
			name: "unknown_no_witness",
			world: func(w *world) {
				delete(w.zone, apiA)
				w.silence("timeout: nothing in 5s", "cloudflare/dot", "google/dot", "quad9/dot")
			},
			want: monitor.Unknown,
		},
		{
			name: "unknown_no_proof",
			world: func(w *world) {
				clear(w.certs)
				w.answer(apiA, []string{"203.0.113.20"}, "cloudflare/dot")
				w.answer(apiA, []string{"203.0.113.30"}, "google/dot")
				w.answer(apiA, []string{"203.0.113.40"}, "quad9/dot")
			},
			want: monitor.Unknown,
		},
		{
			name: "unknown_family_unreachable",
			world: func(w *world) {
				w.zone[apiAAAA] = []string{"2001:db8::10"}
				w.certs["2001:db8::10"] = monitor.Evidence{Outcome: monitor.OutcomeUnreachable, Detail: "connect: network is unreachable"}
				w.silence(monitor.ErrUnreachable, "cloudflare/dot", "google/dot", "quad9/dot")
			},
			config: func(c *monitor.Config) { c.Watches[0].Types = []monitor.Type{monitor.TypeAAAA} },
			want:   monitor.Unknown,
		},
		{
			name: "unknown_learning",
			world: func(w *world) {
				mx := monitor.Question{Name: apiA.Name, Type: monitor.TypeMX}
				for i, e := range []string{"system/udp", "cloudflare/dot", "google/dot", "quad9/dot"} {
					w.answer(mx, []string{fmt.Sprintf("10 mail%d.partner.example.", i)}, e)
				}
			},
			config: func(c *monitor.Config) { c.Watches[0].Types = []monitor.Type{monitor.TypeMX} },
			want:   monitor.Unknown,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			c := config()
			if tt.world != nil {
				tt.world(w)
			}
			if tt.config != nil {
				tt.config(&c)
			}
			r, took := check(t, w, c)
			if r.Verdict != tt.want {
				t.Errorf("verdict %s, want %s", r.Verdict, tt.want)
			}
			var b strings.Builder
			if err := report.Text(&b, r, took); err != nil {
				t.Fatal(err)
			}
			golden(t, "check_"+tt.name, b.String())
		})
	}
}

// TestCheckStale shows a name that was clean until its resolver fell silent.
func TestCheckStale(t *testing.T) {
	w := newWorld()
	c := config()
	var r monitor.Report
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		verify(t, m, c)
		w.silence("refused: connection refused", "system/udp")
		time.Sleep(5 * time.Minute)
		r = monitor.NewReport(time.Now(), explain(t, m, apiA.Name).Judgements, nil)
	})
	if j := r.Watches[0]; j.Verdict != monitor.Unknown || j.Cause != monitor.CauseStale {
		t.Errorf("verdict %s %s, want unknown stale", j.Verdict, j.Cause)
	}
	var b strings.Builder
	if err := report.Text(&b, r, 0); err != nil {
		t.Fatal(err)
	}
	golden(t, "check_unknown_stale", b.String())
}

// TestCheckCauses shows the causes that nothing finds yet, filled in as those
// that are found.
func TestCheckCauses(t *testing.T) {
	for _, cause := range []monitor.Cause{monitor.CauseCaptive, monitor.CauseTLSInspected, monitor.CauseClock} {
		t.Run(string(cause), func(t *testing.T) {
			w := newWorld()
			w.certs[trueAddr], w.certs[trueAddr2] = w.certs[falseAddr], w.certs[falseAddr]
			c := config()
			c.References, c.Twins = nil, nil
			c.Watches[0].Types = []monitor.Type{monitor.TypeA}
			r, _ := check(t, w, c)
			j := &r.Watches[0]
			j.Verdict, j.Cause, j.Cure = monitor.Unknown, cause, cause.Cure("api.partner.example")
			j.Kind, j.Confidence, j.Attribution, j.Resolver, j.Observed = "", monitor.Unsuspected, "", "", nil
			j.Against, j.WouldChange = nil, j.Cure
			r.Alerts = nil
			var b strings.Builder
			if err := report.Text(&b, r, 1400*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			golden(t, "check_unknown_"+string(cause), b.String())
		})
	}
}

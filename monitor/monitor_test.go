package monitor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestStories lets things happen to a watched name and looks at what the
// monitor makes of them: every alert event, and the verdict at the end.
func TestStories(t *testing.T) {
	tests := []struct {
		name    string
		config  func(*monitor.Config)
		story   func(w *world)
		want    []string
		verdict monitor.Verdict
	}{
		{
			name:    "quiet day",
			story:   func(w *world) { wait(4 * time.Hour) },
			verdict: monitor.Clean,
		},
		{
			name: "cache of this host's resolver poisoned",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.lie(apiA, evilAddr, 3600, "system/udp")
				wait(5 * time.Minute)
			},
			want:    []string{"alert.opened resolver_cache probable high resolver system 10.0.0.2"},
			verdict: monitor.Suspicious,
		},
		{
			name:   "the same with a pin",
			config: func(c *monitor.Config) { c.Watches[0].TLS.Pins = []string{goodKey} },
			story: func(w *world) {
				wait(10 * time.Minute)
				w.lie(apiA, evilAddr, 3600, "system/udp")
				wait(5 * time.Minute)
			},
			want:    []string{"alert.opened resolver_cache confirmed critical resolver system 10.0.0.2"},
			verdict: monitor.Poisoned,
		},
		{
			name: "port 53 rewritten for everybody",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.lie(apiA, evilAddr, 60, everyPlain...)
				wait(5 * time.Minute)
			},
			want:    []string{"alert.opened path_rewritten confirmed critical path system 10.0.0.2"},
			verdict: monitor.Poisoned,
		},
		{
			name: "port 53 rewritten before the first round",
			story: func(w *world) {
				w.lie(apiA, evilAddr, 60, everyPlain...)
				wait(5 * time.Minute)
			},
			want:    []string{"alert.opened path_rewritten confirmed critical path system 10.0.0.2"},
			verdict: monitor.Poisoned,
		},
		{
			name: "a witness lies",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.lie(apiA, evilAddr, 60, "bravo/dot", "bravo/udp")
				wait(time.Hour)
			},
			want:    []string{"alert.opened resolver_cache probable low resolver bravo 9.9.9.2"},
			verdict: monitor.Clean,
		},
		{
			name: "lie and recovery",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.lie(apiA, evilAddr, 600, everyPlain...)
				wait(5 * time.Minute)
				w.honest()
				wait(time.Hour)
			},
			want: []string{
				"alert.opened path_rewritten confirmed critical path system 10.0.0.2",
				"alert.resolved path_rewritten confirmed critical path system 10.0.0.2",
			},
			verdict: monitor.Clean,
		},
		{
			name: "the same lie again soon does not call twice",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.lie(apiA, evilAddr, 60, everyPlain...)
				wait(5 * time.Minute)
				w.honest()
				wait(20 * time.Minute)
				w.lie(apiA, evilAddr, 60, everyPlain...)
				wait(5 * time.Minute)
			},
			want: []string{
				"alert.opened path_rewritten confirmed critical path system 10.0.0.2",
				"alert.resolved path_rewritten confirmed critical path system 10.0.0.2",
				"alert.updated path_rewritten confirmed critical path system 10.0.0.2",
			},
			verdict: monitor.Poisoned,
		},
		{
			name: "migration to a new address with the known key",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.cert("192.0.90.1", monitor.OutcomeOK, goodKey, old)
				w.change(apiA, "192.0.90.1")
				wait(time.Hour)
			},
			verdict: monitor.Clean,
		},
		{
			name: "migration with a fresh certificate, seen everywhere",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.cert("192.0.90.1", monitor.OutcomeOK, "sha256/new", time.Minute)
				w.change(apiA, "192.0.90.1")
				wait(time.Hour)
			},
			verdict: monitor.Clean,
		},
		{
			name: "CDN: each resolver its own address, one key",
			story: func(w *world) {
				for i, e := range everyPlain {
					addr := "192.0.9" + string(rune('0'+i)) + ".1"
					w.cert(addr, monitor.OutcomeOK, goodKey, old)
					w.lie(apiA, addr, 20, e)
					if i < 4 {
						w.lie(apiA, addr, 20, e[:len(e)-4]+"/dot")
					}
				}
				wait(time.Hour)
			},
			verdict: monitor.Clean,
		},
		{
			name: "a witness is down",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.kill("bravo/dot", "bravo/udp")
				wait(time.Hour)
			},
			verdict: monitor.Clean,
		},
		{
			name: "this host's resolver is down",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.kill("system/udp")
				wait(time.Hour)
			},
			verdict: monitor.Unknown,
		},
		{
			name: "a dead node of a CDN, handed out to this host only",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.lie(apiA, "192.0.99.9", 60, "system/udp")
				wait(10 * time.Minute)
			},
			verdict: monitor.Suspicious,
		},
		{
			name:   "one path only, right certificate",
			config: func(c *monitor.Config) { c.References, c.Twins = nil, nil },
			story:  func(w *world) { wait(10 * time.Minute) },

			verdict: monitor.Clean,
		},
		{
			name:   "one path only, wrong certificate from the start",
			config: func(c *monitor.Config) { c.References, c.Twins = nil, nil },
			story: func(w *world) {
				w.lie(apiA, evilAddr, 60, "system/udp")
				wait(10 * time.Minute)
			},
			want:    []string{"alert.opened resolver_cache suspected medium  system 10.0.0.2"},
			verdict: monitor.Suspicious,
		},
		{
			name: "rebinding to a private address",
			story: func(w *world) {
				wait(10 * time.Minute)
				w.lie(apiA, "10.1.2.3", 1, "system/udp")
				wait(10 * time.Minute)
			},
			want:    []string{"alert.opened rebinding suspected medium resolver system 10.0.0.2"},
			verdict: monitor.Unknown,
		},
		{
			name: "private endpoint with a right certificate",
			story: func(w *world) {
				w.cert("10.1.2.3", monitor.OutcomeOK, goodKey, old)
				w.lie(apiA, "10.1.2.3", 60, "system/udp")
				wait(10 * time.Minute)
			},
			verdict: monitor.Clean,
		},
		{
			name:   "everybody moved away from the pin",
			config: func(c *monitor.Config) { c.Watches[0].TLS.Pins = []string{goodKey} },
			story: func(w *world) {
				wait(10 * time.Minute)
				w.cert("192.0.90.1", monitor.OutcomeOK, "sha256/new", time.Minute)
				w.change(apiA, "192.0.90.1")
				wait(time.Hour)
			},
			want:    []string{"alert.opened authority_hijack_suspected confirmed critical authority system 10.0.0.2"},
			verdict: monitor.Poisoned,
		},
		{
			name: "everybody serves an address with a wrong certificate",
			story: func(w *world) {
				wait(30 * time.Minute)
				w.change(apiA, evilAddr)
				wait(time.Hour)
			},
			want:    []string{"alert.opened authority_hijack_suspected probable high authority system 10.0.0.2"},
			verdict: monitor.Suspicious,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := newWorld(), config()
				if tt.config != nil {
					tt.config(&c)
				}
				watch(t, w, c, func(m *monitor.Monitor) {
					tt.story(w)
					wantVerdict(t, m, tt.verdict)
					wantAlerts(t, w, tt.want...)
				})
			})
		})
	}
}

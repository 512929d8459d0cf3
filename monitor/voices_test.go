package monitor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// A lie is laid to the path, to one resolver or to nobody by who says what with
// whom, and the alert shows that, also after a restart and when all is over.
func TestVoices(t *testing.T) {
	for name, tt := range map[string]struct {
		liars []string
		want  map[string]string // by endpoint, for those that differ from right
		with  []string          // who agrees with this host's resolver
		why   string
	}{
		"the path": {
			everyPlain, map[string]string{
				"system 10.0.0.2 udp": "wrong", "alpha 9.9.9.1 udp": "wrong", "bravo 9.9.9.2 udp": "wrong", "charlie 9.9.9.3 udp": "wrong",
			}, []string{"alpha", "bravo", "charlie"}, "the path: ",
		},
		"this resolver": {[]string{"system/udp"}, map[string]string{"system 10.0.0.2 udp": "wrong"}, nil, "system 10.0.0.2: "},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				watch(t, w, c, func(*monitor.Monitor) {
					wait(10 * time.Minute)
					w.lie(apiA, evilAddr, 60, tt.liars...)
					wait(5 * time.Minute)
				})
				w.honest()
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(time.Hour)
					if j := judged(t, m, apiA.Name); j.Verdict != monitor.Clean || j.Voices != nil || j.Because != "" {
						t.Errorf("%s, voices %v, because %q: want nothing of a clean name", j.Verdict, j.Voices, j.Because)
					}
				})
				a := w.only(t)
				if !strings.HasPrefix(a.Because, tt.why) {
					t.Errorf("because %q, want %q", a.Because, tt.why)
				}
				got := map[string]string{}
				for _, v := range a.Voices {
					if v.Standing != monitor.StandsRight {
						got[v.Resolver+" "+string(v.Transport)] = string(v.Standing)
					}
					if v.Role == monitor.Local {
						if diff := cmp.Diff(tt.with, v.With); diff != "" {
							t.Errorf("who agrees (-want +got):\n%s", diff)
						}
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("standings (-want +got):\n%s", diff)
				}
			})
		})
	}
}

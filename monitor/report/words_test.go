package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// TestTimes gives times their date where they are not all of one day.
func TestTimes(t *testing.T) {
	later, nextDay := begin.Add(time.Hour), begin.Add(24*time.Hour)
	tests := []struct {
		name  string
		until *time.Time
		seen  time.Time
		want  string
	}{
		{"going on", nil, later, "KEY 03:06:40-now;"},
		{"going on since yesterday", nil, nextDay, "KEY 2026-11-20 03:06:40-now;"},
		{"over", &later, later, "KEY 03:06:40-04:06:40;"},
		{"over a day later", &nextDay, later, "KEY 2026-11-20 03:06:40-2026-11-21 03:06:40;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := monitor.Alert{Verdict: monitor.Poisoned, LastSeenAt: tt.seen, Exposure: monitor.Exposure{
				From: begin, Until: tt.until, SecretNames: []string{"KEY"}, Leak: monitor.LeakUnchecked,
			}}
			var b strings.Builder
			if err := report.Explain(&b, monitor.Explanation{Alerts: []monitor.Alert{a}}, false); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(b.String(), tt.want) {
				t.Errorf("%q is not in\n%s", tt.want, b.String())
			}
		})
	}
}

// TestExposure follows the leak, and claims none where none is known.
func TestExposure(t *testing.T) {
	tests := []struct {
		name string
		kind monitor.Kind
		e    monitor.Exposure
		want string
	}{
		{"not known", monitor.PathRewritten, monitor.Exposure{}, "what is sent to api.partner.example\n"},
		{"nobody asks there", monitor.ResolverCache, monitor.Exposure{Leak: monitor.LeakNo}, "nothing: no application of this host gets a false address by it\n"},
		{"lost the race", monitor.AttackAttempt, monitor.Exposure{Leak: monitor.LeakNo}, "nothing: the answers that were accepted are right\n"},
		{"unchecked", monitor.PathRewritten, monitor.Exposure{Leak: monitor.LeakUnchecked}, "what is sent to api.partner.example; leak only without certificate check\n"},
		{
			"hijacked", monitor.AuthorityHijack, monitor.Exposure{Leak: monitor.LeakIfHijacked, SecretNames: []string{"A", "B"}, Units: []string{"billing.service"}, Clients: []string{"10.0.0.0/24"}},
			"A, B, billing.service connected, asked by 10.0.0.0/24; leak likely if hijacked\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			a := monitor.Alert{Name: apiA.Name, Kind: tt.kind, Exposure: tt.e}
			if err := report.Explain(&b, monitor.Explanation{Alerts: []monitor.Alert{a}}, false); err != nil {
				t.Fatal(err)
			}
			if want := "  exposed      " + tt.want; !strings.Contains(b.String(), want) {
				t.Errorf("%q is not in\n%s", want, b.String())
			}
		})
	}
}

// TestWhyFromBefore says of a bad verdict that the latest round does not show
// why it stands.
func TestWhyFromBefore(t *testing.T) {
	own := monitor.Observation{At: begin, Role: monitor.Local, Resolver: "system", Transport: monitor.UDP, Rcode: "NOERROR"}
	silent := own
	silent.Rcode, silent.Error = "", monitor.ErrTimeout
	tests := []struct {
		name    string
		verdict monitor.Verdict
		answer  monitor.Observation
		want    string
	}{
		{"good again", monitor.Poisoned, own, "why          from before: the latest round shows no sign of it"},
		{"silent", monitor.Suspicious, silent, "why          from before: the latest round brought no answer"},
		{"unknown", monitor.Unknown, own, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			j := monitor.Judgement{Name: apiA.Name, Type: monitor.TypeA, Verdict: tt.verdict, Answers: []monitor.Observation{tt.answer}}
			if err := report.Text(&b, monitor.Report{Watches: []monitor.Judgement{j}}, 0); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); !strings.Contains(got, tt.want) || tt.want == "" && strings.Contains(got, "why") {
				t.Errorf("%q is not in\n%s", tt.want, got)
			}
		})
	}
}

// TestIdle says that nobody is asked only where nobody was.
func TestIdle(t *testing.T) {
	for _, tt := range []struct {
		queries uint64
		want    string
	}{
		{0, "  watching nothing, asking nobody: add watches to the configuration\n"},
		{7, "  watching nothing: add watches to the configuration\n"},
	} {
		var b strings.Builder
		s := monitor.Status{Resolvers: []monitor.ResolverStatus{{Resolver: "google", Queries: tt.queries}}}
		if err := report.Status(&b, s); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), tt.want) {
			t.Errorf("after %d queries: %q is not in\n%s", tt.queries, tt.want, b.String())
		}
	}
}

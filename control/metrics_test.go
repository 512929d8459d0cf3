package control_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

var update = flag.Bool("update", false, "write the golden files anew")

// busyStatus has one of everything that metrics show.
func busyStatus(context.Context) (monitor.Status, error) {
	return monitor.Status{
		Started: noon.Add(-76*time.Hour - 500*time.Millisecond),
		Watches: []monitor.WatchStatus{
			{Name: "api.example.", Types: []monitor.QuestionStatus{
				{Type: monitor.TypeA, Verdict: monitor.Poisoned, Answered: noon, LastGood: noon.Add(-2 * time.Hour)},
				{Type: monitor.TypeAAAA, Verdict: monitor.Clean, Answered: noon.Add(-time.Minute)},
			}},
			{Name: "sftp.example.", Types: []monitor.QuestionStatus{{Type: monitor.TypeTXT, Verdict: monitor.Unknown}}},
		},
		Alerts: []monitor.AlertLine{
			{Severity: monitor.Critical, State: monitor.Open}, {Severity: monitor.Critical, State: monitor.Open},
			{Severity: monitor.Low, State: monitor.Silenced},
			{Severity: monitor.Critical, State: monitor.Open, Kind: monitor.ResolverCache, Drill: true},
		},
		Resolvers: []monitor.ResolverStatus{
			{Resolver: "system 10.0.0.2", Role: monitor.Local, Transport: monitor.UDP, OK: true, Queries: 4320, Failures: 2, RTT: monitor.Milliseconds(3100 * time.Microsecond)},
			{Resolver: "quad9 9.9.9.10", Role: monitor.Reference, Transport: monitor.DoT, Queries: 288, Failures: 288},
		},
		Health: []monitor.HealthStatus{{Health: monitor.Health{Condition: "no_witness", Severity: "warning"}}},
		Counts: monitor.Counts{
			Rounds: 4321, Late: 2, Samples: 4609, Dropped: 1, Cases: 7, Proofs: 31,
			Transitions: map[monitor.Transition]uint64{monitor.FirstSeen: 3, monitor.SeenAgain: 40},
		},
	}, nil
}

// scrape reads /metrics over the control socket, as Prometheus would.
func scrape(t *testing.T, c prometheus.Collector) (status int, text string) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	w := ask(control.New(control.Config{Metrics: promhttp.HandlerFor(r, promhttp.HandlerOpts{})}, nopLog), "GET", "/metrics", "")
	return w.Code, strings.ReplaceAll(w.Body.String(), runtime.Version(), "GOVERSION")
}

func TestMetrics(t *testing.T) {
	status, got := scrape(t, control.NewCollector(backend{status: busyStatus}, "0.1.0"))
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, got)
	}
	golden := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", golden, diff)
	}
}

// TestMetricsLint holds names, types and help to the habits of Prometheus.
func TestMetricsLint(t *testing.T) {
	_, text := scrape(t, control.NewCollector(backend{status: busyStatus}, "0.1.0"))
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

const down = `# HELP dnstaster_build_info The running build; always 1.
# TYPE dnstaster_build_info gauge
dnstaster_build_info{goversion="GOVERSION",version="0.1.0"} 1
# HELP dnstaster_core_up Whether the core answered this scrape in time.
# TYPE dnstaster_core_up gauge
dnstaster_core_up 0
`

// TestMetricsOfStuckCore shows that a scrape ends while the core does not
// answer, and says so.
func TestMetricsOfStuckCore(t *testing.T) {
	tests := []struct {
		name   string
		status func(context.Context) (monitor.Status, error)
		after  time.Duration
	}{
		{"stuck", func(ctx context.Context) (monitor.Status, error) { <-ctx.Done(); return monitor.Status{}, ctx.Err() }, 5 * time.Second},
		{"stopped", func(context.Context) (monitor.Status, error) { return monitor.Status{}, errors.New("stopped") }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				status, got := scrape(t, control.NewCollector(backend{status: tt.status}, "0.1.0"))
				if took := time.Since(began); status != http.StatusOK || took != tt.after {
					t.Errorf("status %d after %s, want 200 after %s", status, took, tt.after)
				}
				if diff := cmp.Diff(down, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestMetricsOfOddNames shows that a label which no metric may carry costs that
// label its looks, and not the daemon its life.
func TestMetricsOfOddNames(t *testing.T) {
	status, got := scrape(t, control.NewCollector(backend{status: func(context.Context) (monitor.Status, error) {
		return monitor.Status{Resolvers: []monitor.ResolverStatus{
			{Resolver: "system fe80::1%\xff\"\n", Role: monitor.Local, Transport: monitor.UDP, Queries: 1},
		}}, nil
	}}, "\xfe"))
	want := "dnstaster_resolver_queries_total{resolver=\"system fe80::1%\uFFFD\\\"\\n\",role=\"local\",transport=\"udp\"} 1\n"
	if status != http.StatusOK || !strings.Contains(got, want) || !strings.Contains(got, "version=\"\uFFFD\"") {
		t.Errorf("status %d, no %s in\n%s", status, want, got)
	}
}

// TestMetricsOverSocket shows that metrics pass the socket packed, as scrapers
// ask for them.
func TestMetricsOverSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := prometheus.NewRegistry()
		r.MustRegister(control.NewCollector(backend{status: busyStatus}, "0.1.0"))
		p := newPipes()
		start(t, control.New(control.Config{Metrics: promhttp.HandlerFor(r, promhttp.HandlerOpts{})}, nopLog), p)
		resp, err := p.http(t).Get("http://d/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || !resp.Uncompressed || !strings.Contains(string(b), "dnstaster_core_up 1\n") {
			t.Errorf("%v, packed %t: %s", err, resp.Uncompressed, b)
		}
	})
}

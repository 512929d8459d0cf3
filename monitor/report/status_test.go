package report_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

func showStatus(t *testing.T, name string, s monitor.Status) {
	t.Helper()
	var b strings.Builder
	if err := report.Status(&b, s); err != nil {
		t.Fatal(err)
	}
	golden(t, "status_"+name, b.String())
}

func TestStatus(t *testing.T) {
	w, c := newWorld(), config()
	add := func(name string, tls bool, addrs ...string) {
		c.Watches = append(c.Watches, monitor.Watch{Name: name, Types: []monitor.Type{monitor.TypeA}, TLS: monitor.TLSExpect{Off: !tls}})
		w.zone[monitor.Question{Name: name, Type: monitor.TypeA}] = addrs
		if tls {
			w.right(addrs...)
		}
	}
	add(sftpA.Name, false, "203.0.113.50")
	add("pay.example.", true, "203.0.113.70")
	add("www.example.", true, "203.0.113.80")
	add("a-name-that-is-so-long-that-a-table-cannot-be-as-wide.example.", false, "203.0.113.90")
	for i, e := range []string{"cloudflare/dot", "google/dot", "quad9/dot", "delta/dot"} {
		w.answer(sftpA, []string{fmt.Sprintf("203.0.113.6%d", i)}, e)
		w.answer(monitor.Question{Name: c.Watches[4].Name, Type: monitor.TypeA}, []string{fmt.Sprintf("203.0.113.9%d", i+1)}, e)
	}
	c.References = append(c.References, resolver("delta", "9.9.9.99", monitor.Reference, monitor.DoT))
	w.answer(apiA, []string{falseAddr}, plain...)
	w.answer(monitor.Question{Name: "pay.example.", Type: monitor.TypeA}, []string{falseAddr}, "google/dot", "google/udp")
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		for i := len(c.Watches) - 1; i >= 0; i-- {
			one := c
			one.Watches = c.Watches[i : i+1]
			verify(t, m, one)
		}
		time.Sleep(30 * time.Second)
		s := status(t, m)
		s.Webhooks = []monitor.WebhookStatus{{Name: "ops", Delivered: 12, LastSuccess: begin}}
		showStatus(t, "poisoned", s)

		s.Webhooks = []monitor.WebhookStatus{
			{Name: "ops", Delivered: 12, Pending: 3, Dead: 1, Error: "Post: context deadline exceeded"},
			{Name: "chat", Delivered: 2, Disabled: true}, {Name: "new"},
		}
		s.Config.Error = "dnstaster.yaml:12:3: unknown key \"wacthes\", did you mean \"watches\"?\ndnstaster.yaml:14:5: no such resolver \"gogle\""
		showStatus(t, "refused_config", s)

		// Everything is as the daemon gives it a day later.
		s.At = s.At.Add(24 * time.Hour)
		showStatus(t, "next_day", s)
	})
}

// TestStatusLate counts rounds as on time only where all of them were.
func TestStatusLate(t *testing.T) {
	for _, tt := range []struct {
		rounds, late uint64
		want         string
	}{{200, 0, "rounds 100 % on time"}, {200, 1, "rounds 99 % on time"}, {1, 2, "rounds 0 % on time"}, {0, 0, ""}} {
		var b strings.Builder
		if err := report.Status(&b, monitor.Status{Counts: monitor.Counts{Rounds: tt.rounds, Late: tt.late}}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), tt.want) || tt.want == "" && strings.Contains(b.String(), "rounds") {
			t.Errorf("%d of %d late: %q, want %q", tt.late, tt.rounds, b.String(), tt.want)
		}
	}
}

// TestStatusCut bounds what is shown of very many names, and keeps ids apart.
func TestStatusCut(t *testing.T) {
	s := monitor.Status{Host: "app-17.fra1", At: begin, Started: begin.Add(-time.Minute), Verdicts: map[monitor.Verdict]int{monitor.Unknown: 45}}
	for i := range 45 {
		name := fmt.Sprintf("name%02d.example.", i)
		s.Watches = append(s.Watches, monitor.WatchStatus{Name: name, Verdict: monitor.Unknown, Types: []monitor.QuestionStatus{
			{Type: monitor.TypeA, Verdict: monitor.Unknown, Cause: monitor.CauseLearning, Cure: monitor.CauseLearning.Cure(name)},
		}})
		s.Alerts = append(s.Alerts, monitor.AlertLine{
			ID: fmt.Sprintf("01KAT3Q7W2%016d", i), Kind: monitor.ResolverCache, Severity: monitor.Low, Confidence: monitor.Probable,
			State: monitor.Open, Name: name, Resolver: "google 8.8.8.8", OpenedAt: begin.Add(-time.Hour),
		})
	}
	var b strings.Builder
	if err := report.Status(&b, s); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		part string
		want int
	}{
		{"UNKNOWN ", 40}, {"LOW ", 40}, {"and 5 more names; see --json\n", 1}, {"and 5 more alerts; see dnstaster alerts\n", 1},
		{s.Alerts[7].ID + " open\n", 1}, // ten characters would not tell it from others
	} {
		if got := strings.Count(b.String(), tt.part); got != tt.want {
			t.Errorf("%q stands there %d times, want %d", tt.part, got, tt.want)
		}
	}
}

func TestStatusEmpty(t *testing.T) {
	c := config()
	c.Watches = nil
	run(t, newWorld(), c, func(t *testing.T, m *monitor.Monitor) {
		showStatus(t, "empty", status(t, m))
	})
}

func TestStatusClean(t *testing.T) {
	w, c := newWorld(), config()
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		verify(t, m, c)
		time.Sleep(58 * time.Second)
		showStatus(t, "clean", status(t, m))
	})
}

// TestStatusHealth shows what keeps the daemon from its work.
func TestStatusHealth(t *testing.T) {
	w, c := newWorld(), config()
	c.Timing.WitnessInterval = 30 * time.Second // in every round: when else is left to chance
	run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
		verify(t, m, c)
		w.silence("timeout: nothing in 5s", "cloudflare/dot", "google/dot", "quad9/dot")
		for range 10 {
			time.Sleep(time.Minute)
			if _, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof); err != nil {
				t.Fatal(err)
			}
		}
		showStatus(t, "no_witness", status(t, m))

		w.breakStore(errors.New("commit: no space left on device"))
		if _, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof); err != nil {
			t.Fatal(err)
		}
		w.answer(apiA, []string{falseAddr}, "system/udp")
		if _, err := m.Verify(t.Context(), apiA.Name, monitor.FirstProof); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		s := status(t, m)
		s.Store.SetAside = "dnstaster.db.damaged-20261120T030640Z"
		showStatus(t, "store_failing", s)
	})
}

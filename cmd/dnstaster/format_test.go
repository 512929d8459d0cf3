package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
	"github.com/dnstaster/dnstaster/webhook"
)

// TestFormatsArrive has each format that the configuration takes arrive as
// what it is, with what the configuration says of this host.
func TestFormatsArrive(t *testing.T) {
	clearEnv(t)
	var path, body string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		path, body = r.URL.Path, string(b)
	}))
	defer server.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "url"), []byte(server.URL+"/in"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &config{path: filepath.Join(dir, "dnstaster.yaml"), ExternalLabels: labels{"site": "fra1"}}
	want := map[string][]string{
		"":                   {`"type":"webhook.test"`},
		webhook.Standard:     {`"type":"webhook.test"`},
		webhook.Slack:        {`"blocks":[`},
		webhook.Alertmanager: {`"alertname":"DnstasterTest"`, `"site":"fra1"`, `"host":"app-17"`},
	}
	for _, format := range append(webhook.Formats(), "") {
		h := webhookConfig{Name: "ops", URLFile: "url", Format: format}
		s, err := c.sender(h, noLog{}, monitor.Config{Host: "app-17"}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Test(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, part := range append(want[format], "") {
			if !strings.Contains(body, part) || want[format] == nil {
				t.Errorf("format %q lacks %s: %s", format, part, body)
			}
		}
		if alertmanager := format == webhook.Alertmanager; (path == "/in/api/v2/alerts") != alertmanager || (path == "/in") == alertmanager {
			t.Errorf("format %q is posted to %s", format, path)
		}
	}
}

// TestLive asks the running core for what holds.
func TestLive(t *testing.T) {
	m, err := monitor.New(monitor.Config{Timing: monitor.DefaultTiming(), System: func() ([]monitor.Resolver, error) { return nil, nil }}, nil, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	var w webhook.Config
	(&daemon{monitor: m}).live(&w)
	held, err := w.Conditions(t.Context())
	if err != nil || len(held) != 0 {
		t.Errorf("Conditions() = %v, %v, want none", held, err)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if held, err := w.Conditions(stopped); err == nil {
		t.Errorf("Conditions() of a core that stopped = %v, want an error", held)
	}
}

// TestPlaces finds the line of a watch, in the file that it stands in.
func TestPlaces(t *testing.T) {
	path := writeTree(t, map[string]string{
		"dnstaster.yaml":   "timing: {profile: lab}\nwatches:\n  - name: a.example\n",
		"watches.d/b.yaml": "watches:\n\n  - name: b.example\n  - name: c.example\n",
	})
	c, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	for name, want := range map[string]report.Place{
		"a.example.": {File: path, Line: 3},
		"c.example.": {File: filepath.Join(dir, "watches.d", "b.yaml"), Line: 4},
		"d.example.": {},
	} {
		if diff := cmp.Diff(want, c.place(name)); diff != "" {
			t.Errorf("place of %s (-want +got):\n%s", name, diff)
		}
	}
	r := monitor.Report{Alerts: []monitor.Alert{{Name: "a.example.", Transactions: []monitor.Transaction{{File: "two.pcap"}}}}}
	for _, tt := range []struct {
		files []string
		name  string
		want  string
	}{
		{[]string{"one.pcap"}, "b.example.", "one.pcap"},
		{[]string{"one.pcap", "two.pcap"}, "a.example.", "two.pcap"},
		{[]string{"one.pcap", "two.pcap"}, "b.example.", ""},
		{[]string{"-"}, "b.example.", ""},
	} {
		if got := placeIn(r, tt.files)(tt.name); got != (report.Place{File: tt.want}) {
			t.Errorf("place of %s in %q = %+v, want %q", tt.name, tt.files, got, tt.want)
		}
	}
}

package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestExplain asks for names and for alerts, those that only the log still
// knows among them.
func TestExplain(t *testing.T) {
	const inCore, inLog, twin, gone = "01KAAAAAAA0", "01KBBBBBBB0", "01KBBBBBBC0", "01KCCCCCCC0"
	core := map[string]monitor.Explanation{
		"api.example.": {Judgements: []monitor.Judgement{{Name: "api.example."}}, Alerts: []monitor.Alert{{ID: inCore}}},
		inCore:         {Judgements: []monitor.Judgement{{Name: "api.example."}}, Alerts: []monitor.Alert{{ID: inCore}}},
		"router.":      {Judgements: []monitor.Judgement{{Name: "router."}}, Alerts: []monitor.Alert{}},
	}
	stored := []monitor.Alert{
		{ID: inCore, Name: "api.example."}, {ID: inLog, Name: "api.example.", State: monitor.Resolved},
		{ID: twin, Name: "api.example."}, {ID: gone, Name: "old.example."},
	}
	s := newServer(backend{explain: func(_ context.Context, what string) (monitor.Explanation, error) {
		if e, ok := core[what]; ok {
			return e, nil
		}
		return monitor.Explanation{}, fmt.Errorf("%s: %w", strings.TrimSuffix(what, "."), monitor.ErrNotWatched)
	}}, memory{alerts: func(_ context.Context, since time.Time) ([]monitor.Alert, error) {
		if !since.IsZero() {
			t.Errorf("asked for alerts since %s, want all", since)
		}
		return stored, nil
	}})
	tests := []struct {
		name, what string
		status     int
		want       string // names of judgements, then ids of alerts; or the error
	}{
		{"name", "api.example", 200, "api.example. | " + inCore},
		{"name in capitals", "API.example.", 200, "api.example. | " + inCore},
		{"name of one label", "router", 200, "router. | "},
		{"alert of the core", inCore, 200, "api.example. | " + inCore},
		{"alert of the log", inLog, 200, "api.example. | " + inLog},
		{"alert of the log, in small letters", strings.ToLower(inLog), 200, "api.example. | " + inLog},
		{"alert of the log, cut", inLog[:10], 200, "api.example. | " + inLog},
		{"alert of a name that is watched no longer", gone, 200, " | " + gone},
		{"cut to what two share", inLog[:8], 404, "01KBBBBB: not watched"},
		{"cut too short", gone[:7], 404, "01KCCCC: not watched"},
		{"id of nothing", "01KDDDDDDD0", 404, "01KDDDDDDD0: not watched"},
		{"name of nothing", "www.example", 404, "www.example: not watched"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(s, "GET", "/v1/explain?what="+url.QueryEscape(tt.what), "")
			var got struct {
				monitor.Explanation
				Error string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%v in %s", err, w.Body)
			}
			text := got.Error
			if text == "" {
				var names, ids []string
				for _, j := range got.Judgements {
					names = append(names, j.Name)
				}
				for _, a := range got.Alerts {
					ids = append(ids, a.ID)
				}
				text = strings.Join(names, " ") + " | " + strings.Join(ids, " ")
			}
			if w.Code != tt.status || text != tt.want {
				t.Errorf("got %d %q, want %d %q", w.Code, text, tt.status, tt.want)
			}
			if got.Error == "" && (got.Judgements == nil || got.Alerts == nil) {
				t.Errorf("a list is null: %s", w.Body)
			}
		})
	}
}

// TestExplainWithoutLog shows that a log that cannot be read is not taken for
// one that holds nothing.
func TestExplainWithoutLog(t *testing.T) {
	s := newServer(backend{explain: func(context.Context, string) (monitor.Explanation, error) {
		return monitor.Explanation{}, monitor.ErrNotWatched
	}}, memory{alerts: func(context.Context, time.Time) ([]monitor.Alert, error) { return nil, errors.New("unreadable") }})
	checkError(t, "explain", ask(s, "GET", "/v1/explain?what=01KAAAAAAA0", ""), 500, "unreadable")
}

// TestHistoryQuery shows what the log is asked for.
func TestHistoryQuery(t *testing.T) {
	tests := []struct {
		query string
		want  monitor.HistoryQuery
	}{
		{"name=API.example", monitor.HistoryQuery{Name: "api.example.", Limit: 10_000}},
		{"name=api.example&type=aaaa&resolver=system+10.0.0.2", monitor.HistoryQuery{Name: "api.example.", Type: monitor.TypeAAAA, Resolver: "system 10.0.0.2", Limit: 10_000}},
		{"name=api.example&since=2026-11-24T12:00:00Z&until=2026-11-24T13:00:00%2B01:00&limit=7", monitor.HistoryQuery{Name: "api.example.", Since: noon, Until: noon, Limit: 7}},
		{"name=api.example&via=wire", monitor.HistoryQuery{Name: "api.example.", Via: monitor.Wire, Limit: 10_000}},
		{"name=b%C3%BCcher.example", monitor.HistoryQuery{Name: "xn--bcher-kva.example.", Limit: 10_000}},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			var got monitor.HistoryQuery
			s := newServer(backend{}, memory{history: func(_ context.Context, q monitor.HistoryQuery) ([]monitor.Interval, error) {
				got = q
				return nil, nil
			}})
			if w := ask(s, "GET", "/v1/history?"+tt.query, ""); w.Code != 200 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestHealth shows that a probe may go by the status alone.
func TestHealth(t *testing.T) {
	tests := []struct {
		name   string
		status monitor.Status
		err    error
		code   int
		want   string
	}{
		{"well", monitor.Status{}, nil, 200, `{"status":"ok","conditions":[]}`},
		{"ill", monitor.Status{Health: []monitor.HealthStatus{{Health: monitor.Health{Condition: "no_witness"}, Since: noon}}}, nil, 503,
			`{"status":"degraded","conditions":[{"condition":"no_witness","severity":"","title":"","text":"","since":"2026-11-24T12:00:00Z"}]}`},
		{"gone", monitor.Status{}, errors.New("the monitor has stopped"), 503, `{"status":"down","conditions":[],"error":"the monitor has stopped"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(backend{status: func(context.Context) (monitor.Status, error) { return tt.status, tt.err }}, memory{})
			w := ask(s, "GET", "/v1/health", "")
			if got := strings.TrimSpace(w.Body.String()); w.Code != tt.code || got != tt.want {
				t.Errorf("got %d %s, want %d %s", w.Code, got, tt.code, tt.want)
			}
		})
	}
}

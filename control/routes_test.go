package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

const (
	openID  = "01KAT3Q7W2AAAAAAAAAAAAAAAA"
	endedID = "01KAT3Q7W2BBBBBBBBBBBBBBBB"
)

// watching is a backend that watches api.example and knows one alert. It speaks
// of errors as the core does.
var watching = backend{
	status: func(context.Context) (monitor.Status, error) {
		return monitor.Status{Schema: monitor.StatusSchema, Host: "app-17"}, nil
	},
	verify: func(_ context.Context, name string, settle monitor.Settle) ([]monitor.Judgement, error) {
		if name != "api.example." {
			return nil, fmt.Errorf("%s is %w", name, monitor.ErrNotWatched)
		}
		return []monitor.Judgement{{Name: name, Type: monitor.TypeA, Verdict: monitor.Clean, Proof: fmt.Sprint("whole ", settle)}}, nil
	},
	explain: func(_ context.Context, what string) (monitor.Explanation, error) {
		e := monitor.Explanation{Judgements: []monitor.Judgement{{Name: "api.example."}}, Alerts: []monitor.Alert{alert(openID, monitor.Open)}}
		if what != "api.example." && !(len(what) >= 8 && strings.HasPrefix(openID, what)) {
			return monitor.Explanation{}, fmt.Errorf("%s: %w, and no alert has that id", what, monitor.ErrNotWatched)
		}
		return e, nil
	},
	pins: func(_ context.Context, name string) (monitor.Pins, error) {
		if name != "" && name != "api.example." {
			return monitor.Pins{}, fmt.Errorf("%s is %w", name, monitor.ErrNotWatched)
		}
		return monitor.Pins{Names: []monitor.Pinnable{{Name: "api.example.", Verdict: monitor.Clean}}}, nil
	},
	drill: func(_ context.Context, d monitor.DrillOrder) (monitor.Alert, error) {
		switch {
		case d.Name != "api.example.":
			return monitor.Alert{}, fmt.Errorf("%s is %w", d.Name, monitor.ErrNotWatched)
		case d.Kind == "nonsense":
			return monitor.Alert{}, fmt.Errorf("drill %w: no kind %q", monitor.ErrAction, d.Kind)
		}
		out := alert(openID, monitor.Open)
		out.Drill, out.Summary = true, fmt.Sprintf("DRILL %s for %s by %d", d.Kind, d.ResolveAfter, d.UID)
		return out, nil
	},
	act: func(_ context.Context, id string, a monitor.Action, n monitor.Note) (monitor.Alert, error) {
		if id != openID {
			return monitor.Alert{}, fmt.Errorf("%s: %w", id, monitor.ErrNoAlert)
		}
		if a != monitor.Acknowledge {
			return monitor.Alert{}, fmt.Errorf("%q %w", a, monitor.ErrAction)
		}
		out := alert(id, monitor.Acknowledged)
		out.Note = &n
		return out, nil
	},
}

// remembering is a log of two alerts, one of them over, and no answers.
var remembering = memory{
	last:   func() uint64 { return 0 },
	events: func(context.Context, uint64, int) ([]monitor.Event, error) { return nil, nil },
	proofs: func(_ context.Context, alert string) ([]monitor.Sample, error) {
		if alert != openID {
			return nil, nil
		}
		return []monitor.Sample{{Via: monitor.Wire, Question: monitor.Question{Name: "api.example.", Type: monitor.TypeA}}}, nil
	},
	history: func(context.Context, monitor.HistoryQuery) ([]monitor.Interval, error) {
		return nil, nil
	},
	unwatched: func(_ context.Context, name string, asked netip.Addr) ([]monitor.Stranger, error) {
		if !asked.IsValid() {
			return nil, nil
		}
		return []monitor.Stranger{{
			Question: monitor.Question{Name: name, Type: monitor.TypeA}, First: noon, Last: noon, Count: 2,
			Addresses: []monitor.StrangerAddress{{Address: asked, First: noon, Last: noon, Count: 1}},
		}}, nil
	},
	alerts: func(_ context.Context, since time.Time) ([]monitor.Alert, error) {
		as := []monitor.Alert{alert(openID, monitor.Open)}
		if since.Before(noon) {
			as = append(as, alert(endedID, monitor.Resolved))
		}
		return as, nil
	},
}

func TestRoutes(t *testing.T) {
	long := strings.Repeat("x", 70<<10)
	tests := []struct {
		method, target, body string
		status               int
		want                 string // a part of the body
	}{
		{"GET", "/v1/status", "", 200, `"host":"app-17"`},
		{"HEAD", "/v1/status", "", 200, ""},
		{"GET", "/v1/evidence/" + openID, "", 200, `"samples":[{"schema":"dnstaster.sample/v1"`},
		{"GET", "/v1/evidence/" + endedID, "", 200, `"samples":[]`},
		{"GET", "/v1/evidence/01KAT3Q7", "", 404, `no such alert`},
		{"GET", "/v1/evidence/x", "", 404, `no such alert`},
		{"GET", "/v1/health", "", 200, `{"status":"ok","conditions":[]}`},
		{"GET", "/v1/alerts", "", 200, openID},
		{"GET", "/v1/alerts?state=open", "", 200, openID},
		{"GET", "/v1/alerts?state=all", "", 200, endedID},
		{"GET", "/v1/alerts?state=ALL", "", 400, "state: neither open nor all"},
		{"POST", "/v1/alerts/" + openID + "/ack", `{"comment":"mine"}`, 200, `"comment":"mine"`},
		{"POST", "/v1/alerts/" + openID + "/eat", `{}`, 400, "cannot be done"},
		{"POST", "/v1/alerts/" + endedID + "/ack", `{}`, 404, "no such alert"},
		{"POST", "/v1/alerts/" + openID + "/ack", ``, 400, "body: EOF"},
		{"POST", "/v1/alerts/" + openID + "/ack", `{"until":"soon"}`, 400, "body: "},
		{"POST", "/v1/alerts/" + openID + "/ack", `{"comment":"` + long + `"}`, 413, "body: "},
		{"POST", "/v1/alerts/" + openID, `{}`, 404, "not found"},
		{"POST", "/v1/drill", `{"name":"API.example","kind":"path_injection","resolve_after":"90s","uid":0}`, 200, `"summary":"DRILL path_injection for 1m30s by -1"`},
		{"POST", "/v1/drill", `{"name":"api.example"}`, 200, `"drill":true`},
		{"POST", "/v1/drill", `{"name":"www.example"}`, 404, "not watched"},
		{"POST", "/v1/drill", `{"name":"api.example","kind":"nonsense"}`, 400, "no kind"},
		{"POST", "/v1/drill", `{"name":"api.example","resolve_after":"soon"}`, 400, "resolve_after: not a duration"},
		{"POST", "/v1/drill", `{"name":"a..b"}`, 400, "name: not a domain name"},
		{"POST", "/v1/drill", ``, 400, "body: EOF"},
		{"GET", "/v1/drill", "", 405, "method not allowed"},
		{"GET", "/v1/events", "", 200, `{"events":[],"next":0,"last":0}`},
		{"GET", "/v1/events?after=-1", "", 400, "after: not a number"},
		{"GET", "/v1/events?after=18446744073709551616", "", 400, "after: not a number"},
		{"GET", "/v1/events?wait=30", "", 400, "wait: not a duration"},
		{"GET", "/v1/events?max=-1", "", 400, "max: not a number"},
		{"GET", "/v1/events?max=many", "", 400, "max: not a number"},
		{"GET", "/v1/history?name=api.example", "", 200, `{"intervals":[]}`},
		{"GET", "/v1/history", "", 400, "name: not a domain name"},
		{"GET", "/v1/history?name=api.example&via=ear", "", 400, "via: want probe or wire"},
		{"GET", "/v1/unwatched?name=other.example", "", 200, `{"unwatched":[]}`},
		{"GET", "/v1/unwatched?name=other.example&address=192.0.2.66", "", 200, `{"unwatched":[{"question":{"name":"other.example.","type":"A"},"first":"2026-11-24T12:00:00Z","last":"2026-11-24T12:00:00Z","count":2,"addresses":[{"address":"192.0.2.66","first":"2026-11-24T12:00:00Z","last":"2026-11-24T12:00:00Z","count":1}]}]}`},
		{"GET", "/v1/unwatched", "", 400, "name: not a domain name"},
		{"GET", "/v1/unwatched?name=x&address=y", "", 400, "address: not an IP address"},
		{"GET", "/v1/history?name=a%20b", "", 400, "name: not a domain name"},
		{"GET", "/v1/history?name=api.example&type=B", "", 400, "type: unknown record type"},
		{"GET", "/v1/history?name=api.example&since=yesterday", "", 400, "since: not a time of RFC 3339"},
		{"GET", "/v1/history?name=api.example&until=2026-11-24", "", 400, "until: not a time of RFC 3339"},
		{"GET", "/v1/history?name=api.example&limit=0", "", 400, "limit: not a number from 1 to 10000"},
		{"GET", "/v1/history?name=api.example&limit=10001", "", 400, "limit: not a number from 1 to 10000"},
		{"GET", "/v1/history?name=api.example&limit=ten", "", 400, "limit: not a number from 1 to 10000"},
		{"GET", "/v1/verify?name=API.example", "", 200, `"proof":"whole false"`},
		{"GET", "/v1/verify?name=api.example&whole=true", "", 200, `"proof":"whole true"`},
		{"GET", "/v1/verify?name=api.example&whole=yes", "", 400, "whole: neither true nor false"},
		{"GET", "/v1/verify?name=www.example", "", 404, "not watched"},
		{"GET", "/v1/verify", "", 400, "name: not a domain name"},
		{"GET", "/v1/pins", "", 200, `"name":"api.example."`},
		{"GET", "/v1/pins?name=API.example", "", 200, `"schema":"dnstaster.pins/v1"`},
		{"GET", "/v1/pins?name=www.example", "", 404, "not watched"},
		{"GET", "/v1/pins?name=", "", 400, "name: not a domain name"},
		{"POST", "/v1/pins", "", 405, "method not allowed"},
		{"GET", "/v1/explain?what=API.example", "", 200, openID},
		{"GET", "/v1/explain?what=www.example", "", 404, "not watched"},
		{"GET", "/v1/explain?what=01KAT3", "", 404, "01KAT3: not watched, and no alert has that id"},
		{"GET", "/v1/explain?what=a..b", "", 400, "what: not a domain name"},
		{"GET", "/v1/explain", "", 400, "what: not a domain name"},
		{"GET", "/v1/events?after=1;wait=3", "", 400, "query: "},
		{"GET", "/v1/events?after=%zz", "", 400, "query: "},
		{"GET", "/", "", 404, "not found"},
		{"GET", "/v1", "", 404, "not found"},
		{"GET", "/v2/status", "", 404, "not found"},
		{"GET", "/v1/status/", "", 404, "not found"},
		{"POST", "/v1/status", "", 405, "method not allowed"},
		{"DELETE", "/v1/events", "", 405, "method not allowed"},
		{"PUT", "/metrics", "x", 405, "method not allowed"},
		{"GET", "/v1/alerts/" + openID + "/ack", "", 405, "method not allowed"},
		{"GET", "/v1/../v1/status", "", 307, "temporary redirect"},
	}
	s := newServer(watching, remembering)
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target[:min(len(tt.target), 60)], func(t *testing.T) {
			w := ask(s, tt.method, tt.target, tt.body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("got %d %.200s, want %d %s", w.Code, w.Body, tt.status, tt.want)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type is %q", got)
			}
			var v map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
				t.Fatalf("not JSON: %v in %.200s", err, w.Body)
			}
			if _, failed := v["error"].(string); failed != (tt.status != 200) {
				t.Errorf("status %d comes with %.200s", tt.status, w.Body)
			}
			if allow := w.Header().Get("Allow"); (allow != "") != (tt.status == 405) {
				t.Errorf("status %d comes with Allow: %s", tt.status, allow)
			}
		})
	}
}

// TestMetricsRoute shows that what is not ours is passed on as it is.
func TestMetricsRoute(t *testing.T) {
	w := ask(newServer(watching, remembering), "GET", "/metrics", "")
	if w.Code != 200 || w.Body.String() != "up 1\n" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	none := control.New(control.Config{Backend: watching, Log: remembering}, nopLog)
	if w := ask(none, "GET", "/metrics", ""); w.Code != 404 {
		t.Errorf("without metrics: got %d, want 404", w.Code)
	}
}

// TestErrors shows which status tells of which error of core and log.
func TestErrors(t *testing.T) {
	tests := []struct {
		err    error
		status int
		text   string
	}{
		{fmt.Errorf("x is %w", monitor.ErrNotWatched), 404, "x is not watched"},
		{fmt.Errorf("x: %w", monitor.ErrNoAlert), 404, "x: no such alert"},
		{fmt.Errorf("silence %w", monitor.ErrAction), 400, "silence cannot be done"},
		{context.DeadlineExceeded, 504, "no answer in time: context deadline exceeded"},
		{fmt.Errorf("read alerts: %w", context.Canceled), 503, "the daemon is stopping"},
		{errors.New("the disk is on fire"), 500, "the disk is on fire"},
	}
	for _, tt := range tests {
		t.Run(tt.err.Error(), func(t *testing.T) {
			s := newServer(backend{
				status: func(context.Context) (monitor.Status, error) { return monitor.Status{}, tt.err },
				verify: func(context.Context, string, monitor.Settle) ([]monitor.Judgement, error) { return nil, tt.err },
				act: func(context.Context, string, monitor.Action, monitor.Note) (monitor.Alert, error) {
					return monitor.Alert{}, tt.err
				},
			}, memory{
				alerts:  func(context.Context, time.Time) ([]monitor.Alert, error) { return nil, tt.err },
				events:  func(context.Context, uint64, int) ([]monitor.Event, error) { return nil, tt.err },
				history: func(context.Context, monitor.HistoryQuery) ([]monitor.Interval, error) { return nil, tt.err },
			})
			for _, target := range []string{"/v1/status", "/v1/verify?name=x", "/v1/alerts", "/v1/events", "/v1/history?name=x"} {
				checkError(t, target, ask(s, "GET", target, ""), tt.status, tt.text)
			}
			checkError(t, "act", ask(s, "POST", "/v1/alerts/x/ack", "{}"), tt.status, tt.text)
		})
	}
}

func checkError(t *testing.T, what string, w interface {
	Result() *http.Response
}, status int, text string) {
	t.Helper()
	resp := w.Result()
	var got struct{ Error string }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if resp.StatusCode != status || got.Error != text {
		t.Errorf("%s: got %d %q, want %d %q", what, resp.StatusCode, got.Error, status, text)
	}
}

// TestNotJSON shows that what cannot be written is an error, and not the half
// of a document or nothing at all.
func TestNotJSON(t *testing.T) {
	s := newServer(backend{}, memory{events: func(context.Context, uint64, int) ([]monitor.Event, error) {
		return []monitor.Event{{Seq: 1, Data: []byte("{")}}, nil
	}})
	w := ask(s, "GET", "/v1/events", "")
	if w.Code != 500 || !json.Valid(w.Body.Bytes()) || !strings.Contains(w.Body.String(), "write as JSON") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

func TestAlertsAreTheNewestFirst(t *testing.T) {
	began := time.Now()
	s := newServer(backend{}, memory{alerts: func(_ context.Context, since time.Time) ([]monitor.Alert, error) {
		as := []monitor.Alert{alert("1", monitor.Open), alert("2", monitor.Silenced), alert("4", monitor.Acknowledged)}
		if since.IsZero() {
			as = append(as[:2:2], alert("3", monitor.Resolved), as[2])
		} else if since.Before(began) {
			t.Errorf("open alerts: asked for those resolved after %s", since)
		}
		return as, nil
	}})
	for target, want := range map[string][]string{"/v1/alerts": {"4", "2", "1"}, "/v1/alerts?state=all": {"4", "3", "2", "1"}} {
		var page struct{ Alerts []monitor.Alert }
		if err := json.Unmarshal(ask(s, "GET", target, "").Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range page.Alerts {
			got = append(got, a.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", target, diff)
		}
	}
}

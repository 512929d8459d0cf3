package control_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzRequest shows that no request makes the server panic, or blame itself:
// what it answers is JSON or metrics, and an error has words.
func FuzzRequest(f *testing.F) {
	for _, target := range []string{
		"/v1/status", "/v1/health", "/metrics", "/", "", "/v1//status", "/v1/../../etc/passwd", "*", "/v1/alerts?state=%00",
		"/v1/events?after=1&wait=1h&max=9", "/v1/events?after=99999999999999999999", "/v1/events?wait=-9223372036854775808ns",
		"/v1/history?name=api.example&type=TYPE65536&since=0000-01-01T00:00:00Z&limit=1e3", "/v1/verify?name=%ff&whole=1", "/v1/unwatched?name=a&address=::1%25",
		"/v1/explain?what=01KAT3Q7W2", "/v1/explain?what=%D9%A1.example", "/v1/alerts/%2e%2e%2f/ack", "/v1/alerts/a/b/c",
	} {
		f.Add("GET", target, "")
	}
	for _, body := range []string{"", "{}", "null", `[]`, `{"uid":1e400}`, `{"until":"2026-11-24T12:00:00Z"}`, strings.Repeat("[", 9999)} {
		f.Add("POST", "/v1/alerts/"+openID+"/ack", body)
	}
	f.Add("CONNECT", "/v1/status", "")
	f.Add("get", "/v1/status", "x")

	log := remembering
	log.wait = func(context.Context, uint64) error { return nil } // the wait has tests of its own
	s := newServer(watching, log)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://dnstaster"+target, strings.NewReader(body))
		if err != nil {
			return // nothing that a server would be shown
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		checkAnswer(t, r, w)
	})
}

func checkAnswer(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	allowed := []int{200, 301, 307, 308, 400, 404, 405, 413}
	if !slices.Contains(allowed, w.Code) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if r.URL.Path == "/metrics" && w.Code == 200 {
		if w.Body.String() != "up 1\n" {
			t.Errorf("metrics are %s", w.Body)
		}
		return
	}
	var v map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("status %d, not JSON: %q", w.Code, w.Body)
	}
	if words, _ := v["error"].(string); (words == "") != (w.Code == 200) {
		t.Errorf("status %d with error %q", w.Code, words)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
}

//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// hook is one delivery that the sink took.
type hook struct {
	at    time.Time
	id    string
	kind  string
	alert monitor.Alert
	text  string // of what is no alert
}

func (h hook) String() string {
	a := h.alert
	if !h.isAlert() {
		return h.kind + " " + h.text
	}
	return fmt.Sprintf("%s %s %s %s %s %s at %s", strings.TrimPrefix(h.kind, "alert."), a.Kind, a.Confidence, a.Severity, a.Name, a.Attribution, a.Resolver)
}

func (h hook) isAlert() bool { return strings.HasPrefix(h.kind, "alert.") }

const sinkSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// sink takes webhooks on the host ops and checks their signatures.
type sink struct {
	srv   *http.Server
	mu    sync.Mutex
	hooks []hook
	bad   []error
	came  chan struct{} // is closed when something comes, and another is put in its place
}

func newSink(w *world.World) (*sink, error) {
	s := &sink{came: make(chan struct{})}
	l, err := w.Host("ops").Listen("tcp4", world.OpsAddr+":9099")
	if err != nil {
		return nil, err
	}
	s.srv = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go s.srv.Serve(l)
	return s, nil
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := hook{at: time.Now(), id: r.Header.Get("webhook-id")}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		var check *standardwebhooks.Webhook
		if check, err = standardwebhooks.NewWebhook(sinkSecret); err == nil {
			err = check.Verify(body, r.Header)
		}
	}
	var e struct {
		Type string
		Data json.RawMessage
	}
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if h.kind = e.Type; err == nil && h.isAlert() {
		err = json.Unmarshal(e.Data, &h.alert)
	}
	h.text = string(e.Data)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.bad = append(s.bad, err)
	}
	s.hooks = append(s.hooks, h)
	close(s.came) // many may wait
	s.came = make(chan struct{})
}

// all gives what came so far.
func (s *sink) all() []hook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hooks)
}

// faults gives what was wrong with deliveries.
func (s *sink) faults() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bad)
}

// alerts gives the events about alerts that came so far.
func (s *sink) alerts() []hook {
	return slices.DeleteFunc(s.all(), func(h hook) bool { return !h.isAlert() })
}

// await waits for an event that want accepts.
func (s *sink) await(limit time.Duration, want func(hook) bool) (hook, bool) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		hs, came := slices.Clone(s.hooks), s.came
		s.mu.Unlock()
		if i := slices.IndexFunc(hs, want); i >= 0 {
			return hs[i], true
		}
		select {
		case <-came:
		case <-deadline.C:
			return hook{}, false
		}
	}
}

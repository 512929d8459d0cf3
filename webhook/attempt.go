package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxDrain bounds how much of a response is read, in bytes. Nothing of it is
// used; reading it lets the server finish in peace.
const maxDrain = 64 << 10

// message is what is sent of one event, the same at every try.
type message struct {
	id   string // webhook-id
	body []byte // JSON
}

// attempt is how one try ended.
type attempt struct {
	reaction   Reaction
	status     int // 0 without a response
	retryAfter time.Duration
	latency    time.Duration
	err        string // fit to be shown; empty if delivered
}

func (s *Sender) message(id string, e monitor.Event) message {
	return message{id, s.format(s.config, e)}
}

// try posts m once. It takes no longer than Config.Timeout.
func (s *Sender) try(ctx context.Context, m message) attempt {
	timeout := fmt.Errorf("no answer within %s", s.config.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, timeout)
	defer cancel()
	start := time.Now()
	req, err := s.request(ctx, m, start)
	if err != nil {
		return attempt{reaction: Unreachable, err: s.redact.text(err)}
	}
	// Not http.Client: it would parse, and want to follow, redirects.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		if context.Cause(ctx) == timeout {
			err = timeout
		}
		return attempt{reaction: Unreachable, latency: time.Since(start), err: s.redact.text(err)}
	}
	defer resp.Body.Close()
	a := attempt{reaction: react(resp.StatusCode), status: resp.StatusCode, latency: time.Since(start)}
	if a.reaction != Delivered {
		a.err = statusText(a.status)
		if cure := hint(a.status); cure != "" {
			a.err += ": " + cure
		}
	}
	if a.reaction == Throttled {
		a.retryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	// The status says it all: what goes wrong from here on changes nothing.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxDrain))
	return a
}

func (s *Sender) request(ctx context.Context, m message, now time.Time) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url.String(), bytes.NewReader(m.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if u := s.url.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	req.Header.Set("User-Agent", strings.TrimSuffix("dnstaster/"+s.config.Version, "/"))
	req.Header.Set(standardwebhooks.HeaderWebhookID, m.id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	if s.signer != nil {
		signature, err := s.signer.Sign(m.id, now, m.body)
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
		req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	}
	return req, nil
}

// statusText names a status in our words: the server's own are not to be trusted.
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return strconv.Itoa(status) + " " + text
	}
	return strconv.Itoa(status)
}

// Result is how a test of an endpoint ended.
type Result struct {
	ID      string               `json:"id"`     // webhook-id that was sent
	Status  int                  `json:"status"` // 0 without a response
	Latency monitor.Milliseconds `json:"latency_ms"`
	Signed  bool                 `json:"signed"`
}

func (r Result) String() string {
	answer, signed := "no answer", "not signed"
	if r.Status != 0 {
		answer = statusText(r.Status)
	}
	if r.Signed {
		signed = "signed"
	}
	return fmt.Sprintf("%s after %s, %s, id %s", answer, time.Duration(r.Latency).Round(time.Millisecond), signed, r.ID)
}

// Test sends a webhook.test event at once, beside the log and its order, and
// gives an error, fit to be shown, unless the endpoint took it. It may be
// called at any time, also without Run, and does not count in Stats.
func (s *Sender) Test(ctx context.Context) (Result, error) {
	data, err := json.Marshal(map[string]string{
		"endpoint": s.config.Name,
		"text":     "A test of this webhook. Nothing happened.",
	})
	if err != nil {
		return Result{}, fmt.Errorf("test webhook %q: %w", s.config.Name, err)
	}
	e := monitor.Event{At: time.Now(), Type: monitor.WebhookTest, Data: data}
	m := s.message(s.log.ID()+"-test-"+rand.Text(), e)
	a := s.try(ctx, m)
	r := Result{ID: m.id, Status: a.status, Latency: monitor.Milliseconds(a.latency), Signed: s.signer != nil}
	if a.reaction != Delivered {
		return r, fmt.Errorf("test webhook %q: %s", s.config.Name, a.err)
	}
	return r, nil
}

package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Reaction is what becomes of an event after one try.
type Reaction uint8

// The reactions.
const (
	_ Reaction = iota
	// Delivered: the endpoint took it (2xx).
	Delivered
	// Unreachable: no HTTP response came. Tried again with exponential delay.
	Unreachable
	// Unavailable: the endpoint cannot now (408 and 5xx). Tried again with
	// exponential delay.
	Unavailable
	// Throttled: it is too much for the endpoint (429, 503). As Unavailable, but
	// not before Retry-After.
	Throttled
	// Redirected: the endpoint is elsewhere (3xx). Never followed, since the
	// body and its signature are meant for one host only. Tried again slowly.
	Redirected
	// Refused: the endpoint does not want it as it is (4xx, and whatever is no
	// answer to a POST). Tried again slowly.
	Refused
	// Gone: the endpoint wants nothing more (410). It is switched off, without
	// moving its cursor.
	Gone
)

var reactionNames = [...]string{"", "delivered", "unreachable", "unavailable", "throttled", "redirected", "refused", "gone"}

func (r Reaction) String() string { return reactionNames[r] }

// MarshalText gives the word.
func (r Reaction) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// slow reports whether a person must act before another try can succeed.
func (r Reaction) slow() bool { return r == Redirected || r == Refused }

// react gives the one reaction to a status (RFC 9110 §15).
func react(status int) Reaction {
	switch {
	case status >= 200 && status <= 299:
		return Delivered
	case status >= 300 && status <= 399:
		return Redirected
	case status == http.StatusGone:
		return Gone
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return Throttled
	case status == http.StatusRequestTimeout, status >= 500 && status <= 599:
		return Unavailable
	}
	return Refused
}

// hint says what a person can do about a status, where that is known.
func hint(status int) string {
	switch {
	case status >= 300 && status <= 399:
		return "redirects are not followed; configure the final URL"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "check the URL, the secret and http_config"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return "check the URL"
	case status == http.StatusGone:
		return "the endpoint is gone; configure another, or reload"
	}
	return ""
}

const (
	// maxRetryAfter bounds what an endpoint may ask for: an alert must not wait
	// for days because of one header.
	maxRetryAfter = time.Hour

	// Each wait is the interval give or take half of it, which makes 1 s to
	// 15 min, and keeps the many hosts of a fleet from coming back all at once.
	firstInterval = 2 * time.Second
	lastInterval  = 10 * time.Minute
	jitter        = 0.5
)

// newBackoff gives the waits between tries that start at first.
func newBackoff(first time.Duration) *backoff.ExponentialBackOff {
	b := &backoff.ExponentialBackOff{InitialInterval: first, MaxInterval: lastInterval, RandomizationFactor: jitter, Multiplier: 2}
	b.Reset()
	return b
}

// parseRetryAfter reads a Retry-After header, seconds or an HTTP date (RFC 9110
// §10.2.3), as a wait from now of at most maxRetryAfter. It gives 0 where there
// is none, where it cannot be read, and where the date is over.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil || n > uint64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

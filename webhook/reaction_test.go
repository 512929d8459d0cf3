package webhook

import (
	"net/http"
	"testing"
	"time"
)

// TestReact states the reaction to every status.
func TestReact(t *testing.T) {
	want := map[int]Reaction{408: Unavailable, 410: Gone, 429: Throttled, 503: Throttled}
	fill := func(from, to int, r Reaction) {
		for status := from; status <= to; status++ {
			if _, ok := want[status]; !ok {
				want[status] = r
			}
		}
	}
	fill(100, 199, Refused)
	fill(200, 299, Delivered)
	fill(300, 399, Redirected)
	fill(400, 499, Refused)
	fill(500, 599, Unavailable)
	fill(600, 999, Refused) // net/http lets any three digits through
	for status, r := range want {
		if got := react(status); got != r {
			t.Errorf("react(%d) = %s, want %s", status, got, r)
		}
	}
	if len(want) != 900 {
		t.Errorf("%d statuses tested, want 900", len(want))
	}
}

func TestReactionNames(t *testing.T) {
	for r := Delivered; r <= Gone; r++ {
		if b, err := r.MarshalText(); err != nil || len(b) == 0 || string(b) != r.String() {
			t.Errorf("Reaction(%d).MarshalText() = %q, %v", r, b, err)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 7, 41, 0, time.UTC)
	tests := []struct {
		value string
		want  time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"120", 2 * time.Minute},
		{" 120 ", 2 * time.Minute},
		{"3600", time.Hour},
		{"3601", time.Hour},
		{"99999999999999999999999", time.Hour},
		{"-1", 0},
		{"+5", 0},
		{"1.5", 0},
		{"soon", 0},
		{"Tue, 24 Nov 2026 03:08:41 GMT", time.Minute},
		{"Tuesday, 24-Nov-26 03:08:41 GMT", time.Minute},
		{"Tue Nov 24 03:08:41 2026", time.Minute},
		{"Tue, 24 Nov 2026 03:06:41 GMT", 0},
		{"Wed, 25 Nov 2026 03:07:41 GMT", time.Hour},
		{"Sat, 24 Nov 9999 03:06:41 GMT", time.Hour},
		{"Thu, 01 Jan 0001 00:00:00 GMT", 0},
	}
	for _, tt := range tests {
		if got := parseRetryAfter(tt.value, now); got != tt.want {
			t.Errorf("parseRetryAfter(%q) = %s, want %s", tt.value, got, tt.want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	now := time.Date(2026, 11, 24, 3, 7, 41, 0, time.UTC)
	for _, seed := range []string{"", "120", "99999999999999999999", now.Format(http.TimeFormat), "Tuesday, 24-Nov-26 03:08:41 GMT", "１２"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if d := parseRetryAfter(value, now); d < 0 || d > maxRetryAfter {
			t.Errorf("parseRetryAfter(%q) = %s, want 0 to %s", value, d, maxRetryAfter)
		}
	})
}

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/storage"
	"github.com/dnstaster/dnstaster/webhook"
)

// TestLookout shows the lookout one sight after the other and compares what it
// reports to hold.
func TestLookout(t *testing.T) {
	aside := filepath.Join(t.TempDir(), "d.db.corrupt")
	if err := os.WriteFile(aside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	hearing := monitor.WireStatus{Interfaces: []string{"any"}}
	with := func(edit func(*sight)) sight {
		s := sight{listen: true, wire: hearing}
		edit(&s)
		return s
	}
	held := map[string]string{}
	l := &lookout{note: func(condition string, bad bool, detail string) {
		delete(held, condition)
		if bad {
			held[condition] = detail
		}
	}}
	for _, step := range []struct {
		name string
		at   time.Duration
		see  sight
		want map[string]string
	}{
		{"all is well", 0, with(func(*sight) {}), nil},
		{"nothing is heard", 0, with(func(s *sight) { s.wire = monitor.WireStatus{Error: "operation not permitted"} }),
			map[string]string{monitor.CaptureOff: "operation not permitted"}},
		{"nothing is meant to be heard", 0, with(func(s *sight) { s.listen, s.wire = false, monitor.WireStatus{} }), nil},
		{"packets were lost", 0, with(func(s *sight) { s.wire.Lost, s.wire.Blind = 3, 1 }),
			map[string]string{monitor.CaptureLossy: "since the start 3 packets lost, and no room for 1"}},
		{"a while ago", 4 * time.Minute, with(func(s *sight) { s.wire.Lost, s.wire.Blind = 3, 1 }),
			map[string]string{monitor.CaptureLossy: "since the start 3 packets lost, and no room for 1"}},
		{"long ago", 6 * time.Minute, with(func(s *sight) { s.wire.Lost, s.wire.Blind = 3, 1 }), nil},
		{"a new ear counts from nothing", 7 * time.Minute, with(func(*sight) {}), nil},
		{"and loses too", 8 * time.Minute, with(func(s *sight) { s.wire.Lost = 2 }),
			map[string]string{monitor.CaptureLossy: "since the start 2 packets lost, and no room for 0"}},
		{"and loses more, for queries end early", 9 * time.Minute, with(func(s *sight) {
			s.wire.Lost, s.wire.Blind, s.wire.Shortened, s.wire.Hold = 2, 1, 7, monitor.Milliseconds(503*time.Millisecond)
		}), map[string]string{monitor.CaptureLossy: "since the start 2 packets lost, and no room for 1; queries are held for 500ms after their answer, not 5s"}},
		{"the hold is short, and nothing is lost by it", 15 * time.Minute, with(func(s *sight) {
			s.wire.Lost, s.wire.Blind, s.wire.Shortened, s.wire.Hold = 2, 1, 9, monitor.Milliseconds(1500*time.Millisecond)
		}), nil},
		{"a flood of answers for a watched name", 15 * time.Minute, with(func(s *sight) { s.wire.Lost, s.wire.Blind, s.wire.Withheld = 2, 1, 4 }),
			map[string]string{monitor.SamplesDropped: "4 answers since the start that came in a flood"}},
		{"a budget is spent", 20 * time.Minute, with(func(s *sight) { s.wire.Lost, s.refused = 2, 5 }),
			map[string]string{monitor.BudgetSpent: "5 handshakes since the start"}},
		{"a damaged file", 30 * time.Minute, with(func(s *sight) { s.wire.Lost, s.refused, s.store = 2, 5, storage.Stats{SetAside: aside} }),
			map[string]string{monitor.StoreSetAside: aside}},
		{"that was taken away", 30 * time.Minute, with(func(s *sight) { s.wire.Lost, s.refused, s.store = 2, 5, storage.Stats{SetAside: aside + ".gone"} }), nil},
		{"webhooks", 30 * time.Minute, with(func(s *sight) {
			s.wire.Lost, s.refused = 2, 5
			s.webhooks = []webhook.Stats{
				{Endpoint: "new"}, {Endpoint: "ok", LastSuccess: noon, LastFailure: noon.Add(-time.Second)},
				{Endpoint: "ops", LastSuccess: noon, LastFailure: noon.Add(time.Second), LastError: "502 Bad Gateway"}, {Endpoint: "chat", Disabled: true},
			}
		}), map[string]string{monitor.WebhookFailing: "ops: 502 Bad Gateway; chat: it said 410 Gone, and is off until restart or reload"}},
	} {
		l.look(noon.Add(step.at), step.see)
		if step.want == nil {
			step.want = map[string]string{}
		}
		if diff := cmp.Diff(step.want, held); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", step.name, diff)
		}
	}
}

package monitor_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// ill gives the conditions in the status.
func ill(t *testing.T, m *monitor.Monitor) []string {
	t.Helper()
	s, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	codes := []string{}
	for _, h := range s.Health {
		if h.Title == "" || h.Text == "" || h.Severity == "" || h.Since.IsZero() {
			t.Errorf("condition %+v lacks its words, severity or time", h)
		}
		codes = append(codes, h.Condition)
	}
	return codes
}

// healthTold lists the committed events about health, in order.
func healthTold(w *world) []string {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	told := []string{}
	for _, e := range w.events {
		if e.Type == monitor.HealthDegraded || e.Type == monitor.HealthRestored {
			told = append(told, e.Type[len("health."):]+" "+decode[monitor.Health](e.Data).Condition)
		}
	}
	return told
}

func wantIll(t *testing.T, m *monitor.Monitor, when string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), ill(t, m)); diff != "" {
		t.Errorf("%s: conditions (-want +got):\n%s", when, diff)
	}
}

// Each condition that the monitor sees itself is told when it has lasted, no
// sooner, and taken back.
func TestHealthConditions(t *testing.T) {
	var slow atomic.Bool // whether this host's resolvers take long to read
	for _, tt := range []struct {
		code    string
		bend    func(w *world, c *monitor.Config)
		begin   time.Duration
		hurt    func(w *world, m *monitor.Monitor)
		not     time.Duration // after it: not yet
		yes     time.Duration // after that: told
		heal    func(w *world, m *monitor.Monitor)
		healing time.Duration
	}{
		{
			code:  monitor.StoreFailing,
			begin: 10 * time.Minute,
			hurt:  func(w *world, _ *monitor.Monitor) { w.failing(errors.New("no space left on device")) },
			not:   5 * time.Second, yes: 2 * time.Minute,
			heal: func(w *world, _ *monitor.Monitor) { w.failing(nil) }, healing: 2 * time.Minute,
		},
		{
			code:  monitor.NoLocalResolver,
			begin: 10 * time.Minute,
			hurt:  func(w *world, _ *monitor.Monitor) { w.kill("system/udp") },
			not:   3 * time.Minute, yes: 3 * time.Minute,
			heal: func(w *world, _ *monitor.Monitor) { w.wake("system/udp") }, healing: 2 * time.Minute,
		},
		{
			code:  monitor.NoWitness,
			bend:  func(_ *world, c *monitor.Config) { c.Timing.WitnessInterval = 30 * time.Second },
			begin: 10 * time.Minute,
			hurt:  func(w *world, _ *monitor.Monitor) { w.kill(everyDoT...) },
			not:   7 * time.Minute, yes: 3 * time.Minute,
			heal: func(w *world, _ *monitor.Monitor) { w.wake(everyDoT...) }, healing: 2 * time.Minute,
		},
		{
			code: monitor.NoHandshake,
			bend: func(w *world, c *monitor.Config) {
				c.Timing.ProofInterval = 2 * time.Minute
				w.cert(goodAddr, monitor.OutcomeTimeout, "", 0)
				w.cert(goodAddr2, monitor.OutcomeRefused, "", 0)
			},
			hurt: func(*world, *monitor.Monitor) {}, not: 2 * time.Minute, yes: 8 * time.Minute,
			heal: func(w *world, _ *monitor.Monitor) { w.cert(goodAddr, monitor.OutcomeOK, goodKey, old) }, healing: 5 * time.Minute,
		},
		{
			code: monitor.ClockWrong,
			bend: func(w *world, c *monitor.Config) {
				c.Timing.ProofInterval = 2 * time.Minute
				names(w, c, 2)
				w.cert(goodAddr, monitor.OutcomeExpired, goodKey, old)
			},
			hurt: func(*world, *monitor.Monitor) {}, not: 5 * time.Second, yes: 8 * time.Minute,
			heal: func(w *world, _ *monitor.Monitor) { w.cert(goodAddr, monitor.OutcomeOK, goodKey, old) }, healing: 5 * time.Minute,
		},
		{
			code:  monitor.ClockStepped,
			begin: 10 * time.Minute,
			hurt:  func(w *world, _ *monitor.Monitor) { w.stepClock(-time.Hour) },
			not:   0, yes: 5 * time.Second,
			heal: func(*world, *monitor.Monitor) {}, healing: 11 * time.Minute,
		},
		{
			code: monitor.RoundsLate,
			bend: func(_ *world, c *monitor.Config) {
				read := c.System
				c.System = func() ([]monitor.Resolver, error) {
					if slow.Load() {
						time.Sleep(50 * time.Second)
					}
					return read()
				}
				c.Timing.Interval = 10 * time.Second
			},
			begin: time.Minute,
			// Asked a minute later, the busy monitor might answer only after several
			// more of such rounds: when it is ill for good reason.
			hurt: func(*world, *monitor.Monitor) { slow.Store(true) }, not: 0, yes: 10 * time.Minute,
			heal: func(*world, *monitor.Monitor) { slow.Store(false) }, healing: 2 * time.Minute,
		},
		{
			code:  monitor.BudgetSpent,
			begin: 10 * time.Minute,
			hurt: func(_ *world, m *monitor.Monitor) {
				for n := range uint16(64) { // more than are judged at once
					m.Offer(transaction(n, 1, good(goodAddr), evil(evilAddr)))
				}
			},
			not: 0, yes: 5 * time.Second,
			heal: func(*world, *monitor.Monitor) {}, healing: 6 * time.Minute,
		},
	} {
		t.Run(tt.code, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				if tt.bend != nil {
					tt.bend(w, &c)
				}
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(tt.begin)
					tt.hurt(w, m)
					wait(tt.not)
					wantIll(t, m, "at first")
					wait(tt.yes)
					wantIll(t, m, "after a while", tt.code)
					tt.heal(w, m)
					wait(tt.healing)
					wantIll(t, m, "in the end")
				})
				if diff := cmp.Diff([]string{"degraded " + tt.code, "restored " + tt.code}, healthTold(w)); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What is offered before anybody takes it finds no room beyond the queue.
func TestHealthOfDroppedSamples(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.Now = w.now
		m, err := monitor.New(c, w, w, w, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		dropped := 0
		for n := range uint16(1030) {
			s := transaction(n, 1, good(goodAddr))
			s.Question.Name = "other.example."
			if !m.Offer(s) {
				dropped++
			}
		}
		if dropped == 0 {
			t.Fatal("everything found room")
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- m.Run(ctx) }()
		wait(5 * time.Second)
		wantIll(t, m, "at first", monitor.SamplesDropped)
		wait(6 * time.Minute)
		wantIll(t, m, "later")
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"degraded samples_dropped", "restored samples_dropped"}, healthTold(w)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// A condition that another explains is not told, and when that has ended it has
// its own time to end too.
func TestHealthDependsOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.Timing.WitnessInterval = 30 * time.Second
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.kill(append(everyDoT, "system/udp")...)
			wait(20 * time.Minute)
			wantIll(t, m, "while nothing answers", monitor.NoLocalResolver)
			w.wake("system/udp")
			wait(4 * time.Minute)
			wantIll(t, m, "four minutes after this host's resolver is back")
			wait(3 * time.Minute)
			wantIll(t, m, "seven minutes after it", monitor.NoWitness)
			w.honest()
			wait(2 * time.Minute)
			wantIll(t, m, "in the end")
		})
		want := []string{"degraded no_local_resolver", "restored no_local_resolver", "degraded no_witness", "restored no_witness"}
		if diff := cmp.Diff(want, healthTold(w)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// Other parts report what only they see: with its detail, for as long as it
// holds, and each after its own time.
func TestHealthNoted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(time.Minute)
			m.Note(monitor.CaptureOff, true, "operation not permitted")
			m.Note(monitor.CaptureLossy, true, "12 packets lost")
			m.Note(monitor.StoreSetAside, true, "d.db.corrupt")
			m.Note(monitor.WebhookFailing, true, "ops: no answer within 15s")
			m.Note("nonsense", true, "")
			wait(2 * time.Second)
			wantIll(t, m, "at once", monitor.CaptureOff, monitor.StoreSetAside)
			s, err := m.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Health[0].Detail; got != "operation not permitted" {
				t.Errorf("detail %q", got)
			}
			m.Note(monitor.CaptureOff, false, "")
			wait(2 * time.Second)
			wantIll(t, m, "hearing again", monitor.CaptureLossy, monitor.StoreSetAside)
			m.Note(monitor.WebhookFailing, false, "")
			wait(20 * time.Minute)
			m.Note(monitor.WebhookFailing, true, "ops: 500")
			wait(14 * time.Minute)
			wantIll(t, m, "failing for too short", monitor.CaptureLossy, monitor.StoreSetAside)
			wait(2 * time.Minute)
			wantIll(t, m, "failing for long", monitor.CaptureLossy, monitor.StoreSetAside, monitor.WebhookFailing)
			m.Note(monitor.WebhookFailing, false, "")
			m.Note(monitor.CaptureLossy, false, "")
			m.Note(monitor.StoreSetAside, false, "")
			wait(2 * time.Second)
			wantIll(t, m, "in the end")
		})
		var last monitor.Health
		for _, e := range w.told(monitor.HealthDegraded) {
			last = decode[monitor.Health](e.Data)
		}
		if last.Condition != monitor.WebhookFailing || last.Detail != "ops: 500" || last.Severity != "critical" {
			t.Errorf("the event says %+v", last)
		}
	})
}

// One partner that is down says nothing of this host.
func TestHealthOfOneSilentAddress(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		c.Timing.ProofInterval = time.Minute
		w.change(apiA, goodAddr)
		w.cert(goodAddr, monitor.OutcomeTimeout, "", 0)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(20 * time.Minute)
			wantIll(t, m, "the one address is silent")
		})
		if n := len(w.proofs); n < 5 {
			t.Errorf("it was asked %d times, which could have told nothing", n)
		}
	})
}

// TestHealthWithoutAnswer has every endpoint of every witness fail from the
// start: none has credit to spend, each in its turn, and nothing is restored.
func TestHealthWithoutAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		w.kill(everyDoT...)
		for _, r := range c.References {
			for i := range 4 {
				other := r
				other.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 8, byte(i)}), r.Addr.Port())
				c.References = append(c.References, other)
			}
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(6 * time.Hour)
			told := healthTold(w)
			if len(told) != 1 || !strings.Contains(told[0], monitor.NoWitness) {
				t.Errorf("told %q, want once that no witness answers", told)
			}
			s, err := m.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range s.Resolvers {
				if r.Role == monitor.Reference && r.OK {
					t.Errorf("%s never answered and is ok", r.Resolver)
				}
			}
		})
	})
}

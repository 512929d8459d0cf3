package main

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// A question that no packet was seen of surely did not go out only where nothing was
// lost, and what came after its answer was heard.
func TestLinkIsSure(t *testing.T) {
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		heard []capture.Frame
		sure  bool
	}{
		{"nothing was heard", nil, false},
		{"nothing after the answer", []capture.Frame{{At: at.Add(-time.Second)}}, false},
		{"something after it", []capture.Frame{{At: at.Add(time.Millisecond)}}, true},
		{"something was lost", []capture.Frame{{At: at.Add(-9 * time.Second), Lost: 1}, {At: at.Add(time.Millisecond), Lost: 1}}, false},
		{"something was lost before", []capture.Frame{{At: at.Add(-11 * time.Second), Lost: 1}, {At: at.Add(time.Millisecond), Lost: 1}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &link{exchanges: capture.NewExchanges()}
			for _, f := range tt.heard {
				l.hear(&f)
			}
			passed, sure := l.passed(monitor.Observation{At: at, Server: netip.MustParseAddr("192.0.2.53"), TXID: 7})
			if passed || sure != tt.sure {
				t.Errorf("passed: %t, sure: %t; want false, %t", passed, sure, tt.sure)
			}
		})
	}
}

// On a live ring the bell is heard, and what never left this host is known not to have.
func TestBellIsHeard(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		watches := []monitor.Watch{{Name: "api.partner.example.", Types: []monitor.Type{monitor.TypeA}}}
		e, err := newEar(captureConfig{Enabled: on, Interfaces: []string{anyInterface}}, watches, slog.New(slog.DiscardHandler))
		if err != nil || e.link == nil {
			t.Fatalf("ear %+v, %v", e, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() {
			ran <- e.run(ctx, func(monitor.Sample) bool { return true }, func([]monitor.Stranger) bool { return true })
		}()
		defer func() {
			cancel()
			if err := <-ran; err != nil {
				t.Error(err)
			}
		}()
		d := &daemon{}
		d.parts.Store(&parts{ear: e})
		o := monitor.Observation{At: time.Now(), Server: netip.MustParseAddr("192.0.2.53"), TXID: 7}
		passed := follower{d}.Follow(o)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			was, sure := passed()
			if was {
				t.Fatal("a question that nobody sent is said to have passed")
			}
			if sure {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the bell is not heard")
			}
		}
		o.Server = netip.MustParseAddr("127.0.0.53")
		if _, sure := (follower{d}).Follow(o)(); sure {
			t.Error("of a stub on this host it is said that its answers pass no link")
		}
	})
}

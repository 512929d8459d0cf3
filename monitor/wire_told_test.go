package monitor_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// toldOf is a transaction as a resolver tells of it by dnstap: nothing is known of what
// lies below.
func toldOf(s monitor.Sample, over monitor.Transport) monitor.Sample {
	s.Queries = nil
	s.Answers = append([]monitor.Observation(nil), s.Answers[:1]...) // it took one
	o := &s.Answers[0]
	p := *o.Packet
	p.HopLimit, p.MAC, p.Dnstap = 0, "", "FORWARDER_RESPONSE"
	o.Packet, o.Transport = &p, over
	s.At = o.At
	return s
}

// between moves a transaction to hosts that are none of ours, as a mirror port shows
// them.
func between(s monitor.Sample, server string) monitor.Sample {
	for i := range s.Answers {
		s.Answers[i].Role, s.Answers[i].Server = "", netip.MustParseAddr(server)
	}
	return s
}

// TestOverheardElsewhere has answers that come to us by two ways, or that are between
// others.
func TestOverheardElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name    string
		story   func(w *world, hear func(monitor.Sample))
		want    []string
		verdict monitor.Verdict
	}{
		{
			name: "what is known, over an encrypted transport",
			story: func(_ *world, hear func(monitor.Sample)) {
				hear(toldOf(transaction(1, 1, good(goodAddr)), monitor.DoQ))
			},
			verdict: monitor.Clean,
		},
		{
			name: "a forgery on the wire, and what the resolver took by dnstap",
			story: func(_ *world, hear func(monitor.Sample)) {
				s := transaction(1, 1, good(goodAddr), evil(evilAddr))
				hear(s)
				hear(toldOf(s, monitor.UDP))
			},
			want:    []string{"alert.opened attack_attempt confirmed high lan system 10.0.0.2"},
			verdict: monitor.Clean,
		},
		{
			name: "a lie by dnstap alone, over TLS",
			story: func(_ *world, hear func(monitor.Sample)) {
				hear(toldOf(transaction(1, 1, good(evilAddr)), monitor.DoT))
				wait(time.Minute)
			},
			want:    []string{"alert.opened resolver_cache probable high resolver system 10.0.0.2"},
			verdict: monitor.Suspicious,
		},
		{
			name: "a lie on the wire, and the same by dnstap",
			story: func(_ *world, hear func(monitor.Sample)) {
				s := transaction(1, 1, good(evilAddr))
				hear(s)
				hear(toldOf(s, monitor.UDP))
				wait(time.Minute)
			},
			want:    []string{"alert.opened resolver_cache probable high resolver system 10.0.0.2"},
			verdict: monitor.Suspicious,
		},
		{
			name: "a mirror port: what is known",
			story: func(_ *world, hear func(monitor.Sample)) {
				hear(between(transaction(1, 1, good(goodAddr)), "10.9.9.9"))
			},
			verdict: monitor.Clean,
		},
		{
			name: "a mirror port: a forgery that comes too late",
			story: func(_ *world, hear func(monitor.Sample)) {
				hear(between(transaction(1, 1, good(goodAddr), evil(evilAddr)), "10.9.9.9"))
			},
			want:    []string{"alert.opened attack_attempt confirmed high lan wire 10.9.9.9"},
			verdict: monitor.Clean,
		},
		{
			name: "a mirror port: a forgery that wins, and is proven to be false",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(between(transaction(1, 1, evil(evilAddr), good(goodAddr)), "10.9.9.9"))
				wait(20 * time.Second)
			},
			want: []string{
				"alert.opened path_injection probable high lan wire 10.9.9.9",
				"alert.updated path_injection confirmed critical lan wire 10.9.9.9",
			},
			verdict: monitor.Poisoned,
		},
		{
			name: "a mirror port: a lone lie to somebody else",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(between(transaction(1, 1, evil(evilAddr)), "10.9.9.9"))
				wait(time.Minute)
			},
			// It is none of this host's resolvers: nobody here believes it.
			want:    []string{"alert.opened resolver_cache probable low resolver wire 10.9.9.9"},
			verdict: monitor.Clean,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := newWorld(), config()
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(10 * time.Minute)
					tt.story(w, func(s monitor.Sample) {
						m.Offer(s)
						wait(time.Second)
					})
					wantAlerts(t, w, tt.want...)
					wantVerdict(t, m, tt.verdict)
				})
			})
		})
	}
}

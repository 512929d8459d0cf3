package monitor_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// BenchmarkJudge is a quiet round: this host's resolver and eight witnesses.
func BenchmarkJudge(b *testing.B) {
	m := learntMatter().sys(goodAddr, goodAddr2)
	m.dot(goodAddr, "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")
	b.ReportAllocs()
	for b.Loop() {
		if r := monitor.Judge(&m.Case); r.Verdict != monitor.Clean {
			b.Fatal(r.Verdict)
		}
	}
}

// BenchmarkJudgeOpenCase is the same in a case that holds all it may.
func BenchmarkJudgeOpenCase(b *testing.B) {
	m := learntMatter()
	for range 64 {
		m.then(time.Minute).sys(evilAddr).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr).pair("charlie", evilAddr, goodAddr).
			shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := monitor.Judge(&m.Case); r.Verdict != monitor.Poisoned {
			b.Fatal(r.Verdict)
		}
	}
}

// prompt answers at once: what is measured is the monitor's own work.
type prompt struct{ zone map[monitor.Question]reply }

func (p prompt) Ask(_ context.Context, r monitor.Resolver, q monitor.Question) monitor.Observation {
	return p.zone[q].to(monitor.From(r, time.Now()), q)
}

func (p prompt) Prove(_ context.Context, proof monitor.Proof) monitor.Evidence {
	return monitor.Evidence{
		Kind: monitor.EvidenceTLS, At: time.Now(), Role: proof.Role, Address: proof.Address, Outcome: monitor.OutcomeOK, SPKI: goodKey, NotBefore: time.Now().Add(-old),
	}
}

// BenchmarkRounds is one round of each of a thousand watches: planned, asked of
// this host's resolver and four witnesses' where due, judged, learnt, committed.
func BenchmarkRounds(b *testing.B) {
	w, c := newWorld(), config()
	names(w, &c, 1000)
	c.Once = true
	p := prompt{w.zone}
	m, err := monitor.New(c, p, p, w, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	b.ReportAllocs()
	for b.Loop() {
		for _, watch := range c.Watches {
			js, err := m.Verify(ctx, watch.Name, monitor.FirstProof)
			if err != nil || js[0].Verdict != monitor.Clean {
				b.Fatal(js, err)
			}
		}
	}
	cancel()
	if err := <-ran; err != nil {
		b.Fatal(err)
	}
}

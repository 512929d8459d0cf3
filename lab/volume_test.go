//go:build lab

package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstaster/dnstaster/lab/score"
	"github.com/dnstaster/dnstaster/monitor"
)

// volumeRounds is how many rounds of each quiet case are judged in process.
const volumeRounds = 10_000

// quietTape is a quiet case to be played again in bulk.
type quietTape struct {
	samples []monitor.Sample // in order, as a daemon recorded them
	name    string           // that the case is about, as in samples; all where empty
	listed  []Want           // alerts that it may bring
	off     []string         // rules and clearing tests that are switched off
	young   bool             // what it is about does not grow old: each time is the first
	seed    uint64
}

// volumeResult is what came of it.
type volumeResult struct {
	rounds int            // of this host's own path, in which nothing was to be said
	alarms int            // alerts louder than listed, each counted once
	first  *monitor.Alert // of them
	seen   bool           // the attack at the end was found
}

// bound is the rate of false alarms that is not exceeded with 95 % confidence:
// none in N rounds bounds it at 3/N (rule of three). It is for no alarm only.
func (v volumeResult) bound() float64 { return 3 / float64(max(1, v.rounds)) }

// play has a monitor watch the tape for n rounds, and then an attack.
//
// The monitor is the whole one, in a bubble where waiting takes no time.
// monitor.Replay would not do: it keeps every sample of a file in one case that
// is never closed (64 of them, which makes each ruling slow), takes each sample
// for the end of its plan, so that a handshake that failed once is an alert at
// once, and asks nobody. Here cases open, gather evidence, and close, and alerts
// rise and resolve, as they do live.
func (q quietTape) play(t *testing.T, n int) (v volumeResult, err error) {
	for err == nil && v.rounds < n {
		tp, bad := newTape(q.seed, q.samples, q.name)
		if bad != nil {
			return v, bad
		}
		q.seed++
		most := n
		if q.young {
			most = min(n-v.rounds, tp.rounds)
		}
		synctest.Test(t, func(t *testing.T) {
			var w volumeResult
			w, err = q.watch(tp, most)
			v.rounds, v.alarms, v.seen, v.first = v.rounds+w.rounds, v.alarms+w.alarms, w.seen, cmp.Or(v.first, w.first)
		})
	}
	return v, err
}

// watch is play within the bubble.
func (q quietTape) watch(tp *tape, n int) (v volumeResult, err error) {
	shift := time.Until(tp.from)
	tp.now = func() time.Time { return time.Now().Add(shift) }
	tp.start = tp.now()
	own, refs, twins := tp.resolvers()
	var mu sync.Mutex
	rounds := 0
	c := monitor.Config{
		References: refs, Twins: twins, Timing: timing, Off: q.off, Host: "volume", Now: tp.now,
		Exempt: exempt,
		System: func() ([]monitor.Resolver, error) { return own, nil },
		Tap: func(s monitor.Sample) {
			if s.Via == monitor.Probe && slices.ContainsFunc(s.Answers, func(o monitor.Observation) bool { return o.Role == monitor.Local }) {
				mu.Lock()
				rounds++
				mu.Unlock()
			}
		},
	}
	for _, w := range tp.watch {
		c.Watches = append(c.Watches, w)
	}
	kept := &volumeStore{bases: tp.bases}
	m, err := monitor.New(c, tp, tp, kept, slog.New(slog.DiscardHandler))
	if err != nil {
		return v, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	defer func() { cancel(); err = errors.Join(err, <-ran) }()

	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return rounds
	}
	hearing := tp.hearing()
	for passed, heard, shifted := 0, 0, 0; count() < n; passed++ {
		if was := count(); passed > 0 && passed%1000 == 0 && was == 0 {
			return v, errors.New("no round of this host's own path comes about")
		}
		time.Sleep(time.Second)
		for len(tp.shifts) > 0 && tp.due(tp.shifts, shifted) <= tp.now().Sub(tp.start) {
			m.NetworkChanged()
			shifted++
		}
		for len(tp.heard) > 0 && tp.due(hearing, heard) <= tp.now().Sub(tp.start) {
			m.Offer(tp.overheard(tp.heard[heard%len(tp.heard)], heard))
			heard++
		}
	}
	v.rounds = count()
	ids := map[string]bool{}
	quiet := kept.alerts()
	for _, a := range quiet {
		if !anyMet(q.listed, a, "*") && !ids[a.ID] {
			ids[a.ID] = true
			if v.first == nil {
				v.first = &a
			}
		}
	}
	v.alarms = len(ids)

	tp.forge()
	for range 120 {
		time.Sleep(time.Second)
		for _, a := range kept.alerts()[len(quiet):] {
			v.seen = v.seen || slices.ContainsFunc(a.Observed, isEvil)
		}
		if v.seen {
			return v, nil
		}
	}
	return v, errors.New("the attack at the end is not found: the judge is deaf")
}

// volumeStore keeps what the monitor would write, and hands out the recorded
// history.
type volumeStore struct {
	bases map[string]monitor.Baseline
	mu    sync.Mutex
	told  []monitor.Alert // with each event, oldest first
}

func (s *volumeStore) Commit(_ context.Context, b *monitor.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range b.Events {
		if e.Type != monitor.AlertOpened && e.Type != monitor.AlertUpdated {
			continue
		}
		var a monitor.Alert
		if err := json.Unmarshal(e.Data, &a); err != nil {
			return err
		}
		s.told = append(s.told, a)
	}
	return nil
}

func (s *volumeStore) Baselines(context.Context) ([]monitor.Baseline, error) {
	var bs []monitor.Baseline
	for _, b := range s.bases {
		bs = append(bs, b)
	}
	return bs, nil
}

func (s *volumeStore) Alerts(context.Context, time.Time) ([]monitor.Alert, error) { return nil, nil }

func (s *volumeStore) alerts() []monitor.Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

// readTape reads what a daemon recorded of a quiet case, the file's name being
// its id.
func readTape(file string) (quietTape, error) {
	q := quietTape{seed: 1}
	id := strings.TrimSuffix(filepath.Base(file), ".jsonl")
	if i := slices.IndexFunc(cases, func(c Case) bool { return c.ID == id }); i >= 0 {
		c := cases[i]
		q.name, q.listed, q.off, q.young = c.name()+".", c.Listed, c.Off, c.Young
		switch {
		case len(c.Last) > 0 && c.Last[0].Name != "":
			q.name = "" // on what nothing can prove, no attack can be shown
		case c.Start == monitor.Unknown && c.verdict() == monitor.Clean:
			q.name = "" // what keeps a whole network in is seen by its names together
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return q, err
	}
	defer f.Close()
	err = monitor.ReadSamples(f, func(s monitor.Sample) error { q.samples = append(q.samples, s); return nil })
	return q, err
}

// TestVolume plays the rounds of each quiet case in bulk, as TestMatrix recorded
// them.
func TestVolume(t *testing.T) {
	if *core {
		return
	}
	k, err := openKeeper()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if _, err := os.Stat(roundsOf(c.ID)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			var r score.Rounds
			if ok, err := k.dir.Load(judged(c.ID), k.mark, &r); err == nil && ok && !*again {
				return
			}
			q, err := readTape(roundsOf(c.ID))
			if err != nil {
				t.Fatal(err)
			}
			v, err := q.play(t, volumeRounds)
			if err != nil {
				t.Error(err)
			}
			if err := k.dir.Save(judged(c.ID), k.mark, score.Rounds{N: v.rounds, False: v.alarms}); err != nil {
				t.Error(err)
			}
			switch passed, known := k.was[c.ID]; {
			case v.alarms == 0:
				t.Logf("%s %d rounds, 0 alarms, rate < %.1e (95 %%)", c.ID, v.rounds, v.bound())
			case known && !passed:
				t.Logf("RED, as it is on the committed board: %d rounds, %d alarms; the first is %s", v.rounds, v.alarms, alarm(v.first))
			default:
				t.Errorf("%d rounds, %d alarms; the first is %s", v.rounds, v.alarms, alarm(v.first))
			}
		})
	}
}

func alarm(a *monitor.Alert) string {
	s := fmt.Sprintf("%s %s %s about %s at %s", a.Kind, a.Confidence, a.Severity, a.Name, a.Resolver)
	for _, r := range a.Reasons {
		s += fmt.Sprintf("\n  %s: %s", r.Rule, r.Fact)
	}
	return s
}

// recorded makes the samples of 40 rounds, a second apart, as a daemon would have
// recorded them: a resolver of this host and four operators that give two of a
// CDN's addresses each, in turn, with handshakes now and then. Every fifth round,
// an overheard query that was sent twice got two answers. bend changes what is said.
func recorded(bend func(i int, o *monitor.Observation), shows func(addr string) monitor.Outcome) []monitor.Sample {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ask := monitor.Question{Name: "edge.cdn.lab.", Type: monitor.TypeA}
	nets := []string{"192.0.80", "192.0.90", "192.0.100", "192.0.110"}
	answer := func(at time.Time, r monitor.Resolver, i int) monitor.Observation {
		o := monitor.From(r, at)
		o.Rcode, o.Flags = "NOERROR", []string{"RD", "RA"}
		for k := range 2 {
			o.Records = append(o.Records, monitor.Record{Name: ask.Name, Type: ask.Type, Data: fmt.Sprintf("%s.%d", nets[(i+k)%4], 1+i%9), TTL: 60 - uint32(i)})
		}
		if bend != nil {
			bend(i, &o)
		}
		return o
	}
	own := monitor.Resolver{Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.UDP, Addr: netip.MustParseAddrPort("10.0.0.2:53")}
	var ss []monitor.Sample
	for i := range 40 {
		at := start.Add(time.Duration(i) * time.Second)
		s := monitor.Sample{At: at, Via: monitor.Probe, Question: ask, Answers: []monitor.Observation{answer(at, own, i)}}
		if i%5 == 0 {
			for k := range 4 {
				op := fmt.Sprintf("pub%d", k+1)
				s.Answers = append(s.Answers, answer(at, monitor.Resolver{
					Name: op, Operator: op, Role: monitor.Reference, Transport: monitor.DoT, Addr: netip.MustParseAddrPort(fmt.Sprintf("198.18.1%d.1:853", k+1)),
				}, i+k))
			}
		}
		if i == 0 {
			s.Watch, s.Baseline = &monitor.Watch{Name: ask.Name}, monitor.NewBaseline(ask.Name, at)
		}
		seen := map[string]bool{}
		for _, o := range s.Answers {
			for _, r := range o.Records {
				if a := netip.MustParseAddr(r.Data); !seen[r.Data] {
					seen[r.Data] = true
					s.Evidence = append(s.Evidence, monitor.Evidence{
						Kind: monitor.EvidenceTLS, At: at, Role: monitor.Suspect, Address: a, Outcome: shows(r.Data), SPKI: "sha256/cdn", NotBefore: at.Add(-1000 * time.Hour),
					})
				}
			}
		}
		ss = append(ss, s)
		if i%5 == 2 {
			client, server := netip.MustParseAddrPort("10.0.0.9:40000"), netip.MustParseAddrPort("10.0.0.2:53")
			w := monitor.Sample{At: at, Via: monitor.Wire, Question: ask}
			for k := range 2 {
				w.Queries = append(w.Queries, monitor.Packet{At: at, Src: client, Dst: server, TXID: 7, HopLimit: 64})
				o := answer(at, own, i+2*k)
				o.Packet = &monitor.Packet{At: at, Src: server, Dst: client, TXID: 7, HopLimit: 64}
				w.Answers = append(w.Answers, o)
			}
			ss = append(ss, w)
		}
	}
	return ss
}

func right(string) monitor.Outcome { return monitor.OutcomeOK }

// What is benign stays so however it is perturbed, what is not does not, and a
// judge that is put to sleep is found out.
func TestVolumeJudges(t *testing.T) {
	const strange = "192.0.70.7"
	wrong := func(a string) monitor.Outcome {
		if a == strange {
			return monitor.OutcomeNameMismatch
		}
		return monitor.OutcomeOK
	}
	lie := func(i int, o *monitor.Observation) {
		if o.Role == monitor.Local && i >= 20 {
			o.Records[0].Data = strange
		}
	}
	for name, tt := range map[string]struct {
		tape   quietTape
		alarms bool
		deaf   bool
	}{
		"a CDN, and retransmitted queries":     {tape: quietTape{samples: recorded(nil, right)}},
		"of one name":                          {tape: quietTape{samples: recorded(nil, right), name: "edge.cdn.lab."}},
		"somebody else's address":              {tape: quietTape{samples: recorded(lie, wrong)}, alarms: true},
		"the same, listed":                     {tape: quietTape{samples: recorded(lie, wrong), listed: []Want{{Kind: monitor.ResolverCache}}}},
		"every rule is off":                    {tape: quietTape{samples: recorded(nil, right), off: monitor.Rules()}, deaf: true},
		"responses are not held to queries":    {tape: quietTape{samples: recorded(nil, right), off: []string{"clear.surplus", "clear.both_good"}}, alarms: true},
		"every rule is off, and somebody lies": {tape: quietTape{samples: recorded(lie, wrong), off: monitor.Rules()}, deaf: true},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			v, err := tt.tape.play(t, 500)
			t.Logf("%d rounds in %s", v.rounds, time.Since(began).Round(time.Millisecond))
			if v.rounds < 500 {
				t.Errorf("%d rounds, want 500", v.rounds)
			}
			if (v.alarms > 0) != tt.alarms {
				if v.first != nil {
					t.Log(alarm(v.first))
				}
				t.Errorf("%d alarms, want some: %t", v.alarms, tt.alarms)
			}
			if (err != nil) != tt.deaf || v.seen == tt.deaf {
				t.Errorf("the attack at the end was found: %t (%v), want %t", v.seen, err, !tt.deaf)
			}
		})
	}
	if _, err := (quietTape{samples: recorded(nil, right), name: "www.shop.lab."}).play(t, 1); err == nil {
		t.Error("a name that was not recorded is played")
	}
}

// A tape says nothing that was not recorded, and nothing twice in the same way.
func TestTapePerturbs(t *testing.T) {
	samples := recorded(nil, right)
	synctest.Test(t, func(t *testing.T) {
		tp, err := newTape(1, samples, "")
		if err != nil {
			t.Fatal(err)
		}
		shift := time.Until(tp.from)
		tp.now = func() time.Time { return time.Now().Add(shift) }
		tp.start = tp.now()
		own, refs, twins := tp.resolvers()
		if len(own) != 1 || len(refs) != 4 || len(twins) != 4 {
			t.Fatalf("%d, %d, %d resolvers, want 1, 4, 4", len(own), len(refs), len(twins))
		}
		ask := samples[0].Question
		known, texts, lost, longest := map[string]bool{}, map[string]bool{}, 0, uint32(0)
		for _, s := range samples {
			for _, o := range s.Answers {
				for _, r := range o.Records {
					known[r.Data] = true
				}
			}
		}
		for range 1000 {
			time.Sleep(time.Second)
			o := tp.Ask(t.Context(), own[0], ask)
			if o.Error != "" {
				lost++
			}
			for _, r := range o.Records {
				if !known[r.Data] {
					t.Errorf("%s was never recorded", r.Data)
				}
			}
			longest = max(longest, o.TTL(ask))
			texts[fmt.Sprint(o.Records)] = true
		}
		if lost == 0 || lost > 60 || longest != 60 || len(texts) < 200 {
			t.Errorf("of 1000 answers %d are lost, %d differ, and the longest TTL is %d; want about 20, hundreds, 60", lost, len(texts), longest)
		}
	})
}

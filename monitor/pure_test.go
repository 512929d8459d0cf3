package monitor_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

var (
	someAddrs = []string{goodAddr, goodAddr2, evilAddr, otherEvil, fresh, kinAddr, "10.1.2.3", "0.0.0.0"}
	someKeys  = []string{goodKey, evilKey, "sha256/new", ""}
	outcomes  = []monitor.Outcome{
		monitor.OutcomeOK, monitor.OutcomeNameMismatch, monitor.OutcomeUntrusted, monitor.OutcomeSelfSigned, monitor.OutcomeExpired,
		monitor.OutcomeAlert, monitor.OutcomeNonTLS, monitor.OutcomeRefused, monitor.OutcomeReset, monitor.OutcomeTimeout,
		monitor.OutcomeUnreachable, monitor.OutcomeNotDialled,
	}
)

// anyReply draws what an endpoint says.
func anyReply(t *rapid.T) reply {
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) reply {
			return reply{addrs: rapid.SliceOfN(rapid.SampledFrom(someAddrs), 1, 4).Draw(t, "addrs"), ttl: rapid.SampledFrom([]uint32{0, 60, 300, 86400}).Draw(t, "ttl")}
		}),
		rapid.SampledFrom([]reply{{}, {rcode: "NXDOMAIN"}, {rcode: "SERVFAIL"}, {err: monitor.ErrTimeout}, {cname: []string{"tail.example."}, addrs: []string{evilAddr}, ttl: 60}}),
	).Draw(t, "reply")
}

// anyMatter draws a case: of a known or unknown name, with or without pins, and
// up to four samples with answers of anybody and handshakes with anything.
func anyMatter(t *rapid.T) *matter {
	m := newMatter()
	if rapid.Bool().Draw(t, "learnt") {
		m = learntMatter()
	}
	switch rapid.IntRange(0, 4).Draw(t, "watch") {
	case 0:
		m.watched(pinsKey)
	case 1:
		m.watched(expects("192.0.80.0/24"))
	case 2:
		m.watched(func(w *monitor.Watch) { w.TLS.Off = true })
	}
	names := []string{"system", "second", "alpha", "bravo", "charlie", "delta"}
	for range rapid.IntRange(0, 4).Draw(t, "samples") {
		m.then(rapid.SampledFrom([]time.Duration{0, time.Second, 10 * time.Second, time.Minute, time.Hour}).Draw(t, "later"))
		// Each endpoint answers once in a sample.
		for _, n := range names {
			for _, tr := range []monitor.Transport{monitor.UDP, monitor.DoT} {
				if (tr == monitor.UDP || n != "system" && n != "second") && rapid.Bool().Draw(t, "asked") {
					r := voice(n, tr)
					r.Filtering = rapid.IntRange(0, 9).Draw(t, "filters") == 0
					m.reply(r, anyReply(t))
				}
			}
		}
		for _, a := range someAddrs {
			if rapid.IntRange(0, 2).Draw(t, "shaken") == 0 {
				m.shake(monitor.Evidence{
					Address: netip.MustParseAddr(a), Role: rapid.SampledFrom([]string{monitor.Suspect, monitor.Control}).Draw(t, "role"),
					Outcome: rapid.SampledFrom(outcomes).Draw(t, "outcome"), SPKI: rapid.SampledFrom(someKeys).Draw(t, "key"),
					NotBefore: m.at.Add(-rapid.SampledFrom([]time.Duration{time.Minute, old}).Draw(t, "age")),
				})
			}
		}
	}
	return m
}

// text gives a case, or a ruling, as one string to compare by.
func text(t interface{ Fatal(...any) }, v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// essence is what a ruling says, without what it merely carries along.
func essence(r monitor.Ruling) []any {
	r.Answers, r.Evidence = nil, nil
	for i := range r.Accusations {
		slices.SortFunc(r.Accusations[i].Observed, netip.Addr.Compare)
	}
	slices.SortFunc(r.Suspects, netip.Addr.Compare)
	slices.SortFunc(r.Unproven, netip.Addr.Compare)
	slices.Sort(r.Observed)
	return []any{r.Verdict, r.Cause, r.Kind, r.Confidence, r.Attribution, r.Score, r.Observed, r.Expected, r.Reasons, r.Against, r.Accusations, r.Suspects, r.Unproven, r.Good, r.Fresh, r.Absent, r.Unsettled, r.Doubted, r.Doubtful, r.Moved, r.Unsigned, r.Signed}
}

var byValue = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

// Judging twice gives the same, and changes nothing of the case.
func TestJudgeIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMatter(t)
		before := text(t, m.Case)
		first := monitor.Judge(&m.Case)
		for range 3 {
			if diff := cmp.Diff(first, monitor.Judge(&m.Case), byValue); diff != "" {
				t.Fatalf("judged again (-first +again):\n%s", diff)
			}
		}
		if after := text(t, m.Case); after != before {
			t.Fatalf("the judge changed the case:\n%s\n%s", before, after)
		}
	})
}

// Who answers first is chance, and so is the order of handshakes.
func TestJudgeIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMatter(t)
		want := monitor.Judge(&m.Case)
		shuffled := m.Case
		shuffled.Samples = nil
		src := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for _, s := range m.Samples {
			s.Answers, s.Evidence = slices.Clone(s.Answers), slices.Clone(s.Evidence)
			src.Shuffle(len(s.Answers), func(i, j int) { s.Answers[i], s.Answers[j] = s.Answers[j], s.Answers[i] })
			src.Shuffle(len(s.Evidence), func(i, j int) { s.Evidence[i], s.Evidence[j] = s.Evidence[j], s.Evidence[i] })
			shuffled.Samples = append(shuffled.Samples, s)
		}
		if diff := cmp.Diff(essence(want), essence(monitor.Judge(&shuffled)), byValue); diff != "" {
			t.Fatalf("another order (-one +other):\n%s", diff)
		}
	})
}

// What every judgement must hold to, whatever it is of.
func TestVerdictInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMatter(t)
		r := monitor.Judge(&m.Case)
		switch r.Verdict {
		case monitor.Unknown:
			if r.Cause == "" {
				t.Fatal("unknown without a cause")
			}
		case monitor.Suspicious, monitor.Poisoned:
			if len(r.Reasons) == 0 || r.Reasons[0].Weight <= 0 {
				t.Fatalf("%s for %v", r.Verdict, r.Reasons)
			}
			if r.Confidence == monitor.Unsuspected || r.Kind == "" || r.WouldChange == "" {
				t.Fatalf("%s with kind %q, confidence %q, would change %q", r.Verdict, r.Kind, r.Confidence, r.WouldChange)
			}
			if (r.Verdict == monitor.Poisoned) != (r.Confidence == monitor.Confirmed) {
				t.Fatalf("%s and %s", r.Verdict, r.Confidence)
			}
		case monitor.Clean:
			if r.Proof == "" || r.Cause != "" || r.Kind != "" {
				t.Fatalf("clean with proof %q, cause %q, kind %q", r.Proof, r.Cause, r.Kind)
			}
		default:
			t.Fatalf("verdict %q", r.Verdict)
		}
		for i, a := range r.Accusations {
			if a.Local && i > 0 {
				t.Fatal("the accusation of this host's path does not come first")
			}
			if a.Confidence > monitor.Unsuspected && len(a.Findings) == 0 {
				t.Fatalf("%s is accused of nothing", a.Group)
			}
			if a.Confidence == monitor.Confirmed && !a.Content {
				t.Fatalf("confirmed, but the content is not held to be false: %+v", a.Findings)
			}
		}
	})
}

// Learning from a case never makes an address good that was merely said.
func TestLearnTakesNothingOnTrust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMatter()
		lies := rapid.IntRange(1, 30).Draw(t, "rounds")
		for range lies {
			m.then(time.Hour).sys(evilAddr)
			if rapid.Bool().Draw(t, "witnesses") {
				m.dot(goodAddr, four...)
			}
			monitor.Learn(m.Base, &m.Case, rapid.Bool().Draw(t, "calm"))
		}
		if a := m.Base.Types[monitor.TypeA]; a.Addresses[netip.MustParseAddr(evilAddr)] != nil {
			t.Fatalf("learnt from this host's resolver alone: %+v", a.Addresses)
		}
	})
}

// While somebody stands accused, what witnesses say is not learnt either; what a
// quorum of them says in calm is.
func TestLearnWaitsForCalm(t *testing.T) {
	for _, calm := range []bool{false, true} {
		m := newMatter().sys(fresh).dot(fresh, four...)
		monitor.Learn(m.Base, &m.Case, calm)
		if got := m.Base.Types[monitor.TypeA].Addresses[netip.MustParseAddr(fresh)] != nil; got != calm {
			t.Errorf("calm %t: learnt %t", calm, got)
		}
	}
}

// Whether an endpoint says that it validates is learnt from good answers, in calm.
func TestADIsCounted(t *testing.T) {
	said := func(addr string, calm bool) monitor.Tally {
		m := learntMatter().reply(voice("system", monitor.UDP), reply{addrs: []string{addr}, flags: []string{"AD"}}).
			reply(voice("system", monitor.System), reply{addrs: []string{addr}})
		monitor.Learn(m.Base, &m.Case, calm)
		if n := len(m.Base.AD); n > 1 {
			t.Errorf("%d endpoints are counted, want this host's resolver at most", n)
		}
		return m.Base.AD[monitor.From(voice("system", monitor.UDP), noon).Endpoint()]
	}
	if got := said(goodAddr, true); got != (monitor.Tally{Yes: 1}) {
		t.Errorf("a good answer in calm: %+v", got)
	}
	if got := said(goodAddr, false); got != (monitor.Tally{}) {
		t.Errorf("a good answer, while somebody stands accused: %+v", got)
	}
	if got := said(evilAddr, true); got != (monitor.Tally{}) {
		t.Errorf("a suspicious answer: %+v", got)
	}
}

// Where servers are is part of where a zone is delegated to; who adds a server, or
// does not say where they are, changes nothing.
func TestServersAreLearnt(t *testing.T) {
	m := learntMatter().sys(goodAddr).dot(goodAddr, four...)
	for _, as := range [][]string{{"192.0.20.1"}, {"192.0.20.1", "192.0.21.1"}, nil, {"192.0.30.1"}} {
		e := monitor.Evidence{Kind: monitor.EvidenceDNSSEC, At: m.at, Resolver: monitor.From(voice("alpha", monitor.DoT), m.at).Endpoint(),
			Status: monitor.Insecure, Zone: "partner.example.", Nameservers: oldNS}
		for _, a := range as {
			e.Servers = append(e.Servers, monitor.AuthoritativeServer{Name: oldNS[0], Address: netip.MustParseAddr(a)})
		}
		monitor.Learn(m.Base, &m.then(time.Hour).fact(e).Case, true)
	}
	var got [][]netip.Addr
	for _, z := range m.Base.Zones {
		got = append(got, z.Addresses)
	}
	if diff := cmp.Diff([][]netip.Addr{addrs("192.0.20.1", "192.0.21.1"), addrs("192.0.30.1")}, got, byValue); diff != "" {
		t.Errorf("delegations (-want +got):\n%s", diff)
	}
}

// What the judge saw can be written down and judged again.
func TestSamplesReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMatter(t)
		replayed := m.Case
		replayed.Samples = nil
		for _, s := range m.Samples {
			replayed.Samples = append(replayed.Samples, through(s))
		}
		base := through(*m.Base)
		replayed.Base = &base
		replayed.Watch = through(m.Watch)
		if diff := cmp.Diff(essence(monitor.Judge(&m.Case)), essence(monitor.Judge(&replayed)), byValue); diff != "" {
			t.Fatalf("replayed (-live +replayed):\n%s", diff)
		}
	})
}

// What is written as JSON reads back as it was.
func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMatter(t).then(time.Second)
		s := *m.last()
		s.Answers, s.Evidence = []monitor.Observation{}, []monitor.Evidence{}
		samples := append(slices.Clone(m.Samples), s)
		for _, s := range samples {
			if got := through(s); text(t, got) != text(t, s) {
				t.Fatalf("sample: %s became %s", text(t, s), text(t, got))
			}
		}
		r := monitor.Judge(&m.Case)
		report := monitor.NewReport(noon, []monitor.Judgement{r.Judgement}, nil)
		if got := through(report); text(t, got) != text(t, report) {
			t.Fatalf("report: %s became %s", text(t, report), text(t, got))
		}
		end := noon.Add(time.Hour)
		a := monitor.Alert{
			ID: "01KAT3Q7W2", Key: "k", Name: apiA.Name, Type: monitor.TypeA, Kind: monitor.PathRewritten, State: monitor.Silenced,
			Severity:   rapid.SampledFrom([]monitor.Severity{monitor.Low, monitor.Medium, monitor.High, monitor.Critical}).Draw(t, "severity"),
			Confidence: r.Confidence, Verdict: r.Verdict, Observed: r.Observed, Expected: r.Expected, Reasons: r.Reasons, Against: r.Against,
			Evidence: r.Evidence, OpenedAt: noon, LastSeenAt: noon, ResolvedAt: &end, Note: &monitor.Note{At: noon, UID: 1000, Comment: rapid.String().Draw(t, "comment"), Until: &end},
			Exposure: monitor.Exposure{From: noon, Until: &end, Leak: monitor.LeakUnchecked}, Labels: map[string]string{"site": "fra1"},
		}
		if got := through(a); text(t, got) != text(t, a) {
			t.Fatalf("alert: %s became %s", text(t, a), text(t, got))
		}
		e := monitor.Event{Seq: rapid.Uint64().Draw(t, "seq"), At: noon, Type: monitor.AlertOpened, Data: json.RawMessage(text(t, a)), Alert: a.ID}
		if got := through(e); text(t, got) != text(t, e) {
			t.Fatalf("event: %s became %s", text(t, e), text(t, got))
		}
	})
}

// A recording of what a monitor gathered, judged from nothing but its samples,
// comes to what the monitor published.
func TestRecordingJudgesAsLive(t *testing.T) {
	stories := map[string]func(w *world){
		"clean":          func(w *world) {},
		"cache poisoned": func(w *world) { w.lie(apiA, evilAddr, 60, "system/udp") },
		"path rewritten": func(w *world) { w.lie(apiA, evilAddr, 60, everyPlain...) },
		"private":        func(w *world) { w.lie(apiA, "10.1.2.3", 60, "system/udp") },
		"dead node":      func(w *world) { w.lie(apiA, "192.0.99.9", 60, "system/udp") },
		"denied":         func(w *world) { w.tell(apiA, reply{rcode: "NXDOMAIN"}, "system/udp") },
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				var live monitor.Judgement
				story(w)
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(55 * time.Second)
					live = judged(t, m, apiA.Name)
				})
				m := &monitor.Case{Watch: c.Watches[0], Question: apiA, Base: monitor.NewBaseline(apiA.Name, midnight), Policy: &monitor.Policy{Timing: c.Timing}}
				var r monitor.Ruling
				for _, s := range w.recording() {
					m.Samples = append(m.Samples, through(s))
					r = monitor.Judge(m)
					calm := !slices.ContainsFunc(r.Accusations, func(a monitor.Accusation) bool { return a.Score >= 20 })
					monitor.Learn(m.Base, m, calm)
				}
				say := func(j monitor.Judgement) string {
					return fmt.Sprintf("%s %s %s %s %s %v %v", j.Verdict, j.Cause, j.Kind, j.Confidence, j.Attribution, j.Observed, j.Expected)
				}
				if got, want := say(r.Judgement), say(live); got != want {
					t.Errorf("the recording says %s, live said %s", got, want)
				}
			})
		})
	}
}

// recording gives what the world was asked, as the samples that a monitor made
// of it: what came back at one instant belongs together.
func (w *world) recording() []monitor.Sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ss []monitor.Sample
	at := func(when time.Time) *monitor.Sample {
		i := slices.IndexFunc(ss, func(s monitor.Sample) bool { return s.At.Equal(when) })
		if i < 0 {
			i = len(ss)
			ss = append(ss, monitor.Sample{At: when, Via: monitor.Probe, Question: apiA})
		}
		return &ss[i]
	}
	for _, a := range w.asks {
		s := at(a.at)
		s.Answers = append(s.Answers, a.answer)
	}
	for _, e := range w.proofs {
		s := at(e.At)
		s.Evidence = append(s.Evidence, e)
	}
	slices.SortFunc(ss, func(a, b monitor.Sample) int { return a.At.Compare(b.At) })
	return ss
}

package monitor_test

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

// replayed gives what is made of samples that no daemon wrote.
func replayed(c *monitor.Case, ss []monitor.Sample) monitor.Judgement {
	r := monitor.NewReplay(monitor.Config{Watches: []monitor.Watch{c.Watch}, Timing: c.Policy.Timing})
	for i, s := range ss {
		if i == 0 {
			s.Baseline = c.Base
		}
		r.Take(through(s))
	}
	js := r.Report(noon).Watches
	return js[len(js)-1]
}

// anyEvidence adds what no handshake tells to samples of m, with times of their own
// or without.
func anyEvidence(t *rapid.T, m *matter) {
	addr := func() netip.Addr { return netip.MustParseAddr(rapid.SampledFrom(someAddrs).Draw(t, "addr")) }
	for i := range m.Samples {
		s := &m.Samples[i]
		for _, kind := range []string{monitor.EvidenceDNSSEC, monitor.EvidenceWalk, monitor.EvidenceDead, monitor.EvidenceNX, monitor.EvidenceASN, monitor.EvidenceIdentity, monitor.EvidenceCrowd} {
			if rapid.IntRange(0, 3).Draw(t, "found") > 0 {
				continue
			}
			e := monitor.Evidence{Kind: kind, Address: addr(), Answered: rapid.Bool().Draw(t, "answered")}
			if rapid.Bool().Draw(t, "dated") {
				e.At = s.At
			}
			switch kind {
			case monitor.EvidenceDNSSEC:
				e.Address, e.Answered = netip.Addr{}, false
				e.Status = rapid.SampledFrom([]monitor.DNSSECStatus{monitor.Secure, monitor.Insecure, monitor.Bogus, monitor.Indeterminate, ""}).Draw(t, "status")
				e.Addresses = []netip.Addr{addr()}
				if len(s.Answers) > 0 {
					e.Resolver = rapid.SampledFrom(s.Answers).Draw(t, "of").Endpoint()
				}
			case monitor.EvidenceWalk:
				e.PathProven, e.Addresses = rapid.Bool().Draw(t, "proven"), []netip.Addr{addr()}
			case monitor.EvidenceCrowd:
				e.Names = []string{"a.example.", "b.example.", "c.example."}
			}
			s.Evidence = append(s.Evidence, e)
		}
	}
}

// accuses reports whether a piece of evidence can be held against an answer, or
// backs what is: a right certificate is the control of a wrong one, and a signature
// that holds that of one that does not.
func accuses(e monitor.Evidence) bool {
	switch e.Kind {
	case monitor.EvidenceASN, monitor.EvidenceIdentity:
		return false
	case monitor.EvidenceTLS:
		return e.Outcome == monitor.OutcomeOK || e.Outcome.Wrong() || e.SPKI != ""
	case monitor.EvidenceDNSSEC:
		return e.Status == monitor.Secure || e.Status == monitor.Bogus
	case monitor.EvidenceDead, monitor.EvidenceNX:
		return e.Answered
	}
	return true
}

// thinned gives the samples without the evidence that drop chooses.
func thinned(ss []monitor.Sample, drop func(monitor.Evidence) bool) []monitor.Sample {
	ss = slices.Clone(ss)
	for i := range ss {
		ss[i].Evidence = slices.DeleteFunc(slices.Clone(ss[i].Evidence), drop)
	}
	return ss
}

// What was not asked for is no answer. Without evidence that accuses somebody,
// nothing becomes clean that was not.
func TestMissingEvidenceClearsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMatter(t)
		anyEvidence(t, m)
		if len(m.Samples) == 0 {
			return
		}
		with := replayed(&m.Case, m.Samples)
		if with.Verdict == monitor.Clean {
			return
		}
		less := thinned(m.Samples, func(e monitor.Evidence) bool { return !accuses(e) && rapid.Bool().Draw(t, "lost") })
		if without := replayed(&m.Case, less); without.Verdict == monitor.Clean {
			t.Fatalf("%s %s, and clean without: %s", with.Verdict, text(t, with.Reasons), text(t, m.Samples))
		}
	})
}

// Of a name that nobody knows, with no witness, no pin and no evidence, nothing is
// ever clean.
func TestNothingIsNotClean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMatter(t)
		if len(m.Samples) == 0 {
			return
		}
		c := newMatter().Case
		ss := thinned(m.Samples, func(monitor.Evidence) bool { return true })
		for i := range ss {
			ss[i].Answers = slices.DeleteFunc(slices.Clone(ss[i].Answers), monitor.Observation.Witness)
		}
		if j := replayed(&c, ss); j.Verdict == monitor.Clean || j.Verdict == monitor.Unknown && (j.Cause == "" || j.Cause == monitor.CauseLearning) {
			t.Fatalf("%s %s: %s", j.Verdict, j.Cause, text(t, ss))
		}
	})
}

// Who loses evidence against the one thing that this host was told is not surer of
// it for that.
func TestMissingEvidenceProvesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMatter(t)
		anyEvidence(t, m)
		if len(m.Samples) == 0 {
			return
		}
		told := rapid.SampledFrom(someAddrs).Draw(t, "told")
		for i := range m.Samples {
			s := &m.Samples[i]
			s.Answers = slices.DeleteFunc(s.Answers, func(o monitor.Observation) bool { return o.Role == monitor.Local })
			s.Answers = append(s.Answers, reply{addrs: []string{told}, ttl: 60}.to(monitor.From(voice("system", monitor.UDP), s.At), m.Question))
		}
		against := func(e monitor.Evidence) bool {
			switch e.Kind {
			case monitor.EvidenceTLS:
				return e.Outcome.Wrong() && e.SPKI != goodKey && e.Address.String() == told
			case monitor.EvidenceDead, monitor.EvidenceNX:
				return e.Answered
			case monitor.EvidenceASN, monitor.EvidenceIdentity:
				return true
			}
			return false
		}
		with := againstHere(monitor.Judge(&m.Case))
		less := m.Case
		less.Samples = thinned(m.Samples, func(e monitor.Evidence) bool { return against(e) && rapid.Bool().Draw(t, "lost") })
		if without := againstHere(monitor.Judge(&less)); without.Confidence > with.Confidence {
			t.Fatalf("%s %s %v, and without %s %s %v: %s", with.Kind, with.Confidence, with.Findings, without.Kind, without.Confidence, without.Findings, text(t, m.Samples))
		}
	})
}

// againstHere gives what is held against this host's own path.
func againstHere(r monitor.Ruling) monitor.Accusation {
	if len(r.Accusations) > 0 && r.Accusations[0].Local {
		return r.Accusations[0]
	}
	return monitor.Accusation{}
}

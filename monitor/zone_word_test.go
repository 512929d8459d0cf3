package monitor_test

import (
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// What the zone itself said is remembered when the case that it was asked in is
// over: caches may say otherwise until the TTL has run out.
func TestZoneIsRemembered(t *testing.T) {
	text := func() *matter { return newMatter().of(monitor.TypeTXT) }
	for _, tt := range []struct {
		name   string
		before *matter // in which the zone speaks
		later  time.Duration
		then   func(m *matter)
		want   monitor.Verdict
	}{
		{"a record that is gone", learntMatter().denies("system", monitor.UDP).walked(serves(), serves()), time.Minute, absentHere, monitor.Clean},
		{"witnesses give it for longer than caches may", learntMatter().denies("system", monitor.UDP).walked(serves(), serves()), time.Hour, absentHere, monitor.Unknown},
		{"the zone gives it", learntMatter().denies("system", monitor.UDP).walked(serves(goodAddr), serves(goodAddr)), time.Minute, absentHere, monitor.Unknown},
		{"the zone gives it again", learntMatter().knew(func(a *monitor.Answered) { a.Denied = noon.Add(-time.Minute) }).sys(goodAddr).walked(serves(goodAddr)), time.Minute, absentHere, monitor.Unknown},
		{"the way to the zone is not proven", learntMatter().denies("system", monitor.UDP).fact(monitor.Evidence{Kind: monitor.EvidenceWalk, Absent: true}), time.Minute, absentHere, monitor.Unknown},
		{"a record that is new", text().sys("v=2").dot("v=1", four...).gives("v=2"), 24 * time.Hour, renewedHere, monitor.Clean},
		{"the zone gives another one", text().sys("v=2").dot("v=1", four...).gives("v=3"), time.Minute, renewedHere, monitor.Unknown},
	} {
		m := tt.before
		monitor.Learn(m.Base, &m.Case, true)
		m.Samples, m.Opened = nil, time.Time{}
		tt.then(m.then(tt.later))
		if got := monitor.Judge(&m.Case); got.Verdict != tt.want {
			t.Errorf("%s: %s %s, want %s", tt.name, got.Verdict, got.Cause, tt.want)
		}
	}
}

func absentHere(m *matter)  { m.denies("system", monitor.UDP).dot(goodAddr, four...) }
func renewedHere(m *matter) { m.sys("v=2").dot("v=1", four...) }

// A cache may hold what the zone signed before the change: that both are signed
// makes the new one no worse, whoever was asked last.
func TestSignedChangeIsClean(t *testing.T) {
	m := learntMatter().denies("system", monitor.UDP).validated("system", monitor.UDP, monitor.Secure).
		dot(goodAddr, four...).validated("alpha", monitor.DoT, monitor.Secure, goodAddr)
	es := m.last().Evidence
	es[1].At = es[0].At.Add(time.Second)
	if got := monitor.Judge(&m.Case); got.Verdict != monitor.Clean {
		t.Errorf("%s %s, want clean", got.Verdict, got.Cause)
	}
}

// Records that are no addresses cannot prove themselves, so that a change of them
// opens a case, for the zone to be asked.
func TestChangedRecordsAreDoubted(t *testing.T) {
	m := newMatter().of(monitor.TypeTXT).sys("v=2").dot("v=1", four...)
	if r := monitor.Judge(&m.Case); !r.Doubtful {
		t.Errorf("%s %s is not doubted", r.Verdict, r.Cause)
	}
	if r := monitor.Judge(&m.gives("v=2").Case); r.Doubtful || r.Verdict != monitor.Clean {
		t.Errorf("%s %s, and doubted %t, though the zone gives it", r.Verdict, r.Cause, r.Doubtful)
	}
}

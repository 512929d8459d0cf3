package monitor_test

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// led has a resolver lead to an address by way of other names.
func (m *matter) led(name string, tr monitor.Transport, addr string, by ...string) *matter {
	return m.reply(voice(name, tr), reply{addrs: []string{addr}, ttl: 60, cname: by})
}

// right has this host's resolver have given what is right for other types, some
// time ago.
func (m *matter) right(ago time.Duration, types ...string) *matter {
	return m.fact(monitor.Evidence{
		Kind: monitor.EvidenceOthers, At: m.at.Add(-ago), Names: types,
		Resolver: monitor.From(voice("system", monitor.UDP), m.at).Endpoint(),
	})
}

// cut adds a question that ended on the way to a resolver, some time ago.
func (m *matter) cut(ago time.Duration, answered bool) *matter {
	return m.fact(monitor.Evidence{Kind: monitor.EvidenceLimited, At: m.at.Add(-ago), Answered: answered, Detail: "it is 9 hops away"})
}

// uneven has the records of the last answer have TTLs of their own.
func (m *matter) uneven() *matter {
	as := m.last().Answers
	for i := range as[len(as)-1].Records {
		as[len(as)-1].Records[i].TTL += uint32(i)
	}
	return m
}

var answerTests = []ruleTest{
	{"div.cname_foreign", "to somebody else", learntMatter().led("system", monitor.UDP, evilAddr, "x.evil.example.").dot(goodAddr, four...), []string{"5 local 192.0.66.66"}},
	{"div.cname_foreign", "a witness is led there too", learntMatter().led("system", monitor.UDP, evilAddr, "x.evil.example.").led("alpha", monitor.DoT, goodAddr, "y.evil.example."), nil},
	{"div.cname_foreign", "it was led there before", learntMatter().knew(func(a *monitor.Answered) { a.Tails = []string{"evil.example"} }).led("system", monitor.UDP, evilAddr, "x.evil.example.").dot(goodAddr, four...), nil},
	{"div.cname_foreign", "within the owner's own", learntMatter().led("system", monitor.UDP, evilAddr, "www.partner.example.").dot(goodAddr, four...), nil},
	{"div.cname_foreign", "nobody knows where others are led", newMatter().led("system", monitor.UDP, evilAddr, "x.evil.example."), nil},
	{"div.cname_foreign", "nowhere", learntMatter().sys(evilAddr).dot(goodAddr, four...), nil},
	{"div.cname_foreign", "to somebody else, and a good address", learntMatter().led("system", monitor.UDP, goodAddr, "x.evil.example.").dot(goodAddr, four...), nil},

	{"div.rrtype_incoherent", "the right AAAA", learntMatter().sys(evilAddr).right(time.Minute, "AAAA").dot(goodAddr, four...), []string{"15 local 192.0.66.66"}},
	{"div.rrtype_incoherent", "the right AAAA, long ago", learntMatter().sys(evilAddr).right(5*time.Minute, "AAAA").dot(goodAddr, four...), nil},
	{"div.rrtype_incoherent", "a good answer", learntMatter().sys(goodAddr).right(time.Minute, "AAAA").dot(goodAddr, four...), nil},

	{"path.ttl_limited", "answered", learntMatter().sys(evilAddr).cut(time.Minute, true), []string{"30 local invalid IP"}},
	{"path.ttl_limited", "silence", learntMatter().sys(evilAddr).cut(time.Minute, false), nil},
	{"path.ttl_limited", "answered, some time ago", learntMatter().sys(evilAddr).cut(6*time.Minute, true), nil},

	{"ttl.mixed_in_rrset", "twice", learntMatter().twice(func(m *matter) { m.sys(evilAddr, otherEvil).uneven() }), []string{"5 local 192.0.66.66"}},
	{"ttl.mixed_in_rrset", "once", learntMatter().sys(evilAddr, otherEvil).then(time.Minute).sys(evilAddr, otherEvil).uneven(), nil},
	{"ttl.mixed_in_rrset", "good addresses", learntMatter().twice(func(m *matter) { m.sys(goodAddr, goodAddr2).uneven() }), nil},
	{"ttl.mixed_in_rrset", "one record", learntMatter().twice(func(m *matter) { m.sys(evilAddr).uneven() }), nil},

	{"ttl.over_cap", "above", learntMatter().say("system", monitor.UDP, 300, evilAddr).cached(monitor.Cache{Cap: 60}), []string{"5 local 192.0.66.66"}},
	{"ttl.over_cap", "at it", learntMatter().say("system", monitor.UDP, 60, evilAddr).cached(monitor.Cache{Cap: 60}), nil},
	{"ttl.over_cap", "none known", learntMatter().say("system", monitor.UDP, 300, evilAddr).cached(monitor.Cache{}), nil},
	{"ttl.over_cap", "above, and good", learntMatter().say("system", monitor.UDP, 300, goodAddr).cached(monitor.Cache{Cap: 60}), nil},
}

// Where the chain of good answers ends is learnt.
func TestTailsAreLearnt(t *testing.T) {
	m := learntMatter()
	for _, n := range four {
		m.led(n, monitor.DoT, goodAddr, "edge.cdn.example.", "node.cdn.example.net.")
	}
	b := *m.Base
	monitor.Learn(&b, &m.Case, true)
	if d := gocmp.Diff([]string{"example.net"}, b.Types[monitor.TypeA].Tails); d != "" {
		t.Errorf("tails (-want +got):\n%s", d)
	}
}

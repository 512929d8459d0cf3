package monitor_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// clearingTests names, for each clearing test, a case that it decides: what is
// made of it, and what would be without the test.
var clearingTests = []struct {
	id, name  string
	given     *matter
	with, off string
}{
	{"clear.addresses", "declared", newMatter().watched(expects("192.0.80.0/24")).sys(kinAddr), "clean", "unknown learning; div.addr_unknown 5 local 192.0.80.77"},
	{"clear.private", "declared as private", learntMatter().watched(func(w *monitor.Watch) { w.Expect.Private = monitor.PrivateAllow }).sys("10.1.2.3"), "clean", "unknown no_proof; rebinding suspected 30; div.special_purpose 30 local 10.1.2.3; alert rebinding"},
	{"clear.pin", "the pinned key", newMatter().watched(pinsKey).sys(fresh).shows(fresh, monitor.OutcomeOK, goodKey), "clean", "unknown no_proof; div.addr_unknown 5 local 192.0.99.1"},
	{"clear.certificate", "a right certificate", learntMatter().sys(fresh).shows(fresh, monitor.OutcomeOK, goodKey), "clean", "unknown no_proof; div.addr_unknown 5 local 192.0.99.1"},
	{"clear.key_known", "a new certificate for a known key", learntMatter().sys(fresh).young(fresh, goodKey), "clean", "unknown no_proof; div.addr_unknown 5 local 192.0.99.1"},
	{"clear.certificate_age", "an old certificate for a new key", learntMatter().sys(fresh).shows(fresh, monitor.OutcomeOK, "sha256/new"), "clean", "unknown no_proof; div.addr_unknown 5 local 192.0.99.1"},
	{"clear.key_shared", "a new key, that witnesses' addresses serve too",
		learntMatter().sys(fresh).dot("192.0.97.1", "alpha", "bravo").young(fresh, "sha256/new").young("192.0.97.1", "sha256/new"), "clean; cert.fresh_unexpected 15 local 192.0.99.1", "unknown no_proof; div.addr_unknown 5 local 192.0.99.1, div.addr_unknown 5 alpha 192.0.97.1, div.addr_unknown 5 bravo 192.0.97.1"},
	{"clear.verified", "it proved the name yesterday", newMatter().knows(fresh, monitor.Identity{Verified: noon.Add(-24 * time.Hour), By: "certificate"}).sys(fresh), "clean", "unknown learning"},
	{"clear.history", "given for days", newMatter().knows(fresh, monitor.Identity{Witnessed: days, Groups: []string{"alpha", "bravo"}}).sys(fresh), "clean", "unknown learning"},
	{"clear.witnesses", "given by a quorum", newMatter().sys(fresh).dot(fresh, "alpha", "bravo", "charlie"), "clean", "unknown learning; div.addr_unknown 0 local 192.0.99.1"},
	{"clear.kin", "beside a good one", learntMatter().sys(kinAddr), "unknown no_proof", "unknown no_proof; div.addr_unknown 5 local 192.0.80.77"},

	{"clear.denial", "denied by all", newMatter().denies("system", monitor.UDP).denies("alpha", monitor.DoT).denies("bravo", monitor.DoT), "clean", "unknown no_witness"},
	{"clear.denial_known", "denied by the last quorum, and none is heard now", newMatter().knew(func(a *monitor.Answered) { a.Absent, a.Rounds = days, days }).denies("system", monitor.UDP), "clean", "unknown no_witness"},
	{"clear.records", "a quorum gives the same text", newMatter().of(monitor.TypeTXT).sys("v=1").dot("v=1", "alpha", "bravo"), "clean", "unknown learning"},
	{"clear.records_known", "a quorum gave the same text", newMatter().of(monitor.TypeTXT).
		knew(func(a *monitor.Answered) {
			a.Canon = map[string]*monitor.Span{"NOERROR\n" + apiA.Name + " TXT v=1": &days}
		}).sys("v=1"), "clean", "unknown no_witness"},

	{"vote.plain_path", "given by a quorum in plain", newMatter().sys(fresh).udp(fresh, "alpha", "bravo", "charlie"), "unknown learning; div.addr_unknown 0 local 192.0.99.1, div.addr_unknown 0 alpha 192.0.99.1, div.addr_unknown 0 bravo 192.0.99.1, div.addr_unknown 0 charlie 192.0.99.1", "clean"},
	{"vote.egress", "three of four ask from one network", learntMatter().sys(evilAddr).dot(goodAddr, four...).asksFrom("198.51.100.7", "bravo", "charlie", "delta").then(45 * time.Second).sys(evilAddr),
		"unknown no_proof; div.addr_unknown 5 local 192.0.66.66", "suspect; resolver_cache suspected 20; div.addr_unknown 5 local 192.0.66.66, div.minority_group 15 local 192.0.66.66"},
	{"vote.egress", "the witness that gives it too is what this host's resolver asks", learntMatter().sys(evilAddr).dot(evilAddr, "alpha").dot(goodAddr, "bravo", "charlie", "delta").
		asksFrom("198.51.100.7", "alpha").selfed("system", monitor.UDP, "", "198.51.100.7").then(45*time.Second).sys(evilAddr).dot(evilAddr, "alpha"),
		"suspect; resolver_cache suspected 20; div.addr_unknown 5 local 192.0.66.66, div.minority_group 15 local 192.0.66.66, div.addr_unknown 5 alpha 192.0.66.66, div.minority_group 15 alpha 192.0.66.66",
		"unknown no_proof; div.addr_unknown 5 local 192.0.66.66, div.addr_unknown 5 alpha 192.0.66.66, div.minority_group 15 alpha 192.0.66.66"},
	{"vote.egress", "one of the names of where they ask from lies", learntMatter().sys(evilAddr).dot(goodAddr, four...).asksFrom("198.51.100.7", "alpha").
		asksFrom("192.0.96.1", "bravo").asksFrom("192.0.97.1", "charlie").asksFrom("192.0.98.1", "delta").misled("203.0.113.1").then(45 * time.Second).sys(evilAddr),
		"suspect; resolver_cache suspected 20; div.addr_unknown 5 local 192.0.66.66, div.minority_group 15 local 192.0.66.66",
		"suspect; resolver_cache suspected 20; div.addr_unknown 5 local 192.0.66.66, div.minority_group 15 local 192.0.66.66"},
	{"vote.filtering", "as many filter it as give it", newMatter().sys(fresh).dot(fresh, "alpha", "bravo").blocks("charlie").blocks("delta"), "clean", "unknown learning; div.addr_unknown 0 local 192.0.99.1, div.addr_unknown 0 alpha 192.0.99.1, div.addr_unknown 0 bravo 192.0.99.1"},
	{"clear.filtering", "a filtering resolver breaks a pin", learntMatter().watched(expects("192.0.80.0/24")).twice(func(m *matter) { m.filtered(evilAddr) }), "unknown no_proof; div.addr_unknown 5 local 192.0.66.66", "suspect; resolver_cache probable 65; div.addr_unknown 5 local 192.0.66.66, pin.violation 60 local 192.0.66.66; alert resolver_cache"},

	{"clear.rpz", "denied, and declared", learntMatter().watched(blocksIt()).denied3().dot(goodAddr, four...), "unknown withheld", "unknown withheld; denial suspected 20; div.denial 20 local invalid IP; alert denial"},
	{"clear.rpz", "an address that leads nowhere", learntMatter().watched(blocksIt()).sys("0.0.0.0").dot(goodAddr, four...), "unknown withheld", "unknown withheld; policy_block suspected 20; div.minority_group 0 local 0.0.0.0 again, div.special_purpose 20 local 0.0.0.0; alert policy_block"},
	{"clear.rpz", "the address that the policy gives", learntMatter().watched(blocksIt("192.0.99.1")).sys(fresh).dot(goodAddr, four...), "unknown withheld", "unknown no_proof; div.addr_unknown 5 local 192.0.99.1, div.minority_group 0 local 192.0.99.1 again"},
	{"clear.rpz", "another address", learntMatter().watched(blocksIt("192.0.99.1")).twice(func(m *matter) {
		m.sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK)
	}), "suspect; resolver_cache probable 65; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 60 local 192.0.66.66; alert resolver_cache", "suspect; resolver_cache probable 65; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 60 local 192.0.66.66; alert resolver_cache"},
	{"clear.rpz", "another address behind that of the policy", learntMatter().watched(blocksIt("192.0.99.1")).sys(fresh, evilAddr), "unknown no_proof; div.addr_unknown 5 local 192.0.99.1, div.addr_unknown 5 local 192.0.66.66", "unknown no_proof; div.addr_unknown 5 local 192.0.99.1, div.addr_unknown 5 local 192.0.66.66"},
	{"clear.rpz", "at a witness", learntMatter().watched(blocksIt()).sys(goodAddr).dot("0.0.0.0", "alpha").dot(goodAddr, "bravo", "charlie", "delta"), "clean; div.minority_group 0 alpha 0.0.0.0 again, div.special_purpose 20 alpha 0.0.0.0; alert policy_block", "clean; div.minority_group 0 alpha 0.0.0.0 again, div.special_purpose 20 alpha 0.0.0.0; alert policy_block"},

	{"clear.captive", "a portal answers for everybody", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeTimeout).state(monitor.StateCaptive),
		"unknown captive", "unknown no_proof; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 0 local 192.0.66.66"},
	{"clear.tls_inspected", "all certificates are re-signed", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeUntrusted, evilKey).state(monitor.StateTLSInspected),
		"unknown tls_inspected; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 0 local 192.0.66.66", "suspect; resolver_cache suspected 25; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 20 local 192.0.66.66 again; alert resolver_cache"},
	{"clear.tls_inspected", "and the zone alone gives the address", learntMatter().sys(fresh).walked(serves(fresh, goodAddr), serves(goodAddr, fresh)).state(monitor.StateTLSInspected),
		"unknown tls_inspected", "clean"},
	{"clear.clock", "a witness's certificate is out of its time, as all are", learntMatter().sys(goodAddr).dot(goodAddr, "bravo").twice(func(m *matter) {
		m.reply(voice("alpha", monitor.DoT), reply{err: monitor.ErrExpired}).state(monitor.StateClock)
	}), "clean", "clean; path.encrypted_mitm 60 alpha invalid IP; alert tls_mitm"},
	{"clear.clock", "and nothing proves the address", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeExpired, evilKey).state(monitor.StateClock),
		"unknown clock; div.addr_unknown 5 local 192.0.66.66", "unknown no_proof; div.addr_unknown 5 local 192.0.66.66"},
	{"clear.transition", "half of it may be of the network before", learntMatter().wrong(func(m *matter) { m.state(monitor.StateTransition) }),
		"suspect; resolver_cache suspected 65; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 60 local 192.0.66.66",
		"suspect; resolver_cache probable 65; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 60 local 192.0.66.66; alert resolver_cache"},
	{"clear.transition", "and is over, and was noticed late", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeTimeout).
		then(time.Second).sys(evilAddr).state(monitor.StateTransition).then(time.Minute).sys(goodAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK),
		"clean", "suspect; resolver_cache suspected 20; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 15 local 192.0.66.66 again; alert resolver_cache"},
	{"clear.transition", "and is over", learntMatter().wrong(func(m *matter) { m.state(monitor.StateTransition) }).then(time.Minute).sys(goodAddr), "clean", "suspect; resolver_cache probable 65; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 60 local 192.0.66.66; alert resolver_cache"},
	{"clear.control", "every certificate is wrong", learntMatter().twice(func(m *matter) {
		m.sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeSelfSigned)
	}), "unknown no_proof; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 0 local 192.0.66.66", "suspect; resolver_cache probable 65; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 60 local 192.0.66.66; alert resolver_cache"},
	{"clear.transient", "wrong once", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK), "suspect; resolver_cache suspected 20; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 15 local 192.0.66.66 again; alert resolver_cache", "suspect; resolver_cache probable 65; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 60 local 192.0.66.66; alert resolver_cache"},
	{"clear.learning", "alone, and the name is new", newMatter().sys(evilAddr).dot(goodAddr, four...).then(45 * time.Second).sys(evilAddr), "unknown learning; div.addr_unknown 0 local 192.0.66.66", "unknown learning; div.addr_unknown 0 local 192.0.66.66, div.minority_group 15 local 192.0.66.66"},
	{"clear.lag", "alone for a moment", learntMatter().sys(evilAddr).dot(goodAddr, four...), "unknown no_proof; div.addr_unknown 5 local 192.0.66.66, div.minority_group 0 local 192.0.66.66 again", "suspect; resolver_cache suspected 20; div.addr_unknown 5 local 192.0.66.66, div.minority_group 15 local 192.0.66.66"},
	{"clear.company", "another gives it too", learntMatter().sys(evilAddr).dot(goodAddr, "alpha", "bravo", "charlie").dot(evilAddr, "delta").then(45 * time.Second).sys(evilAddr), "unknown no_proof; div.addr_unknown 5 local 192.0.66.66, div.addr_unknown 5 delta 192.0.66.66, div.minority_group 0 delta 192.0.66.66 again", "suspect; resolver_cache suspected 20; div.addr_unknown 5 local 192.0.66.66, div.minority_group 15 local 192.0.66.66, div.addr_unknown 5 delta 192.0.66.66, div.minority_group 0 delta 192.0.66.66 again"},
	{"clear.maintenance", "found elsewhere, in a window", learntMatter().watched(expects("192.0.80.0/24")).watched(inWindow).twice(func(m *matter) {
		m.sys(fresh).shows(fresh, monitor.OutcomeOK, goodKey)
	}), "clean", "suspect; resolver_cache probable 65; div.addr_unknown 5 local 192.0.99.1, pin.violation 60 local 192.0.99.1; alert resolver_cache"},
	{"clear.never_public", "private since first seen", newMatter().sys("10.1.2.3"), "unknown learning; div.special_purpose 0 local 10.1.2.3", "unknown no_proof; rebinding suspected 30; div.special_purpose 30 local 10.1.2.3; alert rebinding"},
	{"clear.signed", "signed by the zone", learntMatter().sys(fresh).validated("system", monitor.UDP, monitor.Secure, fresh), "clean", "unknown no_proof; div.addr_unknown 5 local 192.0.99.1"},
	{"clear.authority", "given by the zone's own servers", learntMatter().sys(fresh).walked(serves(fresh, goodAddr), serves(goodAddr, fresh)), "clean", "unknown no_proof; div.addr_unknown 5 local 192.0.99.1"},
	{"clear.nat64", "the known IPv4 address, as DNS64 writes it", learntMatter().of(monitor.TypeAAAA).sys("64:ff9b::c000:500a").denies("alpha", monitor.DoT), "clean", "unknown learning; div.addr_unknown 0 local 64:ff9b::c000:500a"},
	{"clear.denial_zone", "denied by the zone, and the witnesses lag", learntMatter().denies("system", monitor.UDP).dot(goodAddr, "alpha", "bravo").walked(serves(), serves()), "clean",
		"unknown withheld; denial  0; div.denial 0 local invalid IP again"},
	{"clear.records_zone", "given by the zone alone", newMatter().of(monitor.TypeTXT).sys("v=1").gives("v=1"), "clean", "unknown no_witness"},
	{"clear.ttl_good", "a cache with a TTL floor", learntMatter().say("system", monitor.UDP, 86400, goodAddr).dot(goodAddr, "alpha"), "clean", "suspect; resolver_cache suspected 30; ttl.over_envelope 30 local 192.0.80.10"},
	{"clear.ttl_history", "the zone lowered its TTL", learntMatter().allowed(3600, 13*24*time.Hour).say("system", monitor.UDP, 3000, evilAddr).dot(goodAddr, "alpha"), "unknown no_proof; div.addr_unknown 5 local 192.0.66.66", "suspect; resolver_cache suspected 35; div.addr_unknown 5 local 192.0.66.66, ttl.over_envelope 30 local 192.0.66.66"},
	{"clear.ttl_floor", "the cache keeps everything for an hour", learntMatter().say("system", monitor.UDP, 3000, evilAddr).cached(monitor.Cache{Floor: 3600}).dot(goodAddr, "alpha"), "unknown no_proof; div.addr_unknown 5 local 192.0.66.66", "suspect; resolver_cache suspected 35; div.addr_unknown 5 local 192.0.66.66, ttl.over_envelope 30 local 192.0.66.66"},
	{"clear.ttl_stale", "what the name had, expired", expired(30), "unknown no_proof; div.addr_unknown 5 local 192.0.66.67, div.minority_group 0 local 192.0.66.67 again", "suspect; resolver_cache suspected 35; div.addr_unknown 5 local 192.0.66.67, div.minority_group 0 local 192.0.66.67 again, ttl.over_envelope 30 local 192.0.66.67"},
	{"clear.ttl_flush", "the cache let go of other names too", learntMatter().early(replaced(240, func(c *monitor.Cache) { c.Flushed = true })), "unknown no_proof; div.addr_unknown 5 local 192.0.66.66", "unknown no_proof; div.addr_unknown 5 local 192.0.66.66, ttl.early_replace 15 local 192.0.66.66"},

	{"clear.both_good", "the network doubles a query, and the zone rotates",
		learntMatter().knows(fresh, monitor.Identity{Verified: noon.Add(-time.Hour)}).hears(transaction(1, 1, good(goodAddr), good(fresh))), "clean", "clean; dup.conflict 45 local invalid IP; alert attack_attempt"},
	{"clear.near", "two answers of one network", learntMatter().hears(transaction(1, 1, good(goodAddr), good(kinAddr))), "clean", "clean; dup.conflict 45 local 192.0.80.77; alert attack_attempt"},
	{"clear.surplus", "two queries, two answers", learntMatter().hears(transaction(1, 2, good(goodAddr), good(fresh))), "clean", "clean; dup.conflict 45 local 192.0.99.1; alert attack_attempt"},
	{"clear.degraded", "the second query may be lost", learntMatter().hears(degraded(transaction(1, 1, good(goodAddr), good(fresh)))), "clean", "clean; dup.conflict 45 local 192.0.99.1; alert attack_attempt"},
}

// days is what was seen for ten days.
var days = monitor.Span{First: noon.Add(-10 * 24 * time.Hour), Last: noon.Add(-10 * time.Minute), Count: 900}

// knew changes what history knows of the question.
func (m *matter) knew(f func(*monitor.Answered)) *matter {
	a := m.Base.Types[m.Question.Type]
	if a == nil {
		a = &monitor.Answered{Addresses: map[netip.Addr]*monitor.Identity{}}
		m.Base.Types[m.Question.Type] = a
	}
	f(a)
	return m
}

// asksFrom adds that witnesses ask from one address.
func (m *matter) asksFrom(egress string, names ...string) *matter {
	for _, n := range names {
		m.selfed(n, monitor.DoT, n, egress)
	}
	return m
}

// misled adds to all that was said of where resolvers ask from one more address.
func (m *matter) misled(a string) *matter {
	for i := range m.last().Evidence {
		e := &m.last().Evidence[i]
		e.Addresses = append(e.Addresses, netip.MustParseAddr(a))
	}
	return m
}

// blocksIt declares that a policy of this network blocks the name, and gives what.
func blocksIt(as ...string) func(*monitor.Watch) {
	return func(w *monitor.Watch) { w.Blocks = []monitor.Block{{Zone: "rpz.example.", Addresses: addrs(as...)}} }
}

// denied3 has this host's resolver deny the name, as often as counts.
func (m *matter) denied3() *matter {
	for range 3 {
		m.denies("system", monitor.UDP).then(25 * time.Second)
	}
	return m.denies("system", monitor.UDP)
}

// knows has history know an address.
func (m *matter) knows(addr string, id monitor.Identity) *matter {
	return m.knew(func(a *monitor.Answered) { a.Addresses[netip.MustParseAddr(addr)] = &id })
}

// of makes the case one about another type.
func (m *matter) of(t monitor.Type) *matter {
	m.Question.Type = t
	return m
}

func (m *matter) denies(name string, tr monitor.Transport) *matter {
	return m.reply(voice(name, tr), reply{})
}

// blocks adds a denial of an operator that filters.
func (m *matter) blocks(name string) *matter {
	r := voice(name, monitor.DoT)
	r.Filtering = true
	return m.reply(r, reply{rcode: "NXDOMAIN"})
}

// hears adds an overheard sample.
func (m *matter) hears(s monitor.Sample) *matter {
	s.At = m.at
	for i := range s.Answers {
		s.Answers[i].At = m.at
	}
	m.Samples = append(m.Samples, s)
	return m
}

func degraded(s monitor.Sample) monitor.Sample {
	s.State = []string{monitor.CaptureDegraded}
	return s
}

// without gives the case with rules or clearing tests switched off.
func (m *matter) without(ids ...string) *monitor.Case {
	c, p := m.Case, *m.Policy
	p.Off = map[string]bool{}
	for _, id := range ids {
		p.Off[id] = true
	}
	c.Policy = &p
	return &c
}

// told gives the judgement of a case, and the alerts that come of it when nobody
// can be asked any more.
func told(c *monitor.Case) string {
	r := monitor.Judge(c)
	got := strings.TrimSpace(fmt.Sprintf("%s %s", r.Verdict, r.Cause))
	if r.Kind != "" {
		got += fmt.Sprintf("; %s %s %d", r.Kind, r.Confidence, r.Score)
	}
	if fs := findings(c); len(fs) > 0 {
		got += "; " + strings.Join(fs, ", ")
	}
	cfg := monitor.Config{Watches: []monitor.Watch{c.Watch}, Timing: c.Policy.Timing}
	for id := range c.Policy.Off {
		cfg.Off = append(cfg.Off, id)
	}
	p := monitor.NewReplay(cfg)
	for i, s := range c.Samples {
		if i == 0 {
			s.Baseline = c.Base
		}
		p.Take(s)
	}
	for _, a := range p.Report(noon).Alerts {
		got += fmt.Sprintf("; alert %s", a.Kind)
	}
	return got
}

// TestClearings switches each clearing test off, and has somebody miss it.
func TestClearings(t *testing.T) {
	missed := map[string]bool{"clear.other_type": true} // see below
	for _, tt := range clearingTests {
		missed[tt.id] = true
		t.Run(tt.id+"/"+tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.with, told(tt.given.without())); diff != "" {
				t.Errorf("with it (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.off, told(tt.given.without(tt.id))); diff != "" {
				t.Errorf("without it (-want +got):\n%s", diff)
			}
		})
	}
	for _, id := range monitor.Clearings() {
		if !missed[id] {
			t.Errorf("no case depends on %s", id)
		}
	}
}

// Where there is no AAAA record and no witness, the A record speaks for the name.
func TestOtherTypeSpeaks(t *testing.T) {
	for off, want := range map[string]monitor.Verdict{"": monitor.Clean, "clear.other_type": monitor.Unknown} {
		t.Run(off, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				c.Watches[0].Types = []monitor.Type{monitor.TypeA, monitor.TypeAAAA}
				c.References, c.Twins = nil, nil
				if off != "" {
					c.Off = []string{off}
				}
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(10 * time.Minute)
					wantVerdict(t, m, want)
				})
			})
		})
	}
}

// A daemon that counts no responses takes a query that was sent twice for two
// answers to one.
func TestSurplusIsHeardLive(t *testing.T) {
	for off, want := range map[string][]string{"": nil, "clear.surplus": {"alert.opened attack_attempt suspected medium path system 10.0.0.2"}} {
		t.Run(off, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				if off != "" {
					c.Off = []string{off}
				}
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(10 * time.Minute)
					m.Offer(transaction(1, 2, good(goodAddr), good(evilAddr)))
					wait(time.Second)
					wantAlerts(t, w, want...)
				})
			})
		})
	}
}

// What is not there cannot be switched off: a typing error would pass for a
// mutation that nobody misses.
func TestUnknownSwitch(t *testing.T) {
	for _, id := range slices.Concat(monitor.Rules(), monitor.Clearings(), []string{"clear.nothing", "vote", ""}) {
		c := config()
		c.Off = []string{id}
		_, err := monitor.New(c, newWorld(), newWorld(), nil, slog.New(slog.DiscardHandler))
		known := slices.Contains(monitor.Rules(), id) || slices.Contains(monitor.Clearings(), id)
		if known != (err == nil) {
			t.Errorf("%q switched off: %v", id, err)
		}
	}
}

// inWindow has the name in a planned change at noon.
func inWindow(w *monitor.Watch) {
	w.Maintenance = []monitor.Window{{From: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}}
}

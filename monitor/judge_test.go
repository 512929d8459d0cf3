package monitor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// wrong adds two wrong certificates of evilAddr, ten seconds apart, with a
// right control each time, while this host's resolver answers with it. Each
// sample is given what also says.
func (m *matter) wrong(also func(*matter)) *matter {
	for i := range 2 {
		m.then(time.Duration(i) * 10 * time.Second)
		m.sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK)
		if also != nil {
			also(m)
		}
	}
	return m
}

func witnesses(names ...string) func(*matter) {
	return func(m *matter) { m.dot(goodAddr, names...) }
}

// split has operators say evilAddr in plain and goodAddr over TLS.
func split(names ...string) func(*matter) {
	return func(m *matter) {
		for _, n := range names {
			m.pair(n, evilAddr, goodAddr)
		}
	}
}

func noTLS(w *monitor.Watch) { w.TLS.Off = true }

// twice calls f for two samples ten seconds apart.
func (m *matter) twice(f func(*matter)) *matter {
	f(m.then(0))
	f(m.then(10 * time.Second))
	return m
}

// judgeTests holds the sufficient sets of detection §5.2 as far as their rules
// exist, and beside each the same with one thing missing. A judgement reads
// "verdict cause; kind confidence attribution score".
var judgeTests = []struct {
	name  string
	given *matter
	want  string
}{
	// Proof of content together with proof of place (S3 with A6 or A7).
	{"certificate wrong twice, path uniform", learntMatter().wrong(split("alpha", "bravo")), "poisoned ; path_rewritten confirmed path 70"},
	{"but only one witness is heard (g4)", learntMatter().wrong(split("alpha")), "suspect ; path_rewritten probable path 70"},
	{"but the certificate was wrong once (g2)", learntMatter().then(0).sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK).
		pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr).then(10*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr),
		"suspect ; path_rewritten probable path 70"},
	{"but no control was right (g1)", learntMatter().twice(func(m *matter) {
		m.sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeTimeout).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr)
	}), "suspect ; path_rewritten probable path 65"},
	{"but no certificate was shown", learntMatter().twice(func(m *matter) {
		m.sys(evilAddr).shows(evilAddr, monitor.OutcomeTimeout, "").control(goodAddr, monitor.OutcomeOK).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr)
	}), "suspect ; path_rewritten probable path 70"},

	// The same with a minority of one in place of the path: probable until the
	// walk contradicts the address too (design §8).
	{"certificate wrong twice, alone against four", learntMatter().wrong(witnesses(four...)).then(40 * time.Second).sys(evilAddr), "suspect ; resolver_cache probable resolver 70"},
	{"certificate wrong twice, no witness", learntMatter().wrong(nil), "suspect ; resolver_cache probable  65"},
	{"certificate wrong once", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK), "suspect ; resolver_cache suspected  20"},
	{"certificate wrong, no control at all", newMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey), "suspect ; resolver_cache suspected  20"},

	// A broken pin and one more (S2).
	{"pin broken twice", learntMatter().watched(expects("192.0.80.0/24")).twice(func(m *matter) { m.sys(evilAddr) }), "suspect ; resolver_cache probable  65"},
	{"and kept for too long", learntMatter().watched(expects("192.0.80.0/24")).twice(func(m *matter) { m.say("system", monitor.UDP, 86400, evilAddr).dot(goodAddr, "alpha") }),
		"poisoned ; resolver_cache confirmed resolver 95"},
	{"by this host's resolver and a witness", learntMatter().watched(expects("192.0.80.0/24")).twice(func(m *matter) { m.sys(evilAddr).dot(evilAddr, "alpha") }),
		"poisoned ; resolver_cache confirmed resolver 65"},
	{"and operators split", learntMatter().watched(expects("192.0.80.0/24")).twice(func(m *matter) { m.sys(evilAddr).pair("alpha", evilAddr, goodAddr) }),
		"poisoned ; path_rewritten confirmed path 70"},
	{"pin broken once", learntMatter().watched(expects("192.0.80.0/24")).sys(evilAddr), "suspect ; resolver_cache suspected  25"},

	// No sum of hints confirms.
	{"alone, refused, kept for too long", learntMatter().twice(func(m *matter) {
		m.say("system", monitor.UDP, 86400, evilAddr).dot(goodAddr, four...).shows(evilAddr, monitor.OutcomeAlert, "").control(goodAddr, monitor.OutcomeOK)
	}).then(40*time.Second).say("system", monitor.UDP, 86400, evilAddr), "suspect ; resolver_cache suspected resolver 55"},
	{"uniform path, name without TLS", learntMatter().watched(func(w *monitor.Watch) { w.TLS.Off = true }).twice(func(m *matter) {
		m.say("system", monitor.UDP, 86400, evilAddr).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr)
	}), "suspect ; path_rewritten probable path 95"},
	{"alone, a dead node", learntMatter().twice(func(m *matter) {
		m.sys(fresh).dot(goodAddr, four...).shows(fresh, monitor.OutcomeTimeout, "").control(goodAddr, monitor.OutcomeOK)
	}).then(40 * time.Second).sys(fresh), "suspect ; resolver_cache suspected resolver 25"},
	{"only unknown", learntMatter().sys(evilAddr), "unknown no_proof; "},
	{"only unknown, of a new name", newMatter().sys(evilAddr), "unknown learning; "},

	// A quorum says it: then it is the zone.
	{"certificate wrong twice, everybody gives it", learntMatter().wrong(func(m *matter) { m.dot(evilAddr, four...) }), "suspect ; authority_hijack_suspected probable authority 65"},
	{"pin broken by everybody", learntMatter().watched(expects("192.0.80.0/24")).twice(func(m *matter) { m.sys(evilAddr).dot(evilAddr, four...) }),
		"poisoned ; authority_hijack_suspected confirmed authority 65"},
	{"certificate wrong twice, half of the witnesses give it", learntMatter().wrong(func(m *matter) { m.dot(evilAddr, "alpha", "bravo").dot(goodAddr, "charlie", "delta") }),
		"suspect ; resolver_cache probable resolver 65"},
	{"behind a good address that everybody gives", learntMatter().twice(func(m *matter) {
		m.sys(goodAddr, evilAddr).dot(goodAddr, four...).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK)
	}), "suspect ; resolver_cache probable resolver 65"},

	// The zone's own word: signatures (S1), its servers (S3 with G4, S4, S8).
	{"signatures broken twice, right elsewhere", learntMatter().twice(func(m *matter) {
		m.sys(evilAddr).dot(goodAddr, four...).validated("system", monitor.UDP, monitor.Bogus, evilAddr).validated("alpha", monitor.DoT, monitor.Secure, goodAddr)
	}), "poisoned ; resolver_cache confirmed resolver 65"},
	{"signatures broken once (g2)", learntMatter().sys(evilAddr).dot(goodAddr, four...).validated("system", monitor.UDP, monitor.Bogus, evilAddr).validated("alpha", monitor.DoT, monitor.Secure, goodAddr),
		"suspect ; resolver_cache suspected resolver 25"},
	{"a denial that breaks the signatures", learntMatter().twice(func(m *matter) {
		m.denies("system", monitor.UDP).dot(goodAddr, four...).validated("system", monitor.UDP, monitor.Bogus).validated("alpha", monitor.DoT, monitor.Secure, goodAddr)
	}), "poisoned ; resolver_cache confirmed resolver 60"},
	{"signatures stripped", learntMatter().signer("system", monitor.UDP).twice(func(m *matter) {
		m.sys(evilAddr).dot(goodAddr, four...).stripped("system", monitor.UDP).validated("alpha", monitor.DoT, monitor.Secure, goodAddr)
	}).then(40 * time.Second).sys(evilAddr), "suspect ; resolver_cache suspected resolver 50"},
	{"certificate wrong twice, and not the zone's address", learntMatter().wrong(witnesses(four...)).walked(serves(goodAddr), serves(goodAddr)), "poisoned ; resolver_cache confirmed resolver 70"},
	{"but the walk's path is not proven", learntMatter().wrong(witnesses(four...)).fact(monitor.Evidence{Kind: monitor.EvidenceWalk, Addresses: addrs(goodAddr)}), "suspect ; resolver_cache probable resolver 65"},
	{"certificate wrong twice, and the zone gives it beside a right one", learntMatter().wrong(witnesses(four...)).walked(serves(goodAddr, evilAddr), serves(goodAddr, evilAddr)), "clean ; "},
	{"certificate wrong twice, and one of two servers gives it", learntMatter().wrong(witnesses(four...)).walked(serves(goodAddr), serves(evilAddr)), "suspect ; authority_hijack_suspected confirmed authority 95"},
	{"alone, not the zone's address, kept for too long, no TLS", learntMatter().watched(noTLS).twice(func(m *matter) {
		m.say("system", monitor.UDP, 86400, evilAddr).dot(goodAddr, four...)
	}).then(40*time.Second).say("system", monitor.UDP, 86400, evilAddr).walked(serves(goodAddr)), "poisoned ; resolver_cache confirmed resolver 70"},
	{"alone, not the zone's address, no TLS", learntMatter().watched(noTLS).twice(func(m *matter) { m.sys(evilAddr).dot(goodAddr, four...) }).
		then(40 * time.Second).sys(evilAddr).walked(serves(goodAddr)), "suspect ; resolver_cache probable resolver 40"},
	{"alone, no TLS, and the zone gives it", learntMatter().watched(noTLS).twice(func(m *matter) { m.sys(fresh).dot(goodAddr, four...) }).
		then(40 * time.Second).sys(fresh).walked(serves(goodAddr, fresh)), "clean ; "},

	// Somebody answers port 53 for everybody (S3 with E1, S7).
	{"certificate wrong twice, no witness, and a dead resolver answers", learntMatter().wrong(nil).dead(true), "poisoned ; path_rewritten confirmed path 125"},
	{"path uniform, name without TLS, and a dead resolver answers", learntMatter().watched(noTLS).twice(func(m *matter) {
		m.sys(evilAddr).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr)
	}).dead(true), "poisoned ; path_rewritten confirmed path 125"},
	{"operators are one resolver in plain, and nothing is known of the answer", learntMatter().sys(evilAddr).twins("alpha", "x -", "a1 -").twins("bravo", "x -", "b1 -"), "unknown no_proof; "},
	{"and a dead resolver answers", learntMatter().sys(evilAddr).twins("alpha", "x -", "a1 -").twins("bravo", "x -", "b1 -").dead(true), "unknown no_proof; "},
	{"the certificate is wrong, and operators are one resolver in plain, which says nothing false", learntMatter().wrong(nil).twins("alpha", "x -", "a1 -").twins("bravo", "x -", "b1 -"), "suspect ; resolver_cache probable resolver 95"},
	{"the plain path lies, and operators are one resolver in plain", learntMatter().twice(func(m *matter) {
		m.sys(evilAddr).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr)
	}).selfed("alpha", monitor.UDP, "x", "").selfed("alpha", monitor.DoT, "a1", "").selfed("bravo", monitor.UDP, "x", "").selfed("bravo", monitor.DoT, "b1", ""), "suspect ; path_rewritten probable path 95"},
	{"a dead resolver answers, and says nothing false", learntMatter().sys(goodAddr).dot(goodAddr, four...).dead(true), "clean ; "},

	{"relayed: right certificates of three names, in plain alone", learntMatter().twice(func(m *matter) {
		m.sys(fresh).crowd(fresh, 3).shows(fresh, monitor.OutcomeOK, goodKey).pair("alpha", fresh, goodAddr).pair("bravo", fresh, goodAddr)
	}), "clean ; "},

	{"names that nobody has lead somewhere, and this one is right", learntMatter().sys(goodAddr).dot(goodAddr, four...).nonsense(true), "clean ; "},
	{"names that nobody has lead somewhere, and this one is false", learntMatter().wrong(witnesses(four...)).nonsense(true), "suspect ; resolver_cache probable resolver 85"},

	// Everybody finds the name elsewhere.
	{"moved, with other servers, without DS, with a fresh certificate", moves().young(fresh, "sha256/new").delegated(oldNS, oldDS, newNS, nil), "suspect ; authority_hijack_suspected suspected authority 40"},
	{"moved, with other servers, another DS, with a fresh certificate", moves().young(fresh, "sha256/new").delegated(oldNS, oldDS, newNS, newDS), "suspect ; authority_hijack_suspected suspected authority 40"},
	{"moved, with other servers and a fresh certificate", moves().young(fresh, "sha256/new").delegated(oldNS, nil, newNS, nil), "clean ; "},
	{"moved, with a server added and the key handed on", moves().young(fresh, "sha256/new").delegated(oldNS, oldDS, mixedNS, bothDS), "clean ; "},
	{"moved, and the known key moved with it", moves().shows(fresh, monitor.OutcomeOK, goodKey).delegated(oldNS, oldDS, newNS, nil), "clean ; "},

	// Rebinding.
	{"private, the name is public", learntMatter().sys("10.1.2.3"), "unknown no_proof; rebinding suspected resolver 30"},
	{"private, and proves nothing of the name", learntMatter().twice(func(m *matter) {
		m.sys("10.1.2.3").shows("10.1.2.3", monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK)
	}), "suspect ; resolver_cache probable  70"},
	{"private, and everybody says so", learntMatter().sys("10.1.2.3").dot("10.1.2.3", four...), "unknown no_proof; rebinding suspected authority 30"},
	// What only says where, and is no sign by itself that anything is false.
	{"a nameserver that is new, and an address that is, no TLS", learntMatter().watched(noTLS).settled(leased).sys(fresh).host(monitor.Evidence{Sources: both}), "unknown no_witness; "},
	{"and a wrong certificate, twice", learntMatter().settled(leased).wrong(witnesses(four...)).host(monitor.Evidence{Sources: both}), "poisoned ; local_net confirmed lan 100"},
	{"a resolver no longer says that it validates, and an address is new", learntMatter().vouched("system", monitor.UDP, 50, 0).thrice(reply{addrs: []string{fresh}}), "unknown no_proof; "},
	{"blocked by policy", learntMatter().sys("0.0.0.0"), "unknown withheld; policy_block suspected resolver 20"},

	// What clears (CE-1, CE-4), and what does not.
	{"known addresses", learntMatter().sys(goodAddr, goodAddr2), "clean ; "},
	{"new address, known key", learntMatter().sys(fresh).shows(fresh, monitor.OutcomeOK, goodKey), "clean ; "},
	{"new address, new key, old certificate", learntMatter().sys(fresh).shows(fresh, monitor.OutcomeOK, "sha256/new"), "clean ; "},
	{"new address, new key, fresh certificate", learntMatter().sys(fresh).young(fresh, "sha256/new"), "unknown no_proof; "},
	{"and witnesses' addresses serve it as well", learntMatter().sys(fresh).dot("192.0.97.1", "alpha", "bravo").young(fresh, "sha256/new").young("192.0.97.1", "sha256/new"), "clean ; "},
	{"witnessed by a quorum", newMatter().sys(fresh).dot(fresh, "alpha", "bravo", "charlie"), "clean ; "},
	{"witnessed, but it shows a wrong certificate", learntMatter().sys(fresh).dot(fresh, "alpha", "bravo", "charlie").shows(fresh, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK),
		"suspect ; authority_hijack_suspected suspected authority 20"},
	{"witnessed, but a key is pinned", learntMatter().watched(pinsKey).sys(fresh).dot(fresh, "alpha", "bravo", "charlie"), "unknown no_proof; "},

	// Denials and silence.
	{"denied by all", newMatter().reply(voice("system", monitor.UDP), reply{}).reply(voice("alpha", monitor.DoT), reply{}).reply(voice("bravo", monitor.DoT), reply{}), "clean ; "},
	{"denied here, given by witnesses", learntMatter().reply(voice("system", monitor.UDP), reply{rcode: "NXDOMAIN"}).dot(goodAddr, four...), "unknown withheld; denial  resolver 0"},
	{"denied, and no witness", newMatter().reply(voice("system", monitor.UDP), reply{}), "unknown no_witness; "},
	{"no answer", newMatter().reply(voice("system", monitor.UDP), reply{err: monitor.ErrTimeout}).dot(goodAddr, four...), "unknown stale; "},
	{"no sample", newMatter(), "unknown stale; "},
	{"no route to the family", newMatter().sys(fresh).shows(fresh, monitor.OutcomeUnreachable, ""), "unknown family_unreachable; "},
	{"no TLS, no witness", newMatter().watched(func(w *monitor.Watch) { w.TLS.Off = true }).sys(fresh), "unknown no_witness; "},
}

// young adds a right certificate that was made a minute ago.
func (m *matter) young(addr, key string) *matter {
	m.shows(addr, monitor.OutcomeOK, key)
	es := m.last().Evidence
	es[len(es)-1].NotBefore = m.at.Add(-time.Minute)
	return m
}

func TestJudge(t *testing.T) {
	for _, tt := range judgeTests {
		t.Run(tt.name, func(t *testing.T) {
			r := monitor.Judge(&tt.given.Case)
			got := fmt.Sprintf("%s %s; ", r.Verdict, r.Cause)
			if r.Kind != "" {
				got += fmt.Sprintf("%s %s %s %d", r.Kind, r.Confidence, r.Attribution, r.Score)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("judgement (-want +got):\n%s\n%q", diff, findings(&tt.given.Case))
			}
		})
	}
}

// A lie of a resolver that no application here asks is an accusation, and
// nothing else.
func TestWitnessLiesAlone(t *testing.T) {
	m := learntMatter().twice(func(m *matter) {
		m.sys(goodAddr).dot(evilAddr, "alpha").dot(goodAddr, "bravo", "charlie", "delta").
			shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK)
	})
	r := monitor.Judge(&m.Case)
	if r.Verdict != monitor.Clean || len(r.Reasons) != 0 || r.Kind != "" {
		t.Errorf("the name is %s (%s) for %v, want clean without a reason", r.Verdict, r.Kind, r.Reasons)
	}
	if len(r.Accusations) != 1 {
		t.Fatalf("%d accusations, want 1", len(r.Accusations))
	}
	a := r.Accusations[0]
	if a.Local || a.Group != "alpha" || a.Confidence != monitor.Probable || a.Leak != monitor.LeakNo || a.Count != 2 {
		t.Errorf("accused is %q (local %t), %s, leak %s, seen %d times; want alpha, probable, no, 2", a.Group, a.Local, a.Confidence, a.Leak, a.Count)
	}
}

// How a lie can cost a key follows from what the false address shows.
func TestLeak(t *testing.T) {
	for name, tt := range map[string]struct {
		given *matter
		want  monitor.Leak
	}{
		"refused by clients that check": {learntMatter().wrong(nil), monitor.LeakUnchecked},
		"accepted by all clients":       {learntMatter().watched(pinsKey).twice(func(m *matter) { m.sys(evilAddr).shows(evilAddr, monitor.OutcomeOK, evilKey) }), monitor.LeakIfHijacked},
		"nothing to check": {learntMatter().watched(func(w *monitor.Watch) { w.TLS.Off = true }).
			twice(func(m *matter) { m.sys(evilAddr).pair("alpha", evilAddr, goodAddr) }), monitor.LeakIfHijacked},
	} {
		t.Run(name, func(t *testing.T) {
			r := monitor.Judge(&tt.given.Case)
			if len(r.Accusations) == 0 || r.Accusations[0].Leak != tt.want {
				t.Errorf("accusations %+v, want the first with leak %q", r.Accusations, tt.want)
			}
		})
	}
}

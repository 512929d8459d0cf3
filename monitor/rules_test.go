package monitor_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	fresh     = "192.0.99.1" // of the zone, never seen before
	kinAddr   = "192.0.80.77"
	otherEvil = "192.0.66.67"
)

var four = []string{"alpha", "bravo", "charlie", "delta"}

type ruleTest struct {
	rule, name string
	given      *matter
	want       []string
}

// ruleTests names, for each rule, what fires it and what is near and must not.
// The findings of other rules are left out.
var ruleTests = []ruleTest{
	{"div.addr_unknown", "of a name of which nothing is known", newMatter().sys(evilAddr), []string{"0 local 192.0.66.66"}},
	{"div.addr_unknown", "beside what is known", learntMatter().sys(evilAddr), []string{"5 local 192.0.66.66"}},
	{"div.addr_unknown", "among good ones", learntMatter().sys(goodAddr, evilAddr, goodAddr2), []string{"5 local 192.0.66.66"}},
	{"div.addr_unknown", "two", learntMatter().sys(evilAddr, otherEvil), []string{"5 local 192.0.66.66", "5 local 192.0.66.67"}},
	{"div.addr_unknown", "at a witness", learntMatter().dot(evilAddr, "alpha"), []string{"5 alpha 192.0.66.66"}},
	{"div.addr_unknown", "in plain, where the operator is heard over TLS as well: it tells of the path", learntMatter().udp(evilAddr, "alpha").dot(goodAddr, "alpha"), nil},
	{"div.addr_unknown", "in plain, and the operator is not heard otherwise", learntMatter().udp(evilAddr, "alpha"), []string{"5 alpha 192.0.66.66"}},
	{"div.addr_unknown", "known ones", learntMatter().sys(goodAddr, goodAddr2), nil},
	{"div.addr_unknown", "in the network of known ones", learntMatter().sys(kinAddr), nil},
	{"div.addr_unknown", "given by a quorum of witnesses", learntMatter().sys(fresh).dot(fresh, "alpha", "bravo"), nil},
	{"div.addr_unknown", "given by less than a quorum", learntMatter().sys(fresh).dot(fresh, "alpha", "bravo").dot(goodAddr, "charlie", "delta"),
		[]string{"5 local 192.0.99.1", "5 alpha 192.0.99.1", "5 bravo 192.0.99.1"}},
	{"div.addr_unknown", "it proves the name", learntMatter().sys(fresh).shows(fresh, monitor.OutcomeOK, goodKey), nil},
	{"div.addr_unknown", "no answer", learntMatter().reply(voice("system", monitor.UDP), reply{err: monitor.ErrTimeout}), nil},
	{"div.addr_unknown", "an error code with records", learntMatter().reply(voice("system", monitor.UDP), reply{rcode: "SERVFAIL", addrs: []string{evilAddr}}), nil},

	{"id.tls_mismatch", "wrong twice", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK).
		then(10*time.Second).sys(evilAddr).shows(evilAddr, monitor.OutcomeNameMismatch, evilKey).control(goodAddr, monitor.OutcomeOK), []string{"60 local 192.0.66.66"}},
	{"id.tls_mismatch", "wrong twice, too close together", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK).
		then(9*time.Second).sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK), []string{"15 local 192.0.66.66 again"}},
	{"id.tls_mismatch", "wrong once", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeUntrusted, evilKey).control(goodAddr, monitor.OutcomeOK), []string{"15 local 192.0.66.66 again"}},
	{"id.tls_mismatch", "wrong once, right since", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeUntrusted, evilKey).control(goodAddr, monitor.OutcomeOK).
		then(10*time.Second).sys(evilAddr).shows(evilAddr, monitor.OutcomeOK, goodKey), nil},
	{"id.tls_mismatch", "wrong, and nothing to compare with", newMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey), []string{"20 local 192.0.66.66 again"}},
	{"id.tls_mismatch", "wrong, and so is the control", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeSelfSigned), []string{"0 local 192.0.66.66"}},
	{"id.tls_mismatch", "the control is right, but of another minute", learntMatter().sys(evilAddr).control(goodAddr, monitor.OutcomeOK).
		then(61*time.Second).sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey), []string{"0 local 192.0.66.66"}},
	{"id.tls_mismatch", "refuses the name", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeAlert, "").control(goodAddr, monitor.OutcomeOK), []string{"15 local 192.0.66.66"}},
	{"id.tls_mismatch", "does not speak TLS", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeNonTLS, "").control(goodAddr, monitor.OutcomeOK), []string{"15 local 192.0.66.66"}},
	{"id.tls_mismatch", "does not speak TLS, nor does the control", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeNonTLS, "").control(goodAddr, monitor.OutcomeNonTLS), nil},
	{"id.tls_mismatch", "refused", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeRefused, "").control(goodAddr, monitor.OutcomeOK), []string{"5 local 192.0.66.66"}},
	{"id.tls_mismatch", "reset", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeReset, "").control(goodAddr, monitor.OutcomeOK), []string{"5 local 192.0.66.66"}},
	{"id.tls_mismatch", "no answer, however often", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeTimeout, "").control(goodAddr, monitor.OutcomeOK).
		then(time.Minute).sys(evilAddr).shows(evilAddr, monitor.OutcomeTimeout, "").control(goodAddr, monitor.OutcomeOK), []string{"5 local 192.0.66.66"}},
	{"id.tls_mismatch", "out of its time", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeExpired, evilKey).control(goodAddr, monitor.OutcomeOK), nil},
	{"id.tls_mismatch", "no route", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeUnreachable, "").control(goodAddr, monitor.OutcomeOK), nil},
	{"id.tls_mismatch", "not dialled", learntMatter().sys(evilAddr).shows(evilAddr, monitor.OutcomeNotDialled, "").control(goodAddr, monitor.OutcomeOK), nil},
	{"id.tls_mismatch", "not asked", learntMatter().sys(evilAddr), nil},
	{"id.tls_mismatch", "the name serves no TLS", learntMatter().watched(func(w *monitor.Watch) { w.TLS.Off = true }).
		sys(evilAddr).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK), nil},
	{"id.tls_mismatch", "disproven in history", learntMatter().bad(evilAddr, time.Hour).sys(evilAddr), []string{"60 local 192.0.66.66"}},
	{"id.tls_mismatch", "false and good by turns: one cache of several lies", pooled(evilAddr, goodAddr, evilAddr, goodAddr, goodAddr, goodAddr, goodAddr, goodAddr), []string{"60 local 192.0.66.66"}},
	{"id.tls_mismatch", "false once, and good ever since", pooled(evilAddr, goodAddr, goodAddr, goodAddr, goodAddr, goodAddr), nil},
	{"id.tls_mismatch", "false by turns, and good for longer than luck gives", pooled(append([]string{evilAddr, goodAddr, evilAddr}, slices.Repeat([]string{goodAddr}, 12)...)...), nil},
	{"id.tls_mismatch", "disproven in history, eight days ago", learntMatter().bad(evilAddr, 8*24*time.Hour).sys(evilAddr), nil},
	{"id.tls_mismatch", "wrong at a good address, once", learntMatter().sys(goodAddr).shows(goodAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr2, monitor.OutcomeOK), []string{"15 local 192.0.80.10 again"}},

	{"pin.violation", "outside expect.addresses once", learntMatter().watched(expects("192.0.80.0/24")).sys(evilAddr), []string{"20 local 192.0.66.66 again"}},
	{"pin.violation", "outside expect.addresses twice", learntMatter().watched(expects("192.0.80.0/24")).sys(evilAddr).then(10 * time.Second).sys(evilAddr), []string{"60 local 192.0.66.66"}},
	{"pin.violation", "twice, too close together", learntMatter().watched(expects("192.0.80.0/24")).sys(evilAddr).then(9 * time.Second).sys(evilAddr), []string{"20 local 192.0.66.66 again"}},
	{"pin.violation", "inside expect.addresses", learntMatter().watched(expects("192.0.80.0/24")).sys(kinAddr).then(10 * time.Second).sys(kinAddr), nil},
	{"pin.violation", "only the other family is declared", learntMatter().watched(expects("2a00:1::/32")).sys(evilAddr).then(10 * time.Second).sys(evilAddr), nil},
	{"pin.violation", "at a resolver that filters", learntMatter().watched(expects("192.0.80.0/24")).filtered(evilAddr).then(10 * time.Second).filtered(evilAddr), nil},
	{"pin.violation", "another key once", learntMatter().watched(pinsKey).sys(evilAddr).shows(evilAddr, monitor.OutcomeOK, evilKey), []string{"20 local 192.0.66.66 again"}},
	{"pin.violation", "another key twice", learntMatter().watched(pinsKey).sys(evilAddr).shows(evilAddr, monitor.OutcomeOK, evilKey).
		then(10*time.Second).sys(evilAddr).shows(evilAddr, monitor.OutcomeOK, evilKey), []string{"60 local 192.0.66.66"}},
	{"pin.violation", "the pinned key at a new address", learntMatter().watched(pinsKey).sys(fresh).shows(fresh, monitor.OutcomeOK, goodKey).
		then(10*time.Second).sys(fresh).shows(fresh, monitor.OutcomeOK, goodKey), nil},
	{"pin.violation", "the pinned key, expired", learntMatter().watched(pinsKey).sys(goodAddr).shows(goodAddr, monitor.OutcomeExpired, goodKey).
		then(10*time.Second).sys(goodAddr).shows(goodAddr, monitor.OutcomeExpired, goodKey), nil},
	{"pin.violation", "another key once, and the pinned key since", learntMatter().watched(pinsKey).sys(fresh).shows(fresh, monitor.OutcomeSelfSigned, evilKey).
		then(500*time.Millisecond).sys(fresh).shows(fresh, monitor.OutcomeOK, goodKey), nil},
	{"pin.violation", "no key was shown", learntMatter().watched(pinsKey).sys(evilAddr).shows(evilAddr, monitor.OutcomeTimeout, "").
		then(10*time.Second).sys(evilAddr).shows(evilAddr, monitor.OutcomeTimeout, ""), nil},

	{"div.minority_group", "alone once", learntMatter().sys(evilAddr).dot(goodAddr, four...), []string{"0 local 192.0.66.66 again"}},
	{"div.minority_group", "alone twice within a moment", learntMatter().sys(evilAddr).dot(goodAddr, four...).then(44 * time.Second).sys(evilAddr), []string{"0 local 192.0.66.66 again"}},
	{"div.minority_group", "and holds it", learntMatter().sys(evilAddr).dot(goodAddr, four...).then(45 * time.Second).sys(evilAddr), []string{"15 local 192.0.66.66"}},
	{"div.minority_group", "behind good ones", learntMatter().sys(goodAddr, evilAddr).dot(goodAddr, four...).then(45*time.Second).sys(goodAddr, evilAddr), []string{"15 local 192.0.66.66"}},
	{"div.minority_group", "two of the last three", learntMatter().sys(evilAddr).dot(goodAddr, four...).then(45 * time.Second).sys(evilAddr).then(time.Second).sys(goodAddr), []string{"15 local 192.0.66.66"}},
	{"div.minority_group", "and comes round", learntMatter().sys(evilAddr).dot(goodAddr, four...).then(45 * time.Second).sys(goodAddr), nil},
	{"div.minority_group", "a witness alone", learntMatter().dot(evilAddr, "alpha").dot(goodAddr, "bravo", "charlie", "delta").then(45*time.Second).dot(evilAddr, "alpha"), []string{"15 alpha 192.0.66.66"}},
	{"div.minority_group", "two witnesses are too few", learntMatter().sys(evilAddr).dot(goodAddr, "alpha", "bravo").then(45 * time.Second).sys(evilAddr), nil},
	{"div.minority_group", "another witness gives it too", learntMatter().sys(evilAddr).dot(goodAddr, "alpha", "bravo", "charlie").dot(evilAddr, "delta").then(45 * time.Second).sys(evilAddr), []string{"0 delta 192.0.66.66 again"}},
	{"div.minority_group", "the name is not learnt, nothing proven", newMatter().sys(evilAddr).dot(goodAddr, four...).then(45 * time.Second).sys(evilAddr), nil},
	{"div.minority_group", "the name is not learnt, witnesses' address proven", newMatter().sys(evilAddr).dot(goodAddr, four...).control(goodAddr, monitor.OutcomeOK).then(45 * time.Second).sys(evilAddr), []string{"15 local 192.0.66.66"}},
	{"div.minority_group", "the whole plain path is accused instead", learntMatter().sys(evilAddr).dot(goodAddr, four...).udp(evilAddr, "alpha").then(45 * time.Second).sys(evilAddr), nil},

	{"div.minority_group", "one cache of a pool, good last", pooled(evilAddr, goodAddr, evilAddr, goodAddr, goodAddr, goodAddr, goodAddr).dot(goodAddr, four...), []string{"0 local 192.0.66.66 again"}},

	{"div.transport_split", "three pairs", learntMatter().pair("alpha", evilAddr, goodAddr).then(10*time.Second).pair("alpha", evilAddr, goodAddr).then(10*time.Second).pair("alpha", evilAddr, goodAddr), []string{"30 local 192.0.66.66"}},
	{"div.transport_split", "two pairs", learntMatter().pair("alpha", evilAddr, goodAddr).then(10*time.Second).pair("alpha", evilAddr, goodAddr), []string{"0 local 192.0.66.66 again"}},
	{"div.transport_split", "one of three is whole", learntMatter().pair("alpha", evilAddr, goodAddr).then(10*time.Second).pair("alpha", goodAddr, goodAddr).then(10*time.Second).pair("alpha", evilAddr, goodAddr), nil},
	{"div.transport_split", "two operators", learntMatter().pair("alpha", evilAddr, goodAddr).pair("bravo", otherEvil, goodAddr2), []string{"0 local 192.0.66.66 again", "0 local 192.0.66.67 again"}},
	{"div.transport_split", "other addresses, both good", learntMatter().pair("alpha", goodAddr, goodAddr2).then(10*time.Second).pair("alpha", goodAddr, goodAddr2).then(10*time.Second).pair("alpha", goodAddr, goodAddr2), nil},
	{"div.transport_split", "both suspicious", learntMatter().pair("alpha", evilAddr, otherEvil), nil},
	{"div.transport_split", "too far apart", learntMatter().udp(evilAddr, "alpha").then(2001*time.Millisecond).dot(goodAddr, "alpha"), nil},
	{"div.transport_split", "of two operators", learntMatter().udp(evilAddr, "alpha").dot(goodAddr, "bravo"), nil},
	{"div.transport_split", "the plain one says nothing", learntMatter().reply(voice("alpha", monitor.UDP), reply{err: monitor.ErrTimeout}).dot(goodAddr, "alpha"), nil},

	{"div.plain_path_uniform", "two operators, two rounds", learntMatter().pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr).
		then(10*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr), []string{"60 local 192.0.66.66"}},
	{"div.plain_path_uniform", "two witnesses gave it before, by turns", learntMatter().dot(evilAddr, "charlie", "delta").then(5*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr).dot(goodAddr, "charlie", "delta").
		then(10*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr), nil},
	{"div.plain_path_uniform", "two witnesses always give it", learntMatter().dot(evilAddr, "charlie", "delta").then(5*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr).dot(evilAddr, "charlie", "delta").
		then(10*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr), []string{"60 local 192.0.66.66"}},
	{"div.plain_path_uniform", "one witness gave it before", learntMatter().dot(evilAddr, "charlie").then(5*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr).
		then(10*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr), []string{"60 local 192.0.66.66"}},
	{"div.plain_path_uniform", "with different lies", learntMatter().pair("alpha", evilAddr, goodAddr).pair("bravo", otherEvil, goodAddr).
		then(10*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", otherEvil, goodAddr), []string{"60 local 192.0.66.66"}},
	{"div.plain_path_uniform", "an operator and this host's resolver", learntMatter().sys(evilAddr).pair("alpha", evilAddr, goodAddr).
		then(10*time.Second).sys(evilAddr).pair("alpha", evilAddr, goodAddr), []string{"60 local 192.0.66.66"}},
	{"div.plain_path_uniform", "behind good ones", learntMatter().behind("alpha").behind("bravo").then(10 * time.Second).behind("alpha").behind("bravo"), []string{"60 local 192.0.66.66"}},
	{"div.plain_path_uniform", "each operator once, at different times", learntMatter().pair("alpha", evilAddr, goodAddr).then(10*time.Second).pair("bravo", evilAddr, goodAddr), []string{"0 local 192.0.66.66 again"}},
	{"div.plain_path_uniform", "one round", learntMatter().pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr), []string{"0 local 192.0.66.66 again"}},
	{"div.plain_path_uniform", "two rounds, too close together", learntMatter().pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr).
		then(9*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr), []string{"0 local 192.0.66.66 again"}},
	{"div.plain_path_uniform", "two operators that ask from one network", learntMatter().asksFrom("198.51.100.7", "alpha", "bravo").pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr).
		then(10*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", evilAddr, goodAddr), nil},
	{"div.plain_path_uniform", "one operator", learntMatter().pair("alpha", evilAddr, goodAddr).pair("bravo", goodAddr, goodAddr).
		then(10*time.Second).pair("alpha", evilAddr, goodAddr).pair("bravo", goodAddr, goodAddr), nil},
	{"div.plain_path_uniform", "an operator and this host's C library, whose nameserver is right", learntMatter().sys(goodAddr).say("system", monitor.System, 0, evilAddr).pair("alpha", evilAddr, goodAddr).
		then(10*time.Second).sys(goodAddr).say("system", monitor.System, 0, evilAddr).pair("alpha", evilAddr, goodAddr), nil},
	{"div.plain_path_uniform", "no operator, only this host's resolvers", learntMatter().sys(evilAddr).reply(voice("second", monitor.UDP), reply{addrs: []string{evilAddr}}).dot(goodAddr, four...), nil},

	{"div.special_purpose", "private", learntMatter().sys("10.1.2.3"), []string{"30 local 10.1.2.3"}},
	{"div.special_purpose", "of a carrier's NAT", learntMatter().sys("100.64.0.1"), []string{"30 local 100.64.0.1"}},
	{"div.special_purpose", "private and public by turns", learntMatter().sys("10.1.2.3").then(time.Second).sys(goodAddr).then(time.Second).sys("10.1.2.3").then(time.Second).sys(goodAddr).then(time.Second).sys(goodAddr), []string{"30 local 10.1.2.3"}},
	{"div.special_purpose", "as policies answer", learntMatter().sys("0.0.0.0"), []string{"20 local 0.0.0.0"}},
	{"div.special_purpose", "loopback", learntMatter().sys("127.0.0.1"), []string{"20 local 127.0.0.1"}},
	{"div.special_purpose", "the name never was public", newMatter().sys("10.1.2.3"), []string{"0 local 10.1.2.3"}},
	{"div.special_purpose", "public by witnesses only", newMatter().sys("10.1.2.3").dot(goodAddr, "alpha"), []string{"30 local 10.1.2.3"}},
	{"div.special_purpose", "and its certificate is wrong", learntMatter().sys("10.1.2.3").shows("10.1.2.3", monitor.OutcomeNameMismatch, evilKey).shows(goodAddr, monitor.OutcomeOK, goodKey), []string{"30 local 10.1.2.3"}},
	{"div.special_purpose", "it proves the name", learntMatter().sys("10.1.2.3").shows("10.1.2.3", monitor.OutcomeOK, goodKey), nil},
	{"div.special_purpose", "witnesses give it too: whoever rebinds a name does so for everybody", learntMatter().sys("10.1.2.3").dot("10.1.2.3", "alpha", "bravo"), []string{"30 local 10.1.2.3"}},
	{"div.special_purpose", "witnesses gave it as long as anybody remembers", newMatter().sys("10.1.2.3").dot("10.1.2.3", "alpha", "bravo"), nil},
	{"div.special_purpose", "allowed", learntMatter().watched(func(w *monitor.Watch) { w.Expect.Private = monitor.PrivateAllow }).sys("10.1.2.3"), nil},
	{"div.special_purpose", "allowed, but loopback is not a private network", learntMatter().watched(func(w *monitor.Watch) { w.Expect.Private = monitor.PrivateAllow }).sys("127.0.0.1"), []string{"20 local 127.0.0.1"}},
	{"div.special_purpose", "exempt", learntMatter().exempt("198.18.0.0/15").sys("198.18.0.1"), nil},
	{"div.special_purpose", "public", learntMatter().sys(evilAddr), nil},

	{"ttl.over_envelope", "longer than the zone ever said", learntMatter().say("system", monitor.UDP, 303, evilAddr).dot(goodAddr, "alpha"), []string{"30 local 192.0.66.66"}},
	{"ttl.over_envelope", "behind good ones", learntMatter().say("system", monitor.UDP, 86400, goodAddr, evilAddr).dot(goodAddr, "alpha"), []string{"30 local 192.0.66.66"}},
	{"ttl.over_envelope", "the C library, which knows no TTL", learntMatter().say("system", monitor.System, 0, evilAddr).dot(goodAddr, "alpha"), nil},
	{"ttl.over_envelope", "as long, and a little", learntMatter().say("system", monitor.UDP, 302, evilAddr).dot(goodAddr, "alpha"), nil},
	{"ttl.over_envelope", "a good answer may be kept as long as the cache likes", learntMatter().say("system", monitor.UDP, 86400, goodAddr).dot(goodAddr, "alpha"), nil},
	{"ttl.over_envelope", "another has it too", learntMatter().say("system", monitor.UDP, 86400, evilAddr).dot(goodAddr, "alpha").dot(evilAddr, "bravo"), nil},
	{"ttl.over_envelope", "no witness was heard just now", learntMatter().dot(goodAddr, "alpha").then(2*time.Minute+time.Second).say("system", monitor.UDP, 86400, evilAddr), nil},
	{"ttl.over_envelope", "the zone lowered its TTL lately", learntMatter().allowed(3600, 13*24*time.Hour).say("system", monitor.UDP, 3000, evilAddr).dot(goodAddr, "alpha"), nil},
	{"ttl.over_envelope", "the zone lowered its TTL long ago", learntMatter().allowed(3600, 15*24*time.Hour).say("system", monitor.UDP, 3000, evilAddr).dot(goodAddr, "alpha"), []string{"30 local 192.0.66.66"}},
	{"ttl.over_envelope", "nothing learnt, two witnesses", newMatter().say("system", monitor.UDP, 86400, evilAddr).dot(goodAddr, "alpha", "bravo"), nil},
	{"ttl.over_envelope", "nothing learnt, three witnesses", newMatter().say("system", monitor.UDP, 86400, evilAddr).dot(goodAddr, "alpha", "bravo", "charlie"), []string{"30 local 192.0.66.66"}},
}

func expects(p string) func(*monitor.Watch) {
	return func(w *monitor.Watch) { w.Expect.Addresses = []netip.Prefix{netip.MustParsePrefix(p)} }
}

func pinsKey(w *monitor.Watch) { w.TLS.Pins = []string{goodKey} }

// bad has history say that addr was disproven some time ago.
func (m *matter) bad(addr string, ago time.Duration) *matter {
	m.Base.Types[monitor.TypeA].Addresses[netip.MustParseAddr(addr)] = &monitor.Identity{Bad: noon.Add(-ago)}
	return m
}

// allowed has history say that the zone showed a TTL until some time ago.
func (m *matter) allowed(ttl uint32, ago time.Duration) *matter {
	a := m.Base.Types[monitor.TypeA]
	a.TTLs = append(a.TTLs, monitor.Envelope{TTL: ttl, End: noon.Add(-ago)})
	return m
}

func (m *matter) exempt(p string) *matter {
	m.Policy.Exempt = []netip.Prefix{netip.MustParsePrefix(p)}
	return m
}

func (m *matter) filtered(addr string) *matter {
	r := voice("system", monitor.UDP)
	r.Filtering = true
	return m.reply(r, reply{addrs: []string{addr}, ttl: 60})
}

// pair adds an operator's answers in plain and over TLS.
func (m *matter) pair(name, plain, enc string) *matter { return m.udp(plain, name).dot(enc, name) }

// behind adds such a pair, with the false address behind a good one.
func (m *matter) behind(name string) *matter {
	return m.say(name, monitor.UDP, 60, goodAddr, evilAddr).dot(goodAddr, name)
}

// pooled is a resolver that gives addresses one after the other; the false one is
// disproven.
func pooled(as ...string) *matter {
	m := learntMatter().wrong(nil)
	for _, a := range as {
		m.then(5 * time.Second).sys(a)
	}
	return m
}

func TestRules(t *testing.T) {
	// That one has tests of its own.
	untested := slices.DeleteFunc(monitor.Rules(), func(r string) bool { return r == "dup.conflict" })
	for _, tt := range slices.Concat(ruleTests, factTests, ttlTests, answerTests, packetTests, diversionTests, hostTests) {
		untested = slices.DeleteFunc(untested, func(r string) bool { return r == tt.rule && len(tt.want) > 0 })
		t.Run(tt.rule+"/"+tt.name, func(t *testing.T) {
			var got []string
			for _, f := range findings(&tt.given.Case) {
				if len(f) > len(tt.rule) && f[:len(tt.rule)+1] == tt.rule+" " {
					got = append(got, f[len(tt.rule)+1:])
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			off, policy := tt.given.Case, *tt.given.Policy
			policy.Off = map[string]bool{tt.rule: true}
			off.Policy = &policy
			for _, f := range findings(&off) {
				if len(f) > len(tt.rule) && f[:len(tt.rule)+1] == tt.rule+" " {
					t.Errorf("switched off, it still says %s", f)
				}
			}
		})
	}
	if len(untested) > 0 {
		t.Errorf("no test fires %q", untested)
	}
}

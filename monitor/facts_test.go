package monitor_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// learn gives the evidence that is no handshake: nothing could be had, unless the
// story says otherwise.
func (w *world) learn(p monitor.Proof) monitor.Evidence {
	time.Sleep(20 * time.Millisecond)
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	e := monitor.Evidence{Status: monitor.Indeterminate}
	if w.facts != nil {
		e = w.facts(p)
	}
	e.Kind, e.At = p.Kind, now
	if p.Via.Name != "" {
		e.Resolver = monitor.From(p.Via, now).Endpoint()
	}
	return e
}

// addrs reads addresses, and sorts them.
func addrs(ss ...string) []netip.Addr {
	var as []netip.Addr
	for _, s := range ss {
		as = append(as, netip.MustParseAddr(s))
	}
	slices.SortFunc(as, netip.Addr.Compare)
	return as
}

func (m *matter) fact(e monitor.Evidence) *matter {
	s := m.last()
	if e.At.IsZero() {
		e.At = m.at
	}
	s.Evidence = append(s.Evidence, e)
	return m
}

// validated adds what validation of the answer of a resolver came to.
func (m *matter) validated(name string, tr monitor.Transport, s monitor.DNSSECStatus, as ...string) *matter {
	return m.fact(monitor.Evidence{Kind: monitor.EvidenceDNSSEC, Resolver: monitor.From(voice(name, tr), m.at).Endpoint(), Status: s, Addresses: addrs(as...),
		Absent: s == monitor.Secure && len(as) == 0, Zone: "partner.example.", Detail: "no key of the zone made the signature"})
}

// stripped adds that a resolver handed over no signatures.
func (m *matter) stripped(name string, tr monitor.Transport) *matter {
	m.validated(name, tr, monitor.Bogus)
	es := m.last().Evidence
	es[len(es)-1].Stripped = true
	return m
}

// refused has witnesses answer SERVFAIL, with extended errors.
func (m *matter) refused(ede []uint16, witnesses ...string) *matter {
	for _, name := range witnesses {
		m.reply(voice(name, monitor.DoT), reply{rcode: "SERVFAIL", ede: ede})
	}
	return m
}

// serves is one authoritative server with what it gives.
func serves(as ...string) monitor.AuthoritativeServer {
	return monitor.AuthoritativeServer{Addresses: addrs(as...), Absent: len(as) == 0}
}

// walked adds a walk on a proven path, to servers 192.0.53.1 and on.
func (m *matter) walked(servers ...monitor.AuthoritativeServer) *matter {
	e := monitor.Evidence{Kind: monitor.EvidenceWalk, PathProven: true, Zone: "partner.example.", Absent: true}
	for i, s := range servers {
		s.Name, s.Address = "ns.partner.example.", netip.AddrFrom4([4]byte{192, 0, 53, byte(i + 1)})
		e.Servers = append(e.Servers, s)
		e.Addresses = append(e.Addresses, s.Addresses...)
		e.Absent = e.Absent && s.Absent
	}
	slices.SortFunc(e.Addresses, netip.Addr.Compare)
	e.Addresses = slices.Compact(e.Addresses)
	return m.fact(e)
}

// gives adds a walk that finds records that are no addresses.
func (m *matter) gives(data ...string) *matter {
	e := monitor.Evidence{Kind: monitor.EvidenceWalk, PathProven: true, Zone: "partner.example."}
	for _, d := range data {
		e.Records = append(e.Records, monitor.Record{Name: m.Question.Name, Type: m.Question.Type, Data: d})
	}
	return m.fact(e)
}

// dead adds a question to where no resolver is.
func (m *matter) dead(answered bool) *matter {
	return m.fact(monitor.Evidence{Kind: monitor.EvidenceDead, Address: netip.MustParseAddr("192.0.2.53"), Answered: answered})
}

// selfed adds what a resolver says that it is: its name, and where it asks from.
func (m *matter) selfed(name string, tr monitor.Transport, nsid, egress string) *matter {
	e := monitor.Evidence{Kind: monitor.EvidenceIdentity, Resolver: monitor.From(voice(name, tr), m.at).Endpoint(), NSID: nsid, Egress: egress}
	if egress != "" {
		e.Addresses = addrs(egress)
	}
	return m.fact(e)
}

// twins adds an operator's answers in plain and over TLS, which are the same, and
// what it says that it is: "name egress" of each, with a dash for nothing.
func (m *matter) twins(name, plain, enc string) *matter {
	m.pair(name, goodAddr, goodAddr)
	for tr, self := range map[monitor.Transport]string{monitor.UDP: plain, monitor.DoT: enc} {
		nsid, egress, _ := strings.Cut(strings.ReplaceAll(self, "-", ""), " ")
		m.selfed(name, tr, nsid, egress)
	}
	return m
}

// owned adds who announces an address.
func (m *matter) owned(a string, asn uint32, shared bool) *matter {
	return m.fact(monitor.Evidence{Kind: monitor.EvidenceASN, Address: netip.MustParseAddr(a), ASN: asn, Shared: shared})
}

// nonsense adds what this host's resolver says of names that nobody has.
func (m *matter) nonsense(answered bool) *matter {
	return m.fact(monitor.Evidence{Kind: monitor.EvidenceNX, Resolver: monitor.From(voice("system", monitor.UDP), m.at).Endpoint(), Answered: answered})
}

// signer has history know that a resolver hands over signatures.
func (m *matter) signer(name string, tr monitor.Transport) *matter {
	m.Base.Signing = map[string]time.Time{monitor.From(voice(name, tr), m.at).Endpoint(): noon.Add(-time.Hour)}
	return m
}

// announced has history know who announces the addresses of the name, and a
// table say who announces another.
func (m *matter) announced(known uint32, addr string, asn uint32, shared bool) *matter {
	for _, id := range m.Base.Types[monitor.TypeA].Addresses {
		id.ASN = known
	}
	return m.fact(monitor.Evidence{Kind: monitor.EvidenceASN, Address: netip.MustParseAddr(addr), ASN: asn, Org: "EXAMPLE", Shared: shared})
}

// delegated has history know where the zone was delegated to, and adds where it
// is now, as a witness says.
func (m *matter) delegated(wasNS, wasDS, ns, ds []string) *matter {
	long := monitor.Span{First: noon.Add(-10 * 24 * time.Hour), Last: noon.Add(-time.Hour), Count: 10}
	m.Base.Zones = []monitor.Delegation{{Span: long, Zone: "partner.example.", Nameservers: wasNS, DS: wasDS}}
	status := monitor.Secure
	if len(ds) == 0 {
		status = monitor.Insecure
	}
	return m.fact(monitor.Evidence{Kind: monitor.EvidenceDNSSEC, Resolver: monitor.From(voice("alpha", monitor.DoT), m.at).Endpoint(), Status: status,
		Zone: "partner.example.", Nameservers: ns, DS: ds})
}

// found has history know where the zone's servers were, and the last fact say where
// they are now.
func (m *matter) found(was, now string) *matter {
	m.Base.Zones[0].Addresses = addrs(was)
	es := m.last().Evidence
	es[len(es)-1].Servers = []monitor.AuthoritativeServer{{Name: "ns1.old.example.", Address: netip.MustParseAddr(now)}}
	return m
}

// named adds a walk to a zone whose parent and whose own servers name these.
func (m *matter) named(parent, child []string) *matter {
	return m.fact(monitor.Evidence{Kind: monitor.EvidenceWalk, PathProven: true, Zone: "partner.example.", Delegation: parent, Nameservers: child})
}

// vouched has history know how often a resolver said that it had validated.
func (m *matter) vouched(name string, tr monitor.Transport, yes, no uint16) *matter {
	if m.Base.AD == nil {
		m.Base.AD = map[string]monitor.Tally{}
	}
	m.Base.AD[monitor.From(voice(name, tr), m.at).Endpoint()] = monitor.Tally{Yes: yes, No: no}
	return m
}

// thrice adds rounds until the address was given three times, of others the good one.
func (m *matter) thrice(say reply) *matter {
	for range 3 {
		m.then(time.Second).reply(voice("system", monitor.UDP), say)
	}
	return m
}

// moves is a name that everybody finds at a new address.
func moves() *matter { return learntMatter().sys(fresh).dot(fresh, four...) }

// fails has a resolver fail to prove its own name.
func (m *matter) fails(name string) *matter {
	return m.reply(voice(name, monitor.DoT), reply{err: monitor.ErrTLS + ": unknown authority"})
}

var (
	oldNS, newNS = []string{"ns1.old.example.", "ns2.old.example."}, []string{"ns1.new.example."}
	mixedNS      = []string{"ns1.new.example.", "ns1.old.example."}
	oldDS, newDS = []string{"1 13 2 aa"}, []string{"2 13 2 bb"}
	bothDS       = []string{"1 13 2 aa", "2 13 2 bb"}
)

// factTests are the tests of rules that judge by other evidence than handshakes.
var factTests = []ruleTest{
	{"div.denial", "once", learntMatter().denies("system", monitor.UDP).dot(goodAddr, four...), []string{"0 local invalid IP again"}},
	{"div.denial", "three times", learntMatter().denies("system", monitor.UDP).dot(goodAddr, four...).then(20*time.Second).denies("system", monitor.UDP).
		then(25*time.Second).denies("system", monitor.UDP), []string{"20 local invalid IP"}},
	{"div.denial", "three times in a moment", learntMatter().denies("system", monitor.UDP).dot(goodAddr, four...).then(time.Second).denies("system", monitor.UDP).
		then(time.Second).denies("system", monitor.UDP), []string{"0 local invalid IP again"}},
	{"div.denial", "given in between", learntMatter().denies("system", monitor.UDP).dot(goodAddr, four...).then(20*time.Second).sys(goodAddr).
		then(25*time.Second).denies("system", monitor.UDP), []string{"0 local invalid IP again"}},
	{"div.denial", "one witness gives it", learntMatter().denies("system", monitor.UDP).dot(goodAddr, "alpha"), nil},
	{"div.denial", "denied by all", learntMatter().denies("system", monitor.UDP).denies("alpha", monitor.DoT).denies("bravo", monitor.DoT), nil},
	{"div.denial", "by a resolver that is declared to filter", learntMatter().blocks("alpha").dot(goodAddr, "bravo", "charlie", "delta"), nil},

	{"dnssec.bogus_here", "twice, and right elsewhere", learntMatter().sys(evilAddr).validated("system", monitor.UDP, monitor.Bogus, evilAddr).validated("alpha", monitor.DoT, monitor.Secure, goodAddr).
		then(10*time.Second).sys(evilAddr).validated("system", monitor.UDP, monitor.Bogus, evilAddr), []string{"60 local 192.0.66.66"}},
	{"dnssec.bogus_here", "once", learntMatter().sys(evilAddr).validated("system", monitor.UDP, monitor.Bogus, evilAddr).validated("alpha", monitor.DoT, monitor.Secure, goodAddr), []string{"20 local 192.0.66.66 again"}},
	{"dnssec.bogus_here", "everywhere: the zone is broken", learntMatter().sys(evilAddr).validated("system", monitor.UDP, monitor.Bogus, evilAddr).validated("alpha", monitor.DoT, monitor.Bogus, goodAddr).
		then(10*time.Second).sys(evilAddr).validated("system", monitor.UDP, monitor.Bogus, evilAddr), nil},
	{"dnssec.bogus_here", "the chain could not be had", learntMatter().sys(evilAddr).validated("system", monitor.UDP, monitor.Indeterminate).validated("alpha", monitor.DoT, monitor.Secure, goodAddr), nil},
	{"dnssec.bogus_here", "a denial that the signed zone contradicts", learntMatter().denies("system", monitor.UDP).dot(goodAddr, four...).validated("system", monitor.UDP, monitor.Bogus).validated("alpha", monitor.DoT, monitor.Secure, goodAddr).
		then(10*time.Second).denies("system", monitor.UDP).validated("system", monitor.UDP, monitor.Bogus), []string{"60 local invalid IP"}},
	{"dnssec.bogus_here", "at a witness", learntMatter().dot(evilAddr, "alpha").validated("alpha", monitor.DoT, monitor.Bogus, evilAddr).validated("bravo", monitor.DoT, monitor.Secure, goodAddr).
		then(10*time.Second).dot(evilAddr, "alpha").validated("alpha", monitor.DoT, monitor.Bogus, evilAddr), []string{"60 alpha 192.0.66.66"}},
	{"dnssec.bogus_here", "the address is good all the same", learntMatter().sys(goodAddr).validated("system", monitor.UDP, monitor.Bogus, goodAddr).validated("alpha", monitor.DoT, monitor.Secure, goodAddr), nil},
	{"dnssec.bogus_here", "stripped, which is another sign", learntMatter().sys(evilAddr).stripped("system", monitor.UDP).validated("alpha", monitor.DoT, monitor.Secure, goodAddr), nil},

	{"dnssec.bogus_here", "a denial without signatures, of a resolver that used to give them", learntMatter().signer("system", monitor.UDP).denies("system", monitor.UDP).dot(goodAddr, four...).stripped("system", monitor.UDP).validated("alpha", monitor.DoT, monitor.Secure, goodAddr).
		then(10*time.Second).denies("system", monitor.UDP).stripped("system", monitor.UDP), []string{"60 local invalid IP"}},
	{"dnssec.bogus_here", "a denial without signatures, of a resolver that never gave any", learntMatter().denies("system", monitor.UDP).dot(goodAddr, four...).stripped("system", monitor.UDP).validated("alpha", monitor.DoT, monitor.Secure, goodAddr).
		then(10*time.Second).denies("system", monitor.UDP).stripped("system", monitor.UDP), nil},
	{"dnssec.stripped", "it used to hand them over", learntMatter().signer("system", monitor.UDP).sys(evilAddr).stripped("system", monitor.UDP).validated("alpha", monitor.DoT, monitor.Secure, goodAddr).
		then(10*time.Second).sys(evilAddr).stripped("system", monitor.UDP), []string{"30 local 192.0.66.66"}},
	{"dnssec.stripped", "once", learntMatter().signer("system", monitor.UDP).sys(evilAddr).stripped("system", monitor.UDP).validated("alpha", monitor.DoT, monitor.Secure, goodAddr), []string{"30 local 192.0.66.66 again"}},
	{"dnssec.stripped", "it never did", learntMatter().sys(evilAddr).stripped("system", monitor.UDP).validated("alpha", monitor.DoT, monitor.Secure, goodAddr), []string{"0 local 192.0.66.66"}},
	{"dnssec.stripped", "from a good address", learntMatter().signer("system", monitor.UDP).sys(goodAddr).stripped("system", monitor.UDP).validated("alpha", monitor.DoT, monitor.Secure, goodAddr), nil},

	{"div.shared_sink", "three names, and it is none of theirs", learntMatter().sys(evilAddr).crowd(evilAddr, 3), []string{"30 local 192.0.66.66"}},
	{"div.shared_sink", "two names", learntMatter().sys(evilAddr).crowd(evilAddr, 2), nil},
	{"div.shared_sink", "it proves the name", learntMatter().sys(fresh).crowd(fresh, 3).shows(fresh, monitor.OutcomeOK, goodKey), nil},
	{"div.sni_relay", "three names, before operators were asked in plain", learntMatter().sys(fresh).crowd(fresh, 3).shows(fresh, monitor.OutcomeOK, goodKey), []string{"0 local 192.0.99.1 again"}},
	{"div.sni_relay", "and operators lead there in plain", learntMatter().sys(fresh).crowd(fresh, 3).shows(fresh, monitor.OutcomeOK, goodKey).pair("alpha", fresh, goodAddr).pair("bravo", fresh, goodAddr), []string{"30 local 192.0.99.1"}},
	{"div.sni_relay", "and operators do not", learntMatter().sys(fresh).crowd(fresh, 3).shows(fresh, monitor.OutcomeOK, goodKey).pair("alpha", goodAddr, goodAddr).pair("bravo", goodAddr, goodAddr), nil},
	{"div.sni_relay", "a witness gives it as well", learntMatter().sys(fresh).dot(fresh, "alpha").crowd(fresh, 3).shows(fresh, monitor.OutcomeOK, goodKey), nil},
	{"div.sni_relay", "it proves nothing", learntMatter().sys(evilAddr).crowd(evilAddr, 3), nil},

	{"dnssec.ad_lost", "of a resolver that always validated", learntMatter().vouched("system", monitor.UDP, 50, 0).thrice(reply{addrs: []string{evilAddr}}), []string{"15 local 192.0.66.66"}},
	{"dnssec.ad_lost", "too little is known of it", learntMatter().vouched("system", monitor.UDP, 49, 0).thrice(reply{addrs: []string{evilAddr}}), nil},
	{"dnssec.ad_lost", "it did not always", learntMatter().vouched("system", monitor.UDP, 196, 4).thrice(reply{addrs: []string{evilAddr}}), nil},
	{"dnssec.ad_lost", "not three times yet", learntMatter().vouched("system", monitor.UDP, 50, 0).sys(evilAddr).then(time.Second).sys(evilAddr), nil},
	{"dnssec.ad_lost", "of a good answer", learntMatter().vouched("system", monitor.UDP, 50, 0).thrice(reply{addrs: []string{goodAddr}}), nil},
	{"dnssec.ad_lost", "the flag is there", learntMatter().vouched("system", monitor.UDP, 50, 0).thrice(reply{addrs: []string{evilAddr}, flags: []string{"AD"}}), nil},
	{"dnssec.ad_lost", "it says that it cannot validate", learntMatter().vouched("system", monitor.UDP, 50, 0).thrice(reply{addrs: []string{evilAddr}, ede: []uint16{9}}), nil},
	{"dnssec.ad_lost", "a witness lost it too", learntMatter().vouched("system", monitor.UDP, 50, 0).vouched("alpha", monitor.DoT, 50, 0).thrice(reply{addrs: []string{evilAddr}}).
		dot(goodAddr, "alpha").then(time.Second).dot(goodAddr, "alpha").then(time.Second).dot(goodAddr, "alpha"), nil},

	{"walk.contradiction", "no server gives it", learntMatter().sys(evilAddr).walked(serves(goodAddr), serves(goodAddr2)), []string{"30 local 192.0.66.66"}},
	{"walk.contradiction", "one server gives it", learntMatter().sys(evilAddr).walked(serves(goodAddr), serves(evilAddr)), nil},
	{"walk.contradiction", "no server answered", learntMatter().sys(evilAddr).walked(monitor.AuthoritativeServer{Error: monitor.ErrTimeout}), nil},
	{"walk.contradiction", "the path of the walk is not proven", learntMatter().sys(evilAddr).fact(monitor.Evidence{Kind: monitor.EvidenceWalk, Addresses: addrs(goodAddr)}), nil},
	{"walk.contradiction", "a sink, which no zone gives", learntMatter().sys("0.0.0.0").walked(serves(goodAddr)), nil},
	{"walk.contradiction", "witnesses are given what the walk did not see either", learntMatter().sys(evilAddr).dot(goodAddr2, "alpha").walked(serves(goodAddr)), []string{"15 local 192.0.66.66"}},
	{"walk.contradiction", "of a name of which nothing is known", newMatter().sys(evilAddr).walked(serves(goodAddr)), []string{"5 local 192.0.66.66"}},
	{"walk.contradiction", "it came after the walk", learntMatter().sys(goodAddr).walked(serves(goodAddr)).then(time.Second).sys(evilAddr), []string{"5 local 192.0.66.66"}},
	{"walk.contradiction", "it was there before the walk, and is there since", learntMatter().sys(evilAddr).then(time.Second).walked(serves(goodAddr)).then(time.Second).sys(evilAddr), []string{"30 local 192.0.66.66"}},
	{"walk.contradiction", "a good address", learntMatter().sys(goodAddr).walked(serves(goodAddr2)), nil},
	{"walk.contradiction", "somebody else's sample, without servers", learntMatter().sys(evilAddr).fact(monitor.Evidence{Kind: monitor.EvidenceWalk, PathProven: true, Addresses: addrs(goodAddr)}), []string{"30 local 192.0.66.66"}},

	{"dnssec.zone_bogus", "two of three say so, and one says nothing", learntMatter().sys(goodAddr).refused([]uint16{7}, "alpha").refused([]uint16{9, 22}, "bravo").refused(nil, "charlie"), []string{"0 local 192.0.80.10"}},
	{"dnssec.zone_bogus", "this host is refused too", learntMatter().reply(voice("system", monitor.UDP), reply{rcode: "SERVFAIL"}).refused([]uint16{6}, "alpha", "bravo"), []string{"0 local invalid IP"}},
	{"dnssec.zone_bogus", "one says so", learntMatter().sys(goodAddr).refused([]uint16{6}, "alpha").refused(nil, "bravo", "charlie"), nil},
	{"dnssec.zone_bogus", "one has an answer", learntMatter().sys(goodAddr).refused([]uint16{6}, "alpha", "bravo", "charlie").dot(goodAddr, "delta"), nil},
	{"dnssec.zone_bogus", "for another reason", learntMatter().sys(goodAddr).refused([]uint16{22}, "alpha", "bravo", "charlie"), nil},

	{"auth.ns_split", "one of two, and its certificate is wrong", learntMatter().wrong(nil).walked(serves(goodAddr), serves(evilAddr)), []string{"30 local 192.0.66.66"}},
	{"auth.ns_split", "both of two", learntMatter().wrong(nil).walked(serves(goodAddr, evilAddr), serves(goodAddr, evilAddr)), nil},
	{"auth.ns_split", "one of two, and nothing is wrong with it", learntMatter().sys(fresh).walked(serves(goodAddr), serves(fresh)), nil},
	{"auth.ns_split", "the other gives nothing that is known", learntMatter().wrong(nil).walked(serves(otherEvil), serves(evilAddr)), []string{"30 local 192.0.66.66"}},

	{"deleg.ns_changed", "all", moves().delegated(oldNS, nil, newNS, nil), []string{"30 local 192.0.99.1"}},
	{"deleg.ns_changed", "some", moves().delegated(oldNS, nil, mixedNS, nil), []string{"15 local 192.0.99.1"}},
	{"deleg.ns_changed", "none", moves().delegated(oldNS, nil, oldNS, nil), nil},
	{"deleg.ns_changed", "all, but the addresses stay", learntMatter().sys(goodAddr).dot(goodAddr, four...).delegated(oldNS, nil, newNS, nil), []string{"0 local 192.0.80.10"}},
	{"deleg.ns_changed", "all, and one witness's cache lags", learntMatter().sys(fresh).dot(fresh, "alpha", "bravo", "charlie").dot(goodAddr, "delta").delegated(oldNS, nil, newNS, nil), []string{"30 local 192.0.99.1"}},
	{"deleg.ns_changed", "all, but half of the witnesses keep to the old address", learntMatter().sys(fresh).dot(fresh, "alpha", "bravo").dot(goodAddr, "charlie", "delta").shows(fresh, monitor.OutcomeOK, goodKey).delegated(oldNS, nil, newNS, nil), []string{"0 local 192.0.99.1"}},
	{"deleg.glue", "all elsewhere", moves().delegated(oldNS, nil, oldNS, nil).found("192.0.20.1", "192.0.30.1"), []string{"15 local 192.0.99.1"}},
	{"deleg.glue", "in the same network", moves().delegated(oldNS, nil, oldNS, nil).found("192.0.20.1", "192.0.20.9"), nil},
	{"deleg.glue", "with other names", moves().delegated(oldNS, nil, newNS, nil).found("192.0.20.1", "192.0.30.1"), nil},
	{"deleg.glue", "it was not known where they are", moves().delegated(oldNS, nil, oldNS, nil).fact(monitor.Evidence{}), nil},
	{"deleg.glue", "all elsewhere, but the name stays", learntMatter().sys(goodAddr).dot(goodAddr, four...).delegated(oldNS, nil, oldNS, nil).found("192.0.20.1", "192.0.30.1"), []string{"0 local 192.0.80.10"}},
	{"deleg.parent_child", "servers of somebody else", moves().named(oldNS, []string{"ns1.other.test."}), []string{"5 local 192.0.99.1"}},
	{"deleg.parent_child", "one of them is the same's", moves().named(oldNS, []string{"ns9.old.example.", "ns1.other.test."}), nil},
	{"deleg.parent_child", "and the name stays", learntMatter().sys(goodAddr).dot(goodAddr, four...).named(oldNS, []string{"ns1.other.test."}), nil},
	{"name.moved", "another network, another key", moves().shows(fresh, monitor.OutcomeOK, "sha256/new"), []string{"0 local 192.0.99.1"}},
	{"name.moved", "another network, and the known key", moves().shows(fresh, monitor.OutcomeOK, goodKey), nil},
	{"name.moved", "the same network, another key", learntMatter().sys(kinAddr).dot(kinAddr, four...).shows(kinAddr, monitor.OutcomeOK, "sha256/new"), nil},
	{"name.moved", "it did not prove itself", moves(), nil},
	{"name.moved", "the same AS, another key", moves().shows(fresh, monitor.OutcomeOK, "sha256/new").announced(64500, fresh, 64500, false), nil},
	{"name.moved", "another AS, another key", moves().shows(fresh, monitor.OutcomeOK, "sha256/new").announced(64500, fresh, 64501, false), []string{"0 local 192.0.99.1"}},
	{"div.addr_unknown", "in an AS that the name was never in", learntMatter().sys(evilAddr).announced(64500, evilAddr, 64501, false), []string{"15 local 192.0.66.66"}},
	{"div.addr_unknown", "in the AS of the name", learntMatter().sys(evilAddr).announced(64500, evilAddr, 64500, false), []string{"0 local 192.0.66.66"}},
	{"div.addr_unknown", "in the AS of the name, in which whoever pays has addresses", learntMatter().sys(evilAddr).announced(0, evilAddr, 64500, true), []string{"5 local 192.0.66.66"}},
	{"div.addr_unknown", "in an AS, and that of the name is not known", learntMatter().sys(evilAddr).announced(0, evilAddr, 64501, false), []string{"5 local 192.0.66.66"}},
	{"deleg.ds", "gone", moves().delegated(oldNS, oldDS, newNS, nil), []string{"30 local 192.0.99.1"}},
	{"deleg.ds", "replaced", moves().delegated(oldNS, oldDS, newNS, newDS), []string{"15 local 192.0.99.1"}},
	{"deleg.ds", "gone, but the addresses stay", learntMatter().sys(goodAddr).dot(goodAddr, four...).delegated(oldNS, oldDS, newNS, nil), []string{"0 local 192.0.80.10"}},
	{"deleg.ds", "handed on", moves().delegated(oldNS, oldDS, newNS, bothDS), nil},
	{"deleg.ds", "there never was one", moves().delegated(oldNS, nil, newNS, nil), nil},
	{"cert.fresh_unexpected", "a certificate of a minute", moves().young(fresh, "sha256/new"), []string{"15 local 192.0.99.1"}},
	{"cert.fresh_unexpected", "an old one", moves().shows(fresh, monitor.OutcomeOK, "sha256/new"), nil},
	{"cert.fresh_unexpected", "a known key", moves().young(fresh, goodKey), nil},
	{"cert.fresh_unexpected", "renewed at the same address", learntMatter().sys(goodAddr).dot(goodAddr, four...).young(goodAddr, "sha256/new"), nil},

	{"path.dead_resolver_answers", "something answers", learntMatter().sys(goodAddr).dead(true), []string{"60 local invalid IP"}},
	{"path.dead_resolver_answers", "silence", learntMatter().sys(goodAddr).dead(false), nil},
	{"path.dead_resolver_answers", "long ago", learntMatter().sys(goodAddr).dead(true).then(6 * time.Minute).sys(goodAddr), nil},

	{"nx.rewrite", "names that nobody has lead somewhere", learntMatter().sys(goodAddr).nonsense(true), []string{"20 local invalid IP"}},
	{"nx.rewrite", "they are denied", learntMatter().sys(goodAddr).nonsense(false), nil},
	{"nx.rewrite", "they were denied since", learntMatter().sys(goodAddr).nonsense(true).then(time.Second).sys(goodAddr).nonsense(false), nil},
	{"nx.rewrite", "long ago", learntMatter().sys(goodAddr).nonsense(true).then(6 * time.Minute).sys(goodAddr), nil},

	{"path.identity", "two operators with one name in plain", learntMatter().sys(evilAddr).twins("alpha", "pub2 -", "a1 -").twins("bravo", "pub2 -", "b1 -"), []string{"30 local invalid IP"}},
	{"path.identity", "two operators that ask from one network in plain", learntMatter().sys(evilAddr).twins("alpha", "- 198.51.100.7", "- 192.0.96.1").twins("bravo", "- 198.51.100.9", "- 192.0.97.1"), []string{"30 local invalid IP"}},
	{"path.identity", "or from one autonomous system", learntMatter().sys(evilAddr).twins("alpha", "- 198.51.100.7", "- 192.0.96.1").twins("bravo", "- 203.0.113.9", "- 192.0.97.1").
		owned("198.51.100.7", 64500, false).owned("203.0.113.9", 64500, false), []string{"30 local invalid IP"}},
	{"path.identity", "from one in which whoever pays has addresses", learntMatter().sys(evilAddr).twins("alpha", "- 198.51.100.7", "- 192.0.96.1").twins("bravo", "- 203.0.113.9", "- 192.0.97.1").
		owned("198.51.100.7", 64500, true).owned("203.0.113.9", 64500, true), nil},
	{"path.identity", "two operators without a name in plain", learntMatter().sys(evilAddr).twins("alpha", "- -", "a1 -").twins("bravo", "- -", "b1 -"), []string{"5 local invalid IP"}},
	{"path.identity", "without a name in plain, and each asks from where it does over TLS", learntMatter().sys(evilAddr).twins("alpha", "- 192.0.96.2", "a1 192.0.96.1").twins("bravo", "- 192.0.97.2", "b1 192.0.97.1"), nil},
	{"path.identity", "one of three is itself", learntMatter().sys(evilAddr).twins("alpha", "pub2 -", "a1 -").twins("bravo", "pub2 -", "pub2 -").twins("charlie", "pub2 -", "c1 -"), []string{"30 local invalid IP"}},
	{"path.identity", "one operator is another in plain", learntMatter().sys(evilAddr).twins("alpha", "- 192.0.97.7", "- 192.0.96.1").twins("bravo", "b1 192.0.97.1", "b1 192.0.97.1"), []string{"30 local invalid IP"}},
	{"path.identity", "one operator is another in plain, and over TLS", learntMatter().sys(evilAddr).twins("alpha", "- 192.0.97.7", "- 192.0.97.8").twins("bravo", "b1 192.0.97.1", "b1 192.0.97.1"), nil},
	{"path.identity", "one operator alone", learntMatter().sys(evilAddr).twins("alpha", "pub2 198.51.100.7", "a1 192.0.96.1").twins("bravo", "b1 192.0.97.2", "b1 192.0.97.1"), nil},
	{"path.identity", "other nodes of the same services", learntMatter().sys(evilAddr).twins("alpha", "fra 192.0.98.1", "ams 192.0.96.1").twins("bravo", "b2 192.0.99.1", "b1 192.0.97.1"), nil},
	{"path.identity", "operators that share a machine over TLS as well", learntMatter().sys(evilAddr).twins("alpha", "x 198.51.100.7", "x 198.51.100.8").twins("bravo", "x 198.51.100.7", "x 198.51.100.8"), nil},
	{"path.identity", "operators that moved to one cloud, over TLS as well", learntMatter().sys(evilAddr).twins("alpha", "- 198.51.100.7", "- 203.0.113.1").twins("bravo", "- 198.51.100.9", "- 203.0.113.2").
		owned("198.51.100.7", 64500, true).owned("198.51.100.9", 64500, true).owned("203.0.113.1", 64500, true).owned("203.0.113.2", 64500, true), nil},
	{"path.identity", "nothing is known of the twins", learntMatter().sys(evilAddr).pair("alpha", goodAddr, goodAddr).pair("bravo", goodAddr, goodAddr).
		selfed("alpha", monitor.UDP, "pub2", "198.51.100.7").selfed("bravo", monitor.UDP, "pub2", "198.51.100.7"), nil},
	{"path.identity", "long ago", learntMatter().sys(evilAddr).twins("alpha", "pub2 -", "a1 -").twins("bravo", "pub2 -", "b1 -").then(301 * time.Second).sys(evilAddr), nil},

	{"path.encrypted_mitm", "twice, and another proves itself", learntMatter().fails("alpha").dot(goodAddr, "bravo").then(10 * time.Second).fails("alpha"), []string{"60 alpha invalid IP"}},
	{"path.encrypted_mitm", "once", learntMatter().fails("alpha").dot(goodAddr, "bravo"), []string{"20 alpha invalid IP again"}},
	{"path.encrypted_mitm", "every one of them: inspection, or a portal", learntMatter().fails("alpha").fails("bravo").then(10 * time.Second).fails("alpha").fails("bravo"), nil},
	{"path.encrypted_mitm", "it came round", learntMatter().fails("alpha").dot(goodAddr, "bravo").then(10*time.Second).dot(goodAddr, "alpha"), nil},
	{"path.encrypted_mitm", "blocked is not replaced", learntMatter().reply(voice("alpha", monitor.DoT), reply{err: monitor.ErrTimeout}).dot(goodAddr, "bravo"), nil},
}

// state marks the sample.
func (m *matter) state(s ...string) *matter {
	m.last().State = s
	return m
}

// crowd adds that n names that have nothing to do with each other lead to addr.
func (m *matter) crowd(addr string, n int) *matter {
	return m.fact(monitor.Evidence{Kind: monitor.EvidenceCrowd, Address: netip.MustParseAddr(addr), Names: []string{"a.example.", "b.example.", m.Question.Name}[3-n:]})
}

// Who announces the addresses of a name is learnt with their certificates, so that
// an address of somebody else is seen to be one.
func TestNetworksAreLearnt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		w.facts = func(p monitor.Proof) monitor.Evidence {
			e := monitor.Evidence{Status: monitor.Indeterminate, Address: p.Address, ASN: 64496}
			if p.Address == netip.MustParseAddr(evilAddr) {
				e.ASN = 64500
			}
			return e
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(2 * time.Hour)
			w.lie(apiA, evilAddr, 60, "system/udp")
			wait(3 * time.Minute)
			rs := w.only(t).Reasons
			i := slices.IndexFunc(rs, func(r monitor.Reason) bool { return r.Rule == "div.addr_unknown" })
			if i < 0 || rs[i].Weight != 15 || !strings.Contains(rs[i].Fact, "in none of the networks that the name was known in") {
				t.Errorf("%v, want div.addr_unknown 15, in none of the networks that the name was known in", rs)
			}
		})
	})
}

// A resolver of this host that says what is not good is asked from where it asks,
// and what it makes of names that nobody has; the walk asks as one of its clients.
// Operators are asked who they are, in plain and over TLS.
func TestInquiries(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		asked := map[string][]monitor.Proof{}
		w.facts = func(p monitor.Proof) monitor.Evidence {
			asked[p.Kind] = append(asked[p.Kind], p)
			switch p.Kind {
			case monitor.EvidenceIdentity:
				return monitor.Evidence{Egress: "198.51.100.7"}
			case monitor.EvidenceASN:
				return monitor.Evidence{Address: p.Address, ASN: 64500, Org: "Liars", Shared: true}
			}
			return monitor.Evidence{Status: monitor.Indeterminate}
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			if n := len(asked[monitor.EvidenceIdentity]); n > 0 {
				t.Errorf("in quiet times %d resolvers are asked who they are", n)
			}
			w.cert(evilAddr, monitor.OutcomeSelfSigned, evilKey, time.Hour)
			w.lie(apiA, evilAddr, 60, "system/udp")
			wait(3 * time.Minute)
			a := w.only(t)
			if text := a.Text; !strings.Contains(text, "AS64500 Liars, where whoever pays has addresses") {
				t.Errorf("the alert does not say who announces the address: %s", text)
			}
		})
		for kind, want := range map[string][]string{
			monitor.EvidenceIdentity: {"alpha/dot", "alpha/udp", "bravo/dot", "bravo/udp", "charlie/dot", "charlie/udp", "delta/dot", "system/udp"},
			monitor.EvidenceNX:       {"system/udp"},
		} {
			var got []string
			for _, p := range asked[kind] {
				got = append(got, p.Via.Name+"/"+string(p.Via.Transport))
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("asked for %s (-want +got):\n%s", kind, diff)
			}
		}
		egress := netip.MustParseAddr("198.51.100.7")
		for _, p := range asked[monitor.EvidenceWalk] {
			if p.Address != egress {
				t.Errorf("the walk asks as a client of %s, want %s", p.Address, egress)
			}
		}
		if !slices.ContainsFunc(asked[monitor.EvidenceASN], func(p monitor.Proof) bool { return p.Address == egress }) {
			t.Errorf("nobody is asked who announces %s", egress)
		}
	})
}

// What a resolver said of itself for one name serves the others that are in doubt.
func TestAcquaintances(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		other := monitor.Question{Name: "www.partner.example.", Type: monitor.TypeA}
		c.Watches = append(c.Watches, monitor.Watch{Name: other.Name, Types: []monitor.Type{monitor.TypeA}})
		w.publish(other, reply{addrs: []string{goodAddr}, ttl: 300})
		asked := map[string]int{}
		w.facts = func(p monitor.Proof) monitor.Evidence {
			if p.Kind != monitor.EvidenceIdentity {
				return monitor.Evidence{Status: monitor.Indeterminate}
			}
			asked[p.Via.Name+"/"+string(p.Via.Transport)]++
			if p.Via.Encrypted() {
				return monitor.Evidence{NSID: p.Via.Name}
			}
			return monitor.Evidence{NSID: "replaced"}
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, "system/udp")
			w.lie(other, evilAddr, 60, "system/udp")
			wait(90 * time.Second)
			for _, name := range []string{apiA.Name, other.Name} {
				if !slices.ContainsFunc(judged(t, m, name).Reasons, func(r monitor.Reason) bool { return r.Rule == "path.identity" }) {
					t.Errorf("of %s it is not said that operators were replaced", name)
				}
			}
		})
		for endpoint, n := range asked {
			if n != 1 {
				t.Errorf("%s is asked who it is %d times in a minute", endpoint, n)
			}
		}
	})
}

// That operators were replaced is told of the path, and is no more than suspected by
// itself; that nobody should be there and is makes it probable. It says nothing of
// the name.
func TestReplaced(t *testing.T) {
	replaced := func() *matter {
		return learntMatter().sys(evilAddr).twins("alpha", "x -", "a1 -").twins("bravo", "x -", "b1 -")
	}
	for _, tt := range []struct {
		name  string
		given *matter
		want  string
	}{
		{"alone", replaced(), "path_redirected suspected path 35 harmless"},
		{"nameless", learntMatter().sys(evilAddr).twins("alpha", "- -", "a1 -").twins("bravo", "- -", "b1 -"), "resolver_cache  resolver 10"},
		{"a dead resolver answers too", replaced().dead(true), "path_redirected probable path 65 harmless"},
		{"and the address is another's", learntMatter().wrong(nil).twins("alpha", "x -", "a1 -").twins("bravo", "x -", "b1 -"), "resolver_cache probable resolver 95"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			as := monitor.Judge(&tt.given.Case).Accusations
			if len(as) != 1 {
				t.Fatalf("%d accusations, want 1", len(as))
			}
			got := fmt.Sprintf("%s %s %s %d", as[0].Kind, as[0].Confidence, as[0].Attribution, as[0].Score)
			if as[0].Harmless {
				got += " harmless"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("accusation (-want +got):\n%s", diff)
			}
		})
	}
}

// What the names of resolvers show of the path is told when the name in doubt is
// cleared, and once for all names.
func TestReplacedIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		w.facts = func(p monitor.Proof) monitor.Evidence {
			switch {
			case p.Kind != monitor.EvidenceIdentity:
				return monitor.Evidence{Status: monitor.Indeterminate}
			case p.Via.Encrypted():
				return monitor.Evidence{NSID: p.Via.Name}
			}
			return monitor.Evidence{NSID: "replaced"}
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, fresh, 60, "system/udp")
			wait(80 * time.Second)
			w.honest()
			wait(2 * time.Minute)
			if got := judged(t, m, apiA.Name).Verdict; got != monitor.Clean {
				t.Errorf("the name is %s, want clean", got)
			}
		})
		a := w.only(t)
		got := fmt.Sprintf("%s %s %s %s", a.Kind, a.Confidence, a.Severity, a.Attribution)
		if diff := cmp.Diff("path_redirected suspected medium path", got); diff != "" {
			t.Errorf("alert (-want +got):\n%s", diff)
		}
	})
}

package monitor_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// overheard is a sample of one query with its answers, and what a test makes of it.
func overheard(change func(*monitor.Sample), answers ...said) monitor.Sample {
	s := transaction(1, 1, answers...)
	for i := range s.Queries {
		s.Queries[i].Traits = monitor.TraitRD | monitor.TraitOPT | monitor.TraitCookie | monitor.TraitCase
	}
	for i := range s.Answers {
		s.Answers[i].Packet.Traits = monitor.TraitRD | monitor.TraitRA | monitor.TraitOPT | monitor.TraitCookie | monitor.TraitCase | monitor.TraitPointer
		s.Answers[i].RTT = monitor.Milliseconds(20 * time.Millisecond)
	}
	change(&s)
	return s
}

// noisy is a right answer, with what else came in its server's name.
func noisy(n monitor.Noise) *matter {
	return learntMatter().hears(overheard(func(s *monitor.Sample) { s.Noise = &n }, good(goodAddr)))
}

// inFragments is the same, where the answer came in fragments.
func inFragments(n monitor.Noise) *matter {
	return learntMatter().hears(overheard(func(s *monitor.Sample) { s.Noise, s.Answers[0].Packet.Fragmented = &n, true }, good(goodAddr)))
}

// strayed is a right answer, with what else was aimed at its query.
func strayed(s monitor.Strays) *matter {
	return learntMatter().hears(overheard(func(o *monitor.Sample) { o.Strays = &s }, good(goodAddr)))
}

// usual is how the server of overheard answers.
func usual() *monitor.Manner {
	return &monitor.Manner{
		HopLimits: []int{57, 64}, RTT: monitor.Milliseconds(20 * time.Millisecond), MACs: []string{genuineLook.mac},
		Always: monitor.TraitRD | monitor.TraitRA | monitor.TraitOPT | monitor.TraitCookie | monitor.TraitCase | monitor.TraitPointer, Never: monitor.TraitAD,
	}
}

// odd is one answer of a server whose manner is known, and what a test makes of it.
func odd(what string, change func(*monitor.Sample, *monitor.Observation)) *matter {
	return learntMatter().hears(overheard(func(s *monitor.Sample) {
		s.Answers[0].Manner = usual()
		change(s, &s.Answers[0])
	}, good(what)))
}

func lacks(t monitor.Traits) func(*monitor.Sample, *monitor.Observation) {
	return func(_ *monitor.Sample, o *monitor.Observation) { o.Packet.Traits &^= t }
}

func record(name string, t monitor.Type, data string) monitor.Record {
	return monitor.Record{Name: name, Type: t, Data: data, TTL: 60}
}

func brings(rs ...monitor.Record) func(*monitor.Sample, *monitor.Observation) {
	return func(_ *monitor.Sample, o *monitor.Observation) { o.Beside = rs }
}

func answers(rs ...monitor.Record) func(*monitor.Sample, *monitor.Observation) {
	return func(_ *monitor.Sample, o *monitor.Observation) { o.Records = append(o.Records, rs...) }
}

// fired is a finding against this host's path, about no address.
func fired(weight string) []string { return []string{weight + " local invalid IP"} }

// packetTests are of rules that go by packets. Those of an answer look only at what is
// not known to be right.
var packetTests = []ruleTest{
	{"resp.unsolicited", "ten", noisy(monitor.Noise{Unsolicited: 10}), fired("5")},
	{"resp.unsolicited", "nine", noisy(monitor.Noise{Unsolicited: 9}), nil},

	{"resp.txid_storm", "five wrong ids at the port", strayed(monitor.Strays{WrongID: 5, IDs: 5}), fired("30")},
	{"resp.txid_storm", "which all say the same", strayed(monitor.Strays{WrongID: 5, IDs: 5, Alike: true}), fired("45")},
	{"resp.txid_storm", "four", strayed(monitor.Strays{WrongID: 4, IDs: 4, Alike: true}), nil},
	{"resp.txid_storm", "a hundred at all ports", noisy(monitor.Noise{WrongIDs: 100}), fired("30")},
	{"resp.txid_storm", "a few at all ports", noisy(monitor.Noise{WrongIDs: 99}), nil},

	{"resp.port_sweep", "again and again", noisy(monitor.Noise{Sweeps: 3, SweptPorts: 50}), fired("30")},
	{"resp.port_sweep", "once", noisy(monitor.Noise{Sweeps: 1, SweptPorts: 50}), fired("15")},
	{"resp.port_sweep", "ICMP errors", noisy(monitor.Noise{Refused: 30}), fired("15")},
	{"resp.port_sweep", "an ICMP error for each late answer", noisy(monitor.Noise{Refused: 29}), nil},

	{"resp.question_mismatch", "another question", strayed(monitor.Strays{WrongQuestion: 1}), fired("30")},
	{"resp.question_mismatch", "other letters", odd(evilAddr, lacks(monitor.TraitCase)), fired("15")},
	{"resp.question_mismatch", "other letters of a right answer", odd(goodAddr, lacks(monitor.TraitCase)), nil},
	{"resp.question_mismatch", "the query had no capital letters", odd(evilAddr, func(s *monitor.Sample, o *monitor.Observation) {
		s.Queries[0].Traits &^= monitor.TraitCase
		o.Packet.Traits &^= monitor.TraitCase
	}), nil},
	{"resp.question_mismatch", "a server that makes them small", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) {
		o.Packet.Traits &^= monitor.TraitCase
		o.Manner.Always &^= monitor.TraitCase
	}), nil},

	{"resp.extraneous", "an answer to another question", odd(evilAddr, answers(record("login.bank.example.", monitor.TypeA, evilAddr))), fired("15")},
	{"resp.extraneous", "the addresses of an alias", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) {
		o.Records = []monitor.Record{record(apiA.Name, monitor.TypeCNAME, "tail.example."), record("tail.example.", monitor.TypeA, evilAddr)}
	}), nil},
	{"resp.extraneous", "name servers of another zone", odd(evilAddr, brings(record("bank.example.", monitor.TypeNS, "ns.evil.example."))), fired("15")},
	{"resp.extraneous", "the zone's name servers and their addresses", odd(evilAddr, brings(record("partner.example.", monitor.TypeNS, "ns1.partner.example."), record("ns1.partner.example.", monitor.TypeA, goodAddr))), nil},
	{"resp.extraneous", "another name server than the zone's", delegated(odd(evilAddr, brings(record("partner.example.", monitor.TypeNS, "ns9.evil.example.")))), fired("30")},
	{"resp.extraneous", "the zone's name server, as it is delegated", delegated(odd(evilAddr, brings(record("partner.example.", monitor.TypeNS, "ns1.partner.example.")))), nil},
	{"resp.extraneous", "addresses to which nothing leads", odd(evilAddr, brings(record("ns9.evil.example.", monitor.TypeA, evilAddr))), fired("15")},

	{"resp.ip_ttl", "another number of hops", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.Packet.HopLimit = 128 }), fired("15")},
	{"resp.ip_ttl", "one hop more", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.Packet.HopLimit = 58 }), nil},
	{"resp.ip_ttl", "nothing known", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.Packet.HopLimit, o.Manner = 128, nil }), nil},
	{"resp.ip_ttl", "a right answer", odd(goodAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.Packet.HopLimit = 128 }), nil},

	{"resp.too_fast", "in less than half the time", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.RTT = monitor.Milliseconds(9 * time.Millisecond) }), fired("15")},
	{"resp.too_fast", "in half the time", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.RTT = monitor.Milliseconds(10 * time.Millisecond) }), nil},
	{"resp.too_fast", "a server that is near", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) {
		o.RTT, o.Manner.RTT = monitor.Milliseconds(time.Millisecond), monitor.Milliseconds(3*time.Millisecond)
	}), nil},
	{"resp.too_fast", "the query was sent again", odd(evilAddr, func(s *monitor.Sample, o *monitor.Observation) {
		s.Queries = append(s.Queries, s.Queries[0])
		o.RTT = monitor.Milliseconds(time.Millisecond)
	}), nil},

	{"resp.header_profile", "no cookie", odd(evilAddr, lacks(monitor.TraitCookie)), fired("15")},
	{"resp.header_profile", "neither OPT nor cookie", odd(evilAddr, lacks(monitor.TraitOPT|monitor.TraitCookie)), fired("30")},
	{"resp.header_profile", "a cookie that was not asked for is not missed", odd(evilAddr, func(s *monitor.Sample, o *monitor.Observation) {
		s.Queries[0].Traits &^= monitor.TraitCookie
		o.Packet.Traits &^= monitor.TraitCookie
	}), nil},
	{"resp.header_profile", "AD where it never was", odd(evilAddr, func(s *monitor.Sample, o *monitor.Observation) {
		s.Queries[0].Traits |= monitor.TraitAD
		o.Packet.Traits |= monitor.TraitAD
	}), fired("15")},
	{"resp.header_profile", "a right answer", odd(goodAddr, lacks(monitor.TraitOPT|monitor.TraitCookie)), nil},

	{"l2.source_changed", "another machine", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.Packet.MAC = forgedLook.mac }), fired("15")},
	{"l2.source_changed", "another router takes over", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.Packet.MAC = "00:00:5e:00:01:07" }), nil},

	{"resp.malformed", "alone", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.Packet.Broken = "octets behind its last record" }), fired("15")},
	{"resp.malformed", "beside a well-formed one", learntMatter().hears(overheard(func(s *monitor.Sample) { s.Answers[1].Packet.Broken = "octets behind its last record" }, good(goodAddr), good(evilAddr))), fired("30")},

	{"frag.dns", "they contradict each other", inFragments(monitor.Noise{Torn: 1}), fired("30")},
	{"frag.dns", "fifty, all alike", inFragments(monitor.Noise{Orphans: 50, Sprayed: 50}), fired("30")},
	{"frag.dns", "they contradict each other, and the answer came in one", noisy(monitor.Noise{Torn: 1}), fired("15")},
	{"frag.dns", "fifty, all alike, and the answer came in one", noisy(monitor.Noise{Orphans: 50, Sprayed: 50}), fired("15")},
	{"frag.dns", "five without a beginning", noisy(monitor.Noise{Orphans: 5}), fired("15")},
	{"frag.dns", "four without a beginning", noisy(monitor.Noise{Orphans: 4, Sprayed: 4}), nil},
	{"frag.dns", "the first one is short", noisy(monitor.Noise{ShortFragments: 1}), fired("15")},
	{"frag.dns", "an error demands short packets", noisy(monitor.Noise{PathMTU: 576}), fired("15")},
	{"frag.dns", "an error demands what a tunnel does", noisy(monitor.Noise{PathMTU: 1400}), nil},
	{"frag.dns", "an answer in fragments", odd(evilAddr, func(_ *monitor.Sample, o *monitor.Observation) { o.Packet.Fragmented = true }), nil},
	{"frag.dns", "an answer in fragments that contradict each other", odd(goodAddr, func(_ *monitor.Sample, o *monitor.Observation) {
		o.Packet.Fragmented, o.Packet.Broken = true, "fragments that contradict each other"
	}), fired("30")},

	{"tcp.without_tc", "three in a minute", noisy(monitor.Noise{Fallbacks: 3}), fired("5")},
	{"tcp.without_tc", "while ids are guessed", noisy(monitor.Noise{Fallbacks: 3, WrongIDs: 100}), fired("15")},
	{"tcp.without_tc", "two in a minute", noisy(monitor.Noise{Fallbacks: 2}), nil},

	{"kaminsky.burst", "a hundred names", noisy(monitor.Noise{Labels: 100, Domain: "example.com."}), fired("5")},
	{"kaminsky.burst", "while ids are guessed", noisy(monitor.Noise{Labels: 100, Domain: "example.com.", WrongIDs: 100}), fired("30")},
	{"kaminsky.burst", "a few names", noisy(monitor.Noise{Labels: 99, Domain: "example.com."}), nil},

	{"ttl.tool_constant", "dnsspoof", odd(evilAddr, tool(60, []string{"RD", "RA"}, monitor.TraitRD|monitor.TraitRA|monitor.TraitPointer)), fired("15")},
	{"ttl.tool_constant", "bettercap", odd(evilAddr, tool(1024, nil, 0)), fired("15")},
	{"ttl.tool_constant", "as dnsspoof, from a zone's own server", odd(evilAddr, tool(60, []string{"AA", "RD", "RA"}, monitor.TraitRD|monitor.TraitRA|monitor.TraitPointer)), nil},
	{"ttl.tool_constant", "another TTL", odd(evilAddr, tool(61, []string{"RD", "RA"}, monitor.TraitRD|monitor.TraitRA|monitor.TraitPointer)), nil},
	{"ttl.tool_constant", "a right answer", odd(goodAddr, tool(60, []string{"RD", "RA"}, monitor.TraitRD|monitor.TraitRA|monitor.TraitPointer)), nil},
}

func tool(ttl uint32, flags []string, traits monitor.Traits) func(*monitor.Sample, *monitor.Observation) {
	return func(_ *monitor.Sample, o *monitor.Observation) {
		o.Flags, o.Packet.Traits, o.Packet.EDNS, o.Records[0].TTL = flags, traits, false, ttl
	}
}

func delegated(m *matter) *matter {
	m.Base.Zones = append(m.Base.Zones, monitor.Delegation{Span: days, Zone: "partner.example.", Nameservers: []string{"ns1.partner.example."}})
	return m
}

// TestAssaults judges attacks that bring no answer which contradicts another, and what
// looks like one.
func TestAssaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		given *matter
		want  string
	}{
		{"ids are guessed, and the answer is right", strayed(monitor.Strays{WrongID: 5}), "clean; resp.txid_storm 30 local invalid IP; alert attack_attempt"},
		{"ids are guessed, and nothing is known of the answer", newMatter().hears(overheard(func(s *monitor.Sample) { s.Noise = &monitor.Noise{WrongIDs: 100} }, good(goodAddr))), "suspect; attack_attempt probable 30; div.addr_unknown 0 local 192.0.80.10, resp.txid_storm 30 local invalid IP; alert attack_attempt"},
		{"ports are searched again and again", noisy(monitor.Noise{Sweeps: 3, SweptPorts: 50}), "clean; resp.port_sweep 30 local invalid IP; alert attack_attempt"},
		{"ports are searched once", noisy(monitor.Noise{Sweeps: 1, SweptPorts: 50}), "clean; resp.port_sweep 15 local invalid IP"},
		{"ports are searched once, and the address is new", learntMatter().hears(overheard(func(s *monitor.Sample) { s.Noise = &monitor.Noise{Sweeps: 1, SweptPorts: 50, Unsolicited: 50} }, good(fresh))), "unknown no_proof; div.addr_unknown 5 local 192.0.99.1, resp.unsolicited 5 local invalid IP, resp.port_sweep 15 local invalid IP"},
		{"fragments are sprayed, and the answer came in one", noisy(monitor.Noise{Orphans: 100, Sprayed: 100}), "clean; frag.dns 15 local invalid IP"},
		{"fragments are sprayed, and the answer came in fragments", inFragments(monitor.Noise{Orphans: 100, Sprayed: 100}), "suspect; attack_attempt suspected 30; frag.dns 30 local invalid IP; alert attack_attempt"},
		{"all is odd with one right answer", odd(goodAddr, everythingOdd), "clean"},
		{"all is odd with one answer that is new", odd(fresh, everythingOdd), "unknown no_proof; div.addr_unknown 5 local 192.0.99.1, resp.ip_ttl 15 local invalid IP, resp.too_fast 15 local invalid IP, resp.header_profile 30 local invalid IP, l2.source_changed 15 local invalid IP, resp.malformed 15 local invalid IP"},
		{"a flood of names that are not there, and queries over TCP", noisy(monitor.Noise{Labels: 1000, Domain: "example.com.", Fallbacks: 100, Unsolicited: 1000}), "clean; resp.unsolicited 5 local invalid IP, tcp.without_tc 5 local invalid IP, kaminsky.burst 5 local invalid IP"},
		{"ids are guessed, and the answer is proven false", learntMatter().wrong(func(m *matter) {
			m.hears(overheard(func(s *monitor.Sample) { s.Noise = &monitor.Noise{WrongIDs: 100} }, good(evilAddr)))
		}), "suspect; resolver_cache probable 95; div.addr_unknown 5 local 192.0.66.66, div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 60 local 192.0.66.66, id.tls_mismatch 60 local 192.0.66.66, resp.txid_storm 30 local invalid IP; alert resolver_cache"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, told(&tt.given.Case)); diff != "" {
				t.Errorf("judgement (-want +got):\n%s", diff)
			}
		})
	}
}

// everythingOdd deviates in all that a manner holds.
func everythingOdd(_ *monitor.Sample, o *monitor.Observation) {
	o.Packet.HopLimit, o.Packet.MAC, o.Packet.Traits, o.Packet.Broken = 200, forgedLook.mac, 0, "octets behind its last record"
	o.RTT = monitor.Milliseconds(time.Millisecond)
}

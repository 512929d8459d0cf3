//go:build lab

package lab

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// rounds of witnesses are up to 54 s apart in the lab's time: what a witness alone
// says is seen no sooner.
const witnessed = 90 * time.Second

// nothing is the cause of a case in which all has happened before.
var nothing = lasting(func(*Run) error { return nil })

// pathCases are about lies told by resolvers, on the path to them, or by authorities.
var pathCases = []Case{
	{
		ID: "A09", Title: "the router sends UDP to port 53 to a resolver that lies", Core: true, Name: "www.bank.lab",
		Cause: divert(udp53, "www.bank.lab"), Verdict: monitor.Poisoned,
		Want: []Want{{Kind: monitor.PathRewritten, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtPath}},
		Must: []string{"div.plain_path_uniform", "id.tls_mismatch", "path.dead_resolver_answers", "path.identity"},
	},
	{
		ID: "A10", Title: "the router sends UDP and TCP to port 53 to a resolver that lies", Name: "www.bank.lab",
		Cause: proved(divert(all53, "www.bank.lab"), asks(world.Pub1Addr, "www.bank.lab", world.EvilAddr, "+tcp")), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.PathRewritten, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtPath}},
		Must: []string{"div.plain_path_uniform", "div.transport_split", "id.tls_mismatch", "path.dead_resolver_answers"},
		// The walk goes the same way, so it must not speak.
		MustNot: []string{"walk.contradiction"},
	},
	{
		ID: "A11", Title: "the router diverts UDP to port 53, and refuses DNS over TLS and HTTPS", Name: "www.bank.lab",
		Cause: proved(both(blockEncrypted, divert(udp53, "www.bank.lab")), refused(world.Pub1Addr+":443", world.Pub2Addr+":853")), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want:   []Want{{Kind: monitor.PathRewritten, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtPath}},
		Must:   []string{"id.tls_mismatch", "path.dead_resolver_answers"},
		Listed: []Want{{Kind: "path_redirected", Severity: "medium", Name: "*"}},
	},
	{
		// No dead resolver is asked in routine, only to confirm what is suspected: so
		// it may stay unnoticed, and must not be taken for poison.
		ID: "A12", Title: "the router sends UDP to port 53 to a resolver that is honest", Core: true,
		Cause:  proved(divert(udp53), asks("192.0.2.53", "mail.bank.lab", "198.18.60.13")),
		Listed: []Want{{Kind: "path_redirected", Severity: "medium", Name: "*"}}, Then: lieToo,
	},
	{
		// Nothing answers where no resolver is: from where the resolvers ask is all that shows it.
		// He is honest; the false answer is the provider's, and is told as such.
		ID: "A12b", Title: "the router sends what goes in plain to public resolvers alone to an honest one, and the provider's cache is poisoned", Name: "api.iot.lab",
		Config: asksWhoami, Before: whoami, Start: monitor.Clean,
		Cause: both(divert("ip daddr 198.18.11.0-198.18.14.255 "+udp53), poisonProvider("api.iot.lab", world.EvilAddr, 300)), Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Probable, Severity: "high", Attribution: monitor.AtResolver}},
		Must: []string{"div.minority_group", "walk.contradiction", "path.identity"}, MustNot: []string{"path.dead_resolver_answers"},
		Also: weighs("path.identity", 30),
	},
	{
		// An alert about the network is about no name.
		ID: "A13", Title: "DNS over TLS is answered under a certificate that nobody trusts", Cause: proved(inspectDoT, untrusted),
		Want:  []Want{{Kind: "tls_mitm", Severity: "medium", Name: "*"}},
		Must:  []string{"path.encrypted_mitm"},
		Limit: witnessed, Also: silent("pub2", "pub3"),
	},
	{
		// The certificate is wrong, and the walk does not find the address either.
		ID: "A19", Title: "a witness's cache is poisoned, TTL of a day", Core: true,
		Cause: poisonPub2("www.shop.lab", 86400),
		Want:  []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "medium", Attribution: monitor.AtResolver, Resolver: "pub2"}},
		Must:  []string{"div.minority_group", "id.tls_mismatch", "ttl.over_envelope", "walk.contradiction"},
		Limit: witnessed,
	},
	{
		ID: "A20", Title: "the provider's cache is poisoned, TTL as the zone's", Core: true,
		Cause: poisonProvider("www.shop.lab", world.EvilAddr, 300), Verdict: monitor.Poisoned,
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Must: []string{"div.addr_unknown", "id.tls_mismatch", "walk.contradiction"}, MustNot: []string{"ttl.over_envelope"},
	},
	{
		// Nothing says whose an address is, but the walk, the other resolvers, and a
		// TTL that the zone never gave. That confirms, and is high at most.
		ID: "A21", Title: "the provider's cache is poisoned for a name without TLS or signature, TTL of a day", Name: "api.iot.lab",
		Cause: poisonProvider("api.iot.lab", world.EvilAddr, 86400), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "high", Attribution: monitor.AtResolver}},
		Must: []string{"div.minority_group", "walk.contradiction", "ttl.over_envelope"},
	},
	{
		ID: "A22", Title: "the provider's cache is poisoned for a name without TLS or signature, TTL as the zone's", Name: "api.iot.lab",
		Cause: poisonProvider("api.iot.lab", world.EvilAddr, 300), Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Probable, Severity: "high", Attribution: monitor.AtResolver}},
		Must: []string{"div.minority_group", "walk.contradiction"}, MustNot: []string{"ttl.over_envelope"},
		Also: allOf(neverConfirmed, reasoned("ttl.early_replace", "ttl.backdated")),
	},
	{
		// What A22 is but for that: of four witnesses three are one, and two voices do not
		// tell who is alone. The zone's servers alone speak against it: that is odd.
		ID: "C63", Title: "as A22, and three of the four witnesses ask another for everything", Name: "api.iot.lab",
		Config: asksWhoami,
		Before: both(whoami,
			configure("pub3", "policy.add(policy.all(policy.FORWARD('"+world.Pub2Addr+"')))"), configure("pub4-rec", "forward-zones-recurse=.="+world.Pub2Addr)),
		Start: monitor.Clean, Cause: poisonProvider("api.iot.lab", world.EvilAddr, 300), Verdict: monitor.Suspicious, Better: true, Seen: []string{world.EvilAddr},
		Then: divert(udp53, "www.shop.lab"), Last: onShop,
	},
	{
		// All of it is written by hand, for one type alone, past the cache's own limit.
		ID: "C71", Title: "behind a cache that keeps nothing for long, a name leads to somebody else's, for IPv4 alone, with TTLs that differ", Name: "six.shop.lab",
		Config: Config{Watches: append([]string{"{name: six.shop.lab, types: [A, AAAA], interval: 20s}"}, usualWatches...)},
		Before: both(configure("isp", "  cache-max-ttl: 10"), lasting(fresh)), Start: monitor.Clean,
		Cause: between("isp", patchwork("six.shop.lab."), nil), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Must: []string{"id.tls_mismatch"},
		Also: reasoned("div.cname_foreign", "div.rrtype_incoherent", "ttl.mixed_in_rrset", "ttl.over_cap"),
	},
	{
		// Without the table this host's answer would be suspect: nobody else has it.
		ID: "C70", Title: "a name without TLS has another address for this host alone, in the network that it is known in by the table", Name: "api.iot.lab",
		Config: Config{More: "asn: {file: /run/lab/common/asn.csv}"}, Before: noAuthority, Start: monitor.Clean,
		Cause: poisonProvider("api.iot.lab", "198.18.61.77", 300), Verdict: monitor.Unknown, Better: true, Seen: []string{"198.18.61.77"},
		Then: divert(udp53, "www.shop.lab"), Last: onShop,
	},
	{
		// That the other caches of the same address are right is no excuse for it.
		ID: "A23", Title: "one of four caches behind the provider's address is poisoned",
		Before: standing(both(pool, directly)), Start: monitor.Clean, Cause: poisonPool, Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Must: []string{"div.minority_group", "id.tls_mismatch"},
		Also: lasts(15 * time.Second),
	},
	{
		ID: "A24", Title: "a witness that does not validate gives a forged address beside the genuine signature", Name: "www.bank.lab",
		Cause: proved(instead(func(h inject.Handler) inject.Handler { return inject.WrongRRSIG("www.bank.lab", evilAddrs, h) }),
			gaveForged(world.Pub3Addr, "www.bank.lab", true)),
		Want:  []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "medium", Attribution: monitor.AtResolver, Resolver: "pub3"}},
		Must:  []string{"dnssec.bogus_here"},
		Limit: witnessed,
	},
	{
		ID: "A24b", Title: "a witness that does not validate gives a forged address without signature", Name: "www.bank.lab",
		Cause: proved(instead(func(h inject.Handler) inject.Handler {
			return inject.StripDNSSEC(inject.WrongRRSIG("www.bank.lab", evilAddrs, h))
		}), gaveForged(world.Pub3Addr, "www.bank.lab", false)),
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "medium", Attribution: monitor.AtResolver, Resolver: "pub3"}},
		Must: []string{"dnssec.stripped"}, MustNot: []string{"dnssec.bogus_here"},
		Limit: witnessed,
	},
	{
		ID: "A25", Title: "the provider denies a name that is signed", Name: "www.bank.lab",
		Cause: proved(denied("www.bank.lab", inject.Denial{Rcode: dns.RcodeNameError}), asks(world.RouterAddr, "www.bank.lab", "NXDOMAIN")), Verdict: monitor.Poisoned,
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Must: []string{"dnssec.bogus_here"},
	},
	{
		ID: "A25b", Title: "the provider denies a name that is not signed",
		Cause: proved(denied("www.shop.lab", inject.Denial{Rcode: dns.RcodeNameError}), asks(world.RouterAddr, "www.shop.lab", "NXDOMAIN")), Verdict: monitor.Unknown,
		Want: []Want{{Kind: "denial", Severity: "low"}},
		Must: []string{"div.denial"},
	},
	{
		// No random name is asked in routine: as with A12, it may stay unnoticed.
		ID: "A31", Title: "the provider gives an address of its own where a name does not exist",
		Cause: proved(front(func(h inject.Handler) inject.Handler { return inject.RewriteNX(addr(world.EvilAddr), 60, true, h) }),
			asks(world.RouterAddr, "nosuchname.shop.lab", world.EvilAddr)),
		Listed: []Want{{Kind: "nxdomain_rewrite", Severity: "low", Name: "*"}},
	},
	{
		ID: "A32", Title: "the authority gives a public address and a private one by turns",
		Cause: authorities("shop.lab", func(h inject.Handler) inject.Handler {
			return inject.Rotate("www.shop.lab", []netip.Addr{addr("198.18.60.20"), addr("192.168.1.1")}, 1, h)
		}),
		Want: []Want{{Kind: monitor.Rebinding, Severity: "medium"}}, Verdict: monitor.Unknown, Reason: monitor.CauseNoProof,
		Must: []string{"div.special_purpose"}, Seen: []string{"198.18.60.20", "192.168.1.1"},
	},
	{
		// The registrar's account is stolen: DS gone, other name servers, and a
		// certificate of a minute. All resolvers follow, and nobody can prove more.
		ID: "A33", Title: "the delegation is stolen, and the thief has a fresh certificate", Name: "www.bank.lab",
		Cause: proved(both(
			falseAuthority(world.EvilAddr, "bank.lab", "@ NS ns1.parked.lab.\n"), freshCertificate("bank.lab", "*.bank.lab"),
			redelegate("bank.lab", `bank\.lab\. IN DS .*`, ";", "bank NS ns1.bank", "bank NS ns1.parked", "ns1.bank A "+world.ZonesAddr, "ns1.parked A "+world.EvilAddr)),
			everybody("www.bank.lab", world.EvilAddr)),
		Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.AuthorityHijack, Severity: "high", Attribution: monitor.AtAuthority}},
		Must: []string{"deleg.ns_changed", "deleg.ds", "cert.fresh_unexpected"},
	},
	{
		// As A33, at the registry alone: the servers keep their names.
		ID: "C80", Title: "the servers of a zone are elsewhere under their old names, and the thief has a fresh certificate", Name: "www.bank.lab",
		Cause: proved(both(
			falseAuthority(world.EvilAddr, "bank.lab", "@ NS ns1\n"), freshCertificate("bank.lab", "*.bank.lab"),
			redelegate("bank.lab", `bank\.lab\. IN DS .*`, ";", "ns1.bank A "+world.ZonesAddr, "ns1.bank A "+world.EvilAddr)),
			everybody("www.bank.lab", world.EvilAddr)),
		Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.AuthorityHijack, Severity: "high", Attribution: monitor.AtAuthority}},
		Must: []string{"deleg.glue", "deleg.ds", "cert.fresh_unexpected"}, MustNot: []string{"deleg.ns_changed"},
	},
	{
		ID: "C81", Title: "as A33, and the thief's servers name others than the registry does", Name: "www.bank.lab",
		Cause: proved(both(
			falseAuthority(world.EvilAddr, "bank.lab", "@ NS ns1.parted.lab.\n"), freshCertificate("bank.lab", "*.bank.lab"),
			redelegate("bank.lab", `bank\.lab\. IN DS .*`, ";", "bank NS ns1.bank", "bank NS ns1.parked", "ns1.bank A "+world.ZonesAddr, "ns1.parked A "+world.EvilAddr)),
			everybody("www.bank.lab", world.EvilAddr)),
		Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.AuthorityHijack, Severity: "high", Attribution: monitor.AtAuthority}},
		Must: []string{"deleg.parent_child", "deleg.ns_changed"},
	},
	{
		// Fifty answers are needed before a validator is known to be one.
		ID: "C82", Title: "a resolver that validates is no longer who answers", Name: "www.bank.lab",
		Config: Config{Watches: []string{"{name: www.bank.lab, types: [A], interval: 10s}"}},
		Before: directly, Cause: both(patient(45*time.Second), divert(udp53, "www.bank.lab")), Verdict: monitor.Poisoned,
		Want: []Want{{Kind: monitor.PathRewritten, Confidence: monitor.Confirmed}}, Must: []string{"dnssec.ad_lost"}, Limit: 2 * time.Minute,
	},
	{
		ID: "A34", Title: "the route to one of two authoritative servers is hijacked",
		Cause: both(
			anewAtLast, hijackRoute,
			falseAuthority(world.Zones2Addr, "shop.lab", "@ NS ns1\n@ NS ns2\nns1 A "+world.ZonesAddr+"\nns2 A "+world.Zones2Addr+"\n"),
			askHijacked),
		Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.AuthorityHijack, Confidence: monitor.Confirmed, Severity: "high", Attribution: monitor.AtAuthority}},
		Must: []string{"auth.ns_split", "id.tls_mismatch"},
		Also: saysServer("ns2.shop.lab", world.Zones2Addr),
	},
	{
		// The content is right, and somebody sees who talks to whom.
		ID: "A35", Title: "the path leads four names to an address that relays TLS to the genuine servers",
		Cause: proved(both(relaySNI, divert(udp53, relayed...)), genuine("www.shop.lab", "www.bank.lab")), Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: "path_relay", Severity: "medium", Attribution: monitor.AtPath, Name: "*"}},
		Must: []string{"div.sni_relay", "div.plain_path_uniform"}, MustNot: []string{"id.tls_mismatch"},
	},
	{
		// pub1 keeps to servers that the parent no longer names, as caches do that
		// refresh a delegation from the child, and does not validate that.
		ID: "A36", Title: "a delegation is gone, and one witness keeps it alive",
		Cause: proved(both(
			configure("pub1", "  domain-insecure: shop.lab\nstub-zone:\n  name: shop.lab\n  stub-addr: "+world.ZonesAddr),
			redelegate("shop.lab", "shop NS ns1.shop", ";", "shop NS ns2.shop", ";", "ns1.shop A "+world.ZonesAddr, ";", "ns2.shop A "+world.Zones2Addr, ";")),
			asks(world.RouterAddr, "www.shop.lab", "NXDOMAIN"), asks(world.Pub2Addr, "www.shop.lab", "NXDOMAIN"), alive(world.Pub1Addr, "www.shop.lab")),
		// Once a quorum denies the name, that it has no address is what everybody says.
		Verdict: monitor.Unknown, Better: true, Listed: []Want{{Kind: "posture", Severity: "low", Name: "*"}},
		Then: divert(udp53, "www.shop.lab"),
	},
	{
		// The certificate is still right: what the provider gives is old, and nobody's lie.
		ID: "A36b", Title: "a delegation is gone, and the provider keeps it alive",
		Cause: both(proved(both(
			configure("isp", "  domain-insecure: shop.lab\nstub-zone:\n  name: shop.lab\n  stub-addr: "+world.ZonesAddr),
			redelegate("shop.lab", "shop NS ns1.shop", ";", "shop NS ns2.shop", ";", "ns1.shop A "+world.ZonesAddr, ";", "ns2.shop A "+world.Zones2Addr, ";")),
			asks(world.Pub1Addr, "www.shop.lab", "NXDOMAIN"), asks(world.Pub2Addr, "www.shop.lab", "NXDOMAIN"), alive(world.RouterAddr, "www.shop.lab")),
			asking("www.shop.lab")),
		Also: reasoned("ttl.ghost"), Then: divert(udp53, "www.shop.lab"),
	},
	{
		// A portal that lets DNS over HTTPS pass is none.
		ID: "A37", Title: "the attacker poses as a captive portal, while DNS over HTTPS works",
		Cause: proved(both(portal, divert(udp53, "#")), asks(world.RouterAddr, "mail.bank.lab", world.EvilAddr), portalShown), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want:   []Want{{Kind: monitor.PathRewritten, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtPath}},
		Listed: []Want{{Kind: monitor.PathRewritten, Name: "*"}},
		Must:   []string{"div.plain_path_uniform", "id.tls_mismatch", "path.dead_resolver_answers"},
	},
	{
		// Who poisons may claim that it is a block.
		ID: "A38", Title: "the provider blocks a name, and says so, and nobody has declared it",
		Cause: proved(denied("www.shop.lab", inject.Denial{
			Addrs: []netip.Addr{addr("0.0.0.0")}, TTL: 60, EDE: &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeBlocked},
		}), blocked),
		Verdict: monitor.Unknown, Seen: []string{"0.0.0.0"},
		Want:    []Want{{Kind: "policy_block", Severity: "low"}},
		MustNot: []string{"id.tls_mismatch"},
	},
	{
		// A38, but for the declaration.
		ID: "C64", Title: "the provider blocks a name that a declared policy blocks", Config: blocking,
		Cause:   both(configure("isp", "  local-zone: www.shop.lab always_nxdomain"), lasting(fresh), proved(nothing, asks(world.RouterAddr, "www.shop.lab", "NXDOMAIN"))),
		Verdict: monitor.Unknown, Reason: monitor.CauseWithheld, Then: divert(udp53, "www.bank.lab"), Last: onBank,
	},
	{
		ID: "C65", Title: "the provider's cache is poisoned for a name that a declared policy blocks", Config: blocking,
		Cause: poisonProvider("www.shop.lab", world.EvilAddr, 300), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Must: []string{"id.tls_mismatch"},
	},
	{
		ID: "A40", Title: "a witness lies from before the first start on", Core: true,
		Before: poisonPub2("www.shop.lab", 300), Start: monitor.Clean, Cause: nothing,
		Want:  []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "medium", Attribution: monitor.AtResolver, Resolver: "pub2"}},
		Must:  []string{"div.minority_group", "id.tls_mismatch"},
		Limit: witnessed, Also: neverExpected(world.EvilAddr),
	},
	{
		ID: "C56", Title: "the provider has an address for every name that nobody has, and a false one for a shop",
		Cause: proved(both(front(func(h inject.Handler) inject.Handler { return inject.RewriteNX(addr(world.EvilAddr), 60, false, h) }), poisonProvider("www.shop.lab", world.EvilAddr, 300)),
			asks(world.RouterAddr, "nosuchname.shop.lab", world.EvilAddr)), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Must: []string{"nx.rewrite", "id.tls_mismatch"},
	},
	{
		// Of three owners, in three networks: nothing else would have them meet.
		ID: "C54", Title: "the provider leads three names of different owners, without TLS, to one address", Name: "api.iot.lab",
		Config: watching(watch("api.iot.lab", "tls: off"), watch("meter.shop.lab", "tls: off"), watch("feed.cdn.lab", "tls: off")),
		Before: both(added("shop.lab", "meter", "198.18.20.30"), cdnZone(`\z`, "feed A 198.18.90.7\n", "isp", "pub1", "pub2", "any")), Start: monitor.Clean,
		Cause:   both(poisonProvider("api.iot.lab", world.EvilAddr, 300), poisonProvider("meter.shop.lab", world.EvilAddr, 300), poisonProvider("feed.cdn.lab", world.EvilAddr, 300)),
		Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Probable, Severity: "high", Attribution: monitor.AtResolver}},
		Must: []string{"div.shared_sink", "div.minority_group"}, Listed: []Want{{Kind: monitor.ResolverCache, Attribution: monitor.AtResolver, Name: "*"}},
	},
}

// whoami is a name that is answered with the address that asks, and asksWhoami has
// resolvers asked for it.
var (
	whoami     = hosted("whoami", "198.18.50.8", inject.Whoami)
	asksWhoami = Config{More: "probes: {whoami: [whoami.shop.lab]}"}
)

// blocking declares a policy that blocks www.shop.lab.
var blocking = Config{More: "policy: {rpz: [feed.zone]}", Files: map[string]string{
	"feed.zone": "$ORIGIN rpz.lab.\n$TTL 300\n@ SOA localhost. root.localhost. 1 3600 600 86400 300\n@ NS localhost.\n*.shop.lab CNAME .\n",
}}

// onBank is what the wire must tell of the bank.
var onBank = []Want{{Kind: monitor.PathRewritten, Confidence: monitor.Confirmed, Name: "www.bank.lab"}}

// relayed are the names that A35 leads astray: of three owners, in three networks.
var relayed = []string{"www.shop.lab", "www.bank.lab", "edge.cdn.lab", "rr.cdn.lab"}

// standing is a cause that stays when the others are undone.
func standing(c Cause) Cause {
	return func(r *Run) (world.Undo, error) {
		_, err := c(r)
		return world.Nothing, err
	}
}

// denied has the provider deny a name.
func denied(name string, d inject.Denial) Cause {
	return front(func(h inject.Handler) inject.Handler { return inject.Deny(name, d, h) })
}

// proved is a cause together with checks that it has its effect on this host.
func proved(c Cause, checks ...func(r *Run) error) Cause {
	return both(c, lasting(func(r *Run) error { return allOf(checks...)(r) }))
}

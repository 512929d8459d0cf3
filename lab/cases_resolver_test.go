//go:build lab

package lab

import (
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// Kinds of the matrix.
const (
	policyBlock monitor.Kind = "policy_block"
	posture     monitor.Kind = "posture"
)

// elsewhere ends a case that may have an alert about its name with an attack on
// another one: on the same name it would be the same alert.
var (
	elsewhere    = poisonProvider("www.shop.lab", world.EvilAddr, 3600)
	hitElsewhere = []Want{{Kind: monitor.ResolverCache, Name: "www.shop.lab"}}
)

// insideAddr is on the LAN.
const insideAddr = "10.77.0.21"

// filtering are the usual resolvers, and one that blocks names. more are further keys of it.
func filtering(more string) []string {
	return append(append([]string{}, usualResolvers...), "{name: filter, address: "+filterAddr+", transport: dot, tls_name: dns.pub4.lab"+more+"}")
}

// filteredWatches are the usual names, and one with a sink for IPv6.
var filteredWatches = append(append([]string{}, usualWatches...), "{name: six.shop.lab, types: [A, AAAA], interval: 20s}")

// dotResolvers and dohResolvers ask all witnesses in one way.
var (
	dotResolvers = witnessesOver("dot")
	dohResolvers = witnessesOver("doh")
)

func witnessesOver(transport string) []string {
	list := []string{"system"}
	for i, addr := range []string{world.Pub1Addr, world.Pub2Addr, world.Pub3Addr, world.Pub4Addr} {
		list = append(list, "{name: "+witnesses[i]+", address: "+addr+", transport: "+transport+", tls_name: dns."+witnesses[i]+".lab}")
	}
	return list
}

// provenWatches are the usual names that serve TLS.
var provenWatches = usualWatches[:4]

// sixWatches are names with IPv4 addresses alone, asked for both.
var sixWatches = []string{
	"{name: www.shop.lab, types: [A, AAAA], interval: 20s}",
	"{name: v4only.bank.lab, types: [A, AAAA], interval: 20s}",
	"{name: api.iot.lab, types: [A, AAAA], interval: 20s, tls: off}",
}

// slowWatches are the usual names, asked for as often as patience of seconds allows.
var slowWatches = []string{
	"{name: www.shop.lab, types: [A], interval: 60s}",
	"{name: www.bank.lab, types: [A], interval: 60s}",
	"{name: edge.cdn.lab, types: [A], interval: 60s}",
	"{name: api.iot.lab, types: [A], interval: 60s, tls: off}",
}

// resolverCases are about resolvers and zones with habits of their own.
var resolverCases = []Case{
	{
		ID: "B07", Title: "the LAN has its own address for a public name, with a certificate of a CA that is trusted here",
		Config: Config{Roots: []string{"corp-ca"}},
		Before: both(site("router", "lan0", insideAddr, world.Certificate{CA: "corp-ca", Names: []string{"www.shop.lab"}}), routerSays("www.shop.lab", insideAddr)),
		Start:  monitor.Clean, Seen: []string{insideAddr}, Then: divert(all53, "www.shop.lab"),
	},
	{
		ID: "B08", Title: "the LAN has a name of its own, with a certificate that signs itself, since the first run", Name: "intranet.shop.lab",
		Config:  Config{Watches: append([]string{watch("intranet.shop.lab")}, usualWatches...)},
		Before:  both(site("router", "lan0", insideAddr, world.Certificate{Names: []string{"intranet.shop.lab"}}), routerSays("intranet.shop.lab", insideAddr)),
		Verdict: monitor.Unknown, Better: true, Seen: []string{insideAddr},
		Then: divert(all53, "intranet.shop.lab"),
	},
	{
		ID: "B09", Title: "the provider makes IPv6 addresses for names that have none, under 64:ff9b::/96", Config: Config{Watches: sixWatches},
		Before: dns64("64:ff9b::/96"), Start: monitor.Clean, Seen: []string{"64:ff9b::c612:3c14"}, Also: clean("v4only.bank.lab", "api.iot.lab"),
	},
	{
		ID: "B09b", Title: "the provider makes IPv6 addresses for names that have none, under a prefix of its own", Config: Config{Watches: sixWatches},
		Before: dns64("2001:db8:64:64::/96"), Start: monitor.Clean, Seen: []string{"2001:db8:64:64::c612:3c14"}, Also: clean("v4only.bank.lab", "api.iot.lab"),
	},
	{
		ID: "B20", Title: "a witness that is declared to filter blocks names in four ways", Config: Config{Watches: filteredWatches, Resolvers: filtering(", filtering: true")},
		Before: filterResolver, Start: monitor.Clean, Cause: asking("www.shop.lab", "www.bank.lab", "edge.cdn.lab", "six.shop.lab"),
		Also: clean("www.bank.lab", "edge.cdn.lab", "six.shop.lab"),
	},
	{
		ID: "B20b", Title: "a witness blocks names in four ways, and is not declared to filter", Config: Config{Watches: filteredWatches, Resolvers: filtering("")},
		Cause: both(filterResolver, asking("www.shop.lab", "www.bank.lab", "edge.cdn.lab", "six.shop.lab")),
		// The filter is gone with its cause, and a resolver that is silent clears nothing.
		Keep: true,
		Want: []Want{{Kind: policyBlock, Severity: "low", Resolver: "filter", Name: "*"}}, Listed: []Want{{Kind: policyBlock, Severity: "low", Name: "*"}},
	},
	{
		ID: "B30", Title: "a witness fails or is silent for 30 % of questions", Core: true,
		Cause: both(between("pub2", unreliable, failing), asking("www.shop.lab", "api.iot.lab")),
	},
	{
		ID: "B30b", Title: "one witness hangs", Cause: both(freeze("pub2"), asking("www.shop.lab", "api.iot.lab")),
	},
	{
		ID: "B31", Title: "the provider and a witness fail the first question for each name after a restart",
		Cause: both(lasting(func(r *Run) error { return r.w.Service("pub3").Restart() }), between("isp", coldStart, coldAt), between("pub3", coldStart, coldAt),
			asking("www.shop.lab", "api.iot.lab"), lasting(func(r *Run) error { return r.w.Service("router").Process().Signal(hangup) })),
	},
	{
		ID: "B38", Title: "every name under the zone exists, the random ones too", Name: "spare.shop.lab",
		Config: Config{Watches: append([]string{watch("spare.shop.lab"), watch("spare.wild.bank.lab", "tls: off")}, usualWatches...)},
		Before: wildcard, Start: monitor.Clean, Cause: asking("spare.shop.lab", "spare.wild.bank.lab"), Seen: []string{"198.18.60.20"},
	},
	{
		ID: "B39", Title: "the signatures of a zone run out", Name: "www.bank.lab", Cause: expired, Verdict: monitor.Unknown,
		// Witnesses are asked every 15 minutes, which is 45 s here.
		Also: noticedWithin(75*time.Second, monitor.ZoneBogus),
		Then: divert(all53, "www.bank.lab"),
	},
	{
		ID: "B40", Title: "the router strips DNSSEC and EDNS from day one", Before: between("router", stripped, bare), Start: monitor.Clean,
		Listed: []Want{{Kind: posture, Severity: "low", Name: "*"}}, Also: clean("www.bank.lab"),
	},
	{
		ID: "B43", Title: "a new node of the CDN refuses connections", Name: "edge.cdn.lab", Cause: both(dead("reject with tcp reset"), node(deadAddr)),
		Verdict: monitor.Suspicious, Better: true, Listed: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Suspected, Severity: "medium"}},
		Seen: []string{deadAddr}, Also: closes, Then: elsewhere, Last: hitElsewhere,
	},
	{
		ID: "B43b", Title: "a new node of the CDN does not answer", Name: "edge.cdn.lab", Cause: both(dead("drop"), node(deadAddr)),
		Verdict: monitor.Suspicious, Better: true, Listed: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Suspected, Severity: "medium"}},
		Seen: []string{deadAddr}, Also: closes, Then: elsewhere, Last: hitElsewhere,
	},
	{
		ID: "B46", Title: "of four witnesses one is down and one filters, while a name without TLS moves", Name: "api.iot.lab",
		Cause: both(twoWitnesses, asking("api.iot.lab")), Verdict: monitor.Suspicious, Better: true, Seen: []string{world.Web2Addr},
		Then: elsewhere, Last: hitElsewhere,
	},
	{
		ID: "B47", Title: "a special-use name is denied by Knot Resolver", Name: "x.test",
		Config: Config{Watches: append([]string{watch("x.test")}, usualWatches...)},
		Before: specialUse, Cause: asking("x.test"), Verdict: monitor.Unknown, Better: true,
		Then: divert(all53, "www.shop.lab"), Last: []Want{{Kind: monitor.PathRewritten, Name: "www.shop.lab"}, {Kind: monitor.ResolverCache, Name: "www.shop.lab"}},
	},
	{
		ID: "B50", Title: "the provider alone sends a name to a block page that nobody declared",
		Cause: both(site("isp", "eth0", "198.18.1.80", world.Certificate{Names: []string{"block.isp.lab"}}), blockPage("www.shop.lab", "198.18.1.80")),
		Want:  []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}}, Verdict: monitor.Poisoned,
		Must: []string{"id.tls_mismatch"}, Seen: []string{"198.18.1.80"}, Also: says("or undeclared filtering"),
	},
	{
		ID: "B51", Title: "a genuine node of the CDN, given to one resolver only, shows a wrong certificate", Name: "edge.cdn.lab",
		Cause: both(misprovisioned, node(misprovisionedAddr)), Verdict: monitor.Suspicious, Better: true, Seen: []string{misprovisionedAddr},
		Listed: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Suspected}, {Kind: monitor.ResolverCache, Confidence: monitor.Probable}}, Also: closes,
		Then: elsewhere, Last: hitElsewhere,
	},
	{
		ID: "C01", Title: "150 ms and 20 % loss on the way to the provider and the witnesses", Lapse: 3,
		Config: Config{Watches: slowWatches, Resolvers: dotResolvers}, Before: far, Start: monitor.Clean,
	},
	{
		ID: "C02", Title: "a public name gets a private address here, with its certificate (PrivateLink)",
		Cause: both(site("router", "lan0", insideAddr, world.Certificate{CA: "lab-ca", Names: []string{"www.shop.lab"}}), routerSays("www.shop.lab", insideAddr)),
		Seen:  []string{insideAddr}, Then: divert(all53, "www.shop.lab"),
	},
	{
		ID: "C03", Title: "a public name gets a private address here, and nothing there has a certificate",
		Cause: routerSays("www.shop.lab", insideAddr), Verdict: monitor.Unknown,
		Want: []Want{{Kind: monitor.Rebinding, Severity: "medium"}}, Must: []string{"div.special_purpose"}, Seen: []string{insideAddr},
	},
	{
		ID: "C04", Title: "a firewall leaves the provider as the only path, and certificates are old enough", Config: Config{Watches: provenWatches},
		Before: both(firewall("ip daddr 198.18.11.0-198.18.14.255"), unreachable(world.Pub1Addr+":53", world.Pub2Addr+":853", world.Pub4Addr+":443")),
		Start:  monitor.Clean, Also: proven("certificate, no witness"),
	},
	{
		ID: "C05", Title: "a filter on this host answers a name with this host's address", Before: agent, Start: monitor.Clean,
		Cause: agentBlocks("www.shop.lab", world.ClientAddr), Verdict: monitor.Unknown,
		Want: []Want{{Kind: policyBlock, Severity: "low"}}, Seen: []string{world.ClientAddr},
	},
	{
		ID: "C05b", Title: "a filter on this host answers a name with 0.0.0.0", Before: agent, Start: monitor.Clean,
		Cause: agentBlocks("www.shop.lab", "0.0.0.0"), Verdict: monitor.Unknown,
		Want: []Want{{Kind: policyBlock, Severity: "low"}}, Seen: []string{"0.0.0.0"},
	},
	{
		ID: "C06", Title: "a proxy is the only way out", Config: Config{Resolvers: dohResolvers}, Env: []string{"HTTPS_PROXY=http://" + proxyAddr},
		Before: both(proxy, firewall("tcp dport { 443, 853 }"), unreachable("198.18.60.20:443", world.Pub1Addr+":443", world.Pub2Addr+":853")),
		Start:  monitor.Clean,
	},
}

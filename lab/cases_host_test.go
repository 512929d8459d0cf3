//go:build lab

package lab

import (
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// Kinds of what happens near this host.
const (
	localHost  = monitor.LocalHost
	localNet   = monitor.LocalNet
	localProxy = monitor.LocalProxy
	tlsMITM    = monitor.Kind("tls_mitm")
)

// hostCases are about what happens on the client itself, and on its network.
var hostCases = []Case{
	{
		ID: "A14", Title: "a rule on this host sends port 53 to a local resolver that lies",
		Cause: both(hijack("shop.lab"), getent("www.shop.lab", world.EvilAddr)), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want:   []Want{{Kind: localHost, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtHost}},
		Listed: []Want{{Kind: localProxy, Severity: "medium", Name: "*"}}, // before anything false is heard
		Must:   []string{"resp.lo_nonlocal", "host.nat_rules", "div.plain_path_uniform", "id.tls_mismatch"},
	},
	{
		ID: "A15", Title: "the hosts file gets a line for a bank", Name: "www.bank.lab",
		Cause: both(hostsLine("www.bank.lab"), getent("www.bank.lab", world.EvilAddr)), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: localHost, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtHost}},
		Must: []string{"host.hosts_file", "host.getaddrinfo", "id.tls_mismatch"},
	},
	{
		// The change of the file says where; that it is a lie, the certificate and the
		// zone's own servers say, as of any resolver.
		ID: "A16", Title: "resolv.conf is rewritten to a resolver that lies",
		Cause: both(lyingResolver("evil", "www.shop.lab"), nameserver(world.EvilAddr), getent("www.shop.lab", world.EvilAddr)), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: localHost, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtHost}},
		Must: []string{"host.resolv_conf", "id.tls_mismatch"},
	},
	{
		ID: "A17", Title: "a rogue DHCP server gives the attacker's resolver",
		Before: dhcpClient, Start: monitor.Clean,
		Cause: both(rogueDHCP("www.shop.lab"), getent("www.shop.lab", world.EvilAddr)), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: localNet, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtLAN}},
		Must: []string{"lan.control", "host.dhcp_dns", "id.tls_mismatch"},
	},
	{
		ID: "A18", Title: "the attacker spoofs ARP, forwards, and answers DNS questions in the path", Name: "www.bank.lab",
		Cause: both(arpMITM("www.bank.lab"), getent("www.bank.lab", world.EvilAddr)), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: inMiddle,
		Must: []string{"l2.source_changed", "div.transport_split", "id.tls_mismatch"},
	},
	{
		// It knows names by their usual spelling alone: probes in mixed case get the truth.
		ID: "A18b", Title: "ettercap stands in the path, and answers for a bank", Name: "www.bank.lab",
		Cause: both(ettercap("www.bank.lab"), getent("www.bank.lab", world.EvilAddr)), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: inMiddle,
		Must: []string{"l2.source_changed", "id.tls_mismatch"},
	},
	{
		ID: "C90", Title: "a rule on this host sends port 53 to another resolver, which is honest",
		Cause: rerouted(world.Pub2Addr), Verdict: monitor.Clean, Also: answeredBy(world.Pub3Addr, "Debian"),
		Want: []Want{{Kind: localProxy, Confidence: monitor.Probable, Severity: "medium", Attribution: monitor.AtHost, Name: "*"}},
		Must: []string{"probe.no_wire"}, MustNot: []string{"resp.lo_nonlocal"},
	},
	{
		ID: "C91", Title: "a rule on this host sends port 53 to a local resolver, which is honest",
		Cause: localForwarder, Verdict: monitor.Clean,
		Want: []Want{{Kind: localProxy, Confidence: monitor.Probable, Severity: "medium", Attribution: monitor.AtHost, Name: "*"}},
		Must: []string{"resp.lo_nonlocal"},
	},
	{
		ID: "C92", Title: "a name that nobody watches is poisoned, and what was overheard tells whether this host was told the lie",
		Config: Config{More: "capture: {unwatched: hash}"},
		Cause:  both(poisonProvider("six.shop.lab", world.EvilAddr, 300), getent("six.shop.lab", world.EvilAddr)),
		Also:   remembered("six.shop.lab", world.EvilAddr),
	},
	{
		ID: "B24", Title: "a captive portal at start, then the login",
		Before: captive, Start: monitor.Unknown, Cause: login,
	},
	{
		// The clock cannot be stepped here: a time namespace leaves CLOCK_REALTIME as
		// it is. A daemon that stands still for what is seven minutes in lab time is
		// what a suspend is otherwise.
		ID: "B25", Title: "the host sleeps on a VPN, and wakes up on another network without it",
		Cause: asleep,
	},
	{
		// Acknowledged, it were an event alone.
		ID: "B36", Title: "a local proxy, not acknowledged, takes all of port 53 and is honest",
		Cause: localForwarder, Also: answeredBy(world.Pub2Addr, "dnsmasq"),
		Listed: []Want{{Kind: localProxy, Severity: "medium", Name: "*"}},
		Then:   poisonUnbound("pub1", "www.shop.lab", world.EvilAddr, 3600),
	},
	{
		ID: "B37", Title: "Docker's resolver in front of node-local caches",
		Before: both(nodeLocal, docker(serviceAddr)), Start: monitor.Clean,
		Listed: []Want{{Kind: localProxy, Severity: "medium", Name: "*"}},
		Then:   both(poisonProvider("www.shop.lab", world.EvilAddr, 3600), forgetHere("node1", "node2")),
	},
	{
		ID: "B42", Title: "all TLS is inspected, and the corporate root is trusted",
		Config: Config{Resolvers: witnessesOver("dot"), More: "tls: {roots: [/run/lab/common/lab-ca.pem, /run/lab/common/corp-ca.pem]}"},
		Before: inspected, Start: monitor.Clean,
	},
	{
		ID: "B42b", Title: "all TLS is inspected, and the corporate root is not trusted",
		Config: Config{Resolvers: witnessesOver("dot")},
		Before: inspected, Start: monitor.Unknown, Verdict: monitor.Unknown, Reason: monitor.CauseTLSInspected,
		Listed: []Want{{Kind: tlsMITM, Severity: "medium", Name: "*"}}, Also: toldOnce,
		// Whoever inspects could lie as well: what follows is found without him.
		Then: both(lasting((*Run).lift), poisonProvider("www.shop.lab", world.EvilAddr, 3600)),
	},
}

// inMiddle is what comes of an attacker who stands between this host and its router.
var inMiddle = []Want{
	{Kind: localNet, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtLAN},
	{Kind: monitor.PathInjection, Confidence: monitor.Confirmed, Severity: "critical"},
}

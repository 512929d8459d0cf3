//go:build lab

package lab

import (
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// networkCases are about networks as hosts meet them: the additions to the matrix.
var networkCases = []Case{
	{
		ID: "C07", Title: "a rogue router advertises the attacker's resolver over IPv6",
		Before: rdnssd, Start: monitor.Clean,
		Cause: both(rogueRouter("www.shop.lab"), getent("www.shop.lab", world.EvilAddr)), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: localNet, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtLAN}},
		Must: []string{"lan.control", "host.dhcp_dns", "id.tls_mismatch"},
	},
	{
		ID: "C08", Title: "the provider's cache gives a forged IPv6 address, and the true IPv4 one", Core: true, Name: "six.shop.lab",
		Config: Config{Watches: append([]string{"{name: six.shop.lab, types: [A, AAAA], interval: 20s}"}, usualWatches...)},
		Cause:  poisonProvider6("six.shop.lab", world.EvilAddr6, 300), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr6},
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Must: []string{"id.tls_mismatch"}, MustNot: []string{"ttl.over_envelope"},
	},
	{
		ID: "C09", Title: "a rogue DHCP server goes away, and the true one answers again",
		Before: dhcpClient, Start: monitor.Clean,
		Cause: rogueDHCP("www.shop.lab"), Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Want: []Want{{Kind: localNet, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtLAN}},
		Also: leased(world.AttackerAddr),
	},
	{
		ID: "C10", Title: "systemd-resolved is the stub",
		Before: both(resolved, nameserver("127.0.0.53"), getent("v4only.bank.lab", "198.18.60.12")), Start: monitor.Clean,
		Then: both(poisonProvider("www.shop.lab", world.EvilAddr, 3600), resolvedForgets),
	},
	{
		ID: "C11", Title: "Docker's resolver stands in resolv.conf", Core: true,
		Before: docker(world.RouterAddr), Start: monitor.Clean,
	},
	{
		ID: "C12", Title: "a service address stands for two node-local caches",
		Before: both(nodeLocal, nameserver(serviceAddr)), Start: monitor.Clean,
		Listed: []Want{{Kind: localProxy, Severity: "medium", Name: "*"}},
		Then:   both(poisonProvider("www.shop.lab", world.EvilAddr, 3600), forgetHere("node1", "node2")),
	},
	{
		ID: "C13", Title: "a VPN with a resolver of its own comes and goes",
		Cause: vpn, Also: vpnGoes,
	},
	{
		ID: "C66", Title: "the link comes up, and the network answers every question itself until its policy has come",
		Cause: quarantine, Seen: []string{world.EvilAddr}, Also: sawChange,
	},
	{
		ID: "C67", Title: "the provider's cache is poisoned right after the link came up",
		Cause: both(lasting(replug), poisonProvider("www.shop.lab", world.EvilAddr, 3600)), Verdict: monitor.Poisoned, Also: sawChange,
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Must: []string{"id.tls_mismatch"},
	},
	{
		ID: "C68", Title: "the certificates of a witness and of two partners are out of their time, as all are where the clock is wrong",
		// Nothing else is watched that shows a certificate: one in its time says that the clock is right.
		Config: Config{Watches: []string{usualWatches[0], usualWatches[1], usualWatches[4]}},
		Before: outdated, Start: monitor.Clean, Also: toldOf(monitor.ClockWrong),
	},
}

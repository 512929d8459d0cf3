//go:build lab

package lab

import (
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// zoneCases are about changes that this host sees first: the witnesses still hold
// what was, and only the zone itself can say that it is so.
var zoneCases = []Case{
	{
		// With its servers out of reach, only the zone's signature can say it.
		ID: "C51", Title: "a signed name without TLS moves, this host sees it first, and the zone's servers cannot be asked from here", Name: "v4only.bank.lab",
		Config: watching(watch("v4only.bank.lab", "tls: off")), Before: both(firewall("ip daddr 198.18.50.0/24"), unreachable(world.RootAddr+":53", world.ZonesAddr+":53")),
		Start: monitor.Clean, Cause: resigned("v4only", "198.18.60.12", world.Web2Addr), Seen: []string{world.Web2Addr},
		Also: lags(world.Pub1Addr, "v4only.bank.lab", "198.18.60.12"), Then: divert(udp53, "v4only.bank.lab"),
	},
}

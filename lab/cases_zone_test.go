//go:build lab

package lab

import (
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// zoneCases are about changes that this host sees first: the witnesses still hold
// what was, and only the zone itself can say that it is so.
var zoneCases = []Case{
	{
		// With its servers out of reach, only the zone's signature can say it.
		ID: "C51", Title: "a signed name without TLS moves, this host sees it first, and the zone's servers cannot be asked from here", Name: "v4only.bank.lab",
		Config: watching(watch("v4only.bank.lab", "tls: off")), Before: noAuthority, Start: monitor.Clean,
		Cause: resigned("v4only", "198.18.60.12", world.Web2Addr), Seen: []string{world.Web2Addr},
		Also: lags(world.Pub1Addr, "v4only.bank.lab", "198.18.60.12"), Then: divert(udp53, "v4only.bank.lab"),
	},
	{
		// The attack at the end is the reverse: the zone still has the record.
		ID: "C52", Title: "the owner takes a record away, and this host sees it first", Name: "six.shop.lab",
		Config: Config{Watches: append([]string{"{name: six.shop.lab, types: [AAAA], interval: 20s}"}, usualWatches...)},
		Cause:  withdrawnAhead, Verdict: monitor.Unknown, Better: true, Also: allOf(others("six.shop.lab"), holds(world.Pub1Addr, "six.shop.lab", "AAAA", world.WebAddr6)),
		Then: denied("www.shop.lab", inject.Denial{Rcode: dns.RcodeNameError}), Last: []Want{{Kind: monitor.Denial, Name: "www.shop.lab"}},
	},
	{
		ID: "C53", Title: "the owner's mail goes to another host, and this host sees it first", Name: "shop.lab",
		Config: Config{Watches: append([]string{"{name: shop.lab, types: [MX], interval: 20s}"}, usualWatches...)},
		Before: exchanger("mail1"), Start: monitor.Clean, Cause: exchangerAhead("mail1", "mail2"),
		Also: holds(world.Pub1Addr, "shop.lab", "MX", "mail1.shop.lab."),
		Then: divert(udp53, "www.shop.lab"), Last: onShop,
	},
	{
		// Before a walk is over, the lab's time is: it is suspect for a moment.
		ID: "C55", Title: "a name without TLS or signature moves, and this host sees it first", Name: "api.iot.lab",
		Cause: ahead("iot.lab", "api", "198.18.60.51 198.18.60.52", world.Web2Addr), Verdict: monitor.Suspicious, Better: true, Seen: []string{world.Web2Addr},
		Also: allOf(others("api.iot.lab"), lags(world.Pub1Addr, "api.iot.lab", "198.18.60.51")), Then: divert(udp53, "api.iot.lab"),
	},
}

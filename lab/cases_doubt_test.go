//go:build lab

package lab

import (
	"errors"
	"time"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// doubtCases are about signs that do not count: each of the clearing tests is the
// only one that keeps a sign from counting in one of them.
var doubtCases = []Case{
	{
		ID: "C43", Title: "a name without TLS moves within its network, and this host sees it first", Name: "api.iot.lab",
		Cause: ahead("iot.lab", "api", "198.18.60.51 198.18.60.52", "198.18.60.54"), Verdict: monitor.Unknown, Seen: []string{"198.18.60.54"},
		Also: lags(world.Pub1Addr, "api.iot.lab", "198.18.60.51"), Then: elsewhere, Last: hitElsewhere,
	},
	{
		ID: "C44", Title: "a name without TLS moves to where one of the witnesses was sent all along", Name: "api.iot.lab",
		Before: sends("pub1", "api.iot.lab", world.Web2Addr), Start: monitor.Clean,
		Listed: []Want{{Kind: monitor.ResolverCache, Severity: "low", Attribution: monitor.AtResolver, Resolver: "pub1"}}, // which stands alone until then
		Cause:  ahead("iot.lab", "api", "198.18.60.51 198.18.60.52", world.Web2Addr), Verdict: monitor.Unknown, Seen: []string{world.Web2Addr},
		Also: lags(world.Pub2Addr, "api.iot.lab", "198.18.60.51"), Then: elsewhere, Last: hitElsewhere,
	},
	{
		ID: "C45", Title: "a name without TLS moves, and this host sees it a moment before the witnesses", Name: "api.iot.lab",
		Cause: both(ahead("iot.lab", "api", "198.18.60.51 198.18.60.52", world.Web2Addr), told("api.iot.lab", monitor.Unknown),
			lasting(func(r *Run) error { return flushed(r, "iot.lab") })),
		Seen: []string{world.Web2Addr}, Then: divert(udp53, "api.iot.lab"),
	},
	{
		// Two witnesses are too few to say that somebody stands alone.
		ID: "C46", Title: "a name without TLS moves, this host sees it first, and what two witnesses still hold is half a minute older", Name: "api.iot.lab",
		Config: Config{Resolvers: usualResolvers[:3]},
		Cause:  ahead("iot.lab", "api", "198.18.60.51 198.18.60.52", world.Web2Addr), Verdict: monitor.Unknown, Seen: []string{world.Web2Addr},
		Also: lags(world.Pub1Addr, "api.iot.lab", "198.18.60.51"), Then: elsewhere, Last: hitElsewhere,
	},
	{
		ID: "C47", Title: "a query is sent again before its answer comes, for a name without TLS that is never the same", Name: "pulse.shop.lab",
		Config: watching(watch("pulse.shop.lab", "tls: off")), Before: pulse, Start: monitor.Unknown,
		Cause:   both(substitute("pulse.shop.lab", scattered(30*time.Millisecond)), program{talk: resent("pulse.shop.lab", 10*time.Millisecond)}.run),
		Verdict: monitor.Unknown, Also: twice("pulse.shop.lab", 10*time.Millisecond), Then: divert(udp53, "www.shop.lab"), Last: onShop,
	},
	{
		ID: "C48", Title: "a query is sent again before its answer comes, and was not heard the first time", Name: "pulse.shop.lab",
		Config: watching(watch("pulse.shop.lab", "tls: off")), Before: pulse, Start: monitor.Unknown,
		Cause:   both(substitute("pulse.shop.lab", scattered(400*time.Millisecond)), unheardOf("pulse.shop.lab"), unheardOf("pulse.shop.lab"), unheardOf("pulse.shop.lab")),
		Verdict: monitor.Unknown, Deaf: true, Also: lossy, Then: divert(udp53, "www.shop.lab"), Last: onShop,
	},
	{
		ID: "C49", Title: "a new node of the CDN shows another's certificate, and is taken out of service a moment later", Name: "edge.cdn.lab",
		Cause: both(withdrawing("198.18.1.80"), node("198.18.1.80")), Verdict: monitor.Suspicious, Better: true, Seen: []string{"198.18.1.80"},
		Listed: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Suspected, Severity: "medium"}}, Then: elsewhere, Last: hitElsewhere,
	},
	{
		// Young as it is, only what is proven could stand against the node.
		ID: "C50", Title: "a name is watched anew, most of its nodes have no TLS, and this host is sent to one that nobody else is", Name: "young.cdn.lab",
		Config: watching(), Before: both(dead("reject with tcp reset"), cdnZone(`\z`, "young A 198.18.60.31\n", "isp"), cdnZone(`\z`, "young A "+deadAddr+"\n", "pub1", "pub2", "any")),
		Cause: both(watchedAnew("young.cdn.lab"), briefly(cdnZone("^young A .*$", "young A 198.18.91.7", "isp"))),
		Seen:  []string{"198.18.91.7"}, Young: true, Then: elsewhere, Last: hitElsewhere,
	},
	{
		ID: "C57", Title: "the provider itself answers for a name without TLS, with the same TTL each time", Name: "api.iot.lab", Before: directly, Start: monitor.Clean,
		Cause: sends("isp", "api.iot.lab", world.EvilAddr), Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: unconfirmed, Must: []string{"div.minority_group"}, MustNot: []string{"ttl.over_envelope"}, Also: reasoned("ttl.no_countdown"),
	},
	{
		// The TTL is above the zone's, and below what this cache gives everything.
		ID: "C58", Title: "the cache of a provider that keeps everything for an hour is poisoned for a name without TLS", Name: "api.iot.lab",
		Before: both(configure("isp", "  cache-min-ttl: 3600"), directly), Start: monitor.Clean,
		Cause: poisonUnbound("isp", "api.iot.lab", world.EvilAddr, 900), Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: unconfirmed, Must: []string{"div.minority_group", "walk.contradiction"}, MustNot: []string{"ttl.over_envelope"}, Also: neverConfirmed,
	},
	{
		// It had the address for too short a time to be known for it.
		ID: "C59", Title: "a name without TLS has another address for a moment, and the provider, cut off from the zone's servers, hands that out for longer", Name: "short.shop.lab",
		Config: watching(watch("short.shop.lab", "tls: off")), Before: both(configure("isp", "  serve-expired: yes"), directly), Start: monitor.Clean,
		Cause: stuckWith("198.18.20.30"), Verdict: monitor.Suspicious, Seen: []string{"198.18.20.30"}, Limit: 2 * time.Minute,
		Want: unconfirmed, Must: []string{"div.minority_group", "walk.contradiction"}, MustNot: []string{"ttl.over_envelope"}, Also: allOf(neverConfirmed, shows("short.shop.lab", span{world.ISPAddr, 30, 30})),
	},
	{
		ID: "C60", Title: "the provider's resolver is restarted, and poisoned at once for a name without TLS", Name: "api.iot.lab", Before: directly, Start: monitor.Clean,
		Cause:   both(lasting(func(r *Run) error { return r.w.Service("isp").Restart() }), poisonUnbound("isp", "api.iot.lab", world.EvilAddr, 300)),
		Verdict: monitor.Suspicious, Seen: []string{world.EvilAddr},
		Want: unconfirmed, Must: []string{"div.minority_group", "walk.contradiction"}, MustNot: []string{"ttl.early_replace"}, Also: lasts(8 * time.Second),
	},
}

// unconfirmed is what comes of a lie about a name without TLS, as long as its TTL
// says nothing.
var unconfirmed = []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Probable, Severity: "high", Attribution: monitor.AtResolver}}

// stuckWith gives short.shop.lab an address for a moment, and has the provider be
// cut off from the zone's servers before it is taken back.
func stuckWith(addr string) Cause {
	return func(r *Run) (world.Undo, error) {
		const genuine = "198.18.60.20"
		change := func(from, to string) error {
			return knotc(r, "shop.lab", "zone-unset shop.lab short A "+from, "zone-set shop.lab short 5 A "+to)
		}
		if err := errors.Join(change(genuine, addr), flushed(r, "shop.lab"), within(10*time.Second, func() error { return r.d.answered(r.name(), addr) }),
			r.d.awaitVerdict(r.name(), monitor.Clean, "", 10*time.Second)); err != nil {
			return nil, err
		}
		undo, err := r.w.Host("isp").NFT("ip", "chain out { type filter hook output priority 0; ip daddr 198.18.50.0/24 drop; }")
		if err != nil {
			return undo, err
		}
		r.mark(time.Now())
		undo = world.All(func() error { return unbound(r, "isp", "flush", r.name()) }, undo)
		time.Sleep(6 * time.Second) // until it has expired
		return undo, change(addr, genuine)
	}
}

// pulse is a name of which every answer gives another address.
var pulse = hosted("pulse", "198.18.50.7", func(zone string, rest inject.Handler) inject.Handler {
	return inject.Rotate(zone, spread, 0, rest)
})

// scattered does the same in the place of a resolver, after a while.
func scattered(d time.Duration) func(inject.Handler) inject.Handler {
	return func(honest inject.Handler) inject.Handler {
		return inject.Delay(d, inject.Rotate("*", spread, 0, honest))
	}
}

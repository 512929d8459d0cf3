//go:build lab

package lab

import (
	"time"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// usualPair are two usual names beside those that a case is about.
var usualPair = []string{"{name: www.shop.lab, types: [A], interval: 20s}", "{name: www.bank.lab, types: [A], interval: 20s}"}

// watching watches further names beside the usual pair.
func watching(entries ...string) Config { return Config{Watches: append(usualPair[:2:2], entries...)} }

// cdnCases are about names whose answers differ or change for good reasons, and TTLs.
var cdnCases = []Case{
	{
		ID: "B01", Title: "a CDN gives every resolver another address", Core: true, Name: "edge.cdn.lab", Seen: []string{"198.18.60.31"},
		Also: gives("edge.cdn.lab", map[string]string{
			world.ISPAddr: "198.18.60.31", world.Pub1Addr: "198.18.60.32", world.Pub2Addr: "198.18.60.33", world.Pub3Addr: "198.18.60.34", world.Pub4Addr: "198.18.60.34",
		}),
	},
	{
		ID: "B02", Title: "a CDN leads this host to a new place in another network, same certificate", Core: true, Name: "edge.cdn.lab", Seen: []string{world.Web2Addr},
		Cause: both(cdnZone(`^edge A .*$`, "edge A "+world.Web2Addr, "isp"), lasting(func(r *Run) error { return forget(r, "edge.cdn.lab") })),
		Also:  gives("edge.cdn.lab", map[string]string{world.ISPAddr: world.Web2Addr, world.Pub1Addr: "198.18.60.32"}),
	},
	{
		ID: "B03", Title: "every resolver gets another address of a name without TLS", Name: "geo.cdn.lab", Seen: []string{"198.18.60.55"},
		// Nothing tells an attack on such a name from its ordinary life, and it says so.
		Config: watching(watch("geo.cdn.lab", "tls: off")), Start: monitor.Unknown, Verdict: monitor.Unknown, Reason: monitor.CauseNoProof,
		Then: elsewhere, Last: hitElsewhere,
		Also: gives("geo.cdn.lab", map[string]string{world.ISPAddr: "198.18.60.55", world.Pub1Addr: "198.18.60.56", world.Pub2Addr: "198.18.60.57", world.Pub3Addr: "198.18.60.58"}),
	},
	{
		ID: "B04", Title: "each answer has four of twenty addresses, in an order of chance", Core: true, Name: "pool.shop.lab", Config: watching(watch("pool.shop.lab")),
		Before: hosted("pool", "198.18.50.6", func(zone string, rest inject.Handler) inject.Handler {
			return inject.Draw(zone, webAddrs, 4, 1, 1, rest)
		}),
		Also: varied(4, 3, func(r *Run) (string, error) {
			time.Sleep(1200 * time.Millisecond)
			return r.w.Client().Dig(world.RouterAddr, "pool.shop.lab", "A")
		}),
	},
	{
		ID: "B05", Title: "only the provider's resolver tells authorities where clients are", Name: "near.shop.lab", Config: watching(watch("near.shop.lab")),
		Before: both(hosted("near", "198.18.50.6", func(zone string, rest inject.Handler) inject.Handler {
			return inject.BySubnet(zone, webAddrs[:1], webAddrs[1:2], 10, rest)
		}), configure("isp", "  module-config: \"subnetcache validator iterator\"\n  send-client-subnet: 198.18.50.6\n")),
		Also: allOf(gives("near.shop.lab", map[string]string{world.ISPAddr: webAddrs[0].String(), world.Pub1Addr: webAddrs[1].String()}), heard("near.shop.lab", webAddrs[0])),
		Then: divert(udp53, "near.shop.lab"),
	},
	{
		ID: "B06", Title: "every query gets another of eight addresses, TTL 0 and TTL 1", Name: "health.shop.lab",
		Config: watching(watch("health.shop.lab"), watch("pulse.shop.lab")),
		Before: both(hosted("health", "198.18.50.6", func(zone string, rest inject.Handler) inject.Handler {
			return inject.Rotate(zone, webAddrs[:8], 0, rest)
		}), hosted("pulse", "198.18.50.7", func(zone string, rest inject.Handler) inject.Handler {
			return inject.Rotate(zone, webAddrs[:8], 1, rest)
		})),
		Also: allOf(others("pulse.shop.lab"), varied(4, 4, func(r *Run) (string, error) {
			return r.w.Client().Dig(world.RouterAddr, "health.shop.lab", "A")
		})),
	},
	{
		ID: "B10", Title: "resolvers cap a TTL of thirty days at one and at seven", Core: true, Name: "month.shop.lab", Config: watching(watch("month.shop.lab")),
		Also: shows("month.shop.lab", span{world.ISPAddr, 86000, 86400}, span{world.Pub1Addr, 86000, 86400}, span{world.Pub2Addr, 604000, 604800}, span{world.Pub4Addr, 86000, 86400}),
	},
	{
		// So few names are watched that it is not known to be the resolver's way.
		ID: "C69", Title: "the provider's resolver raises a TTL of 1 to 60", Name: "one.shop.lab", Config: Config{Watches: []string{watch("one.shop.lab")}},
		Before: configure("isp", "  cache-min-ttl: 60"),
		Also: func(r *Run) error {
			if err := unbound(r, "isp", "flush", "one.shop.lab"); err != nil {
				return err
			}
			return shows("one.shop.lab", span{world.ISPAddr, 50, 60}, span{world.Pub1Addr, 0, 1})(r)
		},
	},
	{
		ID: "B11", Title: "the provider's resolver raises a TTL of 1 to 30", Name: "one.shop.lab", Config: watching(watch("one.shop.lab")),
		Before: configure("isp", "  cache-min-ttl: 30"),
		Also: func(r *Run) error {
			if err := unbound(r, "isp", "flush", "one.shop.lab"); err != nil {
				return err
			}
			return shows("one.shop.lab", span{world.ISPAddr, 25, 30}, span{world.Pub1Addr, 0, 1})(r)
		},
	},
	{
		ID: "B12", Title: "resolvers fetch anew before a record expires", Name: "ten.shop.lab",
		Config: watching("{name: ten.shop.lab, types: [A], interval: 10s}", "{name: edge.cdn.lab, types: [A], interval: 10s}", "{name: login.bank.lab, types: [A], interval: 10s}"),
		Before: both(configure("isp", "  prefetch: yes"), directly),
		Also: allOf(others("edge.cdn.lab", "login.bank.lab"), func(r *Run) error {
			_, err := r.w.Host("isp").Run("sh", "-c", "unbound-control -c "+r.w.Path("conf", "isp")+" stats_noreset | grep 'total.num.prefetch=[1-9]'")
			return err
		}),
	},
	{
		ID: "B13", Title: "four caches answer behind the provider's address", Core: true, Name: "login.bank.lab",
		Config: watching("{name: login.bank.lab, types: [A], interval: 50s}"), Before: both(pool, directly), Cause: staggered("login.bank.lab"),
		Also: varied(16, 3, func(r *Run) (string, error) {
			got, err := ttl(r, "client", world.ISPAddr, "login.bank.lab")
			return time.Now().Add(time.Duration(got) * time.Second).Round(3 * time.Second).String(), err
		}),
		Then: divert(udp53, "login.bank.lab"),
	},
	{
		ID: "B14", Title: "the resolver forwards, refreshes after six seconds and does not cap what it kept", Name: "edge.cdn.lab",
		Config: watching(watch("edge.cdn.lab"), watch("month.shop.lab")), Before: both(stubbed("month.shop.lab"), directly),
		Also: allOf(others("month.shop.lab"), uncapped("month.shop.lab", 604800)),
	},
	{
		ID: "B15", Title: "the router holds TTLs at 15, and its answers lose AA when they come from its cache",
		Config: watching(watch("ten.shop.lab"), watch("edge.cdn.lab")),
		Before: configure("router", "max-ttl=15\nserver=/ten.shop.lab/"+world.ZonesAddr), Also: allOf(others("ten.shop.lab", "edge.cdn.lab"), plateau, flips("ten.shop.lab")),
	},
	{
		ID: "B16", Title: "a cache on this host shows the least TTL of each packet", Name: "assets.shop.lab", Config: watching(watch("assets.shop.lab")),
		Before: packetMin, Also: leastOfPacket,
	},
	{
		ID: "B17", Title: "the authority hangs, and resolvers hand out what has expired", Name: "short.shop.lab", Config: watching(watch("short.shop.lab")),
		Before: both(configure("isp", "  serve-expired: yes"), configure("pub2", "stale-cache-enable yes; stale-answer-enable yes; stale-answer-ttl 30; max-stale-ttl 1d;"),
			configure("pub3", "modules.load('serve_stale < cache')"), configure("router", "use-stale-cache")),
		Start: monitor.Clean,
		Cause: both(lasting(func(r *Run) error { // where the zone is served must be known for what comes at the end
			_, err := r.w.Host("inet").Dig(world.ISPAddr, "shop.lab", "A")
			return err
		}), freeze("knotd")),
		Also: shows("short.shop.lab", span{world.ISPAddr, 28, 30}, span{world.Pub2Addr, 20, 30}),
	},
	{
		ID: "B18", Title: "the zone lowers a TTL from a day to a minute while caches drain", Core: true, Name: "long.shop.lab", Config: watching(watch("long.shop.lab")),
		Cause: lasting(func(r *Run) error {
			if err := knotc(r, "shop.lab", "zone-unset shop.lab long A", "zone-set shop.lab long 60 A 198.18.60.20"); err != nil {
				return err
			}
			return drained(r)
		}),
		Also: shows("long.shop.lab", span{world.ISPAddr, 86000, 86400}, span{world.Pub1Addr, 0, 60}, span{world.Pub2Addr, 0, 60}, span{world.Pub3Addr, 0, 60}),
	},
	{
		ID: "B19", Title: "responses were minimal, and then name servers stand beside the answer", Name: "edge.cdn.lab",
		// Debian's unbound keeps no name servers from beside an answer, unless it is told to.
		Cause: both(configure("isp", "  minimal-responses: no\n  iter-scrub-promiscuous: no"), configure("pub2", "minimal-responses no;"), wordy),
		Also:  full("edge.cdn.lab"),
	},
	{
		ID: "B21", Title: "a name moves to a CDN in another network with another certificate, and caches lag", Seen: []string{world.Web2Addr}, Config: watching(watch("edge.cdn.lab")),
		Cause: both(renewed("www.shop.lab", world.Web2Addr, 5*24*time.Hour), cdnZone(`\z`, "moved A "+world.Web2Addr+"\n", "isp", "pub1", "pub2", "any"), moved),
		Also:  allOf(noticedWithin(0, monitor.ChangeNotice), lags(world.Pub2Addr, "www.shop.lab", "198.18.60.20")),
	},
	{
		// Signed: what is put into a cache that validates is thrown away, so the attack at
		// the end is one on the path.
		ID: "B22", Title: "a signed zone gets other name servers and another key, both in their turn", Name: "www.bank.lab", Cause: rollover, Keep: true, Then: divert(udp53, "www.bank.lab"),
		// Where a zone is delegated to is looked at once an hour, which is three minutes here.
		Also: allOf(noticedWithin(4*time.Minute, monitor.ChangeNotice), rolled),
	},
	{
		// A proof lasts for a day: this host meets the new certificate as the control
		// when the attack comes.
		ID: "B23", Title: "a certificate is renewed with a new key", Core: true, Seen: []string{"198.18.60.20"}, Cause: renewed("www.shop.lab", "", time.Minute),
	},
}

//go:build lab

package lab

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// proofCases are about what shows whose an address is: each of the clearing tests
// is the only one that can in one of them.
var proofCases = []Case{
	{
		ID: "C20", Title: "nobody but the provider can be asked, and the owner says which address is right", Name: "hub.iot.lab",
		Config: Config{Watches: []string{watch("hub.iot.lab", "tls: off", "expect: {addresses: [198.18.60.53]}")}},
		Before: noWitness, Start: monitor.Clean, Cause: poisonProvider("api.iot.lab", world.EvilAddr, 60),
	},
	{
		// Nobody outside knows the name: what witnesses give would speak for it too.
		ID: "C21", Title: "a name of the LAN has a certificate that nobody knows, and the owner allows private addresses", Name: "nas.home.arpa",
		Config: Config{Watches: append([]string{watch("nas.home.arpa", "expect: {private: allow}")}, usualWatches...)},
		Before: both(site("router", "lan0", insideAddr, world.Certificate{Names: []string{"nas.home.arpa"}}), routerSays("nas.home.arpa", insideAddr)), Start: monitor.Clean,
		Cause: freeze("pub2"), Then: divert(udp53, "www.shop.lab"), Last: onShop,
	},
	{
		ID: "C22", Title: "the site's certificate is of no known authority, and its key is pinned",
		Before: both(served("www.shop.lab", world.Certificate{CA: "corp-ca", Names: []string{"www.shop.lab"}}), pinned("www.shop.lab")), Start: monitor.Clean,
		Cause: freeze("pub2"),
	},
	{
		ID: "C23", Title: "the provider's cache is poisoned, and the attacker's certificate is as good as ours, but for the pin",
		Before: both(impostor("www.shop.lab"), pinnedTo("www.shop.lab", "shop")), Start: monitor.Clean,
		Cause: poisonProvider("www.shop.lab", world.EvilAddr, 86400), Verdict: monitor.Poisoned,
		Want: []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Must: []string{"pin.violation", "ttl.over_envelope"}, MustNot: []string{"id.tls_mismatch"},
	},
	{
		ID: "C24", Title: "a CDN sends this host to a new place with a certificate of an hour, whose key is known, while its others are silent", Name: "edge.cdn.lab",
		Cause: both(served("edge.cdn.lab", world.Certificate{CA: "lab-ca", Names: []string{"*.cdn.lab"}, Age: time.Hour, Key: "shop"}),
			mute("198.18.60.31-198.18.60.34"), node(world.Web2Addr)),
		Seen: []string{world.Web2Addr},
	},
	{
		ID: "C25", Title: "a CDN sends this host to a new place with a key of its own, and a certificate of two days", Name: "edge.cdn.lab",
		Cause: both(servedAt("edge.cdn.lab", world.Web2Addr, world.Certificate{CA: "lab-ca", Names: []string{"edge.cdn.lab"}, Age: 48 * time.Hour}),
			cdnZone("edge A +198.18.60.31", "edge A "+world.Web2Addr, "isp")),
		Seen: []string{world.Web2Addr},
	},
	{
		// The zone itself, which would say so too, cannot be asked.
		ID: "C26", Title: "a name moves, with a new key and a certificate of an hour, and everybody sees it", Before: noAuthority, Start: monitor.Clean,
		Cause: both(servedAt("www.shop.lab", world.Web2Addr, world.Certificate{CA: "lab-ca", Names: []string{"www.shop.lab"}, Age: time.Hour}),
			moves("shop.lab", "www", "198.18.60.20 198.18.60.21 198.18.60.22", world.Web2Addr)),
		Seen: []string{world.Web2Addr},
	},
	{
		// The pin breaks on purpose, and that is said to be so; a lie is found all the same.
		ID: "C62", Title: "a pinned name moves in a window that its owner declared", Config: Config{
			Watches: []string{watch("www.shop.lab", "expect: {addresses: [198.18.60.20, 198.18.60.21, 198.18.60.22]}")},
			More:    windowNow("www.shop.lab"),
		},
		Cause: both(servedAt("www.shop.lab", world.Web2Addr, world.Certificate{CA: "lab-ca", Names: []string{"www.shop.lab"}, Age: time.Hour}),
			moves("shop.lab", "www", "198.18.60.20 198.18.60.21 198.18.60.22", world.Web2Addr)),
		Seen: []string{world.Web2Addr}, Then: divert(udp53, "www.shop.lab"), Last: onShop,
	},
	{
		ID: "C27", Title: "a name without TLS moves, and everybody sees it", Name: "api.iot.lab",
		Cause: moves("iot.lab", "api", "198.18.60.51 198.18.60.52", world.Web2Addr), Seen: []string{world.Web2Addr},
		Then: divert(udp53, "api.iot.lab"),
	},
	{
		ID: "C28", Title: "three of four witnesses filter the name, and are known to", Name: "www.shop.lab",
		Config: Config{Resolvers: filteringWitnesses},
		Before: filtered("www.shop.lab"), Start: monitor.Clean, Cause: freeze("pub1"),
	},
	{
		ID: "C29", Title: "the site itself serves a certificate that is wrong everywhere",
		Before: served("www.shop.lab", world.Certificate{CA: "evil-ca", Names: []string{"www.shop.lab"}}), Start: monitor.Clean,
		Cause: freeze("pub2"), Then: divert(udp53, "www.shop.lab"),
	},
	{
		// All that is left is what was learnt: addresses without TLS, other records, and
		// that there is none.
		ID: "C31", Title: "nobody but the provider can be asked any more, and this host starts anew", Name: "api.iot.lab",
		Config: Config{Watches: append([]string{
			"{name: bank.lab, types: [MX], interval: 20s}", "{name: ten.shop.lab, types: [AAAA], interval: 20s}",
		}, usualWatches...)},
		Cause: both(noWitness, restarted), Also: clean("bank.lab", "ten.shop.lab"), Then: elsewhere, Last: hitElsewhere,
	},
	{
		// Of the zone's own servers nothing is heard: they would say so too.
		ID: "C32", Title: "the owner takes a record away, and another one is changed, and every resolver sees it, and the zone cannot be asked from here", Name: "six.shop.lab",
		Config: Config{Watches: append([]string{
			"{name: six.shop.lab, types: [AAAA], interval: 20s}", "{name: shop.lab, types: [MX], interval: 20s}",
		}, usualWatches...)},
		Before: both(exchanger("mail1"), noAuthority), Start: monitor.Clean,
		Cause: both(exchanger("mail2"), withdrawn), Verdict: monitor.Unknown, Better: true,
		Also: allOf(once("six.shop.lab", "shop.lab"), settled("six.shop.lab", "shop.lab")),
		Then: divert(udp53, "www.shop.lab"), Last: []Want{{Kind: monitor.PathRewritten, Name: "www.shop.lab"}},
	},
	{
		ID: "C33", Title: "nobody but the provider can be asked, and the name has no IPv6 address",
		Config: Config{Watches: []string{"{name: www.shop.lab, types: [A, AAAA], interval: 20s}"}},
		Before: noWitness, Start: monitor.Clean, Cause: poisonProvider("api.iot.lab", world.EvilAddr, 60),
	},
	{
		ID: "C36", Title: "a witness that is declared to filter answers a pinned name and another with 0.0.0.0",
		Config: Config{
			Watches:   append([]string{watch("six.shop.lab", "expect: {addresses: [198.18.60.20]}")}, usualWatches...),
			Resolvers: append([]string{"{name: pub4, address: 198.18.14.1, transport: doh, tls_name: dns.pub4.lab, filtering: true}"}, usualResolvers[:4]...),
		},
		Before: sunk(60, "six.shop.lab", "www.shop.lab"), Start: monitor.Clean, Cause: freeze("pub2"),
	},
	{
		ID: "C38", Title: "a server answers twice for a name that nothing can prove, from one network", Name: "api.iot.lab",
		Cause: both(substitute("api.iot.lab", func(honest inject.Handler) inject.Handler {
			return inject.Dual(honest, 3*time.Millisecond, fixed(addrs("198.18.60.58"), 300, honest))
		}), program{talk: plain("api.iot.lab")}.run),
		Also: twice("api.iot.lab", 0), Then: divert(udp53, "www.shop.lab"), Last: onShop,
	},
	{
		ID: "C39", Title: "a name of the LAN has a private address, as it had from the first run on, and no TLS", Name: "nas.home.arpa",
		Config: Config{Watches: append([]string{watch("nas.home.arpa", "tls: off")}, usualWatches...)},
		Before: routerSays("nas.home.arpa", insideAddr), Start: monitor.Unknown, Cause: freeze("pub2"),
		Verdict: monitor.Unknown, Then: divert(udp53, "www.shop.lab"), Last: onShop,
	},
	{
		// However long caches may keep it, and however wrong it is, it is a block.
		ID: "C41", Title: "a witness blocks a name with 0.0.0.0 for a day, from before the first start on, and is not declared to filter",
		Before: sunk(86400, "www.shop.lab"), Start: monitor.Clean, Cause: nothing,
		Want: []Want{{Kind: policyBlock, Confidence: monitor.Suspected, Severity: "low", Attribution: monitor.AtResolver, Resolver: "pub4"}},
		Must: []string{"div.special_purpose", "ttl.over_envelope"}, MustNot: []string{"id.tls_mismatch"}, Limit: witnessed,
	},
	{
		ID: "C42", Title: "the provider blocks a name that three of four witnesses filter, and one gives",
		Config: Config{Resolvers: filteringWitnesses}, Before: filtered("www.shop.lab"), Start: monitor.Clean,
		Cause: denied("www.shop.lab", inject.Denial{Rcode: dns.RcodeNameError}), Verdict: monitor.Unknown,
		Listed: []Want{{Kind: "denial", Severity: "low"}, {Kind: policyBlock, Severity: "low"}}, Then: divert(udp53, "www.bank.lab"),
		Last: []Want{{Kind: monitor.PathRewritten, Name: "www.bank.lab"}},
	},
}

// onShop is an attack at the end on another name than the case's, which nothing
// can prove.
var onShop = []Want{{Kind: monitor.PathRewritten, Name: "www.shop.lab"}}

// filteringWitnesses are the usual resolvers, three of which are declared to filter.
var filteringWitnesses = []string{
	"system", usualResolvers[1], "{name: pub2, address: 198.18.12.1, transport: dot, tls_name: dns.pub2.lab, filtering: true}",
	"{name: pub3, address: 198.18.13.1, transport: dot, tls_name: dns.pub3.lab, filtering: true}",
	"{name: pub4, address: 198.18.14.1, transport: doh, tls_name: dns.pub4.lab, filtering: true}",
}

// noWitness has the router drop all that goes to witnesses.
var noWitness = firewall("ip daddr 198.18.11.0-198.18.14.255")

// noAuthority has the router drop all that goes to authoritative servers.
var noAuthority = both(firewall("ip daddr 198.18.50.0/24"), unreachable(world.RootAddr+":53", world.ZonesAddr+":53"))

// served has the web servers show another certificate for a name, at all addresses.
func served(name string, c world.Certificate) Cause {
	return servedOn(name, "listen 80; listen 443 ssl; listen [::]:443 ssl;", c)
}

// servedAt is served at one address.
func servedAt(name, addr string, c world.Certificate) Cause {
	return servedOn(name, fmt.Sprintf("listen %[1]s:80; listen %[1]s:443 ssl;", addr), c)
}

func servedOn(name, listen string, c world.Certificate) Cause {
	return func(r *Run) (world.Undo, error) {
		made := c // the cause may come about again
		if made.Key != "" {
			made.Key = r.w.Shared(made.Key)
		}
		cert, err := r.w.Certificate("served", made)
		if err != nil {
			return nil, err
		}
		return r.w.Service("web").Configure(fmt.Sprintf(
			"  server { %s server_name %s; ssl_certificate %[3]s.crt; ssl_certificate_key %[3]s.key; return 200 \"genuine $server_addr\\n\"; }", listen, name, cert))
	}
}

// pinned has the watch of a name pin the key that served has it show, and
// pinnedTo that of a standing server.
func pinned(name string) Cause {
	return lasting(func(r *Run) error { return r.pin(name, r.w.Path("run", "served")) })
}

func pinnedTo(name, certificate string) Cause {
	return lasting(func(r *Run) error { return r.pin(name, r.w.Shared(certificate)) })
}

func (r *Run) pin(name, path string) error {
	pin, err := world.Pin(path)
	r.Config.Watches = []string{watch(name, "tls: {pins: ['"+pin+"']}"), usualWatches[1]}
	return err
}

// impostor has the attacker's server show a certificate for a name that is right
// in every way.
func impostor(name string) Cause {
	return func(r *Run) (world.Undo, error) {
		cert, err := r.w.Certificate("impostor", world.Certificate{CA: "lab-ca", Names: []string{name}})
		if err != nil {
			return nil, err
		}
		return r.w.Service("evil").Set("Cert", cert)
	}
}

// mute has addresses of the web servers not answer over TLS.
func mute(addrs string) Cause {
	return func(r *Run) (world.Undo, error) {
		return r.w.Host("web").NFT("ip", "chain in { type filter hook input priority 0; ip daddr "+addrs+" tcp dport 443 drop; }")
	}
}

// exchanger has the shop's mail go to another host.
func exchanger(host string) Cause {
	return func(r *Run) (world.Undo, error) {
		err := knotc(r, "shop.lab", "zone-unset shop.lab @ MX", "zone-set shop.lab @ 300 MX 10 "+host)
		if err != nil {
			err = knotc(r, "shop.lab", "zone-set shop.lab @ 300 MX 10 "+host)
		}
		if err != nil {
			return nil, err
		}
		return world.Nothing, flushed(r, "shop.lab")
	}
}

// withdrawn has a name lose its IPv6 address.
func withdrawn(r *Run) (world.Undo, error) {
	if err := knotc(r, "shop.lab", "zone-unset shop.lab six AAAA"); err != nil {
		return nil, err
	}
	return world.Nothing, flushed(r, "shop.lab")
}

// settled waits until names are clean: when witnesses have been asked, at the
// latest.
func settled(names ...string) func(*Run) error {
	return func(r *Run) error {
		for _, n := range names {
			if err := r.d.awaitVerdict(n, monitor.Clean, "", witnessed); err != nil {
				return err
			}
		}
		return nil
	}
}

// sunk has one of the witnesses answer names with 0.0.0.0, for so many seconds.
func sunk(ttl int, names ...string) Cause {
	return func(r *Run) (world.Undo, error) {
		var lines []string
		for _, n := range names {
			lines = append(lines, fmt.Sprintf("addAction(QNameRule('%s.'), SpoofAction('0.0.0.0', {ttl=%d}))", n, ttl))
		}
		r.mark(time.Now())
		return r.w.Service("pub4").Configure(strings.Join(lines, "\n"))
	}
}

// filtered has three of the witnesses deny a name.
func filtered(name string) Cause {
	return both(
		func(r *Run) (world.Undo, error) {
			return r.w.Service("pub4").Configure("addAction(QNameRule('" + name + ".'), RCodeAction(DNSRCode.NXDOMAIN))")
		},
		func(r *Run) (world.Undo, error) {
			return r.w.Service("pub3").Configure("modules.load('policy')\npolicy.add(policy.suffix(policy.DENY, policy.todnames({ '" + name + ".' })))")
		},
		func(r *Run) (world.Undo, error) {
			file := r.w.Path("named-pub2", "denied.zone")
			if err := os.WriteFile(file, []byte("$TTL 300\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 198.18.12.1\n"), 0o644); err != nil {
				return nil, err
			}
			rndc := func(args ...string) error {
				_, err := r.w.Host("pub2").Run("rndc", append([]string{"-c", r.w.Path("conf", "rndc")}, args...)...)
				return err
			}
			return func() error { return rndc("delzone", name) }, rndc("addzone", name, fmt.Sprintf("{ type primary; file %q; };", file))
		},
		lasting(func(r *Run) error {
			for _, addr := range []string{world.Pub2Addr, world.Pub3Addr, world.Pub4Addr} {
				if got, err := r.w.Host("inet").Dig(addr, name, "A"); err != nil || strings.Contains(got, "198.18.60.") {
					return fmt.Errorf("%s does not filter: %s %w", addr, got, err)
				}
			}
			return nil
		}),
	)
}

// windowNow declares that a name is being changed, for some hours before and after.
func windowNow(name string) string {
	now := time.Now().UTC()
	return fmt.Sprintf("maintenance:\n  - {names: [%s], from: %q, until: %q, reason: move}\n", name,
		now.Add(-time.Hour).Format(time.RFC3339), now.Add(12*time.Hour).Format(time.RFC3339))
}

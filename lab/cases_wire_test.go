//go:build lab

package lab

import (
	"errors"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// injected is a forgery that this host's programs believe.
var injected = Want{Kind: monitor.PathInjection, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtPath}

// attempted is one that nobody was shown to believe.
var attempted = Want{Kind: monitor.AttackAttempt, Severity: "high"}

// wireCases are about forged packets, and packets that look like it.
var wireCases = []Case{
	{
		ID: "A01", Title: "bettercap spoofs on a hub and comes after the genuine answer", Core: true,
		Cause: both(hub, prompt, program{talk: extended("www.shop.lab", 1232)}.run, bettercap(true)),
		Want:  []Want{attempted}, Verdict: monitor.Clean,
		Must: []string{"dup.conflict", "resp.header_profile", "ttl.tool_constant"},
	},
	{
		ID: "A02", Title: "bettercap spoofs on a hub and comes before the genuine answer",
		Cause: both(hub, slow(50*time.Millisecond), program{talk: extended("www.shop.lab", 1232)}.run, bettercap(false), believed(world.EvilAddr)),
		Want:  []Want{injected}, Verdict: monitor.Poisoned,
		Must: []string{"dup.conflict", "div.addr_unknown", "id.tls_mismatch", "div.transport_split", "resp.header_profile"},
	},
	{
		ID: "A03", Title: "dnsspoof answers a program without EDNS before the genuine answer comes",
		Cause: both(hub, slow(100*time.Millisecond), program{talk: plain("www.shop.lab")}.run, dnsspoof("www.shop.lab"), believed(world.EvilAddr, "+noedns")),
		// The frames tell that it sits on this network.
		Want: []Want{{Kind: monitor.PathInjection, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtLAN}}, Verdict: monitor.Poisoned,
		Must: []string{"dup.conflict", "l2.source_changed", "ttl.tool_constant"},
	},
	{
		ID: "A04", Title: "dnsspoof runs, but all programs use EDNS, which it does not answer",
		// The C library is one of them, if it is told to.
		Before: func(r *Run) (world.Undo, error) {
			return r.w.Client().Etc("resolv.conf", "nameserver "+world.RouterAddr+"\noptions edns0\n")
		}, Start: monitor.Clean,
		Cause: both(hub, slow(100*time.Millisecond), program{talk: extended("www.shop.lab", 1232)}.run, dnsspoof("www.shop.lab", "tool.shop.lab")),
		Also:  spoofing("tool.shop.lab"),
	},
	{
		ID: "A05", Title: "a perfect copy is forged on the wire, before the genuine answer", Core: true,
		Cause: both(hub, slow(30*time.Millisecond), race(inject.RaceConfig{Answers: addrs(world.EvilAddr), TTL: 300, Copy: true}), believed(world.EvilAddr)),
		Want:  []Want{injected}, Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Must: []string{"dup.conflict", "id.tls_mismatch"}, MustNot: []string{"resp.ip_ttl", "resp.header_profile", "l2.source_changed", "resp.malformed"},
	},
	{
		// The race answers queries to addresses without a server too.
		ID: "A06", Title: "a perfect copy is forged on the wire, and the genuine answer is dropped",
		Cause: both(hub, substitute("www.shop.lab", func(inject.Handler) inject.Handler { return inject.Silent }),
			race(inject.RaceConfig{Answers: addrs(world.EvilAddr), TTL: 300, Copy: true}), believed(world.EvilAddr)),
		Want:    []Want{injected, {Kind: monitor.PathRewritten, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtPath}},
		Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr}, Also: allOf(eitherRule("div.transport_split", "div.plain_path_uniform"), reasoned("path.ttl_limited")),
		Must: []string{"id.tls_mismatch", "path.dead_resolver_answers"}, MustNot: []string{"dup.conflict"},
	},
	{
		ID: "A07", Title: "two injectors forge answers from twenty networks, as the Great Firewall does", Name: "www.bank.lab",
		Cause: both(crowd, hub, slow(50*time.Millisecond), program{talk: plain("www.bank.lab")}.run,
			race(inject.RaceConfig{Contains: "bank.lab", Answers: crowded(), TTL: 300, ForgedBy: inject.GreatFirewall}), believed("198.19.")),
		Want: []Want{injected}, Verdict: monitor.Poisoned,
		Must: []string{"dup.conflict", "resp.header_profile", "resp.ip_ttl", "path.dead_resolver_answers"},
	},
	{
		ID: "A08", Title: "an injector turns the query into a response with 127.0.0.1 behind it",
		Cause: both(hub, slow(30*time.Millisecond), program{talk: plain("www.shop.lab")}.run,
			race(inject.RaceConfig{Answers: addrs("127.0.0.1"), TTL: 300, Append: true}), believed("127.0.0.1", "+noedns")),
		Want: []Want{injected}, Verdict: monitor.Poisoned,
		Must: []string{"dup.conflict", "resp.malformed", "div.special_purpose"},
	},
	{
		// Of the flood only the router sees anything; this host sees what came of it.
		ID: "A26", Title: "a resolver with a fixed port is poisoned by Kaminsky's attack",
		Before: configure("router", "query-port=33333"), Start: monitor.Clean,
		Cause: kaminsky, Seen: []string{world.EvilAddr},
		Want:    []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Verdict: monitor.Poisoned,
		Must:    []string{"div.minority_group", "id.tls_mismatch"}, Listed: []Want{{Kind: monitor.AttackAttempt, Name: "*"}},
	},
	{
		// A stub on this host is flooded as well as the provider's resolver: the
		// verdict is about what this host can see.
		ID: "A27", Title: "many queries at once, and a flood of answers with one ID",
		Cause: both(slowRouter(200*time.Millisecond), program{every: 5 * time.Millisecond, port: 40000, talk: unheard("www.shop.lab")}.run,
			launched(func(r *Run) (*inject.Injector, error) {
				return inject.Birthday(r.w.Host("evil").Do, inject.BirthdayConfig{Resolver: netip.MustParseAddr(world.ISPAddr), Server: netip.MustParseAddr(world.ZonesAddr),
					Name: "www.shop.lab", Address: netip.MustParseAddr(world.EvilAddr), TTL: 300, ID: 4711, Port: 32768, Ports: 28000, Rate: 5000})
			}),
			launched(func(r *Run) (*inject.Injector, error) {
				return inject.Flood(r.w.Host("attacker").Do, inject.FloodConfig{Servers: addrs(world.RouterAddr), Client: netip.MustParseAddr(world.ClientAddr),
					Name: "www.shop.lab", Answers: addrs(world.EvilAddr), TTL: 300, Flags: 0x8180, FixedID: true, ID: 4711, Port: 40000, Ports: 1000, Count: 60_000, Rate: 2000})
			})),
		Want: []Want{{Kind: monitor.AttackAttempt, Severity: "high", Name: "*"}}, Verdict: monitor.Clean,
		Must: []string{"resp.txid_storm", "resp.unsolicited"},
	},
	{
		ID: "A28", Title: "ports of this host are swept in the name of its resolver, as SAD DNS does",
		Cause: launched(func(r *Run) (*inject.Injector, error) {
			return inject.Sweep(r.w.Host("attacker").Do, inject.SweepConfig{Server: netip.MustParseAddr(world.RouterAddr), Client: netip.MustParseAddr(world.ClientAddr),
				First: 33000, Bursts: 1500, Own: netip.MustParseAddr(world.AttackerAddr)})
		}),
		Want: []Want{{Kind: monitor.AttackAttempt, Severity: "medium", Name: "*"}}, Verdict: monitor.Clean,
		Must: []string{"resp.port_sweep"},
	},
	{
		// One of a hundred addresses is false: the programs are given the others too.
		ID: "A29", Title: "the second fragment of a large answer is forged", Name: "many.shop.lab", Config: large,
		Before: substitute("many.shop.lab", func(honest inject.Handler) inject.Handler { return fixed(many(), 300, honest) }), Start: monitor.Clean,
		Cause: both(program{talk: signed("many.shop.lab", 4096)}.run, fragments, believed(world.EvilAddr, "+bufsize=4096", "+dnssec")),
		Want:  []Want{{Kind: monitor.AttackAttempt}, {Kind: monitor.PathInjection}}, Verdict: monitor.Suspicious,
		Must: []string{"frag.dns"},
	},
	{
		// The lab's resolvers are mended: what an open one would believe is put into
		// its cache. The records that it should have thrown away come to this host.
		ID: "A30", Title: "answers bring records that nobody asked for, and the cache believes them",
		Cause: both(via(0, func(target netip.AddrPort) inject.Handler { return inject.Edit(promiscuous, inject.Forward(target)) }),
			program{talk: plain("www.shop.lab")}.run, poisonProvider("www.shop.lab", world.EvilAddr, 300), believed(world.EvilAddr)),
		Want:    []Want{{Kind: monitor.ResolverCache, Confidence: monitor.Confirmed, Severity: "critical", Attribution: monitor.AtResolver}},
		Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Must: []string{"div.minority_group", "id.tls_mismatch", "resp.extraneous"},
	},
	{
		ID: "A41", Title: "malformed frames, 200,000 a second",
		Cause: launched(func(r *Run) (*inject.Injector, error) {
			frames, err := inject.Malformed(
				inject.Path{SrcMAC: mac(world.RouterMAC), DstMAC: mac(world.ClientMAC), Src: port53("198.18.99.53"), Dst: netip.MustParseAddrPort(world.ClientAddr + ":40000")},
				inject.Path{SrcMAC: mac(world.RouterMAC), DstMAC: mac(world.ClientMAC), Src: netip.MustParseAddrPort("[2001:db8:99::53]:53"), Dst: netip.MustParseAddrPort("[" + world.ClientAddr6 + "]:40000")})
			if err != nil {
				return nil, err
			}
			return inject.Storm(r.w.Host("attacker").Do, "eth0", frames, 200_000, 5*time.Second)
		}),
		Deaf: true, Also: modest,
	},
	{
		// What the flood comes with is there before it.
		ID: "C72", Title: "names are asked for that are not there, ids are guessed, and programs come again over TCP",
		Cause: both(lost, program{every: 5 * time.Millisecond, port: 40000, talk: guess("shop.lab")}.run, program{port: 41000, every: 500 * time.Millisecond, talk: overTCP("www.shop.lab")}.run,
			lasting(func(*Run) error { time.Sleep(8 * time.Second); return nil }),
			launched(func(r *Run) (*inject.Injector, error) {
				return inject.Flood(r.w.Host("attacker").Do, inject.FloodConfig{Servers: addrs(world.RouterAddr), Client: netip.MustParseAddr(world.ClientAddr),
					Name: "www.shop.lab", Answers: addrs(world.EvilAddr), TTL: 300, Flags: 0x8180, Port: 40000, Ports: 1000, Count: 60_000, Rate: 2000})
			})),
		Want: []Want{{Kind: monitor.AttackAttempt, Severity: "high", Name: "*"}}, Verdict: monitor.Clean,
		Must: []string{"resp.txid_storm", "kaminsky.burst", "tcp.without_tc"},
	},
	{
		ID: "C73", Title: "a perfect copy is forged long before the resolver can answer, whose answers a response to another question goes before",
		Before: both(down("router"), serve("router", world.RouterAddr+":53", astray(30*time.Millisecond))), Start: monitor.Clean,
		Cause: both(hub, race(inject.RaceConfig{Answers: addrs(world.EvilAddr), TTL: 300, Copy: true}), believed(world.EvilAddr)),
		Want:  []Want{injected}, Verdict: monitor.Poisoned, Seen: []string{world.EvilAddr},
		Must: []string{"dup.conflict", "id.tls_mismatch", "resp.too_fast", "resp.question_mismatch"},
	},
	{
		ID: "C74", Title: "a program with one port for all its queries, and one that asks over TCP alone",
		Cause: both(program{every: 5 * time.Millisecond, port: 40000, ports: 1, talk: guess("bank.lab")}.run, program{talk: streamed("www.shop.lab")}.run),
	},
	{
		ID: "B26", Title: "a query is sent again before its answer comes, and the zone rotates", Core: true,
		Cause: both(substitute("www.shop.lab", func(honest inject.Handler) inject.Handler {
			return inject.Delay(30*time.Millisecond, inject.Rotate("*", apart, 0, honest))
		}), program{talk: resent("www.shop.lab", 10*time.Millisecond)}.run),
		Also: twice("www.shop.lab", 10*time.Millisecond), Then: rewritten,
	},
	{
		ID: "B27", Title: "the network doubles every packet, and each is seen on a bridge and its port", Core: true,
		Before: bridged, Start: monitor.Clean,
		Cause: both(doubled("router", "lan0", "udp sport 53", world.ClientAddr), doubled("client", "br0", "udp dport 53", world.RouterAddr),
			program{talk: plain("www.shop.lab")}.run),
		Also: counted("router", "client"),
	},
	{
		ID: "B28", Title: "a resolver limits its rate, and has every second client come again over TCP",
		Cause: both(via(0, func(target netip.AddrPort) inject.Handler {
			honest := inject.Forward(target)
			return inject.Sometimes(0.5, 1, inject.Truncate(honest), honest)
		}), program{talk: overTCP("www.shop.lab")}.run),
		Also: truncates,
	},
	{
		ID: "B29", Title: "a server answers twice: from one network, or SERVFAIL behind the data",
		Cause: both(via(0, func(target netip.AddrPort) inject.Handler {
			honest, gap := inject.Forward(target), 3*time.Millisecond
			near := inject.Dual(fixed(addrs("198.18.60.20"), 300, honest), gap, fixed(addrs("198.18.60.22"), 300, honest))
			return inject.Only("www.shop.lab", near, inject.Only("www.bank.lab", inject.Dual(honest, gap, inject.Servfail), honest))
		}), program{talk: plain("www.shop.lab")}.run, program{talk: plain("www.bank.lab")}.run),
		Also: twice("www.shop.lab", 0), Then: rewritten,
	},
	{
		ID: "B32", Title: "a route changes for good: other hops, and a fourth of the time",
		Before: both(slow(12*time.Millisecond), hops(57, 200)), Start: monitor.Clean,
		Cause: both(via(1, func(target netip.AddrPort) inject.Handler {
			return inject.Delay(3*time.Millisecond, inject.Forward(target))
		}), hops(52, 201),
			program{talk: plain("www.shop.lab")}.run),
		Also: counted("router"),
	},
	{
		ID: "B33", Title: "every resolver forgets all that it held", Also: forgotten,
		Cause: both(program{talk: plain("www.shop.lab")}.run, lasting(func(r *Run) error {
			return errors.Join(r.w.Service("isp").Restart(), r.w.Service("router").Restart(), flushed(r, "shop.lab"), flushed(r, "bank.lab"), flushed(r, "cdn.lab"), flushed(r, "iot.lab"))
		})),
	},
	{
		ID: "B34", Title: "the resolver is replaced by another make, with the same content",
		Cause: both(program{talk: extended("www.shop.lab", 4096)}.run, down("router"), serve("router", world.RouterAddr+":53", func(*Run) inject.Handler {
			return inject.Edit(func(_ *inject.Query, m *dns.Msg) { m.Authoritative = true },
				inject.WithProfile(inject.Profile{Size: 4096, NSID: "6f74686572"}, inject.Forward(port53(world.ISPAddr))))
		})),
		Then: rewritten,
	},
	{
		ID: "B35", Title: "another router takes over the resolver's address",
		Cause: both(program{talk: plain("www.shop.lab")}.run, failover),
		Also:  neighbour("00:00:5e:00:01:07"),
	},
	{
		ID: "B41", Title: "a large answer comes in fragments", Name: "many.shop.lab", Config: large,
		Before: configure("isp", "  max-udp-size: 4096\n  edns-buffer-size: 4096"), Start: monitor.Clean,
		Cause: program{server: world.ISPAddr, talk: signed("many.shop.lab", 4096)}.run,
		Also:  joined, Then: rewritten,
	},
	{
		ID: "B44", Title: "somebody looks for names from a list, two hundred a second",
		Cause: program{every: 5 * time.Millisecond, talk: guess("shop.lab")}.run,
	},
	{
		ID: "B45", Title: "answers to datagrams are lost, and programs try TCP",
		Cause: both(lost, program{port: 41000, every: 500 * time.Millisecond, talk: overTCP("www.shop.lab")}.run),
		Also:  counted("router"),
	},
	{
		ID: "B48", Title: "a server gives all names in lower case",
		Cause: both(via(0, func(target netip.AddrPort) inject.Handler { return inject.Lowercase(inject.Forward(target)) }),
			program{talk: plain("wWw.sHOp.LaB")}.run),
		Also: lowered,
	},
	{
		ID: "B49", Title: "queries are doubled behind this host, and the zone rotates",
		Cause: both(substitute("www.shop.lab", func(honest inject.Handler) inject.Handler {
			rotating := inject.Rotate("*", apart, 0, honest)
			return inject.Dual(rotating, time.Millisecond, rotating)
		}), program{talk: plain("www.shop.lab")}.run),
		Also: twice("www.shop.lab", 0), Then: rewritten,
	},
}

// lost has answers to programs with certain ports not arrive.
func lost(r *Run) (world.Undo, error) {
	return r.w.Host("router").NFT("ip", "chain post { type filter hook postrouting priority 200; oifname \"lan0\" udp sport 53 udp dport 41000-41999 counter drop; }")
}

// apart are two addresses of www.shop.lab in two networks. The certificate is
// right at both.
var apart = addrs("198.18.60.20", world.Web2Addr)

// large also watches a name with so many addresses that they fit into no packet.
var large = Config{Watches: append([]string{watch("many.shop.lab", "tls: off")}, usualWatches...)}

// rewritten is an attack on the path that comes before all that via(0) does.
func rewritten(r *Run) (world.Undo, error) {
	return via(1, func(target netip.AddrPort) inject.Handler {
		return inject.Lie(r.name(), addrs(world.EvilAddr), 300, inject.Forward(target))
	})(r)
}

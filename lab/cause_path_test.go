//go:build lab

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
)

// addr and at are short for the addresses of the world.
func addr(s string) netip.Addr             { return netip.MustParseAddr(s) }
func at(s string, port int) netip.AddrPort { return netip.AddrPortFrom(addr(s), uint16(port)) }

// evilAddrs is what a lie says.
var evilAddrs = []netip.Addr{addr(world.EvilAddr)}

// fresh has the router forget everything.
func fresh(r *Run) error { return r.w.Service("router").Process().Signal(hangup) }

// front has a server of ours stand between the router and the provider's resolver,
// and change what passes. It has an address beside the provider's.
func front(wrap func(h inject.Handler) inject.Handler) Cause {
	const beside = "198.18.1.54"
	return both(
		func(r *Run) (world.Undo, error) {
			return r.w.Host("isp").IP("addr add "+beside+"/24 dev eth0", "addr del "+beside+"/24 dev eth0")
		},
		serve("isp", beside+":53", func(*Run) inject.Handler { return wrap(inject.Forward(at(world.ISPAddr, 53))) }),
		func(r *Run) (world.Undo, error) {
			undo, err := r.w.Host("router").NFT("ip", fmt.Sprintf("chain out { type nat hook output priority -100; ip daddr %s %s dnat to %s; }", world.ISPAddr, all53, beside))
			if err != nil {
				return nil, err
			}
			r.mark(time.Now())
			return func() error { return errors.Join(undo(), fresh(r)) }, fresh(r)
		})
}

// authorities has a server of ours stand before the servers of the lab's zones, and
// change what passes; every resolver asks anew.
func authorities(zone string, wrap func(h inject.Handler) inject.Handler) Cause {
	const beside = 5353
	return both(
		serve("auth", at(world.ZonesAddr, beside).String(), func(*Run) inject.Handler {
			return inject.Authoritative(wrap(inject.Forward(at(world.ZonesAddr, 53))))
		}),
		func(r *Run) (world.Undo, error) {
			undo, err := r.w.Host("auth").NFT("ip", fmt.Sprintf("chain pre { type nat hook prerouting priority dstnat; ip daddr { %s, %s } %s dnat to %s:%d; }",
				world.ZonesAddr, world.Zones2Addr, all53, world.ZonesAddr, beside))
			if err != nil {
				return nil, err
			}
			r.mark(time.Now())
			return func() error { return errors.Join(undo(), flushed(r, zone)) }, flushed(r, zone)
		})
}

// instead has a server of ours stand in the place of pub3, over plain DNS and TLS,
// and change what pub2 says. It does not validate.
func instead(wrap func(h inject.Handler) inject.Handler) Cause {
	return both(down("pub3"), func(r *Run) (world.Undo, error) {
		cert := r.w.Shared("dns-pub3")
		s, err := inject.Serve(r.w.Host("pub3").Do, at(world.Pub3Addr, 53), wrap(inject.Forward(at(world.Pub2Addr, 53))), inject.WithTLS(cert+".crt", cert+".key", 853))
		if err != nil {
			return nil, err
		}
		r.mark(time.Now())
		return func() error { s.Stop(); return nil }, nil
	})
}

// poisonPub2 has pub2 take itself for the authority of a name that is not its own.
// pub2 is a witness: nothing of this host asks it for itself.
func poisonPub2(name string, ttl int) Cause {
	return func(r *Run) (world.Undo, error) {
		file := r.w.Path("named-pub2", "forged.zone")
		text := fmt.Sprintf("$TTL %d\n@ SOA ns h 1 1800 900 604800 300\n@ NS ns\nns A %[2]s\n@ A %[2]s\n", ttl, world.EvilAddr)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return nil, err
		}
		rndc := func(args ...string) error {
			_, err := r.w.Host("pub2").Run("rndc", append([]string{"-c", r.w.Path("conf", "rndc")}, args...)...)
			return err
		}
		if err := rndc("addzone", name, fmt.Sprintf(`{ type primary; file "%s"; };`, file)); err != nil {
			return nil, err
		}
		r.mark(time.Now())
		return func() error { return errors.Join(rndc("delzone", name), rndc("flush")) },
			within(5*time.Second, func() error { return asks(world.Pub2Addr, name, world.EvilAddr)(r) })
	}
}

// poisonPool poisons one cache of the provider's pool.
func poisonPool(r *Run) (world.Undo, error) {
	control := func(args ...string) error {
		_, err := r.w.Host("isp").Run("unbound-control", append([]string{"-c", r.w.Path("conf", "isp-2")}, args...)...)
		return err
	}
	r.mark(time.Now())
	return func() error { return control("local_data_remove", r.name()) },
		control("local_data", r.name(), "300", "IN", "A", world.EvilAddr)
}

// redelegate has the registry of lab. publish other delegations: the zone is
// changed by pairs of an expression for whole lines and what stands there instead,
// and signed with its own keys; every resolver forgets what is under one zone.
func redelegate(zone string, edits ...string) Cause {
	return func(r *Run) (world.Undo, error) {
		dir := r.w.Path("tld")
		text, err := os.ReadFile(r.w.Shared("lab.zone"))
		if err != nil {
			return nil, err
		}
		var lines []string
		for l := range strings.Lines(string(text)) {
			lines = append(lines, strings.Join(strings.Fields(l), " "))
		}
		changed := strings.Join(lines, "\n") + "\n"
		for i := 0; i < len(edits); i += 2 {
			before := changed
			if changed = regexp.MustCompile("(?m)^"+edits[i]+"$").ReplaceAllString(changed, edits[i+1]); changed == before {
				return nil, fmt.Errorf("%q is not in the zone lab", edits[i])
			}
		}
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755), os.Symlink(r.w.Shared("keys"), r.w.Path("tld", "keys")),
			os.WriteFile(r.w.Path("tld", "lab.zone"), []byte(changed), 0o644)); err != nil {
			return nil, err
		}
		if err := world.Sign(dir, "lab", "lab.zone", time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour)); err != nil {
			return nil, err
		}
		undo, err := r.w.Service("nsd-tld").Set("File", r.w.Path("tld", "lab.zone.signed"))
		if err != nil {
			return undo, err
		}
		r.mark(time.Now())
		return func() error { return errors.Join(undo(), flushed(r, zone)) }, flushed(r, zone)
	}
}

// falseAuthority is a name server of the attacker's, with a zone in which every
// name is the attacker's.
func falseAuthority(address, zone, servers string) Cause {
	return func(r *Run) (world.Undo, error) {
		conf, file := r.w.Path("conf", "false-authority"), r.w.Path("run", "false."+zone)
		text := fmt.Sprintf("$ORIGIN %s.\n$TTL 300\n@ SOA ns1 hostmaster 2026112399 1800 900 604800 300\n%s@ A %[3]s\n* A %[3]s\n", zone, servers, world.EvilAddr)
		nsd := fmt.Sprintf("server:\n ip-address: %s\n server-count: 1\n username: \"\"\n pidfile: \"\"\n database: \"\"\n zonelistfile: \"%[2]s.list\"\n xfrdfile: \"%[2]s.xfrd\"\n xfrdir: \"%s\"\n"+
			"remote-control:\n control-enable: no\nzone:\n name: \"%s\"\n zonefile: \"%s\"\n", address, conf, r.w.Path("run"), zone, file)
		if err := errors.Join(os.WriteFile(file, []byte(text), 0o644), os.WriteFile(conf, []byte(nsd), 0o644)); err != nil {
			return nil, err
		}
		p, err := r.w.Host("evil").Start("false-authority", "nsd", "-d", "-c", conf)
		if err != nil {
			return nil, err
		}
		return p.Stop, within(5*time.Second, func() error {
			got, err := r.w.Host("evil").Dig(address, "www."+zone, "A")
			if err == nil && got != world.EvilAddr {
				err = fmt.Errorf("the false authority says %s: %s", got, p.Log())
			}
			return err
		})
	}
}

// freshCertificate gives the attacker's web server a certificate of an authority
// that everybody trusts: who holds the zone gets one within a minute.
func freshCertificate(names ...string) Cause {
	return func(r *Run) (world.Undo, error) {
		path, err := r.w.Certificate("fresh", world.Certificate{CA: "lab-ca", Names: names, Age: time.Minute, Life: 90 * 24 * time.Hour})
		if err != nil {
			return nil, err
		}
		return r.w.Service("evil").Set("Cert", path)
	}
}

// hijackRoute leads the address of the second name server of shop.lab to the
// attacker, as a false announcement of a route does.
func hijackRoute(r *Run) (world.Undo, error) {
	own, err := r.w.Host("evil").IP("addr add "+world.Zones2Addr+"/32 dev lo", "addr del "+world.Zones2Addr+"/32 dev lo")
	if err != nil {
		return nil, err
	}
	route, err := r.w.Host("inet").IP("route add "+world.Zones2Addr+"/32 via "+world.EvilAddr, "route del "+world.Zones2Addr+"/32")
	return world.All(own, route), err
}

// askHijacked has the provider ask anew until it happens on the hijacked server.
func askHijacked(r *Run) (world.Undo, error) {
	r.mark(time.Now())
	return world.Nothing, within(10*time.Second, func() error {
		if err := anew(r); err != nil {
			return err
		}
		got, err := r.w.Host("isp").Dig(world.ISPAddr, r.name(), "A")
		if err == nil && got != world.EvilAddr {
			err = fmt.Errorf("the provider says %s", got)
		}
		return err
	})
}

// anew has the provider and the router ask the servers of shop.lab again.
func anew(r *Run) error { return errors.Join(unbound(r, "isp", "flush_zone", "shop.lab"), fresh(r)) }

// anewAtLast does so when what comes after it is undone.
func anewAtLast(r *Run) (world.Undo, error) { return func() error { return anew(r) }, nil }

// relaySNI has the attacker's address pass TLS on to the genuine servers, by the
// name that the client asks for.
var relaySNI = both(down("evil"), func(r *Run) (world.Undo, error) {
	relay, err := inject.RelaySNI(r.w.Host("evil").Do, at(world.EvilAddr, 443), func(sni string) (netip.AddrPort, bool) {
		if strings.HasSuffix(sni, "bank.lab") {
			return at(world.WebAddr, 443), true
		}
		return at("198.18.60.20", 443), true
	})
	if err != nil {
		return nil, err
	}
	return func() error { relay.Stop(); return nil }, nil
})

// portal has the router lead the web to a portal's page.
func portal(r *Run) (world.Undo, error) {
	p, err := inject.Portal(r.w.Host("evil").Do, at(world.EvilAddr, 8080))
	if err != nil {
		return nil, err
	}
	undo, err := r.w.Host("router").NFT("ip", "chain web { type nat hook prerouting priority dstnat; iifname \"lan0\" tcp dport 80 dnat to "+p.Addr().String()+"; }")
	stop := func() error { p.Stop(); return nil }
	if err != nil {
		return stop, err
	}
	return world.All(stop, undo), nil
}

// inspectDoT has the attacker answer DNS over TLS in place of every resolver, with
// a certificate that nobody trusts.
func inspectDoT(r *Run) (world.Undo, error) {
	cert, err := r.w.Certificate("mitm", world.Certificate{CA: "evil-ca", Names: []string{"dns.pub2.lab", "dns.pub3.lab"}})
	if err != nil {
		return nil, err
	}
	s, err := inject.Serve(r.w.Host("evil").Do, at(world.EvilAddr, 53), inject.Lie("www.shop.lab", evilAddrs, 300, inject.Forward(at(world.Pub2Addr, 53))),
		inject.WithTLS(cert+".crt", cert+".key", 853))
	if err != nil {
		return nil, err
	}
	stop := func() error { s.Stop(); return nil }
	undo, err := r.w.Host("router").NFT("ip", "chain dot { type nat hook prerouting priority dstnat; iifname \"lan0\" tcp dport 853 dnat to "+world.EvilAddr+"; }")
	if err != nil {
		return stop, err
	}
	r.mark(time.Now())
	return world.All(stop, undo), nil
}

// blockEncrypted has the router refuse DNS over TLS and over HTTPS.
func blockEncrypted(r *Run) (world.Undo, error) {
	return r.w.Host("router").NFT("inet", "chain f { type filter hook forward priority filter; iifname \"lan0\" ip daddr 198.18.11.0-198.18.14.255 tcp dport { 853, 443 } reject with tcp reset; }")
}

// lieToo has the router lead UDP to port 53 to a server that lies, before any other
// diversion.
var lieToo = both(
	serve("evil", at(world.EvilAddr, 5353).String(), func(r *Run) inject.Handler {
		return inject.Lie(r.name(), evilAddrs, 300, inject.Forward(at(world.Pub2Addr, 53)))
	}),
	func(r *Run) (world.Undo, error) {
		return r.w.Host("router").NFT("ip", fmt.Sprintf("chain pre { type nat hook prerouting priority dstnat - 10; iifname \"lan0\" %s dnat to %s:5353; }", udp53, world.EvilAddr))
	})

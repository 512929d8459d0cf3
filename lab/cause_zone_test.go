//go:build lab

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
)

// dns64 has the provider make IPv6 addresses of names that have none, and a
// translator (NAT64) lead there: to the attacker's too.
func dns64(prefix string) Cause {
	evil := netip.MustParseAddr(world.EvilAddr).As4()
	p := netip.MustParsePrefix(prefix)
	at := p.Addr().As16()
	copy(at[12:], evil[:])
	return func(r *Run) (world.Undo, error) {
		var us []world.Undo
		for _, l := range []struct{ host, line string }{
			{"inet", prefix + " via " + world.WebAddr6}, {"web", "local " + prefix + " dev lo"},
			{"inet", netip.AddrFrom16(at).String() + "/128 via " + world.EvilAddr6}, {"evil", "local " + prefix + " dev lo"},
		} {
			u, err := r.w.Host(l.host).IP("route add "+l.line, "route del "+l.line)
			if err != nil {
				return world.All(us...), err
			}
			us = append(us, u)
		}
		u, err := r.w.Service("isp").Configure("  module-config: \"dns64 validator iterator\"\n  dns64-prefix: " + prefix)
		if us = append(us, u); err != nil {
			return world.All(us...), err
		}
		web := netip.MustParseAddr("198.18.60.20").As4()
		copy(at[12:], web[:])
		made := netip.AddrFrom16(at).String()
		err = errors.Join(digs(r, world.RouterAddr, "www.shop.lab", "AAAA", made), digs(r, world.RouterAddr, "api.iot.lab", "AAAA", p.Addr().String()))
		if out, curl := r.w.Client().Run("curl", "-s", "-m", "2", "--cacert", r.w.Shared("lab-ca.pem"), "--connect-to", "::["+made+"]:443", "https://www.shop.lab"); curl != nil {
			err = errors.Join(err, fmt.Errorf("no way through the translator: %s %w", out, curl))
		}
		return world.All(us...), err
	}
}

// wildcard has every name under shop.lab exist.
func wildcard(r *Run) (world.Undo, error) {
	err := knotc(r, "shop.lab", "zone-set shop.lab * 300 A 198.18.60.20")
	return func() error { return knotc(r, "shop.lab", "zone-unset shop.lab * A") },
		errors.Join(err, digs(r, world.RouterAddr, "nobody-ever-made-this.shop.lab", "A", "198.18.60.20"))
}

// expired has the signatures of bank.lab run out.
func expired(r *Run) (world.Undo, error) {
	dir := r.w.Path("expired")
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o755); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(r.w.Shared("keys/Kbank.lab.+*"))
	if err != nil {
		return nil, err
	}
	for _, from := range append(files, r.w.Shared("bank.lab.zone")) {
		to := filepath.Join(dir, "keys", filepath.Base(from))
		if strings.HasSuffix(from, ".zone") {
			to = filepath.Join(dir, filepath.Base(from))
		}
		if err := copyFile(to, from); err != nil {
			return nil, err
		}
	}
	if err := world.Sign(dir, "bank.lab", "bank.lab.zone", time.Now().Add(-30*24*time.Hour), time.Now().Add(-24*time.Hour)); err != nil {
		return nil, err
	}
	serve := func(file string) error {
		return errors.Join(copyFile(r.w.Path("zones", "bank.lab.zone.signed"), file), r.w.Service("knotd").Restart(), flushed(r, "bank.lab."))
	}
	undo := func() error { return serve(r.w.Shared("bank.lab.zone.signed")) }
	if err := serve(filepath.Join(dir, "bank.lab.zone.signed")); err != nil {
		return undo, err
	}
	// Who asks in between fills a cache again, from one that is emptied after it.
	return undo, within(20*time.Second, func() error {
		// Knot Resolver keeps records of a zone that it is told to forget alone.
		_, all := r.w.Host("pub3").RunInput("cache.clear()\n", "socat", "-t1", "-", "UNIX-CONNECT:"+r.w.Path("run", "pub3.sock"))
		err := errors.Join(all, flushed(r, "bank.lab."))
		for _, server := range []string{world.RouterAddr, world.Pub1Addr, world.Pub2Addr, world.Pub3Addr, world.Pub4Addr} {
			err = errors.Join(err, digs(r, server, "www.bank.lab", "A", "SERVFAIL"))
		}
		return err
	})
}

// resigned has bank.lab give another address for a label, signed anew with the same
// keys, which this host sees first: the caches of witnesses keep the old one.
func resigned(label, old, now string) Cause {
	return func(r *Run) (world.Undo, error) {
		dir, name := r.w.Path("resigned"), label+".bank.lab"
		if err := os.CopyFS(filepath.Join(dir, "keys"), os.DirFS(r.w.Shared("keys"))); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(r.w.Shared("bank.lab.zone"))
		if err != nil {
			return nil, err
		}
		changed := regexp.MustCompile(`(?m)^(`+label+`\s+A\s+)`+regexp.QuoteMeta(old)+`$`).ReplaceAllString(string(text), "${1}"+now)
		if err := os.WriteFile(filepath.Join(dir, "bank.lab.zone"), []byte(changed), 0o644); err != nil {
			return nil, err
		}
		if err := world.Sign(dir, "bank.lab", "bank.lab.zone", time.Now().Add(-24*time.Hour), time.Now().Add(365*24*time.Hour)); err != nil {
			return nil, err
		}
		serve := func(file string) error {
			return errors.Join(copyFile(r.w.Path("zones", "bank.lab.zone.signed"), file), r.w.Service("knotd").Restart(), forget(r, name))
		}
		return func() error { return serve(r.w.Shared("bank.lab.zone.signed")) },
			errors.Join(serve(filepath.Join(dir, "bank.lab.zone.signed")), digs(r, world.RouterAddr, name, "A", now))
	}
}

// added has a zone give an address for a label that it did not have.
func added(zone, label, addr string) Cause {
	return func(r *Run) (world.Undo, error) {
		err := knotc(r, zone, fmt.Sprintf("zone-set %s %s 300 A %s", zone, label, addr))
		return func() error { return knotc(r, zone, fmt.Sprintf("zone-unset %s %s A", zone, label)) }, err
	}
}

// withdrawnAhead is withdrawn, and this host sees it first.
func withdrawnAhead(r *Run) (world.Undo, error) {
	if err := knotc(r, "shop.lab", "zone-unset shop.lab six AAAA"); err != nil {
		return nil, err
	}
	return world.Nothing, errors.Join(forget(r, "six.shop.lab"), digs(r, world.RouterAddr, "six.shop.lab", "AAAA", "NOERROR"))
}

// exchangerAhead is exchanger, and this host sees it first.
func exchangerAhead(old, now string) Cause {
	return lasting(func(r *Run) error {
		return errors.Join(knotc(r, "shop.lab", "zone-unset shop.lab @ MX 10 "+old, "zone-set shop.lab @ 300 MX 10 "+now),
			forget(r, "shop.lab"), digs(r, world.RouterAddr, "shop.lab", "MX", now))
	})
}

// holds gives a check that a server still gives a record.
func holds(server, name, kind, data string) func(r *Run) error {
	return func(r *Run) error { return digs(r, server, name, kind, data) }
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

var edgeLine = regexp.MustCompile(`(?m)^edge A .*$`)

// node has the authority of cdn.lab give the provider, and nobody else, an
// address for edge.cdn.lab.
func node(addr string) Cause {
	return func(r *Run) (world.Undo, error) {
		path := r.w.Path("zones", "cdn-isp.zone")
		old, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		serve := func(text []byte) error {
			return errors.Join(os.WriteFile(path, text, 0o644), r.w.Service("named-cdn").Restart(), forget(r, "edge.cdn.lab"))
		}
		return func() error { return serve(old) }, errors.Join(serve(edgeLine.ReplaceAll(old, []byte("edge A "+addr))),
			digs(r, world.RouterAddr, "edge.cdn.lab", "A", addr))
	}
}

// twoWitnesses takes two of the four witnesses away, and moves api.iot.lab; the
// two that are left still have the old addresses in their caches.
func twoWitnesses(r *Run) (world.Undo, error) {
	name, moved := "api.iot.lab", world.Web2Addr
	for _, server := range []string{world.Pub1Addr, world.Pub2Addr} {
		if err := digs(r, server, name, "A", "198.18.60.51"); err != nil {
			return nil, err
		}
	}
	down, err := r.w.Service("pub3").Down()
	if err != nil {
		return nil, err
	}
	undo, err := r.w.Service("pub4").Configure("addAction(QNameRule('" + name + ".'), RCodeAction(DNSRCode.NXDOMAIN))")
	undo = world.All(down, undo)
	return undo, errors.Join(err, digs(r, world.Pub4Addr, name, "A", "NXDOMAIN"),
		knotc(r, "iot.lab", "zone-unset iot.lab api A", "zone-set iot.lab api 300 A "+moved), forget(r, name),
		digs(r, world.RouterAddr, name, "A", moved), digs(r, world.Pub1Addr, name, "A", "198.18.60.51"), digs(r, world.Pub2Addr, name, "A", "198.18.60.51"))
}

// specialUse has the router ask Knot Resolver for names under test.
func specialUse(r *Run) (world.Undo, error) {
	undo, err := r.w.Service("router").Configure("server=/test/" + world.Pub3Addr)
	if err != nil {
		return undo, err
	}
	out, err := r.w.Client().Run("dig", "@"+world.Pub3Addr, "x.test", "A")
	if err == nil && !strings.Contains(out, "EDE: 21") {
		err = fmt.Errorf("no EDE 21: %s", out)
	}
	return undo, errors.Join(err, digs(r, world.RouterAddr, "x.test", "A", "NXDOMAIN"))
}

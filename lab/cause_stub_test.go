//go:build lab

package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
)

// resolved runs systemd-resolved on the client, before the router's resolver. Its
// run directory is its own: several worlds have one.
func resolved(r *Run) (world.Undo, error) {
	hook, err := script(r, "resolved.sh", `set -e
mount -t tmpfs none /run/systemd
mkdir -p /run/systemd/resolve /run/systemd/resolved.conf.d
printf '[Resolve]\nDNS=`+world.RouterAddr+`\nFallbackDNS=\nLLMNR=no\nMulticastDNS=no\n' >/run/systemd/resolved.conf.d/lab.conf
chown nobody /run/systemd/resolve
echo $$ >`+r.w.Path("run", "resolved.pid")+`
exec env LD_LIBRARY_PATH=`+unpacked+`/usr/lib/x86_64-linux-gnu/systemd setpriv --reuid=nobody --regid=nogroup --clear-groups \
	--inh-caps=-all,+setpcap,+net_raw,+net_bind_service --ambient-caps=-all,+setpcap,+net_raw,+net_bind_service `+unpacked+`/lib/systemd/systemd-resolved
`)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll("/run/systemd", 0o755); err != nil {
		return nil, err
	}
	p, err := r.w.Client().Start("resolved", hook)
	if err != nil {
		return nil, err
	}
	return p.Stop, within(10*time.Second, func() error {
		if !p.Running() {
			return world.Stop(fmt.Errorf("systemd-resolved ended: %s", p.Log()))
		}
		got, err := r.w.Client().Dig("127.0.0.53", "login.bank.lab", "A")
		if err == nil && got != "198.18.60.12" {
			err = fmt.Errorf("systemd-resolved says %s: %s", got, p.Log())
		}
		return err
	})
}

// resolvedForgets has systemd-resolved empty its cache.
var resolvedForgets = lasting(func(r *Run) error {
	text, err := os.ReadFile(r.w.Path("run", "resolved.pid"))
	if err != nil {
		return err
	}
	_, err = r.w.Client().Run("kill", "-USR2", strings.TrimSpace(string(text)))
	return err
})

// docker gives the client the resolver of a container: an address of the loopback
// that a rule translates to a port of a local forwarder.
func docker(upstream string) Cause {
	return both(
		forwarder("client", "docker", "--user=root", "--listen-address=127.0.0.1", "--port=53531", "--cache-size=0", "--server="+upstream),
		onClient(`
chain out { type nat hook output priority -100; ip daddr 127.0.0.11 meta l4proto { tcp, udp } th dport 53 dnat to 127.0.0.1:53531; }
chain post { type nat hook postrouting priority srcnat; ip saddr 127.0.0.1 meta l4proto { tcp, udp } th sport 53531 snat to 127.0.0.11:53; }`),
		nameserver("127.0.0.11"),
		lasting(func(r *Run) error { return answers(r, "127.0.0.11") }),
	)
}

// answers checks that a resolver of the client's answers.
func answers(r *Run, addr string) error {
	got, err := r.w.Client().Dig(addr, "login.bank.lab", "A")
	if err == nil && got != "198.18.60.12" {
		err = fmt.Errorf("%s says %s", addr, got)
	}
	return err
}

// serviceAddr is where Kubernetes has its resolver.
const serviceAddr = "10.96.0.10"

// nodeLocal translates the service's address to one of two caches on the client.
var nodeLocal = both(
	func(r *Run) (world.Undo, error) {
		one, err := r.w.Client().IP("addr add 169.254.20.10/32 dev lo", "addr del 169.254.20.10/32 dev lo")
		if err != nil {
			return nil, err
		}
		two, err := r.w.Client().IP("addr add 169.254.20.11/32 dev lo", "addr del 169.254.20.11/32 dev lo")
		if err != nil {
			return one, err
		}
		return world.All(one, two), nil
	},
	forwarder("client", "node1", "--user=root", "--listen-address=169.254.20.10", "--server="+world.RouterAddr),
	forwarder("client", "node2", "--user=root", "--listen-address=169.254.20.11", "--server="+world.RouterAddr),
	onClient(`
chain out { type nat hook output priority -100; ip daddr `+serviceAddr+` meta l4proto { tcp, udp } th dport 53 dnat to numgen inc mod 2 map { 0 : 169.254.20.10, 1 : 169.254.20.11 }; }
chain pre { type nat hook prerouting priority dstnat; ip daddr `+serviceAddr+` meta l4proto { tcp, udp } th dport 53 dnat to numgen inc mod 2 map { 0 : 169.254.20.10, 1 : 169.254.20.11 }; }`),
	lasting(func(r *Run) error { return errors.Join(answers(r, serviceAddr), answers(r, serviceAddr)) }),
)

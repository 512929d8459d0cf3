//go:build lab

package world

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Addresses in every world. 198.18.0.0/15 is for benchmarks (RFC 2544) and
// 2001:db8::/32 for documentation (RFC 3849): nobody is there.
const (
	ClientAddr   = "10.77.0.10"
	AttackerAddr = "10.77.0.66"
	RouterAddr   = "10.77.0.1"
	ISPAddr      = "198.18.1.53"
	Pub1Addr     = "198.18.11.1"
	Pub2Addr     = "198.18.12.1"
	Pub3Addr     = "198.18.13.1"
	Pub4Addr     = "198.18.14.1"
	RootAddr     = "198.18.50.1" // NSD: the root
	TLDAddr      = "198.18.50.2" // NSD: lab.
	ZonesAddr    = "198.18.50.3" // Knot DNS: bank, shop, iot and bogus.lab
	CDNAddr      = "198.18.50.4" // BIND with views: cdn.lab
	Zones2Addr   = "198.18.50.5" // the same Knot DNS: second server of shop and iot.lab
	WebAddr      = "198.18.60.10"
	Web2Addr     = "198.18.20.10" // another network of the same operator
	EvilAddr     = "198.18.66.66"
	OpsAddr      = "198.18.70.1"

	ClientAddr6   = "2001:db8:77::10"
	AttackerAddr6 = "2001:db8:77::66"
	RouterAddr6   = "2001:db8:77::1"
	WebAddr6      = "2001:db8:60::10"
	EvilAddr6     = "2001:db8:66::66"
)

// Hardware addresses on the LAN.
const (
	ClientMAC   = "02:00:00:00:00:10"
	AttackerMAC = "02:00:00:00:00:66"
	RouterMAC   = "02:00:00:00:00:01"
)

// outer are the hosts behind the router: name, third octet of their network,
// and addresses in it.
var outer = []struct {
	name  string
	net   int
	addrs []int
}{
	{"isp", 1, []int{53}},
	{"pub1", 11, []int{1}},
	{"pub2", 12, []int{1}},
	{"pub3", 13, []int{1}},
	{"pub4", 14, []int{1}},
	{"auth", 50, []int{1, 2, 3, 4, 5}},
	{"web", 60, []int{10, 11, 12, 13, 20, 21, 22, 31, 32, 33, 34, 41, 42, 43, 44, 45, 46, 47, 48, 51, 52, 53, 54, 55, 56, 57, 58, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72}},
	{"evil", 66, []int{66}},
	{"ops", 70, []int{1}},
}

var inner = []struct{ name, dev, mac, addr, addr6 string }{
	{"client", "eth0", ClientMAC, ClientAddr, ClientAddr6},
	{"attacker", "eth0", AttackerMAC, AttackerAddr, AttackerAddr6},
	{"router", "lan0", RouterMAC, RouterAddr, RouterAddr6},
}

// batch runs commands of ip(8), one a line, in a namespace of the world or, where
// that is empty, beside all.
func (w *World) batch(host string, lines ...string) error {
	args := []string{"-batch", "-"}
	if host != "" {
		args = append([]string{"-n", w.name + "-" + host}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("links of %s: %w: %s", host, err, out)
	}
	return nil
}

// settings of the kernel, in every namespace. Spoofed sources must pass: that is
// what the Internet lets through. A bridge is a cable, and hands broken frames on.
const settings = `ip link set lo up; cd /proc/sys/net
echo 0 >ipv4/conf/all/rp_filter; echo 0 >ipv4/conf/default/rp_filter
echo 0 >ipv4/conf/all/send_redirects; echo 0 >ipv4/conf/default/send_redirects
echo 0 >ipv6/conf/all/accept_dad; echo 0 >ipv6/conf/default/accept_dad
echo 0 >ipv6/conf/all/accept_ra; echo 0 >ipv6/conf/default/accept_ra
for f in bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done`

// connect makes the namespaces and the links between them.
func (w *World) connect() error {
	names := []string{"lan", "inet"}
	for _, h := range inner {
		names = append(names, h.name)
	}
	for _, h := range outer {
		names = append(names, h.name)
	}
	var lines []string
	for _, n := range names {
		w.hosts[n] = &Host{Name: n, w: w}
		lines = append(lines, "netns add "+w.name+"-"+n)
	}
	if err := w.batch("", lines...); err != nil {
		return err
	}
	for _, n := range names {
		text := settings
		if n == "inet" || n == "router" {
			text += "\necho 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding"
		}
		if _, err := w.hosts[n].Run("sh", "-c", text); err != nil {
			return err
		}
	}
	ns := func(n string) string { return w.name + "-" + n }
	lines = nil
	for _, h := range inner {
		lines = append(lines, fmt.Sprintf("link add p-%s netns %s type veth peer name %s netns %s", h.name, ns("lan"), h.dev, ns(h.name)))
	}
	lines = append(lines, fmt.Sprintf("link add i-router netns %s type veth peer name wan0 netns %s", ns("inet"), ns("router")))
	for _, h := range outer {
		lines = append(lines, fmt.Sprintf("link add i-%s netns %s type veth peer name eth0 netns %s", h.name, ns("inet"), ns(h.name)))
	}
	if err := w.batch("", lines...); err != nil {
		return err
	}
	lan := []string{"link add br0 type bridge mcast_snooping 0", "link set br0 up"}
	for _, h := range inner {
		lan = append(lan, fmt.Sprintf("link set p-%s master br0 up", h.name))
		lines := []string{
			fmt.Sprintf("link set %s address %s up", h.dev, h.mac), fmt.Sprintf("addr add %s/24 dev %s", h.addr, h.dev), fmt.Sprintf("addr add %s/64 dev %s nodad", h.addr6, h.dev),
		}
		if h.name == "router" {
			lines = append(lines, "link set wan0 up", "addr add 198.18.0.2/30 dev wan0", "route add default via 198.18.0.1",
				"addr add 2001:db8:ffff::2/64 dev wan0 nodad", "route add default via 2001:db8:ffff::1")
		} else {
			lines = append(lines, "route add default via "+RouterAddr, "route add default via "+RouterAddr6)
		}
		if err := w.batch(h.name, lines...); err != nil {
			return err
		}
	}
	if err := w.batch("lan", lan...); err != nil {
		return err
	}
	inet := []string{"link set i-router up", "addr add 198.18.0.1/30 dev i-router", "addr add 2001:db8:ffff::1/64 dev i-router nodad",
		"route add 2001:db8:77::/64 via 2001:db8:ffff::2"}
	for _, h := range outer {
		inet = append(inet, fmt.Sprintf("link set i-%s up", h.name), fmt.Sprintf("addr add 198.18.%d.254/24 dev i-%s", h.net, h.name),
			fmt.Sprintf("addr add 2001:db8:%d::fe/64 dev i-%s nodad", h.net, h.name))
		lines := []string{"link set eth0 up"}
		for _, a := range h.addrs {
			lines = append(lines, fmt.Sprintf("addr add 198.18.%d.%d/24 dev eth0", h.net, a))
		}
		lines = append(lines, fmt.Sprintf("addr add 2001:db8:%d::%d/64 dev eth0 nodad", h.net, h.addrs[0]),
			fmt.Sprintf("route add default via 198.18.%d.254", h.net), fmt.Sprintf("route add default via 2001:db8:%d::fe", h.net))
		if h.name == "web" {
			lines = append(lines, "addr add "+Web2Addr+"/32 dev lo")
		}
		if err := w.batch(h.name, lines...); err != nil {
			return err
		}
	}
	inet = append(inet, "route add 198.18.20.0/24 via "+WebAddr)
	if err := w.batch("inet", inet...); err != nil {
		return err
	}
	return w.finish()
}

// finish gives the router its NAT, hosts their resolver, and packets true
// checksums: a card would compute those that the kernel leaves out.
func (w *World) finish() error {
	nat := `table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }; }`
	if _, err := w.Host("router").RunInput(nat, "nft", "-f", "-"); err != nil {
		return err
	}
	// iot.lab is served without TLS.
	bare := `table ip bare { chain in { type filter hook input priority 0; ip daddr 198.18.60.51-198.18.60.53 tcp dport 443 reject with tcp reset; }; }`
	if _, err := w.Host("web").RunInput(bare, "nft", "-f", "-"); err != nil {
		return err
	}
	for _, on := range [][2]string{{"client", "eth0"}, {"attacker", "eth0"}, {"router", "lan0"}, {"router", "wan0"}} {
		if _, err := w.Host(on[0]).Run("ethtool", "-K", on[1], "tx", "off"); err != nil {
			return err
		}
	}
	for name, h := range w.hosts {
		dir := filepath.Join("/etc/netns", h.namespace())
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		ns := RouterAddr
		if name != "client" && name != "attacker" {
			ns = ISPAddr
		}
		for file, text := range map[string]string{"resolv.conf": "nameserver " + ns + "\n", "hosts": "127.0.0.1 localhost\n", "nsswitch.conf": "hosts: files dns\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

//go:build lab

package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
)

// failover has another router take over the address, with a hardware address of
// its own, and tell everybody (as VRRP does, RFC 9568 §7.1).
func failover(r *Run) (world.Undo, error) {
	become := func(mac string) error {
		if _, err := r.w.Host("router").Run("ip", "link", "set", "lan0", "address", mac); err != nil {
			return err
		}
		m, err := net.ParseMAC(mac)
		if err != nil {
			return err
		}
		return inject.Send(r.w.Host("router").Do, "lan0", [][]byte{announcement(m, netip.MustParseAddr(world.RouterAddr))})
	}
	return func() error { return become(world.RouterMAC) }, become("00:00:5e:00:01:07")
}

// announcement is a gratuitous ARP request (RFC 5227 §3).
func announcement(mac net.HardwareAddr, addr netip.Addr) []byte {
	b := append(net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac...)
	b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(append(b, mac...), addr.AsSlice()...)
	return append(append(b, 0, 0, 0, 0, 0, 0), addr.AsSlice()...)
}

// neighbour proves that this host sends to a hardware address what is for the router.
func neighbour(mac string) func(r *Run) error {
	return func(r *Run) error {
		out, err := r.w.Client().Run("ip", "neigh", "show", world.RouterAddr)
		if err == nil && !strings.Contains(out, mac) {
			err = fmt.Errorf("the router is still %s", out)
		}
		return err
	}
}

// mac reads a hardware address.
func mac(text string) net.HardwareAddr {
	m, err := net.ParseMAC(text)
	if err != nil {
		panic(err)
	}
	return m
}

// bridged puts this host's interface under a bridge: a sniffer sees each frame on
// both. It is not undone.
func bridged(r *Run) (world.Undo, error) {
	_, err := r.w.Client().Run("sh", "-ec", fmt.Sprintf(`ip link add br0 type bridge mcast_snooping 0
ip link set br0 address %s; ip addr flush dev eth0; ip link set eth0 master br0; ip link set br0 up
ip addr add %s/24 dev br0; ip addr add %s/64 dev br0 nodad
ip route replace default via %s dev br0; ip -6 route replace default via %s dev br0; ethtool -K br0 tx off`,
		world.ClientMAC, world.ClientAddr, world.ClientAddr6, world.RouterAddr, world.RouterAddr6))
	return world.Nothing, err
}

// doubled has a host send packets twice. what is an expression of nftables, to
// the address that they go to.
func doubled(host, dev, what, to string) Cause {
	return func(r *Run) (world.Undo, error) {
		return r.w.Host(host).NFT("ip", fmt.Sprintf("chain post { type filter hook postrouting priority 200; oifname %q ip daddr %s %s counter dup to %s device %q; }", dev, to, what, to, dev))
	}
}

// hops sets the IP TTL of answers to this host. The highest priority comes last.
func hops(ttl, priority int) Cause {
	return func(r *Run) (world.Undo, error) {
		return r.w.Host("router").NFT("ip", fmt.Sprintf("chain post { type filter hook postrouting priority %d; oifname \"lan0\" udp sport 53 counter ip ttl set %d; }", priority, ttl))
	}
}

// counted proves that the rules of nftables on some hosts were met.
func counted(hosts ...string) func(r *Run) error {
	return func(r *Run) error {
		for _, h := range hosts {
			out, err := r.w.Host(h).Run("nft", "list", "ruleset")
			if err != nil {
				return err
			}
			if !strings.Contains(out, "counter packets") || strings.Contains(out, "counter packets 0 ") {
				return fmt.Errorf("%s: no packet met the rule: %s", h, out)
			}
		}
		return nil
	}
}

// fixed answers every question for addresses with the same ones in the same order.
func fixed(as []netip.Addr, ttl uint32, h inject.Handler) inject.Handler {
	return func(q *inject.Query) *dns.Msg {
		if q.Type() != dns.TypeA {
			return h(q)
		}
		var rrs []dns.RR
		for _, a := range as {
			rrs = append(rrs, &dns.A{Hdr: dns.RR_Header{Name: q.Name(), Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}, A: a.AsSlice()})
		}
		return q.Answer(rrs...)
	}
}

// many are the addresses of many.shop.lab.
func many() (as []netip.Addr) {
	for n := range 100 {
		as = append(as, netip.AddrFrom4([4]byte{198, 18, 61, byte(n + 1)}))
	}
	return as
}

// joined proves that this host's kernel put fragments together.
func joined(r *Run) error {
	out, err := r.w.Client().Run("nstat", "-asz", "IpReasmOKs")
	if err == nil && !regexp.MustCompile(`IpReasmOKs +[1-9]`).MatchString(out) {
		err = fmt.Errorf("no fragments came: %s", out)
	}
	return err
}

// forgotten proves that the provider's resolver began anew.
func forgotten(r *Run) error {
	out, err := r.w.Host("isp").Run("unbound-control", "-c", r.w.Path("conf", "isp"), "status")
	if err != nil {
		return err
	}
	up := regexp.MustCompile(`uptime: (\d+) seconds`).FindStringSubmatch(out)
	if up == nil {
		return fmt.Errorf("no time in %s", out)
	}
	if s, err := strconv.Atoi(up[1]); err != nil || s > 60 {
		return errors.Join(err, fmt.Errorf("it is up for %d s", s))
	}
	return nil
}

// modest holds that the daemon lives and took no more memory than it may, after
// more frames than anybody reads.
func modest(r *Run) error {
	came, err := r.w.Client().Run("cat", "/sys/class/net/eth0/statistics/rx_packets")
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(strings.TrimSpace(came)); err != nil || n < 100_000 {
		return errors.Join(err, fmt.Errorf("only %d frames came", n))
	}
	const limit = 256 << 10 // KiB
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.d.cmd.Process.Pid))
	if err != nil {
		return err
	}
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if peak == nil {
		return fmt.Errorf("no peak of memory in %s", text)
	}
	if n, err := strconv.Atoi(string(peak[1])); err != nil || n > limit {
		return errors.Join(err, fmt.Errorf("the daemon took %d KiB", n))
	}
	return within(5*time.Second, func() error { _, err := r.d.status(); return err })
}

// promiscuous adds what resolvers must not believe: another server of the zone
// with its address (CVE-2025-11411), and an answer to another question
// (CVE-2025-40778).
func promiscuous(q *inject.Query, m *dns.Msg) {
	evil := net.ParseIP(world.EvilAddr)
	head := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 3600}
	}
	if q.Type() != dns.TypeA || len(m.Answer) == 0 {
		return
	}
	m.Answer = append(m.Answer, &dns.A{Hdr: head("login.bank.lab.", dns.TypeA), A: evil})
	m.Ns = append(m.Ns, &dns.NS{Hdr: head("shop.lab.", dns.TypeNS), Ns: "ns9.evil.lab."})
	m.Extra = append(m.Extra, &dns.A{Hdr: head("ns9.evil.lab.", dns.TypeA), A: evil})
}

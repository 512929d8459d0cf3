//go:build lab

package inject

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"
)

// The victim's kernel joins the genuine first fragment with the forged second,
// finds the checksum true, and gives the message to the client.
func TestFragments(t *testing.T) {
	leaves(t)
	h := newHub(t)
	run(t, h.victim, "sysctl -qw net.ipv4.ipfrag_max_dist=0 net.ipv4.ipfrag_high_thresh=67108864")
	var many []netip.Addr
	for n := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{198, 18, 61, byte(n + 1)}))
	}
	genuine := func(q *Query) *dns.Msg { return q.Answer(addresses(q.Name(), q.Type(), many, 300)...) }
	s, err := Serve(h.server, netip.MustParseAddrPort(serverAddr+":53"), genuine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)

	// Linux takes the next identification from the last one to the same host and
	// the time since: who sees one knows the next.
	tap := h.tap(t)
	ask := func() []string {
		return says(h.ask(t, serverAddr, new(dns.Msg).SetQuestion("many.shop.lab.", dns.TypeA).SetEdns0(4096, true), 1)[0])
	}
	before := ask()
	id := tap.next("first fragment", func(p gopacket.Packet) bool {
		ip, ok := p.NetworkLayer().(*layers.IPv4)
		return ok && ip.Flags&layers.IPv4MoreFragments != 0
	}).NetworkLayer().(*layers.IPv4).Id

	i, err := Fragments(h.attacker, FragmentConfig{
		Server: netip.MustParseAddr(serverAddr), Client: netip.MustParseAddr(victimAddr), Name: "many.shop.lab",
		Old: many[97], New: netip.MustParseAddr("203.0.113.255"), FirstID: id + 1, IDs: 8192,
	})
	i = end(t, i, err)
	same(t, "wait", nil, i.Wait())
	same(t, "count", 8192, i.Count())
	want := slices.Clone(before)
	want[97] = "203.0.113.255"
	same(t, "answer", want, ask())
}

func TestFragmentsNone(t *testing.T) {
	leaves(t)
	h := newHub(t)
	s, err := Serve(h.server, netip.MustParseAddrPort(serverAddr+":53"), Servfail)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	for server, want := range map[string]string{
		serverAddr: "response of 34 bytes is not fragmented",
		victimAddr: "learn the genuine response: ",
	} {
		_, err := Fragments(h.attacker, FragmentConfig{
			Server: netip.MustParseAddr(server), Client: netip.MustParseAddr(victimAddr), Name: "a.lab",
		})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", server, err)
		}
	}
}

// The sum stays, wherever in the datagram the record is.
func TestReplace(t *testing.T) {
	from, to := netip.MustParseAddr("198.18.61.95"), netip.MustParseAddr("255.255.255.255")
	for pad := range 4 {
		t.Run(fmt.Sprint(pad), func(t *testing.T) {
			part := append(make([]byte, pad), "\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc6\x12\x3d\x5f\x99"...)
			before := sum(part)
			if err := replace(part, from, to); err != nil {
				t.Fatal(err)
			}
			same(t, "sum", before, sum(part))
			same(t, "address", to.AsSlice(), part[pad+12:pad+16])
			same(t, "head", "\xc0\x0c\x00\x01\x00\x01", string(part[pad:pad+6]))
		})
	}
	if err := replace([]byte("none"), from, to); err == nil {
		t.Error("no record: no error")
	}
	if err := replace([]byte("\x00\x00\x01\x2c\x00\x04\xc6\x12\x3d\x5f"), from, netip.IPv6Loopback()); err == nil {
		t.Error("another family: no error")
	}
}

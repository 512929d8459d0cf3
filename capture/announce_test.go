package capture

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

var byAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// dhcp writes what a server tells a client.
func dhcp(t testing.TB, kind layers.DHCPMsgType, op layers.DHCPOp, servers ...string) []byte {
	t.Helper()
	d := &layers.DHCPv4{
		Operation: op, HardwareType: layers.LinkTypeEthernet, HardwareLen: 6, ClientHWAddr: net.HardwareAddr{2, 0, 0, 0, 0, 9},
		Options: layers.DHCPOptions{
			layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{byte(kind)}),
			layers.NewDHCPOption(layers.DHCPOptServerID, []byte{10, 0, 0, 1}),
		},
	}
	var all []byte
	for _, s := range servers {
		all = append(all, netip.MustParseAddr(s).AsSlice()...)
	}
	d.Options = append(d.Options, layers.NewDHCPOption(layers.DHCPOptDNS, all))
	buf := gopacket.NewSerializeBuffer()
	if err := d.SerializeTo(buf, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestOffered(t *testing.T) {
	for _, tt := range []struct {
		name string
		msg  []byte
		want []netip.Addr
	}{
		{"granted", dhcp(t, layers.DHCPMsgTypeAck, layers.DHCPOpReply, "10.0.0.53", "10.0.0.54"), []netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("10.0.0.54")}},
		{"offered", dhcp(t, layers.DHCPMsgTypeOffer, layers.DHCPOpReply, "10.0.0.53"), []netip.Addr{netip.MustParseAddr("10.0.0.53")}},
		{"refused", dhcp(t, layers.DHCPMsgTypeNak, layers.DHCPOpReply, "10.0.0.53"), nil},
		{"what a client says", dhcp(t, layers.DHCPMsgTypeAck, layers.DHCPOpRequest, "10.0.0.53"), nil},
		{"nothing", nil, nil},
	} {
		from, got := offered(tt.msg)
		if diff := cmp.Diff(tt.want, got, byAddr); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if len(got) > 0 && from != netip.MustParseAddr("10.0.0.1") {
			t.Errorf("%s: by %s", tt.name, from)
		}
	}
}

func TestOffered6(t *testing.T) {
	server := netip.MustParseAddr("2001:db8::53")
	msg := func(kind byte) []byte {
		b := append([]byte{kind, 1, 2, 3}, 0, 23, 0, 16)
		return append(b, server.AsSlice()...)
	}
	for kind, want := range map[byte]int{2: 1, 7: 1, 1: 0, 3: 0} {
		if got := offered6(msg(kind)); len(got) != want || want == 1 && got[0] != server {
			t.Errorf("message %d: %v", kind, got)
		}
	}
	if got := offered6(msg(7)[:20]); len(got) != 0 {
		t.Errorf("cut short: %v", got)
	}
}

// advertisement writes a router's, with one option before that for nameservers.
func advertisement(lifetime uint32, servers ...string) []byte {
	b := make([]byte, 16)
	b[0] = 134
	b = append(b, 1, 1, 2, 0, 0, 0, 0, 1) // its link-layer address
	b = append(b, 25, byte(1+2*len(servers)), 0, 0)
	b = binary.BigEndian.AppendUint32(b, lifetime)
	for _, s := range servers {
		b = append(b, netip.MustParseAddr(s).AsSlice()...)
	}
	return b
}

func TestAdvertised(t *testing.T) {
	want := []netip.Addr{netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr("fe80::1")}
	if diff := cmp.Diff(want, advertised(advertisement(600, "2001:db8::53", "fe80::1")), byAddr); diff != "" {
		t.Errorf("nameservers (-want +got):\n%s", diff)
	}
	for name, b := range map[string][]byte{
		"taken back":                  advertisement(0, "2001:db8::53"),
		"another message":             append([]byte{135}, advertisement(600, "2001:db8::53")[1:]...),
		"cut short":                   advertisement(600, "2001:db8::53")[:40],
		"an option without an end":    append(make([]byte, 16), 25, 0, 0, 0, 0, 0, 0, 1),
		"an option that has no place": append(advertisement(600), 1, 9, 0, 0, 0, 0, 0, 0),
	} {
		if got := advertised(b); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What was heard is kept once, the latest last, and is bounded.
func TestAnnouncements(t *testing.T) {
	var as announcements
	at := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	server := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range 2 * maxAnnounced {
		as.hear("dhcp", server(1), "02:00:00:00:00:01", at.Add(time.Duration(i)*time.Second), []netip.Addr{server(i)})
		as.hear("dhcp", server(1), "02:00:00:00:00:01", at.Add(time.Duration(i)*time.Second), []netip.Addr{server(7)})
	}
	got := as.since(at.Add(-time.Second))
	if len(got) != maxAnnounced || got[len(got)-1].Server != server(7) || got[len(got)-2].Server != server(2*maxAnnounced-1) {
		t.Errorf("%d are kept, the last two %v", len(got), got[len(got)-2:])
	}
	if old := as.since(at.Add(time.Duration(2*maxAnnounced-2) * time.Second)); len(old) != 2 {
		t.Errorf("%d were heard in the last second, want 2", len(old))
	}
	var many []netip.Addr
	for i := range 100 {
		many = append(many, server(1000+i))
	}
	as.hear("ra", server(1), "", at, many)
	if n := len(as.since(time.Time{})); n != maxAnnounced {
		t.Errorf("%d are kept", n)
	}
	for _, n := range as.since(time.Time{}) {
		if n.By == "ra" && n.Server.Compare(server(1000+maxNameserver)) >= 0 {
			t.Errorf("%s is one too many of one announcement", n.Server)
		}
	}
}

func FuzzAnnounced(f *testing.F) {
	f.Add(dhcp(f, layers.DHCPMsgTypeAck, layers.DHCPOpReply, "10.0.0.53"))
	f.Add(advertisement(600, "2001:db8::53"))
	f.Fuzz(func(t *testing.T, b []byte) {
		offered(b)
		offered6(b)
		if n := len(advertised(b)); n > len(b)/16 {
			t.Errorf("%d addresses in %d octets", n, len(b))
		}
	})
}

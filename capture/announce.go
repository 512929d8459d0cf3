package capture

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Announcement is a nameserver that somebody on the network told hosts to ask.
type Announcement struct {
	Server netip.Addr // that is announced
	By     string     // "dhcp" (RFC 2132 §3.8), "dhcpv6" (RFC 3646) or "ra" (RFC 8106)
	From   netip.Addr // who announces it: the DHCP server, or the router
	MAC    string     // of the frame that said so
	At     time.Time  // when it was last heard
}

// Ports that DHCP servers send to.
const (
	portDHCP   = 68
	portDHCPv6 = 546
)

const (
	maxAnnounced  = 32 // kept; the one that was not heard for longest makes room
	maxNameserver = 8  // of one announcement
)

// announcements are those that were heard. It may be read by any goroutine while
// one writes.
type announcements struct {
	mu  sync.Mutex
	all []Announcement // guarded by mu, the latest last
}

func (as *announcements) hear(by string, from netip.Addr, mac string, at time.Time, servers []netip.Addr) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, s := range servers[:min(len(servers), maxNameserver)] {
		n := Announcement{Server: s, By: by, From: from, MAC: mac, At: at}
		for i, old := range as.all {
			if old.At = n.At; old == n {
				as.all = append(as.all[:i], as.all[i+1:]...)
				break
			}
		}
		if len(as.all) == maxAnnounced {
			as.all = as.all[1:]
		}
		as.all = append(as.all, n)
	}
}

// Announced lists what was heard, the latest last.
func (as *announcements) Announced() []Announcement {
	as.mu.Lock()
	defer as.mu.Unlock()
	return append([]Announcement(nil), as.all...)
}

// offered gives the nameservers that a DHCP server offers or grants (RFC 2131 §3.1),
// and its address.
func offered(payload []byte) (from netip.Addr, servers []netip.Addr) {
	var d layers.DHCPv4
	if d.DecodeFromBytes(payload, gopacket.NilDecodeFeedback) != nil || d.Operation != layers.DHCPOpReply {
		return from, nil
	}
	given := false
	for _, o := range d.Options {
		switch o.Type {
		case layers.DHCPOptMessageType:
			given = len(o.Data) == 1 && (layers.DHCPMsgType(o.Data[0]) == layers.DHCPMsgTypeOffer || layers.DHCPMsgType(o.Data[0]) == layers.DHCPMsgTypeAck)
		case layers.DHCPOptServerID:
			from, _ = netip.AddrFromSlice(o.Data)
		case layers.DHCPOptDNS:
			for b := o.Data; len(b) >= 4; b = b[4:] {
				servers = append(servers, netip.AddrFrom4([4]byte(b)))
			}
		}
	}
	if !given {
		return from, nil
	}
	return from, servers
}

// offered6 gives the nameservers of a DHCPv6 server's answer (RFC 8415 §18.3, RFC
// 3646 §3).
func offered6(payload []byte) (servers []netip.Addr) {
	var d layers.DHCPv6
	if d.DecodeFromBytes(payload, gopacket.NilDecodeFeedback) != nil || d.MsgType != layers.DHCPv6MsgTypeAdverstise && d.MsgType != layers.DHCPv6MsgTypeReply {
		return nil
	}
	for _, o := range d.Options {
		if o.Code != layers.DHCPv6OptDNSServers {
			continue
		}
		for b := o.Data; len(b) >= 16; b = b[16:] {
			servers = append(servers, netip.AddrFrom16([16]byte(b)))
		}
	}
	return servers
}

// advertised gives the nameservers of a router advertisement, from its ICMPv6 header
// on (RFC 4861 §4.2, RFC 8106 §5.1). Those whose lifetime is zero are taken back.
func advertised(icmp []byte) (servers []netip.Addr) {
	const header, typeRA, optionRDNSS = 16, 134, 25
	if len(icmp) < header || icmp[0] != typeRA || icmp[1] != 0 {
		return nil
	}
	for b := icmp[header:]; len(b) >= 8; {
		size := 8 * int(b[1])
		if size == 0 || size > len(b) {
			return nil // RFC 4861 §4.6: such a packet must be dropped
		}
		if b[0] == optionRDNSS && binary.BigEndian.Uint32(b[4:]) != 0 {
			for a := b[8:size]; len(a) >= 16; a = a[16:] {
				servers = append(servers, netip.AddrFrom16([16]byte(a)))
			}
		}
		b = b[size:]
	}
	return servers
}

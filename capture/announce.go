package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Ports that DHCP servers send to.
const (
	portDHCP   = 68
	portDHCPv6 = 546
)

const (
	maxAnnounced  = 32 // kept; the one that was not heard for longest makes room
	maxNameserver = 8  // of one announcement

	// announcedFor is how long it counts: longer than leases usually run, so that
	// it is heard again before.
	announcedFor = 24 * time.Hour
)

// announcement is a nameserver that somebody on the network told hosts to ask.
type announcement struct {
	monitor.Source
	at time.Time // when it was last heard
}

// announcements are those that were heard. It may be read by any goroutine while
// one writes.
type announcements struct {
	mu  sync.Mutex
	all []announcement // guarded by mu, the latest last
}

func (as *announcements) hear(by string, from netip.Addr, mac string, at time.Time, servers []netip.Addr) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, s := range servers[:min(len(servers), maxNameserver)] {
		n := announcement{monitor.Source{Server: s, By: by, From: from, MAC: mac}, at}
		as.all = slices.DeleteFunc(as.all, func(old announcement) bool { return old.Source == n.Source })
		if len(as.all) == maxAnnounced {
			as.all = slices.Delete(as.all, 0, 1)
		}
		as.all = append(as.all, n)
	}
}

// since lists what was heard after a time.
func (as *announcements) since(t time.Time) (all []monitor.Source) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, n := range as.all {
		if n.at.After(t) {
			all = append(all, n.Source)
		}
	}
	return all
}

// Announced lists the nameservers that somebody on the network told hosts to ask in
// the last 24 hours, by DHCP, DHCPv6 or as a router; the latest last. It may be
// called from any goroutine.
func (m *Matcher) Announced() []monitor.Source { return m.lan.since(time.Now().Add(-announcedFor)) }

// Of a DHCP message (RFC 2131 §2, RFC 2132). The layers of gopacket, which otherwise
// take such things apart, panic on options that are longer than the message.
const (
	dhcpReply   = 2 // BOOTREPLY
	dhcpOptions = 240
	dhcpCookie  = 0x63825363 // before the options

	optionPad      = 0
	optionDNS      = 6
	optionType     = 53
	optionServerID = 54
	optionEnd      = 255

	typeOffer = 2
	typeAck   = 5
)

// told takes in a datagram that is none of DNS: it may announce nameservers.
func (as *announcements) told(f *Frame, g *datagram) {
	switch g.dst.Port() {
	case portDHCP:
		if from, servers := offered(g.payload); len(servers) > 0 {
			as.hear(monitor.ByDHCP, from, macString(g.mac), f.At, servers)
		}
	case portDHCPv6:
		if servers := offered6(g.payload); len(servers) > 0 {
			as.hear(monitor.ByDHCPv6, g.src.Addr().WithZone(""), macString(g.mac), f.At, servers)
		}
	}
}

// offered gives the nameservers that a DHCP server offers or grants (RFC 2131 §3.1),
// and its address.
func offered(b []byte) (from netip.Addr, servers []netip.Addr) {
	if len(b) < dhcpOptions || b[0] != dhcpReply || binary.BigEndian.Uint32(b[dhcpOptions-4:]) != dhcpCookie {
		return from, nil
	}
	given := false
	for b = b[dhcpOptions:]; len(b) > 0 && b[0] != optionEnd; {
		if b[0] == optionPad {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return from, nil
		}
		data := b[2 : 2+int(b[1])]
		switch b[0] {
		case optionType:
			given = len(data) == 1 && (data[0] == typeOffer || data[0] == typeAck)
		case optionServerID:
			from, _ = netip.AddrFromSlice(data)
		case optionDNS:
			servers = appendAddrs(servers, data, 4)
		}
		b = b[2+len(data):]
	}
	if !given {
		return from, nil
	}
	return from, servers
}

// offered6 gives the nameservers of a DHCPv6 server's answer (RFC 8415 §8 and §21.1,
// RFC 3646 §3).
func offered6(b []byte) (servers []netip.Addr) {
	const header, advertise, reply, optionDNS = 4, 2, 7, 23
	if len(b) < header || b[0] != advertise && b[0] != reply {
		return nil
	}
	for b = b[header:]; len(b) > 0; {
		if len(b) < 4 || len(b) < 4+int(binary.BigEndian.Uint16(b[2:])) {
			return nil
		}
		data := b[4 : 4+int(binary.BigEndian.Uint16(b[2:]))]
		if binary.BigEndian.Uint16(b) == optionDNS {
			servers = appendAddrs(servers, data, 16)
		}
		b = b[4+len(data):]
	}
	return servers
}

// appendAddrs adds addresses of size octets that lie one behind the other.
func appendAddrs(as []netip.Addr, b []byte, size int) []netip.Addr {
	for ; len(b) >= size; b = b[size:] {
		a, _ := netip.AddrFromSlice(b[:size])
		as = append(as, a)
	}
	return as
}

// advertised gives the nameservers of a router advertisement, from its ICMPv6 header
// on (RFC 4861 §4.2, RFC 8106 §5.1). Those whose lifetime is zero are taken back.
func advertised(icmp []byte) (servers []netip.Addr) {
	const header, optionRDNSS = 16, 25
	if len(icmp) < header || icmp[0] != icmp6Router || icmp[1] != 0 {
		return nil
	}
	for b := icmp[header:]; len(b) >= 8; {
		size := 8 * int(b[1])
		if size == 0 || size > len(b) {
			return nil // RFC 4861 §4.6: such a packet must be dropped
		}
		if b[0] == optionRDNSS && binary.BigEndian.Uint32(b[4:]) != 0 {
			servers = appendAddrs(servers, b[8:size], 16)
		}
		b = b[size:]
	}
	return servers
}

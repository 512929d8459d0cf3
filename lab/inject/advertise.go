//go:build lab

package inject

import (
	"cmp"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/google/gopacket/layers"
)

// An AdvertiseConfig says what the router claims.
type AdvertiseConfig struct {
	Servers  []netip.Addr // recursive resolvers, IPv6 (RFC 8106 §5.1)
	Lifetime uint32       // of Servers, in seconds; 0 is 600
	// RouterLifetime is in seconds. At 0 the sender is no default router: hosts
	// take its resolvers all the same (RFC 4861 §6.2.3).
	RouterLifetime uint16
	// Prefix, if valid, is on link and for autoconfiguration (RFC 4861 §4.6.2).
	Prefix netip.Prefix
	Source netip.Addr       // link-local; without one, made of SrcMAC
	SrcMAC net.HardwareAddr // without one, that of the interface
	Every  time.Duration    // 0 is one second
}

// Advertise sends IPv6 router advertisements to all nodes of a link (RFC 4861
// §4.2), at once and then again and again until Stop.
func Advertise(within Within, iface string, c AdvertiseConfig) (*Injector, error) {
	l, err := openLink(within, iface)
	if err != nil {
		return nil, err
	}
	if c.SrcMAC == nil {
		c.SrcMAC = l.mac
	}
	frame, err := c.frame()
	if err != nil {
		l.Close()
		return nil, err
	}
	return launch(0, func(ctx context.Context, i *Injector) error {
		for {
			if err := i.note(l.send(frame)); err != nil {
				return err
			}
			if !wait(ctx, cmp.Or(c.Every, time.Second)) {
				return ctx.Err()
			}
		}
	}, func() { l.Close() }), nil
}

// optRDNSS is the type of the option with resolvers (RFC 8106 §5.1).
const optRDNSS layers.ICMPv6Opt = 25

// frame is the advertisement.
func (c AdvertiseConfig) frame() ([]byte, error) {
	options := layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: c.SrcMAC}}
	if c.Prefix.IsValid() {
		const onLink, autonomous, day = 0x80, 0x40, 86400
		data := []byte{byte(c.Prefix.Bits()), onLink | autonomous}
		data = binary.BigEndian.AppendUint32(data, day) // valid
		data = binary.BigEndian.AppendUint32(data, day) // preferred
		data = append(data, 0, 0, 0, 0)
		data = append(data, c.Prefix.Masked().Addr().AsSlice()...)
		options = append(options, layers.ICMPv6Option{Type: layers.ICMPv6OptPrefixInfo, Data: data})
	}
	if len(c.Servers) > 0 {
		data := binary.BigEndian.AppendUint32([]byte{0, 0}, cmp.Or(c.Lifetime, 600))
		for _, s := range c.Servers {
			data = append(data, s.AsSlice()...)
		}
		options = append(options, layers.ICMPv6Option{Type: optRDNSS, Data: data})
	}
	src := c.Source
	if !src.IsValid() {
		src = linkLocal(c.SrcMAC)
	}
	ip := &layers.IPv6{
		Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, // 255: from this link (RFC 4861 §6.1.2)
		SrcIP: src.AsSlice(), DstIP: net.IPv6linklocalallnodes,
	}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeRouterAdvertisement, 0)}
	_ = icmp.SetNetworkLayerForChecksum(ip) // fails for no IP layer alone
	return serialize(
		&layers.Ethernet{SrcMAC: c.SrcMAC, DstMAC: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, EthernetType: layers.EthernetTypeIPv6},
		ip, icmp,
		&layers.ICMPv6RouterAdvertisement{HopLimit: 64, RouterLifetime: c.RouterLifetime, Options: options},
	)
}

// linkLocal is the address that a host makes of a 48-bit hardware address (RFC
// 4291, appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{
		0: 0xfe, 1: 0x80,
		8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5],
	})
}

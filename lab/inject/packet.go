//go:build lab

package inject

import (
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// A Path is the ends of a packet: hardware addresses, IP addresses and UDP ports.
// Both IP addresses are of one family.
type Path struct {
	SrcMAC, DstMAC net.HardwareAddr
	Src, Dst       netip.AddrPort
}

// back is the way of an answer.
func (p Path) back() Path {
	return Path{SrcMAC: p.DstMAC, DstMAC: p.SrcMAC, Src: p.Dst, Dst: p.Src}
}

// A header is what of an IP header a forger chooses.
type header struct {
	ttl uint8  // hop limit in IPv6 (RFC 8200 §3)
	id  uint16 // IPv4 alone
	df  bool   // IPv4 alone
}

// ethernet is the link layer of a path.
func (p Path) ethernet() *layers.Ethernet {
	e := &layers.Ethernet{SrcMAC: p.SrcMAC, DstMAC: p.DstMAC, EthernetType: layers.EthernetTypeIPv4}
	if p.Src.Addr().Is6() {
		e.EthernetType = layers.EthernetTypeIPv6
	}
	return e
}

// datagram is a UDP datagram from the IP header on.
func (p Path) datagram(h header, payload []byte) []gopacket.SerializableLayer {
	udp := &layers.UDP{SrcPort: layers.UDPPort(p.Src.Port()), DstPort: layers.UDPPort(p.Dst.Port())}
	src, dst := p.Src.Addr().AsSlice(), p.Dst.Addr().AsSlice()
	if p.Src.Addr().Is6() {
		ip := &layers.IPv6{Version: 6, HopLimit: h.ttl, NextHeader: layers.IPProtocolUDP, SrcIP: src, DstIP: dst}
		_ = udp.SetNetworkLayerForChecksum(ip) // fails for no IP layer alone
		return []gopacket.SerializableLayer{ip, udp, gopacket.Payload(payload)}
	}
	ip := &layers.IPv4{Version: 4, TTL: h.ttl, Id: h.id, Protocol: layers.IPProtocolUDP, SrcIP: src, DstIP: dst}
	if h.df {
		ip.Flags = layers.IPv4DontFragment
	}
	_ = udp.SetNetworkLayerForChecksum(ip)
	return []gopacket.SerializableLayer{ip, udp, gopacket.Payload(payload)}
}

// frame is a UDP datagram with its Ethernet header.
func (p Path) frame(h header, payload []byte) ([]byte, error) {
	return serialize(append([]gopacket.SerializableLayer{p.ethernet()}, p.datagram(h, payload)...)...)
}

// packet is a UDP datagram as an IP packet.
func (p Path) packet(h header, payload []byte) ([]byte, error) {
	return serialize(p.datagram(h, payload)...)
}

// serialize writes layers, with true lengths and checksums.
func serialize(ls ...gopacket.SerializableLayer) ([]byte, error) {
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...)
	return buf.Bytes(), err
}

// A decoder finds UDP datagrams in frames. It belongs to one goroutine.
type decoder struct {
	parser *gopacket.DecodingLayerParser
	found  []gopacket.LayerType
	eth    layers.Ethernet
	ip4    layers.IPv4
	ip6    layers.IPv6
	udp    layers.UDP
}

func newDecoder() *decoder {
	d := &decoder{}
	d.parser = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &d.eth, &d.ip4, &d.ip6, &d.udp)
	d.parser.IgnoreUnsupported = true
	return d
}

// decode reads a frame, and reports whether it is a whole UDP datagram. What it
// gives shares memory with the frame, but for the hardware addresses.
func (d *decoder) decode(frame []byte) (p Path, h header, payload []byte, ok bool) {
	if err := d.parser.DecodeLayers(frame, &d.found); err != nil || len(d.found) != 3 || d.found[2] != layers.LayerTypeUDP {
		return p, h, nil, false
	}
	var src, dst netip.Addr
	if d.found[1] == layers.LayerTypeIPv4 {
		src, _ = netip.AddrFromSlice(d.ip4.SrcIP)
		dst, _ = netip.AddrFromSlice(d.ip4.DstIP)
		h = header{ttl: d.ip4.TTL, id: d.ip4.Id, df: d.ip4.Flags&layers.IPv4DontFragment != 0}
		if d.ip4.Flags&layers.IPv4MoreFragments != 0 {
			return p, h, nil, false
		}
	} else {
		src, _ = netip.AddrFromSlice(d.ip6.SrcIP)
		dst, _ = netip.AddrFromSlice(d.ip6.DstIP)
		h = header{ttl: d.ip6.HopLimit}
	}
	return Path{
		SrcMAC: append(net.HardwareAddr(nil), d.eth.SrcMAC...),
		DstMAC: append(net.HardwareAddr(nil), d.eth.DstMAC...),
		Src:    netip.AddrPortFrom(src, uint16(d.udp.SrcPort)),
		Dst:    netip.AddrPortFrom(dst, uint16(d.udp.DstPort)),
	}, h, d.udp.Payload, true
}

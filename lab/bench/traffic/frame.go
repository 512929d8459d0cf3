package traffic

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// The hop limits with which packets of each arrive (IPv4 calls it TTL).
const (
	clientHops = 64
	serverHops = 57
	forgerHops = 47
)

const dnsPort = 53

// direction is who of two sends.
type direction bool

const (
	fromClient direction = false
	fromServer direction = true
)

// peers are who speaks with whom, and whether their frames have a tag.
type peers struct {
	client, server netip.AddrPort
	tagged         bool
}

var (
	clientMAC = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	serverMAC = net.HardwareAddr{2, 0, 0, 0, 0, 2}
	servers   = addresses("10.0.0.53", "10.0.1.53", "8.8.8.8", "1.1.1.1", "9.9.9.9")
	servers6  = addresses("2001:4860:4860::8888", "2606:4700:4700::1111")
)

func addresses(texts ...string) (as []netip.Addr) {
	for _, t := range texts {
		as = append(as, netip.MustParseAddr(t))
	}
	return as
}

// peers picks who asks whom.
func (m *maker) peers() peers {
	six := m.rng.Intn(100) < 15
	p := peers{tagged: m.rng.Intn(100) < 5}
	var client, server netip.Addr
	if six {
		client = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", 1+m.rng.Intn(2000)))
		server = servers6[m.rng.Intn(len(servers6))]
	} else {
		client = netip.AddrFrom4([4]byte{10, 1, byte(m.rng.Intn(8)), byte(1 + m.rng.Intn(250))})
		server = servers[m.rng.Intn(len(servers))]
	}
	p.client = netip.AddrPortFrom(client, uint16(1024+m.rng.Intn(64000)))
	p.server = netip.AddrPortFrom(server, dnsPort)
	return p
}

// datagram adds a message over UDP.
func (m *maker) datagram(p peers, d direction, at time.Duration, hops uint8, message []byte) error {
	u := &layers.UDP{SrcPort: layers.UDPPort(p.client.Port()), DstPort: layers.UDPPort(p.server.Port())}
	if d == fromServer {
		u.SrcPort, u.DstPort = u.DstPort, u.SrcPort
	}
	return m.frame(p, d, at, hops, u, message)
}

// stream adds a transaction over TCP (RFC 7766), from handshake to end.
func (m *maker) stream(p peers, at, back time.Duration, query, response []byte) error {
	c, s := m.rng.Uint32(), m.rng.Uint32()
	q, r := prefixed(query), prefixed(response)
	cq, sr := c+1+uint32(len(q)), s+1+uint32(len(r))
	const moment = 100 * time.Microsecond
	m.truth.Queries++
	m.truth.Responses++
	m.truth.TCP += 2
	for _, x := range []struct {
		d        direction
		at       time.Duration
		seq, ack uint32
		flags    string
		data     []byte
	}{
		{fromClient, at, c, 0, "S", nil},
		{fromServer, at + back, s, c + 1, "SA", nil},
		{fromClient, at + back + moment, c + 1, s + 1, "A", nil},
		{fromClient, at + back + 2*moment, c + 1, s + 1, "PA", q},
		{fromServer, at + 2*back + 2*moment, s + 1, cq, "PA", r},
		{fromClient, at + 2*back + 3*moment, cq, sr, "FA", nil},
		{fromServer, at + 3*back + 3*moment, sr, cq + 1, "FA", nil},
		{fromClient, at + 3*back + 4*moment, cq + 1, sr + 1, "A", nil},
	} {
		t := &layers.TCP{SrcPort: layers.TCPPort(p.client.Port()), DstPort: layers.TCPPort(p.server.Port()), Seq: x.seq, Ack: x.ack, Window: 64240}
		hops := uint8(clientHops)
		if x.d == fromServer {
			t.SrcPort, t.DstPort, hops = t.DstPort, t.SrcPort, serverHops
		}
		for _, f := range x.flags {
			switch f {
			case 'S':
				t.SYN = true
			case 'A':
				t.ACK = true
			case 'P':
				t.PSH = true
			case 'F':
				t.FIN = true
			}
		}
		if err := m.frame(p, x.d, x.at, hops, t, x.data); err != nil {
			return err
		}
	}
	return nil
}

func prefixed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

// transport is UDP or TCP, which need the addresses for their checksum.
type transport interface {
	gopacket.SerializableLayer
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}

// frame adds a packet, with true lengths and checksums.
func (m *maker) frame(p peers, d direction, at time.Duration, hops uint8, t transport, payload []byte) error {
	src, dst, from, to := p.client.Addr(), p.server.Addr(), clientMAC, serverMAC
	if d == fromServer {
		src, dst, from, to = dst, src, to, from
	}
	protocol := layers.IPProtocolUDP
	if _, ok := t.(*layers.TCP); ok {
		protocol = layers.IPProtocolTCP
	}
	kind := layers.EthernetTypeIPv4
	var ip interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	}
	if src.Is6() {
		kind = layers.EthernetTypeIPv6
		ip = &layers.IPv6{Version: 6, HopLimit: hops, NextHeader: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	} else {
		ip = &layers.IPv4{Version: 4, IHL: 5, TTL: hops, Protocol: protocol, Id: uint16(m.rng.Intn(1 << 16)), SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	if err := t.SetNetworkLayerForChecksum(ip); err != nil {
		return err
	}
	eth := &layers.Ethernet{SrcMAC: from, DstMAC: to, EthernetType: kind}
	all := []gopacket.SerializableLayer{eth, ip, t, gopacket.Payload(payload)}
	if p.tagged {
		eth.EthernetType = layers.EthernetTypeDot1Q
		all = append(all[:1:1], append([]gopacket.SerializableLayer{&layers.Dot1Q{VLANIdentifier: 42, Type: kind}}, all[1:]...)...)
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		return err
	}
	m.packets = append(m.packets, packet{at, buf.Bytes()})
	return nil
}

package capture_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
)

var (
	clientAddr = netip.MustParseAddrPort("10.0.0.9:40000")
	serverAddr = netip.MustParseAddrPort("10.0.0.2:53")
	began      = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

const (
	clientMAC = "02:00:00:00:00:09"
	serverMAC = "02:00:00:00:00:02"
	forgerMAC = "02:00:00:00:00:66"
)

// datagram is a packet of a test before it is one.
type datagram struct {
	after    time.Duration // since began
	src, dst netip.AddrPort
	mac      string
	hop      uint8
	iface    int
	vlans    []uint16
	msg      *dns.Msg
	raw      []byte // in place of msg
}

// query asks for name, from the client to the server.
func query(after time.Duration, id uint16, name string, qtype uint16) datagram {
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.Id = id
	return datagram{after: after, src: clientAddr, dst: serverAddr, mac: clientMAC, hop: 64, msg: m}
}

// reply answers q with addresses, or names where they do not parse.
func (d datagram) reply(after time.Duration, data ...string) datagram {
	m := new(dns.Msg).SetReply(d.msg)
	m.RecursionAvailable = true
	for _, s := range data {
		h := dns.RR_Header{Name: d.msg.Question[0].Name, Class: dns.ClassINET, Ttl: 300, Rrtype: d.msg.Question[0].Qtype}
		if a := net.ParseIP(s); a == nil {
			h.Rrtype = dns.TypeCNAME
			m.Answer = append(m.Answer, &dns.CNAME{Hdr: h, Target: s})
		} else if h.Rrtype == dns.TypeAAAA {
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: h, AAAA: a})
		} else {
			m.Answer = append(m.Answer, &dns.A{Hdr: h, A: a})
		}
	}
	return datagram{after: after, src: d.dst, dst: d.src, mac: serverMAC, hop: 64, iface: d.iface, msg: m}
}

func (d datagram) with(change func(*datagram)) datagram {
	if d.msg != nil {
		d.msg = d.msg.Copy()
	}
	change(&d)
	return d
}

// frame serialises d as an Ethernet frame.
func (d datagram) frame(t testing.TB, number int) capture.Frame {
	t.Helper()
	payload := d.raw
	if d.msg != nil {
		var err error
		if payload, err = d.msg.Pack(); err != nil {
			t.Fatal(err)
		}
	}
	src, _ := net.ParseMAC(d.mac)
	eth := &layers.Ethernet{SrcMAC: src, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, EthernetType: layers.EthernetTypeIPv4}
	udp := &layers.UDP{SrcPort: layers.UDPPort(d.src.Port()), DstPort: layers.UDPPort(d.dst.Port())}
	var ip gopacket.SerializableLayer
	if d.src.Addr().Is4() {
		v4 := &layers.IPv4{Version: 4, TTL: d.hop, Protocol: layers.IPProtocolUDP, Id: uint16(number), SrcIP: d.src.Addr().AsSlice(), DstIP: d.dst.Addr().AsSlice()}
		udp.SetNetworkLayerForChecksum(v4)
		ip = v4
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		v6 := &layers.IPv6{Version: 6, HopLimit: d.hop, NextHeader: layers.IPProtocolUDP, SrcIP: d.src.Addr().AsSlice(), DstIP: d.dst.Addr().AsSlice()}
		udp.SetNetworkLayerForChecksum(v6)
		ip = v6
	}
	stack := []gopacket.SerializableLayer{eth}
	for _, id := range d.vlans {
		stack = append(stack, &layers.Dot1Q{VLANIdentifier: id, Type: eth.EthernetType})
	}
	for i := range d.vlans {
		if i+1 < len(d.vlans) {
			stack[i+1].(*layers.Dot1Q).Type = layers.EthernetTypeDot1Q
		}
		eth.EthernetType = layers.EthernetTypeDot1Q
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		append(stack, ip, udp, gopacket.Payload(payload))...); err != nil {
		t.Fatal(err)
	}
	return capture.Frame{At: began.Add(d.after), Link: capture.LinkEthernet, Data: b.Bytes(), Length: len(b.Bytes()), Number: number, Interface: d.iface}
}

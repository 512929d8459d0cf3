package capture

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"
)

// layered is what gopacket makes of a frame: what it reads of UDP and TCP, and what of
// the layers below is to be as we have it.
type layered struct {
	src, dst netip.AddrPort
	hop      uint8
	payload  []byte
}

// layer reads a frame with gopacket; false for what it does not read to the end, or
// reads otherwise than a host does.
func layer(data []byte) (l layered, ok bool) {
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
	if p.ErrorLayer() != nil {
		return l, false
	}
	truncated := p.Metadata().Truncated
	var src, dst netip.Addr
	tags, headers := 0, 0
	for _, x := range p.Layers() {
		switch x := x.(type) {
		case *layers.Ethernet:
			if x.EthernetType == layers.EthernetTypeLLC {
				return l, false
			}
		case *layers.Dot1Q:
			if tags++; tags > 2 {
				return l, false
			}
		case *layers.IPv4:
			// It looks neither at the version nor at fragments that begin at 0.
			if src.IsValid() || x.Version != 4 || x.Flags&layers.IPv4MoreFragments != 0 || x.FragOffset != 0 {
				return l, false
			}
			src, _ = netip.AddrFromSlice(x.SrcIP)
			dst, _ = netip.AddrFromSlice(x.DstIP)
			l.hop = x.TTL
		case *layers.IPv6:
			if src.IsValid() || x.Version != 6 || x.HopByHop != nil && x.Length == 0 {
				return l, false
			}
			if x.HopByHop != nil { // it takes that header for what is missing
				truncated = int(x.Length) > len(x.HopByHop.Contents)+len(x.Payload)
			}
			src, _ = netip.AddrFromSlice(x.SrcIP)
			dst, _ = netip.AddrFromSlice(x.DstIP)
			l.hop = x.HopLimit
		case *layers.IPv6HopByHop, *layers.IPv6Routing, *layers.IPv6Destination:
			headers++
		case *layers.UDP:
			l.src, l.dst = netip.AddrPortFrom(src, uint16(x.SrcPort)), netip.AddrPortFrom(dst, uint16(x.DstPort))
			l.payload = x.Payload
			return l, src.IsValid() && !truncated && headers <= maxExtensions && x.Length != 0 && int(x.Length) <= 8+len(x.Payload)
		case *layers.TCP:
			l.src, l.dst = netip.AddrPortFrom(src, uint16(x.SrcPort)), netip.AddrPortFrom(dst, uint16(x.DstPort))
			l.payload = x.Payload
			return l, src.IsValid() && !truncated && headers <= maxExtensions
		default:
			return l, false
		}
	}
	return l, false
}

// decodeSeeds are frames of every shape that is read.
func decodeSeeds() [][]byte {
	ethernet := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9}
	v4 := append(bytes.Clone(ethernet), 8, 0)
	v6 := append(bytes.Clone(ethernet), 0x86, 0xdd)
	tag := append(bytes.Clone(ethernet), 0x88, 0xa8, 0, 7, 0x81, 0, 0, 42, 8, 0)
	join := func(head []byte, packet []byte) []byte { return append(bytes.Clone(head), packet...) }
	message := []byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01")
	whole := packetIPv4(protocolUDP, packetUDP(40000, 53, message))
	options := append([]byte{60, 0, 1, 4, 0, 0, 0, 0}, packetTCP(40000, 53, 7, tcpACK, message)...)
	inner := join(v4, whole)
	return [][]byte{
		join(v4, whole), join(tag, whole),
		join(v4, append(bytes.Clone(whole), 0, 0, 0, 0)), // padded
		join(v4, packetIPv4(protocolTCP, packetTCP(53, 40000, 7, tcpSYN|tcpACK, nil))),
		join(v6, packetIPv6(protocolUDP, packetUDP(53, 40000, message))),
		join(v6, packetIPv6(protocolHop, append([]byte{60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0}, options[8:]...))),
		join(v6, packetIPv6(protocolFragment, append([]byte{17, 0, 0, 0, 0, 0, 0, 9}, packetUDP(53, 40000, message)...))),
		join(v4, packetIPv4(protocolICMP, append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, whole...))),
		join(v6, packetIPv6(protocolICMPv6, append([]byte{1, 4, 0, 0, 0, 0, 0, 0}, packetIPv6(protocolUDP, packetUDP(40000, 53, message))...))),
		join(v4, packetIPv4(protocolUDP, packetUDP(50000, portVXLAN, append([]byte{8, 0, 0, 0, 0, 0, 5, 0}, inner...)))),
		join(v4, packetIPv4(protocolGRE, append([]byte{0, 0, 8, 0}, whole...))),
		join(v4, packetIPv4(protocolGRE, append([]byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0}, inner...))),
	}
}

// packetIPv4 and packetIPv6 put something between documentation addresses.
func packetIPv4(protocol byte, data []byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(data)))
	return append(b, data...)
}

func packetIPv6(next byte, data []byte) []byte {
	b := []byte{0x60, 0, 0, 0, 0, 0, next, 64}
	binary.BigEndian.PutUint16(b[4:], uint16(len(data)))
	for _, a := range []string{"2001:db8::1", "2001:db8::2"} {
		b = append(b, netip.MustParseAddr(a).AsSlice()...)
	}
	return append(b, data...)
}

func packetUDP(src, dst uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src)
	b = binary.BigEndian.AppendUint16(b, dst)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	return append(append(b, 0, 0), data...)
}

func packetTCP(src, dst uint16, seq uint32, control byte, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src)
	b = binary.BigEndian.AppendUint16(b, dst)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0, 0x50, control, 0xff, 0xff, 0, 0, 0, 0)
	return append(b, data...)
}

// The sum is that of RFC 1071 §4.1, two octets at a time.
func TestSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "data")
		start := rapid.Uint64Range(0, 1<<40).Draw(t, "start")
		want := start
		for i, c := range b {
			if i%2 == 0 {
				want += uint64(c) << 8
			} else {
				want += uint64(c)
			}
		}
		for want > 0xffff {
			want = want>>16 + want&0xffff
		}
		if got := fold(sum(start, b)); got != uint16(want) {
			t.Fatalf("%#x, want %#x", got, want)
		}
	})
}

// FuzzDecode holds the decoder against that of gopacket: wherever that reads UDP or TCP
// to its payload, ours has the same. Nothing panics, and all slices lie within the frame.
func FuzzDecode(f *testing.F) {
	for _, seed := range decodeSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frame := Frame{At: time.Unix(0, 0), Link: LinkEthernet, Data: data, Length: len(data)}
		g, s := decoder{}.decode(&frame)
		if want, ok := layer(data); ok {
			if s != udp && s != tcp {
				t.Fatalf("%v of what is %+v", s, want)
			}
			if g.src != want.src || g.dst != want.dst || g.hop != want.hop || !bytes.Equal(g.payload, want.payload) {
				t.Fatalf("%+v, want %+v", g, want)
			}
		}
		g, s = decoder{tunnels: true}.decode(&frame)
		if s == udp || s == tcp {
			g.checksum(data)
		}
		if s == icmp {
			parseQuote(&g)
		}
		if s == fragment {
			parsePiece(&frame, &g)
		}
		if g.ip > len(data) || g.transport > len(data) || len(g.payload) > len(data) {
			t.Fatalf("%+v lies outside of its frame of %d", g, len(data))
		}
	})
}

// What the decoder is held against reads the seeds.
func TestDecodeModel(t *testing.T) {
	for i, seed := range decodeSeeds()[:6] {
		if l, ok := layer(seed); !ok || l.src.Port() != 53 && l.dst.Port() != 53 {
			t.Errorf("seed %d: %+v, %t", i, l, ok)
		}
	}
}

// Once it has begun, taking frames apart takes no memory.
func TestDecodeAllocations(t *testing.T) {
	for i, data := range decodeSeeds() {
		f := Frame{Link: LinkEthernet, Data: data, Length: len(data)}
		var s sums
		if n := testing.AllocsPerRun(100, func() {
			g, kind := decoder{tunnels: true}.decode(&f)
			switch kind {
			case udp, tcp:
				s.good(&f, &g)
			case icmp:
				parseQuote(&g)
			case other, broken, fragment:
				t.Errorf("seed %d is %d", i, kind)
			}
		}); n != 0 {
			t.Errorf("seed %d: %v allocations", i, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for i, name := range []string{"UDP", "UDP, tags"} {
		f := Frame{Link: LinkEthernet, Data: decodeSeeds()[i], Length: len(decodeSeeds()[i])}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				decoder{}.decode(&f)
			}
		})
	}
}

package capture_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
)

// carried puts a frame into another packet, behind the header of a tunnel.
func carried(t testing.TB, f capture.Frame, protocol layers.IPProtocol, head, inner []byte) capture.Frame {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 9, Protocol: protocol, SrcIP: []byte{10, 99, 0, 1}, DstIP: []byte{10, 99, 0, 2}}
	stack := []gopacket.SerializableLayer{
		&layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 9, 1}, DstMAC: []byte{2, 0, 0, 0, 9, 2}, EthernetType: layers.EthernetTypeIPv4}, ip,
	}
	if protocol == layers.IPProtocolUDP {
		udp := &layers.UDP{SrcPort: 50000, DstPort: 4789}
		udp.SetNetworkLayerForChecksum(ip)
		stack = append(stack, udp)
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		append(stack, gopacket.Payload(append(bytes.Clone(head), inner...)))...); err != nil {
		t.Fatal(err)
	}
	f.Data, f.Length = b.Bytes(), len(b.Bytes())
	return f
}

// tunnels are those that are looked into. Each gives a frame that holds another.
var tunnels = []struct {
	name string
	wrap func(testing.TB, capture.Frame) capture.Frame
}{
	{"VXLAN", func(t testing.TB, f capture.Frame) capture.Frame {
		return carried(t, f, layers.IPProtocolUDP, []byte{8, 0, 0, 0, 0, 0, 5, 0}, f.Data)
	}},
	{"GRE, IP", func(t testing.TB, f capture.Frame) capture.Frame {
		return carried(t, f, layers.IPProtocolGRE, append([]byte{0, 0}, f.Data[12:14]...), f.Data[14:])
	}},
	{"GRE, Ethernet, key", func(t testing.TB, f capture.Frame) capture.Frame {
		return carried(t, f, layers.IPProtocolGRE, []byte{0x20, 0, 0x65, 0x58, 0, 0, 0, 9}, f.Data)
	}},
	{"GRE, checksum and sequence number", func(t testing.TB, f capture.Frame) capture.Frame {
		return carried(t, f, layers.IPProtocolGRE, []byte{0x90, 0, 0x65, 0x58, 1, 2, 3, 4, 0, 0, 0, 1}, f.Data)
	}},
	{"ERSPAN I", func(t testing.TB, f capture.Frame) capture.Frame {
		return carried(t, f, layers.IPProtocolGRE, []byte{0, 0, 0x88, 0xbe}, f.Data)
	}},
	{"ERSPAN II", func(t testing.TB, f capture.Frame) capture.Frame {
		return carried(t, f, layers.IPProtocolGRE, []byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 1, 0, 0, 0, 0}, f.Data)
	}},
	{"ERSPAN III", func(t testing.TB, f capture.Frame) capture.Frame {
		return carried(t, f, layers.IPProtocolGRE, []byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, f.Data)
	}},
	{"ERSPAN III, optional part", func(t testing.TB, f capture.Frame) capture.Frame {
		return carried(t, f, layers.IPProtocolGRE, append([]byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 8)...), f.Data)
	}},
}

// A packet in a tunnel counts, not the one around it: whole, in fragments, over TCP,
// and in a tunnel within a tunnel. No more is looked into, and nothing where nobody
// asked for it.
func TestTunnels(t *testing.T) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	whole := []capture.Frame{q.frame(t, 1), q.reply(10*ms, "203.0.113.10").frame(t, 2)}
	parts := append([]capture.Frame{q.frame(t, 1)}, split(large(q).frame(t, 2), 99, 64)...)
	c := newTalk(t, q)
	c.tell(0, q)
	c.tell(1, q.reply(0, "203.0.113.10"))
	for _, tunnel := range tunnels {
		for _, tt := range []struct {
			name   string
			frames []capture.Frame
			deep   int
			off    bool
			want   []string
		}{
			{"whole", whole, 1, false, []string{"api.partner.example. A 1q NOERROR:203.0.113.10 [1 2]"}},
			{"fragments", parts, 1, false, []string{"api.partner.example. A 1q NOERROR:203.0.113.10+203.0.113.11+203.0.113.12 [1 2]"}},
			{"TCP", c.frames, 1, false, []string{"api.partner.example. A 1q NOERROR:203.0.113.10 [4 5]"}},
			{"twice", whole, 2, false, []string{"api.partner.example. A 1q NOERROR:203.0.113.10 [1 2]"}},
			{"three times", whole, 3, false, nil},
			{"not asked for", whole, 1, true, nil},
		} {
			t.Run(tunnel.name+", "+tt.name, func(t *testing.T) {
				m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}, Tunnels: !tt.off})
				var fs []capture.Frame
				for _, f := range tt.frames {
					for range tt.deep {
						f = tunnel.wrap(t, f)
					}
					fs = append(fs, f)
				}
				got := takeAll(m, fs...)
				if diff := cmp.Diff(tt.want, tellAll(got)); diff != "" {
					t.Fatalf("(-want +got):\n%s\n%+v", diff, m.Stats())
				}
				for _, s := range got {
					if p := s.Answers[0].Packet; p.Src.Addr() != serverAddr.Addr() || p.HopLimit != 64 {
						t.Errorf("%+v", p)
					}
				}
				// Cut anywhere it is nothing, or broken, and never a panic.
				for n := range fs[0].Data {
					f := fs[0]
					f.Data = f.Data[:n]
					m.Take(f)
				}
			})
		}
	}
}

// An answer whose client has the port of VXLAN is an answer.
func TestTunnelPort(t *testing.T) {
	q := query(0, 7, "api.partner.example.", dns.TypeA).with(func(d *datagram) {
		d.src = netip.AddrPortFrom(d.src.Addr(), 4789)
	})
	m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}, Tunnels: true})
	reply := q.reply(10*ms, "203.0.113.10")
	reply.msg.Id, q.msg.Id = 0x0807, 0x0807 // the flag of VXLAN is set
	if got := takeAll(m, q.frame(t, 1), reply.frame(t, 2)); len(got) != 1 {
		t.Errorf("%+v", m.Stats())
	}
}

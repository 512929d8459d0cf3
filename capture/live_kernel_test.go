package capture_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/capture"
)

// TestLiveLoopback sends over the loopback interface, and among what is wanted
// what is not. Each datagram must come once.
func TestLiveLoopback(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		for _, name := range []string{"", "any", "lo"} {
			t.Run("on "+name, func(t *testing.T) {
				l := liveListen(t, capture.LiveConfig{Interface: name, Ports: []uint16{53, 5300}})
				liveDeaf(t, "127.0.0.1:54", "[::1]:5353")
				others := func() {
					liveSend(t, "udp", "127.0.0.1:54", "other port")
					liveSend(t, "udp", "[::1]:5353", "other port")
					for _, to := range []string{"127.0.0.1:54", "[::1]:54"} {
						if c, err := net.Dial("tcp", to); err == nil {
							c.Close()
							t.Error("somebody listens")
						}
					}
				}
				for i, c := range []struct{ network, to, payload string }{
					{"udp4", "127.0.0.1:53", "one"},
					{"udp6", "[::1]:53", "two"},
					{"udp4", "127.0.0.1:5300", "three"},
					{"udp4", "127.0.0.53:53", strings.Repeat("long", 10000)},
					{"udp6", "[::1]:5300", ""},
				} {
					liveDeaf(t, c.to)
					others()
					from := liveSend(t, c.network, c.to, c.payload)
					liveLoopbackFrame(t, liveNext(t, l), from, c.to, c.payload)
					if got := l.Stats(); got != (capture.LiveStats{Received: uint64(i + 1), Interfaces: 1}) {
						t.Errorf("%+v after %d datagrams", got, i+1)
					}
				}
			})
		}
	})
}

// liveDeaf takes in what is sent to addresses until the end of the test, so that no
// error says that nobody does.
func liveDeaf(t *testing.T, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		c, err := net.ListenPacket("udp", a)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
}

// TestLiveRefused hears a connection that is refused, and the error about a datagram
// that nobody took.
func TestLiveRefused(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		l := liveListen(t, capture.LiveConfig{})
		if c, err := net.Dial("tcp", "127.0.0.1:53"); err == nil {
			c.Close()
			t.Fatal("somebody listens")
		}
		liveSend(t, "udp", "127.0.0.1:53", "refused")
		var got []byte
		for i := range 4 {
			f := liveNext(t, l)
			got = append(got, f.Data[20+9])
			if i%2 == 0 && f.Sums != capture.SumsSettled { // of what answers it, the kernel has filled it in
				t.Errorf("protocol %d: the checksum is to be judged, and nobody has filled it in", f.Data[20+9])
			}
		}
		if diff := cmp.Diff([]byte{6, 6, 17, 1}, got); diff != "" {
			t.Errorf("protocols (-want +got):\n%s", diff)
		}
	})
}

// liveLoopbackFrame compares a frame with the datagram that was sent.
func liveLoopbackFrame(t *testing.T, f capture.Frame, from net.Addr, to, payload string) {
	t.Helper()
	liveNow(t, f)
	src := netip.MustParseAddrPort(from.String())
	dst := netip.MustParseAddrPort(to)
	header := []byte{8, 0, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0}
	network := 20
	addresses := f.Data[20+12:]
	if dst.Addr().Is6() {
		header[0], header[1], network, addresses = 0x86, 0xdd, 40, f.Data[20+8:]
	}
	if diff := cmp.Diff(header, f.Data[:20]); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if want := append(src.Addr().AsSlice(), dst.Addr().AsSlice()...); !bytes.HasPrefix(addresses, want) {
		t.Errorf("addresses %x, want %x", addresses[:len(want)], want)
	}
	got := f.Data[20+network:]
	want := liveUDP(src.Port(), dst.Port(), payload)
	copy(want[6:8], got[6:8]) // not summed yet
	if !bytes.Equal(got, want) {
		t.Errorf("datagram %.60q, want %.60q", got, want)
	}
	if f.Length != len(f.Data) || f.Interface != 1 || f.Lost != 0 {
		t.Errorf("length %d, interface %d, lost %d", f.Length, f.Interface, f.Lost)
	}
}

// TestLiveEthernet sends frames over a pair of interfaces, with VLAN tags too.
func TestLiveEthernet(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		liveVeth(t, "va", "vb")
		query, response := liveIPv4(40000, 53, "query"), liveIPv6(53, 40000, "response")
		type heard struct {
			index                    int
			kind                     byte
			sums                     capture.Sums
			protocol, packet, sender string
		}
		a, b := liveIndex(t, "va"), liveIndex(t, "vb")
		const sender = "020000000001"
		for _, c := range []struct {
			name   string
			packet []byte
			tags   []byte
			// The kernel takes the outer tag from what arrives, and hides all tags
			// of what leaves.
			left, arrived string // protocol
			inside        []byte // before the packet as it arrives
		}{
			{"ipv4", query, nil, "0800", "0800", nil},
			{"ipv6", response, nil, "86dd", "86dd", nil},
			{"tag", query, []byte{0x81, 0, 0, 5}, "0800", "0800", nil},
			{"service tag", response, []byte{0x88, 0xa8, 0, 5}, "86dd", "86dd", nil},
			{"two tags", query, []byte{0x88, 0xa8, 0, 5, 0x81, 0, 0, 6}, "0800", "8100", []byte{0, 6, 8, 0}},
		} {
			t.Run(c.name, func(t *testing.T) {
				all := liveListen(t, capture.LiveConfig{})
				oneA := liveListen(t, capture.LiveConfig{Interface: "va"})
				oneB := liveListen(t, capture.LiveConfig{Interface: "vb"})
				leaves := func(index int) heard {
					return heard{index, unix.PACKET_OUTGOING, capture.SumsSettled, c.left, fmt.Sprintf("%x", c.packet), sender}
				}
				arrives := func(index int) heard {
					return heard{index, unix.PACKET_BROADCAST, capture.SumsOpen, c.arrived, fmt.Sprintf("%x%x", c.inside, c.packet), sender}
				}
				onA, onB := liveRaw(t, "va"), liveRaw(t, "vb")
				onA(liveIPv4(40000, 54, "unwanted"), c.tags...)
				onA(c.packet, c.tags...)
				take := func(l *capture.Live, n int) (all []heard) {
					for range n {
						f := liveNext(t, l)
						liveNow(t, f)
						if f.Length != len(f.Data) || f.Data[9] != 1 || f.Data[11] != 6 || int(f.Data[7]) != f.Interface {
							t.Errorf("frame %+v", f)
						}
						d := f.Data
						all = append(all, heard{f.Interface, d[10], f.Sums, fmt.Sprintf("%x", d[:2]), fmt.Sprintf("%x", d[20:]), fmt.Sprintf("%x", d[12:18])})
					}
					return all
				}
				heardAll := take(all, 2)
				onB(c.packet, c.tags...)
				heardAll = append(heardAll, take(all, 2)...)
				opt := cmp.AllowUnexported(heard{})
				for _, x := range []struct {
					where     string
					want, got []heard
				}{
					{"all", []heard{leaves(a), arrives(b), leaves(b), arrives(a)}, heardAll},
					{"va", []heard{leaves(a), arrives(a)}, take(oneA, 2)},
					{"vb", []heard{arrives(b), leaves(b)}, take(oneB, 2)},
				} {
					if diff := cmp.Diff(x.want, x.got, opt); diff != "" {
						t.Errorf("%s (-want +got):\n%s", x.where, diff)
					}
				}
			})
		}
	})
}

// TestLiveLost fills a small ring that nobody reads. Frames that leave are seen
// before the sender goes on, so that none is under way.
func TestLiveLost(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		liveVeth(t, "va", "vb")
		l := liveListen(t, capture.LiveConfig{Interface: "va", RingSize: 16 << 10})
		send := liveRaw(t, "va")
		const sent = 2000
		for range sent {
			send(liveIPv4(40000, 53, "query"))
		}
		f := liveNext(t, l)
		stats := l.Stats()
		if f.Lost == 0 || f.Lost != stats.Dropped || stats.Freezes == 0 {
			t.Fatalf("first frame says %d lost; %+v", f.Lost, stats)
		}
		for range sent - stats.Dropped - 1 {
			f = liveNext(t, l)
		}
		send(liveIPv4(40000, 53, "last"))
		if f = liveNext(t, l); !bytes.HasSuffix(f.Data, []byte("last")) || f.Lost != stats.Dropped {
			t.Errorf("frame %q, %d lost, want the last one and %d", f.Data, f.Lost, stats.Dropped)
		}
	})
}

// TestLiveAllocationsOfRing reads a real ring.
func TestLiveAllocationsOfRing(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		liveVeth(t, "va", "vb")
		l := liveListen(t, capture.LiveConfig{Interface: "va"})
		send := liveRaw(t, "va")
		const frames = 1000
		for range frames + 2 {
			send(liveIPv4(40000, 53, "query"))
		}
		liveNext(t, l) // with which the statistics are asked for
		n := testing.AllocsPerRun(frames, func() {
			if _, err := l.Next(); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%v allocations a frame, want 0", n)
		}
	})
}

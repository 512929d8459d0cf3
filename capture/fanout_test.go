package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/capture"
)

// fanoutListen begins to hear with several rings, each read by a goroutine, and
// gives the frames with the number of their ring, and a function that ends it.
func fanoutListen(t *testing.T, cfg capture.LiveConfig, rings int, log *slog.Logger) (lives []*capture.Live, frames chan fanoutFrame, stop func()) {
	t.Helper()
	lives, err := capture.ListenFanout(cfg, rings, log)
	if err != nil {
		t.Fatal(err)
	}
	frames = make(chan fanoutFrame, 1<<16)
	over := make(chan struct{})
	var readers sync.WaitGroup
	for i, l := range lives {
		readers.Go(func() {
			for {
				f, err := l.Next()
				if err != nil {
					if !errors.Is(err, capture.ErrStopped) {
						t.Error(err)
					}
					return
				}
				f.Data = bytes.Clone(f.Data)
				select {
				case frames <- fanoutFrame{i, f}:
				case <-over:
				}
			}
		})
	}
	return lives, frames, func() {
		close(over)
		for _, l := range lives {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		readers.Wait()
	}
}

type fanoutFrame struct {
	ring int
	capture.Frame
}

// fanoutBetween is a datagram of host numbers under 192.0.2.0/24, or a fragment.
func fanoutBetween(from, to byte, sport, dport uint16, fragment uint16) []byte {
	b := liveIPv4(sport, dport, "payload")
	b[15], b[19] = from, to
	binary.BigEndian.PutUint16(b[6:], fragment)
	return b
}

func fanoutBetween6(from, to byte, sport, dport uint16) []byte {
	b := liveIPv6(sport, dport, "payload")
	b[23], b[39] = from, to
	return b
}

// TestFanout spreads flows over rings: both directions of each, first fragments too,
// are in the same one, as they leave and as they arrive, and each is heard once.
func TestFanout(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		liveVeth(t, "va", "vb")
		for _, rings := range []int{2, 3, 16} {
			for _, where := range []string{"va", ""} {
				_, frames, stop := fanoutListen(t, capture.LiveConfig{Interface: where, RingSize: 256 << 10}, rings, slog.New(slog.DiscardHandler))
				a, b := liveRaw(t, "va"), liveRaw(t, "vb")
				const flows = 40
				sent := 0
				for i := range byte(flows) {
					a(fanoutBetween(i, 200, 40000+uint16(i), 53, 0))
					b(fanoutBetween(200, i, 53, 40000+uint16(i), 0))
					b(fanoutBetween(200, i, 53, 40000+uint16(i), 0x2000)) // more to come
					a(fanoutBetween6(i, 200, 40000+uint16(i), 53))
					b(fanoutBetween6(200, i, 53, 40000+uint16(i)))
					sent += 5
				}
				if where == "" {
					sent *= 2 // leaving one and arriving at the other
				}
				at := map[[2]byte]int{} // ring, by version and the flow
				used := map[int]bool{}
				for range sent {
					f := <-frames
					ip := f.Data[20:]
					x, y := ip[15], ip[19]
					if ip[0]>>4 == 6 {
						x, y = ip[23], ip[39]
					}
					flow := [2]byte{ip[0] >> 4, min(x, y)}
					if was, ok := at[flow]; ok && was != f.ring {
						t.Errorf("%d rings on %q: flow %v in rings %d and %d", rings, where, flow, was, f.ring)
					}
					at[flow], used[f.ring] = f.ring, true
				}
				if len(at) != 2*flows || len(used) < min(rings, 8) {
					t.Errorf("%d rings on %q: %d flows in %d of them", rings, where, len(at), len(used))
				}
				stop()
				if n := len(frames); n != 0 {
					t.Errorf("%d rings on %q: %d frames too many", rings, where, n)
				}
			}
		}
	})
}

// TestFanoutBegins begins to hear in the middle of a flood: what comes before a ring
// has joined the others must not be heard by two.
func TestFanoutBegins(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		// Somebody takes them: a refusal would quote what was sent, and be heard too.
		sink, err := net.ListenPacket("udp", "127.0.0.1:53")
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Close()
		c, err := net.Dial("udp", "127.0.0.1:53")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 5 {
			stop := make(chan struct{})
			var flood sync.WaitGroup
			flood.Go(func() {
				for i := uint64(0); ; i++ {
					select {
					case <-stop:
						return
					default:
						c.Write(binary.BigEndian.AppendUint64(nil, i))
					}
				}
			})
			_, frames, end := fanoutListen(t, capture.LiveConfig{Interface: "lo"}, 4, slog.New(slog.DiscardHandler))
			first := <-frames // all rings have joined before
			close(stop)
			flood.Wait()
			time.Sleep(100 * time.Millisecond) // the kernel hands over what it holds
			end()
			seen := map[uint64]int{binary.BigEndian.Uint64(first.Data[len(first.Data)-8:]): first.ring}
			for len(frames) > 0 {
				f := <-frames
				n := binary.BigEndian.Uint64(f.Data[len(f.Data)-8:])
				if ring, ok := seen[n]; ok {
					t.Fatalf("datagram %d of %d was heard in rings %d and %d", n, len(seen), ring, f.ring)
				}
				seen[n] = f.ring
			}
		}
	})
}

// TestFanoutApart has two that listen at once: neither takes frames from the other.
func TestFanoutApart(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		quiet := slog.New(slog.DiscardHandler)
		_, one, stopOne := fanoutListen(t, capture.LiveConfig{Interface: "lo"}, 2, quiet)
		_, two, stopTwo := fanoutListen(t, capture.LiveConfig{Interface: "lo"}, 2, quiet)
		for range 10 {
			liveSend(t, "udp", "127.0.0.1:53", "query")
		}
		for range 10 {
			<-one
			<-two
		}
		stopOne()
		stopTwo()
	})
}

// TestFanoutComesAndGoes has the interface of several rings go and come, as another
// one too, and go down and up. All of them hear it again.
func TestFanoutComesAndGoes(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		const waits, hears = "INFO capture waits for its interface va", "INFO capture hears its interface va"
		log := make(liveLog, 100)
		const rings = 3
		lives, frames, stop := fanoutListen(t, capture.LiveConfig{Interface: "va"}, rings, slog.New(log))
		logged := func(want string) {
			t.Helper()
			if got := <-log; got != want {
				t.Fatalf("logged %q, want %q", got, want)
			}
			up := 1
			if want == waits {
				up = 0
			}
			for range 1000 { // the others do not log
				n := 0
				for _, l := range lives {
					n += l.Stats().Interfaces
				}
				if n == up*rings {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Fatalf("after %q not all rings have seen it", want)
		}
		heard := func(what string) {
			t.Helper()
			send := liveRaw(t, "va")
			for i := range byte(30) {
				send(fanoutBetween(i, 200, 40000, 53, 0))
			}
			used := map[int]bool{}
			for range 30 {
				used[(<-frames).ring] = true
			}
			if len(used) != rings {
				t.Errorf("%s: heard by %d rings, want %d", what, len(used), rings)
			}
		}
		logged(waits)
		for _, what := range []string{"come", "come again"} {
			liveVeth(t, "va", "vb")
			logged(hears)
			heard(what)
			liveDown(t, "va")
			logged(waits)
			liveUp(t, "va")
			logged(hears)
			heard(what + ", up again")
			liveDelete(t, "va")
			logged(waits)
			liveVeth(t, "vc"+what[len(what)-1:], "vd"+what[len(what)-1:]) // that indexes differ
		}
		stop()
		if n := len(frames); n != 0 {
			t.Errorf("%d frames too many", n)
		}
	})
}

// TestFanoutClose starts and stops many times, and leaves nothing behind.
func TestFanoutClose(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		defer goleak.VerifyNone(t)
		before := 0
		for round := range 30 {
			if round == 1 {
				before = liveDescriptors(t)
			}
			_, _, stop := fanoutListen(t, capture.LiveConfig{Interface: []string{"", "lo", "absent"}[round%3], RingSize: 1}, 4, slog.New(slog.DiscardHandler))
			stop()
		}
		if after := liveDescriptors(t); after != before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
	})
}

func TestListenFanoutRefuses(t *testing.T) {
	for _, c := range []struct {
		cfg   capture.LiveConfig
		rings int
		want  string
	}{
		{capture.LiveConfig{}, 0, "want 1 to 16"},
		{capture.LiveConfig{}, 17, "want 1 to 16"},
		{capture.LiveConfig{Promiscuous: true}, 2, "promiscuous needs the name of an interface"},
	} {
		lives, err := capture.ListenFanout(c.cfg, c.rings, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v, %d rings: %v, want %q", c.cfg, c.rings, err, c.want)
		}
		for _, l := range lives {
			l.Close()
		}
	}
}

// TestPromiscuous listens at a bridge, which hears frames between others only if it is
// asked to, as a card at a mirror port does, and is as before when that is over.
func TestPromiscuous(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		liveVeth(t, "va", "vb")
		liveBridge(t, "br", "vb")
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		send := func(payload string, to [6]byte) {
			t.Helper()
			packet := liveIPv4(40000, 53, payload)
			binary.BigEndian.PutUint16(packet[10:], liveSum(packet[:20])) // a bridge may look at it
			frame := append(append(to[:], 2, 0, 0, 0, 0, 9, 8, 0), packet...)
			if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: liveIndex(t, "va")}); err != nil {
				t.Fatal(err)
			}
		}
		another, all := [6]byte{2, 0, 0, 0, 0, 0x77}, [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		promiscuity := func() uint32 { return binary.NativeEndian.Uint32(liveLink(t, "br", unix.IFLA_PROMISCUITY)) }
		for _, c := range []struct {
			promiscuous bool
			rings       int
			want        []string
		}{
			{false, 1, []string{"to all"}},
			{true, 1, []string{"to another", "to all"}},
			{true, 2, []string{"to another", "to all"}},
			{false, 2, []string{"to all"}},
		} {
			_, frames, stop := fanoutListen(t, capture.LiveConfig{Interface: "br", Promiscuous: c.promiscuous}, c.rings, slog.New(slog.DiscardHandler))
			if n := promiscuity(); n > 0 != c.promiscuous {
				t.Errorf("promiscuity %d", n)
			}
			send("to another", another)
			send("to all", all)
			for _, want := range c.want {
				kind := byte(unix.PACKET_OTHERHOST)
				if want == "to all" {
					kind = unix.PACKET_BROADCAST
				}
				if f := <-frames; !bytes.HasSuffix(f.Data, []byte(want)) || f.Data[10] != kind {
					t.Errorf("%+v: frame %q of kind %d, want %q of %d", c, f.Data, f.Data[10], want, kind)
				}
			}
			stop()
			if n := promiscuity(); n != 0 {
				t.Errorf("promiscuous still: %d", n)
			}
		}
	})
}

// liveBridge makes a bridge of an interface, and sets it up.
func liveBridge(t *testing.T, name, port string) {
	t.Helper()
	link := append(make([]byte, unix.SizeofIfInfomsg), liveAttr(unix.IFLA_IFNAME, []byte(name+"\x00"))...)
	link = append(link, liveAttr(unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, 1000))...)
	link = append(link, liveAttr(unix.IFLA_LINKINFO, liveAttr(unix.IFLA_INFO_KIND, []byte("bridge")))...)
	if err := liveRoute(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, link); err != nil {
		t.Fatalf("make %s: %v", name, err)
	}
	member := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(member[4:], uint32(liveIndex(t, port)))
	member = append(member, liveAttr(unix.IFLA_MASTER, binary.NativeEndian.AppendUint32(nil, uint32(liveIndex(t, name))))...)
	if err := liveRoute(unix.RTM_NEWLINK, 0, member); err != nil {
		t.Fatalf("%s into %s: %v", port, name, err)
	}
	liveUp(t, name)
}

// liveSum is the checksum of a header of IPv4 (RFC 1071).
func liveSum(header []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	sum = sum&0xffff + sum>>16
	return ^uint16(sum&0xffff + sum>>16)
}

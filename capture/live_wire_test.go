package capture_test

import (
	"encoding/binary"
	"log/slog"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/capture"
)

// liveListen begins to hear, until the end of the test.
func liveListen(t *testing.T, cfg capture.LiveConfig) *capture.Live {
	t.Helper()
	l, err := capture.Listen(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func liveNext(t *testing.T, l *capture.Live) capture.Frame {
	t.Helper()
	f, err := l.Next()
	if err != nil {
		t.Fatal(err)
	}
	if f.Link != capture.LinkSLL2 || f.Number != 0 || len(f.Data) < 40 {
		t.Fatalf("frame %+v", f)
	}
	return f
}

// liveSend sends a datagram, and gives the address that it came from.
func liveSend(t *testing.T, network, to, payload string) net.Addr {
	t.Helper()
	c, err := net.Dial(network, to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(payload)); err != nil {
		t.Fatal(err)
	}
	return c.LocalAddr()
}

// liveIPv4 and liveIPv6 are datagrams between documentation addresses.
func liveIPv4(from, to uint16, payload string) []byte {
	b := []byte{0x45, 0, 0, byte(28 + len(payload)), 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	return append(b, liveUDP(from, to, payload)...)
}

func liveIPv6(from, to uint16, payload string) []byte {
	b := []byte{0x60, 0, 0, 0, 0, byte(8 + len(payload)), 17, 64}
	b = append(b, net.ParseIP("2001:db8::1")...)
	b = append(b, net.ParseIP("2001:db8::2")...)
	return append(b, liveUDP(from, to, payload)...)
}

func liveUDP(from, to uint16, payload string) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// liveRaw gives a function that sends Ethernet frames on an interface, from
// 02:00:00:00:00:01 to all. The tags are those before the packet.
func liveRaw(t *testing.T, name string) func(packet []byte, tags ...byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	to := unix.SockaddrLinklayer{Ifindex: liveIndex(t, name)}
	return func(packet []byte, tags ...byte) {
		t.Helper()
		frame := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1}
		frame = append(frame, tags...)
		ether := []byte{0x08, 0x00}
		if packet[0]>>4 == 6 {
			ether = []byte{0x86, 0xdd}
		}
		frame = append(append(frame, ether...), packet...)
		if err := unix.Sendto(fd, frame, 0, &to); err != nil {
			t.Fatal(err)
		}
	}
}

// liveNow sees that a frame's time is that of this host.
func liveNow(t *testing.T, f capture.Frame) {
	t.Helper()
	if off := time.Since(f.At); off < -time.Minute || off > time.Minute || f.At.Location() != time.UTC {
		t.Errorf("frame at %v, %v ago", f.At, off)
	}
}

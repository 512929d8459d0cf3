package capture_test

import (
	"bytes"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/capture"
)

// liveTun makes a tun device, as VPNs do, and sets it up.
func liveTun(t *testing.T, name string) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if os.IsNotExist(err) || os.IsPermission(err) { // as root, .ci/run refuses the skip
		t.Skipf("this machine gives no tun devices: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "tun")
	t.Cleanup(func() { f.Close() })
	req, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		t.Fatal(err)
	}
	liveAddress(t, name, "192.0.2.1")
	liveUp(t, name)
	return f
}

// liveAddress gives an interface an address in a network of 24 bits.
func liveAddress(t *testing.T, name, address string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, c := range []struct {
		what    uint
		address string
	}{{unix.SIOCSIFADDR, address}, {unix.SIOCSIFNETMASK, "255.255.255.0"}} {
		req, err := unix.NewIfreq(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := req.SetInet4Addr(net.ParseIP(c.address).To4()); err != nil {
			t.Fatal(err)
		}
		if err := unix.IoctlIfreq(fd, c.what, req); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLiveTunnel listens on a tun device, whose frames have no header of a link: a
// query leaves through it and its answers come in, one of them forged. It does so with
// the type of link that tun devices have, and with that of PPP.
func TestLiveTunnel(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		const none, ppp = 0xfffe, 512 // ARPHRD_NONE, ARPHRD_PPP
		for _, kind := range []int{none, ppp} {
			tun := liveTun(t, "tun0")
			if kind != none {
				liveDown(t, "tun0")
				if err := unix.IoctlSetInt(int(tun.Fd()), unix.TUNSETLINK, kind); err != nil {
					t.Fatal(err)
				}
				liveUp(t, "tun0")
			}
			for _, name := range []string{"tun0", ""} {
				l := liveListen(t, capture.LiveConfig{Interface: name})
				m := capture.NewMatcher(capture.Config{})
				c, err := net.Dial("udp", "192.0.2.2:53")
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				q := query(0, 7, "www.example.com.", 1)
				wire, err := q.msg.Pack()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Write(wire); err != nil {
					t.Fatal(err)
				}
				sent := liveNext(t, l)
				asked := bytes.Clone(sent.Data[20:])
				if got := int(sent.Data[8])<<8 | int(sent.Data[9]); got != kind || sent.Data[10] != unix.PACKET_OUTGOING || !bytes.HasSuffix(asked, wire) {
					t.Errorf("kind %d: sent %x", kind, sent.Data)
				}
				m.Take(sent)
				conflict := false
				for i, addr := range []string{"203.0.113.10", "198.51.100.66"} {
					answer, err := q.reply(0, addr).msg.Pack()
					if err != nil {
						t.Fatal(err)
					}
					port := uint16(asked[20])<<8 | uint16(asked[21])
					packet := liveIPv4(53, port, string(answer))
					packet[15], packet[19] = 2, 1 // the other way
					if _, err := tun.Write(packet); err != nil {
						t.Fatal(err)
					}
					f := liveNext(t, l)
					if f.Data[10] != unix.PACKET_HOST || !bytes.Equal(f.Data[20:], packet) {
						t.Errorf("kind %d: answer %d came as %x", kind, i, f.Data)
					}
					s, ok := m.Take(f)
					conflict = ok && s.Conflict()
				}
				if !conflict {
					t.Errorf("kind %d on %q: the forgery was not seen: %+v", kind, name, m.Stats())
				}
			}
			if err := tun.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

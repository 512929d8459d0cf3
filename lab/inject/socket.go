//go:build lab

package inject

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// buffer is the size of a socket's queue, in bytes: a flood fills the usual one.
const buffer = 8 << 20

// A link sends and receives whole Ethernet frames on one interface (packet(7)).
type link struct {
	*os.File
	mac net.HardwareAddr
}

// openLink opens an interface inside. It receives all frames that pass there,
// those for others too, but none that its own host sends.
func openLink(within Within, iface string) (l *link, err error) {
	err = within(func() error {
		ifi, err := net.InterfaceByName(iface)
		if err != nil {
			return err
		}
		// Protocol 0 receives nothing: no frame of another interface comes in
		// before the bind.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		// With a descriptor that does not block, closing the file ends a read.
		f := os.NewFile(uintptr(fd), iface)
		if err := errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer),
			unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
				&unix.PacketMreq{Ifindex: int32(ifi.Index), Type: unix.PACKET_MR_PROMISC}),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: ifi.Index}),
		); err != nil {
			f.Close()
			return err
		}
		l = &link{f, ifi.HardwareAddr}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open interface %s: %w", iface, err)
	}
	return l, nil
}

// send sends a frame, and reports whether the kernel took it: a full queue loses
// it, as a wire does.
func (l *link) send(frame []byte) (bool, error) {
	_, err := l.Write(frame)
	if errors.Is(err, unix.ENOBUFS) {
		return false, nil
	}
	return err == nil, err
}

// A router sends IP packets with any source address; the kernel finds the way.
type router struct {
	fd  int
	six bool
}

// openRouter opens a raw IP socket inside, for the family of an address
// (raw(7): with IPPROTO_RAW the header is the sender's).
func openRouter(within Within, family netip.Addr) (r *router, err error) {
	if !family.IsValid() {
		return nil, errors.New("no address to send to")
	}
	r = &router{fd: -1, six: family.Is6()}
	domain := unix.AF_INET
	if r.six {
		domain = unix.AF_INET6
	}
	err = within(func() error {
		fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		r.fd = fd
		second := unix.NsecToTimeval(int64(time.Second))
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, buffer),
			unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &second),
		)
	})
	if err != nil {
		r.close()
		return nil, fmt.Errorf("open raw IP socket: %w", err)
	}
	return r, nil
}

// send sends a packet, and reports whether the kernel took it: a full queue loses
// it, as a wire does.
func (r *router) send(packet []byte, to netip.Addr) (bool, error) {
	var sa unix.Sockaddr
	if r.six {
		sa = &unix.SockaddrInet6{Addr: to.As16()}
	} else {
		sa = &unix.SockaddrInet4{Addr: to.As4()}
	}
	switch err := unix.Sendto(r.fd, packet, 0, sa); err {
	case nil:
		return true, nil
	case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
		return false, nil
	default:
		return false, fmt.Errorf("send to %v: %w", to, err)
	}
}

func (r *router) close() {
	if r.fd >= 0 {
		unix.Close(r.fd)
	}
}

// bigEndian is a number as the network has it in memory.
func bigEndian(n uint16) uint16 { return n<<8 | n>>8 }

package capture

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// interfaceRetry is how often an interface that is not there is looked for.
const interfaceRetry = time.Second

// interfaceFind gives the index of an interface, or 0 if it is not there or is
// down. It asks through the packet socket, and so in the network namespace that
// this was made in.
func interfaceFind(fd int, name string) (int, error) {
	ask, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ask); err != nil {
		return 0, interfaceGone(os.NewSyscallError("ioctl SIOCGIFFLAGS", err))
	}
	if ask.Uint16()&unix.IFF_UP == 0 {
		return 0, nil
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ask); err != nil {
		return 0, interfaceGone(os.NewSyscallError("ioctl SIOCGIFINDEX", err))
	}
	return int(ask.Uint32()), nil
}

// interfaceGone hides that an interface is not there: it may come.
func interfaceGone(err error) error {
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENETDOWN) {
		return nil
	}
	return err
}

// interfaceBind makes the socket hear an interface, or all of them if name is
// empty. It is false if the interface is not there.
func interfaceBind(fd int, name string, promiscuous bool) (bool, error) {
	index := 0
	if name != "" {
		var err error
		if index, err = interfaceFind(fd, name); index == 0 {
			return false, err
		}
	}
	if promiscuous {
		// The kernel counts these, drops them with the interface, and all of
		// them with the socket.
		mreq := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
		err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq)
		if err != nil {
			return false, interfaceGone(os.NewSyscallError("setsockopt PACKET_ADD_MEMBERSHIP", err))
		}
	}
	// What ailed the socket until now was about an interface that is no more.
	if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
		return false, os.NewSyscallError("getsockopt SO_ERROR", err)
	}
	// ETH_P_ALL in network order.
	all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff})
	to := unix.SockaddrLinklayer{Protocol: all, Ifindex: index}
	if err := unix.Bind(fd, &to); err != nil {
		return false, interfaceGone(os.NewSyscallError("bind", err))
	}
	return true, nil
}

// interfaceCount gives how many interfaces are up.
func interfaceCount() int {
	all, err := net.Interfaces()
	if err != nil {
		return 0
	}
	n := 0
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			n++
		}
	}
	return n
}

package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// WatchRoutes calls changed when the way from this host to one of the addresses
// that to gives is another than before: by another link, gateway or source address,
// or none. Links, addresses and routes that lead elsewhere, such as those of
// containers, are no matter of it. The kernel tells when to look (rtnetlink(7),
// which takes no privilege); it is asked for each way alone, so that a full routing
// table costs nothing. It returns when ctx ends, with nil, or when there is no
// socket to be had, with an error. changed and to are called from this goroutine.
func WatchRoutes(ctx context.Context, to func() []netip.Addr, changed func()) error {
	w, err := newRouteWatch()
	if err != nil {
		return fmt.Errorf("watch routes: %w", err)
	}
	return w.run(ctx, to, changed)
}

// lookApart is how long lies between two looks at least.
const lookApart = 50 * time.Millisecond

// routeWatch hears of links, addresses and routes.
type routeWatch struct {
	*os.File
	raw  syscall.RawConn
	buf  [8192]byte
	lost map[uint32]bool // links that were down since the last look, though for a moment
}

func newRouteWatch() (*routeWatch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	w := &routeWatch{File: os.NewFile(uintptr(fd), "rtnetlink"), lost: map[uint32]bool{}}
	if w.raw, err = w.SyscallConn(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// run tells of changes since it was called, and closes w.
func (w *routeWatch) run(ctx context.Context, to func() []netip.Addr, changed func()) error {
	defer w.Close()
	defer context.AfterFunc(ctx, func() { w.SetReadDeadline(past) })()
	for last := routes(to()); ; {
		if err := w.wait(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("rtnetlink: %w", err)
		}
		now := routes(to())
		if ctx.Err() != nil {
			return nil
		}
		if w.moved(last, now) {
			changed()
		}
		last = now
		clear(w.lost)
		select {
		case <-ctx.Done():
		case <-time.After(lookApart):
		}
	}
}

// wait returns when something has happened, and takes in all that has. What it was
// is found by looking, but for links that went down and are up again.
func (w *routeWatch) wait() error {
	var err error
	heard := false
	if e := w.raw.Read(func(fd uintptr) bool {
		for {
			var n int
			n, err = unix.Read(int(fd), w.buf[:])
			switch {
			case err == nil:
				w.hear(w.buf[:n])
				heard = true
			case errors.Is(err, unix.ENOBUFS): // more than there was room for
				heard = true
			case errors.Is(err, unix.EAGAIN):
				err = nil
				return heard
			case !errors.Is(err, unix.EINTR):
				return true
			}
		}
	}); e != nil {
		return e
	}
	return err
}

// hear notes which links are down.
func (w *routeWatch) hear(b []byte) {
	ms, _ := syscall.ParseNetlinkMessage(b) // what cannot be read is found by looking
	for _, m := range ms {
		if t := m.Header.Type; (t == unix.RTM_NEWLINK || t == unix.RTM_DELLINK) && len(m.Data) >= unix.SizeofIfInfomsg {
			// struct ifinfomsg has the index after four bytes, and then the flags.
			if binary.NativeEndian.Uint32(m.Data[8:])&unix.IFF_RUNNING == 0 {
				w.lost[binary.NativeEndian.Uint32(m.Data[4:])] = true
			}
		}
	}
}

// moved reports whether a way that is asked about before and now is another, or was
// cut meanwhile.
func (w *routeWatch) moved(before, now map[netip.Addr]route) bool {
	for a, r := range now {
		if b, ok := before[a]; ok && (b != r || w.lost[b.link]) {
			return true
		}
	}
	return false
}

// route is how the kernel sends to an address. The zero value is none.
type route struct {
	link            uint32
	gateway, source netip.Addr
	down            bool // the link has no carrier
}

// routes asks the kernel for the way to each address.
func routes(to []netip.Addr) map[netip.Addr]route {
	m := map[netip.Addr]route{}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return m // it is as if nothing had changed
	}
	defer unix.Close(fd)
	// The kernel has answered before sendto returns; it never takes long.
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1})
	for i, a := range to {
		if _, asked := m[a]; asked {
			continue
		}
		request := routeRequest(uint32(i), a.Unmap())
		if unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) != nil {
			continue
		}
		reply := make([]byte, 4096)
		n, _, err := unix.Recvfrom(fd, reply, 0)
		if err != nil {
			continue
		}
		m[a] = parseRoute(reply[:n])
	}
	return m
}

// routeRequest asks for the route to an address (RTM_GETROUTE).
func routeRequest(seq uint32, to netip.Addr) []byte {
	family := byte(unix.AF_INET)
	if to.Is6() {
		family = unix.AF_INET6
	}
	dst := to.AsSlice()
	b := make([]byte, 0, unix.SizeofNlMsghdr+unix.SizeofRtMsg+unix.SizeofRtAttr+len(dst))
	e := binary.NativeEndian
	b = e.AppendUint32(b, uint32(cap(b)))
	b = e.AppendUint16(b, unix.RTM_GETROUTE)
	b = e.AppendUint16(b, unix.NLM_F_REQUEST)
	b = e.AppendUint32(b, seq)
	b = e.AppendUint32(b, 0)
	b = append(b, family, byte(to.BitLen()), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // struct rtmsg
	b = e.AppendUint16(b, uint16(unix.SizeofRtAttr+len(dst)))
	b = e.AppendUint16(b, unix.RTA_DST)
	return append(b, dst...)
}

// parseRoute reads the answer; there is no way where that is an error.
func parseRoute(b []byte) (w route) {
	ms, err := syscall.ParseNetlinkMessage(b)
	if err != nil || len(ms) == 0 || ms[0].Header.Type != unix.RTM_NEWROUTE {
		return route{}
	}
	as, err := syscall.ParseNetlinkRouteAttr(&ms[0])
	if err != nil {
		return route{}
	}
	// rtm_flags is the last field of struct rtmsg.
	w.down = binary.NativeEndian.Uint32(ms[0].Data[unix.SizeofRtMsg-4:])&(unix.RTNH_F_LINKDOWN|unix.RTNH_F_DEAD) != 0
	for _, a := range as {
		switch a.Attr.Type {
		case unix.RTA_OIF:
			if len(a.Value) == 4 {
				w.link = binary.NativeEndian.Uint32(a.Value)
			}
		case unix.RTA_GATEWAY:
			w.gateway, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_VIA: // an address of the other family, after its number
			w.gateway, _ = netip.AddrFromSlice(a.Value[min(2, len(a.Value)):])
		case unix.RTA_PREFSRC:
			w.source, _ = netip.AddrFromSlice(slices.Clone(a.Value))
		}
	}
	return w
}

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// open makes the socket, and binds it if its interface is there.
func (l *Live) open() (err error) {
	if err := l.make(); err != nil {
		return err
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("capture: %w", os.NewSyscallError("eventfd", err))
	}
	l.buf = make([]byte, liveHeader+l.ring.block)
	l.poll[1] = unix.PollFd{Fd: int32(l.wake), Events: unix.POLLIN}
	bound, err := l.bind()
	if err != nil {
		return fmt.Errorf("capture: interface %q: %w", l.name, err)
	}
	l.bound.Store(bound)
	if !bound {
		l.log.Info("capture waits for its interface", "interface", l.name)
	}
	return nil
}

// make makes the socket and its ring. It hears nothing until it is bound, and so no
// frame comes into the ring past the filter. One that is to join a fanout lets none in
// before it has: until then it would hear what the others do.
func (l *Live) make() (err error) {
	l.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("capture needs CAP_NET_RAW: start through systemd, or `setcap cap_net_raw+ep`, or set capture.enabled: false: %w", err)
	case err != nil:
		return fmt.Errorf("capture: %w", os.NewSyscallError("socket", err))
	}
	program := l.program
	if l.fanout != nil {
		program = []bpf.RawInstruction{{Op: unix.BPF_RET}} // nothing
	}
	if err := liveAttach(l.socket, program); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	if l.ring.mem, l.ring.block, err = ringMap(l.socket, l.size); err != nil {
		return fmt.Errorf("capture: ring: %w", err)
	}
	l.poll[0] = unix.PollFd{Fd: int32(l.socket), Events: unix.POLLIN}
	return nil
}

// bind makes the socket hear its interface, and is false if that is not there. It is
// for whoever reads the ring.
func (l *Live) bind() (bool, error) {
	if l.fanout == nil {
		return interfaceBind(l.socket, l.name, l.promiscuous)
	}
	if l.joined {
		// In a fanout a socket stays where it is. The kernel hooks it up again when its
		// interface is up again; for another one there must be another socket.
		index, err := interfaceFind(l.socket, l.name)
		if index == 0 || index == l.index {
			return index != 0, err
		}
		if err := l.renew(); err != nil {
			return false, err
		}
	}
	if bound, err := interfaceBind(l.socket, l.name, l.promiscuous); !bound {
		return false, err
	}
	joined, err := l.fanout.join(l.socket)
	if !joined {
		return false, err
	}
	l.joined = true
	at, err := unix.Getsockname(l.socket)
	if err != nil {
		return false, os.NewSyscallError("getsockname", err)
	}
	if to, ok := at.(*unix.SockaddrLinklayer); ok {
		l.index = to.Ifindex
	}
	return true, liveAttach(l.socket, l.program)
}

// renew puts a new socket and ring in the place of the old.
func (l *Live) renew() error {
	l.asking.Lock()
	defer l.asking.Unlock()
	l.ask()
	err := errors.Join(
		os.NewSyscallError("munmap", unix.Munmap(l.ring.mem)),
		os.NewSyscallError("close", unix.Close(l.socket)),
	)
	l.ring.mem, l.ring.at, l.socket, l.joined = nil, 0, -1, false
	if err != nil {
		return err
	}
	return l.make()
}

// socketFilter is a program as the kernel takes it.
func socketFilter(program []bpf.RawInstruction) []unix.SockFilter {
	code := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		code[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return code
}

// liveAttach gives the program to the kernel.
func liveAttach(socket int, program []bpf.RawInstruction) error {
	code := socketFilter(program)
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER",
		unix.SetsockoptSockFprog(socket, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
}

// wait returns when there may be something to read or to look at.
func (l *Live) wait() error {
	timeout := -1
	if !l.bound.Load() {
		left := time.Until(l.retry)
		if left <= 0 {
			l.retry = time.Now().Add(interfaceRetry)
			left = interfaceRetry
			bound, err := l.bind()
			if err != nil {
				return fmt.Errorf("interface %q: %w", l.name, err)
			}
			if bound {
				l.bound.Store(true)
				l.log.Info("capture hears its interface", "interface", l.name)
				return nil
			}
		}
		timeout = int(left.Milliseconds()) + 1
	}
	switch _, err := unix.Poll(l.poll[:], timeout); {
	case errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return os.NewSyscallError("poll", err)
	}
	if l.poll[0].Revents&^unix.POLLIN == 0 {
		return nil
	}
	return l.trouble()
}

// trouble finds out what ails the socket. That the interface went down or away
// is nothing to give up for.
func (l *Live) trouble() error {
	code, err := unix.GetsockoptInt(l.socket, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt SO_ERROR", err)
	case unix.Errno(code) == unix.ENETDOWN && l.name != "":
		l.retry = time.Time{} // it may be back already
		if l.bound.Swap(false) {
			l.log.Info("capture waits for its interface", "interface", l.name)
		}
		return nil
	case code == 0 || unix.Errno(code) == unix.ENETDOWN:
		return nil
	}
	return unix.Errno(code)
}

// Close ends Next, in whatever goroutine it waits, and then gives back what the
// Live holds. It may be called more than once, and from any goroutine.
func (l *Live) Close() error {
	l.once.Do(func() {
		l.closing.Store(true)
		if l.wake >= 0 {
			var one [8]byte
			binary.NativeEndian.PutUint64(one[:], 1)
			_, err := unix.Write(l.wake, one[:])
			l.closeErr = os.NewSyscallError("write", err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closeErr = errors.Join(l.closeErr, l.shut())
	})
	return l.closeErr
}

// shut gives back the ring and the descriptors.
func (l *Live) shut() error {
	var errs []error
	if l.ring.mem != nil {
		errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(l.ring.mem)))
		l.ring.mem = nil
	}
	l.asking.Lock()
	defer l.asking.Unlock()
	if l.socket >= 0 {
		l.ask()
		errs = append(errs, os.NewSyscallError("close", unix.Close(l.socket)))
	}
	if l.wake >= 0 {
		errs = append(errs, os.NewSyscallError("close", unix.Close(l.wake)))
	}
	l.gone = true
	l.bound.Store(false)
	return errors.Join(errs...)
}

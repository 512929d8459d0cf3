package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// maxPath is what the address of a socket has room for (unix(7)), without the
// zero at its end.
const maxPath = 107

// Listen opens the control socket at path, for its owner and a group. A socket
// that refuses calls is what a crash left behind, and is replaced; every other
// one belongs to another daemon, if a stuck one, and is an error. Between that look
// and the replacement another daemon could start: the store's lock is what
// keeps two from working at once.
func Listen(path, group string) (net.Listener, error) {
	switch {
	case path == "" || path[0] == '@':
		return nil, fmt.Errorf("control socket %q: want a path: abstract sockets are open to everybody", path)
	case len(path) > maxPath:
		return nil, fmt.Errorf("control socket %s: the path has %d bytes, and there is room for %d", path, len(path), maxPath)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("control socket %s: its directory does not exist (under systemd RuntimeDirectory= makes it)", path)
		}
	case err != nil:
		return nil, fmt.Errorf("control socket: %w", err)
	case info.Mode().Type() != os.ModeSocket:
		return nil, fmt.Errorf("control socket %s: there is a file that is not a socket", path)
	default:
		c, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			c.Close()
			return nil, fmt.Errorf("control socket %s: another daemon answers there", path)
		}
		// One that is too busy to take the call is alive all the same.
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("control socket %s: it may belong to another daemon: %w", path, err)
		}
	}
	l, err := bind(path, group)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return l, nil
}

// listener is a socket that was bound under another name than it has now.
type listener struct {
	*net.UnixListener
	path string
}

// Addr gives the address that the socket has now.
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close stops listening and removes the socket.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	if errors.Is(err, net.ErrClosed) {
		return err // the path may be another's by now
	}
	if rerr := os.Remove(l.path); !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// bind makes the socket where nobody else may go and moves it to path only when
// it belongs to whom it should: its mode holds from the first moment, whatever
// the mask of the process is, which others depend on meanwhile.
func bind(path, group string) (l net.Listener, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o700); err != nil { // the mask may have taken that from us too
		return nil, err
	}
	private := filepath.Join(dir, "s")
	if len(private) > maxPath {
		// The kernel follows a short name through the directory that is open.
		d, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		private = fmt.Sprintf("/proc/self/fd/%d/s", d.Fd())
	}
	u, err := net.ListenUnix("unix", &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			u.Close()
		}
	}()
	u.SetUnlinkOnClose(false)
	if group != "" {
		if err := chgrp(private, group); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(private, 0o660); err != nil {
		return nil, err
	}
	if err := os.Rename(private, path); err != nil {
		return nil, err
	}
	return &listener{u, path}, nil
}

func chgrp(path, group string) error {
	g, err := user.LookupGroup(group)
	if err != nil {
		return fmt.Errorf("group %q does not exist (systemd-sysusers makes it; or set control.group)", group)
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return err
	}
	if err := os.Chown(path, -1, gid); err != nil {
		return fmt.Errorf("give it to group %q: %w (the daemon's user must be a member)", group, err)
	}
	return nil
}

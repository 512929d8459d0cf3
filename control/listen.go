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
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control socket: remove what a crash left: %w", err)
		}
	}
	// The mode must hold from the first moment, so the mask is set around the
	// bind. It is the process's own; this runs before anything else makes files.
	old := syscall.Umask(0o117)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if group != "" {
		if err := chgrp(path, group); err != nil {
			l.Close()
			return nil, fmt.Errorf("control socket %s: %w", path, err)
		}
	}
	return l, nil
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

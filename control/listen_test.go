package control_test

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/control"
)

// stale leaves a socket that nobody listens at, as a crash does.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// live listens, as another daemon does.
func live(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// busy listens and takes no calls, until the kernel lets no more of them wait.
func busy(t *testing.T, path string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.Dial("unix", path)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
	}
}

// datagrams is a socket of another kind, such as that of a log.
func datagrams(t *testing.T, path string) {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
}

func file(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestListen(t *testing.T) {
	none := func(*testing.T, string) {}
	tests := []struct {
		name   string
		before func(t *testing.T, path string)
		path   string // beside the usual one; empty for that
		group  string
		want   string // a part of the error
	}{
		{name: "fresh", before: none},
		{name: "stale socket", before: stale},
		{name: "live socket", before: live, want: "another daemon answers there"},
		{name: "busy socket", before: busy, want: "it may belong to another daemon"},
		{name: "socket of another kind", before: datagrams, want: "it may belong to another daemon"},
		{name: "plain file", before: file, want: "there is a file that is not a socket"},
		{name: "link to a socket", before: func(t *testing.T, path string) {
			stale(t, path+"2")
			if err := os.Symlink(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}, want: "there is a file that is not a socket"},
		{name: "directory", before: func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, want: "there is a file that is not a socket"},
		{name: "missing directory", before: none, path: "run/sock", want: "its directory does not exist"},
		{name: "file for a directory", before: file, path: "sock/sock", want: "not a directory"},
		{name: "path too long", before: none, path: strings.Repeat("x", 120), want: "there is room for 107"},
		{name: "no such group", before: none, group: "no-such-group", want: `group "no-such-group" does not exist`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := socketPath(t)
			tt.before(t, path)
			if tt.path != "" {
				path = filepath.Join(filepath.Dir(path), tt.path)
			}
			before, _ := os.Lstat(path)
			l, err := control.Listen(path, tt.group)
			if err == nil {
				defer l.Close()
			}
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("got %v, want an error of %s with %q", err, path, tt.want)
				}
				// What stood there before stands there still, and nothing else does.
				after, _ := os.Lstat(path)
				if (before == nil) != (after == nil) || before != nil && !os.SameFile(before, after) {
					t.Errorf("before there was %v, after %v", before, after)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got != os.ModeSocket|0o660 {
				t.Errorf("mode is %s, want that of a socket and 0660", got)
			}
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		})
	}
}

// TestListenAbstract shows that names without a file, and thus without a mode,
// are refused.
func TestListenAbstract(t *testing.T) {
	for _, path := range []string{"", "@dnstaster"} {
		if l, err := control.Listen(path, ""); err == nil {
			l.Close()
			t.Errorf("%q is listened at", path)
		}
	}
}

// TestListenMask shows that the mode does not hang on the mask of whoever
// started the daemon, and that the mask is left as it was.
func TestListenMask(t *testing.T) {
	for _, mask := range []int{0, 0o077, 0o777} {
		old := syscall.Umask(mask)
		path := socketPath(t)
		os.Chmod(filepath.Dir(path), 0o700)
		l, err := control.Listen(path, "")
		got := syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if got != mask {
			t.Errorf("the mask was %#o and is %#o", mask, got)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("with mask %#o: %v, %v; want 0660", mask, info.Mode(), err)
		}
	}
}

// TestListenOthers shows that files which somebody else in the process makes
// meanwhile have the modes that they ask for.
func TestListenOthers(t *testing.T) {
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	path, dir := socketPath(t), t.TempDir()
	listened := make(chan error, 1)
	go func() {
		for range 300 {
			l, err := control.Listen(path, "")
			if err == nil {
				err = l.Close()
			}
			if err != nil {
				listened <- err
				return
			}
		}
		listened <- nil
	}()
	for i := 0; ; i++ {
		name := filepath.Join(dir, strconv.Itoa(i%8))
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(name); err != nil || info.Mode() != 0o644 {
			t.Fatalf("a file made meanwhile: %v, %v; want 0644", info.Mode(), err)
		}
		os.Remove(name)
		select {
		case err := <-listened:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}

// TestListenLongest shows that every path that fits is enough, and that nothing
// else is left beside it.
func TestListenLongest(t *testing.T) {
	dir := filepath.Dir(socketPath(t))
	path := filepath.Join(dir, strings.Repeat("x", 107-len(dir)-1))
	l, err := control.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Addr().String(); got != path {
		t.Errorf("it listens at %s, want %s", got, path)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("beside it there is %v, %v", entries, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("afterwards there is %v, %v", entries, err)
	}
}

// TestListenGroup gives the socket to a group that this process may give it to:
// any other than its own for root, one of its own else.
func TestListenGroup(t *testing.T) {
	g := anyGroup(t)
	path := socketPath(t)
	l, err := control.Listen(path, g.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); strconv.Itoa(int(st.Gid)) != g.Gid || int(st.Uid) != os.Getuid() || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket belongs to %d:%d with %s, want %d:%s with 0660", st.Uid, st.Gid, info.Mode(), os.Getuid(), g.Gid)
	}
}

func anyGroup(t *testing.T) *user.Group {
	t.Helper()
	ids, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		ids = append([]int{65534, 1}, ids...)
	}
	for _, id := range append(ids, os.Getgid()) {
		if g, err := user.LookupGroupId(strconv.Itoa(id)); err == nil && g.Name != "" {
			return g
		}
	}
	t.Fatalf("none of the groups %v has a name", ids)
	return nil
}

// TestListenForeignGroup shows what happens where the daemon may not give the
// socket away.
func TestListenForeignGroup(t *testing.T) {
	path := socketPath(t)
	if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	var err error
	as(t, other(), func() { _, err = control.Listen(path, "root") })
	if err == nil || !strings.Contains(err.Error(), "must be a member") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

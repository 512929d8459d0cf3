package systemd_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/systemd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager listens where a service manager would, and gives what has come.
func manager(t *testing.T, address string) (received func() string) {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", address)
	return func() string {
		t.Helper()
		b := make([]byte, 4096)
		// A datagram is there as soon as it was sent: the limit is for one that was not.
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, _, err := c.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

// socketPath gives a path short enough for a socket, whatever the test is called.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "notify")
}

func TestNotify(t *testing.T) {
	for name, address := range map[string]string{
		"path":     socketPath(t),
		"abstract": fmt.Sprintf("@dnstaster-notify-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			received := manager(t, address)
			if err := systemd.Ready("watching 3 names"); err != nil {
				t.Fatal(err)
			}
			if got, want := received(), "READY=1\nSTATUS=watching 3 names"; got != want {
				t.Errorf("ready: got %q, want %q", got, want)
			}
			systemd.Stopping()
			if got, want := received(), "STOPPING=1"; got != want {
				t.Errorf("stopping: got %q, want %q", got, want)
			}
			// Restarts of the same process, as in tests, must find the manager again.
			if got := os.Getenv("NOTIFY_SOCKET"); got != address {
				t.Errorf("NOTIFY_SOCKET is %q afterwards", got)
			}
		})
	}
}

// TestNoManager shows that the daemon runs as well from a shell.
func TestNoManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := systemd.Ready("watching 3 names"); err != nil {
		t.Error(err)
	}
	systemd.Stopping()
}

// TestLostManager shows that a manager that is not there is an error with
// words, and keeps nobody from stopping.
func TestLostManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", socketPath(t))
	if err := systemd.Ready("watching 3 names"); err == nil || !strings.HasPrefix(err.Error(), "notify systemd: ") {
		t.Errorf("got %v", err)
	}
	systemd.Stopping()
}

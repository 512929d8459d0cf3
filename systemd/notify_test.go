package systemd_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

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
			if err := systemd.Status("1 poisoned:\nREADY=1"); err != nil {
				t.Fatal(err)
			}
			// What a name or an error says must not become an assignment of its own.
			if got, want := received(), "STATUS=1 poisoned: READY=1"; got != want {
				t.Errorf("status: got %q, want %q", got, want)
			}
			if err := systemd.Alive(); err != nil {
				t.Fatal(err)
			}
			if got, want := received(), "WATCHDOG=1"; got != want {
				t.Errorf("alive: got %q, want %q", got, want)
			}
			before := monotonic(t)
			if err := systemd.Reloading(); err != nil {
				t.Fatal(err)
			}
			var usec int64
			if n, err := fmt.Sscanf(received(), "RELOADING=1\nMONOTONIC_USEC=%d\nSTATUS=reloading", &usec); n != 1 || usec < before || usec > monotonic(t) {
				t.Errorf("reloading: at %d, not before %d; %v", usec, before, err)
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

// monotonic is the time by the clock that systemd goes by, in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano() / 1000
}

func TestWatchdog(t *testing.T) {
	for name, tt := range map[string]struct {
		usec, pid string
		want      time.Duration
		fails     bool
	}{
		"none":       {},
		"ours":       {usec: "30000000", pid: strconv.Itoa(os.Getpid()), want: 30 * time.Second},
		"anybody's":  {usec: "500000", want: 500 * time.Millisecond},
		"another's":  {usec: "30000000", pid: "1"},
		"not a time": {usec: "soon", fails: true},
		"no time":    {usec: "0", fails: true},
		"not a pid":  {usec: "1", pid: "me", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("WATCHDOG_USEC", tt.usec)
			t.Setenv("WATCHDOG_PID", tt.pid)
			got, err := systemd.Watchdog()
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
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

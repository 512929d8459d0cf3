package capture_test

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/capture"
)

func TestListenRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  capture.LiveConfig
		want string
	}{
		{"long name", capture.LiveConfig{Interface: "abcdefghijklmnop"}, "at most 15 octets"},
		{"promiscuous everywhere", capture.LiveConfig{Promiscuous: true}, "promiscuous needs the name of an interface"},
		{"promiscuous on any", capture.LiveConfig{Interface: "any", Promiscuous: true}, "promiscuous needs the name of an interface"},
		{"port 0", capture.LiveConfig{Ports: []uint16{53, 0}}, "need 1 to 8, none of them 0"},
		{"nine ports", capture.LiveConfig{Ports: []uint16{1, 2, 3, 4, 5, 6, 7, 8, 9}}, "need 1 to 8, none of them 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := capture.Listen(c.cfg, slog.New(slog.DiscardHandler))
			if err == nil {
				l.Close()
				t.Fatal("no error")
			}
			if errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Listen: %v, want %q", err, c.want)
			}
		})
	}
}

// TestListenWithoutPrivilege gives up all capabilities, on a thread that ends
// with it.
func TestListenWithoutPrivilege(t *testing.T) {
	before := liveDescriptors(t)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is not used again
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			done <- err
			return
		}
		l, err := capture.Listen(capture.LiveConfig{}, slog.New(slog.DiscardHandler))
		if err == nil {
			err = errors.Join(errors.New("no error"), l.Close())
		}
		done <- err
	}()
	err := <-done
	const want = "capture needs CAP_NET_RAW: start through systemd, or `setcap cap_net_raw+ep`, or set capture.enabled: false: operation not permitted"
	if !errors.Is(err, os.ErrPermission) || err.Error() != want {
		t.Errorf("Listen:\n%v, want\n%s", err, want)
	}
	if after := liveDescriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// liveDescriptors counts the open files of this process.
func liveDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

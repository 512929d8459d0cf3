package main

import (
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor/resolver"
)

// ip runs ip(8) in this process's namespace.
func ip(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
}

// What leads to the addresses is told of, and nothing else.
func TestWatchRoutes(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		if _, err := exec.LookPath("ip"); err != nil {
			// The tests must run on a machine with git and Go alone. lab/install.sh brings
			// iproute2, and .ci/run refuses the skip.
			t.Skip("ip(8) is not installed")
		}
		ip(t, "link set lo up", "link add one type veth peer name far1", "link add two type veth peer name far2",
			"link set one up", "link set two up", "link set far1 up", "link set far2 up",
			"addr add 10.0.1.2/24 dev one", "addr add 10.0.2.2/24 dev two", "route add default via 10.0.1.1")
		ctx, cancel := context.WithCancel(t.Context())
		told, done := make(chan struct{}, 16), make(chan error, 1)
		looked := make(chan struct{}, 64)
		to := func() []netip.Addr {
			looked <- struct{}{}
			return []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("127.0.0.53"), netip.MustParseAddr("2001:db8::53")}
		}
		go func() { done <- resolver.WatchRoutes(ctx, to, func() { told <- struct{}{} }) }()
		<-looked
		for _, tt := range []struct {
			line string
			want bool
		}{
			{"route add 198.51.100.0/24 via 10.0.2.1", false},
			{"link add three type veth peer name far3", false},
			{"addr add 172.18.0.1/16 dev two", false},
			{"route replace default via 10.0.2.1", true},
			{"link set two down", true}, // the route goes with it
			{"link set two up", false},  // and does not come back by itself
			{"route add default via 10.0.1.1", true},
			{"route replace default via 10.0.1.9", true},
			{"link set far1 down", true}, // the carrier is gone
		} {
			ip(t, tt.line)
			got := false
			for quiet := time.After(700 * time.Millisecond); quiet != nil; {
				select {
				case <-told:
					got = true
				case <-quiet:
					quiet = nil
				}
			}
			if got != tt.want {
				t.Errorf("ip %s: told %t, want %t", tt.line, got, tt.want)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

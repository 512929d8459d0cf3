package walk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestReserved(t *testing.T) {
	exempt := []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15")}
	for _, tt := range []struct {
		addr string
		want string // empty: may be asked
	}{
		{"193.0.14.1", ""},
		{"2a01:7fd::1", ""},
		{"198.18.0.1", ""}, // exempt
		{"127.0.0.1", "loopback"},
		{"::ffff:193.0.14.1", "IPv4-mapped"},
		{"169.254.169.254", "link-local"},
		{"fe80::1%eth0", "link-local"},
		{"2a01:7fd::1%eth0", "link-local"},
		{"64:ff9b::c100:e01", ""},
		{"64:ff9b::7f00:1", "loopback"},
	} {
		if got, ok := reserved(netip.MustParseAddr(tt.addr), exempt); got != tt.want || ok != (tt.want != "") {
			t.Errorf("reserved(%s) = %q, %t, want %q", tt.addr, got, ok, tt.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("timeout"), "timeout"}, // as the Exchanger has it
		{errors.New("bad_response: another question"), "bad_response: another question"},
		{errors.New("timeouts of everybody"), "error: timeouts of everybody"},
		{context.DeadlineExceeded, "timeout"},
		{os.ErrDeadlineExceeded, "timeout"},
		{context.Canceled, "canceled"},
		{fmt.Errorf("dial: %w", syscall.ECONNREFUSED), "refused"},
		{syscall.ENETUNREACH, "unreachable"},
		{errors.New("what \x1b[31m"), `error: what \027[31m`},
		{badResponse("SERVFAIL"), "bad_response: SERVFAIL"},
		{errBudget, "error: the queries of this walk are spent"},
	} {
		if got := describe(tt.err); got != tt.want {
			t.Errorf("describe(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestRoots(t *testing.T) {
	got := Roots(Config{Hints: []Server{{"a.root.", netip.MustParseAddr(rootA)}}})
	if len(got) != 1 || got[0].Addr.String() != rootA+":53" || got[0].Transport != monitor.TCP || got[0].Role != monitor.Authority {
		t.Errorf("Roots = %+v", got)
	}
	if n := len(Roots(Config{})); n != 26 {
		t.Errorf("%d root servers by default, want 26", n)
	}
}

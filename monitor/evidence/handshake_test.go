package evidence

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestFailure has errors that a loopback cannot be made to give.
func TestFailure(t *testing.T) {
	dial := func(call string, errno syscall.Errno) handshake {
		return handshake{err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, errno)}}
	}
	tests := []struct {
		h       handshake
		outcome monitor.Outcome
		detail  string
	}{
		{dial("connect", syscall.EHOSTUNREACH), monitor.OutcomeUnreachable, "no route to host"},
		{dial("connect", syscall.ENETUNREACH), monitor.OutcomeUnreachable, "network is unreachable"},
		{dial("connect", syscall.EPERM), monitor.OutcomeUnreachable, "operation not permitted"},
		{dial("socket", syscall.EAFNOSUPPORT), monitor.OutcomeUnreachable, "address family not supported by protocol"},
		{dial("connect", syscall.ETIMEDOUT), monitor.OutcomeTimeout, "no connection within 5s"},
		{handshake{err: &net.OpError{Op: "dial", Err: context.DeadlineExceeded}}, monitor.OutcomeTimeout, "no connection within 5s"},
		{dial("connect", syscall.ECONNRESET), monitor.OutcomeReset, "connection reset before the end of the handshake"},
		{
			handshake{connected: true, err: &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}},
			monitor.OutcomeReset, "connection reset before the end of the handshake",
		},
		{dial("socket", syscall.EMFILE), monitor.OutcomeNotDialled, "no socket: too many open files"},
		{dial("socket", syscall.ENOBUFS), monitor.OutcomeNotDialled, "no socket: no buffer space available"},
	}
	for _, tt := range tests {
		if outcome, detail := tt.h.failure(5 * time.Second); outcome != tt.outcome || detail != tt.detail {
			t.Errorf("%v: %s %q, want %s %q", tt.h.err, outcome, detail, tt.outcome, tt.detail)
		}
	}
}

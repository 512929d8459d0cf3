package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestWords shows what people are told when the socket says no.
func TestWords(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Get", URL: "http://dnstaster/v1/status", Err: &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", err)}}
	}
	tests := []struct {
		err  error
		want string
	}{
		{dial(syscall.EACCES), "s: permission denied: join the group of the socket (usermod -aG dnstaster USER) and log in again"},
		{dial(syscall.ENOENT), "s: no daemon answers: is it running? (systemctl status dnstaster, or dnstaster run)"},
		{dial(syscall.ECONNREFUSED), "s: no daemon answers: is it running? (systemctl status dnstaster, or dnstaster run)"},
		{dial(syscall.EAGAIN), "s: no daemon answers: it is stuck and takes no more calls"},
		{dial(syscall.EPROTOTYPE), "s: dial unix: connect: protocol wrong type for socket"},
		{&url.Error{Op: "Get", Err: io.EOF}, "s: the daemon hung up: EOF"},
		{&url.Error{Op: "Get", Err: context.DeadlineExceeded}, "s: the daemon does not answer in time: context deadline exceeded"},
		{&url.Error{Op: "Get", Err: errors.New("odd")}, "s: odd"},
	}
	for _, tt := range tests {
		if got := (&Client{socket: "s"}).explain(tt.err).Error(); got != tt.want {
			t.Errorf("%v\n got %s\nwant %s", tt.err, got, tt.want)
		}
	}
}

// TestSilence shows how long a client waits for a daemon that takes the call
// and says nothing more, as one that was stopped does.
func TestSilence(t *testing.T) {
	tests := []struct {
		name string
		ask  func(context.Context, *Client) error
		want time.Duration
	}{
		{"status", func(ctx context.Context, c *Client) error { _, err := c.Status(ctx); return err }, 15 * time.Second},
		{"alerts", func(ctx context.Context, c *Client) error { _, err := c.Alerts(ctx, true); return err }, 15 * time.Second},
		{"act", func(ctx context.Context, c *Client) error {
			_, err := c.Act(ctx, "x", monitor.Resolve, monitor.Note{})
			return err
		}, 15 * time.Second},
		{"history", func(ctx context.Context, c *Client) error {
			_, err := c.History(ctx, monitor.HistoryQuery{Name: "x."})
			return err
		}, 15 * time.Second},
		{"unwatched", func(ctx context.Context, c *Client) error {
			_, err := c.Unwatched(ctx, "x.", netip.Addr{})
			return err
		}, 15 * time.Second},
		{"explain", func(ctx context.Context, c *Client) error { _, err := c.Explain(ctx, "x."); return err }, 15 * time.Second},
		{"verify", func(ctx context.Context, c *Client) error {
			_, err := c.Verify(ctx, "x.", monitor.FirstProof)
			return err
		}, 135 * time.Second},
		{"events", func(ctx context.Context, c *Client) error { _, err := c.Events(ctx, 0, 0); return err }, 15 * time.Second},
		{"events, waiting", func(ctx context.Context, c *Client) error {
			_, err := c.Events(ctx, 0, 30*time.Second)
			return err
		}, 45 * time.Second},
		{"events, waiting for ever", func(ctx context.Context, c *Client) error {
			_, err := c.Events(ctx, 0, time.Hour)
			return err
		}, 75 * time.Second},
		{"less, where the caller wants less", func(ctx context.Context, c *Client) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := c.Verify(ctx, "x.", monitor.FirstProof)
			return err
		}, time.Second},
	}
	for _, tt := range tests {
		for _, half := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"} {
			t.Run(fmt.Sprint(tt.name, len(half)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := NewClient("s", time.Second)
					c.http.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
						near, far := net.Pipe()
						go func() {
							defer far.Close()
							b := make([]byte, 4096)
							far.Read(b)
							io.WriteString(far, half)
							io.Copy(io.Discard, far) // until the client is gone
						}()
						return near, nil
					}
					began := time.Now()
					err := tt.ask(t.Context(), c)
					if took := time.Since(began); took != tt.want || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("after %s: %v; want %s", took, err, tt.want)
					}
				})
			})
		}
	}
}

package control_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

// hung are clients that keep a connection busy in every way there is.
var hung = []struct {
	name, sends string
}{
	{"said nothing", ""},
	{"half a header", "GET /v1/status HTTP/1.1\r\nHo"},
	{"half a body", "POST /v1/alerts/x/ack HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\n{"},
	{"long poll", "GET /v1/events?wait=1m HTTP/1.1\r\nHost: d\r\n\r\n"},
	{"stuck reader", "GET /v1/status HTTP/1.1\r\nHost: d\r\n\r\n"},
	{"waits for the core", "GET /v1/verify?name=x HTTP/1.1\r\nHost: d\r\n\r\n"},
}

// stubborn answers a status that fills every buffer, and a verification only
// when it is told to go.
var stubborn = backend{
	status: func(context.Context) (monitor.Status, error) {
		return monitor.Status{Host: strings.Repeat("x", 1<<20)}, nil
	},
	verify: func(ctx context.Context, _ string, _ monitor.Settle) ([]monitor.Judgement, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	},
}

// TestStop shows that no client keeps the daemon from stopping.
func TestStop(t *testing.T) {
	for _, tt := range hung {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- newServer(stubborn, newFeed(0).log()).Serve(ctx, p) }()
				c := p.dial(t, tt.sends)
				synctest.Wait()
				began := time.Now()
				cancel()
				if err := <-ended; err != nil {
					t.Errorf("Serve returned %v", err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("stopped after %s", took)
				}
				c.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := io.WriteString(c, "x"); err != io.ErrClosedPipe {
					t.Errorf("the connection is left behind: %v", err)
				}
			})
		})
	}
}

// TestStopOnSocket is the same with real sockets, and all clients at once.
func TestStopOnSocket(t *testing.T) {
	path := socketPath(t)
	l, err := control.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- newServer(stubborn, newFeed(0).log()).Serve(ctx, l) }()
	for _, tt := range hung {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, tt.sends); err != nil {
			t.Fatal(err)
		}
	}
	// An answer shows that those before were taken.
	if _, err := client(t, path).Status(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestStopBeforeStart shows that a daemon may be stopped before it has begun.
func TestStopBeforeStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := newPipes()
	if err := newServer(backend{}, memory{}).Serve(ctx, p); err != nil {
		t.Error(err)
	}
	if _, err := p.Accept(); err == nil {
		t.Error("the listener is open")
	}
}

// TestListenerFails shows that the end of a listener is an error, and ends the
// connections that came from it.
func TestListenerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		ended := make(chan error, 1)
		go func() { ended <- newServer(backend{}, newFeed(0).log()).Serve(t.Context(), p) }()
		c := p.dial(t, "GET /v1/events?wait=1m HTTP/1.1\r\nHost: d\r\n\r\n")
		synctest.Wait()
		p.Close()
		if err := <-ended; err == nil {
			t.Error("Serve returned nil")
		}
		began := time.Now()
		if _, err := io.ReadAll(c); err != nil || time.Since(began) != 0 {
			t.Errorf("the connection ended after %s: %v", time.Since(began), err)
		}
	})
}

// TestHungClients shows that a client which holds a connection, but neither
// asks nor takes, loses it.
func TestHungClients(t *testing.T) {
	tests := []struct {
		name, sends string
		after       time.Duration
		want        string // what the client still finds
	}{
		{"half a header", "GET /v1/status HTTP/1.1\r\nHo", 5 * time.Second, "400 Bad Request"},
		{"half a body", "POST /v1/alerts/x/ack HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\n{", 5 * time.Second, "408 Request Timeout"},
		{"half a body of what needs none", "GET /v1/status HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\n{", 5 * time.Second, "408 Request Timeout"},
		{"stuck reader", "GET /v1/status HTTP/1.1\r\nHost: d\r\n\r\n", 10 * time.Second, ""},
		{"stuck reader of metrics", "GET /metrics HTTP/1.1\r\nHost: d\r\n\r\n", 10 * time.Second, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				start(t, newServer(stubborn, memory{}), p)
				c := p.dial(t, tt.sends)
				time.Sleep(tt.after)
				synctest.Wait()
				c.SetReadDeadline(time.Now().Add(time.Minute))
				b, err := io.ReadAll(c)
				line, _, _ := strings.Cut(string(b), "\r\n")
				if err != nil || strings.TrimPrefix(line, "HTTP/1.1 ") != tt.want {
					t.Errorf("read %q, %v; want %q and the end", line, err, tt.want)
				}
			})
		})
	}
}

// TestPatientClient shows that the bounds of one request are not those of the
// next on the same connection, and that a slow reader gets what it asked for.
func TestPatientClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		start(t, newServer(stubborn, memory{}), p)
		c := p.dial(t, "")
		r := bufio.NewReader(c)
		for range 3 {
			if _, err := io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(9 * time.Second)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil || n < 1<<20 {
				t.Fatalf("read %d bytes: %v", n, err)
			}
			time.Sleep(time.Minute)
		}
	})
}

// TestSilentCore shows that a core which does not answer keeps nobody waiting.
func TestSilentCore(t *testing.T) {
	silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	s := newServer(backend{
		status: func(ctx context.Context) (monitor.Status, error) { return monitor.Status{}, silent(ctx) },
		verify: func(ctx context.Context, _ string, _ monitor.Settle) ([]monitor.Judgement, error) {
			return nil, silent(ctx)
		},
		explain: func(ctx context.Context, _ string) (monitor.Explanation, error) {
			return monitor.Explanation{}, silent(ctx)
		},
		act: func(ctx context.Context, _ string, _ monitor.Action, _ monitor.Note) (monitor.Alert, error) {
			return monitor.Alert{}, silent(ctx)
		},
	}, memory{
		last:    func() uint64 { return 0 },
		wait:    func(ctx context.Context, _ uint64) error { return silent(ctx) },
		events:  func(ctx context.Context, _ uint64, _ int) ([]monitor.Event, error) { return nil, silent(ctx) },
		history: func(ctx context.Context, _ monitor.HistoryQuery) ([]monitor.Interval, error) { return nil, silent(ctx) },
		alerts:  func(ctx context.Context, _ time.Time) ([]monitor.Alert, error) { return nil, silent(ctx) },
	})
	tests := []struct {
		method, target string
		status         int
		after          time.Duration
	}{
		{"GET", "/v1/status", 504, 10 * time.Second},
		{"GET", "/v1/health", 503, 10 * time.Second},
		{"GET", "/v1/alerts", 504, 10 * time.Second},
		{"POST", "/v1/alerts/x/ack", 504, 10 * time.Second},
		{"GET", "/v1/events?wait=1h", 504, 70 * time.Second},
		{"GET", "/v1/history?name=x", 504, 10 * time.Second},
		{"GET", "/v1/verify?name=x", 504, 2 * time.Minute},
		{"GET", "/v1/explain?what=x", 504, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				w := ask(s, tt.method, tt.target, "{}")
				if took := time.Since(began); w.Code != tt.status || took != tt.after {
					t.Errorf("got %d %s after %s, want %d after %s", w.Code, w.Body, took, tt.status, tt.after)
				}
			})
		})
	}
}

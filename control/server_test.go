package control_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var nopLog = slog.New(slog.DiscardHandler)

func newServer(b control.Backend, l control.Log) *control.Server {
	return control.New(control.Config{Backend: b, Log: l, Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "up 1\n")
	})}, nopLog)
}

// ask hands one request to a server, without a socket between.
func ask(s *control.Server, method, target, body string) *httptest.ResponseRecorder {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, target, r))
	return w
}

// socketPath gives a path short enough for a socket, whatever the test is called.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "sock")
}

// serve runs a server on a socket until the test ends, and gives its path.
func serve(t *testing.T, b control.Backend, l control.Log) string {
	t.Helper()
	path := socketPath(t)
	socket, err := control.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	start(t, newServer(b, l), socket)
	return path
}

// start runs s on l. What it returns has s stop; the end of the test does so
// too, and waits for it.
func start(t *testing.T, s *control.Server, l net.Listener) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	return cancel
}

// client gives a client of a server that serve started.
func client(t *testing.T, path string) *control.Client {
	t.Helper()
	c := control.NewClient(path, time.Second)
	t.Cleanup(c.Close)
	return c
}

// pipes is a listener whose connections are in memory, so that time may be
// that of testing/synctest.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// dial connects, and sends what a client may send before it hangs.
func (p *pipes) dial(t *testing.T, sends string) net.Conn {
	t.Helper()
	c, s := net.Pipe()
	p.conns <- s
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, sends); err != nil {
		t.Fatal(err)
	}
	return c
}

// http gives a client that keeps its connections.
func (p *pipes) http(t *testing.T) *http.Client {
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		c, s := net.Pipe()
		select {
		case p.conns <- s:
			return c, nil
		case <-p.done:
			return nil, net.ErrClosed
		}
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func alert(id string, state monitor.State) monitor.Alert {
	return monitor.Alert{
		ID: id, Name: "api.example.", Type: monitor.TypeA, Kind: monitor.ResolverCache, State: state,
		Severity: monitor.Critical, Confidence: monitor.Confirmed, Verdict: monitor.Poisoned, OpenedAt: noon,
	}
}

package evidence

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// proverFor gives a Prover that trusts ca and may dial loopback.
func proverFor(ca *authority, change func(*Config)) *Prover {
	cfg := Config{
		Timeout:       5 * time.Second,
		PerAddress:    -1,
		PerPrefix:     -1,
		Roots:         ca.pool(),
		AllowPrefixes: loopback,
		Now:           func() time.Time { return now },
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg, nil)
}

func proofOf(at netip.AddrPort) monitor.Proof {
	return monitor.Proof{Name: host + ".", Address: at.Addr(), Port: at.Port(), Role: monitor.Suspect}
}

// serve listens on loopback and gives each connection to handle, which is over
// when the client closes, at the latest when the test ends.
func serve(t testing.TB, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer context.AfterFunc(ctx, func() { c.Close() })()
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		stop()
		l.Close()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// received is what a server got from a client.
type received struct {
	data    []byte // application data
	end     error  // nil is close_notify
	certs   int    // client certificates
	name    string // SNI
	alpn    string
	version uint16
}

// serveTLS serves by cfg, and tells what it got from each client.
func serveTLS(t testing.TB, cfg *tls.Config) (netip.AddrPort, <-chan received) {
	t.Helper()
	got := make(chan received, 64)
	return serve(t, func(raw net.Conn) {
		c := tls.Server(raw, cfg)
		data, err := io.ReadAll(c)
		s := c.ConnectionState()
		select {
		case got <- received{data, err, len(s.PeerCertificates), s.ServerName, s.NegotiatedProtocol, s.Version}:
		default:
		}
	}), got
}

func with(certs ...tls.Certificate) *tls.Config { return &tls.Config{Certificates: certs} }

// say gives a handler that sends bytes at once, and then only listens.
func say(b []byte) func(net.Conn) {
	return func(c net.Conn) {
		c.Write(b)
		io.Copy(io.Discard, c)
	}
}

// hello reads the client's first message, more or less.
func hello(c net.Conn) { c.Read(make([]byte, 4096)) }

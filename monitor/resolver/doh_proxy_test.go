package resolver

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/servertest"
)

// farAway is an address that nothing here leads to but a proxy.
var farAway = monitor.Resolver{
	Name: "test", Operator: "tester", Role: monitor.Reference, Transport: monitor.DoH,
	Addr: netip.MustParseAddrPort("192.0.2.53:443"), TLSName: serverName,
}

// proxyServer takes CONNECT, says status, and leads to a server if that is 200.
func proxyServer(t testing.TB, conf *tls.Config, status string, to net.Addr, asked *atomic.Value) net.Addr {
	t.Helper()
	return streamServer(t, conf, func(c net.Conn) {
		in := bufio.NewReader(c)
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		asked.Store(req.Method + " " + req.RequestURI + " " + req.Header.Get("Proxy-Authorization"))
		io.WriteString(c, "HTTP/1.1 "+status+"\r\n\r\n")
		if !strings.HasPrefix(status, "200 ") {
			return
		}
		up, err := net.Dial("tcp", to.String())
		if err != nil {
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(c, up); c.Close() })
		io.Copy(up, in)
		up.Close()
		wg.Wait()
	})
}

func through(u string) func(*http.Request) (*url.URL, error) {
	parsed, err := url.Parse(u)
	if err != nil {
		panic(err)
	}
	return http.ProxyURL(parsed)
}

// TestWebProxy asks by way of a proxy, which is given the address and never the
// name, and verifies the endpoint's name beyond it.
func TestWebProxy(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	conf := func(c tls.Certificate) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{c}, NextProtos: []string{"h2"}}
	}
	soon := time.Now().Add(time.Hour)
	localhost := &tls.Config{Certificates: []tls.Certificate{ca.leaf("localhost", soon)}}
	for _, tt := range []struct {
		name   string
		proxy  *tls.Config // nil for one without TLS
		status string
		server *tls.Config
		want   string
	}{
		{"http", nil, "200 Connection established", ca.web(), ""},
		{"https", localhost, "200 OK", ca.web(), ""},
		{"forbidden", nil, "403 Forbidden", ca.web(), "error: by the proxy: the proxy says 403 Forbidden to CONNECT 192.0.2.53:443; one that takes names only looks them up itself: judge names on its host"},
		{"wants a password", nil, "407 Proxy Authentication Required", ca.web(), "error: by the proxy: the proxy says 407 Proxy Authentication Required to CONNECT 192.0.2.53:443; one that takes names only looks them up itself: judge names on its host"},
		{"words of its own", nil, "500 \x1b[31m", ca.web(), `error: by the proxy: the proxy says 500 \027[31m to CONNECT 192.0.2.53:443; one that takes names only looks them up itself: judge names on its host`},
		{"another certificate beyond", nil, "200 OK", conf(other.leaf(serverName, soon)), "tls: x509: certificate signed by unknown authority"},
		{"another name beyond", nil, "200 OK", conf(ca.leaf("proxy.example", soon)), "tls: x509: certificate is valid for proxy.example, not dns.example"},
		{"https, of another name", ca.server(), "200 OK", ca.web(), "tls: by the proxy: x509: certificate is valid for dns.example, not localhost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Value
			addr := proxyServer(t, tt.proxy, tt.status, webServer(t, tt.server, honestWeb), &asked)
			scheme := "http"
			if tt.proxy != nil {
				scheme = "https"
			}
			_, port, _ := net.SplitHostPort(addr.String())
			asker := newAsker(t, Config{Roots: ca.pool, Proxy: through(scheme + "://user:secret@localhost:" + port)})
			for range 2 {
				o := asker.Ask(t.Context(), farAway, question)
				if tt.want == "" {
					wantAnswer(t, o, "192.0.2.1")
				} else {
					wantError(t, o, tt.want)
				}
			}
			if got, want := asked.Load(), "CONNECT 192.0.2.53:443 Basic "+base64.StdEncoding.EncodeToString([]byte("user:secret")); got != nil && got != want {
				t.Errorf("the proxy was asked %q, want %q", got, want)
			}
			if s := only(t, asker); tt.want == "" && (s.Opened != 1 || s.Open != 1) {
				t.Errorf("Opened = %d, Open = %d, want 1, 1", s.Opened, s.Open)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		asker := newAsker(t, Config{Roots: ca.pool, Proxy: through("http://" + servertest.Address(t, netip.Addr{}).String())})
		wantError(t, asker.Ask(t.Context(), farAway, question), "refused: by the proxy: connection refused")
	})
	t.Run("hangs up", func(t *testing.T) {
		t.Parallel()
		addr := streamServer(t, nil, func(c net.Conn) { c.Read(make([]byte, 1024)) })
		asker := newAsker(t, Config{Roots: ca.pool, Proxy: through("http://" + addr.String())})
		wantError(t, asker.Ask(t.Context(), farAway, question), "error: by the proxy: the server closed the connection")
	})
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		addr := streamServer(t, nil, func(c net.Conn) { io.Copy(io.Discard, c) })
		asker := newAsker(t, Config{Roots: ca.pool, Proxy: through("http://" + addr.String()), Timeout: 100 * time.Millisecond})
		wantError(t, asker.Ask(t.Context(), farAway, question), "timeout")
	})
	t.Run("no URL", func(t *testing.T) {
		t.Parallel()
		asker := newAsker(t, Config{Proxy: func(*http.Request) (*url.URL, error) { return nil, fmt.Errorf("user:secret@%%") }})
		o := asker.Ask(t.Context(), farAway, question)
		wantError(t, o, "error: the address of the proxy cannot be read")
	})
}

// proxyChild tells a process of this test which endpoint it is to find the proxy for.
const proxyChild = "DNSTASTER_TEST_PROXY"

// TestWebProxyEnvironment finds the proxy in a process of its own, since
// net/http reads the environment once. It means what it means to every other
// program, with the address in place of a name.
func TestWebProxyEnvironment(t *testing.T) {
	if to, child := os.LookupEnv(proxyChild); child {
		d := &webDial{asker: newAsker(t, Config{}), to: endpoint{addr: netip.MustParseAddrPort(to)}}
		u, err := d.proxy(nil)
		fmt.Printf("proxy %v, error %v\n", u, err)
		return
	}
	t.Parallel()
	const six = "[2001:db8::53]:443"
	for _, tt := range []struct{ name, to, proxy, no, want string }{
		{"none", "192.0.2.53:443", "", "", "proxy <nil>, error <nil>"},
		{"IPv4", "192.0.2.53:443", "http://192.0.2.1:3128", "", "proxy http://192.0.2.1:3128, error <nil>"},
		{"IPv6", six, "http://192.0.2.1:3128", "", "proxy http://192.0.2.1:3128, error <nil>"},
		{"not for the block", "192.0.2.53:443", "http://192.0.2.1:3128", "192.0.2.0/24", "proxy <nil>, error <nil>"},
		{"not for the IPv6 block", six, "http://192.0.2.1:3128", "2001:db8::/32", "proxy <nil>, error <nil>"},
		{"for another block", "192.0.2.53:443", "http://192.0.2.1:3128", "198.51.100.0/24,dns.example", "proxy http://192.0.2.1:3128, error <nil>"},
		{"not for the port", "192.0.2.53:443", "http://192.0.2.1:3128", "192.0.2.53:443", "proxy <nil>, error <nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestWebProxyEnvironment$")
			cmd.Env = append(os.Environ(), proxyChild+"="+tt.to, "HTTPS_PROXY="+tt.proxy, "NO_PROXY="+tt.no, "https_proxy=", "no_proxy=")
			out, err := cmd.CombinedOutput()
			if got, _, _ := strings.Cut(string(out), "\n"); err != nil || got != tt.want {
				t.Errorf("%q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

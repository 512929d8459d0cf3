package evidence

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// relay is a proxy that answers CONNECT as told, and leads to the server.
func relay(t *testing.T, reply string, asked chan<- string, to netip.AddrPort) *url.URL {
	t.Helper()
	at := serve(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		asked <- req.Method + " " + req.Host + " " + req.Header.Get("Proxy-Authorization")
		fmt.Fprint(c, reply)
		up, err := net.Dial("tcp", to.String())
		if err != nil {
			return
		}
		go func() {
			io.Copy(up, r)
			up.Close()
		}()
		io.Copy(c, up)
	})
	return &url.URL{Scheme: "http", Host: at.String(), User: url.UserPassword("app", "word")}
}

// An address behind a proxy proves itself through it, and the proxy is given the
// address alone. One that refuses says nothing of the address.
func TestProxy(t *testing.T) {
	ca := newAuthority(t, "ca")
	server, _ := serveTLS(t, with(ca.issue(t, nil)))
	for name, tt := range map[string]struct {
		reply string
		want  monitor.Outcome
	}{
		"lets pass":     {"HTTP/1.1 200 Connection established\r\n\r\n", monitor.OutcomeOK},
		"refuses":       {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", monitor.OutcomeUnreachable},
		"talks rubbish": {"SSH-2.0\r\n", monitor.OutcomeUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan string, 4)
			u := relay(t, tt.reply, asked, server)
			p := proverFor(ca, func(c *Config) { c.Proxy = func(*http.Request) (*url.URL, error) { return u, nil } })
			e := p.Prove(t.Context(), proofOf(server))
			if e.Outcome != tt.want {
				t.Errorf("%s (%s), want %s", e.Outcome, e.Detail, tt.want)
			}
			if got, want := <-asked, "CONNECT "+server.String()+" Basic YXBwOndvcmQ="; got != want {
				t.Errorf("the proxy was asked %q, want %q", got, want)
			}
		})
	}
}

// A proxy that says nothing holds nobody up for longer than the time-out.
func TestProxyStalls(t *testing.T) {
	ca := newAuthority(t, "ca")
	at := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	p := proverFor(ca, func(c *Config) {
		c.Timeout = 50 * time.Millisecond
		c.Proxy = func(*http.Request) (*url.URL, error) { return &url.URL{Scheme: "http", Host: at.String()}, nil }
	})
	if e := p.Prove(t.Context(), proofOf(netip.MustParseAddrPort("127.0.0.1:9"))); e.Outcome != monitor.OutcomeUnreachable && e.Outcome != monitor.OutcomeTimeout {
		t.Errorf("%s (%s)", e.Outcome, e.Detail)
	}
}

package evidence

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// maxProxyReply bounds what is read of a proxy's reply, in octets.
const maxProxyReply = 16 << 10

// proxyFor gives the proxy that connections to the address go through, as the
// environment of this process says; nil for none. Applications here take the same
// way, and an address that cannot be reached otherwise can prove itself there.
func (p *Prover) proxyFor(to netip.AddrPort) *url.URL {
	u, err := p.proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: to.String()}})
	if err != nil || u == nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return u
}

// tunnel connects to an address through a proxy (RFC 9110 §9.3.6). The address is
// all that the proxy is asked for: given the name, it would look that up itself.
// A proxy that refuses leaves the address unreachable, and says nothing of it.
func tunnel(ctx context.Context, proxy *url.URL, to netip.AddrPort) (net.Conn, error) {
	host := proxy.Host
	if proxy.Port() == "" {
		host = net.JoinHostPort(proxy.Hostname(), map[string]string{"http": "80", "https": "443"}[proxy.Scheme])
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, unreachable(to, err.Error())
	}
	// Every wait for the proxy ends with ctx.
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if proxy.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: proxy.Hostname()})
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to.String()}, Host: to.String(), Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(u.Username(), password)
		req.Header.Set("Proxy-Authorization", r.Header.Get("Authorization"))
	}
	if err := req.Write(conn); err != nil {
		conn.Close()
		return nil, unreachable(to, err.Error())
	}
	// The server waits for us: nothing of TLS is behind the reply yet.
	res, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxProxyReply)), req)
	if err != nil {
		conn.Close()
		return nil, unreachable(to, err.Error())
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		conn.Close()
		return nil, unreachable(to, fmt.Sprintf("the proxy says %d", res.StatusCode))
	}
	return conn, nil
}

// unreachable is the error of an address that a proxy does not lead to.
func unreachable(to netip.AddrPort, why string) error {
	return &net.OpError{Op: "proxy", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: fmt.Errorf("%s: %w", why, syscall.EHOSTUNREACH)}
}

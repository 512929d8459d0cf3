package resolver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

const (
	// Of a server that sends without end no more than this is taken in, in
	// octets: a few answers of the largest size at a time.
	webConnBuffer   = 1 << 20
	webStreamBuffer = 128 << 10
	webHeaders      = 16 << 10
)

// webDial connects to one endpoint over HTTPS, once.
type webDial struct {
	asker   *Asker
	to      endpoint
	line    *line // the TCP connection, to the endpoint or to the proxy
	proxied bool
	through bool // the proxy has let us through
}

// openWeb connects to the address of l, through a proxy where the environment
// names one, and verifies its TLS name. The address is all that is ever asked
// of a proxy: were it given the name, it would look that up on the very path
// that is to be judged.
func (a *Asker) openWeb(ctx context.Context, l *link, n *tally) (carrier, error) {
	e := l.endpoint
	d := &webDial{asker: a, to: e}
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	t := &http.Transport{
		Protocols: &protocols,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerConnection: webConnBuffer,
			MaxReceiveBufferPerStream:     webStreamBuffer,
			WriteByteTimeout:              a.cfg.Timeout,
		},
		Proxy:                  d.proxy,
		OnProxyConnectResponse: d.connected,
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		TLSClientConfig:        a.webTLS(e),
		IdleConnTimeout:        a.cfg.IdleTimeout,
		DisableCompression:     true,
		MaxResponseHeaderBytes: webHeaders,
	}
	client, err := t.NewClientConn(ctx, "https", e.addr.String())
	if err != nil {
		if d.line != nil {
			d.line.Close()
		}
		return nil, d.cause(ctx, err)
	}
	host := e.tlsName
	if port := e.addr.Port(); port != httpsPort {
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	u := &url.URL{Scheme: "https", Host: host, Path: e.path}
	return &web{client: client, line: d.line, asker: a, link: l, n: n, url: u}, nil
}

// errNotHTTP2 is of a server that proves its name and then speaks something
// older. RFC 8484 §5.2 recommends HTTP/2 as the least: without streams each
// question would wait for the one before.
var errNotHTTP2 = errors.New("the server does not speak HTTP/2")

func (a *Asker) webTLS(e endpoint) *tls.Config {
	return &tls.Config{
		ServerName:         e.tlsName,
		RootCAs:            a.cfg.Roots,
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"h2"},
		ClientSessionCache: a.sessions,
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.NegotiatedProtocol != "h2" {
				return errNotHTTP2
			}
			return nil
		},
	}
}

// proxy finds the proxy by the address of the endpoint, which is also what
// NO_PROXY is held against.
func (d *webDial) proxy(*http.Request) (*url.URL, error) {
	u, err := d.asker.cfg.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: d.to.addr.String()}})
	if err != nil {
		return nil, errors.New("the address of the proxy cannot be read") // it may hold a password
	}
	d.proxied = u != nil
	return u, nil
}

// connected reads what the proxy says to CONNECT.
func (d *webDial) connected(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy says %.64s to CONNECT %s; one that takes names only looks them up itself: judge names on its host",
			res.Status, d.to.addr)
	}
	d.through = true
	return nil
}

// dial connects to a proxy. Its name is looked up as every program here does.
func (d *webDial) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.line = newLine(c)
	return d.line, nil
}

// dialTLS connects to the endpoint, or to a proxy that is reached over TLS itself.
func (d *webDial) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.proxied {
		c, err := d.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return handshake(ctx, c, &tls.Config{ServerName: host, RootCAs: d.asker.cfg.Roots, MinVersion: tls.VersionTLS12})
	}
	var dialer net.Dialer
	c, err := dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, d.to.addr)
	if err != nil {
		return nil, cmp.Or(ctx.Err(), cause(err))
	}
	d.line = newLine(c)
	return handshake(ctx, d.line, d.asker.webTLS(d.to))
}

func handshake(ctx context.Context, c net.Conn, conf *tls.Config) (net.Conn, error) {
	secure := tls.Client(c, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, handshakeCause(ctx, err)
	}
	return secure, nil
}

// cause says why the connection was not made. With a proxy between, what goes
// wrong before it has let us through is the proxy's: that it proves no name
// says nothing of the endpoint.
func (d *webDial) cause(ctx context.Context, err error) error {
	var (
		verified *tls.CertificateVerificationError
		classed  tlsError
	)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !d.proxied:
		return err
	case d.through, errors.As(err, &verified) && !errors.As(err, &classed): // the latter by SOCKS
		return handshakeCause(ctx, err)
	}
	return proxyError{cause(err)}
}

// proxyError is a failure on the way to an endpoint.
type proxyError struct{ error }

func (e proxyError) Error() string { return "by the proxy: " + e.error.Error() }
func (e proxyError) Unwrap() error { return e.error }

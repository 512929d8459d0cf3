package resolver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// endpoint is what a connection is shared by. Resolvers that differ in name
// only are one.
type endpoint struct {
	transport monitor.Transport
	addr      netip.AddrPort
	tlsName   string
	path      string // of the URL, over HTTPS
}

// carrier is a connection that questions travel on. It is started once, by its
// link, and ends once, by fail.
type carrier interface {
	// ask sends query and waits for its answer. Where the connection is at fault
	// the error is errLost.
	ask(ctx context.Context, query *query, n *tally) outcome
	start()
	fail(err error)
	Close() error
}

// link leads to the connection that new questions to an endpoint go to.
type link struct {
	endpoint endpoint
	cancel   context.CancelFunc // of the dialling
	ready    chan struct{}      // closed when conn or err is set
	conn     carrier
	err      error
}

// link finds the link to r, or makes one and dials in a goroutine of its own:
// who asked first may give up, and others who wait for the same connection must
// not suffer. reused is true for a connection that was there before.
func (a *Asker) link(r monitor.Resolver, n *tally) (l *link, reused bool, err error) {
	e := endpoint{transport: r.Transport, addr: r.Addr}
	if r.Encrypted() {
		if e.tlsName = r.TLSName; e.tlsName == "" {
			return nil, false, tlsError{errors.New("the resolver has no name to verify")}
		}
	}
	if r.Transport == monitor.DoH {
		e.path = cmp.Or(r.Path, DefaultPath)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, false, errClosed
	}
	if l = a.links[e]; l != nil {
		select {
		case <-l.ready:
			return l, true, nil
		default:
			return l, false, nil
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.Timeout)
	l = &link{endpoint: e, cancel: cancel, ready: make(chan struct{})}
	a.links[e] = l
	a.wg.Go(func() {
		defer cancel()
		a.connect(ctx, l, n)
	})
	return l, false, nil
}

// connect dials, and starts the goroutines of the connection.
func (a *Asker) connect(ctx context.Context, l *link, n *tally) {
	defer close(l.ready)
	c, err := a.open(ctx, l, n)
	l.debug(a.log, "connected", err)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed && err == nil {
		c.Close()
		err = errClosed
	}
	if err != nil {
		l.err = err
		delete(a.links, l.endpoint)
		return
	}
	l.conn = c
	a.conns[c] = struct{}{}
	n.opened.Add(1)
	n.open.Add(1)
	c.start()
}

// open makes the connection of l. Nothing is started yet.
func (a *Asker) open(ctx context.Context, l *link, n *tally) (carrier, error) {
	if l.endpoint.transport == monitor.DoH {
		return a.openWeb(ctx, l, n)
	}
	stream, err := a.dial(ctx, l.endpoint)
	if err != nil {
		return nil, err
	}
	c := &conn{
		Conn: stream, asker: a, link: l, n: n,
		out: make(chan []byte, outgoing), done: make(chan struct{}),
		pending: map[uint16]*pending{},
	}
	c.SetReadDeadline(time.Now().Add(a.cfg.IdleTimeout))
	return c, nil
}

func (l *link) debug(log *slog.Logger, what string, err error) {
	log.Debug(what, "server", l.endpoint.addr, "transport", l.endpoint.transport, "err", err)
}

// dial connects to e by its address and, for TLS, verifies its name: the
// strict profile of RFC 8310 §5.
func (a *Asker) dial(ctx context.Context, e endpoint) (net.Conn, error) {
	var d net.Dialer
	tcp, err := d.DialTCP(ctx, "tcp", netip.AddrPort{}, e.addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, cause(err)
	}
	if e.transport == monitor.TCP {
		return tcp, nil
	}
	secure := tls.Client(tcp, &tls.Config{
		ServerName:         e.tlsName,
		RootCAs:            a.cfg.Roots,
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"dot"}, // registered with IANA for RFC 7858
		ClientSessionCache: a.sessions,
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		tcp.Close()
		return nil, handshakeCause(ctx, err)
	}
	return secureConn{secure, tcp}, nil
}

// secureConn closes without a farewell: tls.Conn would wait up to 5 s for a
// server that does not read, and nobody here cares for what it still had to say.
type secureConn struct {
	*tls.Conn
	tcp *net.TCPConn
}

func (s secureConn) Close() error { return s.tcp.Close() }

// unlink makes new questions take another connection than that of l.
func (a *Asker) unlink(l *link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.links[l.endpoint] == l {
		delete(a.links, l.endpoint)
	}
}

// forget closes c, which n counts, and strikes it off, once.
func (a *Asker) forget(c carrier, n *tally) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.Close()
	delete(a.conns, c)
	n.open.Add(-1)
}

package evidence

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// suites are those of crypto/tls that have the server sign its share of the key
// (RFC 8422 §5.4). They are spelt out because possession rests on that signature,
// and a GODEBUG setting can add suites without it to the default.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
}

// handshake is what one connection brought to light.
type handshake struct {
	chain     []*x509.Certificate // as the server sent it, leaf first
	proven    bool                // the server showed that it holds the key of the leaf
	connected bool
	refused   string // what the guard said when the socket was about to connect
	heard     []byte // the first bytes that the server sent
	err       error  // why the handshake did not complete
}

// shake connects to t and does a handshake, and nothing more. Every wait in it
// ends with ctx or the time-out.
func (p *Prover) shake(ctx context.Context, t target) (h handshake) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()

	// The guard was asked already; asked here, it holds for what the socket is
	// really connected to, whatever happened in between.
	dialer := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if h.refused = p.guard.refuses(to.Addr(), t.private); h.refused != "" {
			return errors.New(h.refused)
		}
		return nil
	}}
	var raw net.Conn
	var err error
	if proxy := p.proxyFor(t.addr); proxy != nil {
		raw, err = tunnel(ctx, proxy, t.addr)
	} else {
		raw, err = dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, t.addr)
	}
	if err != nil {
		h.err = err
		return h
	}
	h.connected = true

	ear := &ear{Conn: raw}
	keyed := &keyLog{}
	conn := tls.Client(ear, &tls.Config{
		ServerName:   t.name,
		NextProtos:   []string{"h2", "http/1.1"},
		MinVersion:   tls.VersionTLS12,
		CipherSuites: suites,
		KeyLogWriter: keyed,
		// The judge verifies, so that it can tell one failure from another.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			h.chain = s.PeerCertificates
			return nil
		},
	})
	// Says close_notify (RFC 8446 §6.1) where a handshake completed.
	defer conn.Close()
	h.err = conn.HandshakeContext(ctx)
	h.heard = ear.first
	h.proven = len(h.chain) > 0 && (h.err == nil || keyed.tls12)
	return h
}

// ear is a connection that remembers the first bytes that came in.
type ear struct {
	net.Conn
	first []byte
}

// earshot is how many bytes are enough to tell TLS from a banner, and to show
// what kind of banner it is.
const earshot = 24

func (e *ear) Read(b []byte) (int, error) {
	n, err := e.Conn.Read(b)
	e.first = append(e.first, b[:min(n, earshot-len(e.first))]...)
	return n, err
}

// keyLog notes that the secret of a TLS 1.2 session was derived, and drops it.
// Where a server insists on a client certificate, a TLS 1.2 handshake fails by
// its alert although the server has proven itself: it signed its share of the
// key. That the secret exists tells that crypto/tls got this share and checked
// the signature, which no callback does. (The certificate's own callbacks come
// before the signature is read, in TLS 1.3 too; there the handshake completes
// for a client before the server can refuse it.) Nothing is ever encrypted with
// the secret but Finished and a closing alert.
type keyLog struct{ tls12 bool }

func (k *keyLog) Write(line []byte) (int, error) {
	k.tls12 = k.tls12 || bytes.HasPrefix(line, []byte("CLIENT_RANDOM "))
	return len(line), nil
}

// broken says how a handshake ended that proved nothing.
func (h handshake) broken(timeout time.Duration) (monitor.Outcome, string) {
	outcome, detail := h.failure(timeout)
	if len(h.chain) > 0 {
		detail += "; showed a certificate for " + subject(h.chain[0]) + " without proving its key"
	}
	return outcome, bounded(detail)
}

func (h handshake) failure(timeout time.Duration) (monitor.Outcome, string) {
	var op *net.OpError
	var netErr net.Error
	var errno syscall.Errno
	errors.As(h.err, &errno)
	switch {
	case len(h.heard) > 0 && !startsTLS(h.heard):
		return monitor.OutcomeNonTLS, "answers " + quoted(string(h.heard))
	case errors.As(h.err, &op) && op.Op == "remote error":
		return monitor.OutcomeAlert, "refused by alert: " + strings.TrimPrefix(op.Err.Error(), "tls: ")
	case errors.As(h.err, &netErr) && netErr.Timeout():
		return monitor.OutcomeTimeout, fmt.Sprintf("no %s within %v", h.awaited(), timeout)
	case errno == syscall.ECONNREFUSED:
		return monitor.OutcomeRefused, "connection refused"
	case errno == syscall.ECONNRESET, errno == syscall.EPIPE:
		return monitor.OutcomeReset, "connection reset before the end of the handshake"
	case errors.Is(h.err, io.EOF), errors.Is(h.err, io.ErrUnexpectedEOF):
		return monitor.OutcomeReset, "connection closed before the end of the handshake"
	case h.connected:
		// TLS, but not such as leads anywhere: a malformed message, too old a
		// version, a signature that is not the key's.
		return monitor.OutcomeAlert, "handshake failed: " + printable(strings.TrimPrefix(h.err.Error(), "tls: "), maxDetail)
	case errno == syscall.EMFILE, errno == syscall.ENFILE, errno == syscall.ENOBUFS, errno == syscall.ENOMEM:
		return monitor.OutcomeNotDialled, "no socket: " + cause(h.err)
	}
	return monitor.OutcomeUnreachable, cause(h.err)
}

// awaited names what a handshake without a certificate was still waiting for.
func (h handshake) awaited() string {
	switch {
	case !h.connected:
		return "connection"
	case len(h.heard) == 0:
		return "answer to the handshake"
	}
	return "end of the handshake"
}

// startsTLS reports whether b may begin a server's first record: a handshake
// message or an alert, and the major version 3 (RFC 8446 §5.1).
func startsTLS(b []byte) bool {
	const alert, handshake = 21, 22
	return (b[0] == alert || b[0] == handshake) && (len(b) == 1 || b[1] == 3)
}

// cause gives the system's words for why a dial failed, without the addresses
// that the net package puts before them.
func cause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return printable(err.Error(), maxDetail)
}

//go:build lab

package inject

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Relay accepts TCP connections and passes their bytes on.
type Relay struct {
	ln      *net.TCPListener
	cancel  context.CancelFunc
	relayed atomic.Int64
	running sync.WaitGroup
}

// startRelay serves each connection in a goroutine of its own. The context ends
// with Stop, and the connection is closed then, or when serve returns.
func startRelay(within Within, addr netip.AddrPort, serve func(ctx context.Context, r *Relay, c *net.TCPConn)) (*Relay, error) {
	ln, err := listenTCP(within, addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Relay{ln: ln, cancel: cancel}
	r.running.Go(func() {
		for {
			c, err := ln.AcceptTCP()
			if err != nil {
				return
			}
			r.running.Go(func() {
				defer c.Close()
				defer context.AfterFunc(ctx, func() { c.Close() })()
				serve(ctx, r, c)
			})
		}
	})
	return r, nil
}

// Addr is where the relay accepts.
func (r *Relay) Addr() netip.AddrPort { return addrPort(r.ln.Addr()) }

// Count is the number of connections that reached their far end.
func (r *Relay) Count() int { return int(r.relayed.Load()) }

// Stop closes all connections and waits until nothing runs. It may be called
// again.
func (r *Relay) Stop() {
	r.cancel()
	r.ln.Close()
	r.running.Wait()
}

// RelaySNI reads the server name of each TLS connection, and passes the bytes as
// they are to where route says; a name without a route is closed. So the client
// sees the genuine certificate at an address that is not genuine.
func RelaySNI(within Within, addr netip.AddrPort, route func(sni string) (netip.AddrPort, bool)) (*Relay, error) {
	return startRelay(within, addr, func(ctx context.Context, r *Relay, c *net.TCPConn) {
		sni, hello, err := readSNI(c)
		if err != nil {
			return
		}
		to, ok := route(sni)
		if !ok {
			return
		}
		far, err := dial(ctx, within, "tcp", to)
		if err != nil {
			return
		}
		r.relayed.Add(1)
		splice(ctx, io.MultiReader(bytes.NewReader(hello), c), c, far)
	})
}

// readSNI lets a TLS server read the ClientHello, and stops it there. It returns
// all bytes that were read. A hello without a name has the name "".
func readSNI(c net.Conn) (sni string, hello []byte, err error) {
	c.SetReadDeadline(time.Now().Add(patience))
	defer c.SetReadDeadline(time.Time{})
	heard := &listener{Conn: c}
	seen := false
	err = tls.Server(heard, &tls.Config{
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			sni, seen = h.ServerName, true
			return nil, errors.New("only the name was wanted")
		},
	}).Handshake()
	if seen {
		err = nil
	}
	return sni, heard.read.Bytes(), err
}

// A listener keeps what it reads, and says nothing: neither an alert nor its end
// reaches the client.
type listener struct {
	net.Conn
	read bytes.Buffer
}

func (l *listener) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.read.Write(p[:n])
	return n, err
}

func (l *listener) Write(p []byte) (int, error) { return len(p), nil }
func (l *listener) Close() error                { return nil }

// splice passes bytes both ways until both sides have ended, and closes far. from
// is what near says, its first bytes included. The end of one direction is passed
// on too, as many servers answer only after it.
func splice(ctx context.Context, from io.Reader, near, far net.Conn) {
	defer far.Close()
	defer context.AfterFunc(ctx, func() { far.Close() })()
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(near, far)
		closeWrite(near)
	})
	io.Copy(far, from)
	closeWrite(far)
	back.Wait()
}

// closeWrite ends one direction, of TCP or TLS.
func closeWrite(c net.Conn) {
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
}

// InspectTLS ends TLS for connections that nft redirects to addr, under a leaf for
// the client's server name that the CA signs, and opens TLS to the destination
// that the client meant. The far certificate is not checked, as bad inspection
// does: what the client can see is the CA alone. A destination that is addr
// itself was not redirected, and is closed.
func InspectTLS(within Within, addr netip.AddrPort, ca *x509.Certificate, key any) (*Relay, error) {
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return startRelay(within, addr, func(ctx context.Context, r *Relay, c *net.TCPConn) {
		to, err := originalDst(c)
		if err != nil || to == addrPort(c.LocalAddr()) {
			return
		}
		near := tls.Server(c, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return mint(h.ServerName, to.Addr(), leaf, ca, key)
		}})
		shake, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if near.HandshakeContext(shake) != nil {
			return
		}
		raw, err := dial(ctx, within, "tcp", to)
		if err != nil {
			return
		}
		far := tls.Client(raw, &tls.Config{ServerName: near.ConnectionState().ServerName, InsecureSkipVerify: true})
		if far.HandshakeContext(shake) != nil {
			raw.Close()
			return
		}
		r.relayed.Add(1)
		splice(ctx, near, near, far)
	})
}

// mint makes a leaf for a name, or for the address if the client sent no name.
func mint(name string, addr netip.Addr, leaf *ecdsa.PrivateKey, ca *x509.Certificate, key any) (*tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: serial,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if name != "" {
		c.DNSNames, c.Subject = []string{name}, pkix.Name{CommonName: name}
	} else {
		c.IPAddresses, c.Subject = []net.IP{addr.AsSlice()}, pkix.Name{CommonName: addr.String()}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca, leaf.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.Raw}, PrivateKey: leaf}, nil
}

// originalDst asks conntrack where a redirected connection was going
// (SO_ORIGINAL_DST, linux/netfilter_ipv4.h). The socket option has no call of its
// own in x/sys; these two have the sizes of sockaddr_in and sockaddr_in6.
func originalDst(c *net.TCPConn) (to netip.AddrPort, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return to, err
	}
	v4 := addrPort(c.LocalAddr()).Addr().Is4()
	ctlErr := raw.Control(func(fd uintptr) {
		if v4 {
			var sa *unix.IPv6Mreq
			if sa, err = unix.GetsockoptIPv6Mreq(int(fd), unix.IPPROTO_IP, unix.SO_ORIGINAL_DST); err == nil {
				b := sa.Multiaddr // family, port, address
				to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:4]))
			}
			return
		}
		var sa *unix.IPv6MTUInfo
		if sa, err = unix.GetsockoptIPv6MTUInfo(int(fd), unix.IPPROTO_IPV6, unix.SO_ORIGINAL_DST); err == nil {
			port := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, sa.Addr.Port))
			to = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr.Addr), port)
		}
	})
	return to, errors.Join(err, ctlErr)
}

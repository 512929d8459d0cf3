package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// authority signs the certificates of the demo.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// demoAge is how old the demo's certificates say they are: one that is older
// than a lie shows that its holder had the name before.
const demoAge = 41 * 24 * time.Hour

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"Example CA"}, CommonName: "Example CA"},
		NotBefore: time.Now().Add(-2 * demoAge), NotAfter: time.Now().Add(demoAge),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue makes a certificate for a name.
func (a *authority) issue(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-demoAge), NotAfter: time.Now().Add(demoAge),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// demoResolver is a caching resolver of one operator. It has one address for
// every name.
type demoResolver struct {
	name      string
	tlsName   string
	plain, tl netip.AddrPort

	mu     sync.Mutex // guards what follows
	answer netip.Addr
	ttl    uint32 // seconds, of the zone
	since  time.Time
	asked  int
}

// remember is what a cache does with an answer, true or not.
func (r *demoResolver) remember(a netip.Addr, ttl uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.ttl, r.since = a, ttl, time.Now()
}

// reply answers one message; nil for what is no query.
func (r *demoResolver) reply(query []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{
		ID: h.ID, Response: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true,
	})
	b.EnableCompression()
	if b.StartQuestions() != nil || b.Question(q) != nil || b.StartAnswers() != nil {
		return nil
	}
	if q.Type == dnsmessage.TypeA {
		aged := uint32(time.Since(r.since).Seconds()) % max(r.ttl, 1)
		err = b.AResource(dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: r.ttl - aged}, dnsmessage.AResource{A: r.answer.As4()})
	}
	msg, buildErr := b.Finish()
	if err != nil || buildErr != nil {
		return nil
	}
	return msg
}

// servers are everything that the demo runs beside the daemon. They end with
// their context; wait returns when all have.
type servers struct {
	ctx context.Context
	wg  sync.WaitGroup
}

// closeWith closes c when the servers' context ends.
func (s *servers) closeWith(c io.Closer) { context.AfterFunc(s.ctx, func() { c.Close() }) }

// serve starts a resolver on addr, over UDP and over TLS.
func (s *servers) serve(r *demoResolver, addr netip.Addr, cert tls.Certificate) error {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return err
	}
	s.closeWith(udp)
	r.plain = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	s.wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if msg := r.reply(buf[:n]); msg != nil {
				udp.WriteToUDPAddrPort(msg, from)
			}
		}
	})
	l, err := tls.Listen("tcp", netip.AddrPortFrom(addr, 0).String(), &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"dot"}})
	if err != nil {
		return err
	}
	s.closeWith(l)
	r.tl = l.Addr().(*net.TCPAddr).AddrPort()
	s.accept(l, func(c net.Conn) {
		for {
			var size [2]byte
			if _, err := io.ReadFull(c, size[:]); err != nil {
				return
			}
			query := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(c, query); err != nil {
				return
			}
			msg := r.reply(query)
			if msg == nil {
				return
			}
			if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)); err != nil {
				return
			}
		}
	})
	return nil
}

// accept handles each connection of l until the context ends.
func (s *servers) accept(l net.Listener, handle func(net.Conn)) {
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.closeWith(c)
			s.wg.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
}

// partner is the API that keys are sent to, and its false twin.
type partner struct {
	bytes atomic.Int64 // that came after the handshake: it must stay none
}

// serve shows a certificate at addr and counts what is said to it.
func (p *partner) serve(s *servers, l net.Listener, cert tls.Certificate) {
	l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}})
	s.closeWith(l)
	s.accept(l, func(c net.Conn) {
		n, _ := io.Copy(io.Discard, c)
		p.bytes.Add(n)
	})
}

// listenBoth listens on one port of two addresses.
func listenBoth(a, b netip.Addr) (la, lb net.Listener, port uint16, err error) {
	for range 20 {
		if la, err = net.Listen("tcp", netip.AddrPortFrom(a, 0).String()); err != nil {
			return nil, nil, 0, err
		}
		port = la.Addr().(*net.TCPAddr).AddrPort().Port()
		if lb, err = net.Listen("tcp", netip.AddrPortFrom(b, port).String()); err == nil {
			return la, lb, port, nil
		}
		la.Close()
	}
	return nil, nil, 0, fmt.Errorf("no port free on both %s and %s: %w", a, b, err)
}

// receive serves a webhook receiver and gives its address.
func (s *servers) receive(handle http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: handle, ReadHeaderTimeout: 5 * time.Second}
	s.closeWith(srv)
	s.wg.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			l.Close()
		}
	})
	return "http://" + l.Addr().String() + "/hook", nil
}

//go:build lab

package inject

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// A testCA signs the certificates of the sites of these tests.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t *testing.T) testCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return testCA{c, key}
}

// leaf is a certificate for a name.
func (ca testCA) leaf(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := mint(name, netip.Addr{}, key, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// files writes a certificate and its key in PEM.
func (ca testCA) files(t *testing.T, name string) (certFile, keyFile string) {
	t.Helper()
	leaf := ca.leaf(t, name)
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", leaf.Certificate[0]), write("key.pem", "PRIVATE KEY", key)
}

// site is a TLS server that says one thing, after its client has ended.
func (ca testCA) site(t *testing.T, addr netip.AddrPort, name, says string) netip.AddrPort {
	t.Helper()
	return ca.siteWithin(t, here, addr, name, says)
}

func (ca testCA) siteWithin(t *testing.T, within Within, addr netip.AddrPort, name, says string) netip.AddrPort {
	t.Helper()
	ln, err := listenTCP(within, addr)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{*ca.leaf(t, name)}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s := tls.Server(c, conf)
			io.ReadAll(s)
			io.WriteString(s, says)
			s.Close()
		}
	})
	t.Cleanup(func() { ln.Close(); running.Wait() })
	return addrPort(ln.Addr())
}

// visit reads what a site says; the certificate must be the CA's, for the name.
func (ca testCA) visit(conn net.Conn, name string) (string, error) {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	c := tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: name})
	if err := c.Handshake(); err != nil {
		return "", err
	}
	if err := c.CloseWrite(); err != nil {
		return "", err
	}
	said, err := io.ReadAll(c)
	return string(said), err
}

// The relay's address shows the genuine certificate of each name.
func TestRelaySNI(t *testing.T) {
	ca := newCA(t)
	sites := map[string]netip.AddrPort{
		"www.bank.lab": ca.site(t, loopback, "www.bank.lab", "bank"),
		"www.shop.lab": ca.site(t, loopback, "www.shop.lab", "shop"),
	}
	before := goleak.IgnoreCurrent()
	r, err := RelaySNI(here, loopback, func(sni string) (netip.AddrPort, bool) {
		to, ok := sites[sni]
		return to, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, before, r.Stop)
	for name, want := range map[string]string{"www.bank.lab": "bank", "www.shop.lab": "shop", "other.lab": ""} {
		conn, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		said, err := ca.visit(conn, name)
		same(t, name, want, said)
		same(t, name+" is served", want != "", err == nil)
	}
	same(t, "count", 2, r.Count())

	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
	if said, _ := io.ReadAll(conn); len(said) != 0 {
		t.Errorf("no TLS, and yet answered %q", said)
	}
}

// namespace is a network namespace with loopback alone, which ends with the test.
// Each call has a thread of its own, so that one may wait for another. A thread
// is never unlocked: it ends, rather than going back to others in the wrong place.
func namespace(t *testing.T) Within {
	t.Helper()
	onThread := func(f func() error) error {
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			done <- f()
		}()
		return <-done
	}
	var ns *os.File
	if err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return func(f func() error) error {
		return onThread(func() error {
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return f()
		})
	}
}

// The client's connection to a site is redirected; the client sees the site's
// words under the inspector's CA.
func TestInspectTLS(t *testing.T) {
	within := namespace(t)
	for _, v := range []struct{ family, client, site, proxy string }{
		{"ip", "127.0.0.5", "127.0.0.9", "127.0.0.1"},
		{"ip6", "fd00::5", "fd00::9", "::1"},
	} {
		t.Run(v.family, func(t *testing.T) {
			run(t, within, "ip link set lo up; ip addr replace fd00::5/128 dev lo nodad; ip addr replace fd00::9/128 dev lo nodad")
			genuine, corporate := newCA(t), newCA(t)
			site := genuine.siteWithin(t, within, netip.AddrPortFrom(netip.MustParseAddr(v.site), 443), "www.bank.lab", "bank")
			before := goleak.IgnoreCurrent()
			p, err := InspectTLS(within, netip.AddrPortFrom(netip.MustParseAddr(v.proxy), 8443), corporate.cert, corporate.key)
			if err != nil {
				t.Fatal(err)
			}
			stopAtEnd(t, before, p.Stop)
			run(t, within, strings.NewReplacer("FAMILY", v.family, "CLIENT", v.client, "SITE", v.site).Replace(
				"nft 'table FAMILY t { chain c { type nat hook output priority -100; FAMILY saddr CLIENT FAMILY daddr SITE tcp dport 443 redirect to :8443; }; }'"))
			visit := func(ca testCA, client, name string, to netip.AddrPort) (string, error) {
				conn := dialFrom(t, within, client, to)
				defer conn.Close()
				return ca.visit(conn, name)
			}
			said, err := visit(corporate, v.client, "www.bank.lab", site)
			same(t, "under the corporate CA", "bank", said)
			same(t, "error", nil, err)
			_, err = visit(genuine, v.client, "www.bank.lab", site)
			if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) {
				t.Errorf("under the genuine CA: %v", err)
			}
			said, err = visit(corporate, v.client, v.site, site) // a literal address: no SNI
			same(t, "without a name", "bank", said)
			same(t, "error", nil, err)
			said, err = visit(genuine, v.site, "www.bank.lab", site)
			same(t, "not redirected", "bank", said)
			same(t, "error", nil, err)
			if _, err := visit(corporate, v.client, "www.bank.lab", p.Addr()); err == nil {
				t.Error("a client of the proxy itself was served")
			}
			same(t, "count", 2, p.Count())
		})
	}
}

// run runs a script inside: a child has the namespace of the thread that forks.
func run(t *testing.T, within Within, script string) (out string) {
	t.Helper()
	if err := within(func() error {
		b, err := exec.Command("sh", "-ec", script).CombinedOutput()
		out = string(b)
		return err
	}); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

func dialFrom(t *testing.T, within Within, from string, to netip.AddrPort) (conn net.Conn) {
	t.Helper()
	if err := within(func() (err error) {
		local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
		conn, err = net.DialTCP("tcp", local, net.TCPAddrFromAddrPort(to))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return conn
}

package webhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
)

// authority issues certificates that only its own PEM makes trusted.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Example CA"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{key, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func (a authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// secure starts an https server that proves to be name, and gives its address.
func secure(t *testing.T, a authority, name string, h http.Handler) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{a.issue(t, name)}}
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = quiet()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// internet is what addresses lead to, by "address:port", and what was dialled.
type internet struct {
	mu     sync.Mutex
	leads  map[string]string
	dialed []string
}

func (n *internet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, address)
	target, ok := n.leads[address]
	n.mu.Unlock()
	if !ok {
		return nil, errors.New("connection refused")
	}
	return new(net.Dialer).DialContext(ctx, network, target)
}

func (n *internet) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.dialed
	n.dialed = nil
	return d
}

func answers(addrs ...string) Lookup {
	list := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		list[i] = netip.MustParseAddr(a)
	}
	return func(context.Context, string) ([]netip.Addr, error) { return list, nil }
}

func fails(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }

// TestPoisonedWebhookHost is what the Dialer is for: the system gives a false
// address for the webhook's own host.
func TestPoisonedWebhookHost(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	good, evil := statuses(), statuses()
	goodAddr := secure(t, ours, "hooks.example", good)
	net := &internet{leads: map[string]string{
		"192.0.2.80:443":    goodAddr,
		"198.51.100.66:443": secure(t, theirs, "hooks.example", evil), // no authority we trust
		"198.51.100.67:443": secure(t, ours, "evil.example", evil),    // somebody else's name
	}}
	// Each step changes what the lookups say, of one Dialer.
	var system, witness Lookup
	d := &Dialer{Dial: net.dial, Lookups: []Lookup{
		func(ctx context.Context, host string) ([]netip.Addr, error) { return system(ctx, host) },
		func(ctx context.Context, host string) ([]netip.Addr, error) { return witness(ctx, host) },
	}}
	var out lines
	s := sender(t, newLog(), d, func(c *Config) {
		c.URL = mustURL(t, "https://hooks.example/in")
		c.HTTP.TLSConfig.CA = ours.pem
	})
	s.transport.(*client).logger = out.logger()

	steps := []struct {
		name            string
		system, witness Lookup
		dialed          []string
		err             string
	}{
		{"nothing is right, nothing known yet", answers("198.51.100.66"), fails, []string{"198.51.100.66:443"}, "unknown authority"},
		{"the witness is right", answers("198.51.100.66", "198.51.100.67"), answers("198.51.100.66", "192.0.2.80"),
			[]string{"198.51.100.66:443", "198.51.100.67:443", "192.0.2.80:443"}, ""},
		{"the system is right", answers("192.0.2.80"), answers("203.0.113.1"), []string{"192.0.2.80:443"}, ""},
		{"the last good address is right", answers("198.51.100.67"), fails, []string{"198.51.100.67:443", "192.0.2.80:443"}, ""},
		{"no lookup answers", fails, fails, []string{"192.0.2.80:443"}, ""},
	}
	for _, step := range steps {
		system, witness = step.system, step.witness
		_, err := s.Test(t.Context())
		if (err == nil) != (step.err == "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("%s: Test() = %v, want %q", step.name, err, step.err)
		}
		if diff := cmp.Diff(step.dialed, net.take()); diff != "" {
			t.Errorf("%s: dialled (-want +got):\n%s", step.name, diff)
		}
	}
	if g, e := len(good.ids()), len(evil.ids()); g != 4 || e != 0 {
		t.Errorf("%d requests at the right server, %d at wrong ones, want 4, 0", g, e)
	}
	out.has(t, "level=WARN msg=\"webhook address did not hold\" address=198.51.100.66:443")
	if strings.Contains(out.String(), "hooks.example") {
		t.Errorf("the host is in the log:\n%s", &out)
	}
}

func TestPlainHTTPConnects(t *testing.T) {
	got := statuses()
	srv := httptest.NewServer(got)
	defer srv.Close()
	net := &internet{leads: map[string]string{"192.0.2.80:80": srv.Listener.Addr().String()}}
	s := sender(t, newLog(), &Dialer{Dial: net.dial, Lookups: []Lookup{answers("192.0.2.79", "192.0.2.80")}}, nil)
	if _, err := s.Test(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"192.0.2.79:80", "192.0.2.80:80"}, net.take()); diff != "" {
		t.Errorf("dialled (-want +got):\n%s", diff)
	}
}

func TestHTTP2(t *testing.T) {
	ca := newAuthority(t)
	var proto string
	addr := secure(t, ca, "hooks.example", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { proto = r.Proto }))
	for enable, want := range map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"} {
		d := &Dialer{Lookups: []Lookup{answers("192.0.2.80")}, Dial: (&internet{leads: map[string]string{"192.0.2.80:443": addr}}).dial}
		s := sender(t, newLog(), d, func(c *Config) {
			c.URL = mustURL(t, "https://hooks.example/in")
			c.HTTP.EnableHTTP2 = enable
			c.HTTP.TLSConfig.CA = ca.pem
		})
		if _, err := s.Test(t.Context()); err != nil || proto != want {
			t.Errorf("enable_http2 %t: %s, %v, want %s", enable, proto, err, want)
		}
	}
}

// TestProxy goes through CONNECT. The certificate is checked behind it.
func TestProxy(t *testing.T) {
	ca := newAuthority(t)
	got := statuses()
	addr := secure(t, ca, "hooks.example", got)
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host)
		there, err := net.Dial("tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer here.Close()
		_, _ = here.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		var wg sync.WaitGroup
		wg.Go(func() { copyUntilEnd(there, here) })
		copyUntilEnd(here, there)
		wg.Wait()
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ url, err string }{
		{"https://hooks.example/in", ""},
		{"https://other.example/in", "certificate is valid for hooks.example"},
	} {
		s := sender(t, newLog(), nil, func(c *Config) {
			c.URL = mustURL(t, tt.url)
			c.HTTP.ProxyURL = config.URL{URL: u}
			c.HTTP.TLSConfig.CA = ca.pem
		})
		_, err := s.Test(t.Context())
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: Test() = %v, want %q", tt.url, err, tt.err)
		}
	}
	if diff := cmp.Diff([]string{"CONNECT hooks.example:443", "CONNECT other.example:443"}, asked); diff != "" {
		t.Errorf("the proxy was asked (-want +got):\n%s", diff)
	}
	if n := len(got.ids()); n != 1 {
		t.Errorf("%d requests came through, want 1", n)
	}
}

func copyUntilEnd(to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			_ = to.Close()
			return
		}
	}
}

// TestDeadAddresses: addresses that never answer, and lookups that do not
// either, leave time for what comes after them.
func TestDeadAddresses(t *testing.T) {
	hang := func(ctx context.Context, _ string) ([]netip.Addr, error) { <-ctx.Done(); return nil, ctx.Err() }
	dead := answers("198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8::2", "2001:db8::3", "198.51.100.3", "198.51.100.4")
	for name, first := range map[string]Lookup{"addresses": dead, "lookup": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := statuses()
				d := serve(t, got.ServeHTTP)
				pipe := d.Dial
				d.Lookups = []Lookup{first, hang, answers("192.0.2.80")}
				d.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					if address != "192.0.2.80:80" {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return pipe(ctx, network, address)
				}
				start := time.Now()
				if _, err := sender(t, newLog(), d, nil).Test(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > 12*time.Second {
					t.Errorf("the right address was reached after %s of 15s", took)
				}
			})
		})
	}
}

func TestCandidates(t *testing.T) {
	list := func(s string) []netip.Addr {
		var l []netip.Addr
		for a := range strings.FieldsSeq(s) {
			l = append(l, netip.MustParseAddr(a))
		}
		return l
	}
	tests := []struct{ addrs, tried, want string }{
		{"", "", ""},
		{"192.0.2.1", "", "192.0.2.1"},
		{"192.0.2.1 192.0.2.1 ::ffff:192.0.2.1", "", "192.0.2.1"},
		{"192.0.2.1 192.0.2.2", "192.0.2.1", "192.0.2.2"},
		{"2001:db8::1 2001:db8::2 2001:db8::3 192.0.2.1 192.0.2.2", "", "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2"},
		{"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5", "", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4"},
		{"192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1", "", "192.0.2.1 2001:db8::1 192.0.2.2 192.0.2.3"},
	}
	for _, tt := range tests {
		var got []string
		for _, a := range candidates(list(tt.addrs), list(tt.tried)) {
			got = append(got, a.String())
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("candidates(%s; %s) = %s, want %s", tt.addrs, tt.tried, g, tt.want)
		}
	}
}

func TestNoAddress(t *testing.T) {
	s := sender(t, newLog(), &Dialer{Lookups: []Lookup{answers()}}, nil)
	if _, err := s.Test(t.Context()); err == nil || !strings.Contains(err.Error(), "no lookup gave an address") {
		t.Errorf("Test() = %v", err)
	}
}

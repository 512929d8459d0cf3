package evidence

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestOutcomes has a server for each way in which a handshake can end.
func TestOutcomes(t *testing.T) {
	ca, evil := newAuthority(t, "Example CA"), newAuthority(t, "Evil CA")
	right := ca.issue(t, nil)
	own := selfSigned(t, nil)
	expired := func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1).UTC() }
	named := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = names }
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaLeaf := sign(t, right.Leaf, ca.cert, rsaKey.Public(), ca.key)
	yesterday := now.AddDate(0, 0, -1).UTC().Format(time.DateOnly)
	tomorrow := now.AddDate(0, 0, 1).UTC()
	alert := func(level, description byte) func(net.Conn) {
		return func(c net.Conn) {
			hello(c)
			say([]byte{21, 3, 3, 0, 2, level, description})(c)
		}
	}

	tests := []struct {
		what    string
		cert    tls.Certificate // shown by a TLS server, unless handle is set
		tls     func(*tls.Config)
		handle  func(net.Conn)
		config  func(*Config)
		at      netip.AddrPort // dialled in place of the server
		outcome monitor.Outcome
		detail  string
	}{
		{what: "right", cert: right, outcome: monitor.OutcomeOK},
		{what: "right, among others", cert: ca.issue(t, named("a.example", host)), outcome: monitor.OutcomeOK},
		{what: "right by wildcard", cert: ca.issue(t, named("*.partner.example")), outcome: monitor.OutcomeOK},
		{what: "right, RSA", cert: tls.Certificate{Certificate: [][]byte{rsaLeaf.Raw}, PrivateKey: rsaKey, Leaf: rsaLeaf}, outcome: monitor.OutcomeOK},
		{what: "right, TLS 1.2", cert: right, tls: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, outcome: monitor.OutcomeOK},
		{what: "right, by an intermediate", cert: ca.below(t, "Middle", nil).issue(t, nil), outcome: monitor.OutcomeOK},
		{what: "right, by an extra root", cert: evil.issue(t, nil), config: func(c *Config) { c.ExtraRoots = []*x509.Certificate{evil.cert} }, outcome: monitor.OutcomeOK},
		{what: "right, client certificate wanted, TLS 1.3", cert: right, tls: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, outcome: monitor.OutcomeOK},
		{
			what: "right, client certificate wanted, TLS 1.2", cert: right,
			tls:     func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 },
			outcome: monitor.OutcomeOK,
		},
		{what: "self-signed, but trusted", cert: own, config: func(c *Config) { c.ExtraRoots = []*x509.Certificate{own.Leaf} }, outcome: monitor.OutcomeOK},

		{
			what: "another name", cert: ca.issue(t, named("www.evil.example", "evil.example", "x.example")),
			outcome: monitor.OutcomeNameMismatch, detail: `for "www.evil.example" and 2 more`,
		},
		{
			what: "another name, expired", cert: ca.issue(t, func(c *x509.Certificate) { named("evil.example")(c); expired(c) }),
			outcome: monitor.OutcomeNameMismatch, detail: `for "evil.example", and expired on ` + yesterday,
		},
		{
			what: "another name, client certificate wanted, TLS 1.2", cert: ca.issue(t, named("evil.example")),
			tls:     func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 },
			outcome: monitor.OutcomeNameMismatch, detail: `for "evil.example"`,
		},
		{
			what: "the name as common name only", // RFC 9525 §2
			cert: ca.issue(t, func(c *x509.Certificate) {
				c.DNSNames, c.Subject = nil, pkix.Name{CommonName: host}
			}),
			outcome: monitor.OutcomeNameMismatch, detail: `for no name but the common name "api.partner.example"`,
		},
		{
			what: "a wildcard in part of a label", cert: ca.issue(t, named("a*.partner.example")), // RFC 9525 §6.3
			outcome: monitor.OutcomeNameMismatch, detail: `for "a*.partner.example"`,
		},
		{
			what: "a wildcard for two labels", cert: ca.issue(t, named("*.example")),
			outcome: monitor.OutcomeNameMismatch, detail: `for "*.example"`,
		},
		{
			what: "an address", cert: ca.issue(t, func(c *x509.Certificate) {
				c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)}
			}),
			outcome: monitor.OutcomeNameMismatch, detail: `for 127.0.0.1`,
		},

		{
			what: "unknown authority", cert: evil.issue(t, nil),
			outcome: monitor.OutcomeUntrusted, detail: `for "api.partner.example": no way to a trusted root from issuer "Evil CA"`,
		},
		{
			what: "unknown authority, another name", cert: evil.issue(t, named("evil.example")),
			outcome: monitor.OutcomeUntrusted, detail: `for "evil.example": no way to a trusted root from issuer "Evil CA"`,
		},
		{
			what: "unknown authority, expired", cert: evil.issue(t, expired),
			outcome: monitor.OutcomeUntrusted, detail: `for "api.partner.example": no way to a trusted root from issuer "Evil CA"`,
		},
		{
			what: "an authority of the same name", cert: newAuthority(t, "Example CA").issue(t, nil),
			outcome: monitor.OutcomeUntrusted, detail: `for "api.partner.example": no way to a trusted root from issuer "Example CA"`,
		},
		{
			what: "not for servers", cert: ca.issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
			outcome: monitor.OutcomeUntrusted, detail: `for "api.partner.example": x509: certificate specifies an incompatible key usage`,
		},
		{
			what:    "issued by what is no authority",
			cert:    (&authority{right.Leaf, right.PrivateKey.(crypto.Signer), right.Certificate}).issue(t, nil),
			outcome: monitor.OutcomeUntrusted, detail: `for "api.partner.example": no way to a trusted root from issuer "Partner"`,
		},

		{what: "self-signed", cert: own, outcome: monitor.OutcomeSelfSigned, detail: `self-signed "api.partner.example"`},
		{
			what: "self-signed, another name", cert: selfSigned(t, func(c *x509.Certificate) { c.DNSNames = nil }),
			outcome: monitor.OutcomeSelfSigned, detail: `self-signed no name but the common name "localhost"`,
		},

		{what: "expired", cert: ca.issue(t, expired), outcome: monitor.OutcomeExpired, detail: "expired on " + yesterday},
		{
			what: "not yet valid", cert: ca.issue(t, func(c *x509.Certificate) { c.NotBefore = tomorrow }),
			outcome: monitor.OutcomeExpired, detail: "not valid before " + tomorrow.Format(time.RFC3339) + "; is this host's clock right?",
		},
		{
			what: "intermediate expired", cert: ca.below(t, "Middle", expired).issue(t, nil),
			outcome: monitor.OutcomeExpired, detail: "a certificate above it is out of its time",
		},

		{
			what: "alert unrecognized_name", handle: alert(2, 112),
			outcome: monitor.OutcomeAlert, detail: "refused by alert: unrecognized name",
		},
		{
			what: "alert handshake_failure", handle: alert(2, 40),
			outcome: monitor.OutcomeAlert, detail: "refused by alert: handshake failure",
		},
		{
			what: "alert that nobody knows", handle: alert(2, 200),
			outcome: monitor.OutcomeAlert, detail: "refused by alert: alert(200)",
		},
		{
			what: "server up to TLS 1.1", cert: right, tls: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
			outcome: monitor.OutcomeAlert, detail: "refused by alert: protocol version not supported",
		},
		{
			what: "server without HTTP", cert: right, tls: func(c *tls.Config) { c.NextProtos = []string{"imap"} },
			outcome: monitor.OutcomeAlert, detail: "refused by alert: no application protocol",
		},

		{
			what: "SSH", handle: say([]byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
			outcome: monitor.OutcomeNonTLS, detail: `answers "SSH-2.0-OpenSSH_9.2p1 De"`,
		},
		{
			what: "SMTP", handle: say([]byte("220 mx ESMTP\r\n")),
			outcome: monitor.OutcomeNonTLS, detail: `answers "220 mx ESMTP\r\n"`,
		},
		{
			what: "HTTP", handle: func(c net.Conn) { hello(c); c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
			outcome: monitor.OutcomeNonTLS, detail: `answers "HTTP/1.1 400 Bad Request"`,
		},
		{
			what: "two bytes", handle: func(c net.Conn) { c.Write([]byte("\"\x1b")); hello(c) },
			outcome: monitor.OutcomeNonTLS, detail: `answers "\"\x1b"`,
		},
		{
			what: "an echo, which looks like TLS", handle: func(c net.Conn) { io.Copy(c, c) },
			outcome: monitor.OutcomeAlert, detail: "handshake failed: received unexpected handshake message of type *tls.clientHelloMsg when waiting for *tls.serverHelloMsg",
		},

		{
			what: "refused", at: closedPort(t),
			outcome: monitor.OutcomeRefused, detail: "connection refused",
		},
		{
			what: "reset", handle: func(c net.Conn) { hello(c); c.(*net.TCPConn).SetLinger(0) },
			outcome: monitor.OutcomeReset, detail: "connection reset before the end of the handshake",
		},
		{
			what: "reset in the middle", handle: func(c net.Conn) {
				hello(c)
				c.Write([]byte{22, 3, 3, 1, 0, 2})
				c.(*net.TCPConn).SetLinger(0)
			},
			outcome: monitor.OutcomeReset, detail: "connection reset before the end of the handshake",
		},
		{
			what: "closed", handle: hello,
			outcome: monitor.OutcomeReset, detail: "connection closed before the end of the handshake",
		},
		{
			what: "silence", handle: say(nil), config: func(c *Config) { c.Timeout = 100 * time.Millisecond },
			outcome: monitor.OutcomeTimeout, detail: "no answer to the handshake within 100ms",
		},
		{
			// Linux has no TCP route to the broadcast address, whatever its others.
			what: "unreachable", at: netip.MustParseAddrPort("255.255.255.255:443"),
			config:  func(c *Config) { c.AllowPrefixes = []netip.Prefix{netip.MustParsePrefix("255.255.255.255/32")} },
			outcome: monitor.OutcomeUnreachable, detail: "network is unreachable",
		},

		{
			what: "guarded", at: netip.MustParseAddrPort("[::ffff:169.254.169.254]:443"),
			outcome: monitor.OutcomeNotDialled, detail: "never dialled: link-local",
		},
		{
			what: "no roots", at: netip.MustParseAddrPort("127.0.0.1:443"), config: func(c *Config) { c.Roots = x509.NewCertPool() },
			outcome: monitor.OutcomeNotDialled, detail: "no roots: nothing to judge a certificate by",
		},
		{
			what: "no port", at: netip.MustParseAddrPort("127.0.0.1:0"),
			outcome: monitor.OutcomeNotDialled, detail: "no port",
		},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			at := tt.at
			switch {
			case at.IsValid():
			case tt.handle != nil:
				at = serve(t, tt.handle)
			default:
				cfg := with(tt.cert)
				if tt.tls != nil {
					tt.tls(cfg)
				}
				at, _ = serveTLS(t, cfg)
			}
			want := monitor.Evidence{
				Kind: monitor.EvidenceTLS, At: now, Role: monitor.Suspect, Address: at.Addr(), Port: at.Port(),
				Outcome: tt.outcome, Detail: tt.detail,
			}
			if leaf := tt.cert.Leaf; leaf != nil && tt.outcome != monitor.OutcomeAlert {
				want.SPKI, want.Issuer = spki(leaf), leaf.Issuer.Organization[0]
				want.NotBefore, want.NotAfter = leaf.NotBefore, leaf.NotAfter
			}
			got := proverFor(ca, tt.config).Prove(t.Context(), proofOf(at))
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
				t.Errorf("Prove (-want +got):\n%s", diff)
			}
		})
	}
}

// closedPort gives a port of loopback where nobody listens. That it was bound a
// moment ago keeps the kernel from giving it to the next listener.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.77:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

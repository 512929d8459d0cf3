package evidence

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// record frames a TLS record (RFC 5246 §6.2.1), message a handshake message
// (§7.4) that claims to have size bytes.
func record(kind byte, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind, 3, 3}, uint16(len(payload))), payload...)
}

func message(kind byte, size int, body []byte) []byte {
	return append([]byte{kind, byte(size >> 16), byte(size >> 8), byte(size)}, body...)
}

// whole is a message with its true size, in a record of its own.
func whole(kind byte, body []byte) []byte { return record(22, message(kind, len(body), body)) }

// serverHello12 chooses TLS 1.2 and ECDHE with ECDSA.
func serverHello12() []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	rand.Read(body[2:])
	return whole(2, append(body, 0, 0xc0, 0x2b, 0))
}

func certificate12(der []byte) []byte {
	n := len(der)
	return whole(11, append([]byte{0, byte((n + 3) >> 8), byte(n + 3), 0, byte(n >> 8), byte(n)}, der...))
}

var (
	certificateRequest12 = whole(13, []byte{1, 64, 0, 2, 4, 3, 0, 0})
	serverHelloDone12    = whole(14, nil)
	handshakeFailure     = record(21, []byte{2, 40})
)

// TestRepeatedCertificate has impostors show the true server's certificate,
// which everybody can get, without having its key.
func TestRepeatedCertificate(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	right := ca.issue(t, nil)
	impostor := tls.Certificate{Certificate: right.Certificate, PrivateKey: newKey(t)}
	shows := func(rest ...[]byte) func(net.Conn) {
		return func(c net.Conn) {
			hello(c)
			say(bytes.Join(append([][]byte{serverHello12(), certificate12(right.Leaf.Raw)}, rest...), nil))(c)
		}
	}
	signs := func(version uint16) func(net.Conn) {
		return func(c net.Conn) {
			cfg := with(impostor)
			cfg.MaxVersion = version
			tls.Server(c, cfg).Handshake()
		}
	}
	tests := []struct {
		what    string
		handle  func(net.Conn)
		outcome monitor.Outcome
		detail  string
	}{
		{"signs with another key, TLS 1.3", signs(tls.VersionTLS13), monitor.OutcomeAlert, "handshake failed: invalid signature by the server certificate"},
		{"signs with another key, TLS 1.2", signs(tls.VersionTLS12), monitor.OutcomeAlert, "handshake failed: invalid signature by the server certificate"},
		{"never signs", shows(serverHelloDone12), monitor.OutcomeAlert, "handshake failed: missing ServerKeyExchange"},
		{"never signs, wants a client certificate", shows(certificateRequest12, serverHelloDone12), monitor.OutcomeAlert, "handshake failed: missing ServerKeyExchange"},
		{"wants a client certificate, then refuses", shows(certificateRequest12, handshakeFailure), monitor.OutcomeAlert, "refused by alert: handshake failure"},
		{"falls silent", shows(certificateRequest12), monitor.OutcomeTimeout, "no end of the handshake within"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			at := serve(t, tt.handle)
			e := proverFor(ca, func(c *Config) { c.Timeout = time.Second }).Prove(t.Context(), proofOf(at))
			if e.Outcome != tt.outcome || !strings.HasPrefix(e.Detail, tt.detail) {
				t.Errorf("Prove = %s %q, want %s %q", e.Outcome, e.Detail, tt.outcome, tt.detail)
			}
			if !strings.Contains(e.Detail, "without proving its key") {
				t.Errorf("Detail = %q, want to be told of the certificate", e.Detail)
			}
			if e.SPKI != "" {
				t.Errorf("SPKI = %q of a key that nobody proved", e.SPKI)
			}
			if e.Issuer != "Example CA" || !e.NotAfter.Equal(right.Leaf.NotAfter) {
				t.Errorf("issuer %q, not after %v; want what the certificate says", e.Issuer, e.NotAfter)
			}
		})
	}
}

// signerFor pretends to hold the key to pub.
type signerFor struct {
	crypto.Signer
	pub crypto.PublicKey
}

func (s signerFor) Public() crypto.PublicKey { return s.pub }

// TestHostile has servers that want to keep a client busy.
func TestHostile(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	right := ca.issue(t, nil)
	forever := func(first, again []byte, pause time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			hello(c)
			_, err := c.Write(first)
			for err == nil {
				time.Sleep(pause)
				_, err = c.Write(again)
			}
		}
	}
	shows := func(chain ...[]byte) func(net.Conn) {
		return func(c net.Conn) {
			tls.Server(c, with(tls.Certificate{Certificate: chain, PrivateKey: right.PrivateKey})).Handshake()
		}
	}
	noise := make([]byte, 16<<10)
	rand.Read(noise)

	// A key of 16,384 bits; its signatures would cost the client, so it must not
	// come to that.
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 16384))
	if err != nil {
		t.Fatal(err)
	}
	huge := &rsa.PublicKey{N: n.SetBit(n, 16383, 1).SetBit(n, 0, 1), E: 65537}
	hugeLeaf := sign(t, right.Leaf, ca.cert, huge, ca.key)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		what    string
		handle  func(net.Conn)
		outcome monitor.Outcome
		detail  string
	}{
		{
			"a chain of 1.5 MB", shows(append(right.Certificate, bytes.Split(bytes.Repeat(append(ca.cert.Raw, "||"...), 3000), []byte("||"))[:3000]...)...),
			monitor.OutcomeAlert, "exceeds maximum of 262144 bytes",
		},
		{
			"a certificate without end", forever(append(serverHello12(), record(22, message(11, 1<<24-1, noise[:1000]))...), record(22, noise), 0),
			monitor.OutcomeAlert, "exceeds maximum of 262144 bytes",
		},
		{
			"a byte at a time", forever([]byte{22, 3, 3, 64}, []byte{0}, 10*time.Millisecond),
			monitor.OutcomeTimeout, "no end of the handshake within",
		},
		{"warnings without end", forever(nil, record(21, []byte{1, 90}), 0), monitor.OutcomeAlert, "handshake failed: too many"},
		{"change_cipher_spec without end", forever(nil, record(20, []byte{1}), 0), monitor.OutcomeNonTLS, "answers"},
		{"empty records without end", forever(serverHello12(), record(22, nil), 0), monitor.OutcomeAlert, "handshake failed"},
		{"noise without end", forever([]byte{0xff}, noise, 0), monitor.OutcomeNonTLS, `answers "\xff`},
		{"a banner without end", forever([]byte("220-"), []byte("x"), 5*time.Millisecond), monitor.OutcomeNonTLS, `answers "220-x`},
		{"a record too large", forever(append([]byte{22, 3, 3, 0xff, 0xff}, noise...), noise, 0), monitor.OutcomeAlert, "handshake failed: oversized record"},
		{"not a certificate", shows([]byte("certificate")), monitor.OutcomeAlert, "handshake failed: failed to parse certificate"},
		{
			"a key of 16,384 bits", func(c net.Conn) {
				tls.Server(c, with(tls.Certificate{Certificate: [][]byte{hugeLeaf.Raw}, PrivateKey: signerFor{rsaKey, huge}})).Handshake()
			},
			monitor.OutcomeAlert, "larger than 8192 bits",
		},
		{"a maze of authorities", shows(maze(t, right, 150)...), monitor.OutcomeUntrusted, "for "},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			at := serve(t, tt.handle)
			start := time.Now()
			e := proverFor(ca, func(c *Config) { c.Timeout = time.Second }).Prove(t.Context(), proofOf(at))
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("Prove took %v", d)
			}
			if e.Outcome != tt.outcome || !strings.Contains(e.Detail, tt.detail) {
				t.Errorf("Prove = %s %q, want %s %q", e.Outcome, e.Detail, tt.outcome, tt.detail)
			}
			if len(e.Detail) > maxDetail {
				t.Errorf("Detail of %d bytes", len(e.Detail))
			}
		})
	}
}

// maze gives a leaf with the key of like, and n authorities of one name above it
// that might each be the issuer of every other one.
func maze(t *testing.T, like tls.Certificate, n int) [][]byte {
	t.Helper()
	key := newKey(t)
	var chain [][]byte
	for i := range n + 1 {
		c := template("Maze", "Maze")
		c.SerialNumber = big.NewInt(int64(i))
		issuer := *c
		if i == 0 {
			c.Subject, c.DNSNames = pkix.Name{CommonName: "leaf"}, []string{host}
			chain = append(chain, sign(t, c, &issuer, like.Leaf.PublicKey, key).Raw)
			continue
		}
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
		chain = append(chain, sign(t, c, &issuer, newKey(t).Public(), key).Raw)
	}
	return chain
}

// TestAttackersText puts what moves terminals and logs into every place of a
// certificate that reaches an Evidence.
func TestAttackersText(t *testing.T) {
	const attack = "\x1b[2J\r\nlevel=ERROR msg=\"\u202ehacked\u0000 "
	names := make([]string, 3000)
	for i := range names {
		names[i] = fmt.Sprintf("%d.evil.example", i)
	}
	evil := newAuthority(t, attack+strings.Repeat("A", 5000))
	certs := map[string]tls.Certificate{
		"issuer": evil.issue(t, nil),
		"common name": evil.issue(t, func(c *x509.Certificate) {
			c.DNSNames, c.Subject = nil, pkix.Name{CommonName: attack}
		}),
		"name":       evil.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"\x1b[2J\"\n.example"} }),
		"many names": evil.issue(t, func(c *x509.Certificate) { c.DNSNames = names }),
		"no subject": selfSigned(t, func(c *x509.Certificate) { c.Subject, c.DNSNames = pkix.Name{}, nil }),
	}
	ca := newAuthority(t, "Example CA")
	for what, cert := range certs {
		at, _ := serveTLS(t, with(cert))
		e := proverFor(ca, nil).Prove(t.Context(), proofOf(at))
		if e.SPKI != spki(cert.Leaf) || !e.Outcome.Wrong() {
			t.Errorf("%s: Prove = %s %q %q", what, e.Outcome, e.Detail, e.SPKI)
		}
		wantPrintable(t, e.Issuer, maxWord)
		wantPrintable(t, e.Detail, maxDetail)
	}
}

func wantPrintable(t *testing.T, s string, limit int) {
	t.Helper()
	if len(s) > limit {
		t.Errorf("%d bytes, want at most %d: %q", len(s), limit, s)
	}
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' {
			t.Errorf("byte %#x in %q", b, s)
		}
	}
}

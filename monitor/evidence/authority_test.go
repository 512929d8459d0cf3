package evidence

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// now is the moment at which the tests judge certificates.
var now = time.Now().Truncate(time.Second)

// host is the name that the tests ask for.
const host = "api.partner.example"

// authority issues certificates for tests.
type authority struct {
	cert  *x509.Certificate
	key   crypto.Signer
	above [][]byte // what a server sends besides its own certificate
}

func newAuthority(t testing.TB, organisation string) *authority {
	t.Helper()
	key := newKey(t)
	c := template(organisation, organisation+" root")
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
	c.NotBefore, c.NotAfter = now.AddDate(-5, 0, 0), now.AddDate(5, 0, 0)
	return &authority{cert: sign(t, c, c, key.Public(), key), key: key}
}

// below gives an authority that a certifies.
func (a *authority) below(t testing.TB, organisation string, change func(*x509.Certificate)) *authority {
	t.Helper()
	key := newKey(t)
	c := template(organisation, organisation+" intermediate")
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
	c.NotBefore, c.NotAfter = now.AddDate(-5, 0, 0), now.AddDate(5, 0, 0)
	if change != nil {
		change(c)
	}
	cert := sign(t, c, a.cert, key.Public(), a.key)
	return &authority{cert: cert, key: key, above: append([][]byte{cert.Raw}, a.above...)}
}

// issue gives a certificate that is right for host, but for what change does.
func (a *authority) issue(t testing.TB, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key := newKey(t)
	c := template("Partner", "")
	c.DNSNames = []string{host}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if change != nil {
		change(c)
	}
	leaf := sign(t, c, a.cert, key.Public(), a.key)
	return tls.Certificate{Certificate: append([][]byte{leaf.Raw}, a.above...), PrivateKey: key, Leaf: leaf}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func selfSigned(t testing.TB, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key := newKey(t)
	c := template("Acme Co", "localhost")
	c.DNSNames = []string{host}
	if change != nil {
		change(c)
	}
	leaf := sign(t, c, c, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func template(organisation, common string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{Organization: []string{organisation}, CommonName: common},
		NotBefore:             now.AddDate(0, 0, -41).UTC(),
		NotAfter:              now.AddDate(0, 0, 49).UTC(),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, c, issuer *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// files writes a certificate in the form that other servers read.
func files(t testing.TB, c tls.Certificate) (chain, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var certs []byte
	for _, der := range c.Certificate {
		certs = append(certs, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	dir := t.TempDir()
	chain, key = filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	for path, data := range map[string][]byte{
		chain: certs,
		key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return chain, key
}

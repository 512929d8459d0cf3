//go:build lab

package world

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificate says what a certificate holds.
type Certificate struct {
	CA    string        // lab-ca, evil-ca or corp-ca; empty for one that signs itself
	Names []string      // names, or addresses, that it is for
	Age   time.Duration // since when it is valid; certificates that are trusted are 41 days old where it is 0
	Life  time.Duration // from then on; a year where it is 0
	Key   string        // path of another certificate whose key it keeps, without the endings; a new key where empty
}

// aged is how old certificates are: older than any divergence that begins today.
const aged = 41 * 24 * time.Hour

// authorities makes the authorities and the certificates of the standing servers.
// Clients trust lab-ca alone, and may be told to trust corp-ca.
func authorities() error {
	for _, ca := range []string{"lab-ca", "evil-ca", "corp-ca"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		t := &x509.Certificate{
			SerialNumber: serial(), Subject: pkix.Name{CommonName: "dnstaster " + ca, Organization: []string{"dnstaster " + ca}}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-365 * 24 * time.Hour), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
		if err := sign(ca, t, t, key, key); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(common, ca+".crt"), filepath.Join(common, ca+".pem")); err != nil {
			return err
		}
	}
	for name, c := range map[string]Certificate{
		"bank":     {CA: "lab-ca", Names: []string{"bank.lab", "*.bank.lab"}},
		"shop":     {CA: "lab-ca", Names: []string{"shop.lab", "*.shop.lab", "*.cdn.lab"}},
		"evil":     {CA: "evil-ca", Names: []string{"bank.lab", "*.bank.lab", "shop.lab", "*.shop.lab", "*.cdn.lab"}},
		"dns-pub1": {CA: "lab-ca", Names: []string{"dns.pub1.lab", Pub1Addr}},
		"dns-pub2": {CA: "lab-ca", Names: []string{"dns.pub2.lab", Pub2Addr}},
		"dns-pub3": {CA: "lab-ca", Names: []string{"dns.pub3.lab", Pub3Addr}},
		"dns-pub4": {CA: "lab-ca", Names: []string{"dns.pub4.lab", Pub4Addr}},
	} {
		if err := issue(filepath.Join(common, name), c); err != nil {
			return err
		}
	}
	return nil
}

// Certificate makes a certificate with a new key, and gives its path without the
// endings .crt and .key.
func (w *World) Certificate(name string, c Certificate) (string, error) {
	path := w.path("run", name)
	return path, issue(path, c)
}

func issue(path string, c Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil && c.Key != "" {
		key, err = readKey(c.Key + ".key")
	}
	if err != nil {
		return err
	}
	if c.Age == 0 {
		c.Age = aged
	}
	if c.Life == 0 {
		c.Life = 365 * 24 * time.Hour
	}
	from := time.Now().Add(-c.Age)
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: c.Names[0]}, NotBefore: from, NotAfter: from.Add(c.Life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range c.Names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	if c.CA == "" {
		return signAt(path, t, t, key, key)
	}
	ca, caKey, err := authority(c.CA)
	if err != nil {
		return err
	}
	return signAt(path, t, ca, key, caKey)
}

func authority(name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	der, err := readPEM(filepath.Join(common, name+".pem"))
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	key, err := readKey(filepath.Join(common, name+".key"))
	return cert, key, err
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	der, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	return x509.ParseECPrivateKey(der)
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, fmt.Errorf("%s is not PEM", path)
	}
	return b.Bytes, nil
}

// Pin is the pin of the key of a certificate, as in tls.pins of a watch; path is
// without the endings.
func Pin(path string) (string, error) {
	der, err := readPEM(path + ".crt")
	if err != nil {
		return "", err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256/" + base64.StdEncoding.EncodeToString(sum[:]), nil
}

func sign(name string, t, parent *x509.Certificate, key, by *ecdsa.PrivateKey) error {
	return signAt(filepath.Join(common, name), t, parent, key, by)
}

func signAt(path string, t, parent *x509.Certificate, key, by *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, by)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	for ending, b := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path+ending, pem.EncodeToMemory(b), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return n
}

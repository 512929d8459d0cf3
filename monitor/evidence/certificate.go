package evidence

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// judge knows whom to trust.
type judge struct {
	roots *x509.CertPool
	empty bool // there are none: everybody would be untrusted
}

func newJudge(roots *x509.CertPool) judge {
	return judge{roots: roots, empty: roots.Equal(x509.NewCertPool())}
}

// outcome judges a chain, leaf first, that a server sent when it was asked for
// name (without final dot) at the time at. Of two faults the graver one is
// told: without a trusted root a certificate may say any name, and the wrong
// name stays wrong when its time is over.
func (j judge) outcome(chain []*x509.Certificate, name string, at time.Time) (monitor.Outcome, string) {
	leaf := chain[0]
	err := j.verify(chain, at)
	late := false
	// A chain that held when the leaf began or ended is a matter of time only,
	// whichever of its certificates is out of it.
	for _, t := range []time.Time{leaf.NotBefore, leaf.NotAfter} {
		if err != nil {
			err = j.verify(chain, t)
			late = err == nil
		}
	}
	switch {
	case err != nil && ownIssuer(leaf):
		return monitor.OutcomeSelfSigned, bounded("self-signed " + subject(leaf))
	case err != nil:
		return monitor.OutcomeUntrusted, bounded("for " + subject(leaf) + ": " + distrust(leaf, err))
	// The common name is not looked at (RFC 9525 §2), nor is a wildcard anything
	// but a whole leftmost label (§6.3).
	case leaf.VerifyHostname(name) != nil && late:
		return monitor.OutcomeNameMismatch, bounded("for " + subject(leaf) + ", and " + lateness(leaf, at))
	case leaf.VerifyHostname(name) != nil:
		return monitor.OutcomeNameMismatch, bounded("for " + subject(leaf))
	case late:
		return monitor.OutcomeExpired, lateness(leaf, at)
	}
	return monitor.OutcomeOK, ""
}

// verify looks for a chain from the leaf to a root that held at the time at, for
// a TLS server.
func (j judge) verify(chain []*x509.Certificate, at time.Time) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         j.roots,
		Intermediates: between,
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

func lateness(leaf *x509.Certificate, at time.Time) string {
	switch {
	case at.After(leaf.NotAfter):
		return "expired on " + leaf.NotAfter.UTC().Format(time.DateOnly)
	case at.Before(leaf.NotBefore):
		return "not valid before " + leaf.NotBefore.UTC().Format(time.RFC3339) + "; is this host's clock right?"
	}
	return "a certificate above it is out of its time"
}

// ownIssuer reports whether the leaf signed itself.
func ownIssuer(leaf *x509.Certificate) bool {
	return bytes.Equal(leaf.RawSubject, leaf.RawIssuer) &&
		leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil
}

// distrust says why no chain was found.
func distrust(leaf *x509.Certificate, err error) string {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return "no way to a trusted root from issuer " + quoted(issuer(leaf))
	}
	return printable(err.Error(), maxDetail)
}

// describe puts down what the leaf says of itself.
func describe(e *monitor.Evidence, leaf *x509.Certificate) {
	e.Issuer = printable(issuer(leaf), maxWord)
	e.NotBefore, e.NotAfter = leaf.NotBefore, leaf.NotAfter
}

// spki names the public key of the leaf (RFC 7469 §2.4).
func spki(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return "sha256/" + base64.StdEncoding.EncodeToString(sum[:])
}

// issuer gives the organisation that issued the leaf, or else its common name.
func issuer(leaf *x509.Certificate) string {
	for _, o := range leaf.Issuer.Organization {
		if o != "" {
			return o
		}
	}
	return leaf.Issuer.CommonName
}

// subject says for people whose the leaf claims to be.
func subject(leaf *x509.Certificate) string {
	n := len(leaf.DNSNames) + len(leaf.IPAddresses)
	first := ""
	switch {
	case len(leaf.DNSNames) > 0:
		first = quoted(leaf.DNSNames[0])
	case n > 0:
		first = leaf.IPAddresses[0].String()
	case leaf.Subject.CommonName != "":
		return "no name but the common name " + quoted(leaf.Subject.CommonName)
	default:
		return "no name"
	}
	if n > 1 {
		return fmt.Sprintf("%s and %d more", first, n-1)
	}
	return first
}

// Bounds of text, in bytes. maxDetail leaves room for several words.
const (
	maxWord   = 64
	maxDetail = 240
)

// quoted gives s in quotation marks, which nothing in s can close.
func quoted(s string) string { return `"` + printable(s, maxWord) + `"` }

// printable gives s as printable ASCII, escaped as in a Go string, and cut to at
// most limit bytes: a certificate must not move a terminal's cursor, begin a new
// line in a log, or fill either.
func printable(s string, limit int) string {
	const more = "..."
	cut := len(s) > limit
	q := strconv.QuoteToASCII(s[:min(len(s), limit)])
	q = q[1 : len(q)-1]
	if len(q) <= limit && !cut {
		return q
	}
	return q[:min(len(q), limit-len(more))] + more
}

// bounded cuts a text that is printable already.
func bounded(s string) string { return s[:min(len(s), maxDetail)] }

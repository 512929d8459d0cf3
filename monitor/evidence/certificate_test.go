package evidence

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestInTime judges one certificate on each side of its bounds.
func TestInTime(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	leaf := ca.issue(t, nil).Leaf
	j := newJudge(ca.pool())
	tests := []struct {
		at   time.Time
		want monitor.Outcome
	}{
		{leaf.NotBefore.Add(-time.Second), monitor.OutcomeExpired},
		{leaf.NotBefore, monitor.OutcomeOK},
		{leaf.NotAfter, monitor.OutcomeOK},
		{leaf.NotAfter.Add(time.Second), monitor.OutcomeExpired},
		{ca.cert.NotAfter.AddDate(1, 0, 0), monitor.OutcomeExpired},
		{time.Unix(0, 0), monitor.OutcomeExpired},
	}
	for _, tt := range tests {
		if got, detail := j.outcome([]*x509.Certificate{leaf}, host, tt.at); got != tt.want {
			t.Errorf("at %v: %s %q, want %s", tt.at, got, detail, tt.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"Example CA", "Example CA"},
		{"N\u00e1rodn\u00ed", `N\u00e1rodn\u00ed`},
		{"a\nb\x00\x7f\x1b", `a\nb\x00\x7f\x1b`},
		{`a"b\`, `a\"b\\`},
		{"\xff\xfe", `\xff\xfe`},
		{strings.Repeat("a", 20), strings.Repeat("a", 20)},
		{strings.Repeat("a", 21), strings.Repeat("a", 17) + "..."},
		{strings.Repeat("\"", 11), strings.Repeat(`\"`, 8) + `\...`},
	}
	for _, tt := range tests {
		if got := printable(tt.in, 20); got != tt.want {
			t.Errorf("printable(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("Example CA", uint8(64))
	f.Add("\x1b[2J\u202e\xff\"\\", uint8(8))
	f.Fuzz(func(t *testing.T, s string, limit uint8) {
		n := max(int(limit), 8)
		got := printable(s, n)
		wantPrintable(t, got, n)
		if len(s) > 0 && got == "" {
			t.Errorf("printable(%q) is empty", s)
		}
		// Nothing closes a quotation.
		if strings.Contains(strings.NewReplacer(`\\`, "", `\"`, "").Replace(got), `"`) {
			t.Errorf("printable(%q) = %q has a bare quotation mark", s, got)
		}
	})
}

// FuzzOutcome changes bytes of certificates: none may become right that was not
// signed so, whatever else is said of it.
func FuzzOutcome(f *testing.F) {
	ca := newAuthority(f, "Example CA")
	leaf := ca.issue(f, nil).Leaf
	certs := []*x509.Certificate{
		leaf, ca.cert, ca.below(f, "Middle", nil).issue(f, nil).Leaf, selfSigned(f, nil).Leaf,
		newAuthority(f, "Evil CA").issue(f, nil).Leaf,
		ca.issue(f, func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1) }).Leaf,
	}
	for i, c := range certs {
		f.Add(uint8(i), uint16(0), []byte{}, int64(0))
		for _, part := range [][]byte{c.RawSubject, c.RawIssuer, c.RawSubjectPublicKeyInfo, c.Signature, []byte(host)} {
			f.Add(uint8(i), uint16(max(0, bytes.Index(c.Raw, part))+len(part)/2), []byte{0x20}, int64(time.Hour))
		}
	}
	j := newJudge(ca.pool())
	f.Fuzz(func(t *testing.T, which uint8, pos uint16, change []byte, offset int64) {
		der := bytes.Clone(certs[int(which)%len(certs)].Raw)
		for i, b := range change {
			der[(int(pos)+i)%len(der)] ^= b
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		outcome, detail := j.outcome([]*x509.Certificate{cert, cert, ca.cert}, host, now.Add(time.Duration(offset)))
		wantPrintable(t, detail, maxDetail)
		// An ECDSA signature has two forms, so what is signed is compared.
		if outcome == monitor.OutcomeOK && !bytes.Equal(cert.RawTBSCertificate, leaf.RawTBSCertificate) {
			t.Errorf("ok: %x", der)
		}
		if outcome == monitor.OutcomeSelfSigned && !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			t.Errorf("self-signed by somebody else: %x", der)
		}
		var e monitor.Evidence
		describe(&e, cert)
		wantPrintable(t, e.Issuer, maxWord)
		if s := spki(cert); len(s) != len("sha256/")+44 {
			t.Errorf("spki = %q", s)
		}
	})
}

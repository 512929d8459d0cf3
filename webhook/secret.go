package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// mask stands for whatever must not be shown.
const mask = "***"

// minKey is the least length of a signing key in bytes (Standard Webhooks 1.0,
// "Signature scheme": 24 to 64 bytes).
const minKey = 24

// hidden is a text that no formatting, logging or encoding shows. It is held by
// a pointer because fmt cannot call methods on unexported fields of a struct
// that holds one, and prints their contents instead: that is then an address.
type hidden struct{ text *string }

// Reveal gives the text itself. Nothing else does.
func (h hidden) Reveal() string {
	if h.text == nil {
		return ""
	}
	return *h.text
}

// IsZero reports whether there is no text.
func (h hidden) IsZero() bool { return h.text == nil }

func (hidden) String() string   { return mask }
func (hidden) GoString() string { return mask }

// Format prints *** for every verb.
func (hidden) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// LogValue gives ***.
func (hidden) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText gives ***, and so do JSON and YAML.
func (hidden) MarshalText() ([]byte, error) { return []byte(mask), nil }

// Secret is a key to sign with. The zero value signs nothing.
type Secret struct{ hidden }

// NewSecret reads a key in the form of Standard Webhooks: base64, with or
// without whsec_ before it. The error never holds the text.
func NewSecret(text string) (Secret, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil {
		return Secret{}, errors.New("the secret is not base64 (make one: echo whsec_$(openssl rand -base64 32))")
	}
	if len(key) < minKey {
		return Secret{}, fmt.Errorf("the secret is a key of %d bytes, too short to be safe (make one of 32: echo whsec_$(openssl rand -base64 32))", len(key))
	}
	s := text
	return Secret{hidden{&s}}, nil
}

// URL is where an endpoint listens. Who knows it can often post there, so it is
// as secret as a key.
type URL struct{ hidden }

// NewURL reads an absolute http or https URL. The error never holds the text.
func NewURL(text string) (URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || !validPort(u.Port()) {
		return URL{}, errors.New("not an absolute http or https URL (as in https://hooks.example/path)")
	}
	// One spelling of the host is used from here on, so that what an error of a
	// deeper layer says of it is recognised and masked.
	u.Host = strings.ToLower(u.Host)
	if ascii, err := idna.Lookup.ToASCII(u.Hostname()); err == nil && ascii != u.Hostname() {
		u.Host = strings.Replace(u.Host, u.Hostname(), ascii, 1)
	}
	s := u.String()
	return URL{hidden{&s}}, nil
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

// parse gives the parts. Only NewURL makes a URL, so that the text is good.
func (u URL) parse() *url.URL {
	p, err := url.Parse(u.Reveal())
	if err != nil {
		return &url.URL{}
	}
	return p
}

// Place gives the host and the port where the endpoint listens, which a firewall
// has to know, and nothing of what may be secret: no user, path or query. Both
// are zero for the zero URL.
func (u URL) Place() (host string, port uint16) {
	p := u.parse()
	n, err := strconv.ParseUint(p.Port(), 10, 16)
	switch {
	case err == nil:
	case p.Scheme == "https":
		n = 443
	case p.Scheme == "http":
		n = 80
	}
	return p.Hostname(), uint16(n)
}

// ReadSecretFile reads the secret in a file; see [NewSecret]. White space
// around it does not count. A file that everybody may read is a warning in
// logger, a file without a secret an error.
func ReadSecretFile(path string, logger *slog.Logger) (Secret, error) {
	text, err := readFile(path, logger)
	if err != nil {
		return Secret{}, fmt.Errorf("read webhook secret: %w", err)
	}
	s, err := NewSecret(text)
	if err != nil {
		return Secret{}, fmt.Errorf("read webhook secret: %s: %w", path, err)
	}
	return s, nil
}

// ReadURLFile reads the URL in a file; see [NewURL] and [ReadSecretFile].
func ReadURLFile(path string, logger *slog.Logger) (URL, error) {
	text, err := readFile(path, logger)
	if err != nil {
		return URL{}, fmt.Errorf("read webhook url: %w", err)
	}
	u, err := NewURL(text)
	if err != nil {
		return URL{}, fmt.Errorf("read webhook url: %s: %w", path, err)
	}
	return u, nil
}

func readFile(path string, logger *slog.Logger) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o004 != 0 {
		logger.Warn("secret file can be read by everybody", "file", path, "mode", info.Mode().Perm().String(), "cure", "chmod o-rwx")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", fmt.Errorf("%s is empty (put the value in it, on one line)", path)
	}
	return text, nil
}

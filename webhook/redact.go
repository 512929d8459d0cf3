package webhook

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

const (
	// maxErrorText bounds an error as it is logged and shown, in bytes. It may
	// quote what a server sent.
	maxErrorText = 500
	// minWord is the shortest word that is masked at all. A lone slash, or a host
	// of one letter, is everywhere and tells nothing.
	minWord = 3
	// minPart is the shortest part of a path or query that is masked where it
	// stands alone. Shorter ones are words such as "api" rather than secrets.
	minPart = 6
)

// redactor makes errors fit to be shown: net/url, net, crypto/tls and net/http
// all repeat URL, host or address in theirs.
type redactor struct{ replacer *strings.Replacer }

func newRedactor(u *url.URL, secrets ...string) redactor {
	words := append(secrets, u.String(), u.RequestURI(), u.Path, u.RawQuery, u.Host, u.Hostname())
	if u.User != nil {
		password, _ := u.User.Password()
		words = append(words, u.User.String(), u.User.Username(), password)
	}
	parts := strings.Split(u.Path, "/")
	for key, values := range u.Query() {
		parts = append(append(parts, key), values...)
	}
	for _, p := range parts {
		if len(p) >= minPart {
			words = append(words, p)
		}
	}
	words = slices.DeleteFunc(words, func(w string) bool { return len(w) < minWord })
	// The replacer takes the first that fits, so longer ones go first.
	slices.SortFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(words)+2)
	for _, w := range words {
		pairs = append(pairs, w, mask)
	}
	pairs = append(pairs, "\n", "; ") // errors.Join writes lines
	return redactor{strings.NewReplacer(pairs...)}
}

// text gives what err says, fit to be shown.
func (r redactor) text(err error) string { return r.clean(err.Error()) }

// clean gives s on one line, without anything secret and without characters
// that a terminal would act on.
func (r redactor) clean(s string) string {
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, r.replacer.Replace(s))
	if len(s) > maxErrorText {
		s = strings.ToValidUTF8(s[:maxErrorText], "") + "…"
	}
	return s
}

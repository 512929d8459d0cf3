package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// problem is one error in a configuration file, at its place.
type problem struct {
	at   position
	text string
}

// position is a place in a file. A struct that has a field of this type is told
// where it stands.
type position struct {
	file      *source
	line, col int  // from 1; columns are characters
	broken    bool // something in what begins here could not be read
}

// sound reports whether all that begins here was read, so that what is missing
// is missing in the file.
func (p position) sound() bool { return p.file != nil && !p.broken }

// source is a configuration file as it was read.
type source struct {
	name  string
	lines []string
}

// Bounds of what is shown, so that an error is for people whatever the file is.
const (
	maxText     = 400 // characters of one problem's text
	maxWidth    = 120 // characters of a line of the file
	maxProblems = 50
)

// Error gives place and text, then the line with a caret under the place.
func (p problem) Error() string {
	text := maskSecrets(p.text)
	if utf8.RuneCountInString(text) > maxText {
		text = string([]rune(text)[:maxText]) + "…"
	}
	if p.at.file == nil {
		return text
	}
	s := fmt.Sprintf("%s:%d:%d: %s", p.at.file.name, p.at.line, p.at.col, text)
	if i := p.at.line - 1; i >= 0 && i < len(p.at.file.lines) {
		line, caret := excerpt(p.at.file.lines[i], p.at.col-1)
		s += fmt.Sprintf("\n%6d | %s\n       | %s^", p.at.line, line, strings.Repeat(" ", caret))
	}
	return s
}

// What may be a secret in a line of the file: the value of a key that is named
// so, unless it names a file; and, wherever they stand, signing keys and
// addresses of webhooks. Whoever puts one where it does not belong gets an
// error, and errors end in logs and tickets.
var (
	secretKey   = regexp.MustCompile(`(?i)((?:secret|secret_names|secrets|password|passwd|token|bearer_token|credentials|api_?key|key|client_secret|authorization|url)["']?\s*:).*`)
	secretValue = regexp.MustCompile(`whsec_[^\s,}\]"']*|https?://[^\s,}\]"']*`)
)

func maskSecrets(s string) string { return secretValue.ReplaceAllString(s, "***") }

// excerpt gives what is shown of a line around a column, and where that column
// is in it. Nothing secret and nothing that a terminal would act on is in it.
func excerpt(line string, col int) (string, int) {
	line = strings.TrimSuffix(line, "\r")
	masked := maskSecrets(secretKey.ReplaceAllString(line, "$1 ***"))
	rs := []rune(masked)
	for i, r := range rs {
		switch {
		case r == '\t':
			rs[i] = ' '
		case !strconv.IsPrint(r):
			rs[i] = utf8.RuneError
		}
	}
	col = min(max(0, col), len(rs))
	if len(rs) > maxWidth {
		from := min(max(0, col-maxWidth/2), len(rs)-maxWidth)
		rs, col = rs[from:from+maxWidth], col-from
	}
	return string(rs), col
}

// configError is a configuration that cannot be used, with all its problems.
type configError []problem

func (e configError) Error() string {
	var ss []string
	for i, p := range e {
		if i == maxProblems {
			break
		}
		ss = append(ss, p.Error())
	}
	if len(e) > 1 {
		ss = append(ss, fmt.Sprintf("%d problems", len(e)))
	}
	return strings.Join(ss, "\n")
}

// sort puts the problems in the order of the files and their lines, the main
// file first.
func (e configError) sort() {
	slices.SortStableFunc(e, func(a, b problem) int { return a.at.compare(b.at) })
}

func (p position) compare(q position) int {
	if p.file == nil || q.file == nil {
		return cmp.Compare(btoi(p.file != nil), btoi(q.file != nil))
	}
	return cmp.Or(
		cmp.Compare(strings.Count(p.file.name, "/"), strings.Count(q.file.name, "/")),
		cmp.Compare(p.file.name, q.file.name),
		cmp.Compare(p.line, q.line), cmp.Compare(p.col, q.col),
	)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

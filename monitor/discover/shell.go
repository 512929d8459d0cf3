package discover

import (
	"regexp"
	"strings"
)

// commands are programs whose command lines name hosts.
var commands = regexp.MustCompile(`(?:^|[\s;&|(/"'@-])(?:curl|wget)(?:\s|$)`)

func isShell(text string) bool { return commands.MatchString(text) }

var (
	shellAddress = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+]*://[^\s"'|;<>)]+`)
	shellName    = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)
	// unchecked are the flags with which any certificate will do, alone or among others.
	unchecked = regexp.MustCompile(`(?:^|\s)(?:-[a-zA-Z]*k[a-zA-Z]*|--insecure|--proxy-insecure|--no-check-certificate)(?:\s|$)`)
)

// shellTargets gives whom the commands in a text call.
func shellTargets(text string) []target {
	var out []target
	for line := range strings.Lines(text) {
		if !isShell(line) {
			continue
		}
		for _, a := range shellAddress.FindAllString(line, 64) {
			out = append(out, addressed(a, false)...)
		}
	}
	return out
}

// shell takes in what commands in a text are given.
func (p *page) shell(text string, line int) {
	for part := range strings.Lines(text) {
		if isShell(part) {
			for _, m := range shellName.FindAllStringSubmatch(part, 64) {
				p.lookup(m[1], line)
			}
			if at := commands.FindStringIndex(part); unchecked.MatchString(part[at[1]-1:]) {
				p.weak(UnverifiedTLS, line)
			}
			if keyInQuery(part) {
				p.weak(KeyInQuery, line)
			}
		}
		line++
	}
}

// commandFlag takes in a flag that has any certificate do, in the list of a
// command's words that begins with the literal of that number.
func (p *page) commandFlag(from, line int) {
	for _, l := range p.literals[from:] {
		if name := l.text[strings.LastIndexByte(l.text, '/')+1:]; name == "curl" || name == "wget" {
			p.weak(UnverifiedTLS, line)
			return
		}
	}
}

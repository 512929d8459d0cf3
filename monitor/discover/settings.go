package discover

import (
	"regexp"
	"strings"
)

// setting takes in one setting of a configuration: its names, from the outside,
// the last of them its own, and its value.
func (p *page) setting(names []string, value string, line int) {
	key := ""
	if len(names) > 0 {
		key = names[len(names)-1]
		names = names[:len(names)-1]
	}
	p.settingKey(key, names, line)
	switch strings.ToLower(value) {
	case "true", "yes", "on":
		if skips[strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(key, "_", ""), "-", ""))] {
			p.weak(UnverifiedTLS, line)
		}
	}
	l := literal{line: line, text: value, key: key}
	if len(names) > 0 {
		l.within = names[max(0, len(names)-maxWithin):]
	}
	if ts := l.targets(); len(ts) > 0 && ts[0].secret && constantName(key) {
		p.secret(key, line)
	}
	p.text(l)
}

// skips turn the check of certificates off where they are true, without what
// sets their words off.
var skips = wordSet("insecureskipverify insecureskiptlsverify tlsskipverify tlsinsecureskipverify skiptlsverify skipverify insecuretls sslinsecure")

// settingKey takes in the name of a setting. In a file of configuration it may
// say whose key it is by what it is in: stripe, then api_key.
func (p *page) settingKey(key string, within []string, line int) {
	if key == "" {
		return
	}
	p.lookup(key, line)
	if len(within) == 0 || !secretKey(key) || settingName(key) || isValue(key) {
		return
	}
	if whole := within[len(within)-1] + "." + key; settingName(whole) {
		p.secret(whole, line)
	}
}

// constantName reports whether a text is the name of a variable, whatever it holds.
func constantName(s string) bool { return constant.MatchString(s) && len(s) <= 64 && !isValue(s) }

// assignment is a line of an environment file.
var assignment = regexp.MustCompile(`^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*?)\s*$`)

// readEnv reads an environment file: NAME=value, with or without quotes.
func readEnv(text string) (*page, error) {
	p := &page{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if m := assignment.FindStringSubmatch(line); m != nil {
			p.setting([]string{m[1]}, unquote(m[2]), n)
		}
	}
	return p, nil
}

// unquote takes the quotes off a value, or the comment after one without them.
func unquote(v string) string {
	if v != "" && (v[0] == '"' || v[0] == '\'') {
		if end := strings.IndexByte(v[1:], v[0]); end >= 0 {
			return v[1 : 1+end]
		}
		return v[1:]
	}
	v, _, _ = strings.Cut(v, " #")
	return strings.TrimSpace(v)
}

// readUnit reads a unit of systemd (systemd.syntax(7)).
func readUnit(text string) (*page, error) {
	p := &page{}
	n, first, whole := 0, 0, ""
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if whole == "" {
			first = n
			if line == "" || strings.ContainsAny(line[:1], "#;[") {
				continue
			}
		}
		if rest, ok := strings.CutSuffix(line, "\\"); ok && len(whole) < maxUnitLine {
			whole += rest + " "
			continue
		}
		p.directive(whole+line, first)
		whole = ""
	}
	p.directive(whole, first)
	return p, nil
}

// maxUnitLine is how long a line may grow that goes on in others.
const maxUnitLine = 8 << 10

// directive takes in one setting of a unit.
func (p *page) directive(text string, line int) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return
	}
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	switch {
	case key == "Environment":
		for _, w := range shellWords(value) {
			if name, v, ok := strings.Cut(w, "="); ok {
				p.setting([]string{name}, v, line)
			}
		}
	case key == "PassEnvironment":
		for _, w := range shellWords(value) {
			p.lookup(w, line)
		}
	case strings.HasPrefix(key, "LoadCredential"), strings.HasPrefix(key, "SetCredential"):
		// systemd.exec(5): what is given so is a credential, whatever it is called.
		if name, _, _ := strings.Cut(value, ":"); identifier.MatchString(name) && !isValue(name) {
			p.secret(name, line)
			p.key(line)
		}
	case strings.HasPrefix(key, "Exec"):
		if isShell(value) {
			p.text(literal{line: line, text: value})
			break
		}
		for _, w := range shellWords(value) {
			p.text(literal{line: line, text: strings.TrimLeft(w, "@-:+!")})
		}
	case key == "Documentation", key == "Description":
	default:
		p.setting([]string{key}, value, line)
	}
}

// shellWords splits at spaces that are not in quotes.
func shellWords(text string) []string {
	var out []string
	var b strings.Builder
	quote, some := rune(0), false
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, some = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if some {
				out = append(out, b.String())
				b.Reset()
			}
			some = false
		default:
			b.WriteRune(r)
			some = true
		}
	}
	if some {
		out = append(out, b.String())
	}
	return out
}

package discover

import (
	"slices"
	"strings"
)

// readPython reads a Python program.
func readPython(text string) (*page, error) { return readProgram(text, true) }

// readScript reads JavaScript or TypeScript.
func readScript(text string) (*page, error) { return readProgram(text, false) }

func readProgram(text string, python bool) (*page, error) {
	lexer := scriptLexer
	if python {
		lexer = pythonLexer
	}
	ts, err := scan(lexer, text)
	if err != nil {
		return nil, err
	}
	p := &page{}
	s := script{page: p, python: python, frames: []frame{{}}}
	s.read(ts)
	return p, nil
}

// script goes over the words of a program and keeps what stands around each:
// which call, list or mapping it is in, and under which name.
type script struct {
	page   *page
	python bool
	frames []frame
	deeper int    // levels that are too deep to be kept
	chain  string // the name with dots that was read last, or "" after something else
	under  string // the text in the brackets that were closed last
}

func (s *script) read(ts []lexeme) {
	for i, t := range ts {
		var prev, next lexeme
		prev.kind, next.kind = lexemeEnd, lexemeEnd
		if i > 0 {
			prev = ts[i-1]
		}
		if i+1 < len(ts) {
			next = ts[i+1]
		}
		if t.fresh && s.statement(prev, t) {
			s.clear()
		}
		switch t.kind {
		case lexemeName:
			s.named(prev, t, next)
		case lexemeString:
			s.text(prev, t, next)
			s.chain = ""
			if len(t.inner) > 0 {
				s.read(t.inner)
			}
		case lexemeNumber:
			s.page.switched(lastName(s.top().key), t.text, t.line)
			s.chain = ""
		default:
			s.sign(prev, t, next)
		}
	}
}

// statement reports whether a lexeme that is the first of its line begins one.
func (s *script) statement(prev, t lexeme) bool {
	sign := s.top().sign
	if s.python {
		return sign == ""
	}
	if sign != "" && sign != "{" {
		return false
	}
	value := prev.kind == lexemeName || prev.kind == lexemeString || prev.kind == lexemeNumber || prev.is(")") || prev.is("]") || prev.is("}")
	return value && t.kind != lexemeSign
}

// clear begins a statement, an argument or an entry.
func (s *script) clear() {
	f := s.top()
	f.key, f.typed, f.ternary, s.chain, s.under = "", false, 0, "", ""
}

func (s *script) named(prev, t, next lexeme) {
	if (prev.is(".") || prev.is("?.")) && s.chain != "" && len(s.chain) < maxChain {
		s.chain += "." + t.text
	} else {
		s.chain = t.text[:min(len(t.text), maxChain)]
	}
	f := s.top()
	s.page.name(t.text, t.line)
	switch t.text {
	case "False", "false":
		if key := lastName(f.key); s.python && pythonChecks[key] || !s.python && scriptChecks[key] {
			s.page.weak(UnverifiedTLS, t.line)
		}
	case "_create_unverified_context", "CERT_NONE":
		if prev.is(".") && s.python {
			s.page.weak(UnverifiedTLS, t.line)
		}
	}
	if f.sign == "{" && !f.block && (prev.is("{") || prev.is(",")) && (next.is(",") || next.is("}")) {
		s.given(t.text) // {signal} is {signal: signal}
	}
	if f.sign == "(" && f.args > 0 && prev.is(",") && (next.is(",") || next.is(")")) {
		f.loose = true
	}
}

// What has to be true for certificates to be checked.
var (
	pythonChecks = wordSet("verify verify_ssl verify_certs ssl_verify ssl check_hostname validate_certs")
	scriptChecks = wordSet("rejectUnauthorized strictSSL strictSsl")
)

func (s *script) sign(prev, t, next lexeme) {
	f := s.top()
	switch t.text {
	case ".", "?.":
		if prev.kind == lexemeString {
			s.chain = "" // a method of the text
		}
		return
	case "(", "[", "{":
		s.open(prev, t)
	case ")", "]", "}":
		s.close()
		return
	case ",", ";":
		if t.text == "," {
			f.args++
		}
		s.clear()
		return
	case "<", ">":
		if !s.python {
			f.key, f.typed = "", false // a tag of JSX
		}
	case "?":
		if !next.is(":") {
			f.ternary++
		}
	case ":":
		if f.ternary > 0 {
			f.ternary--
			break
		}
		f.key, f.typed = s.chain, true
		if prev.kind == lexemeString {
			f.key = prev.text[:min(len(prev.text), maxChain)]
		}
		s.given(f.key)
	case "=", ":=":
		if !f.typed || f.key == "" {
			f.key = s.chain
			if prev.is("]") && s.under != "" {
				f.key = s.under
			}
		}
		s.given(f.key)
	case "**", "...":
		f.loose = true
	}
	s.chain = ""
}

// given remembers under which names a call, or a mapping, is given something.
func (s *script) given(name string) {
	const most = 64
	if f := s.top(); name != "" && len(f.keys) < most {
		f.keys = append(f.keys, name)
	}
}

// called looks at a call whose arguments are known.
func (s *script) called(f frame) {
	known := func(key string) bool { return slices.Contains(f.keys, key) }
	head, last, _ := cutLast(f.name, ".")
	waits := false
	if s.python {
		waits = head == "requests" && slices.Contains([]string{"get", "post", "put", "patch", "delete", "head", "options", "request"}, last) ||
			last == "urlopen" && (head == "" || strings.HasPrefix(head, "urllib")) && f.args < 2
	} else {
		waits = f.name == "axios.create" || f.address && (f.name == "fetch" || f.name == "axios" || head == "axios")
	}
	if waits && !f.loose && !known("timeout") && !known("signal") {
		s.page.weak(NoTimeout, f.line)
	}
}

func isComparison(t lexeme) bool {
	return t.kind == lexemeSign && slices.Contains([]string{"==", "!=", "===", "!=="}, t.text)
}

func (s *script) text(prev, t, next lexeme) {
	f := s.top()
	for _, n := range t.names {
		s.page.name(n, t.line)
	}
	if f.sign == "" && t.fresh && (next.kind == lexemeEnd || next.fresh) && !isOperator(prev) {
		return // it documents what it stands in
	}
	if next.is(":") && f.ternary == 0 && (f.sign == "{" || f.sign == "[") {
		s.label(t)
		return
	}
	if prev.kind == lexemeName && (prev.text == "from" || prev.text == "import") || f.name == "require" && f.sign == "(" {
		return
	}
	l := literal{
		line: t.line, text: t.text, key: lastName(f.key), call: s.call(),
		before: prev.is("+"), after: next.is("+"), later: f.sign == "(" && f.args > 0,
		compared: f.compared || isComparison(prev) || isComparison(next) || prev.kind == lexemeName && prev.text == "case" ||
			next.kind == lexemeName && (next.text == "in" || next.text == "not"),
	}
	s.around(&l)
	if (f.sign == "(" || f.sign == "[") && f.key == "" {
		switch {
		case f.args == 0 && hasAny(words(lastName(f.name)), looking):
			s.page.lookup(t.text, t.line)
		case f.args > 0 && f.last != "":
			l.key = f.last
		}
		f.last = ""
		if identifier.MatchString(t.text) {
			f.last = t.text
		}
	}
	if f.sign == "(" && strings.Contains(t.text, "://") {
		f.address = true
	}
	if f.sign == "[" && (t.text == "-k" || t.text == "--insecure") && f.last == "" && f.args > 0 {
		s.page.commandFlag(f.literals, t.line)
	}
	s.page.text(l)
}

// looking are words of what is asked for a setting by its name.
var looking = wordSet(`env environ getenv secret secrets config conf cfg setting settings get lookup lookupenv param params parameter option options opt opts flag
	load read require var rule rules args environment`)

// isOperator reports whether something is still to come after t.
func isOperator(t lexeme) bool {
	return t.kind == lexemeSign && !slices.Contains([]string{")", "]", "}", ";", ":"}, t.text)
}

// label takes in the key of a mapping.
func (s *script) label(t lexeme) {
	if secretKey(t.text) || authorization(t.text) {
		s.page.key(t.line)
	}
	if len(s.frames) > 1 && secretKey(t.text) && lastName(s.frames[len(s.frames)-2].key) == "params" {
		s.page.weak(KeyInQuery, t.line)
	}
}

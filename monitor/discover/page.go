package discover

import (
	"slices"
	"strings"
)

// page is what a reader found in one file.
type page struct {
	literals []literal
	secrets  []mention // names of secrets
	keys     []int     // lines on which something is handled that is a key by its name, in order
	spots    []spot
}

// Bounds of what is told of one file.
const (
	maxCalls    = 2_000
	maxMentions = 2_000
	maxKeys     = 10_000
	maxSpots    = 1_000
)

// key takes in that a key is handled on a line.
func (p *page) key(line int) {
	if n := len(p.keys); n < maxKeys && (n == 0 || p.keys[n-1] != line) {
		p.keys = append(p.keys, line)
	}
}

// secret takes in the name of a secret.
func (p *page) secret(name string, line int) {
	if len(p.secrets) < maxMentions {
		p.secrets = append(p.secrets, mention{line, strings.Clone(name)})
	}
}

// literal is a text of a program and what stands around it.
type literal struct {
	line     int
	text     string
	key      string   // what it is the value of
	within   []string // the same of what is around it
	call     string   // the function whose argument it is
	before   bool     // something is put before it
	after    bool     // something is put after it
	later    bool     // it is not the first argument
	compared bool     // it is only compared with something
}

type mention struct {
	line int
	name string
}

// spot is where a rule is broken.
type spot struct {
	rule  Rule
	line  int
	whole bool // in the whole program, not in one call
}

func (p *page) weak(rule Rule, line int) { p.spot(spot{rule: rule, line: line}) }

func (p *page) spot(s spot) {
	if len(p.spots) < maxSpots && !slices.Contains(p.spots, s) {
		p.spots = append(p.spots, s)
	}
}

// switched looks whether a setting turns the check of certificates off.
func (p *page) switched(name, value string, line int) {
	if off, ok := switches[name]; ok && value == off {
		p.spot(spot{UnverifiedTLS, line, true})
	}
}

// text takes in a literal: the names and the weaknesses in it too.
func (p *page) text(l literal) {
	p.literals = append(p.literals, l)
	switch {
	case isShell(l.text):
		p.shell(l.text, l.line)
	case keyInQuery(l.text):
		p.weak(KeyInQuery, l.line)
	}
	if secretKey(l.text) || authorization(l.text) {
		p.key(l.line)
	}
	p.switched(l.key, l.text, l.line)
}

// name takes in an identifier: that of a constant may be the name of a secret.
func (p *page) name(name string, line int) {
	if constant.MatchString(name) {
		p.lookup(name, line)
	} else if secretKey(name) {
		p.key(line)
	}
}

// lookup takes in the name of a setting that is asked for, or given.
func (p *page) lookup(name string, line int) {
	if settingName(name) {
		p.secret(name, line)
	}
	if secretKey(name) {
		p.key(line)
	}
}

// switches turn the check of certificates off, by what they are set to.
var switches = map[string]string{
	"NODE_TLS_REJECT_UNAUTHORIZED": "0",
	"PYTHONHTTPSVERIFY":            "0",
	"GIT_SSL_NO_VERIFY":            "true",
}

package discover

// page is what a reader found in one file.
type page struct {
	literals []literal
	secrets  []mention // names of secrets
	keys     []int     // lines on which something is handled that is a key by its name
	spots    []spot
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
	config   bool     // it is of a file of configuration, not of a program
}

type mention struct {
	line int
	name string
}

// spot is where a rule is broken.
type spot struct {
	rule Rule
	line int
}

func (p *page) weak(rule Rule, line int) {
	for _, s := range p.spots {
		if s.line == line && s.rule == rule {
			return
		}
	}
	if len(p.spots) < maxSpots {
		p.spots = append(p.spots, spot{rule, line})
	}
}

// maxSpots is how many weaknesses of one file are told.
const maxSpots = 1000

// text takes in a literal: the names and the weaknesses in it too.
func (p *page) text(l literal) {
	p.literals = append(p.literals, l)
	if keyInQuery(l.text) {
		p.weak(KeyInQuery, l.line)
	}
	if secretKey(l.text) || authorization(l.text) {
		p.keys = append(p.keys, l.line)
	}
	if off, ok := switches[l.key]; ok && l.text == off {
		p.weak(UnverifiedTLS, l.line)
	}
	if isShell(l.text) {
		p.shell(l.text, l.line)
	}
}

// name takes in an identifier: that of a constant may be the name of a secret.
func (p *page) name(name string, line int) {
	if constant.MatchString(name) {
		p.lookup(name, line)
	} else if secretKey(name) {
		p.keys = append(p.keys, line)
	}
}

// lookup takes in the name of a setting that is asked for, or given.
func (p *page) lookup(name string, line int) {
	if settingName(name) {
		p.secrets = append(p.secrets, mention{line, name})
	}
	if secretKey(name) {
		p.keys = append(p.keys, line)
	}
}

// switches turn the check of certificates off, by what they are set to.
var switches = map[string]string{
	"NODE_TLS_REJECT_UNAUTHORIZED": "0",
	"PYTHONHTTPSVERIFY":            "0",
	"GIT_SSL_NO_VERIFY":            "true",
}

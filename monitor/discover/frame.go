package discover

import "strings"

// frame is one level of brackets.
type frame struct {
	sign     string // that opened it; "" for the file
	name     string // of what is called, or indexed
	key      string // of what comes next
	typed    bool   // it has a colon: what comes may be a type
	ternary  int    // question marks whose colon is to come
	block    bool   // statements, not a value
	compared bool   // what is in it is compared with something
	args     int    // that are over
	last     string // of them, if it is a name
	keys     []string
	loose    bool // arguments are in it that are not written out
	address  bool // an address is written out
	line     int
	literals int // of the page, before it
}

const (
	maxFrames = 1000 // levels of brackets that are kept
	maxWithin = 16   // of them that have a say in what is in them
	maxChain  = 120  // bytes of a name with dots
	maxName   = 64   // bytes of a name that says something
)

// lastName gives the end of a name with dots; "" for what is too long for a name.
func lastName(chain string) string {
	if chain = chain[strings.LastIndexByte(chain, '.')+1:]; len(chain) > maxName {
		return ""
	}
	return chain
}

func (s *script) top() *frame { return &s.frames[len(s.frames)-1] }

// open begins a level.
func (s *script) open(prev, t lexeme) {
	if len(s.frames) >= maxFrames {
		s.deeper++
		return
	}
	f := frame{sign: t.text, line: t.line, literals: len(s.page.literals)}
	switch t.text {
	case "{":
		f.block = prev.is("=>") || prev.is(")") || prev.kind == lexemeEnd || prev.kind == lexemeName
	default:
		f.name = s.chain
		f.compared = prev.kind == lexemeName && prev.text == "in" || isComparison(prev)
	}
	s.frames = append(s.frames, f)
}

// close ends a level.
func (s *script) close() {
	if s.deeper > 0 {
		s.deeper--
		return
	}
	s.under = ""
	if len(s.frames) == 1 {
		return
	}
	f := *s.top()
	s.frames = s.frames[:len(s.frames)-1]
	s.chain = f.name
	outer := s.top()
	switch f.sign {
	case "(":
		s.called(f)
	case "[":
		if f.args == 0 {
			s.under = f.last
		}
	case "{":
		s.chain = ""
		if outer.sign == "(" && !f.block {
			for _, key := range f.keys {
				s.given(key)
			}
		}
		outer.loose = outer.loose || f.loose
	}
}

// call gives the function that what comes next is an argument of.
func (s *script) call() string {
	for i := len(s.frames) - 1; i >= max(0, len(s.frames)-maxWithin); i-- {
		switch f := s.frames[i]; {
		case f.block:
			return ""
		case f.sign == "(" && f.name != "":
			return f.name
		}
	}
	return ""
}

// around gives a literal the names of all that it is in.
func (s *script) around(l *literal) {
	for i := len(s.frames) - 1; i >= max(0, len(s.frames)-maxWithin); i-- {
		f := s.frames[i]
		switch key := lastName(f.key); {
		case key == "":
		case l.key == "":
			l.key = key
		default:
			l.within = append(l.within, key)
		}
		l.compared = l.compared || f.compared
		if f.block {
			break // what is around a function says nothing of what is in it
		}
	}
}

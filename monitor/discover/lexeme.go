package discover

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/chroma/v2"
)

// lexeme is one word or sign of a program.
type lexeme struct {
	kind  lexemeKind
	text  string // of a string what it says, with {} for what is put in
	line  int
	fresh bool     // it is the first of its line
	inner []lexeme // of what is put into a string
	names []string // that an f-string puts in
}

type lexemeKind int

const (
	lexemeSign lexemeKind = iota
	lexemeName
	lexemeString
	lexemeNumber
	lexemeEnd
)

func (t lexeme) is(text string) bool { return t.kind == lexemeSign && t.text == text }

// maxTemplates is how deep strings may be put into strings.
const maxTemplates = 32

// scan takes a program apart, without its comments.
func scan(lexer chroma.Lexer, text string) ([]lexeme, error) {
	next, err := lexer.Tokenise(nil, text)
	if err != nil {
		return nil, fmt.Errorf("lexer: %w", err)
	}
	z := scanner{next: next, line: 1, fresh: true}
	out := z.lexemes(0)
	if z.count > maxWords {
		return nil, errWords
	}
	return out, nil
}

// maxWords is how many words and signs a program may have.
const maxWords = 250_000

var errWords = errors.New(tooLong)

type scanner struct {
	next  chroma.Iterator
	line  int
	fresh bool
	count int
}

// token gives the next piece of the text, unless there were too many.
func (z *scanner) token() chroma.Token {
	if z.count++; z.count > maxWords {
		return chroma.EOF
	}
	return z.next()
}

// lexemes reads up to the end, or to the brace that closes what is put into a string.
func (z *scanner) lexemes(depth int) []lexeme {
	var out []lexeme
	braces := 0
	for t := z.token(); t != chroma.EOF; t = z.token() {
		line := z.line
		z.line += strings.Count(t.Value, "\n")
		add := func(kind lexemeKind, text string) {
			out = append(out, lexeme{kind: kind, text: text, line: line, fresh: z.fresh})
			z.fresh = false
		}
		switch {
		case t.Type == chroma.TextWhitespace:
			z.fresh = z.fresh || strings.Contains(t.Value, "\n")
		case t.Type == chroma.Comment, t.Type == chroma.LiteralStringRegex:
		case t.Type == chroma.LiteralStringDelimiter:
			s := lexeme{kind: lexemeString, line: line, fresh: z.fresh}
			z.fresh = false
			z.string(&s, depth)
			if strings.ContainsAny(t.Value, "fF") {
				s.names = namesPutIn(s.text)
			}
			out = append(out, s)
		case t.Type == chroma.Name:
			add(lexemeName, t.Value)
		case t.Type == chroma.LiteralNumber:
			add(lexemeNumber, t.Value)
		default:
			switch t.Value {
			case "{":
				braces++
			case "}":
				if braces--; braces < 0 && depth > 0 {
					return out
				}
			}
			add(lexemeSign, t.Value)
		}
	}
	return out
}

// string reads the rest of a string.
func (z *scanner) string(s *lexeme, depth int) {
	var b strings.Builder
	defer func() { s.text = b.String() }()
	for t := z.token(); t != chroma.EOF; t = z.token() {
		z.line += strings.Count(t.Value, "\n")
		switch t.Type {
		case chroma.LiteralString:
			b.WriteString(t.Value)
		case chroma.LiteralStringEscape:
			b.WriteString(unescape(t.Value))
		case chroma.LiteralStringInterpol:
			b.WriteString("{}")
			if depth < maxTemplates {
				s.inner = append(s.inner, z.lexemes(depth+1)...)
			}
		case chroma.TextWhitespace: // the line ends, and with it the string
			z.fresh = true
			return
		default:
			return
		}
	}
}

var (
	putIn  = regexp.MustCompile(`\{[^{}]*\}`)
	ofName = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
)

// namesPutIn gives the names in the braces of an f-string (PEP 498).
func namesPutIn(text string) []string {
	var out []string
	for _, part := range putIn.FindAllString(text, 64) {
		out = append(out, ofName.FindAllString(part, 64)...)
	}
	return out
}

// unescape gives what an escape stands for, where that matters in an address.
func unescape(s string) string {
	switch s[1:] {
	case "n", "r", "t", "\n":
		return " "
	}
	return s[1:]
}

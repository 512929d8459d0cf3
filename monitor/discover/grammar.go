package discover

import (
	"strings"

	"github.com/alecthomas/chroma/v2"
)

// The grammars take a program apart as far as this package looks: comments,
// strings, names, signs. Those that come with the lexer are made to colour
// programs and take much longer; here no pattern can be matched in two ways, and
// so each takes time in proportion to the text, whatever it is.

// pythonLexer reads Python.
var pythonLexer = newLexer("python", chroma.Rules{
	"root": {
		{Pattern: `[ \t\f\\]+`, Type: chroma.TextWhitespace},
		{Pattern: `\r?\n`, Type: chroma.TextWhitespace},
		{Pattern: `#[^\n]*`, Type: chroma.Comment},
		{Pattern: `[rRbBuUfFtT]{0,2}"""`, Type: chroma.LiteralStringDelimiter, Mutator: chroma.Push("long double")},
		{Pattern: `[rRbBuUfFtT]{0,2}'''`, Type: chroma.LiteralStringDelimiter, Mutator: chroma.Push("long single")},
		{Pattern: `[rRbBuUfFtT]{0,2}"`, Type: chroma.LiteralStringDelimiter, Mutator: chroma.Push("double")},
		{Pattern: `[rRbBuUfFtT]{0,2}'`, Type: chroma.LiteralStringDelimiter, Mutator: chroma.Push("single")},
		{Pattern: `[\p{L}_][\p{L}\p{N}_]*`, Type: chroma.Name},
		{Pattern: `[0-9][0-9A-Za-z_.]*`, Type: chroma.LiteralNumber},
		{Pattern: `[=!<>:+*/|&%^@-]?=`, Type: chroma.Operator},
		{Pattern: `\*\*`, Type: chroma.Operator},
		{Pattern: `[\s\S]`, Type: chroma.Punctuation},
	},
	"double":      quoted(`"`),
	"single":      quoted(`'`),
	"long double": longQuoted(`"`),
	"long single": longQuoted(`'`),
})

// scriptLexer reads JavaScript and TypeScript, JSX among it.
var scriptLexer = newLexer("script", chroma.Rules{
	"root": {
		{Pattern: `[ \t\f]+`, Type: chroma.TextWhitespace},
		{Pattern: `\r?\n`, Type: chroma.TextWhitespace},
		{Pattern: `//[^\n]*`, Type: chroma.Comment},
		{Pattern: `/\*`, Type: chroma.Comment, Mutator: chroma.Push("comment")},
		{Pattern: `(?<=[(,=:\[!&|?{;][ ]?)/(?![*/])`, Type: chroma.LiteralStringRegex, Mutator: chroma.Push("pattern")},
		{Pattern: `"`, Type: chroma.LiteralStringDelimiter, Mutator: chroma.Push("double")},
		{Pattern: `(?<=[\p{L}\p{N}])'(?=\p{L})`, Type: chroma.Punctuation}, // don't, in a text of JSX
		{Pattern: `'`, Type: chroma.LiteralStringDelimiter, Mutator: chroma.Push("single")},
		{Pattern: "`", Type: chroma.LiteralStringDelimiter, Mutator: chroma.Push("template")},
		{Pattern: `[\p{L}_$][\p{L}\p{N}_$]*`, Type: chroma.Name},
		{Pattern: `[0-9][0-9A-Za-z_.]*`, Type: chroma.LiteralNumber},
		{Pattern: `\?\.|\?\?=?|=>|\.\.\.`, Type: chroma.Operator},
		{Pattern: `[=!]==?|[<>:+*/|&%^-]?=`, Type: chroma.Operator},
		{Pattern: `\{`, Type: chroma.Punctuation, Mutator: chroma.Push("braces")},
		{Pattern: `[\s\S]`, Type: chroma.Punctuation},
	},
	"braces": {
		{Pattern: `\}`, Type: chroma.Punctuation, Mutator: chroma.Pop(1)},
		chroma.Include("root"),
	},
	"comment": {
		{Pattern: `[^*]+`, Type: chroma.Comment},
		{Pattern: `\*/`, Type: chroma.Comment, Mutator: chroma.Pop(1)},
		{Pattern: `\*`, Type: chroma.Comment},
	},
	"pattern": {
		{Pattern: `[^/\\\[\n]+`, Type: chroma.LiteralStringRegex},
		{Pattern: `\\[^\n]`, Type: chroma.LiteralStringRegex},
		{Pattern: `/[a-z]*`, Type: chroma.LiteralStringRegex, Mutator: chroma.Pop(1)},
		{Pattern: `\[`, Type: chroma.LiteralStringRegex, Mutator: chroma.Push("class")},
		{Pattern: `[\s\S]`, Type: chroma.TextWhitespace, Mutator: chroma.Pop(1)},
	},
	"class": {
		{Pattern: `[^\]\\\n]+`, Type: chroma.LiteralStringRegex},
		{Pattern: `\\[^\n]`, Type: chroma.LiteralStringRegex},
		{Pattern: `\]`, Type: chroma.LiteralStringRegex, Mutator: chroma.Pop(1)},
		{Pattern: `[\s\S]`, Type: chroma.TextWhitespace, Mutator: chroma.Pop(2)},
	},
	"double": quoted(`"`),
	"single": quoted(`'`),
	"template": {
		{Pattern: "[^`\\\\$]+", Type: chroma.LiteralString},
		{Pattern: `\\[\s\S]`, Type: chroma.LiteralStringEscape},
		{Pattern: `\$\{`, Type: chroma.LiteralStringInterpol, Mutator: chroma.Push("braces")},
		{Pattern: "`", Type: chroma.LiteralStringDelimiter, Mutator: chroma.Pop(1)},
		{Pattern: `[\s\S]`, Type: chroma.LiteralString},
	},
})

// quoted is the rest of a string that ends with its line at the latest: an
// apostrophe in a text of JSX begins one that is none.
func quoted(quote string) []chroma.Rule {
	return []chroma.Rule{
		{Pattern: `[^\\\n` + quote + `]+`, Type: chroma.LiteralString},
		{Pattern: `\\[\s\S]`, Type: chroma.LiteralStringEscape},
		{Pattern: quote, Type: chroma.LiteralStringDelimiter, Mutator: chroma.Pop(1)},
		{Pattern: `[\s\S]`, Type: chroma.TextWhitespace, Mutator: chroma.Pop(1)},
	}
}

// longQuoted is the rest of a string that ends with three quotes.
func longQuoted(quote string) []chroma.Rule {
	return []chroma.Rule{
		{Pattern: `[^\\` + quote + `]+`, Type: chroma.LiteralString},
		{Pattern: `\\[\s\S]`, Type: chroma.LiteralStringEscape},
		{Pattern: strings.Repeat(quote, 3), Type: chroma.LiteralStringDelimiter, Mutator: chroma.Pop(1)},
		{Pattern: quote, Type: chroma.LiteralString},
		{Pattern: `\\`, Type: chroma.LiteralString},
	}
}

func newLexer(name string, rules chroma.Rules) chroma.Lexer {
	return chroma.MustNewLexer(&chroma.Config{Name: name}, func() chroma.Rules { return rules })
}

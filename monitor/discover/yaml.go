package discover

import (
	"errors"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// errDescription says that a file describes an interface: what it holds are
// examples.
var errDescription = errors.New("describes an API")

// readYAML reads YAML of any kind: Compose, Kubernetes, settings. It goes by the
// words of the file and their columns, not by its structure: anchors are not
// followed, levels cost nothing, and templates of other programs do no harm.
func readYAML(text string) (*page, error) {
	y := yamlReader{page: &page{}, lines: strings.Count(text, "\n") + 1}
	ts := lexer.Tokenize(text)
	if describesAPI(ts) {
		return nil, errDescription
	}
	for i, t := range ts {
		if t.Position == nil {
			continue
		}
		y.word(ts, i, t)
	}
	y.flush()
	return y.page, nil
}

// describesAPI reports whether the file is a description by OpenAPI.
func describesAPI(ts token.Tokens) bool {
	for i, t := range ts[:min(len(ts), 200)] {
		if t.Type == token.MappingValueType && i > 0 && ts[i-1].Position != nil && ts[i-1].Position.Column == 1 &&
			slices.Contains([]string{"openapi", "swagger", "asyncapi"}, ts[i-1].Value) {
			return true
		}
	}
	return false
}

// yamlReader keeps under which keys the word that comes is.
type yamlReader struct {
	page  *page
	lines int // that there are: the lexer may say one more
	open  []yamlKey
	flow  int    // brackets that are open
	name  string // of an entry of a list that has it beside its value: {name: X, value: Y}
	named int    // its column
	kind  string // of the Kubernetes object
	block int    // the line that a text of several lines begins on

}

type yamlKey struct {
	text   string
	column int
	flow   int // brackets it is in
}

// maxYAMLKeys is how many levels of keys are kept.
const maxYAMLKeys = 100

func (y *yamlReader) word(ts token.Tokens, i int, t *token.Token) {
	var next *token.Token
	if i+1 < len(ts) {
		next = ts[i+1]
	}
	switch t.Type {
	case token.DocumentHeaderType, token.DocumentEndType:
		y.flush()
		y.open, y.flow, y.kind = nil, 0, ""
	case token.MappingStartType, token.SequenceStartType:
		y.flow++
	case token.MappingEndType, token.SequenceEndType:
		y.flow = max(0, y.flow-1)
		y.pop(func(k yamlKey) bool { return k.flow > y.flow })
	case token.CollectEntryType:
		y.pop(func(k yamlKey) bool { return k.flow >= y.flow })
	case token.SequenceEntryType:
		if y.flow == 0 {
			y.pop(func(k yamlKey) bool { return k.column > t.Position.Column })
			y.flush()
		}
	case token.LiteralType, token.FoldedType:
		y.block = t.Position.Line + 1
	case token.StringType, token.SingleQuoteType, token.DoubleQuoteType, token.BoolType, token.IntegerType, token.NullType:
		if next != nil && next.Type == token.MappingValueType {
			y.key(t)
			return
		}
		y.value(t)
	}
}

func (y *yamlReader) pop(when func(yamlKey) bool) {
	for len(y.open) > 0 && when(y.open[len(y.open)-1]) {
		y.open = y.open[:len(y.open)-1]
	}
}

// key takes in a key: it ends all that are not further to the left.
func (y *yamlReader) key(t *token.Token) {
	if y.flow == 0 {
		y.pop(func(k yamlKey) bool { return k.flow > 0 || k.column >= t.Position.Column })
	}
	if len(y.open) >= maxYAMLKeys {
		return
	}
	y.open = append(y.open, yamlKey{t.Value, t.Position.Column, y.flow})
	keys := y.keys()
	switch {
	case t.Value == "secretKeyRef" && y.name != "":
		// A Kubernetes container has the variable from a Secret.
		if constantName(y.name) {
			y.page.secret(y.name, t.Position.Line)
		}
	case y.kind == "Secret" && len(keys) == 2 && (keys[0] == "data" || keys[0] == "stringData"):
		if identifier.MatchString(t.Value) && !isValue(t.Value) {
			y.page.secret(t.Value, t.Position.Line)
		}
	default:
		y.page.settingKey(t.Value, keys[:len(keys)-1], t.Position.Line)
	}
}

func (y *yamlReader) keys() []string {
	var out []string
	for _, k := range y.open {
		out = append(out, k.text)
	}
	return out
}

// flush ends an entry of a list.
func (y *yamlReader) flush() { y.name, y.named = "", 0 }

func (y *yamlReader) value(t *token.Token) {
	keys, text, line := y.keys(), t.Value, t.Position.Line
	line = min(line, y.lines)
	if y.block > 0 {
		line, y.block = min(line, y.block), 0
	}
	last := ""
	if len(keys) > 0 {
		last = keys[len(keys)-1]
	}
	column := 0
	if len(y.open) > 0 {
		column = y.open[len(y.open)-1].column
	}
	switch {
	case last == "kind" && len(keys) == 1:
		y.kind = text
	case last == "name":
		y.name, y.named = text, column
		y.page.lookup(text, line)
	case last == "value" && y.name != "" && (column == y.named || y.flow > 0):
		y.page.setting(append(keys[:len(keys)-1:len(keys)-1], y.name), text, line)
	case last == "environment" || last == "env":
		if name, v, ok := strings.Cut(text, "="); ok {
			y.page.setting(append(keys[:len(keys):len(keys)], name), v, line)
			break
		}
		y.page.lookup(text, line)
	case y.kind == "Secret":
	default:
		y.page.setting(keys, text, line)
	}
}

package main

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// decoder reads YAML into Go values, strictly, and goes on after an error so
// that all of them can be told at once.
type decoder struct {
	file     *source
	problems []problem
}

// nodeDecoder is a value that takes more than one form in the file.
type nodeDecoder interface {
	decodeNode(d *decoder, n ast.Node)
}

// decodeYAML reads text into v, which points to a struct. It tells all that is
// wrong, in bounded time and space whatever the text is.
func decodeYAML(name string, text []byte, v any) []problem {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	d := &decoder{file: &source{name: name}}
	if len(text) <= maxFile {
		d.file.lines = strings.Split(string(text), "\n")
	}
	if !d.text(text) {
		return d.problems
	}
	tokens := lexer.Tokenize(string(text))
	if !d.shape(tokens) {
		return d.problems
	}
	f, err := parser.Parse(tokens, 0)
	if err != nil {
		return []problem{d.syntax(err)}
	}
	var body ast.Node
	for _, doc := range f.Docs {
		switch {
		case doc.Body == nil:
		case doc.Body.Type() == ast.DirectiveType:
			d.fail(doc.Body, "directives are not understood here: leave it out")
		case body != nil:
			d.fail(doc.Body, "a second document: one file holds one")
		default:
			body = doc.Body
			d.decode(body, reflect.ValueOf(v).Elem())
		}
	}
	return d.problems
}

// syntax tells what the parser found. Its errors' own text holds lines of the
// file, and takes long to make of a large one.
func (d *decoder) syntax(err error) problem {
	p := problem{at: position{file: d.file, line: 1, col: 1}}
	var y yaml.Error
	if !errors.As(err, &y) {
		p.text = err.Error()
		return p
	}
	p.text = strings.ReplaceAll(y.GetMessage(), "\t", "tab")
	if t := y.GetToken(); t != nil && t.Position != nil {
		p.at.line, p.at.col = t.Position.Line, t.Position.Column
	}
	return p
}

func (d *decoder) place(n ast.Node) position {
	p := position{file: d.file, line: 1, col: 1}
	if t := n.GetToken(); t != nil && t.Position != nil {
		p.line, p.col = t.Position.Line, t.Position.Column
	}
	// A mapping's own token is the colon of its first entry.
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return d.place(m.Values[0].Key)
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return d.place(m.Key)
	}
	return p
}

func (d *decoder) fail(n ast.Node, format string, args ...any) {
	d.problems = append(d.problems, problem{d.place(n), fmt.Sprintf(format, args...)})
}

var positionType = reflect.TypeFor[position]()

func (d *decoder) decode(n ast.Node, v reflect.Value) {
	switch n := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.fail(n, noAnchors)
		return
	case *ast.NullNode:
		return // a key without a value keeps its default
	}
	if v.CanAddr() {
		switch x := v.Addr().Interface().(type) {
		case nodeDecoder:
			x.decodeNode(d, n)
			return
		case encoding.TextUnmarshaler:
			if text, ok := d.scalar(n); ok {
				if err := x.UnmarshalText([]byte(text)); err != nil {
					d.fail(n, "%v", err)
				}
			}
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(n, v)
	case reflect.Slice:
		d.decodeList(n, v)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.fail(n, "want true or false, not %s", kind(n))
			return
		}
		v.SetBool(b.Value)
	case reflect.String:
		if text, ok := d.scalar(n); ok {
			v.SetString(text)
		}
	case reflect.Uint16:
		if text, ok := d.scalar(n); ok {
			i, err := strconv.ParseUint(text, 10, 16)
			if err != nil || i == 0 {
				d.fail(n, "want a whole number from 1 to 65535, not %q", text)
				return
			}
			v.SetUint(i)
		}
	default:
		panic("no way to decode " + v.Type().String())
	}
}

// entries gives the entries of a mapping.
func (d *decoder) entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	d.fail(n, "want keys and values, not %s", kind(n))
	return nil, false
}

func (d *decoder) decodeStruct(n ast.Node, v reflect.Value) {
	fields := map[string]reflect.Value{}
	var known []string
	before := len(d.problems)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Type == positionType {
			p := d.place(n)
			defer func() {
				p.broken = len(d.problems) > before
				v.Field(i).Set(reflect.ValueOf(p))
			}()
		} else if key := f.Tag.Get("yaml"); key != "" {
			fields[key] = v.Field(i)
			known = append(known, key)
		}
	}
	es, _ := d.entries(n)
	for _, e := range es {
		key := e.Key.GetToken().Value
		field, ok := fields[key]
		if !ok {
			d.fail(e.Key, "%s", unknownKey(key, known))
			continue
		}
		d.decode(e.Value, field)
	}
}

func (d *decoder) decodeList(n ast.Node, v reflect.Value) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, "want a list, not %s", kind(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, e := range s.Values {
		if _, empty := e.(*ast.NullNode); empty {
			d.fail(e, "an empty entry in a list")
			continue
		}
		d.decode(e, v.Index(i))
	}
}

// scalar gives the text of a single value.
func (d *decoder) scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	hint := ""
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle {
		// The parser takes an IPv6 address within brackets for a mapping.
		hint = "; put quotes around a value with colons in it"
	}
	d.fail(n, "want a single value, not %s%s", kind(n), hint)
	return "", false
}

// kind says in words what a node is.
func kind(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	default:
		return strconv.Quote(n.GetToken().Value)
	}
}

// unknownKey says that a key is unknown, and which known one was meant.
func unknownKey(key string, known []string) string {
	if slices.Contains(known, key+"_file") {
		return fmt.Sprintf("unknown key %q; did you mean %q? secrets stay out of this file", key, key+"_file")
	}
	best, distance := "", 3
	for _, k := range known {
		if n := editDistance(key, k); n < distance && n < len(key) {
			best, distance = k, n
		}
	}
	if best != "" {
		return fmt.Sprintf("unknown key %q; did you mean %q?", key, best)
	}
	slices.Sort(known)
	return fmt.Sprintf("unknown key %q; known here: %s", key, strings.Join(known, ", "))
}

// editDistance counts the insertions, deletions and substitutions that make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

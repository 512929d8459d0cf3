package main

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// problem is one error in a configuration file, at its place.
type problem struct {
	at   position
	text string
}

// position is a place in a file. A struct that has a field of this type is told
// where it stands.
type position struct {
	file      *source
	line, col int
}

// source is a configuration file as it was read.
type source struct {
	name  string
	lines []string
}

// Error gives place and text, then the line with a caret under the place.
func (p problem) Error() string {
	if p.at.file == nil {
		return p.text
	}
	s := fmt.Sprintf("%s:%d:%d: %s", p.at.file.name, p.at.line, p.at.col, p.text)
	if i := p.at.line - 1; i >= 0 && i < len(p.at.file.lines) {
		line := strings.ReplaceAll(p.at.file.lines[i], "\t", " ")
		s += fmt.Sprintf("\n%6d | %s\n       | %s^", p.at.line, line, strings.Repeat(" ", max(0, p.at.col-1)))
	}
	return s
}

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

// decodeYAML reads text into v, which points to a struct.
func decodeYAML(name string, text []byte, v any) []problem {
	d := &decoder{file: &source{name: name, lines: strings.Split(string(text), "\n")}}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return []problem{d.syntax(err)}
	}
	docs := slices.DeleteFunc(f.Docs, func(doc *ast.DocumentNode) bool { return doc.Body == nil })
	if len(docs) > 1 {
		d.fail(docs[1].Body, "a second document: one file holds one")
	}
	if len(docs) > 0 {
		d.decode(docs[0].Body, reflect.ValueOf(v).Elem())
	}
	return d.problems
}

func (d *decoder) syntax(err error) problem {
	p := problem{at: position{d.file, 1, 1}, text: err.Error()}
	var syntax *yaml.SyntaxError
	var dup *yaml.DuplicateKeyError
	switch {
	case errors.As(err, &dup):
		p.text, p.at.line, p.at.col = dup.Message, dup.Token.Position.Line, dup.Token.Position.Column
	case errors.As(err, &syntax):
		p.text = syntax.Message
		if syntax.Token != nil {
			p.at.line, p.at.col = syntax.Token.Position.Line, syntax.Token.Position.Column
		}
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
		d.fail(n, "anchors, aliases and tags are not understood here: write it out")
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
	case reflect.Map:
		d.decodeMap(n, v)
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
	case reflect.Uint16, reflect.Int:
		text, ok := d.scalar(n)
		if !ok {
			return
		}
		i, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v.Kind() == reflect.Uint16 && (i < 0 || i > 65535) {
			d.fail(n, "want a whole number, not %q", text)
			return
		}
		if v.Kind() == reflect.Uint16 {
			v.SetUint(uint64(i))
		} else {
			v.SetInt(i)
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
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Type == positionType {
			v.Field(i).Set(reflect.ValueOf(d.place(n)))
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

func (d *decoder) decodeMap(n ast.Node, v reflect.Value) {
	es, ok := d.entries(n)
	if !ok {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(es)))
	for _, e := range es {
		x := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.Value, x)
		v.SetMapIndex(reflect.ValueOf(e.Key.GetToken().Value), x)
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
	d.fail(n, "want a single value, not %s", kind(n))
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

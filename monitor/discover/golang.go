package discover

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// readGo reads a Go program. One with faults is read as far as it can be.
func readGo(text string) (*page, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", text, parser.SkipObjectResolution)
	if file == nil {
		return nil, err
	}
	g := &program{page: &page{}, set: set}
	for _, d := range file.Decls {
		if gen, ok := d.(*ast.GenDecl); ok && gen.Tok == token.IMPORT {
			continue
		}
		ast.Inspect(d, g.visit)
	}
	return g.page, nil
}

// program goes over the syntax of a Go program.
type program struct {
	page  *page
	set   *token.FileSet
	stack []ast.Node // what the node is in, from the outside
}

func (g *program) line(n ast.Node) int { return g.set.Position(n.Pos()).Line }

func (g *program) visit(n ast.Node) bool {
	if n == nil {
		g.stack = g.stack[:len(g.stack)-1]
		return true
	}
	switch n := n.(type) {
	case *ast.Ident:
		g.page.name(n.Name, g.line(n))
		if n.Name == "true" {
			g.unchecked(n)
		}
	case *ast.Field:
		g.tag(n)
	case *ast.BasicLit:
		if n.Kind == token.STRING {
			g.text(n)
		}
	case *ast.CallExpr:
		g.call(n)
	case *ast.CompositeLit:
		if dotted(n.Type) == "http.Client" && !hasKey(n, "Timeout") {
			g.page.weak(NoTimeout, g.line(n))
		}
	}
	g.stack = append(g.stack, n)
	return true
}

// unchecked looks whether what is true has any certificate accepted.
func (g *program) unchecked(n ast.Node) {
	if len(g.stack) == 0 {
		return
	}
	name := ""
	switch up := g.stack[len(g.stack)-1].(type) {
	case *ast.KeyValueExpr:
		name = dotted(up.Key)
	case *ast.AssignStmt:
		if at := index(up.Rhs, n); at >= 0 && at < len(up.Lhs) {
			name = dotted(up.Lhs[at])
		}
	}
	if lastName(name) == "InsecureSkipVerify" {
		g.page.weak(UnverifiedTLS, g.line(n))
	}
}

// tag takes in the default that a field's tag gives.
func (g *program) tag(f *ast.Field) {
	if f.Tag == nil || len(f.Names) == 0 {
		return
	}
	text, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return
	}
	tag := reflect.StructTag(text)
	for _, key := range []string{"default", "envDefault", "env-default"} {
		if v, ok := tag.Lookup(key); ok {
			g.page.text(literal{line: g.line(f.Tag), text: v, key: f.Names[0].Name})
		}
	}
	for _, key := range []string{"env", "envconfig"} {
		name, _, _ := strings.Cut(tag.Get(key), ",")
		g.page.lookup(name, g.line(f.Tag))
	}
}

// text takes in a text with what stands around it, up to the statement it is in.
func (g *program) text(n *ast.BasicLit) {
	text, err := strconv.Unquote(n.Value)
	if err != nil {
		return
	}
	l := literal{line: g.line(n), text: text}
	lookup := "" // what is asked for the setting of that name
	var child ast.Node = n
	for i := len(g.stack) - 1; i >= max(0, len(g.stack)-maxWithin); i-- {
		switch up := g.stack[i].(type) {
		case *ast.Field:
			return // a tag
		case *ast.BlockStmt:
			i = 0
		case *ast.BinaryExpr:
			l.after = l.after || up.Op == token.ADD && up.X == child
			l.before = l.before || up.Op == token.ADD && up.Y == child
			l.compared = l.compared || up.Op == token.EQL || up.Op == token.NEQ
		case *ast.CaseClause:
			l.compared = l.compared || index(up.List, child) >= 0
			i = 0
		case *ast.KeyValueExpr:
			if up.Key == child {
				if secretKey(text) || authorization(text) {
					g.page.key(l.line)
				}
				return
			}
			l.under(keyText(up.Key))
		case *ast.IndexExpr:
			if child == ast.Node(n) {
				lookup = dotted(up.X)
			}
		case *ast.CallExpr:
			if at := index(up.Args, child); at >= 0 {
				if at == 0 && child == ast.Node(n) {
					lookup = dotted(up.Fun)
				}
				l.argument(up, at)
			}
		case *ast.AssignStmt:
			if at := index(up.Rhs, child); at >= 0 && len(up.Lhs) > 0 {
				l.under(assigned(up.Lhs[min(at, len(up.Lhs)-1)]))
			}
			i = 0
		case *ast.ValueSpec:
			if at := index(up.Values, child); at >= 0 && at < len(up.Names) {
				l.under(up.Names[at].Name)
			}
			i = 0
		}
		child = g.stack[i]
	}
	if lookup != "" && hasAny(words(lastName(lookup)), looking) {
		g.page.lookup(text, l.line)
	}
	if strings.HasPrefix(l.call, "exec.Command") && (text == "-k" || text == "--insecure") {
		g.page.commandFlag(max(0, len(g.page.literals)-8), l.line)
	}
	g.page.text(l)
}

// index finds a node in a list, which is in the order of the text.
func index(list []ast.Expr, n ast.Node) int {
	at, ok := slices.BinarySearchFunc(list, n.Pos(), func(e ast.Expr, pos token.Pos) int { return int(e.Pos() - pos) })
	if !ok || list[at] != n {
		return -1
	}
	return at
}

// argument notes that the literal is, or is in, an argument of a call.
func (l *literal) argument(call *ast.CallExpr, at int) {
	name := dotted(call.Fun)
	if l.call != "" {
		if spoken[strings.ToLower(lastName(name))] {
			l.call = name // what is put together is said
		}
		return
	}
	l.call, l.later = name, at > 0
	if at == 0 || l.key != "" {
		return
	}
	// The argument before it may be the name of a setting, and this its default.
	if b, ok := call.Args[at-1].(*ast.BasicLit); ok && b.Kind == token.STRING {
		if s, err := strconv.Unquote(b.Value); err == nil && identifier.MatchString(s) {
			l.key = s
		}
	}
}

// under puts the literal under a name, or within it if it has one.
func (l *literal) under(name string) {
	switch name = lastName(name); {
	case name == "":
	case l.key == "":
		l.key = name
	default:
		l.within = append(l.within, name)
	}
}

func (g *program) call(n *ast.CallExpr) {
	name := dotted(n.Fun)
	switch name {
	case "http.Get", "http.Post", "http.PostForm", "http.Head", "http.DefaultClient.Do":
		g.page.weak(NoTimeout, g.line(n))
	}
	head, last, _ := cutLast(name, ".")
	if (last == "Set" || last == "Add") && len(n.Args) == 2 && queries[strings.ToLower(lastName(head))] {
		if b, ok := n.Args[0].(*ast.BasicLit); ok {
			if s, err := strconv.Unquote(b.Value); err == nil && secretKey(s) {
				g.page.weak(KeyInQuery, g.line(n))
			}
		}
	}
}

// queries are what the parameters of an address are kept in.
var queries = wordSet("q query params values urlvalues vals urlparams queryparams")

// dotted gives a name with dots, or "" for what is none. Of a long one it gives
// the end.
func dotted(e ast.Expr) string {
	const most = 32
	var names []string
	for range most {
		switch x := e.(type) {
		case *ast.Ident:
			names = append(names, x.Name)
			e = nil
		case *ast.SelectorExpr:
			names = append(names, x.Sel.Name)
			e = x.X
			continue
		case *ast.CallExpr:
			e = x.Fun
			continue
		case *ast.StarExpr:
			e = x.X
			continue
		case *ast.ParenExpr:
			e = x.X
			continue
		}
		break
	}
	slices.Reverse(names)
	return strings.Join(names, ".")
}

// assigned names what is assigned to: m["key"] is key.
func assigned(e ast.Expr) string {
	if x, ok := e.(*ast.IndexExpr); ok {
		return keyText(x.Index)
	}
	return dotted(e)
}

// keyText gives the name that a key is.
func keyText(e ast.Expr) string {
	if b, ok := e.(*ast.BasicLit); ok && b.Kind == token.STRING {
		s, _ := strconv.Unquote(b.Value)
		return s
	}
	return dotted(e)
}

func hasKey(n *ast.CompositeLit, name string) bool {
	return slices.ContainsFunc(n.Elts, func(e ast.Expr) bool {
		kv, ok := e.(*ast.KeyValueExpr)
		return ok && dotted(kv.Key) == name
	})
}

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// sources gives the syntax of every file under a directory that is no test, by path.
func sources(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(path.Base(name), ".") || path.Base(name) == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		files[name], err = parser.ParseFile(token.NewFileSet(), name, text, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no source in %s", dir)
	}
	return files
}

// constants gives the texts of constants of a package by the name of their type,
// and of those without one by the name of their file.
func constants(t *testing.T, dir string) map[string][]string {
	t.Helper()
	words := map[string][]string{}
	for name, file := range sources(t, dir) {
		if strings.Contains(name, "/") {
			continue // another package
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				sort := filepath.Base(name)
				if id, ok := v.Type.(*ast.Ident); ok {
					sort = id.Name
				}
				for _, x := range v.Values {
					if text, ok := literal(x); ok {
						words[sort] = append(words[sort], text)
					}
				}
			}
		}
	}
	for _, ws := range words {
		slices.Sort(ws)
	}
	return words
}

// literal gives the text of a string literal.
func literal(x ast.Expr) (string, bool) {
	lit, ok := x.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// metric is how a metric is declared.
type metric struct{ labels, help string }

// metrics gives those that the code declares, by name: calls of desc and its
// like, with a name without its prefix, a help text, and labels.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	found := map[string]metric{}
	for _, file := range sources(t, "../..") {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			id, ok := call.Fun.(*ast.Ident)
			if !ok || !strings.HasSuffix(strings.ToLower(id.Name), "desc") {
				return true
			}
			var texts []string
			for _, x := range call.Args {
				if text, ok := literal(x); ok {
					texts = append(texts, text)
				}
			}
			if len(texts) == len(call.Args) {
				found["dnstaster_"+texts[0]] = metric{strings.Join(texts[2:], ", "), texts[1]}
			}
			return true
		})
	}
	return found
}

// condition is how a condition of health is declared.
type condition struct{ code, severity, after, dependsOn string }

// conditions gives those of the monitor, in the order of the code.
func conditions(t *testing.T) []condition {
	t.Helper()
	texts := map[string]string{} // of constants by name
	files := sources(t, "../../monitor")
	for name, file := range files {
		if strings.Contains(name, "/") {
			continue
		}
		eachConstant(file, func(id string, x ast.Expr) {
			if text, ok := literal(x); ok {
				texts[id] = text
			}
		})
	}
	text := func(x ast.Expr) string {
		if id, ok := x.(*ast.Ident); ok {
			return texts[id.Name]
		}
		s, _ := literal(x)
		return s
	}
	var found []condition
	for _, name := range slices.Sorted(maps.Keys(files)) {
		ast.Inspect(files[name], func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			c := condition{after: "at once"}
			for _, e := range lit.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok {
					return true
				}
				key, ok := kv.Key.(*ast.Ident)
				if !ok {
					return true
				}
				switch key.Name {
				case "code":
					c.code = text(kv.Value)
				case "severity":
					c.severity = text(kv.Value)
				case "dependsOn":
					c.dependsOn = text(kv.Value)
				case "after":
					n, _ := evaluate(kv.Value)
					c.after = spoken(time.Duration(n))
				}
			}
			if c.code != "" && c.severity != "" {
				found = append(found, c)
			}
			return true
		})
	}
	return found
}

// spoken writes a duration as the pages do.
func spoken(d time.Duration) string {
	if d >= time.Minute {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}

func eachConstant(file *ast.File, do func(name string, x ast.Expr)) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			for i, x := range v.Values {
				do(v.Names[i].Name, x)
			}
		}
	}
}

// numbers gives the constants of a package that are numbers or durations.
func numbers(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for name := range sources(t, dir) {
		if !strings.Contains(name, "/") {
			maps.Copy(all, numbersOf(t, dir, name))
		}
	}
	return all
}

func numbersOf(t *testing.T, dir, file string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	eachConstant(sources(t, dir)[file], func(name string, x ast.Expr) {
		if n, ok := evaluate(x); ok {
			all[name] = n
		}
	})
	return all
}

// evaluate works out what the constants of the judge are written as: numbers,
// units of time, and their products.
func evaluate(x ast.Expr) (int64, bool) {
	switch x := x.(type) {
	case *ast.BasicLit:
		n, err := strconv.ParseInt(x.Value, 0, 64)
		return n, err == nil
	case *ast.SelectorExpr:
		units := map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}
		d, ok := units[x.Sel.Name]
		return int64(d), ok
	case *ast.BinaryExpr:
		a, oka := evaluate(x.X)
		b, okb := evaluate(x.Y)
		return a * b, oka && okb && x.Op == token.MUL
	}
	return 0, false
}

// quantity reads a number, or a duration as in Prometheus.
func quantity(text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	d, err := model.ParseDuration(text)
	return int64(d), err
}

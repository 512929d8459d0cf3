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
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// ourModule is what the import paths of this tree begin with.
const ourModule = "github.com/dnstaster/dnstaster/"

// libraryOwners are the packages that an outside library stays behind: its
// types do not cross (design §1). Test files of resolvers and proofs speak DNS
// too, those of a package that does not own a library do not.
var libraryOwners = map[string][]string{
	"github.com/google/gopacket": {"capture", "lab/inject", "lab/bench/naive", "lab/bench/traffic"},
	"google.golang.org/protobuf": {"capture"},
	"go.etcd.io/bbolt":           {"storage"},
	"github.com/miekg/dns":       {"monitor/resolver", "monitor/resolver/walk", "monitor/resolver/probe", "monitor/evidence", "monitor/evidence/dnssec", "monitor/evidence/rpz", "monitor/presentation", "capture", "lab/inject", "lab", "lab/bench/naive", "lab/bench/traffic"},
}

// drawers are names under which a package gathers what has no home.
var drawers = []string{"internal", "pkg", "types", "utils", "util", "common", "helpers"}

// TestTree reads the whole module and holds it against the drawing of design §1:
// a hub, its spokes, and one command that ties them together.
func TestTree(t *testing.T) {
	root := os.DirFS("../..")
	broken, err := treeFaults(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
	// A walk that sees nothing finds nothing wrong either.
	for _, name := range []string{"go.mod", "monitor/doc.go", "cmd/dnstaster/main.go", "storage/doc.go"} {
		if _, err := fs.Stat(root, name); err != nil {
			t.Errorf("the test does not see the tree: %v", err)
		}
	}
}

// treeFaults gives everything in a module that breaks the drawing, in order.
func treeFaults(root fs.FS) ([]string, error) {
	var faults []string
	documented := map[string]bool{} // by directory: whether a package comment was seen
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			switch {
			case name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "vendor"):
				return fs.SkipDir
			case slices.Contains(drawers, base):
				faults = append(faults, fmt.Sprintf("%s: a package called %s is a drawer: name it after what it does", name, base))
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, name, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		faults = append(faults, importFaults(fset, name, file)...)
		if slices.Contains(drawers, strings.TrimSuffix(file.Name.Name, "_test")) {
			faults = append(faults, fmt.Sprintf("%s: a package called %s is a drawer: name it after what it does", name, file.Name.Name))
		}
		if dir := path.Dir(name); !strings.HasSuffix(name, "_test.go") {
			documented[dir] = documented[dir] || packageComment(file)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, dir := range slices.Sorted(maps.Keys(documented)) {
		if !documented[dir] {
			faults = append(faults, dir+": the package has no comment that says what it does")
		}
	}
	more, err := dependencyFaults(root)
	return append(faults, more...), err
}

// packageComment reports whether the file documents its package, in the form
// that go doc shows.
func packageComment(f *ast.File) bool {
	text := f.Doc.Text()
	if f.Name.Name == "main" {
		return strings.HasPrefix(text, "Command ")
	}
	return strings.HasPrefix(text, "Package "+f.Name.Name+" ")
}

// importFaults gives the imports of one file that the drawing has no arrow for.
func importFaults(fset *token.FileSet, name string, file *ast.File) []string {
	var faults []string
	dir, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	for _, spec := range file.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		at := fset.Position(spec.Pos())
		place := fmt.Sprintf("%s:%d", at.Filename, at.Line)
		if ours, ok := strings.CutPrefix(imp, ourModule); ok && !mayImport(dir, ours, test) {
			faults = append(faults, fmt.Sprintf("%s: %s must not import %s", place, dir, ours))
		}
		for _, lib := range slices.Sorted(maps.Keys(libraryOwners)) {
			owners := libraryOwners[lib]
			if (imp == lib || strings.HasPrefix(imp, lib+"/")) && !slices.Contains(owners, dir) {
				faults = append(faults, fmt.Sprintf("%s: %s stays behind %s", place, imp, strings.Join(owners, ", ")))
			}
		}
	}
	return faults
}

// mayImport is the drawing: which package of ours may import which other.
func mayImport(dir, ours string, test bool) bool {
	switch {
	case strings.HasPrefix(dir, "cmd/"):
		return !strings.HasPrefix(ours, "cmd/") && ours != "lab" && !strings.HasPrefix(ours, "lab/")
	case test && dir == ours:
		return true // an external test package sees what it tests
	case ours == "monitor/presentation":
		// Whoever reads records off the wire writes them down in one form.
		return dir != "monitor" && slices.Contains(libraryOwners["github.com/miekg/dns"], dir)
	case ours == "monitor/servertest":
		return test && strings.HasPrefix(dir, "monitor/") // servers of others, for tests alone
	case dir == "lab/bench" || strings.HasPrefix(dir, "lab/bench/"):
		// The benchmark runs programs, with parts of its own. The bare ring is the
		// daemon's, without what is behind it.
		return strings.HasPrefix(ours, "lab/bench/") || dir == "lab/bench/ring" && ours == "capture"
	case dir == "lab" || strings.HasPrefix(dir, "lab/"):
		// The lab stands outside with the daemon's client in its hand.
		return test && (ours == "monitor" || ours == "control" || strings.HasPrefix(ours, "lab/"))
	case dir == "monitor" || dir == "systemd":
		return false
	}
	return ours == "monitor"
}

// dependencyFaults gives the direct requirements without a reason beside them.
func dependencyFaults(root fs.FS) ([]string, error) {
	text, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return nil, err
	}
	var faults []string
	block := false
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		single, isSingle := strings.CutPrefix(line, "require ")
		switch {
		case line == "require (":
			block = true
			continue
		case line == ")":
			block = false
			continue
		case isSingle:
			line = single
		case !block || line == "" || strings.HasPrefix(line, "//"):
			continue
		}
		module, comment, _ := strings.Cut(line, "//")
		comment = strings.TrimSpace(comment)
		if comment == "indirect" || strings.HasPrefix(comment, "indirect;") {
			continue
		}
		if comment == "" {
			faults = append(faults, fmt.Sprintf("go.mod:%d: %s is there without a reason", i+1, strings.Fields(module)[0]))
		}
	}
	return faults, nil
}

// TestTreePlanted plants one fault at a time in a tree that is right, and sees
// each found and nothing beside it.
func TestTreePlanted(t *testing.T) {
	imports := func(pkg, imp string) string {
		return fmt.Sprintf("// Package %s is there for a test.\npackage %s\n\nimport _ %q\n", pkg, pkg, imp)
	}
	for _, tt := range []struct {
		name       string
		file, text string
		want       []string
	}{
		{name: "nothing"},
		{"hub imports spoke", "monitor/x.go", imports("monitor", ourModule+"storage"),
			[]string{"monitor/x.go:4: monitor must not import storage"}},
		{"hub imports its own spoke", "monitor/x.go", imports("monitor", ourModule+"monitor/resolver"),
			[]string{"monitor/x.go:4: monitor must not import monitor/resolver"}},
		{"spoke imports spoke", "webhook/x.go", imports("webhook", ourModule+"storage"),
			[]string{"webhook/x.go:4: webhook must not import storage"}},
		{"spoke below the hub imports another", "monitor/audit/x.go", imports("audit", ourModule+"monitor/resolver"),
			[]string{"monitor/audit/x.go:4: monitor/audit must not import monitor/resolver"}},
		{"a new package is a spoke", "novelty/x.go", imports("novelty", ourModule+"control"),
			[]string{"novelty/x.go:4: novelty must not import control"}},
		{"spoke's test imports another", "control/x_test.go", imports("control_test", ourModule+"storage"),
			[]string{"control/x_test.go:4: control must not import storage"}},
		{"hub's test imports spoke", "monitor/x_test.go", imports("monitor_test", ourModule+"monitor/report"),
			[]string{"monitor/x_test.go:4: monitor must not import monitor/report"}},
		{"a spoke's test sees it and the hub", "capture/x_test.go", "package capture_test\n\nimport (\n\t_ \"" + ourModule + "capture\"\n\t_ \"" + ourModule + "monitor\"\n)\n", nil},
		{"a reader of messages writes records", "capture/x.go", imports("capture", ourModule+"monitor/presentation"), nil},
		{"who reads none writes none", "webhook/x.go", imports("webhook", ourModule+"monitor/presentation"),
			[]string{"webhook/x.go:4: webhook must not import monitor/presentation"}},
		{"a test runs servers", "monitor/resolver/x_test.go", imports("resolver", ourModule+"monitor/servertest"), nil},
		{"the product runs none", "monitor/resolver/x.go", imports("resolver", ourModule+"monitor/servertest"),
			[]string{"monitor/resolver/x.go:4: monitor/resolver must not import monitor/servertest"}},
		{"systemd imports hub", "systemd/x.go", imports("systemd", ourModule+"monitor"),
			[]string{"systemd/x.go:4: systemd must not import monitor"}},
		{"spoke imports the command", "storage/x.go", imports("storage", ourModule+"cmd/dnstaster"),
			[]string{"storage/x.go:4: storage must not import cmd/dnstaster"}},
		{"lab's own code imports", "lab/x.go", imports("lab", ourModule+"monitor"),
			[]string{"lab/x.go:4: lab must not import monitor"}},
		{"lab's test may ask the daemon", "lab/x_test.go", imports("lab", ourModule+"control"), nil},
		{"lab's test reaches inside", "lab/x_test.go", imports("lab", ourModule+"storage"),
			[]string{"lab/x_test.go:4: lab must not import storage"}},
		{"the benchmark makes traffic", "lab/bench/x.go", imports("bench", ourModule+"lab/bench/traffic"), nil},
		{"the bare ring captures", "lab/bench/ring/x.go", imports("ring", ourModule+"capture"), nil},
		{"the benchmark captures", "lab/bench/x.go", imports("bench", ourModule+"capture"),
			[]string{"lab/bench/x.go:4: lab/bench must not import capture"}},
		{"gopacket outside capture", "storage/x.go", imports("storage", "github.com/google/gopacket/layers"),
			[]string{"storage/x.go:4: github.com/google/gopacket/layers stays behind " + strings.Join(libraryOwners["github.com/google/gopacket"], ", ")}},
		{"gopacket in capture", "capture/x.go", imports("capture", "github.com/google/gopacket"), nil},
		{"bbolt outside storage", "cmd/dnstaster/x.go", "package main\n\nimport _ \"go.etcd.io/bbolt\"\n",
			[]string{"cmd/dnstaster/x.go:3: go.etcd.io/bbolt stays behind storage"}},
		{"miekg in the hub", "monitor/x.go", imports("monitor", "github.com/miekg/dns"),
			[]string{"monitor/x.go:4: github.com/miekg/dns stays behind " + strings.Join(libraryOwners["github.com/miekg/dns"], ", ")}},
		{"miekg in a foreign test", "webhook/x_test.go", imports("webhook_test", "github.com/miekg/dns"),
			[]string{"webhook/x_test.go:4: github.com/miekg/dns stays behind " + strings.Join(libraryOwners["github.com/miekg/dns"], ", ")}},
		{"a name that only begins alike", "storage/x.go", imports("storage", "github.com/miekg/dnssomething"), nil},
		{"no comment", "novelty/x.go", "package novelty\n",
			[]string{"novelty: the package has no comment that says what it does"}},
		{"a comment that is none", "novelty/x.go", "// x.go has things.\npackage novelty\n",
			[]string{"novelty: the package has no comment that says what it does"}},
		{"a drawer by directory", "storage/utils/x.go", imports("keys", "strings"),
			[]string{"storage/utils: a package called utils is a drawer: name it after what it does"}},
		{"a drawer by name", "storage/x.go", "// Package types has types.\npackage types\n",
			[]string{"storage/x.go: a package called types is a drawer: name it after what it does"}},
		{"testdata and hidden directories are not ours", "storage/testdata/utils/x.go", "package utils\n\nimport _ \"go.etcd.io/bbolt\"\n", nil},
		{"a dependency without reason", "go.mod", "module m\n\nrequire (\n\ta.example/x v1.0.0\n\tb.example/y v1.0.0 // why\n)\n",
			[]string{"go.mod:4: a.example/x is there without a reason"}},
		{"a lone dependency without reason", "go.mod", "module m\n\nrequire a.example/x v1.0.0\nrequire b.example/y v1.0.0 // indirect\n",
			[]string{"go.mod:3: a.example/x is there without a reason"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := soundTree()
			if tt.file != "" {
				root[tt.file] = &fstest.MapFile{Data: []byte(tt.text)}
			}
			got, err := treeFaults(root)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("treeFaults (-want +got):\n%s", diff)
			}
		})
	}
}

// soundTree is a small module in which all is as it should be.
func soundTree() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"go.mod":                   file("module m\n\nrequire b.example/y v1.0.0 // why\n"),
		"monitor/doc.go":           file("// Package monitor judges.\npackage monitor\n"),
		"monitor/resolver/doc.go":  file("// Package resolver asks.\npackage resolver\n\nimport (\n\t_ \"" + ourModule + "monitor\"\n\t_ \"github.com/miekg/dns\"\n)\n"),
		"storage/doc.go":           file("// Package storage remembers.\npackage storage\n\nimport (\n\t_ \"" + ourModule + "monitor\"\n\t_ \"go.etcd.io/bbolt\"\n)\n"),
		"webhook/doc.go":           file("// Package webhook tells.\npackage webhook\n\nimport _ \"" + ourModule + "monitor\"\n"),
		"systemd/doc.go":           file("// Package systemd lives.\npackage systemd\n"),
		"cmd/dnstaster/main.go":    file("// Command dnstaster ties.\npackage main\n\nimport (\n\t_ \"" + ourModule + "monitor\"\n\t_ \"" + ourModule + "storage\"\n)\n"),
		"cmd/dnstaster/x_test.go":  file("package main\n"),
		"storage/testdata/a/a.txt": file("not Go"),
	}
}

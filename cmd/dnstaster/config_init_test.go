package main

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/google/go-cmp/cmp"
)

// TestConfigInit has the template load, give the defaults that it names, and
// hold every key there is and no other, commented out or not.
func TestConfigInit(t *testing.T) {
	clearEnv(t)
	c, err := loadConfig(writeTree(t, map[string]string{"dnstaster.yaml": configTemplate}))
	if err != nil {
		t.Fatal(err)
	}
	want := withDefaults(func(c *config) {
		c.Resolvers = []resolverConfig{{Known: "system"}, {Known: "cloudflare"}, {Known: "google"}, {Known: "quad9"}}
	})
	if diff := cmp.Diff(want, c, configValues); diff != "" {
		t.Errorf("the template (-want +got):\n%s", diff)
	}
	text := show(t, c)
	again, err := loadConfig(writeTree(t, map[string]string{"dnstaster.yaml": text}))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(c, again, configValues); diff != "" {
		t.Errorf("what is shown of the template is something else (-template +shown):\n%s", diff)
	}

	open := uncommented(configTemplate)
	all, err := loadConfig(writeTree(t, map[string]string{"dnstaster.yaml": open}))
	if err != nil {
		t.Fatalf("the template's examples do not load: %v\n%s", err, open)
	}
	if all.Storage != want.Storage || all.Control != want.Control {
		t.Errorf("the commented defaults are not the defaults: %+v %+v", all.Storage, all.Control)
	}
	f, err := parser.ParseBytes([]byte(open), 0)
	if err != nil {
		t.Fatal(err)
	}
	written, known := map[string]bool{}, map[string]bool{}
	keysWritten(f.Docs[0].Body, "", written)
	keysKnown(reflect.TypeFor[config](), "", known)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(written))); diff != "" {
		t.Errorf("keys (-of the code +of the template):\n%s", diff)
	}
	if len(known) < 30 {
		t.Errorf("only %d keys were found in the code", len(known))
	}
}

// uncommented gives the template with its examples in force: a line that begins
// with '#' and two spaces, in place of the empty list or mapping before it.
func uncommented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		if line, ok := strings.CutPrefix(lines[i], "#  "); ok {
			lines[i] = "  " + line
			if key, _, ok := strings.Cut(lines[i-1], ": "); ok && !strings.HasPrefix(key, " ") {
				lines[i-1] = key + ":"
			}
		}
	}
	return strings.Join(lines, "\n")
}

// keysWritten collects the paths of all keys below a node.
func keysWritten(n ast.Node, path string, to map[string]bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, e := range n.Values {
			p := strings.TrimPrefix(path+"."+e.Key.GetToken().Value, ".")
			to[p] = true
			if p != "external_labels" && p != "webhooks.http_config" { // whose keys are not ours
				keysWritten(e.Value, p, to)
			}
		}
	case *ast.SequenceNode:
		for _, e := range n.Values {
			keysWritten(e, path, to)
		}
	}
}

// keysKnown collects the paths of all keys that a type is read from.
func keysKnown(t reflect.Type, path string, to map[string]bool) {
	switch t.Kind() {
	case reflect.Slice:
		keysKnown(t.Elem(), path, to)
	case reflect.Struct:
		for i := range t.NumField() {
			if key := t.Field(i).Tag.Get("yaml"); key != "" && t != reflect.TypeFor[httpConfig]() {
				p := strings.TrimPrefix(path+"."+key, ".")
				to[p] = true
				keysKnown(t.Field(i).Type, p, to)
			}
		}
	}
}

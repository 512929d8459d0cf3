package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dnstaster/dnstaster/monitor"
)

// docsDir is where the pages are, seen from this package.
const docsDir = "../../docs"

// schemaParts are parts of schemas, by a word of their own.
var schemaParts = map[string]string{
	"webhook": "event.v1.json#/$defs/webhook", "change": "event.v1.json#/$defs/change", "notice": "event.v1.json#/$defs/notice", "health": "event.v1.json#/$defs/health",
	"pulse": "event.v1.json#/$defs/pulse", "resolvers": "evidence.v1.json#/$defs/resolvers", "judgement": "report.v1.json#/$defs/judgement",
	"observation": "sample.v1.json#/$defs/observation", "record": "sample.v1.json#/$defs/record", "packet": "sample.v1.json#/$defs/packet",
	"fact": "sample.v1.json#/$defs/fact", "watch": "sample.v1.json#/$defs/watch", "baseline": "sample.v1.json#/$defs/baseline",
	"cache": "sample.v1.json#/$defs/cache", "manner": "sample.v1.json#/$defs/manner", "strays": "sample.v1.json#/$defs/strays", "noise": "sample.v1.json#/$defs/noise", "delegation": "sample.v1.json#/$defs/delegation", "identity": "sample.v1.json#/$defs/identity", "span": "sample.v1.json#/$defs/span", "reason": "alert.v1.json#/$defs/reason",
	"transaction": "alert.v1.json#/$defs/transaction", "note": "alert.v1.json#/$defs/note", "window": "sample.v1.json#/$defs/window", "voice": "alert.v1.json#/$defs/voice", "counts": "status.v1.json#/$defs/counts",
	"resolver": "status.v1.json#/$defs/resolver", "condition": "status.v1.json#/$defs/health", "line": "status.v1.json#/$defs/alert",
	"name": "status.v1.json#/$defs/watch", "called": "discover.v1.json#/$defs/host", "weakness": "discover.v1.json#/$defs/weakness",
	"passed": "discover.v1.json#/$defs/passed",
	"locked": "lock.v1.json#/$defs/locked", "pinnable": "pins.v1.json#/$defs/pinnable", "score": "report.v1.json#/$defs/score",
}

// schemas are those of docs/schema by their first word, and their parts.
var schemas = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	files, err := filepath.Glob(filepath.Join(docsDir, "schema", "*.json"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(err, errors.New("no schema"))
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	const base = "https://raw.githubusercontent.com/dnstaster/dnstaster/main/docs/schema/"
	urls := map[string]string{}
	for word, place := range schemaParts {
		urls[word] = base + place
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		// Elsewhere the references between the files would lead nowhere.
		if id := doc.(map[string]any)["$id"]; id != base+filepath.Base(f) {
			return nil, fmt.Errorf("%s: $id is %v", f, id)
		}
		if err := c.AddResource(base+filepath.Base(f), doc); err != nil {
			return nil, err
		}
		word, _, _ := strings.Cut(filepath.Base(f), ".")
		urls[word] = base + filepath.Base(f)
	}
	out := map[string]*jsonschema.Schema{}
	for word, url := range urls {
		if out[word], err = c.Compile(url); err != nil {
			return nil, err
		}
	}
	return out, nil
})

// fits holds a JSON document against a schema.
func fits(word string, document []byte) error {
	all, err := schemas()
	if err != nil {
		return err
	}
	s := all[word]
	if s == nil {
		return fmt.Errorf("no schema %q", word)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func wantFit(t *testing.T, word string, document []byte) {
	t.Helper()
	if err := fits(word, document); err != nil {
		t.Errorf("%#v\nof\n%s", err, document)
	}
}

// TestSchemaScript runs a daemon and holds all that it says against the schemas.
func TestSchemaScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/schema",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "field": cmdField, "await": cmdAwait, "answer": cmdAnswer, "daemon": cmdDaemon,
			"fits": cmdFits, "unpack": cmdUnpack,
		},
	})
}

// fits SCHEMA [FILE]: standard output of the last command, or a file, is one
// document of the schema, a list of them, or a line of each; at least one.
func cmdFits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: fits schema [file]")
	}
	text := ts.ReadFile(append(args, "stdout")[1])
	var documents []json.RawMessage
	if json.Unmarshal([]byte(text), &documents) != nil || args[0] == "resolvers" {
		documents = nil
		d := json.NewDecoder(strings.NewReader(text))
		for {
			var one json.RawMessage
			if err := d.Decode(&one); err == io.EOF {
				break
			} else if err != nil {
				ts.Fatalf("%v", err)
			}
			documents = append(documents, one)
		}
	}
	if len(documents) == 0 {
		ts.Fatalf("there is no document")
	}
	for _, one := range documents {
		if err := fits(args[0], one); err != nil {
			ts.Fatalf("%#v\nof\n%s", err, one)
		}
	}
}

// unpack ARCHIVE: writes the files of a bundle into the work directory.
func cmdUnpack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unpack archive")
	}
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	ts.Check(err)
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		ts.Check(err)
		data, err := io.ReadAll(r)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(filepath.Base(h.Name)), data, 0o600))
	}
}

// TestSchemaDemo holds the alert of a demo against the schema.
func TestSchemaDemo(t *testing.T) {
	t.Parallel()
	var out struct{ Alert json.RawMessage }
	if err := json.Unmarshal([]byte(playDemo(t, exitClean, "--json")), &out); err != nil {
		t.Fatal(err)
	}
	wantFit(t, "alert", out.Alert)
}

// TestSchemaReplay holds what replay makes of a capture against the schema.
func TestSchemaReplay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "forged.pcapng")
	if err := os.WriteFile(file, forgedCapture(t), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if got := run([]string{"replay", "--json", "--fail-on", "never", file}, nil, &out, &errs); got != exitClean {
		t.Fatalf("replay ends with %d: %s", got, errs.String())
	}
	var r monitor.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Alerts) != 1 || len(r.Alerts[0].Transactions) != 1 || len(r.Watches) != 1 {
		t.Errorf("the capture shows %d alerts on %d names, want one of each, with its transaction:\n%s", len(r.Alerts), len(r.Watches), out.String())
	}
	want := monitor.Stats{Packets: 3, Queries: 1, Responses: 2, Transactions: 1, Flagged: 1}
	if diff := cmp.Diff(want, r.Stats); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	wantFit(t, "report", out.Bytes())
}

// TestSchemaWhole holds a document with everything in it against each schema,
// and then the same with one thing wrong, which must not fit.
func TestSchemaWhole(t *testing.T) {
	all, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	for name, document := range wholeDocuments(t) {
		word, _, _ := strings.Cut(name, " ")
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			wantFit(t, word, text)
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			mutate(v, "", func(where string) {
				n++
				if all[word].Validate(v) == nil {
					t.Errorf("it still fits with %s", where)
				}
			})
			if n < 7 {
				t.Errorf("only %d mutations were tried", n)
			}
		})
	}
}

// open are the objects whose keys are data, and so not in a schema.
var open = []string{"labels", "transitions", "verdicts", "keys", "addresses", "canon", "types", "signing"}

// mutate puts one thing after the other wrong in v, calls wrong, and puts it
// right again: a key that no schema knows, or a value of another sort.
func mutate(v any, path string, wrong func(where string)) {
	last := path[strings.LastIndexByte(path, '.')+1:]
	switch v := v.(type) {
	case map[string]any:
		if !slices.Contains(open, last) {
			v["undocumented"] = "x"
			wrong("another key at " + path)
			delete(v, "undocumented")
		}
		for key, was := range v {
			where := strings.TrimPrefix(path+"."+key, ".")
			v[key] = map[string]any{"other": true}
			wrong("another value at " + where)
			v[key] = was
			mutate(was, where, wrong)
		}
	case []any:
		for i := range v {
			was := v[i]
			v[i] = map[string]any{"other": true}
			wrong(fmt.Sprintf("another value at %s[%d]", path, i))
			v[i] = was
			mutate(was, path, wrong)
		}
	}
}

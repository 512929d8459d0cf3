package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/discover"
)

// TestSchemaRequired holds the keys that a schema demands against those that are
// written even where there is nothing to say.
func TestSchemaRequired(t *testing.T) {
	all, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	sparse := map[string]any{
		"alert": monitor.Alert{}, "report": monitor.Report{}, "sample": monitor.Sample{}, "status": monitor.Status{}, "evidence": manifest{},
		"judgement": monitor.Judgement{}, "observation": monitor.Observation{}, "record": monitor.Record{}, "packet": monitor.Packet{}, "cache": monitor.Cache{},
		"manner": monitor.Manner{}, "strays": monitor.Strays{}, "noise": monitor.Noise{},
		"fact": monitor.Evidence{}, "watch": monitor.Watch{}, "baseline": monitor.Baseline{}, "delegation": monitor.Delegation{}, "identity": monitor.Identity{}, "span": monitor.Span{},
		"reason": monitor.Reason{}, "transaction": monitor.Transaction{}, "note": monitor.Note{}, "voice": monitor.Voice{}, "window": monitor.Window{}, "change": monitor.Change{}, "notice": monitor.Notice{}, "health": monitor.Health{},
		"pulse": monitor.Pulse{}, "counts": monitor.Counts{}, "resolver": monitor.ResolverStatus{}, "condition": monitor.HealthStatus{},
		"line": monitor.AlertLine{}, "name": monitor.WatchStatus{}, "discover": discover.Report{}, "called": discover.Host{},
		"weakness": discover.Weakness{}, "passed": discover.Passed{},
		"lock": monitor.Lock{}, "locked": monitor.Locked{}, "pins": monitor.Pins{}, "pinnable": monitor.Pinnable{}, "score": monitor.Score{},
	}
	for word, v := range sparse {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var keys map[string]json.RawMessage
		if err := json.Unmarshal(text, &keys); err != nil {
			t.Fatal(err)
		}
		demanded := slices.Sorted(slices.Values(all[word].Required))
		if diff := cmp.Diff(slices.Sorted(maps.Keys(keys)), demanded); diff != "" {
			t.Errorf("%s (-always written +demanded by the schema):\n%s", word, diff)
		}
	}
}

// TestSchemaWords holds the words of the code against those of the schemas.
func TestSchemaWords(t *testing.T) {
	words := constants(t, "../../monitor")
	for _, tt := range []struct{ sort, file, path string }{
		{"Kind", "alert", "$defs.kind"},
		{"State", "alert", "$defs.state"},
		{"Verdict", "alert", "$defs.verdict"},
		{"Attribution", "alert", "$defs.attribution"},
		{"Standing", "alert", "$defs.voice.properties.standing"},
		{"Leak", "alert", "properties.exposure.properties.leak"},
		{"Cause", "report", "$defs.cause"},
		{"Transport", "sample", "$defs.observation.properties.transport"},
		{"Role", "sample", "$defs.observation.properties.role"},
		{"Outcome", "sample", "$defs.fact.properties.outcome"},
		{"Via", "sample", "properties.via"},
		{"Private", "sample", "$defs.watch.properties.expect.properties.private"},
		{"event.go", "event", "$defs.type"},
	} {
		if len(words[tt.sort]) == 0 {
			t.Errorf("no words of %s are found in the code", tt.sort)
		}
		documented := enum(t, tt.file, tt.path)
		for _, w := range words[tt.sort] {
			if !slices.Contains(documented, w) {
				t.Errorf("docs/schema/%s.v1.json: %s lacks %q", tt.file, tt.path, w)
			}
		}
		for _, w := range documented {
			if w != "" && !slices.Contains(words[tt.sort], w) {
				t.Errorf("docs/schema/%s.v1.json: %s has %q, which the code does not", tt.file, tt.path, w)
			}
		}
	}
}

// enum reads the list at a path of a schema.
func enum(t *testing.T, file, path string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docsDir, "schema", file+".v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	for key := range strings.SplitSeq(path+".enum", ".") {
		v = v.(map[string]any)[key]
	}
	var words []string
	for _, w := range v.([]any) {
		words = append(words, w.(string))
	}
	return words
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// FuzzDecodeYAML has any text at all decoded: nothing panics, what is said is
// short and has its place in the text, and what is accepted is shown as
// something that is accepted again.
func FuzzDecodeYAML(f *testing.F) {
	files, err := filepath.Glob("testdata/config/bad/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, tt := range goodConfigs {
		f.Add([]byte(tt.files["dnstaster.yaml"]))
	}
	f.Add([]byte(configTemplate))
	f.Add([]byte(uncommented(configTemplate)))
	for _, s := range []string{"[", "- ", "? ", "&a ", "!t ", "{a: ", "*a ", ": ", "]", "\"\"", "%", "a: ", ">\n", "{? "} {
		f.Add([]byte(strings.Repeat(s, 2000)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &config{}
		problems := decodeYAML("fuzz.yaml", text, c)
		lines := strings.Count(string(text), "\n") + 1
		for _, p := range append(problems, c.check()...) {
			if s := p.Error(); len(s) > 8*(maxText+2*maxWidth) {
				t.Errorf("an error of %d bytes: %.200q…", len(s), s)
			}
			if p.at.file != nil && (p.at.line < 1 || p.at.line > lines+1 || p.at.col < 1) {
				t.Errorf("an error at %d:%d of %d lines: %s", p.at.line, p.at.col, lines, p.text)
			}
		}
		if len(problems) > 0 || len(c.check()) > 0 {
			return
		}
		shown, err := yaml.MarshalWithOptions(c.shown(), showOptions...)
		if err != nil {
			t.Fatal(err)
		}
		again := &config{}
		if problems := decodeYAML("shown.yaml", shown, again); len(problems) > 0 {
			t.Fatalf("what is shown is not accepted: %v\n%s", configError(problems), shown)
		}
		for i := range c.Webhooks {
			c.Webhooks[i].HTTP = httpConfig{} // is never shown
		}
		if diff := cmp.Diff(c, again, configValues); diff != "" {
			t.Errorf("what is shown is something else (-loaded +shown):\n%s\n%s", diff, shown)
		}
	})
}

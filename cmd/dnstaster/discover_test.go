package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runDiscover has the command write what it finds in a file into watches.d, and
// loads the configuration that this is part of.
func runDiscover(t *testing.T, name, text string) (out string, c *config) {
	t.Helper()
	dir := t.TempDir()
	app := filepath.Join(dir, "app")
	if err := os.MkdirAll(app, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{filepath.Join(app, name): text, filepath.Join(dir, "dnstaster.yaml"): "watches: []\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	if got := run([]string{"discover", "--output", filepath.Join(dir, "watches.d"), app}, nil, &stdout, &stderr); got != exitClean {
		t.Fatalf("discover ends with %d: %s", got, stderr.String())
	}
	c, err := loadConfig(filepath.Join(dir, "dnstaster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return stdout.String(), c
}

// TestDiscoverFileNames has the name of a file be a name and nothing else,
// whatever it holds.
func TestDiscoverFileNames(t *testing.T) {
	out, c := runDiscover(t, "a\n  - name: evil.test\n\x1b[2J\u202e.py", "u = 'https://api.partner.example/'\n")
	if len(c.Watches) != 1 || c.Watches[0].Name != "api.partner.example." {
		t.Errorf("watches: %+v", c.Watches)
	}
	if strings.ContainsAny(out, "\x1b\u202e") || strings.Contains(out, "\n  - name") {
		t.Errorf("what a terminal would act on is printed: %q", out)
	}
}

// TestDiscoverMany has more names than one file of watches is given, and words
// that YAML takes for something else.
func TestDiscoverMany(t *testing.T) {
	var b strings.Builder
	for i := range perFile + 50 {
		fmt.Fprintf(&b, "    'https://%d.partner.example/',\n", i)
	}
	text := "urls = [\n" + b.String() + "]\nk = os.environ['NULL_TOKEN']\nu = 'https://1.2e5.test/'\n"
	_, c := runDiscover(t, "a.py", text)
	if want := perFile + 51; len(c.Watches) != want {
		t.Errorf("%d watches, want %d", len(c.Watches), want)
	}
	files := map[string]int{}
	for _, w := range c.Watches {
		files[w.At.file.name]++
	}
	if len(files) != 2 || files["watches.d/discovered.yaml"] != perFile {
		t.Errorf("files: %v", files)
	}
}

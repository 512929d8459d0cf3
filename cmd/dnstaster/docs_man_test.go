package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// manPages has the command write its pages, and reads them.
func manPages(t *testing.T) (dir string, pages map[string]string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "man")
	var out, errs bytes.Buffer
	if got := run([]string{"man", dir}, nil, &out, &errs); got != exitClean || out.Len()+errs.Len() > 0 {
		t.Fatalf("man ends with %d: %s%s", got, out.String(), errs.String())
	}
	pages = map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		pages[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, pages
}

// TestMan has a page for every command that people may use, and one for the
// configuration, with all flags and keys.
func TestMan(t *testing.T) {
	clearEnv(t)
	t.Setenv("SOURCE_DATE_EPOCH", "")
	_, got := manPages(t)
	want := []string{"dnstaster.yaml.5"}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		want = append(want, name)
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(c.LocalFlags().FlagUsages(), -1) {
			if !strings.Contains(plainRoff(got[name]), flag) {
				t.Errorf("%s lacks %s", name, flag)
			}
		}
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && c.Name() != "completion" {
				walk(sub)
			}
		}
	}
	walk(newRoot(new(bytes.Buffer), new(bytes.Buffer)))
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("pages (-of the commands +written):\n%s", diff)
	}
	for name, text := range got {
		if !strings.Contains(text, ".TH ") || !strings.Contains(text, `"DNS poisoning monitor"`) {
			t.Errorf("%s has no title:\n%s", name, text)
		}
		if _, options, ok := strings.Cut(text, "\n.SH OPTIONS\n"); ok {
			options, _, _ = strings.Cut(options, "\n.SH ")
			if !strings.HasPrefix(options, ".TP\n") || strings.Contains(options, "\t") {
				t.Errorf("the flags of %s are no list:\n%s", name, options)
			}
		}
		if strings.Contains(text, "spf13") {
			t.Errorf("%s advertises what made it", name)
		}
	}
	keys := map[string]bool{}
	keysKnown(reflect.TypeFor[config](), "", keys)
	config := plainRoff(got["dnstaster.yaml.5"])
	for key := range keys {
		last := key[strings.LastIndexByte(key, '.')+1:]
		if !strings.Contains(config, last) {
			t.Errorf("dnstaster.yaml.5 lacks %s", key)
		}
	}
	// Every line of the template is there, as text or as example.
	for l := range strings.Lines(configTemplate) {
		l = strings.TrimSpace(strings.TrimPrefix(l, "# "))
		if l != "" && !strings.Contains(config, l) {
			t.Errorf("dnstaster.yaml.5 lacks %q", l)
		}
	}
}

// plainRoff undoes the marks that roff needs.
func plainRoff(text string) string {
	text = strings.NewReplacer(`\-`, "-", `\(dq`, `"`, `\&`, "", `\[u2026]`, "…", `\[rs]`, `\`, `\e`, `\`).Replace(text)
	return regexp.MustCompile(`\\f[BIRP]|\\f\([A-Z]+|\\fC`).ReplaceAllString(text, "")
}

// TestManDate has the same source give the same pages, whenever they are made.
func TestManDate(t *testing.T) {
	clearEnv(t)
	t.Setenv("SOURCE_DATE_EPOCH", "1000000000")
	_, first := manPages(t)
	_, second := manPages(t)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("pages made twice (-first +second):\n%s", diff)
	}
	today := time.Now()
	for name, text := range first {
		if title := strings.SplitN(text, "\n", 3)[1]; !strings.Contains(title, ` "2001-09-09" `) {
			t.Errorf("%s bears %s, want the date that was asked for", name, title)
		}
		for _, layout := range []string{"Jan 2006", "2-Jan-2006", time.DateOnly} {
			// The configuration shows a day of its own, which may be any.
			if day := today.Format(layout); strings.Contains(text, day) && !strings.Contains(configTemplate, day) {
				t.Errorf("%s bears the date of today", name)
			}
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	var out, errs bytes.Buffer
	if got := run([]string{"man", t.TempDir()}, nil, &out, &errs); got != exitUsage {
		t.Errorf("man with such a date ends with %d, want %d", got, exitUsage)
	}
	for _, tt := range []struct {
		epoch string
		want  time.Time
	}{{"", firstManDate}, {"0", time.Unix(0, 0).UTC()}} {
		if got, err := manDate(tt.epoch); err != nil || !got.Equal(tt.want) && tt.epoch != "" {
			t.Errorf("manDate(%q) = %s, %v, want %s", tt.epoch, got, err, tt.want)
		}
	}
}

// TestManRenders has man, or mandoc, show every page without a warning. Where
// neither is installed there is nobody to read the pages either.
func TestManRenders(t *testing.T) {
	clearEnv(t)
	dir, pages := manPages(t)
	tools := map[string][]string{
		"man":    {"--warnings", "-E", "UTF-8", "-l", "-Tutf8"},
		"mandoc": {"-T", "lint", "-W", "warning"},
	}
	for tool, args := range tools {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Logf("no %s here", tool)
			continue
		}
		for name := range pages {
			cmd := exec.Command(path, append(args, filepath.Join(dir, name))...)
			cmd.Env = append(os.Environ(), "MANWIDTH=100", "LC_ALL=C.UTF-8", "MANROFFSEQ=")
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			err := cmd.Run()
			complaints := errs.String()
			if tool == "mandoc" {
				complaints += out.String()
			}
			if err != nil || complaints != "" {
				t.Errorf("%s %s: %v %s", tool, name, err, complaints)
			}
			// Bold is a character over itself.
			shown := regexp.MustCompile(".\x08").ReplaceAllString(out.String(), "")
			if tool == "man" && (!strings.Contains(shown, "\nNAME\n") || !strings.Contains(shown, "\nSYNOPSIS\n")) {
				t.Errorf("man shows of %s: %.300q", name, shown)
			}
		}
	}
}

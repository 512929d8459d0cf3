package main

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is said of bad configurations to testdata; read the difference")

// TestConfigBad holds what is said of each bad file against the text beside it:
// place, line, caret, the nearest key, and every problem of the file at once.
func TestConfigBad(t *testing.T) {
	files, err := filepath.Glob("testdata/config/bad/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Errorf("there are %d bad files, want 30 at least", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			_, err := loadConfig(file)
			var ce configError
			if !errors.As(err, &ce) {
				t.Fatalf("loadConfig(%s) = %v, want a configError", file, err)
			}
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("loadConfig(%s) (-want +got):\n%s", file, diff)
			}
			if strings.Contains(got, "hunter2") || strings.Contains(got, "aHVudGVyMg") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			for _, p := range ce {
				if p.at.file == nil {
					t.Errorf("%q has no place", p.text)
				}
			}
		})
	}
	golden, err := filepath.Glob("testdata/config/bad/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(golden) != len(files) {
		t.Errorf("there are %d files and %d texts about them", len(files), len(golden))
	}
}

// writeTree writes files below a new directory and gives the path of its
// dnstaster.yaml.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	// A bracket in the path must not be taken for a pattern.
	dir := filepath.Join(t.TempDir(), "etc[1]")
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "dnstaster.yaml")
}

// TestConfigBadTree is about what takes more than one file to get wrong.
func TestConfigBadTree(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{
			name: "foreign key in watches.d",
			files: map[string]string{
				"dnstaster.yaml":        "watches: []\n",
				"watches.d/team-a.yaml": "watches:\n  - name: a.example\nresolvers: [system]\n",
			},
			want: `watches.d/team-a.yaml:3:1: unknown key "resolvers"; known here: watches
     3 | resolvers: [system]
       | ^`,
		},
		{
			name: "one name in two files",
			files: map[string]string{
				"dnstaster.yaml":   "watches:\n  - name: a.example\n",
				"watches.d/b.yaml": "watches:\n  - name: b.example\n  - name: A.example\n",
			},
			want: `watches.d/b.yaml:3:5: a.example is watched twice
     3 |   - name: A.example
       |     ^`,
		},
		{
			name: "problems in the order of files and lines",
			files: map[string]string{
				"watches.d/b.yaml": "watches:\n  - nam: b.example\n",
				"watches.d/a.yaml": "watches:\n  - name: a.example\n    interval: 1s\n    owned: x\n",
				"dnstaster.yaml":   "watches: []\ntimng: {}\ntiming: {profile: slow}\n",
			},
			want: `dnstaster.yaml:2:1: unknown key "timng"; did you mean "timing"?
     2 | timng: {}
       | ^
dnstaster.yaml:3:9: profile: want default or lab, not "slow"
     3 | timing: {profile: slow}
       |         ^
watches.d/a.yaml:2:5: interval 1s is below 5s: resolvers of others would mind
     2 |   - name: a.example
       |     ^
watches.d/a.yaml:4:5: unknown key "owned"; did you mean "owner"?
     4 |     owned: x
       |     ^
watches.d/b.yaml:2:5: unknown key "nam"; did you mean "name"?
     2 |   - nam: b.example
       |     ^
5 problems`,
		},
		{
			name:  "too large",
			files: map[string]string{"dnstaster.yaml": strings.Repeat("#", maxFile) + "\n"},
			want:  "dnstaster.yaml:1:1: the file is larger than 1048576 bytes: put watches into several files in watches.d",
		},
		{
			name:  "too many words",
			files: map[string]string{"dnstaster.yaml": "private_zones:\n" + strings.Repeat("- a\n", maxTokens/2)},
			want: `dnstaster.yaml:50001:1: more than 100000 words and signs: put watches into several files in watches.d
 50001 | - a
       | ^`,
		},
		{
			name:  "a long line is cut around the place",
			files: map[string]string{"dnstaster.yaml": "private_zones: [" + strings.Repeat("a.example, ", 200) + "b..example, " + strings.Repeat("a.example, ", 200) + "c.example]\n"},
			want: `dnstaster.yaml:1:2217: not a domain name: "b..example" has a label that is empty or longer than 63 characters
     1 | ple, a.example, a.example, a.example, a.example, a.example, b..example, a.example, a.example, a.example, a.example, a.ex
       |                                                             ^`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadConfig(writeTree(t, tt.files))
			var ce configError
			if !errors.As(err, &ce) {
				t.Fatalf("loadConfig = %v, want a configError", err)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("loadConfig (-want +got):\n%s", diff)
			}
		})
	}
}

// TestConfigManyProblems bounds what is shown, and says how much there is.
func TestConfigManyProblems(t *testing.T) {
	_, err := loadConfig(writeTree(t, map[string]string{
		"dnstaster.yaml": "private_zones:\n" + strings.Repeat("- a..b\n", 1000),
	}))
	if err == nil {
		t.Fatal("loadConfig says nothing of a thousand problems")
	}
	if n := strings.Count(err.Error(), "not a domain name"); n != maxProblems {
		t.Errorf("%d problems are shown, want %d", n, maxProblems)
	}
	if !strings.HasSuffix(err.Error(), "\n1000 problems") {
		t.Errorf("the error does not say how many problems there are: …%s", err.Error()[len(err.Error())-60:])
	}
}

func TestConfigMissing(t *testing.T) {
	_, err := loadConfig(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loadConfig of no file = %v, want %v", err, fs.ErrNotExist)
	}
	// A directory of watches that cannot be listed is not an empty one.
	if _, err := loadConfig(writeTree(t, map[string]string{"dnstaster.yaml": "", "watches.d": "a file"})); err == nil {
		t.Error("loadConfig takes a file for the directory watches.d")
	}
}

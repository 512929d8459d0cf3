package score

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProfileHash(t *testing.T) {
	if a, b := ProfileHash("ab", "c"), ProfileHash("a", "bc"); a == b || len(a) != 12 {
		t.Errorf("%s and %s", a, b)
	}
	if a, b := ProfileHash("ab", "c"), ProfileHash("ab", "c"); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

func binary(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "binary")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made")
	open := func(profile, text string) Dir {
		d, err := OpenDir(path, profile, binary(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := Result{ID: "A01", Title: "spoof", Pass: true, Seconds: 1.5, Rules: []string{"D1"}, Why: "because", Live: Rounds{3, 1}}
	kept := open("p", "one")
	for _, v := range []Result{{ID: "A01"}, want} { // the later one stays
		if err := kept.Save("A01", "case", v); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		what       string
		dir        Dir
		name, hash string
		want       bool
	}{
		{"the same", open("p", "one"), "A01", "case", true},
		{"another profile", open("q", "one"), "A01", "case", false},
		{"another binary", open("p", "two"), "A01", "case", false},
		{"a case that changed", kept, "A01", "other", false},
		{"another case", kept, "A02", "case", false},
	} {
		var got Result
		ok, err := c.dir.Load(c.name, c.hash, &got)
		if err != nil || ok != c.want {
			t.Errorf("%s: %v, %v", c.what, ok, err)
		}
		if !ok {
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
	}

	files, err := os.ReadDir(path)
	if err != nil || len(files) != 1 || files[0].Name() != "A01.json" {
		t.Errorf("left in the directory: %v, %v", files, err)
	}
	if err := os.Truncate(filepath.Join(path, "A01.json"), 20); err != nil {
		t.Fatal(err)
	}
	if ok, err := kept.Load("A01", "case", new(Result)); ok || err != nil {
		t.Errorf("a file that is not whole: %v, %v", ok, err)
	}
}

func TestDirRefuses(t *testing.T) {
	if _, err := OpenDir(t.TempDir(), "p", "no/such/binary"); err == nil {
		t.Error("a binary that is not there has a hash")
	}
	d, err := OpenDir(t.TempDir(), "p", binary(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "../A01", "a/b", ".hidden"} {
		if err := d.Save(name, "", Result{}); err == nil || !strings.Contains(err.Error(), "no name") {
			t.Errorf("saving %q: %v", name, err)
		}
		if _, err := d.Load(name, "", new(Result)); err == nil {
			t.Errorf("loading %q is no error", name)
		}
	}
	if err := d.Save("A01", "", func() {}); err == nil {
		t.Error("what is no JSON is saved")
	}
}

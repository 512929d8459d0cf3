package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadRun(t *testing.T) {
	const text = `fuzz: elapsed: 0s, gathering baseline coverage: 0/6 completed
fuzz: elapsed: 0s, gathering baseline coverage: 6/6 completed, now fuzzing with 1 workers
fuzz: elapsed: 3s, execs: 3252 (1084/sec), new interesting: 16 (total: 22)
fuzz: elapsed: 6s, execs: 11846 (2865/sec), new interesting: 27 (total: 33)
something that the target wrote
fuzz: elapsed: 1m9s, execs: 19362 (3746/sec), new interesting: 27 (total: 33)
PASS
`
	got, err := readRun(strings.NewReader(text))
	want := ran{elapsed: 69 * time.Second, newest: 6 * time.Second, execs: 19362, began: 6, found: 27}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ran{})); err != nil || diff != "" {
		t.Errorf("readRun: %v (-want +got):\n%s", err, diff)
	}
	got.cpu = 23 * time.Second
	if q := got.quiet(); q != 21*time.Second {
		t.Errorf("quiet for %v of 23 s, the last news after 6 of 69, want 21 s", q)
	}
	if _, err := readRun(strings.NewReader("PASS\n")); err == nil {
		t.Error("a run that says nothing is taken")
	}
}

// The targets of this module are found, with those of the hub and of a spoke.
func TestTargetsOfModule(t *testing.T) {
	all, err := targets("../..")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range all {
		found[f.String()] = true
	}
	for _, name := range []string{"monitor FuzzParseName", "monitor/resolver FuzzStream", "storage FuzzKeys"} {
		if !found[name] {
			t.Errorf("%s is not among %v", name, all)
		}
	}
}

// A real target is run for a moment, and what it says is understood. The flags
// of a test binary are not promised either.
func TestFuzzRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a module")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.test/m\n\ngo 1.26\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\nfunc FuzzX(f *testing.F) {\n\tf.Add([]byte(\"a\"))\n" +
			"\tf.Fuzz(func(t *testing.T, b []byte) {\n\t\tif len(b) > 2 && b[0] == 'b' {\n\t\t\treturn\n\t\t}\n\t})\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	r, err := fuzzing{parallel: 1}.run(context.Background(), target{".", "FuzzX"}, time.Second, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if r.execs == 0 || r.cpu == 0 || r.began == 0 {
		t.Errorf("run: %+v", r)
	}
}

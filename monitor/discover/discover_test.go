package discover

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestGolden reads a small application with something of every kind in it.
func TestGolden(t *testing.T) {
	r, err := Run(t.Context(), []string{"testdata/app"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const path = "testdata/app.golden.json"
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("-want +got; -update writes it anew:\n%s", diff)
	}
	if strings.Contains(string(got), "pl4nted") {
		t.Error("a value of a secret is in the report")
	}
	if strings.Contains(string(got), "never.") {
		t.Error("a name is in the report that nobody calls")
	}
}

// tree writes files below a new directory, and changes into the one above it, so
// that what is told of them is the same everywhere.
func tree(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		path := filepath.Join("app", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// read reads trees, and gives the names of the hosts and what was passed over.
func read(t *testing.T, paths ...string) (hosts, passed []string, r Report) {
	t.Helper()
	r, err := Run(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range r.Hosts {
		hosts = append(hosts, h.Name)
	}
	for _, p := range r.PassedOver {
		passed = append(passed, p.Reason+": "+strings.Join(p.Files, " "))
	}
	return hosts, passed, r
}

const callsA = "requests.get('https://a.test/', timeout=1)\n"

// TestPassedOver has everything that is not read be said.
func TestPassedOver(t *testing.T) {
	deep := strings.Repeat("d/", maxDepth+1)
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"nothing", map[string]string{"a.py": callsA}, nil},
		{"large", map[string]string{"a.py": callsA, "b.py": callsA + strings.Repeat("# x\n", maxFile/4)}, []string{tooLarge + ": app/b.py"}},
		{"binary", map[string]string{"a.py": callsA, "b.py": "\x00" + callsA}, []string{binaryFile + ": app/b.py"}},
		{"UTF-16", map[string]string{"a.py": callsA, "b.py": "\xff\xfeh\x00"}, []string{binaryFile + ": app/b.py"}},
		{"Latin-1", map[string]string{"a.py": callsA, "b.py": "# \xe9\n" + callsA}, []string{binaryFile + ": app/b.py"}},
		{"minified", map[string]string{"a.py": callsA, "b.js": strings.Repeat("f('https://b.test');", 1000)}, []string{generated + ": app/b.js"}},
		{"long", map[string]string{"a.py": callsA, "b.ts": strings.Repeat("f(1)\n", maxWords/5+1)}, []string{tooLong + ": app/b.ts"}},
		{"deep", map[string]string{"a.py": callsA, deep + "b.py": callsA}, []string{tooDeep + ": app/" + strings.TrimSuffix(deep, "/")}},
		{"made", map[string]string{"a.py": callsA, "b.min.js": "", "b.pb.go": "", "b.d.ts": "", "b_pb2.py": ""}, []string{notOurs + ": app/b.d.ts app/b.min.js app/b.pb.go app/b_pb2.py"}},
		{"vendored", map[string]string{"a.py": callsA, "vendor/b.go": "", "x/node_modules/b.js": "", "env/pyvenv.cfg": "", "env/b.py": callsA},
			[]string{notOurs + ": app/env app/vendor app/x/node_modules"}},
		{"hidden", map[string]string{"a.py": callsA, ".git/b.py": callsA, ".venv/b.py": callsA}, []string{hiddenDir + ": app/.git app/.venv"}},
		{"tests", map[string]string{"a.py": callsA, "b_test.go": "", "test_b.py": callsA, "b.spec.ts": "", "docs/b.py": callsA},
			[]string{testCode + ": app/b.spec.ts app/b_test.go app/docs app/test_b.py"}},
		{"OpenAPI", map[string]string{"a.py": callsA, "api.yaml": "openapi: 3.0.0\nservers:\n  - url: https://b.test\n"}, []string{description + ": app/api.yaml"}},
		{"other files", map[string]string{"a.py": callsA, "b.txt": "https://b.test", "b.json": `{"url":"https://b.test"}`}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree(t, tt.files)
			hosts, passed, _ := read(t, "app")
			if diff := cmp.Diff([]string{"a.test"}, hosts); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, passed); diff != "" {
				t.Errorf("passed over (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLinks follows no link but one that is given itself.
func TestLinks(t *testing.T) {
	tree(t, map[string]string{"a.py": callsA})
	if err := os.WriteFile("outside.py", []byte("requests.get('https://outside.test/', timeout=1)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"app/out.py": "../outside.py", "app/loop": "..", "app/gone.py": "nowhere", "given": "app"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	hosts, passed, _ := read(t, "app", "given")
	if diff := cmp.Diff([]string{"a.test"}, hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{aLink + ": app/gone.py app/out.py given/gone.py given/out.py"}, passed); diff != "" {
		t.Errorf("passed over (-want +got):\n%s", diff)
	}
}

// TestPipe has a pipe among the files hold nobody.
func TestPipe(t *testing.T) {
	tree(t, map[string]string{"a.py": callsA})
	if err := syscall.Mkfifo("app/b.py", 0o644); err != nil {
		t.Fatal(err)
	}
	if hosts, _, _ := read(t, "app"); len(hosts) != 1 {
		t.Errorf("hosts: %v", hosts)
	}
	if _, err := Run(t.Context(), []string{"app/b.py"}); err == nil {
		t.Error("a pipe is read as a file")
	}
}

// TestFile reads what is given by name, whatever it is called.
func TestFile(t *testing.T) {
	tree(t, map[string]string{"tests/test_a.py": callsA})
	hosts, _, r := read(t, "app/tests/test_a.py")
	if diff := cmp.Diff([]string{"a.test"}, hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Place{{"app/tests/test_a.py", 1}}, r.Hosts[0].Places); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	if _, err := Run(t.Context(), []string{filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, []string{"testdata/app"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is over: %v", err)
	}
}

// TestPairs gives each host the keys that are named for it, and others the
// nearest of the file.
func TestPairs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  map[string][]string
	}{
		{"one host in the file", map[string]string{"a.py": "u = 'https://a.test/'\n" + strings.Repeat("\n", 100) + "k = os.environ['API_KEY']\n"},
			map[string][]string{"a.test": {"API_KEY"}}},
		{"the nearest", map[string]string{"a.py": "u = 'https://a.test/'\nk = os.environ['API_KEY']\n" + strings.Repeat("\n", 10) + "v = 'https://b.test/'\nl = os.environ['API_SECRET']\n"},
			map[string][]string{"a.test": {"API_KEY"}, "b.test": {"API_SECRET"}}},
		{"too far", map[string]string{"a.py": "u = 'https://a.test/'\nv = 'https://b.test/'\n" + strings.Repeat("\n", near+5) + "k = os.environ['API_KEY']\n"},
			map[string][]string{"a.test": nil, "b.test": nil}},
		{"by the host's name, in another file", map[string]string{"a.py": "u = 'https://api.stripe.test/'\nv = 'https://b.test/'\n", "config.py": "k = os.environ['STRIPE_KEY']\n"},
			map[string][]string{"api.stripe.test": {"STRIPE_KEY"}, "b.test": nil}},
		{"by the name of what holds the address", map[string]string{".env": "PARTNER_URL=https://x1.test\nOTHER_URL=https://x2.test\nOTHER_TOKEN=1\nPARTNER_TOKEN=2\n"},
			map[string][]string{"x1.test": {"PARTNER_TOKEN"}, "x2.test": {"OTHER_TOKEN"}}},
		{"a domain of an API", map[string]string{"a.py": "u = 'https://www.mapapis.test/'\nv = 'https://b.test/'\nk = os.environ['MAP_TOKEN']\n"},
			map[string][]string{"www.mapapis.test": {"MAP_TOKEN"}, "b.test": nil}},
		{"a password in the address", map[string]string{".env": "DATABASE_URL=postgres://u:p@db1.test/x\n"},
			map[string][]string{"db1.test": {"DATABASE_URL"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree(t, tt.files)
			_, _, r := read(t, "app")
			got := map[string][]string{}
			for _, h := range r.Hosts {
				got[h.Name] = h.SecretNames
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

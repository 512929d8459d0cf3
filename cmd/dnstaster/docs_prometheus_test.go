package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// describedMetrics reads the metrics that the code describes, with their labels,
// out of its source: some of them show only when something goes wrong.
func describedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	metrics := map[string][]string{}
	for _, file := range []string{"metrics.go", "../../control/metrics.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name, ok := call.Fun.(*ast.Ident)
			if !ok || name.Name != "desc" && name.Name != "partDesc" {
				return true
			}
			var words []string
			for _, a := range call.Args {
				lit, ok := a.(*ast.BasicLit)
				if !ok {
					t.Fatalf("%s: a metric is described by what is no literal", file)
				}
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				words = append(words, text)
			}
			metrics["dnstaster_"+words[0]] = words[2:]
			if words[1] == "" || !strings.HasSuffix(words[1], ".") {
				t.Errorf("%s: its help is no sentence: %q", words[0], words[1])
			}
			return false
		})
	}
	if len(metrics) < 40 {
		t.Fatalf("only %d metrics were found", len(metrics))
	}
	return metrics
}

var (
	metricUse  = regexp.MustCompile(`\b((?:dnstaster|process|go)_[a-z0-9_]+)\b(?:\{([^}]*)\})?`)
	labelUse   = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	targetOnly = []string{"job", "instance"} // labels that Prometheus adds
)

// checkUses holds what an expression, or a series, names against the code.
func checkUses(t *testing.T, where, expr string, metrics map[string][]string) (n int) {
	t.Helper()
	for _, use := range metricUse.FindAllStringSubmatch(expr, -1) {
		name := use[1]
		n++
		if !strings.HasPrefix(name, "dnstaster_") {
			if !slices.Contains([]string{"process_resident_memory_bytes", "process_cpu_seconds_total"}, name) {
				t.Errorf("%s: %s may not be there", where, name)
			}
			continue
		}
		labels, ok := metrics[name]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, name)
			continue
		}
		for _, l := range labelUse.FindAllStringSubmatch(use[2], -1) {
			if !slices.Contains(labels, l[1]) && !slices.Contains(targetOnly, l[1]) {
				t.Errorf("%s: %s has no label %s", where, name, l[1])
			}
		}
	}
	return n
}

// TestPrometheusRules holds the shipped rules against the code, and has each
// rule say what a reader at night needs and be tested.
func TestPrometheusRules(t *testing.T) {
	metrics := describedMetrics(t)
	dir := filepath.Join("..", "..", "docs", "prometheus")
	text, err := os.ReadFile(filepath.Join(dir, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				For                 string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(dir, "alerts_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	uses, rules := 0, 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			rules++
			uses += checkUses(t, r.Alert, r.Expr, metrics)
			if !strings.Contains(string(tests), `alertname="`+r.Alert+`"`) {
				t.Errorf("%s has no test", r.Alert)
			}
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s lacks a severity or its words", r.Alert)
			}
			checkRunbook(t, r.Alert, r.Annotations["runbook_url"])
		}
	}
	if uses += checkUses(t, "alerts_test.yml", string(tests), metrics); uses < 60 || rules < 18 {
		t.Errorf("only %d uses of metrics in %d rules were found", uses, rules)
	}
}

// checkRunbook finds a runbook that is not in this tree, or has no such heading.
func checkRunbook(t *testing.T, where, url string) {
	t.Helper()
	path, ok := strings.CutPrefix(url, "https://github.com/dnstaster/dnstaster/blob/main/docs/")
	if !ok {
		t.Errorf("%s: runbook_url %q is none of ours", where, url)
		return
	}
	path, heading, _ := strings.Cut(path, "#")
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", path))
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if heading == "" || strings.Contains(heading, "{{") {
		return
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if title := strings.TrimLeft(line, "#"); title != line && strings.ReplaceAll(strings.ToLower(strings.TrimSpace(title)), " ", "-") == heading {
			return
		}
	}
	t.Errorf("%s: %s has no heading for %s", where, path, heading)
}

// TestPromtool has Prometheus itself read the rules and run their tests.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		// The tests must run on a machine with git and Go alone; .ci/run refuses the skip.
		t.Skip("promtool is not installed (lab/install.sh): TestPrometheusRules checks what can be checked without it")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = filepath.Join("..", "..", "docs", "prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestGrafanaDashboard holds the shipped dashboard against the code, and its
// panels against each other.
func TestGrafanaDashboard(t *testing.T) {
	metrics := describedMetrics(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "grafana", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	type source struct{ Type, UID string }
	var board struct {
		Title      string
		UID        string
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Panels []struct {
			ID                       int
			Type, Title, Description string
			Datasource               source
			GridPos                  struct{ H, W, X, Y int }
			Targets                  []struct {
				RefID, Expr string
				Datasource  source
			}
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	vars := map[string]bool{"__rate_interval": true}
	for _, v := range board.Templating.List {
		vars[v.Name] = true
		checkUses(t, "variable "+v.Name, strings.ReplaceAll(v.Definition, "label_values(", " "), metrics)
	}
	type cell struct{ x, y int }
	cells, ids, uses := map[cell]string{}, map[int]bool{}, 0
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: its id is there twice, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[cell{x, y}]; other != "" || x >= 24 {
					t.Errorf("%q lies on %q, or beyond the edge", p.Title, other)
				}
				cells[cell{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("%q shows nothing, or does not say what", p.Title)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			uses += checkUses(t, p.Title, target.Expr, metrics)
			if refs[target.RefID] || target.Datasource.UID != "${datasource}" {
				t.Errorf("%q: a target's name is there twice, or its source is fixed", p.Title)
			}
			refs[target.RefID] = true
			for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				if !vars[v[1]] {
					t.Errorf("%q: there is no variable %s", p.Title, v[1])
				}
			}
		}
	}
	if uses < 25 {
		t.Errorf("only %d uses of metrics were found", uses)
	}
}

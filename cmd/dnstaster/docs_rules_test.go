package main

import (
	"go/ast"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// ruleMarks are what is said of every rule, in this order.
var ruleMarks = []string{"Sees", "Condition", "Means", "Looks alike", "Cleared by", "Weight", "Evaded by", "Sources"}

// TestRulePages has a page for every rule, and none without a rule, each with
// all that is to be said.
func TestRulePages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(docsDir, "rules", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, strings.TrimSuffix(filepath.Base(f), ".md"))
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(monitor.Rules())), slices.Sorted(slices.Values(got))); diff != "" {
		t.Errorf("pages (-of the rules +there are):\n%s", diff)
	}
	mark := regexp.MustCompile(`(?m)^- \*\*([A-Z][a-z ]+)\*\* \S`)
	for _, rule := range got {
		text := page(t, "rules/"+rule+".md")
		if diff := cmp.Diff([]string{rule}, headings(text, 1)); diff != "" {
			t.Errorf("title of %s (-want +got):\n%s", rule, diff)
		}
		var marks []string
		for _, m := range mark.FindAllStringSubmatch(text, -1) {
			marks = append(marks, m[1])
		}
		if diff := cmp.Diff(ruleMarks, marks); diff != "" {
			t.Errorf("what is said of %s (-want +got):\n%s", rule, diff)
		}
	}
}

// TestRuleIndex has every rule in the list, in the order of the code, with its
// family and a link to its page.
func TestRuleIndex(t *testing.T) {
	_, index, ok := strings.Cut(page(t, "rules.md"), "\n# The rules\n")
	if !ok {
		t.Fatal("docs/rules.md has no part 'The rules'")
	}
	var got [][]string
	for _, m := range regexp.MustCompile(`(?m)^\| \[([a-z0-9_.]+)\]\(rules/([a-z0-9_.]+)\.md\) \| ([a-z]+) \| \S.* \|$`).FindAllStringSubmatch(index, -1) {
		if m[1] != m[2] {
			t.Errorf("the line of %s leads to the page of %s", m[1], m[2])
		}
		got = append(got, []string{m[1], m[3]})
	}
	if diff := cmp.Diff(ruleFamilies(t), got); diff != "" {
		t.Errorf("rules and families (-of the code +of the page):\n%s", diff)
	}
}

// ruleFamilies reads the rules with the names of their families, in order, out
// of the source: the names are not exported.
func ruleFamilies(t *testing.T) [][]string {
	t.Helper()
	var found [][]string
	ast.Inspect(sources(t, "../../monitor")["rules.go"], func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || len(lit.Elts) != 3 {
			return true
		}
		id, ok := literal(lit.Elts[0])
		family, named := lit.Elts[1].(*ast.Ident)
		if ok && named {
			found = append(found, []string{id, family.Name})
		}
		return true
	})
	if len(found) != len(monitor.Rules()) {
		t.Fatalf("%d rules are found in the source, and there are %d", len(found), len(monitor.Rules()))
	}
	return found
}

// TestRuleWords has every rule and clearing test that a page names exist.
func TestRuleWords(t *testing.T) {
	families := map[string]bool{}
	known := slices.Concat(monitor.Rules(), monitor.Clearings())
	for _, id := range known {
		family, _, _ := strings.Cut(id, ".")
		families[family] = true
	}
	keys := map[string]bool{}
	keysKnown(reflect.TypeFor[config](), "", keys)
	found := 0
	for _, name := range pages(t) {
		for _, m := range regexp.MustCompile("`([a-z0-9]+)\\.[a-z0-9_]+`").FindAllStringSubmatch(page(t, name), -1) {
			id := strings.Trim(m[0], "`")
			if !families[m[1]] || keys[id] {
				continue // a key of the configuration
			}
			found++
			if !slices.Contains(known, id) {
				t.Errorf("docs/%s names %s, which there is not", name, id)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d rules and clearing tests were found", found)
	}
}

// TestRulesPage has every cause and every class on the page of rules.
func TestRulesPage(t *testing.T) {
	text := page(t, "rules.md")
	for _, cause := range constants(t, "../../monitor")["Cause"] {
		if !strings.Contains(text, "\n| "+cause+" | ") {
			t.Errorf("docs/rules.md does not say what cures %s", cause)
		}
	}
	classes := []monitor.Class{monitor.Verified, monitor.Historical, monitor.Witnessed, monitor.Authoritative, monitor.Kin, monitor.Strange, monitor.Special, monitor.ProvenBad}
	for _, c := range classes {
		if !strings.Contains(text, "\n| "+c.String()+" | ") {
			t.Errorf("docs/rules.md does not say what makes an address %s", c)
		}
	}
}

// TestNumbers holds the numbers of the page of rules against those of the code.
func TestNumbers(t *testing.T) {
	code := numbers(t, "../../monitor")
	timing := reflect.ValueOf(monitor.DefaultTiming())
	rows := regexp.MustCompile(`(?m)^\| [^|]+ \| ([A-Za-z.]+) \| ([0-9][0-9a-z]*) \|$`).FindAllStringSubmatch(page(t, "rules.md"), -1)
	if len(rows) < 30 {
		t.Fatalf("only %d numbers are found", len(rows))
	}
	listed := map[string]bool{}
	for _, row := range rows {
		want, ok := code[row[1]]
		if field, timed := strings.CutPrefix(row[1], "Timing."); timed {
			v := timing.FieldByName(field)
			if ok = v.IsValid(); ok {
				want = v.Int()
			}
		}
		if !ok {
			t.Errorf("docs/rules.md: there is no %s in the code", row[1])
			continue
		}
		listed[row[1]] = true
		if got, err := quantity(row[2]); err != nil || got != want {
			t.Errorf("docs/rules.md says that %s is %s; in the code it is %d (%v)", row[1], row[2], want, err)
		}
	}
	// Every wait of the judge, and every count that policy.go lists, is there.
	for i := range timing.NumField() {
		name := timing.Type().Field(i).Name
		if !slices.Contains([]string{"Plan", "CommitInterval", "Factor"}, name) && !listed["Timing."+name] {
			t.Errorf("docs/rules.md lacks Timing.%s", name)
		}
	}
	for name := range numbersOf(t, "../../monitor", "policy.go") {
		if !listed[name] && name != "LabFactor" && name != "clashFor" {
			t.Errorf("docs/rules.md lacks %s", name)
		}
	}
}

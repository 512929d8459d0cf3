package main

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// ruleMarks are what is said of every rule, in this order.
var ruleMarks = []string{"Sees", "Condition", "Looks alike", "Weight", "Evaded by", "Sources"}

// TestRulesPage has every rule on its page, each with all that is to be said.
func TestRulesPage(t *testing.T) {
	text := page(t, "rules.md")
	_, second, ok := strings.Cut(text, "\n# The rules\n")
	if !ok {
		t.Fatal("docs/rules.md has no part 'The rules'")
	}
	if diff := cmp.Diff(monitor.Rules(), headings(second, 2)); diff != "" {
		t.Errorf("rules (-of the code +of the page):\n%s", diff)
	}
	for _, part := range strings.Split(second, "\n## ")[1:] {
		rule, _, _ := strings.Cut(part, "\n")
		var marks []string
		for _, m := range regexp.MustCompile(`(?m)^- \*\*([A-Z][a-z ]+)\*\* \S`).FindAllStringSubmatch(part, -1) {
			marks = append(marks, m[1])
		}
		if diff := cmp.Diff(ruleMarks, marks); diff != "" {
			t.Errorf("%s (-want +got):\n%s", rule, diff)
		}
	}
	for _, cause := range constants(t, "../../monitor")["Cause"] {
		if !strings.Contains(text, "\n| "+cause+" | ") {
			t.Errorf("docs/rules.md does not say what cures %s", cause)
		}
	}
	classes := []monitor.Class{monitor.Verified, monitor.Historical, monitor.Witnessed, monitor.Kin, monitor.Strange, monitor.Special, monitor.ProvenBad}
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

package report_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

// officialSchema gives the schema that OASIS publishes with SARIF 2.1.0 errata
// 01. It stands in the sources of the module that reads SARIF in these tests,
// under a name that only those sources see.
func officialSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif").Output()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == "schema" {
			text, err = strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	const id = "sarif-schema-2.1.0.json"
	if err := c.AddResource(id, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// sarifFaults gives what is wrong with a log by the schema, and by what the
// standard says beyond it.
func sarifFaults(schema *jsonschema.Schema, text string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(doc)
}

// TestSARIFSchema holds logs against the official schema, hostile ones too, and
// has a reader of others find a result for each judgement that is not clean.
func TestSARIFSchema(t *testing.T) {
	schema := officialSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		r := filled[monitor.Report](t)
		text := written(t, "sarif", r)
		if err := sarifFaults(schema, text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		read, err := sarif.FromString(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, res := range read.Runs[0].Results {
			if rule := read.Runs[0].Tool.Driver.Rules[res.RuleIndex]; *rule.ID != *res.RuleID {
				t.Fatalf("result %d is of rule %q and points to %q", i, *res.RuleID, *rule.ID)
			}
		}
		want, got := map[bool]int{}, map[bool]int{}
		for _, j := range r.Watches {
			want[j.Verdict == monitor.Clean && len(j.Breaches) == 0]++
		}
		for _, res := range read.Runs[0].Results {
			clean := res.Kind == "pass"
			if (res.Level == "none") != clean {
				t.Fatalf("the kind %q has the level %q", res.Kind, res.Level)
			}
			got[clean]++
		}
		// What is clean has a result only where an alert stands beside it.
		if got[false] != want[false] || got[true] > want[true] {
			t.Fatalf("results that pass %d of %d, others %d of %d", got[true], want[true], got[false], want[false])
		}
	})
	// A schema that takes everything would prove nothing.
	text := written(t, "sarif", aside(monitor.High))
	for _, change := range [][2]string{{`"level": "none"`, `"level": "calm"`}, {`"version": "2.1.0"`, `"version": "2.2"`}, {`"ruleId"`, `"rule_id"`}} {
		if !strings.Contains(text, change[0]) || sarifFaults(schema, strings.Replace(text, change[0], change[1], 1)) == nil {
			t.Errorf("the schema takes %s", change[1])
		}
	}
}

// sarifMessages gives all text of a log that readers show as a message.
func sarifMessages(t interface{ Fatal(...any) }, text string) []string {
	type message struct{ Text string }
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct {
					Rules []struct{ ShortDescription, FullDescription, Help message }
				}
			}
			Invocations []struct {
				ToolExecutionNotifications []struct{ Message message }
			}
			Results []struct{ Message message }
		}
	}
	if err := json.Unmarshal([]byte(text), &log); err != nil {
		t.Fatal(err)
	}
	var ms []string
	for _, run := range log.Runs {
		for _, r := range run.Tool.Driver.Rules {
			ms = append(ms, r.ShortDescription.Text, r.FullDescription.Text, r.Help.Text)
		}
		for _, i := range run.Invocations {
			for _, n := range i.ToolExecutionNotifications {
				ms = append(ms, n.Message.Text)
			}
		}
		for _, r := range run.Results {
			ms = append(ms, r.Message.Text)
		}
	}
	return ms
}

// TestSARIFHostile looks in messages for links and placeholders (SARIF §3.11.5,
// §3.11.6), and for what a terminal would act on.
func TestSARIFHostile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, m := range sarifMessages(t, written(t, "sarif", filled[monitor.Report](t))) {
			if strings.ContainsAny(m, "{}") || strings.Contains(m, "](") {
				t.Fatalf("a placeholder or a link in %q", m)
			}
			for line := range strings.SplitSeq(m, "\n") {
				harmless(t, line)
			}
		}
	})
}

// TestSARIFMarkup has nothing that was made harmless make something else that
// is not.
func TestSARIFMarkup(t *testing.T) {
	r := monitor.NewReport(begin, []monitor.Judgement{
		{Name: apiA.Name, Type: monitor.TypeA, Verdict: monitor.Suspicious, Kind: "a/../b c", Reasons: []monitor.Reason{{Fact: "[x]{http://evil.example} {0} [y](z)"}}},
	}, nil)
	text := written(t, "sarif", r)
	for _, want := range []string{`why: [x] (http://evil.example) (0) [y] (z)`, `"helpUri": "` + monitor.RunbookBase + `a%2F..%2Fb%20c.md"`} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s:\n%s", want, text)
		}
	}
}

// TestSARIFFingerprints holds that a result is recognised from run to run: by
// the alert's key and the type, whatever the verdict, the id or the time.
func TestSARIFFingerprints(t *testing.T) {
	prints := func(r monitor.Report) (out []string) {
		read, err := sarif.FromString(written(t, "sarif", r))
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range read.Runs[0].Results {
			out = append(out, res.Fingerprints["dnstasterAlertKey/v1"])
		}
		return out
	}
	for _, tt := range stories {
		w, c := newWorld(), config()
		if tt.world != nil {
			tt.world(w)
		}
		r, _ := check(t, w, c)
		var want []string
		for _, j := range r.Watches {
			if j.Verdict != monitor.Clean {
				want = append(want, "api.partner.example./local/"+j.Type.String())
			}
		}
		if diff := cmp.Diff(want, prints(r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

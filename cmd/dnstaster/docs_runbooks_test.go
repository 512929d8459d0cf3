package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// runbookHeadings are those of every runbook of a kind, in this order: whoever
// was just woken finds the same thing in the same place.
var runbookHeadings = []string{
	"What it says", "What applications got", "Is it proven", "First five minutes", "Who to call", "When to rotate keys",
	"Is it a false alarm", "How it clears", "What would change the verdict",
}

// TestRunbooks has a page for every kind of alert, and none without a kind.
func TestRunbooks(t *testing.T) {
	kinds := constants(t, "../../monitor")["Kind"]
	if len(kinds) < 6 {
		t.Fatalf("only the kinds %v are found", kinds)
	}
	if !strings.HasSuffix(monitor.RunbookBase, "/docs/runbooks/") {
		t.Errorf("alerts lead to %s, and the pages are in docs/runbooks", monitor.RunbookBase)
	}
	files, err := filepath.Glob(filepath.Join(docsDir, "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, strings.TrimSuffix(filepath.Base(f), ".md"))
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(append(slices.Clone(kinds), "health"))), got); diff != "" {
		t.Errorf("runbooks (-of the kinds and health, +there are):\n%s", diff)
	}
	for _, kind := range got {
		if kind == "health" {
			continue
		}
		text := page(t, "runbooks/"+kind+".md")
		if diff := cmp.Diff([]string{kind}, headings(text, 1)); diff != "" {
			t.Errorf("title of %s (-want +got):\n%s", kind, diff)
		}
		if diff := cmp.Diff(runbookHeadings, headings(text, 2)); diff != "" {
			t.Errorf("headings of %s (-want +got):\n%s", kind, diff)
		}
		for _, h := range runbookHeadings {
			if _, rest, _ := strings.Cut(text, "## "+h+"\n"); strings.TrimSpace(strings.SplitN(rest, "\n## ", 2)[0]) == "" {
				t.Errorf("%s says nothing under %q", kind, h)
			}
		}
	}
}

// TestRunbookLeak has the pages speak of every leak that an alert of the kind
// can have, since it decides whether keys are rotated.
func TestRunbookLeak(t *testing.T) {
	for kind, leaks := range map[monitor.Kind][]monitor.Leak{
		monitor.PathRewritten:   {monitor.LeakUnchecked, monitor.LeakIfHijacked},
		monitor.LocalHost:       {monitor.LeakUnchecked, monitor.LeakIfHijacked},
		monitor.LocalProxy:      {monitor.LeakNo},
		monitor.PathInjection:   {monitor.LeakUnchecked, monitor.LeakIfHijacked},
		monitor.AttackAttempt:   {monitor.LeakNo, monitor.LeakUnchecked, monitor.LeakIfHijacked},
		monitor.ResolverCache:   {monitor.LeakNo, monitor.LeakUnchecked, monitor.LeakIfHijacked},
		monitor.Rebinding:       {monitor.LeakUnchecked, monitor.LeakIfHijacked},
		monitor.AuthorityHijack: {monitor.LeakNo, monitor.LeakUnchecked, monitor.LeakIfHijacked},
		monitor.TLSIntercepted:  {monitor.LeakNo},
		monitor.PathRedirected:  {monitor.LeakNo},
		monitor.PathRelayed:     {monitor.LeakNo},
		monitor.Denial:          {monitor.LeakNo},
		monitor.PolicyBlock:     {monitor.LeakNo},
	} {
		_, rest, _ := strings.Cut(page(t, "runbooks/"+string(kind)+".md"), "## When to rotate keys\n")
		section := strings.SplitN(rest, "\n## ", 2)[0]
		for _, leak := range leaks {
			if !strings.Contains(section, "`"+string(leak)+"`") {
				t.Errorf("the runbook of %s does not say what %s means for its keys", kind, leak)
			}
		}
	}
}

// TestRunbookOutput has each page show what explain says of such an alert: it is
// the first thing that is typed.
func TestRunbookOutput(t *testing.T) {
	for _, a := range []monitor.Alert{
		{Kind: monitor.PathRewritten, Verdict: monitor.Poisoned, Confidence: monitor.Confirmed},
		{Kind: monitor.LocalHost, Verdict: monitor.Poisoned, Confidence: monitor.Confirmed, Attribution: monitor.AtHost},
		{Kind: monitor.LocalProxy, Verdict: monitor.Clean, Confidence: monitor.Probable, Exposure: monitor.Exposure{Leak: monitor.LeakNo}},
		{Kind: monitor.PathInjection, Verdict: monitor.Poisoned, Confidence: monitor.Confirmed},
		{Kind: monitor.AttackAttempt, Verdict: monitor.Clean, Confidence: monitor.Confirmed, Exposure: monitor.Exposure{Leak: monitor.LeakNo}},
		{Kind: monitor.ResolverCache, Verdict: monitor.Poisoned, Confidence: monitor.Confirmed, Attribution: monitor.AtResolver},
		{Kind: monitor.Rebinding, Verdict: monitor.Unknown, Confidence: monitor.Suspected},
		{Kind: monitor.AuthorityHijack, Verdict: monitor.Suspicious, Confidence: monitor.Probable},
		{Kind: monitor.TLSIntercepted, Verdict: monitor.Clean, Confidence: monitor.Probable, Exposure: monitor.Exposure{Leak: monitor.LeakNo}},
		{Kind: monitor.PathRedirected, Verdict: monitor.Unknown, Confidence: monitor.Probable, Exposure: monitor.Exposure{Leak: monitor.LeakNo}},
		{Kind: monitor.PathRelayed, Verdict: monitor.Clean, Confidence: monitor.Probable, Exposure: monitor.Exposure{Leak: monitor.LeakNo}},
		{Kind: monitor.Denial, Verdict: monitor.Unknown, Confidence: monitor.Suspected, Exposure: monitor.Exposure{Leak: monitor.LeakNo}},
		{Kind: monitor.PolicyBlock, Verdict: monitor.Unknown, Confidence: monitor.Suspected, Exposure: monitor.Exposure{Leak: monitor.LeakNo}},
	} {
		a.Name, a.Type, a.Host, a.Resolver, a.State = "api.partner.example.", monitor.TypeA, "app-17.fra1", "system 10.0.0.2", monitor.Open
		var b strings.Builder
		if err := report.Explain(&b, monitor.Explanation{Alerts: []monitor.Alert{a}}, false); err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(b.String(), "\n")
		want := "\n    $ dnstaster explain ID\n    " + first + "\n"
		if !strings.Contains(page(t, "runbooks/"+string(a.Kind)+".md"), want) {
			t.Errorf("the runbook of %s does not show what is said of it:%s", a.Kind, want)
		}
	}
}

// TestHealthRunbook holds the page of health against the conditions: all of
// them, with how grave they are and when they are told.
func TestHealthRunbook(t *testing.T) {
	text := page(t, "runbooks/health.md")
	declared := conditions(t)
	if len(declared) < 4 {
		t.Fatalf("only %d conditions are found", len(declared))
	}
	var rows []condition
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z_]+) \| ([a-z]+) \| ([^|]*) \| ([a-z_]*) ?\|$`).FindAllStringSubmatch(text, -1) {
		if m[1] == "condition" {
			continue
		}
		rows = append(rows, condition{m[1], m[2], m[3], m[4]})
	}
	if diff := cmp.Diff(declared, rows, cmp.AllowUnexported(condition{})); diff != "" {
		t.Errorf("the table (-of the code +of the page):\n%s", diff)
	}
	var codes []string
	for _, c := range declared {
		codes = append(codes, c.code)
	}
	slices.Sort(codes)
	if diff := cmp.Diff(codes, slices.Sorted(slices.Values(headings(text, 3)))); diff != "" {
		t.Errorf("sections (-conditions +headings):\n%s", diff)
	}
}

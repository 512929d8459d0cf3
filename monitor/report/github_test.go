package report_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

// command is a workflow command as the runner reads it: what stands between the
// first two pairs of colons is its name and its properties, the rest its text.
var command = regexp.MustCompile(`^::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)$`)

// unescape reads text as the runner does.
func unescape(s string) string {
	return strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%").Replace(s)
}

// TestGitHubHostile has every line be one command and hold no other, and every
// judgement that is not clean have one.
func TestGitHubHostile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := filled[monitor.Report](t)
		var errors, warnings int
		lines := strings.Split(strings.TrimSuffix(written(t, "github", r), "\n"), "\n")
		for _, line := range lines {
			if line == "" && len(lines) == 1 {
				break
			}
			m := command.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("not one command: %q", line)
			}
			if strings.Contains(line, "##[") {
				t.Fatalf("a command of the older form in %q", line)
			}
			switch m[1] {
			case "error":
				errors++
			case "warning":
				warnings++
			}
			harmless(t, line)
			title, text := unescape(m[2]), unescape(m[3])
			harmless(t, title)
			for l := range strings.SplitSeq(text, "\n") {
				harmless(t, l)
			}
			if n := utf8.RuneCountInString(text); n > 4096 {
				t.Fatalf("an annotation of %d characters", n)
			}
		}
		var bad, unsure int
		for _, j := range r.Watches {
			switch {
			case j.Verdict == monitor.Poisoned, len(j.Breaches) > 0:
				bad++
			case j.Verdict == monitor.Clean:
			default:
				unsure++
			}
		}
		if errors != bad || warnings < unsure {
			t.Fatalf("%d errors and %d warnings of %d and %d", errors, warnings, bad, unsure)
		}
	})
}

// TestGitHubEscapes holds each sign that means something to the runner.
func TestGitHubEscapes(t *testing.T) {
	r := monitor.NewReport(begin, []monitor.Judgement{{
		Name: "a,b:c::d%0A::error::e.", Type: monitor.TypeA, Verdict: monitor.Poisoned, Reasons: []monitor.Reason{{Fact: "50%\n::stop-commands::x ##[add-mask]y"}},
	}}, nil)
	want := "::error title=POISONED a%2Cb%3Ac%3A%3Ad%250A%3A%3Aerror%3A%3Ae A::POISONED a,b:c::d%250A::error::e A%0Awhy: 50%25?::stop-commands::x ## [add-mask]y\n"
	if got := written(t, "github", r); got != want {
		t.Errorf("written:\n%s\nwant:\n%s", got, want)
	}
}

// TestGitHubOrder has the worst come first: GitHub shows ten of each sort.
func TestGitHubOrder(t *testing.T) {
	var js []monitor.Judgement
	for _, v := range []monitor.Verdict{monitor.Clean, monitor.Unknown, monitor.Suspicious, "", monitor.Poisoned, monitor.Unknown} {
		js = append(js, monitor.Judgement{Name: "a.example.", Type: monitor.TypeA, Verdict: v})
	}
	var got []string
	for line := range strings.Lines(written(t, "github", monitor.NewReport(begin, js, nil))) {
		got = append(got, strings.Fields(line)[1])
	}
	want := []string{"title=POISONED", "title=SUSPECT", "title=UNKNOWN", "title=UNKNOWN", "title=UNKNOWN"}
	if !slices.Equal(got, want) {
		t.Errorf("annotations %q, want %q", got, want)
	}
}

// markup is what has a meaning in Markdown or in HTML, wherever it stands.
const markup = "<>\"'`*_{}[]()+!~\\@$=:;^"

// TestSummaryHostile takes our own frame off each line, and finds nothing but
// words and character references.
func TestSummaryHostile(t *testing.T) {
	reference := regexp.MustCompile(`&#[0-9]+;`)
	frames := []*regexp.Regexp{
		regexp.MustCompile(`^## dnstaster: (.*)$`),
		regexp.MustCompile(`^\*\*Score\*\* (.*)$`),
		regexp.MustCompile(`^\*\*Not all could be judged\.\*\* (.*)$`),
		regexp.MustCompile(`^\| (?:\*\*)?([^|*]*)(?:\*\*)? \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$`),
		regexp.MustCompile(`^### (.*)$`),
		regexp.MustCompile(`^- \*\*(?:why|against|risk|do|cure|changes|lock|alert)\*\* (.*)$`),
	}
	rapid.Check(t, func(t *rapid.T) {
		text := written(t, "github_summary", filled[monitor.Report](t))
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			if line == "" || line == "| verdict | name | type | what is held |" || line == "| --- | --- | --- | --- |" {
				continue
			}
			var parts []string
			for _, f := range frames {
				if m := f.FindStringSubmatch(line); m != nil {
					parts = m[1:]
					break
				}
			}
			if parts == nil {
				t.Fatalf("no line of ours: %q", line)
			}
			for _, p := range parts {
				harmless(t, p)
				if strings.Contains(p, "&#64;") { // it calls somebody all the same
					t.Fatalf("an at sign in %q", line)
				}
				p = reference.ReplaceAllString(p, "")
				if strings.ContainsAny(p, markup+"&#|") || strings.Contains(strings.ToLower(p), "www.") {
					t.Fatalf("markup in %q of %q", p, line)
				}
			}
		}
	})
}

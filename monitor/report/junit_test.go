package report_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// junitElement is what the schema that Jenkins publishes (junit-10.xsd) has of
// an element, as far as it is written here.
type junitElement struct {
	attributes map[string]*regexp.Regexp
	required   []string
	children   []string // in any order and number, but for those in once
	once       []string
	text       bool
}

var (
	anything = regexp.MustCompile(`(?s)^.*$`)
	count    = regexp.MustCompile(`^[0-9]+$`)
	decimal  = regexp.MustCompile(`^[0-9]+\.[0-9]{3}$`)
	moment   = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$`)

	junitSchema = map[string]junitElement{
		"testsuites": {
			attributes: map[string]*regexp.Regexp{"name": anything, "tests": count, "failures": count, "errors": count, "time": decimal},
			children:   []string{"testsuite"},
		},
		"testsuite": {
			attributes: map[string]*regexp.Regexp{"name": anything, "tests": count, "failures": count, "errors": count, "skipped": count, "time": decimal, "timestamp": moment},
			required:   []string{"name", "tests", "failures", "errors", "skipped"},
			children:   []string{"testcase"},
			once:       []string{"properties"},
		},
		"properties": {children: []string{"property"}},
		"property":   {attributes: map[string]*regexp.Regexp{"name": anything, "value": anything}, required: []string{"name", "value"}},
		"testcase": {
			attributes: map[string]*regexp.Regexp{"classname": anything, "name": anything, "time": decimal},
			required:   []string{"classname", "name"},
			once:       []string{"failure", "error", "system-out"},
		},
		"failure":    {attributes: map[string]*regexp.Regexp{"message": anything, "type": anything}, required: []string{"message", "type"}, text: true},
		"error":      {attributes: map[string]*regexp.Regexp{"message": anything, "type": anything}, required: []string{"message", "type"}, text: true},
		"system-out": {text: true},
	}
)

// junitCounts is how many of each element there are, and what the suite says.
type junitCounts struct {
	elements map[string]int
	said     map[string]string
	texts    []string
}

// readJUnit reads a document strictly, and gives what is wrong with it.
func readJUnit(text string) (junitCounts, error) {
	c := junitCounts{elements: map[string]int{}}
	d := xml.NewDecoder(strings.NewReader(text))
	var open []string
	var seen []map[string]bool
	for {
		token, err := d.Token()
		if err == io.EOF && len(open) == 0 && c.elements["testsuites"] == 1 {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		switch x := token.(type) {
		case xml.ProcInst:
			if x.Target != "xml" {
				return c, fmt.Errorf("an instruction %q", x.Target)
			}
		case xml.Comment, xml.Directive:
			return c, fmt.Errorf("a comment or a directive")
		case xml.StartElement:
			name := x.Name.Local
			schema, ok := junitSchema[name]
			if !ok {
				return c, fmt.Errorf("an element %q", name)
			}
			if len(open) == 0 && name != "testsuites" {
				return c, fmt.Errorf("%q is the root", name)
			}
			if n := len(open); n > 0 {
				parent := junitSchema[open[n-1]]
				if !slices.Contains(parent.children, name) && !slices.Contains(parent.once, name) {
					return c, fmt.Errorf("%q in %q", name, open[n-1])
				}
				if slices.Contains(parent.once, name) && seen[n-1][name] {
					return c, fmt.Errorf("%q twice in %q", name, open[n-1])
				}
				seen[n-1][name] = true
			}
			values := map[string]string{}
			for _, a := range x.Attr {
				values[a.Name.Local] = a.Value
				if form := schema.attributes[a.Name.Local]; form == nil || !form.MatchString(a.Value) {
					return c, fmt.Errorf("attribute %s=%q of %q", a.Name.Local, a.Value, name)
				}
				c.texts = append(c.texts, a.Value)
			}
			for _, r := range schema.required {
				if _, ok := values[r]; !ok {
					return c, fmt.Errorf("%q lacks %q", name, r)
				}
			}
			if name == "testsuite" {
				c.said = values
			}
			c.elements[name]++
			open, seen = append(open, name), append(seen, map[string]bool{})
		case xml.EndElement:
			open, seen = open[:len(open)-1], seen[:len(seen)-1]
		case xml.CharData:
			inText := len(open) > 0 && junitSchema[open[len(open)-1]].text
			if !inText && strings.TrimSpace(string(x)) != "" {
				return c, fmt.Errorf("text %q in %q", x, open)
			}
			if inText {
				c.texts = append(c.texts, string(x))
			}
		}
	}
}

// TestJUnitSchema has hostile reports be well-formed, of the right form, and
// right in what they count; and nothing hostile left in them.
func TestJUnitSchema(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := filled[monitor.Report](t)
		r.GeneratedAt = begin
		text := written(t, "junit", r)
		c, err := readJUnit(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		var failures, errors int
		for _, j := range r.Watches {
			switch {
			case j.Verdict == monitor.Suspicious, j.Verdict == monitor.Poisoned, len(j.Breaches) > 0:
				failures++
			case j.Verdict == monitor.Clean:
			default:
				errors++
			}
		}
		// A report that is worse than all that is in it has one case more.
		extra := c.elements["testcase"] - len(r.Watches)
		if extra != 0 && extra != 1 || c.elements["failure"] != failures || c.elements["error"] != errors+extra {
			t.Fatalf("%v for %d failures and %d errors", c.elements, failures, errors)
		}
		for key, element := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"} {
			if n, _ := strconv.Atoi(c.said[key]); n != c.elements[element] {
				t.Fatalf("%s is %d, and there are %d of %s", key, n, c.elements[element], element)
			}
		}
		for _, text := range c.texts {
			for line := range strings.SplitSeq(text, "\n") {
				harmless(t, line)
			}
		}
	})
	// A check that takes everything would prove nothing.
	text := written(t, "junit", aside(monitor.High))
	for _, change := range [][2]string{{"</testsuites>", ""}, {`tests="`, `test="`}, {"<system-out>", "<out>"}, {"<testcase ", "<!-- x --><testcase "}, {` classname="dnstaster"`, ""}} {
		if _, err := readJUnit(strings.Replace(text, change[0], change[1], 1)); err == nil || !strings.Contains(text, change[0]) {
			t.Errorf("%q for %q is found right", change[1], change[0])
		}
	}
}

// TestJUnitMarkup puts what means something to XML into names and facts.
func TestJUnitMarkup(t *testing.T) {
	evil := `"/></failure></testcase><testcase name="x"/>]]><![CDATA[ &amp; <!-- `
	r := monitor.NewReport(begin, []monitor.Judgement{
		{Name: evil, Type: monitor.TypeA, Verdict: monitor.Poisoned, Reasons: []monitor.Reason{{Fact: evil}}},
	}, nil)
	c, err := readJUnit(written(t, "junit", r))
	if err != nil {
		t.Fatal(err)
	}
	if c.elements["testcase"] != 1 || c.elements["failure"] != 1 {
		t.Errorf("elements: %v, want one test case with one failure", c.elements)
	}
	if !slices.ContainsFunc(c.texts, func(s string) bool { return strings.Contains(s, report.Printable(evil)) }) {
		t.Errorf("the fact is not in the text: %q", c.texts)
	}
}

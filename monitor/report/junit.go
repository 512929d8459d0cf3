package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string        `xml:"name,attr"`
		Tests     int           `xml:"tests,attr"`
		Failures  int           `xml:"failures,attr"`
		Errors    int           `xml:"errors,attr"`
		Skipped   int           `xml:"skipped,attr"`
		Time      string        `xml:"time,attr"`
		Timestamp string        `xml:"timestamp,attr"`
		Values    *[]junitValue `xml:"properties>property"`
		Cases     []junitCase   `xml:"testcase"`
	}
	junitValue struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Class   string       `xml:"classname,attr"`
		Name    string       `xml:"name,attr"`
		Time    string       `xml:"time,attr"`
		Failure *junitDetail `xml:"failure"`
		Error   *junitDetail `xml:"error"`
		Out     *junitOut    `xml:"system-out"`
	}
	junitDetail struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",cdata"`
	}
	junitOut struct {
		Text string `xml:",cdata"`
	}
)

// JUnit writes a report as JUnit XML, with one test case for each watched name
// and type. Suspect and poisoned are failures, and so is a broken lock. Unknown is an error: a skipped
// test is shown as green by many, and unknown is not clean. So is a report that
// could not judge all that it was given, as a case of its own. took is how long
// it took to come by; single cases bear no time.
func JUnit(w io.Writer, r monitor.Report, took time.Duration) error {
	s := junitSuite{
		Name: "dnstaster", Time: seconds(took),
		Timestamp: r.GeneratedAt.UTC().Format("2006-01-02T15:04:05"),
	}
	if r.Score != nil {
		vs := []junitValue{{"dnstaster.score", strconv.Itoa(r.Score.Points)}, {"dnstaster.score.arithmetic", Printable(r.Score.Arithmetic())}}
		for _, n := range r.Score.Names {
			vs = append(vs, junitValue{"dnstaster.score.points", Printable(scoreLine(n))})
		}
		s.Values = &vs
	}
	for i, c := range cases(r) {
		j := junitCase{Class: "dnstaster", Name: c.title(), Time: seconds(0)}
		text, err := block(r, c, i)
		if err != nil {
			return err
		}
		d := &junitDetail{Message: c.headline(), Type: Printable(orA(string(c.Kind), strings.ToLower(c.word()))), Text: text}
		switch {
		case c.bad():
			j.Failure = d
			s.Failures++
		case c.Verdict == monitor.Clean:
			j.Out = &junitOut{text}
		default:
			j.Error = d
			s.Errors++
		}
		s.Cases = append(s.Cases, j)
	}
	if beyond(r) {
		text := Printable(sum(r))
		s.Errors++
		s.Cases = append(s.Cases, junitCase{
			Class: "dnstaster", Name: "everything that was given", Time: seconds(0), Error: &junitDetail{Message: text, Type: Printable(string(r.Verdict)), Text: text},
		})
	}
	s.Tests = len(s.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	err := e.Encode(junitSuites{Name: s.Name, Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Time: s.Time, Suites: []junitSuite{s}})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}

// block gives c, the i-th judgement of a report, as Text shows it, with the
// alerts that stand aside of it.
func block(r monitor.Report, c verdictCase, i int) (string, error) {
	var b strings.Builder
	p := &printer{w: &b}
	p.name(r.Watches[i:i+1], r, map[string]bool{}, "")
	for n, a := range c.asides {
		p.field("alert", n, "%s", marked(a, fmt.Sprintf("%s, %s: %s", a.ID, a.Severity, a.Summary)))
	}
	return b.String(), p.err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", max(d, 0).Seconds()) }

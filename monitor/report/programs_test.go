package report_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// formats are the forms of a report that programs read.
var formats = map[string]func(w io.Writer, r monitor.Report) error{
	"sarif":  func(w io.Writer, r monitor.Report) error { return report.SARIF(w, r, "0.1.0", watchedAt) },
	"junit":  func(w io.Writer, r monitor.Report) error { return report.JUnit(w, r, 1400*time.Millisecond) },
	"github": report.GitHub,
	"github_summary": func(w io.Writer, r monitor.Report) error {
		return report.GitHubSummary(w, r)
	},
}

func watchedAt(name string) report.Place {
	if name == apiA.Name {
		return report.Place{File: "ci/dnstaster.yaml", Line: 4}
	}
	return report.Place{}
}

func written(t interface {
	Helper()
	Fatal(...any)
}, format string, r monitor.Report) string {
	t.Helper()
	var b strings.Builder
	if err := formats[format](&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// stories are reports as the real monitor makes them, one for each verdict.
var stories = []struct {
	name   string
	world  func(*world)
	config func(*monitor.Config)
	want   monitor.Verdict
}{
	{
		name:  "poisoned",
		world: func(w *world) { w.answer(apiA, []string{falseAddr}, plain...) },
		want:  monitor.Poisoned,
	},
	{
		name:   "suspect",
		world:  func(w *world) { w.answer(apiA, []string{falseAddr}, "system/udp") },
		config: func(c *monitor.Config) { c.References, c.Twins = nil, nil },
		want:   monitor.Suspicious,
	},
	{
		name: "unknown",
		world: func(w *world) {
			clear(w.certs)
			for i, witness := range []string{"cloudflare/dot", "google/dot", "quad9/dot"} {
				w.answer(apiA, []string{fmt.Sprintf("203.0.113.%d0", i+2)}, witness)
			}
		},
		want: monitor.Unknown,
	},
	{name: "clean", want: monitor.Clean},
}

// TestPrograms writes each story in each form that programs read.
func TestPrograms(t *testing.T) {
	for _, tt := range stories {
		w, c := newWorld(), config()
		if tt.world != nil {
			tt.world(w)
		}
		if tt.config != nil {
			tt.config(&c)
		}
		r, _ := check(t, w, c)
		if r.Verdict != tt.want {
			t.Errorf("%s: verdict %s, want %s", tt.name, r.Verdict, tt.want)
		}
		for format := range formats {
			t.Run(tt.name+"/"+format, func(t *testing.T) {
				golden(t, format+"_"+tt.name, written(t, format, r))
			})
		}
	}
}

// aside is a report of a forgery in vain: the name is clean, and there is an
// alert.
func aside(severity monitor.Severity) monitor.Report {
	return monitor.NewReport(begin, []monitor.Judgement{
		{Name: apiA.Name, Type: monitor.TypeA, Verdict: monitor.Clean, Proof: "certificate"},
		{Name: apiA.Name, Type: monitor.TypeAAAA, Verdict: monitor.Clean},
	}, []monitor.Alert{{
		ID: "01KAT3Q7W20000000000000007", Key: "api.partner.example./local", Kind: monitor.AttackAttempt, Severity: severity, Name: apiA.Name,
		Type: monitor.TypeAAAA, State: monitor.Open, Exposure: monitor.Exposure{Leak: monitor.LeakNo}, Summary: "app-17: someone forges answers",
	}})
}

// TestAside has an alert that changes no verdict be told beside it.
func TestAside(t *testing.T) {
	for _, severity := range []monitor.Severity{monitor.Low, monitor.High} {
		r := aside(severity)
		want := ""
		if severity == monitor.High {
			want = "::warning title=attack_attempt api.partner.example AAAA::app-17: someone forges answers%0Aalert: 01KAT3Q7W20000000000000007, high\n"
		}
		if diff := cmp.Diff(want, written(t, "github", r)); diff != "" {
			t.Errorf("annotations (-want +got):\n%s", diff)
		}
		for _, format := range []string{"sarif", "junit", "github_summary"} {
			if text := written(t, format, r); !strings.Contains(text, "01KAT3Q7W20000000000000007") || !strings.Contains(text, "someone forges answers") {
				t.Errorf("%s does not tell of the alert:\n%s", format, text)
			}
		}
	}
}

// TestBeyond holds that a report of nothing, or one that could not be finished,
// looks clean in no form.
func TestBeyond(t *testing.T) {
	cut := aside(monitor.Low)
	cut.Alerts, cut.Verdict = nil, monitor.Unknown
	for name, r := range map[string]monitor.Report{"nothing": monitor.NewReport(begin, nil, nil), "cut": cut} {
		for format, want := range map[string]string{
			"sarif": `"executionSuccessful": false`, "junit": `errors="1"`, "github": "::warning title=dnstaster::UNKNOWN%3A", "github_summary": "## dnstaster: unknown",
		} {
			want = strings.ReplaceAll(want, "%3A", ":")
			if text := written(t, format, r); !strings.Contains(text, want) {
				t.Errorf("%s of %s lacks %q:\n%s", format, name, want, text)
			}
		}
	}
	whole := aside(monitor.Low)
	for format, not := range map[string]string{"sarif": "toolExecutionNotifications", "junit": "<error", "github": "::", "github_summary": "Not all"} {
		if text := written(t, format, whole); strings.Contains(text, not) {
			t.Errorf("%s of a whole report has %q:\n%s", format, not, text)
		}
	}
}

// TestPlaces has names that no file names, and names of files that must be
// encoded.
func TestPlaces(t *testing.T) {
	r := monitor.NewReport(begin, []monitor.Judgement{{Name: apiA.Name, Type: monitor.TypeA, Verdict: monitor.Suspicious}}, nil)
	for _, tt := range []struct {
		place report.Place
		want  string
	}{
		{report.Place{}, ""},
		{report.Place{File: "a b/c#d%.yaml"}, `"uri": "a%20b/c%23d%25.yaml"`},
		{report.Place{File: "c:d.yaml", Line: 3}, `"uri": "./c:d.yaml"`},
		{report.Place{File: "/etc/dnstaster/dnstaster.yaml"}, `"uri": "file:///etc/dnstaster/dnstaster.yaml"`},
	} {
		var b strings.Builder
		if err := report.SARIF(&b, r, "", func(string) report.Place { return tt.place }); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), tt.want) || tt.want == "" && strings.Contains(b.String(), "physicalLocation") {
			t.Errorf("SARIF at %+v lacks %q:\n%s", tt.place, tt.want, b.String())
		}
		if got := strings.Contains(b.String(), `"startLine": 3`); got != (tt.place.Line == 3) {
			t.Errorf("SARIF at %+v has line 3: %t", tt.place, got)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestFormatsSayWhatCannotBeWritten(t *testing.T) {
	r := monitor.NewReport(begin, []monitor.Judgement{{Name: apiA.Name, Verdict: monitor.Poisoned}}, nil)
	for name, write := range formats {
		if err := write(broken{}, r); err == nil || err.Error() != "disk full" {
			t.Errorf("%s gives %v, want what the writer says", name, err)
		}
	}
}

// TestSummaryFits has a report of two thousand bad names fit into the summary
// of a step.
func TestSummaryFits(t *testing.T) {
	var js []monitor.Judgement
	for range 2000 {
		js = append(js, monitor.Judgement{Name: strings.Repeat("a-", 100) + "example.", Verdict: monitor.Poisoned, Reasons: []monitor.Reason{{Fact: strings.Repeat("<", 5000)}}})
	}
	text := written(t, "github_summary", monitor.NewReport(begin, js, nil))
	if len(text) > 1<<20 {
		t.Errorf("the summary has %d bytes, and GitHub takes 1 MiB of a step", len(text))
	}
	if !strings.Contains(text, "\nLeft out, for want of room: ") {
		t.Error("the summary does not say that something is left out")
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestDemo plays the demo in this process, all its forms at once, as main does:
// what it says, how it ends, and that nothing of it is left.
func TestDemo(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("play", func(t *testing.T) {
		t.Run("poisoned", func(t *testing.T) {
			t.Parallel()
			out := playDemo(t, exitClean)
			wantStory(t, out, "started", "clean", "ATTACK", "suspect", "poisoned", "webhook", "PASS")
			for _, want := range []string{
				"bravo's cache now says 127.0.6.66, ttl 86400 (the zone's is 300)",
				"resolver_cache at bravo 127.0.2.2; 127.0.6.66 shows a certificate for another name twice",
				"alert.opened critical, signature valid",
				"right name, resolver and kind, no other alert",
			} {
				if !strings.Contains(out, want) {
					t.Errorf("the demo does not say %q:\n%s", want, out)
				}
			}
		})
		t.Run("no poison", func(t *testing.T) {
			t.Parallel()
			out := playDemo(t, exitClean, "--no-poison")
			wantStory(t, out, "started", "clean", "PASS")
			for _, never := range []string{"ATTACK", "suspect", "poisoned", "alert.", demoFalse} {
				if strings.Contains(out, never) {
					t.Errorf("nothing is forged, and the demo says %q:\n%s", never, out)
				}
			}
		})
		t.Run("without the proof", func(t *testing.T) {
			t.Parallel()
			out := playDemo(t, exitSuspect, "--without", "id.tls_mismatch")
			wantStory(t, out, "started", "clean", "ATTACK", "FAIL")
			if strings.Contains(out, "PASS") {
				t.Errorf("the demo passes without its proof:\n%s", out)
			}
		})
		t.Run("json", func(t *testing.T) {
			t.Parallel()
			demoJSON(t, playDemo(t, exitClean, "--json"))
		})
		t.Run("json without the proof", func(t *testing.T) {
			t.Parallel()
			text := playDemo(t, exitSuspect, "--json", "--without", "id.tls_mismatch")
			got := decodeDemo(t, text)
			if got.Pass || got.Why == "" {
				t.Errorf("pass is %v because of %q, want false and why", got.Pass, got.Why)
			}
		})
	})
	goleak.VerifyNone(t, before)
}

// playDemo runs the command and gives what it prints.
func playDemo(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(append([]string{"demo"}, args...), nil, &out, &errs); got != want {
		t.Errorf("demo %v ends with %d, want %d:\n%s%s", args, got, want, out.String(), errs.String())
	}
	if errs.Len() > 0 {
		t.Errorf("demo %v complains: %s", args, errs.String())
	}
	return out.String()
}

// wantStory holds the lines of a play against the steps that it must have, in
// this order and no other.
func wantStory(t *testing.T, out string, want ...string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && strings.HasSuffix(f[0], "s") && f[0][0] >= '0' && f[0][0] <= '9':
			got = append(got, f[1])
		case len(f) > 0 && (f[0] == "PASS" || f[0] == "FAIL"):
			got = append(got, f[0])
		}
	}
	// Whether doubt or more comes before a failure is not what fails it.
	if want[len(want)-1] == "FAIL" {
		got = slices.DeleteFunc(got, func(s string) bool { return !slices.Contains(want, s) })
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s\n%s", diff, out)
	}
}

// decodeDemo reads one document of known keys, and nothing after it.
func decodeDemo(t *testing.T, text string) demoOutcome {
	t.Helper()
	var raw map[string]json.RawMessage
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&raw); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	if err := d.Decode(new(any)); err != io.EOF {
		t.Errorf("there is more after the document: %v", err)
	}
	for _, key := range []string{"pass", "why", "story", "alert", "alerts"} {
		if raw[key] == nil {
			t.Errorf("the document lacks %q", key)
		}
		delete(raw, key)
	}
	delete(raw, "seconds_after_forgery")
	for key := range raw {
		t.Errorf("the document has %q, which no contract names", key)
	}
	var out demoOutcome
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// demoJSON holds a run that passed against the contract of the report.
func demoJSON(t *testing.T, text string) {
	got := decodeDemo(t, text)
	if !got.Pass || got.AlertCount != 1 || got.Alert == nil {
		t.Fatalf("pass %v, %d alerts, want one alert and a pass:\n%s", got.Pass, got.AlertCount, text)
	}
	if got.After <= 0 || got.After > demoLimit.Seconds() {
		t.Errorf("the alert came %v s after the forgery", got.After)
	}
	var steps []string
	at := 0.0
	for _, l := range got.Story {
		steps = append(steps, l.What)
		if l.Seconds < at {
			t.Errorf("the story goes back in time at %+v", l)
		}
		at = l.Seconds
	}
	if diff := cmp.Diff([]string{"started", "clean", "ATTACK", "suspect", "poisoned", "webhook"}, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	a := *got.Alert
	type essence struct {
		Name, Resolver     string
		Kind               monitor.Kind
		Severity           monitor.Severity
		Confidence         monitor.Confidence
		Verdict            monitor.Verdict
		State              monitor.State
		Expected, Observed []string
		Secrets            []string
	}
	want := essence{
		demoName, "bravo 127.0.2.2", monitor.ResolverCache, monitor.Critical, monitor.Confirmed, monitor.Poisoned, monitor.Open,
		[]string{demoTrue}, []string{demoFalse}, []string{"PARTNER_API_KEY"},
	}
	is := essence{a.Name, a.Resolver, a.Kind, a.Severity, a.Confidence, a.Verdict, a.State, a.Expected, a.Observed, a.Exposure.SecretNames}
	if diff := cmp.Diff(want, is); diff != "" {
		t.Errorf("the alert (-want +got):\n%s", diff)
	}
	for _, rule := range []string{"id.tls_mismatch", "pin.violation"} {
		if !slices.ContainsFunc(a.Reasons, func(r monitor.Reason) bool { return r.Rule == rule && r.Fact != "" }) {
			t.Errorf("the alert lacks the reason %s: %+v", rule, a.Reasons)
		}
	}
}

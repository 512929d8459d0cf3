package report_test

import (
	"strings"
	"testing"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// unlocked is a clean name whose lock is broken all the same, in a report with a score.
func unlocked() monitor.Report {
	r := monitor.NewReport(begin, []monitor.Judgement{
		{Name: "api.partner.example.", Type: monitor.TypeA, Verdict: monitor.Clean, Proof: "certificate right, key in the lock", Proven: true, Locked: true,
			Breaches: []string{"none of the name servers of partner.example. is in the lock: ns1.evil.example."}},
	}, nil)
	s := monitor.NewScore(r.Watches)
	r.Score = &s
	return r
}

// TestBrokenLock has no form of a report look clean while the lock is broken, and
// every one show how the score comes about.
func TestBrokenLock(t *testing.T) {
	for form, wants := range map[string][]string{
		"text":           {"LOCK BROKEN  none of the name servers", "SCORE  0 of 100", "0 right + 0 proven"},
		"sarif":          {`"level": "error"`, `"ruleId": "pin.violation"`, `"points": 0`, "none of the name servers"},
		"junit":          {`failures="1"`, `<failure `, `<property name="dnstaster.score" value="0">`, "0 right + 0 proven"},
		"github":         {"::error title=CLEAN", "none of the name servers", "::notice title=score 0::", "0 right + 0 proven"},
		"github_summary": {"the lock is broken", "**Score** 0 of 100", "**CLEAN**"},
		"json":           {`"breaches": [`, `"points": 0`},
	} {
		var b strings.Builder
		var err error
		switch form {
		case "text":
			err = report.Text(&b, unlocked(), 0)
		case "json":
			err = report.JSON(&b, unlocked())
		default:
			b.WriteString(written(t, form, unlocked()))
		}
		if err != nil {
			t.Fatal(err)
		}
		text := b.String()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", form, want, text)
			}
		}
	}
}

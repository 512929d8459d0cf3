package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Explain writes every reason for what is held of a name or an alert. verbose
// adds the weights, in decibans, and who answered what.
func Explain(w io.Writer, e monitor.Explanation, verbose bool) error {
	p := &printer{w: w}
	for i, a := range e.Alerts {
		if i > 0 {
			p.line("")
		}
		p.alert(a, verbose)
	}
	for i, j := range e.Judgements {
		if slices.ContainsFunc(e.Alerts, func(a monitor.Alert) bool { return a.Type == j.Type && a.State != monitor.Resolved }) && !verbose {
			continue
		}
		if i > 0 || len(e.Alerts) > 0 {
			p.line("")
		}
		p.judgement(j, verbose)
	}
	return p.err
}

func (p *printer) alert(a monitor.Alert, verbose bool) {
	head := strings.ToUpper(string(a.Verdict))
	switch {
	case a.State == monitor.Resolved:
		head = "OVER"
	case a.Verdict == monitor.Clean:
		head = "CLEAN AGAIN"
	}
	p.line("%s  %s", head, a.Summary)
	p.field("alert", 0, "%s, %s, %s %s, %s since %s", a.ID, a.Kind, a.Severity, a.Confidence, a.State, a.OpenedAt.UTC().Format(time.DateTime))
	p.why(a.Reasons, a.Against, verbose)
	p.field("changes", 0, "%s", a.WouldChange)
	end := "now"
	if a.Exposure.Until != nil {
		end = a.Exposure.Until.UTC().Format(time.TimeOnly)
	}
	p.field("exposed", 0, "%s %s-%s: %s", orA(strings.Join(a.Exposure.SecretNames, ", "), "what is sent to "+short(a.Name)),
		a.Exposure.From.UTC().Format(time.TimeOnly), end, Risk(a.Exposure.Leak))
	for i, g := range a.Guidance {
		p.field("do", i, "%d %s", i+1, g)
	}
	if a.Note != nil {
		p.field("note", 0, "by uid %d at %s: %s", a.Note.UID, a.Note.At.UTC().Format(time.DateTime), a.Note.Comment)
	}
}

func (p *printer) why(rs []monitor.Reason, against []string, verbose bool) {
	for i, r := range rs {
		if verbose {
			p.field("for", i, "%-90s %s %+d", r.Fact, r.Rule, r.Weight)
		} else {
			p.field("for", i, "%-90s %s", r.Fact, r.Rule)
		}
	}
	for i, s := range against {
		p.field("against", i, "%s", s)
	}
	if len(rs) > 0 && len(against) == 0 {
		p.field("against", 0, "nothing")
	}
}

func (p *printer) judgement(j monitor.Judgement, verbose bool) {
	head := fmt.Sprintf("%s  %s %s", strings.ToUpper(string(j.Verdict)), short(j.Name), j.Type)
	if j.Cause != "" {
		head += "  " + string(j.Cause)
	}
	if !j.Since.IsZero() {
		head += "  since " + j.Since.UTC().Format(time.DateTime)
	}
	p.line("%s", head)
	if j.Proof != "" {
		p.field("proof", 0, "%s", j.Proof)
	}
	p.why(j.Reasons, j.Against, verbose)
	if j.Cure != "" {
		p.field("cure", 0, "%s", j.Cure)
	} else if j.WouldChange != "" {
		p.field("changes", 0, "%s", j.WouldChange)
	}
	if j.Checking {
		p.field("now", 0, "evidence is being gathered")
	}
	if j.Verdict != monitor.Clean || verbose {
		p.answers(j)
	} else {
		p.clean(j, false)
	}
}

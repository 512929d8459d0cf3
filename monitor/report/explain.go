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
		if !verbose && slices.ContainsFunc(e.Alerts, func(a monitor.Alert) bool { return says(a, j) }) {
			p.maintenance(j)
			continue
		}
		if i > 0 || len(e.Alerts) > 0 {
			p.line("")
		}
		p.judgement(j, verbose)
	}
	return p.err
}

// says reports whether the alert tells all that the judgement would.
func says(a monitor.Alert, j monitor.Judgement) bool {
	return a.Name == j.Name && a.Type == j.Type && a.Kind == j.Kind && a.State != monitor.Resolved && a.Exposure.Leak != monitor.LeakNo
}

func (p *printer) alert(a monitor.Alert, verbose bool) {
	head, before := strings.ToUpper(string(a.Verdict)), ""
	switch {
	case a.State == monitor.Resolved && a.Verdict == monitor.Clean:
		head, before = "OVER", "no longer: "
	case a.State == monitor.Resolved: // by hand, or since nobody watches the name any more
		head = fmt.Sprintf("CLOSED, last %s", a.Verdict)
	case a.Verdict == monitor.Clean && a.Exposure.Leak != monitor.LeakNo:
		head, before = "CLEAN AGAIN", "no longer: " // the path of this host was bent, and no longer is
	}
	if a.IsIncident() {
		head += fmt.Sprintf("  %d names", len(a.Names))
	} else {
		head += fmt.Sprintf("  %s %s", short(a.Name), a.Type)
	}
	if a.Host != "" {
		head += " on " + a.Host
	}
	text := fmt.Sprintf("%s: %s%s (%s)", head, before, claim(a.Kind, a.Attribution, a.Resolver, a.Verdict), sure(a.Confidence))
	if a.Drill {
		text = a.Summary // nothing of that is so
	}
	p.line("%s", marked(a, text))
	p.names(a)
	p.reasons("for", a.Reasons, verbose)
	p.voices(a.Voices, a.Because)
	for i, s := range a.Against {
		p.field("against", i, "%s", s)
	}
	if len(a.Against) == 0 && !a.Drill && (a.Verdict == monitor.Suspicious || a.Verdict == monitor.Poisoned) {
		p.field("against", 0, "nothing")
	}
	if a.WouldChange != "" {
		p.field("changes", 0, "%s", a.WouldChange)
	}
	p.field("exposed", 0, "%s", exposed(a))
	p.guidance(a)
	p.field("alert", 0, "%s, %s, %s %s, %s since %s UTC", a.ID, a.Kind, a.Severity, a.Confidence, a.State, stateSince(a).UTC().Format(time.DateTime))
	if a.Incident != "" {
		p.field("part of", 0, "%s, which stands for this name and others: dnstaster explain %[1]s", a.Incident)
	}
	if a.Note != nil {
		p.field("note", 0, "by uid %d at %s UTC: %s", a.Note.UID, a.Note.At.UTC().Format(time.DateTime), orA(a.Note.Comment, "nothing said"))
	}
}

// names shows what an incident stands for.
func (p *printer) names(a monitor.Alert) {
	if !a.IsIncident() {
		return
	}
	var ns []string
	for _, n := range a.Names {
		ns = append(ns, short(n))
	}
	p.field("names", 0, "%s", strings.Join(ns, ", "))
	if len(a.Owners) > 0 {
		p.field("owners", 0, "%s", strings.Join(a.Owners, ", "))
	}
	p.field("seen at", 0, "%s %s, as follows; each name has an alert of its own", short(a.Name), a.Type)
}

// maintenance says that a planned change is under way.
func (p *printer) maintenance(j monitor.Judgement) {
	if w := j.Maintenance; w != nil {
		p.field("window", 0, "%s", window(*w))
	}
}

// stateSince is when the alert came into its state.
func stateSince(a monitor.Alert) time.Time {
	switch {
	case a.State == monitor.Resolved && a.ResolvedAt != nil:
		return *a.ResolvedAt
	case (a.State == monitor.Acknowledged || a.State == monitor.Silenced) && a.Note != nil:
		return a.Note.At
	}
	return a.OpenedAt
}

// reasons shows facts with the rules that found them.
func (p *printer) reasons(name string, rs []monitor.Reason, verbose bool) {
	for i, r := range rs {
		tag := r.Rule
		if verbose {
			tag += fmt.Sprintf(" %+d", r.Weight)
		}
		p.tagged(name, i, r.Fact, tag)
	}
}

func (p *printer) judgement(j monitor.Judgement, verbose bool) {
	head := fmt.Sprintf("%s  %s %s", strings.ToUpper(string(j.Verdict)), short(j.Name), j.Type)
	from := ""
	if !j.Since.IsZero() {
		from = "since " + j.Since.UTC().Format(time.DateTime) + " UTC"
	}
	p.heading(head, about(j), from)
	switch {
	case j.Verdict == monitor.Clean:
		p.clean([]monitor.Judgement{j})
		p.breaches([]monitor.Judgement{j})
		p.reasons("noticed", j.Reasons, verbose)
	case len(j.Reasons) == 0:
		p.why(j)
	case j.Verdict == monitor.Unknown:
		p.reasons("why", j.Reasons, verbose)
	default:
		p.reasons("for", j.Reasons, verbose)
	}
	p.maintenance(j)
	if j.Because != "" {
		p.field("so it is", 0, "%s", j.Because)
	}
	for i, s := range j.Against {
		p.field("against", i, "%s", s)
	}
	if len(j.Against) == 0 && len(j.Reasons) > 0 && (j.Verdict == monitor.Suspicious || j.Verdict == monitor.Poisoned) {
		p.field("against", 0, "nothing")
	}
	p.ends(j)
	if j.Verdict != monitor.Clean || verbose {
		p.answers(j)
	}
}

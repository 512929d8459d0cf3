package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Text writes a report for people. took is how long it took to come by; 0
// leaves it out.
func Text(w io.Writer, r monitor.Report, took time.Duration) error {
	p := &printer{w: w}
	told := map[string]bool{} // alerts that stand beside their judgement
	groups := byName(r.Watches)
	for i, js := range groups {
		right := ""
		switch {
		case i > 0:
			p.line("")
		case took > 0:
			right = fmt.Sprintf("%.1f s", took.Seconds())
		}
		p.name(js, r, told, right)
		if i == len(groups)-1 || groups[i+1][0].Name != js[0].Name {
			p.others(js[0].Name, r.Alerts, told)
		}
	}
	if r.Score != nil {
		p.score(*r.Score)
	}
	return p.err
}

// byName puts the types of a name together where they are all clean, so that
// they take one block.
func byName(js []monitor.Judgement) [][]monitor.Judgement {
	var groups [][]monitor.Judgement
	for _, j := range js {
		n := len(groups) - 1
		if n >= 0 && j.Verdict == monitor.Clean && groups[n][0].Verdict == monitor.Clean && groups[n][0].Name == j.Name {
			groups[n] = append(groups[n], j)
			continue
		}
		groups = append(groups, []monitor.Judgement{j})
	}
	return groups
}

func (p *printer) name(js []monitor.Judgement, r monitor.Report, told map[string]bool, right string) {
	j := js[0]
	var types []string
	for _, j := range js {
		types = append(types, j.Type.String())
	}
	head := fmt.Sprintf("%s  %s  %s", strings.ToUpper(string(j.Verdict)), short(j.Name), strings.Join(types, " "))
	p.heading(head, about(j), right)
	if j.Verdict == monitor.Clean {
		p.clean(js)
		p.breaches(js)
		p.field("not checked", 0, "%s", notChecked(js, r.Stats))
		return
	}
	p.answers(j)
	p.why(j)
	for i, a := range j.Against {
		p.field("against", i, "%s", a)
	}
	if a, ok := alertOf(j, r.Alerts); ok && told[a.ID] {
		p.field("do", 0, "as above")
	} else if ok {
		told[a.ID] = true
		if risk := risk(a); risk != "" {
			p.field("risk", 0, "%s", risk)
		}
		p.guidance(a)
	}
	p.ends(j)
}

// breaches says what a lock of a name that is clean does not have: of others it is
// among the reasons.
func (p *printer) breaches(js []monitor.Judgement) {
	i := 0
	for _, j := range js {
		for _, b := range j.Breaches {
			p.field("LOCK BROKEN", i, "%s", b)
			i++
		}
	}
}

// about says after the name what is held of it.
func about(j monitor.Judgement) string {
	var parts []string
	if j.Verdict == monitor.Unknown && j.Cause != "" {
		parts = append(parts, caused(j.Cause))
	}
	if j.Kind != "" && j.Verdict != monitor.Clean {
		what := string(j.Kind)
		if words := claim(j.Kind, j.Attribution, j.Resolver, j.Verdict); words != what {
			what += ": " + words
		}
		if j.Confidence != monitor.Confirmed {
			what += " (" + sure(j.Confidence) + ")"
		}
		parts = append(parts, what)
	}
	return strings.Join(parts, "; ")
}

// why gives the reasons for a judgement that is not clean.
func (p *printer) why(j monitor.Judgement) {
	for i, r := range j.Reasons {
		p.field("why", i, "%s", r.Fact)
	}
	if len(j.Reasons) > 0 {
		return
	}
	own, _ := split(j)
	var last time.Time
	for _, o := range own {
		silent := o.Transport == monitor.System && len(o.Records) == 0 // getent does not say why it found nothing
		if o.Error == "" && !silent && o.At.After(last) {
			last = o.At
		}
	}
	switch {
	case j.Verdict == monitor.Unknown && j.Cause == monitor.CauseStale && !last.IsZero():
		p.field("why", 0, "the last answer of this host's path came at %s UTC", last.UTC().Format(time.DateTime))
	case j.Verdict == monitor.Unknown && j.Cause == monitor.CauseStale && len(own) > 0:
		p.field("why", 0, "no resolver of this host answered")
	case j.Verdict != monitor.Suspicious && j.Verdict != monitor.Poisoned:
	case last.IsZero():
		p.field("why", 0, "from before: the latest round brought no answer")
	default:
		p.field("why", 0, "from before: the latest round shows no sign of it, and that must hold")
	}
}

// ends says what would make a judgement another one.
func (p *printer) ends(j monitor.Judgement) {
	if j.Checking {
		p.field("now", 0, "evidence is being gathered; the verdict may still change")
	}
	if j.Verdict == monitor.Unknown && j.Cure != "" {
		p.field("cure", 0, "%s", j.Cure)
	} else if j.WouldChange != "" {
		p.field("changes", 0, "%s", j.WouldChange)
	}
}

func (p *printer) guidance(a monitor.Alert) {
	for i, g := range a.Guidance {
		p.field("do", i, "%d %s", i+1, g)
	}
}

// alertOf gives the alert that says what the judgement says. One alert may
// stand for both address types of a name.
func alertOf(j monitor.Judgement, as []monitor.Alert) (monitor.Alert, bool) {
	for _, a := range as {
		if a.Name == j.Name && a.Kind == j.Kind && a.Exposure.Leak != monitor.LeakNo && a.State != monitor.Resolved {
			return a, true
		}
	}
	return monitor.Alert{}, false
}

// risk says what a lie is worth to whoever tells it. That checking clients
// refuse it is said only where a handshake showed it.
func risk(a monitor.Alert) string {
	if a.Exposure.Leak == monitor.LeakUnchecked && !slices.ContainsFunc(a.Evidence, func(e monitor.Evidence) bool {
		return e.Outcome.Wrong() && slices.Contains(a.Observed, e.Address.String())
	}) {
		return "verify=False or http:// hands over the key; no certificate was seen there that a client could refuse"
	}
	return Risk(a.Exposure.Leak)
}

// others names the alerts about a name that do not stand beside its judgement:
// a lie that nobody here believed leaves the name clean.
func (p *printer) others(name string, as []monitor.Alert, told map[string]bool) {
	i := 0
	for _, a := range as {
		if a.Name != name || told[a.ID] {
			continue
		}
		p.field("alert", i, "%s", marked(a, fmt.Sprintf("%s, %s: %s", a.ID, a.Severity, a.Summary)))
		i++
	}
}

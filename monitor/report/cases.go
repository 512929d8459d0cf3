package report

import (
	"slices"
	"strings"

	"github.com/dnstaster/dnstaster/monitor"
)

// verdictCase is one watched name and type, as programs are shown it: one
// result, one test case, one annotation.
type verdictCase struct {
	monitor.Judgement
	alert  monitor.Alert // that says what the judgement says; without id where there is none
	asides []monitor.Alert
}

// cases gives one for each judgement of a report, in its order. Alerts that say
// something else than their name's judgement, as that somebody forges answers
// in vain, stand with the judgement of their type, or else with the first one of
// their name.
func cases(r monitor.Report) []verdictCase {
	cs := make([]verdictCase, len(r.Watches))
	told := map[string]bool{}
	for i, j := range r.Watches {
		cs[i].Judgement = j
		if j.Verdict == monitor.Clean {
			continue
		}
		if a, ok := alertOf(j, r.Alerts); ok {
			cs[i].alert = a
			told[a.ID] = true
		}
	}
	for _, a := range r.Alerts {
		if told[a.ID] {
			continue
		}
		at := slices.IndexFunc(cs, func(c verdictCase) bool { return c.Name == a.Name && c.Type == a.Type })
		if at < 0 {
			at = slices.IndexFunc(cs, func(c verdictCase) bool { return c.Name == a.Name })
		}
		if at >= 0 {
			cs[at].asides = append(cs[at].asides, a)
		}
	}
	return cs
}

// title names the case.
func (c verdictCase) title() string { return Printable(short(c.Name) + " " + c.Type.String()) }

// word is the verdict as a heading: in capitals, and never empty.
func (c verdictCase) word() string {
	return Printable(orA(strings.ToUpper(string(c.Verdict)), "UNKNOWN"))
}

// bad reports whether the case is one to be told of as a failure: a broken lock is,
// whatever the verdict.
func (c verdictCase) bad() bool {
	return c.Verdict == monitor.Poisoned || c.Verdict == monitor.Suspicious || len(c.Breaches) > 0
}

// headline says in a line what is held of the case.
func (c verdictCase) headline() string {
	s := c.word() + " " + c.title()
	what := about(c.Judgement)
	if c.Verdict == monitor.Clean {
		what = c.Proof
	}
	if what != "" {
		s += ": " + Printable(what)
	}
	if len(c.Breaches) > 0 {
		s += "; the lock is broken"
	}
	if c.alert.Drill {
		return "DRILL " + s
	}
	return s
}

// point is one thing to say of a case, under a label.
type point struct{ label, text string }

// points gives reasons, risk, what to do and what would end it, in that order,
// and then the alerts that stand aside.
func (c verdictCase) points() []point {
	var ps []point
	add := func(label, text string) {
		if text != "" {
			ps = append(ps, point{label, Printable(text)})
		}
	}
	if c.Verdict != monitor.Clean {
		for _, reason := range c.Reasons {
			add("why", reason.Fact)
		}
		for _, a := range c.Against {
			add("against", a)
		}
		if c.alert.ID != "" {
			add("risk", risk(c.alert))
		}
		for _, g := range c.alert.Guidance {
			add("do", g)
		}
		if c.Verdict == monitor.Unknown && c.Cure != "" {
			add("cure", c.Cure)
		} else {
			add("changes", c.WouldChange)
		}
	}
	for _, b := range c.Breaches {
		if c.Verdict == monitor.Clean { // of others it is among the reasons
			add("lock", "broken: "+b)
		}
	}
	for _, a := range c.asides {
		add("alert", marked(a, a.ID+", "+a.Severity.String()+": "+a.Summary))
	}
	return ps
}

// beyond reports whether a report is worse than all that is in it, as where a
// file could not be read to its end, or where there was nothing to judge. What
// then is written of it must not look clean.
func beyond(r monitor.Report) bool {
	worst := monitor.Clean
	for _, j := range r.Watches {
		worst = worst.Worse(j.Verdict)
	}
	return r.Verdict.Rank() > worst.Rank()
}

// atMost gives at most n characters of s, the last of them an ellipsis where
// something is left out.
func atMost(s string, n int) string {
	rs := []rune(s)
	if len(rs) <= n {
		return s
	}
	return string(rs[:n-1]) + "…"
}

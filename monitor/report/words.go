package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// because says in words what keeps a verdict from being known.
func because(c monitor.Cause) string {
	switch c {
	case monitor.CauseNoWitness:
		return "nobody independent could confirm it"
	case monitor.CauseNoProof:
		return "nothing can show whose the address is"
	case monitor.CauseFamilyUnreachable:
		return "no route from here to addresses of that family"
	case monitor.CauseLearning:
		return "not seen for long enough yet"
	case monitor.CauseStale:
		return "the last answer is too old"
	case monitor.CauseCaptive:
		return "a portal answers for everybody"
	case monitor.CauseTLSInspected:
		return "every certificate is re-signed on the way"
	case monitor.CauseClock:
		return "this host's clock is wrong"
	case monitor.CauseWithheld:
		return "a resolver denies or blocks what others give"
	}
	return ""
}

// caused gives a cause with its words.
func caused(c monitor.Cause) string {
	if words := because(c); words != "" {
		return string(c) + ": " + words
	}
	return string(c)
}

// claim says what is held to go on.
func claim(k monitor.Kind, at monitor.Attribution, resolver string, v monitor.Verdict) string {
	switch {
	case k == monitor.PathInjection && resolver != "":
		return fmt.Sprintf("someone between here and %s answers first", server(resolver))
	case k == monitor.AttackAttempt && v == monitor.Suspicious:
		return "queries get two answers that contradict each other, one of them forged"
	case k == monitor.AttackAttempt && v == monitor.Clean:
		return "someone forges answers; the one that was accepted is right"
	case k == monitor.ResolverCache && resolver != "" && at == monitor.AtResolver:
		return fmt.Sprintf("resolver %s gives a false answer", resolver)
	case k == monitor.ResolverCache && resolver != "":
		return fmt.Sprintf("a false answer by %s, or on the way to it", resolver)
	}
	return k.Phrase()
}

// server gives the address in the label of a resolver.
func server(label string) string { return label[strings.LastIndexByte(label, ' ')+1:] }

// sure says how far something is proven.
func sure(c monitor.Confidence) string {
	switch c {
	case monitor.Confirmed:
		return "proven"
	case monitor.Probable:
		return "probable, NOT proven"
	case monitor.Suspected:
		return "suspected, NOT proven"
	}
	return "NOT proven"
}

// Risk says in a line what a leak is worth; nothing where that is not known.
func Risk(l monitor.Leak) string {
	switch l {
	case monitor.LeakNo:
		return "no application of this host gets a false address by it"
	case monitor.LeakUnchecked:
		return "clients that check certificates refuse it; verify=False or http:// hands over the key"
	case monitor.LeakIfHijacked:
		return "certificate checks do not protect here: count what was sent as known to others"
	}
	return ""
}

// exposed says what a lie may have cost: which secrets, from when until when, to whom.
func exposed(a monitor.Alert) string {
	e := a.Exposure
	switch {
	case a.Drill:
		return "nothing: it is a drill"
	case e.Leak == monitor.LeakNo && a.Kind == monitor.AttackAttempt:
		return "nothing: the answers that were accepted are right"
	case e.Leak == monitor.LeakNo:
		return "nothing: " + Risk(e.Leak)
	}
	to := short(a.Name)
	if a.IsIncident() {
		to = "these names"
	}
	s := orA(strings.Join(e.SecretNames, ", "), "what is sent to "+to)
	if !e.From.IsZero() {
		s += " " + span(e.From, e.Until, a.LastSeenAt)
	}
	if len(e.Units) > 0 {
		s += ", " + strings.Join(e.Units, ", ") + " connected"
	}
	if len(e.Clients) > 0 {
		s += ", asked by " + strings.Join(e.Clients, ", ")
	}
	switch e.Leak {
	case monitor.LeakUnchecked:
		s += "; leak only without certificate check"
	case monitor.LeakIfHijacked:
		s += "; leak likely if hijacked"
	}
	return s
}

// span gives a stretch of time, in UTC, with its dates where it is not all on
// one day.
func span(from time.Time, until *time.Time, seen time.Time) string {
	layout, end := time.TimeOnly, seen
	if until != nil {
		end = *until
	}
	if day(from) != day(end) {
		layout = time.DateTime
	}
	if until == nil {
		return from.UTC().Format(layout) + "-now"
	}
	return from.UTC().Format(layout) + "-" + until.UTC().Format(layout)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// since gives the time of day of t, and its date where that is not now's.
func since(t, now time.Time) string {
	if day(t) == day(now) {
		return t.UTC().Format(time.TimeOnly)
	}
	return t.UTC().Format(time.DateTime)
}

// window says until when a planned change is under way, and what for.
func window(w monitor.Window) string {
	s := "maintenance until " + w.Until.UTC().Format(time.DateTime) + " UTC: moves and pins call nobody"
	if w.Reason != "" {
		s += " (" + w.Reason + ")"
	}
	return s
}

// marked puts DRILL before what is only a drill.
func marked(a monitor.Alert, text string) string {
	if a.Drill && !strings.HasPrefix(text, "DRILL") {
		return "DRILL  " + text
	}
	return text
}

func orA(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func short(name string) string { return strings.TrimSuffix(name, ".") }

// age3 is a duration in its two largest units.
func age3(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// age is how old a certificate is.
func age(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

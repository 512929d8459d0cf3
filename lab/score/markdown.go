package score

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Markdown is the text of RESULTS.md: totals, what fails and why, then all cases.
// It has no date and no name of a machine: it changes with the results alone.
func (b Board) Markdown() []byte {
	var w strings.Builder
	t := b.Totals()
	fmt.Fprintf(&w, "# Results\n\nProfile `%s`.\n\n| what | result |\n|---|---|\n", b.ProfileHash)
	fmt.Fprintf(&w, "| attacks, exact kind | %d of %d |\n", t.Attacks.Pass, t.Attacks.Of)
	fmt.Fprintf(&w, "| benign, quiet | %d of %d |\n", t.Benign.Pass, t.Benign.Of)
	fmt.Fprintf(&w, "| additions | %d of %d |\n", t.Additions.Pass, t.Additions.Of)
	fmt.Fprintf(&w, "| first forged packet to webhook | median %s, p99 %s, of %s |\n", delay(t.Webhook.Median), delay(t.Webhook.P99), injections(t.Webhook))
	if t.Confirm.N > 0 {
		fmt.Fprintf(&w, "| start to confirmed verdict | median %.1f s, max %.1f s, of %s |\n", t.Confirm.Median, t.Confirm.Max, counted(t.Confirm.N, "attack"))
	} else {
		fmt.Fprintln(&w, "| start to confirmed verdict | none |")
	}
	fmt.Fprintf(&w, "| false alarms, live rounds | %s |\n", alarms(t.Live))
	fmt.Fprintf(&w, "| false alarms, rounds judged in process | %s |\n", alarms(t.Judged))

	if rows := b.Latency(); len(rows) > 1 {
		fmt.Fprint(&w, "\n## Delay\n\nSeconds from the first forged packet to the webhook. A missed injection counts as slower than all others.\n\n"+
			"| case | injections | missed | median | p99 |\n|---|--:|--:|--:|--:|\n")
		for _, l := range rows {
			fmt.Fprintf(&w, "| %s | %d | %d | %s | %s |\n", cell(l.Case), l.N, l.Missed, delay(l.Median), delay(l.P99))
		}
		if slices.ContainsFunc(rows, func(l Latency) bool { return !l.Enough() }) {
			fmt.Fprint(&w, "\nWith fewer than 100 injections the p99 is only the slowest of them.\n")
		}
	}

	cases := b.sorted()
	fmt.Fprint(&w, "\n## Failing cases\n\n")
	fails := 0
	for _, r := range cases {
		if r.Pass {
			continue
		}
		fails++
		why := r.Why
		if why == "" {
			why = "not explained"
		}
		fmt.Fprintf(&w, "- **%s** %s: %s\n", cell(r.ID), cell(r.Title), cell(why))
	}
	if fails == 0 {
		fmt.Fprintln(&w, "None.")
	}

	fmt.Fprint(&w, "\n## Cases\n\nSeconds go from the first forged packet, or the start of the cause, to the webhook received; in benign cases they are the quiet time watched.\n\n"+
		"| id | title | expected | got | pass | seconds |\n|---|---|---|---|:-:|--:|\n")
	for _, r := range cases {
		mark := "✗"
		if r.Pass {
			mark = "✓"
		}
		fmt.Fprintf(&w, "| %s | %s | %s | %s | %s | %.1f |\n", cell(r.ID), cell(r.Title), cell(r.Expected), cell(r.Got), mark, r.Seconds)
	}
	return []byte(w.String())
}

// cell makes text fit to stand between two bars: one line, nothing that Markdown
// takes as its own.
func cell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "&", "&amp;", "<", "&lt;", "*", `\*`, "`", "\\`").Replace(s)
}

func delay(s *float64) string {
	if s == nil {
		return "none"
	}
	return fmt.Sprintf("%.2f s", *s)
}

func injections(l Latency) string {
	s := counted(l.N, "injection")
	if l.Missed > 0 {
		s += fmt.Sprintf(", %d missed", l.Missed)
	}
	return s
}

func alarms(a Alarms) string {
	if a.N == 0 {
		return "no rounds"
	}
	how := "exact bound of Clopper and Pearson"
	if a.False == 0 {
		how = "rule of three"
	}
	return fmt.Sprintf("%d in %s; at most %s a round, at 95 %% (%s)", a.False, counted(a.N, "round"), strconv.FormatFloat(a.Bound, 'g', -1, 64), how)
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

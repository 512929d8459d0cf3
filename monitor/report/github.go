package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/dnstaster/dnstaster/monitor"
)

// Bounds of what GitHub takes: of an annotation, and of the summary of a step
// (1 MiB, kept well below), which is refused whole where it is longer.
const (
	maxTitle   = 200
	maxMessage = 3500
	maxSummary = 900 << 10 // bytes
)

// GitHub writes a report as workflow commands of GitHub Actions, one line each:
// poisoned is an error, as is a broken lock, suspect and unknown are warnings, and so is an alert of
// medium severity or more about a name that is not bad itself. Clean names have
// none; GitHubSummary shows them. The worst come first, since GitHub shows ten
// errors and ten warnings of a step.
//
// Nothing in a line can end it, begin another command, or be taken for a
// property: text is printable, and escaped as the runner's own toolkit does.
func GitHub(w io.Writer, r monitor.Report) error {
	p := &printer{w: w}
	if beyond(r) {
		p.command("warning", "dnstaster", sum(r))
	}
	for _, c := range worstFirst(r) {
		var lines []string
		for _, x := range c.points() {
			lines = append(lines, x.label+": "+x.text)
		}
		text := strings.Join(append([]string{c.headline()}, lines...), "\n")
		switch {
		case c.Verdict == monitor.Poisoned, len(c.Breaches) > 0:
			p.command("error", c.word()+" "+c.title(), text)
			continue
		case c.Verdict == monitor.Clean:
		default:
			p.command("warning", c.word()+" "+c.title(), text)
			continue
		}
		for _, a := range c.asides {
			if a.Severity >= monitor.Medium {
				p.command("warning", marked(a, string(a.Kind)+" "+c.title()), a.Summary+"\nalert: "+a.ID+", "+a.Severity.String())
			}
		}
	}
	if r.Score != nil {
		lines := []string{r.Score.Arithmetic()}
		for _, n := range r.Score.Names {
			lines = append(lines, scoreLine(n))
		}
		p.command("notice", fmt.Sprintf("score %d", r.Score.Points), strings.Join(lines, "\n"))
	}
	return p.err
}

// command writes one workflow command. text may have lines.
func (p *printer) command(name, title, text string) {
	lines := strings.Split(text, "\n")
	for i := range lines {
		// The runner also reads ##[command], in the middle of a line too.
		lines[i] = strings.ReplaceAll(Printable(lines[i]), "##[", "## [")
	}
	title = strings.ReplaceAll(Printable(title), "##[", "## [")
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, "::%s title=%s::%s\n", name, property.Replace(atMost(title, maxTitle)), data.Replace(atMost(strings.Join(lines, "\n"), maxMessage)))
	}
}

// worstFirst gives the cases of a report by their verdicts, and as they come
// where those are the same.
func worstFirst(r monitor.Report) []verdictCase {
	cs := cases(r)
	slices.SortStableFunc(cs, func(a, b verdictCase) int { return rank(b) - rank(a) })
	return cs
}

// rank counts a verdict that nobody knows as unknown.
func rank(c verdictCase) int {
	if len(c.Breaches) > 0 {
		return monitor.Poisoned.Rank()
	}
	if c.Verdict != monitor.Clean {
		return max(c.Verdict.Rank(), monitor.Unknown.Rank())
	}
	return 0
}

// GitHubSummary writes a report as Markdown, for the summary of a step: a table
// of all names, then reasons and what to do for those that are not clean. It is
// shorter than what GitHub takes of a step, whatever the report; what is left
// out is said.
func GitHubSummary(w io.Writer, r monitor.Report) error {
	var b strings.Builder
	cs := worstFirst(r)
	fmt.Fprintf(&b, "## dnstaster: %s\n\n", markdown(strings.ToLower(orA(string(r.Verdict), string(monitor.Unknown)))))
	if beyond(r) {
		fmt.Fprintf(&b, "**Not all could be judged.** %s\n\n", markdown(sum(r)))
	}
	if r.Score != nil {
		fmt.Fprintf(&b, "**Score** %s\n\n", markdown(r.Score.Arithmetic()))
	}
	if len(cs) > 0 {
		b.WriteString("| verdict | name | type | what is held |\n| --- | --- | --- | --- |\n")
	}
	left := 0
	for _, c := range cs {
		if left > 0 {
			left++ // and need not be written to know it
			continue
		}
		what := about(c.Judgement)
		if c.Verdict == monitor.Clean {
			what = c.Proof
		}
		if len(c.Breaches) > 0 {
			what += "; the lock is broken"
		}
		if n := len(c.asides); n > 0 {
			what = strings.TrimPrefix(what+"; "+counted(n, "alert"), "; ")
		}
		word := markdown(c.word())
		if c.Verdict != monitor.Clean || len(c.Breaches) > 0 {
			word = "**" + word + "**"
		}
		row := fmt.Sprintf("| %s | %s | %s | %s |\n", word, markdown(short(c.Name)), markdown(c.Type.String()), markdown(atMost(what, maxMessage)))
		if b.Len()+len(row) > maxSummary {
			left++
			continue
		}
		b.WriteString(row)
	}
	for _, c := range cs {
		ps := c.points()
		if len(ps) == 0 {
			continue
		}
		if left > 0 {
			left++
			continue
		}
		var d strings.Builder
		fmt.Fprintf(&d, "\n### %s\n\n", markdown(atMost(c.headline(), maxMessage)))
		for _, x := range ps {
			fmt.Fprintf(&d, "- **%s** %s\n", x.label, markdown(atMost(x.text, maxMessage)))
		}
		if b.Len()+d.Len() > maxSummary {
			left++
			continue
		}
		b.WriteString(d.String())
	}
	if left > 0 {
		fmt.Fprintf(&b, "\nLeft out, for want of room: %s.\n", fmt.Sprintf("%d of the table and of what is below it", left))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown makes text that is only text in Markdown and in HTML: character
// references are literal wherever a sign would have a meaning (CommonMark
// §2.5). An at sign is written out, since readers look for mentions and
// addresses after they have read the references.
func markdown(s string) string {
	var b strings.Builder
	s = strings.ReplaceAll(Printable(s), "@", "(at)")
	for i, r := range s {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), strings.ContainsRune(" ,/?%…", r):
			b.WriteRune(r)
		case r == '.' && !strings.EqualFold(s[max(0, i-3):i], "www"), r == '-' && i > 0:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String()
}

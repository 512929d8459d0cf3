package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxLines bounds how many names that are not clean, and how many alerts, a
// status shows.
const maxLines = 40

// Status writes the state of the daemon for people.
func Status(w io.Writer, s monitor.Status) error {
	p := &printer{w: w}
	head := fmt.Sprintf("%s  dnstaster %s  up %s", orA(s.Host, "this host"), s.Version, age3(s.At.Sub(s.Started)))
	switch {
	case s.Config.Error != "":
		head += "  config REFUSED, the old one is in use"
	case s.Config.Path != "":
		head += "  config ok " + s.Config.Loaded.UTC().Format("01-02 15:04")
	}
	p.heading(head, "", fmt.Sprintf("%d poisoned  %d suspect  %d unknown  %d clean",
		s.Verdicts[monitor.Poisoned], s.Verdicts[monitor.Suspicious], s.Verdicts[monitor.Unknown], s.Verdicts[monitor.Clean]))
	if s.Config.Error != "" {
		for line := range strings.SplitSeq(s.Config.Error, "\n") {
			p.fold(12, "  CONFIG    "+line)
		}
	}
	told := map[string]bool{}
	p.table(incidents(s, told), "incidents; see dnstaster alerts")
	p.table(names(s, told), "names; see --json")
	p.table(alerts(s, told), "alerts; see dnstaster alerts")
	p.table(windows(s), "names with maintenance; see --json")
	p.idle(s)
	aside := s.Store.SetAside != ""
	for _, h := range s.Health {
		text := fmt.Sprintf("  HEALTH    %s since %s: %s", h.Title, since(h.Since, s.At), h.Text)
		if h.Detail != "" {
			text += " (" + h.Detail + ")"
		}
		p.fold(12, text)
		aside = aside && h.Condition != monitor.StoreSetAside
	}
	if aside {
		p.fold(12, "  HEALTH    a damaged store was set aside: "+s.Store.SetAside)
	}
	p.line("  %s", footer(s))
	return p.err
}

// row is one line of a table: a word in capitals, whom it is about, and what.
type row struct{ word, who, what string }

// maxName bounds how far a long name pushes what stands beside it.
const maxName = 44

func (p *printer) table(rows []row, more string) {
	wide := 0
	for _, r := range rows[:min(len(rows), maxLines)] {
		if n := columns(Printable(r.who)); n <= maxName {
			wide = max(wide, n)
		}
	}
	for i, r := range rows {
		if i == maxLines {
			p.line("  and %d more %s", len(rows)-maxLines, more)
			return
		}
		p.fold(12, fmt.Sprintf("  %-9s %-*s  %s", strings.ToUpper(r.word), wide, r.who, r.what))
	}
}

// names gives a row for every name that is not clean, those of its types that
// are in the same state together. The alert about it stands on its row.
func names(s monitor.Status, told map[string]bool) []row {
	var rows []row
	for _, w := range s.Watches {
		first := len(rows)
		types := map[row]int{} // index of the row by what it says
		for _, q := range w.Types {
			if q.Verdict == monitor.Clean {
				continue
			}
			r := row{string(q.Verdict), short(w.Name), state(q, s.At)}
			if i, ok := types[r]; ok {
				rows[i].who += " " + q.Type.String()
				continue
			}
			types[r] = len(rows)
			r.who += " " + q.Type.String()
			if a, ok := lineOf(w, q, s.Alerts); ok && !told[a.ID] {
				told[a.ID] = true
				if a.Incident != "" {
					r.what += "   in " + cut(a.Incident, s.Alerts)
				} else {
					r.what += fmt.Sprintf("   %s %s", cut(a.ID, s.Alerts), a.State)
				}
			}
			rows = append(rows, r)
		}
		if len(w.Types) == 0 && w.Verdict != monitor.Clean && len(rows) == first {
			rows = append(rows, row{word: string(w.Verdict), who: short(w.Name)})
		}
	}
	return rows
}

// state says in a few words how a question stands.
func state(q monitor.QuestionStatus, now time.Time) string {
	var parts []string
	switch {
	case q.Verdict == monitor.Unknown && q.Cause != "":
		parts = append(parts, caused(q.Cause))
		if q.Kind != "" {
			parts = append(parts, string(q.Kind))
		}
		if q.Cure != "" {
			parts = append(parts, "cure: "+q.Cure)
		}
	case !q.Since.IsZero():
		parts = append(parts, strings.TrimSpace(string(q.Kind)+" since "+since(q.Since, now)))
	default:
		parts = append(parts, string(q.Kind))
	}
	if q.Checking {
		parts = append(parts, "checking")
	}
	return strings.Join(parts, "; ")
}

// lineOf gives the alert that a name's state is due to.
func lineOf(w monitor.WatchStatus, q monitor.QuestionStatus, as []monitor.AlertLine) (monitor.AlertLine, bool) {
	for _, a := range as {
		if q.Kind != "" && a.Name == w.Name && a.Kind == q.Kind && !a.Drill && a.Names == 0 {
			return a, true
		}
	}
	return monitor.AlertLine{}, false
}

// incidents gives a row for every alert that stands for many names.
func incidents(s monitor.Status, told map[string]bool) []row {
	var rows []row
	for _, a := range s.Alerts {
		if a.Names == 0 {
			continue
		}
		told[a.ID] = true
		what := string(a.Kind)
		if a.Resolver != "" && a.Kind != monitor.PathRewritten {
			what += " at " + a.Resolver
		}
		rows = append(rows, row{a.Severity.String(), fmt.Sprintf("%d names", a.Names), fmt.Sprintf("%s, %s, since %s   %s %s",
			what, sure(a.Confidence), since(a.OpenedAt, s.At), cut(a.ID, s.Alerts), a.State)})
	}
	return rows
}

// windows gives a row for every name with a planned change under way.
func windows(s monitor.Status) []row {
	var rows []row
	for _, w := range s.Watches {
		if w.Maintenance != nil {
			rows = append(rows, row{"window", short(w.Name), window(*w.Maintenance)})
		}
	}
	return rows
}

// alerts gives a row for every other alert, but for those of an incident.
func alerts(s monitor.Status, told map[string]bool) []row {
	var rows []row
	for _, a := range s.Alerts {
		if told[a.ID] || a.Incident != "" {
			continue
		}
		what := string(a.Kind)
		if a.Drill {
			rows = append(rows, row{"drill", short(a.Name), fmt.Sprintf("%s, nothing happened, since %s   %s %s",
				what, since(a.OpenedAt, s.At), cut(a.ID, s.Alerts), a.State)})
			continue
		}
		if a.Resolver != "" {
			what += " at " + a.Resolver
		}
		rows = append(rows, row{a.Severity.String(), short(a.Name), fmt.Sprintf("%s, %s, since %s   %s %s",
			what, sure(a.Confidence), since(a.OpenedAt, s.At), cut(a.ID, s.Alerts), a.State)})
	}
	return rows
}

// idLength is how much of an alert's id is enough to type, unless two began in
// the same millisecond.
const idLength = 10

func cut(id string, as []monitor.AlertLine) string {
	if len(id) <= idLength {
		return id
	}
	n := 0
	for _, a := range as {
		if strings.HasPrefix(a.ID, id[:idLength]) {
			n++
		}
	}
	if n > 1 {
		return id
	}
	return id[:idLength]
}

// idle says that nothing is watched, and that nobody is asked either.
func (p *printer) idle(s monitor.Status) {
	if len(s.Watches) > 0 {
		return
	}
	what := "watching nothing, asking nobody"
	for _, r := range s.Resolvers {
		if r.Queries > 0 {
			what = "watching nothing"
		}
	}
	p.line("  %s: add watches to %s", what, orA(s.Config.Path, "the configuration"))
}

func footer(s monitor.Status) string {
	parts := append(rounds(s), peers(s)...)
	for _, h := range s.Webhooks {
		state := "ok"
		switch {
		case h.Disabled:
			state = "OFF (it said 410 Gone)"
		case h.Error != "":
			state = "FAILING: " + h.Error
		case h.Delivered == 0:
			state = "not used yet"
		}
		what := fmt.Sprintf("webhook %s %s, %d sent, %d waiting", h.Name, state, h.Delivered, h.Pending)
		if h.Dead > 0 {
			what += fmt.Sprintf(", %d GIVEN UP", h.Dead)
		}
		parts = append(parts, what)
	}
	return strings.Join(parts, " | ")
}

// rounds says whether they come in time.
func rounds(s monitor.Status) []string {
	if s.Counts.Rounds == 0 {
		return nil
	}
	late := min(s.Counts.Late, s.Counts.Rounds)
	text := fmt.Sprintf("rounds %d %% on time", (s.Counts.Rounds-late)*100/s.Counts.Rounds)
	var oldest time.Time
	for _, w := range s.Watches {
		for _, q := range w.Types {
			if !q.Answered.IsZero() && (oldest.IsZero() || q.Answered.Before(oldest)) {
				oldest = q.Answered
			}
		}
	}
	if d := s.At.Sub(oldest); !oldest.IsZero() && d < 2*time.Minute {
		text += fmt.Sprintf(", oldest verdict %d s", int(max(d, 0).Seconds()))
	} else if !oldest.IsZero() {
		text += ", oldest verdict " + age3(d)
	}
	return []string{text}
}

// peers says how witnesses do, and how much is asked of others.
func peers(s monitor.Status) []string {
	// One operator is one witness, over whichever of its endpoints it is heard.
	heard, asked := map[string]bool{}, uint64(0)
	for _, r := range s.Resolvers {
		if r.Role != monitor.Reference {
			continue
		}
		asked += r.Queries
		if r.Transport == monitor.DoT || r.Transport == monitor.DoH {
			voice := cmp.Or(r.Operator, r.Resolver)
			heard[voice] = heard[voice] || r.OK
		}
	}
	text := "no witness asked yet"
	if n := len(heard); n > 0 {
		ok := 0
		for _, h := range heard {
			ok += flag(h)
		}
		text = fmt.Sprintf("witnesses %d of %d ok", ok, n)
	}
	up := s.At.Sub(s.Started).Seconds()
	if asked == 0 || up < 1 {
		return []string{text}
	}
	rate := float64(asked) / up
	if rate < 0.1 {
		return []string{text, "outside below 0.1 q/s"}
	}
	return []string{text, fmt.Sprintf("outside %.1f q/s", rate)}
}

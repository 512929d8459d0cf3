package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxLines bounds how many names that are not clean a status shows.
const maxLines = 40

// Status writes the state of the daemon for people.
func Status(w io.Writer, s monitor.Status) error {
	p := &printer{w: w}
	head := fmt.Sprintf("%s  dnstaster %s  up %s", s.Host, s.Version, age3(s.At.Sub(s.Started)))
	switch {
	case s.Config.Error != "":
		head += "  config REFUSED, the old one is in use"
	case s.Config.Path != "":
		head += "  config ok " + s.Config.Loaded.UTC().Format("01-02 15:04")
	}
	p.heading(head, fmt.Sprintf("%d poisoned  %d suspect  %d unknown  %d clean",
		s.Verdicts[monitor.Poisoned], s.Verdicts[monitor.Suspicious], s.Verdicts[monitor.Unknown], s.Verdicts[monitor.Clean]))
	if s.Config.Error != "" {
		for line := range strings.SplitSeq(s.Config.Error, "\n") {
			p.line("  CONFIG    %s", line)
		}
	}
	p.watches(s)
	for _, a := range s.Alerts {
		p.line("  %-9s %s  %s  %s %s since %s  %s", strings.ToUpper(a.Severity.String()), short(a.Name), a.Kind, a.Confidence, a.State,
			a.OpenedAt.UTC().Format(time.TimeOnly), a.ID)
	}
	for _, h := range s.Health {
		p.line("  HEALTH    %s since %s: %s", h.Title, h.Since.UTC().Format(time.TimeOnly), h.Text)
	}
	if s.Store.SetAside != "" {
		p.line("  HEALTH    a damaged store was set aside: %s", s.Store.SetAside)
	}
	p.footer(s)
	return p.err
}

func (p *printer) watches(s monitor.Status) {
	shown := 0
	for _, w := range s.Watches {
		if w.Verdict == monitor.Clean {
			continue
		}
		if shown++; shown > maxLines {
			continue
		}
		for _, q := range w.Types {
			if q.Verdict != w.Verdict {
				continue
			}
			text := fmt.Sprintf("  %-9s %s  %s", strings.ToUpper(string(q.Verdict)), short(w.Name), q.Type)
			switch {
			case q.Verdict == monitor.Unknown:
				text += fmt.Sprintf("  %s; cure: %s", q.Cause, q.Cure)
			default:
				text += fmt.Sprintf("  %s since %s", q.Kind, q.Since.UTC().Format(time.TimeOnly))
			}
			if q.Checking {
				text += "; checking"
			}
			p.line("%s", text)
		}
	}
	if shown > maxLines {
		p.line("  and %d more; see --json", shown-maxLines)
	}
	if len(s.Watches) == 0 {
		p.line("  watching nothing: add watches to %s", orA(s.Config.Path, "the configuration"))
	}
}

func (p *printer) footer(s monitor.Status) {
	var oldest time.Time
	for _, w := range s.Watches {
		for _, q := range w.Types {
			if !q.Answered.IsZero() && (oldest.IsZero() || q.Answered.Before(oldest)) {
				oldest = q.Answered
			}
		}
	}
	var parts []string
	if s.Counts.Rounds > 0 {
		rounds := fmt.Sprintf("rounds %d %% on time", (s.Counts.Rounds-s.Counts.Late)*100/s.Counts.Rounds)
		if !oldest.IsZero() {
			rounds += fmt.Sprintf(", oldest answer %d s", int(s.At.Sub(oldest).Seconds()))
		}
		parts = append(parts, rounds)
	}
	ok, n := 0, 0
	for _, r := range s.Resolvers {
		if r.Role == monitor.Reference && (r.Transport == monitor.DoT || r.Transport == monitor.DoH) {
			n++
			if r.OK {
				ok++
			}
		}
	}
	parts = append(parts, fmt.Sprintf("witnesses %d of %d ok", ok, n))
	for _, h := range s.Webhooks {
		state := "ok"
		switch {
		case h.Disabled:
			state = "OFF (it said 410 Gone)"
		case h.Error != "":
			state = "FAILING: " + h.Error
		}
		parts = append(parts, fmt.Sprintf("webhook %s %s, %d sent, %d waiting", h.Name, state, h.Delivered, h.Pending))
	}
	p.line("  %s", strings.Join(parts, " | "))
}

func orA(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// age3 is a duration in its two largest units.
func age3(d time.Duration) string {
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

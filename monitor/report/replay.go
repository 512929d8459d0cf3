package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// shownTransactions bounds what the text lists of one alert; JSON has them all.
const shownTransactions = 10

// Replay writes what was made of captures and samples for people.
func Replay(w io.Writer, r monitor.Report, took time.Duration) error {
	if len(r.Watches) > 0 {
		if err := Text(w, r, took); err != nil {
			return err
		}
	}
	p := &printer{w: w}
	for _, a := range r.Alerts {
		if len(a.Transactions) == 0 {
			continue
		}
		p.line("")
		p.line("%s  %s  %s", short(a.Name), a.Kind, counted(len(a.Transactions), "transaction"))
		for i, t := range a.Transactions {
			if i == shownTransactions {
				p.line("  and %d more (--json has them all)", len(a.Transactions)-i)
				break
			}
			p.line("  %s  %s to %s  id 0x%04x  %s  %s", t.Time.UTC().Format("2006-01-02 15:04:05.000000"), t.Client, t.Server, t.TXID, frames(t.Frames), t.File)
		}
	}
	if len(r.Watches) > 0 {
		p.line("")
	}
	p.line("%s", sum(r))
	return p.err
}

// sum says what was looked at, and what that can tell.
func sum(r monitor.Report) string {
	s := r.Stats
	text := fmt.Sprintf("%s: %s, %s", strings.ToUpper(string(r.Verdict)), counted(int(s.Packets), "packet"), counted(int(s.Transactions), "DNS transaction"))
	if s.Flagged > 0 {
		text += fmt.Sprintf(" (%d in alerts)", s.Flagged)
	}
	text += ", " + counted(int(s.Responses), "response")
	if s.TCP > 0 {
		text += fmt.Sprintf(", %s over TCP", counted(int(s.TCP), "message"))
	}
	if s.VLAN > 0 {
		text += fmt.Sprintf(", %s with a VLAN tag", counted(int(s.VLAN), "packet"))
	}
	if s.Undecodable > 0 {
		text += fmt.Sprintf(", %d undecodable", s.Undecodable)
	}
	if s.Dropped > 0 {
		text += fmt.Sprintf(", %d dropped", s.Dropped)
	}
	switch {
	case r.Verdict == monitor.Clean && len(r.Watches) == 0:
		text += ". No query got answers that contradict each other; whether a lone answer is right, a capture cannot tell."
	case r.Verdict == monitor.Unknown && len(r.Watches) == 0:
		text += ". Nothing was there to judge."
	}
	return text
}

func frames(ns []int) string {
	var ss []string
	for _, n := range ns {
		ss = append(ss, strconv.Itoa(n))
	}
	switch len(ss) {
	case 0:
		return ""
	case 1:
		return "frame " + ss[0]
	}
	return "frames " + strings.Join(ss, " ")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

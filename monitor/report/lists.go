package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Alerts writes one entry an alert.
func Alerts(w io.Writer, as []monitor.Alert) error {
	p := &printer{w: w}
	if len(as) == 0 {
		p.line("no open alert")
	}
	for _, a := range as {
		p.line("%s  %-8s %-9s %-12s %s  %s", a.ID, a.Severity, a.Confidence, a.State, a.OpenedAt.UTC().Format(time.DateTime), marked(a, a.Summary)+part(a))
	}
	return p.err
}

// part names the incident that an alert belongs to.
func part(a monitor.Alert) string {
	if a.Incident == "" {
		return ""
	}
	return "  in " + a.Incident
}

// Events writes one entry an event.
func Events(w io.Writer, es []monitor.Event) error {
	p := &printer{w: w}
	for _, e := range es {
		p.line("%6d  %s  %-18s %s", e.Seq, e.At.UTC().Format(time.DateTime), e.Type, gist(e))
	}
	return p.err
}

// gist says in a line what an event is about.
func gist(e monitor.Event) string {
	switch {
	case strings.HasPrefix(e.Type, "alert."):
		var a monitor.Alert
		if json.Unmarshal(e.Data, &a) == nil {
			return fmt.Sprintf("%s  %s  %s", a.ID, a.Severity, marked(a, a.Summary))
		}
	case e.Type == monitor.VerdictChanged:
		var c monitor.Change
		if json.Unmarshal(e.Data, &c) == nil {
			s := fmt.Sprintf("%s %s  %s -> %s", short(c.Name), c.Type, c.From, c.To)
			if c.Cause != "" {
				s += " (" + string(c.Cause) + ")"
			}
			return s + "  " + c.Fact
		}
	case strings.HasPrefix(e.Type, "health."):
		var h monitor.Health
		if json.Unmarshal(e.Data, &h) == nil {
			return h.Condition + "  " + h.Title
		}
	}
	return ""
}

// History writes one entry an interval, in the order given.
func History(w io.Writer, is []monitor.Interval) error {
	p := &printer{w: w}
	if len(is) == 0 {
		p.line("nothing is remembered of that")
	}
	for _, i := range is {
		what := i.Error
		if what == "" {
			var data []string
			for _, r := range i.Records {
				data = append(data, r.Data)
			}
			what = orA(some(data), i.Rcode)
		}
		ttl := fmt.Sprintf("ttl %d", i.TTLMax)
		switch {
		case len(i.Records) == 0:
			ttl = ""
		case i.TTLMin != i.TTLMax:
			ttl = fmt.Sprintf("ttl %d-%d", i.TTLMin, i.TTLMax)
		}
		how := string(i.Transport)
		if i.Via == monitor.Wire {
			how = "wire"
		}
		p.line("%s - %s  %5dx  %-5s %-24s %-4s %-14s %s", i.First.UTC().Format(time.DateTime), since(i.Last, i.First), i.Count,
			i.Question.Type, i.Resolver, how, ttl, what)
	}
	return p.err
}

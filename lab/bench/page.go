package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
)

// Results are the parts by name. A part that was not run again stays as it was.
type Results map[string]*Part

func readResults(file string) (Results, error) {
	r := Results{}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(text, &r)
}

func (r Results) write() error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(resultsFile, text.Bytes(), 0o644), os.WriteFile(pageFile, []byte(r.page()), 0o644))
}

// text writes a part for a terminal.
func (p *Part) text(w io.Writer) {
	fmt.Fprintf(w, "\n%s. %s\n\n", p.Title, p.About)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head, rows := p.table()
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, c := range p.Criteria {
		fmt.Fprintf(w, "%s  %s: %s (wanted: %s)\n", verdict(c.Pass), c.What, c.Got, c.Want)
	}
}

func verdict(pass bool) string {
	if pass {
		return "pass"
	}
	return "FAIL"
}

// rateText writes packets a second.
func rateText(rate int) string {
	if rate == 0 {
		return "most"
	}
	return fmt.Sprintf("%d/s", rate)
}

// page is docs/performance.md.
func (r Results) page() string {
	var s strings.Builder
	s.WriteString(`# Performance

What dnstaster costs beside programs that do some of the same. ` + "`make bench`" + ` measures it and writes this page, and
` + "`lab/bench/results.json`" + ` with the same numbers.

Ratios come first: contenders take turns within one run, and so share what the machine does meanwhile. The absolute
numbers are of that machine in that hour, and drift by half and more on machines that others use.
`)
	for _, name := range []string{"replay", "live"} {
		if p := r[name]; p != nil {
			p.markdown(&s)
		}
	}
	return s.String()
}

func (p *Part) markdown(s *strings.Builder) {
	fmt.Fprintf(s, "\n## %s\n\n%s\n\n", p.Title, p.About)
	s.WriteString("| asked | wanted | found | |\n|---|---|---|---|\n")
	for _, c := range p.Criteria {
		fmt.Fprintf(s, "| %s | %s | %s | %s |\n", c.What, c.Want, c.Got, verdict(c.Pass))
	}
	head, rows := p.table()
	fmt.Fprintf(s, "\n| %s |\n|---%s|\n", strings.Join(head, " | "), strings.Repeat("|---:", len(head)-1))
	for _, row := range rows {
		fmt.Fprintf(s, "| %s |\n", strings.Join(row, " | "))
	}
	s.WriteString("\n")
	does := map[string]bool{}
	tell := func(name, what string) {
		if !does[name] {
			does[name] = true
			fmt.Fprintf(s, "- %s: %s\n", name, what)
		}
	}
	for _, x := range p.Rows {
		tell(x.Name, x.Does)
	}
	for _, x := range p.Runs {
		tell(x.Name, x.Does)
	}
	m := p.Machine
	fmt.Fprintf(s, "\nMeasured on %s: %s, %d cores, Linux %s, %s, %s; %s. Load as it began: %s.\n",
		p.At.Format("2006-01-02"), m.CPU, m.Cores, m.Kernel, m.System, m.Go, strings.Join(m.Programs, ", "), m.Load)
}

// table gives the rows of a part, ratios before numbers.
func (p *Part) table() (head []string, rows [][]string) {
	if len(p.Rows) > 0 {
		head = []string{"program", "packets per CPU, dnstop = 1", "CPU µs a packet", "least", "most", "packets", "peak MB"}
		for _, r := range p.Rows {
			rows = append(rows, []string{r.Name, fmt.Sprintf("%.2f", r.Speed), fmt.Sprintf("%.3f", r.Microseconds), fmt.Sprintf("%.3f", r.Least),
				fmt.Sprintf("%.3f", r.Most), fmt.Sprint(r.Packets), fmt.Sprintf("%.0f", r.PeakMB)})
		}
		return head, rows
	}
	head = []string{"program", "rate", "CPU, tcpdump = 1", "of a core", "CPU µs a packet", "sender's", "reached", "sent", "delivered", "dropped"}
	for _, r := range p.Runs {
		ratio := "-"
		if d := p.run(tcpdump, r.Rate); d != nil {
			ratio = fmt.Sprintf("%.1f", r.Microseconds/d.Microseconds)
		}
		rows = append(rows, []string{r.Name, rateText(r.Rate), ratio, fmt.Sprintf("%.1f %%", 100*r.Core), fmt.Sprintf("%.3f", r.Microseconds), fmt.Sprintf("%.3f", r.Sender),
			fmt.Sprintf("%.0f", r.Reached), fmt.Sprint(sum(r.Sent)), fmt.Sprint(sum(r.Delivered)), fmt.Sprint(sum(r.Dropped))})
	}
	return head, rows
}

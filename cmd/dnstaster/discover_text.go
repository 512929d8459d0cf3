package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dnstaster/dnstaster/monitor/discover"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// printDiscovered writes what was found for people.
func printDiscovered(w io.Writer, r discover.Report, list watchList) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s that calls use, in %s\n", plural(len(r.Hosts), "name"), plural(r.Files, "file"))
	if len(r.Hosts) > 0 {
		fmt.Fprintln(&b)
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tWHERE\tKEYS")
		for _, h := range r.Hosts {
			where := fmt.Sprintf("%s:%d", h.Places[0].File, h.Places[0].Line)
			if h.Count > 1 {
				where += fmt.Sprintf(" and %d more", h.Count-1)
			}
			name := h.Name
			if h.Inside {
				name += " (inside)"
			}
			keys := few(h.SecretNames)
			if keys == "" {
				keys = "-"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", name, report.Printable(where), keys)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	printWeaknesses(&b, r.Weaknesses)
	if len(r.PassedOver) > 0 {
		fmt.Fprintln(&b, "\nPASSED OVER")
		for _, p := range r.PassedOver {
			line := fmt.Sprintf("  %s: %s", p.Reason, strings.Join(p.Files, ", "))
			if rest := p.Count - len(p.Files); rest > 0 {
				line += fmt.Sprintf(" and %d more", rest)
			}
			fmt.Fprintln(&b, report.Printable(line))
		}
	}
	if len(r.PrivateZones) > 0 {
		fmt.Fprintf(&b, "\nInside names are asked of no outside resolver once private_zones has: %s\n", strings.Join(r.PrivateZones, ", "))
	}
	switch {
	case len(list.files) > 0:
		fmt.Fprintf(&b, "\nWrote %s to %s", plural(list.written, "name"), strings.Join(list.files, ", "))
		if list.known > 0 {
			fmt.Fprintf(&b, "; watched already: %d", list.known)
		}
		if list.held > 0 {
			fmt.Fprintf(&b, "; comments there, because they are inside: %d", list.held)
		}
		fmt.Fprintln(&b, ".   Next: dnstaster config check")
	case list.known > 0:
		fmt.Fprintf(&b, "\nAll of them are watched already.\n")
	case len(r.Hosts) > 0:
		fmt.Fprintln(&b, "\nNext: dnstaster discover --output /etc/dnstaster/watches.d PATH, then dnstaster config check")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printWeaknesses writes each sort of weakness with its places.
func printWeaknesses(b *strings.Builder, ws []discover.Weakness) {
	const most = 10
	type sort struct {
		rule     discover.Rule
		severity discover.Severity
	}
	places := map[sort][]discover.Weakness{}
	var order []sort
	for _, w := range ws { // the worst first
		k := sort{w.Rule, w.Severity}
		if places[k] == nil {
			order = append(order, k)
		}
		places[k] = append(places[k], w)
	}
	for _, k := range order {
		first := places[k][0]
		fmt.Fprintf(b, "\n%s  %s (%s)\n  %s\n  do: %s\n", strings.ToUpper(string(k.severity)), k.rule, first.Reference, first.Text, first.Guidance)
		for i, w := range places[k] {
			if i == most {
				fmt.Fprintf(b, "    and %d more: --json has all\n", len(places[k])-most)
				break
			}
			line := fmt.Sprintf("    %s:%d", w.File, w.Line)
			if w.Host != "" {
				line += "  " + w.Host
			}
			if len(w.SecretNames) > 0 {
				line += "  " + few(w.SecretNames)
			}
			fmt.Fprintln(b, report.Printable(line))
		}
	}
}

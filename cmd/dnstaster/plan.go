package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/net/http/httpproxy"

	"github.com/dnstaster/dnstaster/monitor/report"
	"github.com/dnstaster/dnstaster/monitor/resolver"
)

func planCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "List every destination, port, rate and disclosed name that the configuration means",
		Long: `plan reads the configuration, sends nothing, and lists where the daemon would
connect to, how often, and what each third party learns: rows for a firewall ticket.`,
		Example: "  dnstaster plan\n  dnstaster plan --json | jq -r '.rows[] | select(.direction==\"out\") | [.destination,.port,.transport] | @tsv'",
		Args:    cobra.NoArgs,
	}
	path := configFlag(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := loadConfig(*path)
		if err != nil {
			return configFailure(err)
		}
		system := &resolver.SystemResolvers{}
		here := surroundings{proxy: httpproxy.FromEnvironment()}
		here.own, here.err = system.Resolvers()
		if here.search, err = system.Search(); err != nil {
			return exit{exitConfig, err} // names that must not leave would not be known
		}
		p := c.plan(here)
		if asJSON {
			return printJSON(cmd, p)
		}
		return p.print(cmd.OutOrStdout())
	}
	return cmd
}

// print writes the plan for people.
func (p plan) print(w io.Writer) error {
	var b strings.Builder
	questions := 0
	for _, n := range p.Names {
		questions += len(n.Types)
	}
	fmt.Fprintf(&b, "%s: %d names, %d questions. Nothing is sent but what stands here.\n\n", orNone(p.Config), len(p.Names), questions)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DIR\tDESTINATION\tPORT\tPARTY\tFOR\tQ/S\tWHEN")
	for _, r := range p.Rows {
		port := r.Transport
		if r.Port > 0 {
			port = strconv.Itoa(int(r.Port)) + "/" + r.Transport
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Direction, report.Printable(r.Destination), port, report.Printable(r.Party), report.Printable(r.Purpose), rate(r.Routine), report.Printable(r.When))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(p.Names) > 0 {
		fmt.Fprintf(&b, "\nIN QUIET TIMES  %s questions a second to each resolver of this host, %s to each operator\n  %s\n", rate(p.Rates.Own), rate(p.Rates.Operator), p.Rates.Formula)
	}
	if len(p.Learned) > 0 {
		fmt.Fprintln(&b, "\nWHO LEARNS WHAT")
		for _, l := range p.Learned {
			fmt.Fprintf(&b, "  %s: %s\n", report.Printable(l.Party), l.Learns)
		}
	}
	if len(p.Names) > 0 {
		fmt.Fprintln(&b, "\nNAMES")
		for _, n := range p.Names {
			line := fmt.Sprintf("  %s %s", n.Name, strings.Join(n.Types, " "))
			if n.Inside {
				line += "  (never leaves)"
			}
			fmt.Fprintln(&b, line)
		}
	}
	if len(p.Notes) > 0 {
		fmt.Fprintln(&b, "\nNOTES")
		for _, n := range p.Notes {
			fmt.Fprintf(&b, "  %s\n", report.Printable(n))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rate writes questions a second; a dash for none in routine.
func rate(r float64) string {
	if r == 0 {
		return "-"
	}
	return strconv.FormatFloat(r, 'g', 2, 64)
}

// few lists some names, and says how many there are besides.
func few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

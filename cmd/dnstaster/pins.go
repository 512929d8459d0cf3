package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// pinsOptions are the flags of commands that want to know what may be pinned.
type pinsOptions struct {
	socket *string
	check  checkOptions
	round  bool // one is made, and no daemon asked
}

func (o *pinsOptions) flags(cmd *cobra.Command) {
	o.socket = socketFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.round, "check", false, "make one round as check does, and ask no daemon")
	f.StringVar(&o.check.config, "config", configPath(), "configuration file, for --check")
	f.BoolVar(&o.check.noOutside, "no-outside", false, "with --check, ask nobody but this host's own resolvers")
	f.DurationVar(&o.check.timeout, "timeout", time.Minute, "for everything, with --check")
}

// pins asks the daemon, or makes a round.
func (o *pinsOptions) pins(cmd *cobra.Command, names []string) (monitor.Pins, error) {
	if o.round {
		return o.once(cmd, names)
	}
	for i, n := range names {
		name, err := monitor.ParseName(n)
		if err != nil {
			return monitor.Pins{}, usage("%w", err)
		}
		names[i] = name
	}
	p, err := client(*o.socket).Pins(cmd.Context(), "")
	if errors.Is(err, control.ErrNoDaemon) {
		return p, fmt.Errorf("%w\nWithout a daemon: %s --check", err, cmd.CommandPath())
	}
	if err != nil {
		return p, err
	}
	for _, n := range names {
		if !slices.ContainsFunc(p.Names, func(known monitor.Pinnable) bool { return known.Name == n }) {
			return p, usage("%s is %w: add it to the watches, or use --check", strings.TrimSuffix(n, "."), monitor.ErrNotWatched)
		}
	}
	if len(names) > 0 {
		p.Names = slices.DeleteFunc(p.Names, func(known monitor.Pinnable) bool { return !slices.Contains(names, known.Name) })
	}
	if len(p.Names) == 0 {
		return p, usage("nothing is watched")
	}
	return p, nil
}

func (o *pinsOptions) once(cmd *cobra.Command, names []string) (monitor.Pins, error) {
	o.check.unlocked = true // what is known is to come from what is here
	c, err := checkConfig(cmd, names, o.check)
	if err != nil {
		return monitor.Pins{}, err
	}
	mc, err := c.monitorConfig()
	if err != nil {
		return monitor.Pins{}, exit{exitConfig, err}
	}
	mc.Once, mc.Zones = true, true
	log := slog.New(slog.DiscardHandler)
	s, err := newSenses(c, mc.Exempt, log)
	if err != nil {
		return monitor.Pins{}, exit{exitConfig, err}
	}
	defer s.Close()
	fmt.Fprintln(cmd.ErrOrStderr(), whoIsAsked(mc))
	once, err := judgeOnce(cmd.Context(), mc, s, log, o.check.timeout)
	return once.pins, err
}

func pinsCommand() *cobra.Command {
	var o pinsOptions
	var asJSON bool
	var format string
	forms := append(slices.Sorted(maps.Keys(report.PinForms)), "json")
	cmd := &cobra.Command{
		Use:   "pins [NAME...]",
		Short: "Show what names are known to be, to pin it",
		Long: `pins shows what is known of the watched names, or of those given: addresses and how
they were proven, and public keys with who certified them. It is printed and never applied:
as watches for watches.d (yaml), lines for /etc/hosts (hosts), public keys (spki), sets for
nftables that a rule for outgoing traffic may use (nft), or whole (json).

What witnesses alone say is marked, and commented out. Of a name that is suspect or
poisoned nothing is shown. Exit status: 0 all are clean, 1 suspect, 2 poisoned, 3 unknown.`,
		Example: `  dnstaster pins api.partner.example > watches.d/partner.yaml
  dnstaster pins --format nft
  dnstaster pins --check --format spki api.partner.example`,
	}
	o.flags(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&format, "format", "yaml", oneOf(forms))
	// It fails only for a flag that there is not.
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if !slices.Contains(forms, format) {
			return usage("--format: want %s, not %q", oneOf(forms), format)
		}
		p, err := o.pins(cmd, names)
		if err != nil {
			return err
		}
		worst := monitor.Clean
		var errs []error
		for _, n := range p.Names {
			worst = worst.Worse(n.Verdict)
			name := strings.TrimSuffix(n.Name, ".")
			switch n.Verdict {
			case monitor.Suspicious, monitor.Poisoned:
				errs = append(errs, fmt.Errorf("%s is %s: nothing of it is to be pinned now", name, n.Verdict))
			case monitor.Unknown:
				errs = append(errs, fmt.Errorf("%s is unknown: look into what there is before you pin it", name))
			}
		}
		p.Names = slices.DeleteFunc(p.Names, func(n monitor.Pinnable) bool { return n.Verdict.Rank() > monitor.Unknown.Rank() })
		if asJSON || format == "json" {
			err = printJSON(cmd, p)
		} else {
			err = report.PinForms[format](cmd.OutOrStdout(), p)
		}
		if err != nil || worst == monitor.Clean {
			return err
		}
		return exit{statusOf(worst), errors.Join(errs...)}
	}
	return cmd
}

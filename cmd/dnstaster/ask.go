package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// The commands in this file ask the running daemon.

func statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the daemon and everything it watches is doing",
		Args:  cobra.NoArgs,
	}
	socket := socketFlag(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := client(*socket).Status(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd, s)
		}
		return report.Status(cmd.OutOrStdout(), s)
	}
	return cmd
}

// verifyDial is how long verify waits for the daemon to take the call: it stands
// before somebody's request.
const verifyDial = 50 * time.Millisecond

func verifyCommand() *cobra.Command {
	var asJSON bool
	var onUnknown string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "verify NAME",
		Short: "Ask the daemon for a fresh verdict on a watched name",
		Long: `verify asks the daemon to look at a watched name anew and waits for the verdict.
Use it before a key is used: in ExecStartPre=, in a deploy script, in a wrapper.

Exit status: 0 clean, 1 suspect, 2 poisoned, 3 cannot say (also when no daemon
answers), 64 when the name is not watched. With --on-unknown=allow, 'cannot say'
is 0, so that a daemon that is down never becomes your outage.`,
		Example: `  dnstaster verify api.partner.example --on-unknown=deny && ./deploy
  ExecStartPre=/usr/bin/dnstaster verify api.partner.example --on-unknown=allow`,
		Args: cobra.ExactArgs(1),
	}
	socket := socketFlag(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&onUnknown, "on-unknown", "deny", "what 'cannot say' counts as: deny or allow")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "for the verdict")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if onUnknown != "deny" && onUnknown != "allow" {
			return usage("--on-unknown: want deny or allow, not %q", onUnknown)
		}
		name, err := monitor.ParseName(args[0])
		if err != nil {
			return usage("%w", err)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		r, err := control.NewClient(*socket, verifyDial).Verify(ctx, name, monitor.FirstProof)
		switch {
		case errors.Is(err, monitor.ErrNotWatched):
			return usage("%w: add it to the watches, or use dnstaster check", err)
		case err != nil && onUnknown == "allow":
			fmt.Fprintln(cmd.ErrOrStderr(), "dnstaster: cannot say, and that is allowed:", err)
			return nil
		case err != nil:
			return exit{exitUnknown, fmt.Errorf("cannot say: %w", err)}
		}
		if asJSON {
			err = printJSON(cmd, r)
		} else {
			err = report.Text(cmd.OutOrStdout(), r, 0)
		}
		if err != nil {
			return err
		}
		if r.Verdict == monitor.Unknown && onUnknown == "allow" {
			return nil
		}
		return verdictStatus(r.Verdict)
	}
	return cmd
}

func explainCommand() *cobra.Command {
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:     "explain NAME|ID",
		Short:   "Give every reason for what is held of a name or an alert",
		Example: "  dnstaster explain api.partner.example\n  dnstaster explain 01KAT3Q7W2 --verbose",
		Args:    cobra.ExactArgs(1),
	}
	socket := socketFlag(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().BoolVar(&verbose, "verbose", false, "also show weights, in decibans, and every answer")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := client(*socket).Explain(cmd.Context(), args[0])
		if errors.Is(err, monitor.ErrNotWatched) {
			return usage("%w", err)
		}
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd, e)
		}
		return report.Explain(cmd.OutOrStdout(), e, verbose)
	}
	return cmd
}

func alertsCommand() *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "List open alerts, and say what is done about them",
		Args:  cobra.NoArgs,
	}
	socket := socketFlag(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().BoolVar(&all, "all", false, "also those that are resolved, as far back as is remembered")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		as, err := client(*socket).Alerts(cmd.Context(), all)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd, as)
		}
		return report.Alerts(cmd.OutOrStdout(), as)
	}
	cmd.AddCommand(
		actCommand(socket, monitor.Acknowledge, "ack ID", "Say that somebody is at it"),
		actCommand(socket, monitor.Silence, "silence ID", "Call nobody about it for a while"),
		actCommand(socket, monitor.Resolve, "resolve ID", "Say that it is over"),
	)
	return cmd
}

func actCommand(socket *string, action monitor.Action, use, short string) *cobra.Command {
	var comment, length string
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&comment, "comment", "", "why, or a ticket")
	if action == monitor.Silence {
		cmd.Flags().StringVar(&length, "for", "2h", "how long, such as 30m or 2h")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n := monitor.Note{Comment: comment}
		if action == monitor.Silence {
			d, err := model.ParseDuration(length)
			if err != nil || d == 0 {
				return usage("--for: want a duration such as 30m or 2h, not %q", length)
			}
			until := time.Now().Add(time.Duration(d))
			n.Until = &until
		}
		a, err := client(*socket).Act(cmd.Context(), args[0], action, n)
		if errors.Is(err, monitor.ErrNoAlert) {
			return usage("%w", err)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", a.ID, a.State)
		return err
	}
	return cmd
}

func historyCommand() *cobra.Command {
	var asJSON, cof bool
	var since, typ, resolver, via, address string
	var limit int
	cmd := &cobra.Command{
		Use:   "history NAME",
		Short: "Show what each resolver answered, and from when until when",
		Long: `history shows what each resolver answered for a watched name: runs of equal answers
that were asked for, and answers that were overheard (wire), each from the first
time to the last. Of one server the same answer within 10 s counts once.

With capture.unwatched: hash it also tells when a name that nobody watches was
answered, and with --address whether that address was among the answers.`,
		Example: `  dnstaster history api.partner.example --type A --since 7d
  dnstaster history api.partner.example --cof --via wire
  dnstaster history mail.example --address 198.51.100.66`,
		Args: cobra.ExactArgs(1),
	}
	socket := socketFlag(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&since, "since", "", "how far back, such as 2h or 7d")
	cmd.Flags().StringVar(&typ, "type", "", "only this record type")
	cmd.Flags().StringVar(&resolver, "resolver", "", "only this resolver")
	cmd.Flags().StringVar(&via, "via", "", "only what was asked for (probe), or overheard (wire)")
	cmd.Flags().StringVar(&address, "address", "", "of a name that is not watched: whether it was answered with this address")
	cmd.Flags().BoolVar(&cof, "cof", false, "print passive DNS in the common output format, one JSON object a line")
	cmd.Flags().IntVar(&limit, "limit", 100, "how many at most; 10000 with --cof")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cof && asJSON {
			return usage("--cof and --json: want one of them")
		}
		if cof && !cmd.Flags().Changed("limit") {
			limit = maxHistory
		}
		q := monitor.HistoryQuery{Resolver: resolver, Limit: limit, Via: monitor.Via(via)}
		if via != "" && q.Via != monitor.Probe && q.Via != monitor.Wire {
			return usage("--via: want probe or wire, not %q", via)
		}
		var err error
		var asked netip.Addr
		if address != "" {
			if asked, err = netip.ParseAddr(address); err != nil {
				return usage("--address: want an IP address, not %q", address)
			}
		}
		if q.Name, err = monitor.ParseName(args[0]); err != nil {
			return usage("%w", err)
		}
		if typ != "" {
			if q.Type, err = monitor.ParseType(typ); err != nil {
				return usage("--type: %w", err)
			}
		}
		if since != "" {
			d, err := model.ParseDuration(since)
			if err != nil {
				return usage("--since: want a duration such as 2h or 7d, not %q", since)
			}
			q.Since = time.Now().Add(-time.Duration(d))
		}
		c := client(*socket)
		is, err := c.History(cmd.Context(), q)
		if err != nil {
			return err
		}
		if cof {
			host, err := os.Hostname()
			if err != nil {
				return err
			}
			return report.COF(cmd.OutOrStdout(), host, is)
		}
		var ss []monitor.Stranger
		if len(is) == 0 || asked.IsValid() {
			if ss, err = c.Unwatched(cmd.Context(), q.Name, asked); err != nil {
				return err
			}
		}
		switch {
		case asJSON && len(ss) > 0:
			return printJSON(cmd, ss)
		case asJSON:
			return printJSON(cmd, is)
		case len(ss) > 0:
			return report.Unwatched(cmd.OutOrStdout(), ss)
		}
		return report.History(cmd.OutOrStdout(), is)
	}
	return cmd
}

// maxHistory is as many intervals as a daemon gives.
const maxHistory = 10_000

// followWait is how long one request of events --follow waits for an event.
const followWait = 30 * time.Second

func eventsCommand() *cobra.Command {
	var asJSON, follow bool
	var after uint64
	cmd := &cobra.Command{
		Use:     "events",
		Short:   "Show the log of events, which is also what webhooks are fed from",
		Example: "  dnstaster events --follow --json | jq .type",
		Args:    cobra.NoArgs,
	}
	socket := socketFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one event a line")
	cmd.Flags().BoolVar(&follow, "follow", false, "wait for more")
	cmd.Flags().Uint64Var(&after, "after", 0, "begin after this one")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c := client(*socket)
		for {
			wait := time.Duration(0)
			if follow {
				wait = followWait
			}
			page, err := c.Events(cmd.Context(), after, wait)
			if err != nil {
				if follow && cmd.Context().Err() != nil {
					return nil
				}
				return err
			}
			if err := printEvents(cmd, page.Events, asJSON); err != nil {
				return err
			}
			after = page.Next
			if !follow && (len(page.Events) == 0 || page.Next >= page.Last) {
				return nil
			}
		}
	}
	return cmd
}

func printEvents(cmd *cobra.Command, es []monitor.Event, asJSON bool) error {
	if !asJSON {
		return report.Events(cmd.OutOrStdout(), es)
	}
	var b strings.Builder
	for _, e := range es {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
	return err
}

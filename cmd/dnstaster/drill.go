package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// drillResult is what came of a drill.
type drillResult struct {
	Alert    monitor.Alert `json:"alert"`
	Webhooks []drillCall   `json:"webhooks"`
}

// drillCall is how the call by one webhook went.
type drillCall struct {
	Name  string `json:"name"`
	State string `json:"state"` // taken, refused, unwanted
	Error string `json:"error,omitempty"`
}

const (
	callTaken    = "taken"
	callRefused  = "refused"  // not yet taken, or given up
	callUnwanted = "unwanted" // its events hold no alerts
)

func drillCommand() *cobra.Command {
	var asJSON bool
	var kind, after string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "drill NAME",
		Short: "Raise an alert marked DRILL for a watched name, through every real endpoint",
		Long: `drill has the daemon raise a critical alert that says DRILL, so that you find out
whether the call reaches whom it should. It goes through every webhook as a real
one does, is in status, alerts and events, and is resolved by itself. No verdict
changes, and no real alert is touched. In the metrics it is in dnstaster_drills.

Exit status: 0 every webhook that wants alerts took it, 69 one did not in time, or
no daemon answers, 64 when the name is not watched.`,
		Example: "  dnstaster drill api.partner.example\n  dnstaster drill api.partner.example --kind path_injection --resolve-after 10m",
		Args:    cobra.ExactArgs(1),
	}
	socket := socketFlag(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&kind, "kind", string(monitor.ResolverCache), "kind of the alert, which decides its runbook")
	cmd.Flags().StringVar(&after, "resolve-after", "1m", "when it is over, such as 1m or 2h")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "for webhooks to take it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d := monitor.DrillOrder{Kind: monitor.Kind(kind)}
		var err error
		if d.Name, err = monitor.ParseName(args[0]); err != nil {
			return usage("%w", err)
		}
		length, err := model.ParseDuration(after)
		if err != nil || length == 0 {
			return usage("--resolve-after: want a duration such as 1m or 2h, not %q", after)
		}
		d.ResolveAfter = time.Duration(length)
		c := client(*socket)
		defer c.Close()
		r, err := runDrill(cmd.Context(), c, d, timeout)
		switch {
		case errors.Is(err, monitor.ErrNotWatched), errors.Is(err, monitor.ErrAction):
			return usage("%w", err)
		case err != nil:
			return err
		}
		if asJSON {
			err = printJSON(cmd, r)
		} else {
			err = r.print(cmd.OutOrStdout(), d.ResolveAfter)
		}
		if err != nil {
			return err
		}
		for _, w := range r.Webhooks {
			if w.State == callRefused {
				return exit{status: exitUnavailable}
			}
		}
		return nil
	}
	return cmd
}

// runDrill asks for a drill and waits for the webhooks to take it, at most for
// the time given.
func runDrill(ctx context.Context, c *control.Client, d monitor.DrillOrder, within time.Duration) (drillResult, error) {
	before, err := c.Status(ctx)
	if err != nil {
		return drillResult{}, err
	}
	// Each endpoint knows how long the log of events was.
	last := uint64(0)
	for _, w := range before.Webhooks {
		last = max(last, w.Cursor+w.Pending)
	}
	r := drillResult{Webhooks: []drillCall{}}
	if r.Alert, err = c.Drill(ctx, d); err != nil || len(before.Webhooks) == 0 {
		return r, err
	}
	short, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	seq, err := findEvent(short, c, last, r.Alert.ID)
	if err != nil && short.Err() == nil {
		return r, err
	}
	for {
		s, err := c.Status(ctx)
		if err != nil {
			return r, err
		}
		r.Webhooks = r.Webhooks[:0]
		waiting := false
		for _, w := range s.Webhooks {
			call := called(w, before, seq)
			waiting = waiting || call.State == callRefused && !w.Disabled
			r.Webhooks = append(r.Webhooks, call)
		}
		if !waiting || !sleep(short, 100*time.Millisecond) {
			return r, ctx.Err()
		}
	}
}

// findEvent gives the number of the event that opened an alert.
func findEvent(ctx context.Context, c *control.Client, after uint64, id string) (uint64, error) {
	for {
		page, err := c.Events(ctx, after, 5*time.Second)
		if err != nil {
			return 0, err
		}
		for _, e := range page.Events {
			if e.Alert == id && e.Type == monitor.AlertOpened {
				return e.Seq, nil
			}
		}
		after = page.Next
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
}

// called says how an endpoint fared with the event seq; 0 is one that is not
// there yet.
func called(w monitor.WebhookStatus, before monitor.Status, seq uint64) drillCall {
	var old monitor.WebhookStatus
	for _, o := range before.Webhooks {
		if o.Name == w.Name {
			old = o
		}
	}
	call := drillCall{Name: w.Name, State: callRefused, Error: w.Error}
	switch {
	case w.Disabled:
		call.Error = "it said 410 Gone, and is off until restart or reload"
	case seq == 0:
		call.Error = "the store has not taken the event"
	case w.Cursor < seq && call.Error == "":
		call.Error = "no answer yet"
	case w.Cursor < seq:
	case w.Dead > old.Dead:
		call.Error = "given up"
	case w.Delivered > old.Delivered:
		call = drillCall{Name: w.Name, State: callTaken}
	default:
		call = drillCall{Name: w.Name, State: callUnwanted}
	}
	return call
}

func (r drillResult) print(w io.Writer, after time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "DRILL  %s  %s %s  %s\n", r.Alert.ID, r.Alert.Severity, r.Alert.Kind, strings.TrimSuffix(r.Alert.Name, "."))
	for _, c := range r.Webhooks {
		what := "took it"
		switch c.State {
		case callRefused:
			what = "DID NOT TAKE IT: " + c.Error
		case callUnwanted:
			what = "wants no alerts: nobody is called by it"
		}
		fmt.Fprintf(&b, "  webhook %-16s %s\n", c.Name, report.Printable(what))
	}
	if len(r.Webhooks) == 0 {
		fmt.Fprintln(&b, "  no webhook is configured: nobody is called, unless by Prometheus (dnstaster_drills)")
	}
	fmt.Fprintf(&b, "  resolved by itself in %s; or: dnstaster alerts resolve %s\n", model.Duration(after), r.Alert.ID)
	_, err := io.WriteString(w, b.String())
	return err
}

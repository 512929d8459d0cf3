package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// checkOptions are the flags of check.
type checkOptions struct {
	config    string
	format    string
	output    string
	evidence  string
	failOn    string
	timeout   time.Duration
	noOutside bool
	verbose   bool
	locked    string // file of a lock; empty for none
	unlocked  bool   // what the configuration says of a lock does not count
	minScore  int
	scored    bool // a score is asked for
}

func checkCommand() *cobra.Command {
	var o checkOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [NAME...]",
		Short: "Judge names once, without a daemon",
		Long: `check makes one round over the watch list, or over the names given, and has every
answered address prove itself. Where that leaves a doubt it goes on until the doubt
is settled or the time is up.

Where nothing is configured it asks this host's resolvers and, over HTTPS, three public
operators, who thereby learn the names; --no-outside keeps them out.

With --locked, what is found is held against a file that 'dnstaster lock' wrote: a
runner without history judges by it, and a right certificate whose key is in it is
clean without a witness. Every name must be in it; without names and watches all of
its names are checked.

Exit status: 0 clean, 1 suspect, 2 poisoned, 3 unknown, 64 usage, 78 configuration. A
broken pin or lock counts as poisoned, a score below --min-score as suspect.`,
		Example: `  dnstaster check api.partner.example
  dnstaster check --format json --output report.json --fail-on suspect
  dnstaster check --format github --config ci/dnstaster.yaml
  dnstaster check --locked dnstaster.lock --no-outside --min-score 80`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				o.format = "json"
			}
			o.scored = cmd.Flags().Changed("min-score")
			return check(cmd, args, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.config, "config", configPath(), "configuration file")
	reportFlags(cmd, &o)
	f.StringVar(&o.evidence, "evidence", "", "write what the verdicts rest on to a file, which replay judges again")
	f.StringVar(&o.locked, "locked", "", "hold what is found against this lock")
	f.IntVar(&o.minScore, "min-score", 0, "work out a score from 0 to 100, and exit 1 where it is below this")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "for everything")
	f.BoolVar(&o.noOutside, "no-outside", false, "ask nobody but this host's own resolvers")
	f.BoolVar(&o.verbose, "verbose", false, "log what is done")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// defaultWitnesses are asked by check where nothing is configured.
var defaultWitnesses = []string{"cloudflare", "google", "quad9"}

func check(cmd *cobra.Command, names []string, o checkOptions) error {
	if err := o.valid(); err != nil {
		return err
	}
	c, err := checkConfig(cmd, names, o)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if o.verbose {
		log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	mc, err := c.monitorConfig()
	if err == nil {
		err = impair(&mc)
	}
	if err != nil {
		return exit{exitConfig, err}
	}
	mc.Once, mc.Zones = true, o.locked != "" || o.scored
	s, err := newSenses(c, mc.Exempt, log)
	if err != nil {
		return exit{exitConfig, err}
	}
	defer s.Close()
	fmt.Fprintln(cmd.ErrOrStderr(), whoIsAsked(mc))
	began := time.Now()
	once, err := judgeOnce(cmd.Context(), mc, s, log, o.timeout)
	if err != nil {
		return err
	}
	r := once.report
	if o.scored {
		score := monitor.NewScore(r.Watches)
		r.Score = &score
	}
	if o.evidence != "" {
		lines, err := sampleLines(once.samples)
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.evidence, lines, 0o600); err != nil {
			return err
		}
	}
	took := time.Since(began)
	w := written{r, took, func(w io.Writer) error { return report.Text(w, r, took) }, c.place}
	if err := writeReport(cmd.OutOrStdout(), w, o); err != nil {
		return err
	}
	if slices.ContainsFunc(r.Watches, func(j monitor.Judgement) bool { return len(j.Breaches) > 0 }) {
		fmt.Fprintln(cmd.ErrOrStderr(), "The lock is broken. If what is found is meant to be, make it anew: dnstaster lock NAME.")
	}
	if err := failOn(r, o.failOn); err != nil || !o.scored || r.Score.Points >= o.minScore {
		return err
	}
	return exit{exitSuspect, fmt.Errorf("the score is %d, below --min-score %d", r.Score.Points, o.minScore)}
}

// checkConfig gives the configuration cut down to the names asked for.
func checkConfig(cmd *cobra.Command, names []string, o checkOptions) (*config, error) {
	c, err := loadConfig(o.config)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config"):
		c = &config{}
		c.setDefaults()
		c.askWitnesses()
	case err != nil:
		return nil, configFailure(err)
	case !cmd.Flags().Changed("config") && len(c.Watches) == 0 && len(c.Resolvers) == 1 && c.Resolvers[0].Known == "system":
		c.askWitnesses() // what a package leaves behind is no configuration yet
	}
	if o.noOutside {
		c.Resolvers, c.alone = []resolverConfig{{Known: "system"}}, true
	}
	if o.unlocked {
		c.Lock = ""
	}
	if o.locked != "" {
		if c.Lock, err = filepath.Abs(o.locked); err != nil {
			return nil, err
		}
		c.strict = true
	}
	locked, err := c.readLock()
	if err != nil {
		return nil, exit{exitConfig, err}
	}
	if len(names) == 0 && len(c.Watches) == 0 && o.locked != "" {
		for _, l := range locked.Names {
			names = append(names, l.Name)
		}
	}
	if len(names) == 0 {
		if len(c.Watches) == 0 {
			return nil, usage("nothing to check: give a NAME, or watches in %s", o.config)
		}
		return c, nil
	}
	var chosen []watchConfig
	for _, n := range names {
		name, err := monitor.ParseName(n)
		if err != nil {
			return nil, usage("%w", err)
		}
		i := slices.IndexFunc(c.Watches, func(w watchConfig) bool { return string(w.Name) == name })
		switch {
		case slices.ContainsFunc(chosen, func(w watchConfig) bool { return string(w.Name) == name }):
		case i >= 0:
			chosen = append(chosen, c.Watches[i])
		case locked.For(name) != nil:
			chosen = append(chosen, lockedWatch(*locked.For(name)))
		default:
			chosen = append(chosen, watchConfig{Name: domain(name)})
		}
	}
	c.Watches = chosen
	return c, nil
}

// askWitnesses adds those that are asked where nothing is configured.
func (c *config) askWitnesses() {
	for _, n := range defaultWitnesses {
		c.Resolvers = append(c.Resolvers, resolverConfig{Known: n})
	}
}

// whoIsAsked says who is asked, and who learns the names thereby.
func whoIsAsked(mc monitor.Config) string {
	s := "Asking"
	if mc.System != nil {
		var own []string
		if rs, err := mc.System(); err == nil {
			for _, r := range rs {
				if r.Transport == monitor.System {
					own = append(own, "getent")
					continue
				}
				own = append(own, r.Addr.Addr().String())
			}
		}
		s += " system (" + strings.Join(own, ", ") + ")"
	}
	var outside []string
	over := map[monitor.Transport]bool{}
	for _, r := range mc.References {
		if !slices.Contains(outside, r.Name) {
			outside = append(outside, r.Name)
			over[r.Transport] = true // the first is the one that is asked first
		}
	}
	switch {
	case len(outside) == 0:
		return s + " and nobody else."
	case mc.System != nil:
		s += " and, " + overWhat(over) + ","
	}
	return s + " " + strings.Join(outside, ", ") + ", who thereby learn the names (--no-outside)."
}

// overWhat says by which transports others are asked first.
func overWhat(over map[monitor.Transport]bool) string {
	var words []string
	for _, t := range []struct {
		is  monitor.Transport
		say string
	}{{monitor.DoH, "HTTPS"}, {monitor.DoT, "TLS"}, {monitor.TCP, "TCP"}, {monitor.UDP, "UDP"}} {
		if over[t.is] {
			words = append(words, t.say)
		}
	}
	return "over " + strings.Join(words, " and ")
}

// checksAtOnce bounds the names that are judged at the same time.
const checksAtOnce = 16

// judged is what came of judging once.
type judged struct {
	report  monitor.Report
	samples []monitor.Sample // that it rests on
	pins    monitor.Pins     // what may be pinned by it
}

// judgeOnce judges every watch of the configuration.
func judgeOnce(ctx context.Context, mc monitor.Config, s *senses, log *slog.Logger, timeout time.Duration) (out judged, err error) {
	m, err := monitor.New(mc, s.asker, s.provers, nil, log)
	if err != nil {
		return out, exit{exitConfig, err}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ran := make(chan error, 1)
	go func() { ran <- m.Run(running) }()
	defer func() { stop(); <-ran }()

	known := make([]monitor.Explanation, len(mc.Watches))
	proofs := make([][]monitor.Sample, len(mc.Watches))
	failed := make([]error, len(mc.Watches))
	slots := make(chan struct{}, checksAtOnce)
	var wg sync.WaitGroup
	for i, w := range mc.Watches {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			// The plan not having run its course is no failure: what is known
			// by then is the result, and it says so itself.
			js, err := m.Verify(ctx, w.Name, monitor.WholePlan)
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				failed[i] = err
				return
			}
			if known[i], failed[i] = m.Explain(context.WithoutCancel(ctx), w.Name); failed[i] == nil {
				known[i].Judgements = js
				proofs[i], failed[i] = m.Samples(context.WithoutCancel(ctx), w.Name)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return out, err // a report without a name would pass for one that is clean
	}
	var js []monitor.Judgement
	var alerts []monitor.Alert
	for _, e := range known {
		js = append(js, e.Judgements...)
		alerts = append(alerts, e.Alerts...)
	}
	if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return out, err
	}
	out.report, out.samples = monitor.NewReport(time.Now(), js, alerts), slices.Concat(proofs...)
	for _, st := range s.asker.Stats() {
		out.report.Stats.Queries += st.Queries
		for _, n := range st.Answers {
			out.report.Stats.Responses += n
		}
	}
	if out.pins, err = m.Pins(context.WithoutCancel(ctx), ""); err != nil {
		return out, err
	}
	for i, p := range out.pins.Names {
		out.pins.Names[i].Verdict = monitor.Clean
		for _, j := range js {
			if j.Name == p.Name {
				out.pins.Names[i].Verdict = out.pins.Names[i].Verdict.Worse(j.Verdict)
			}
		}
	}
	return out, nil
}

// failOn gives the exit status of a report, or none below the given verdict. A
// broken pin or lock counts as poisoned whatever else is known: the owner has said
// what is right.
func failOn(r monitor.Report, least string) error {
	v := r.Verdict
	for _, j := range r.Watches {
		if len(j.Breaches) > 0 {
			v = monitor.Poisoned
		}
		for _, reason := range j.Reasons {
			if reason.Rule == "pin.violation" && j.Verdict != monitor.Clean {
				v = monitor.Poisoned
			}
		}
	}
	if least == "never" || v.Rank() < monitor.Verdict(least).Rank() {
		return nil
	}
	return verdictStatus(v)
}

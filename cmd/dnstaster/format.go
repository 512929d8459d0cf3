package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// reportFormats are the forms that a report is written in.
var reportFormats = []string{"text", "json", "sarif", "junit", "github"}

// failLevels are the verdicts from which on a report is a failure.
var failLevels = []string{"never", "poisoned", "suspect", "unknown"}

// reportFlags adds the flags that say how a report is written.
func reportFlags(cmd *cobra.Command, o *checkOptions) {
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "text", oneOf(reportFormats)+"; github also writes the job summary")
	f.StringVar(&o.output, "output", "", "write the report to a file instead of standard output")
	f.StringVar(&o.failOn, "fail-on", "unknown", "exit 0 below this: "+oneOf(failLevels))
	for name, values := range map[string][]string{"format": reportFormats, "fail-on": failLevels} {
		// It fails only for a flag that there is not.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// oneOf lists what there is to choose from.
func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// valid reports flags that make no sense.
func (o checkOptions) valid() error {
	if !slices.Contains(reportFormats, o.format) {
		return usage("--format: want %s, not %q", oneOf(reportFormats), o.format)
	}
	if !slices.Contains(failLevels, o.failOn) {
		return usage("--fail-on: want %s, not %q", oneOf(failLevels), o.failOn)
	}
	if o.minScore < 0 || o.minScore > 100 {
		return usage("--min-score: want a number from 0 to 100, not %d", o.minScore)
	}
	return nil
}

// written is a report with what its forms need to know beside it.
type written struct {
	monitor.Report
	took  time.Duration
	text  func(w io.Writer) error        // for people
	where func(name string) report.Place // it is watched
}

// writeReport writes a report as the flags say.
func writeReport(w io.Writer, r written, o checkOptions) (err error) {
	if o.output != "" {
		f, err := os.Create(o.output)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		w = f
	}
	switch o.format {
	case "json":
		return report.JSON(w, r.Report)
	case "sarif":
		return report.SARIF(w, r.Report, version(), r.where)
	case "junit":
		return report.JUnit(w, r.Report, r.took)
	case "github":
		return errors.Join(report.GitHub(w, r.Report), stepSummary(r.Report))
	}
	return r.text(w)
}

// stepSummary adds a report to the summary of the step that this is part of, in
// GitHub Actions. Elsewhere it does nothing.
func stepSummary(r monitor.Report) error {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("job summary: %w", err)
	}
	_, err = io.WriteString(f, "\n") // what is there may have no end of line
	return errors.Join(err, report.GitHubSummary(f, r), f.Close())
}

// place gives where a name is watched, in the files of the configuration.
func (c *config) place(name string) report.Place {
	i := slices.IndexFunc(c.Watches, func(w watchConfig) bool { return string(w.Name) == name })
	if i < 0 || c.Watches[i].At.file == nil {
		return report.Place{}
	}
	at := c.Watches[i].At
	return report.Place{File: filepath.Join(filepath.Dir(c.path), at.file.name), Line: at.line}
}

// placeIn gives the file that shows a name, of those that were replayed: that of
// a transaction, or the only one that there was.
func placeIn(r monitor.Report, files []string) func(name string) report.Place {
	return func(name string) report.Place {
		file := ""
		if len(files) == 1 {
			file = files[0]
		}
		for _, a := range r.Alerts {
			if a.Name == name && len(a.Transactions) > 0 {
				file = a.Transactions[0].File
			}
		}
		if file == "-" {
			file = ""
		}
		return report.Place{File: file}
	}
}

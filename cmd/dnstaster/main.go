// Command dnstaster watches DNS answers for signs of poisoning, and says which
// secrets a lie exposes, since when, and what to do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

// Exit statuses. The first four are those of Nagios plugins; the others are
// from sysexits.h, so that a mistake is never taken for a verdict. A command
// that gives no verdict ends with 0 or one of the others; only demo, which is a
// test, says with 1 that it failed.
const (
	exitClean       = 0
	exitSuspect     = 1
	exitPoisoned    = 2
	exitUnknown     = 3
	exitUsage       = 64
	exitUnavailable = 69 // no daemon, or no endpoint, answers as it should
	exitInternal    = 70
	exitIO          = 74
	exitPermission  = 77
	exitConfig      = 78
)

func main() {
	debug.SetTraceback("crash") // a panic must not end with 2, which says poisoned
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings handed in, so that tests can call it.
func run(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal kills: whatever hangs must not hang on.
	defer context.AfterFunc(ctx, stop)()
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	return status(root.ExecuteContext(ctx), stderr)
}

// exit is an error that carries an exit status, and a text unless it is empty.
type exit struct {
	status int
	err    error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return exit{exitUsage, fmt.Errorf(format, args...)} }

// verdictStatus gives the exit status of a verdict, and nothing to say.
func verdictStatus(v monitor.Verdict) error {
	if v == monitor.Clean {
		return nil
	}
	return exit{status: statusOf(v)}
}

func statusOf(v monitor.Verdict) int {
	switch v {
	case monitor.Clean:
		return exitClean
	case monitor.Suspicious:
		return exitSuspect
	case monitor.Poisoned:
		return exitPoisoned
	}
	return exitUnknown
}

// status tells what went wrong and gives the exit status for it.
func status(err error, stderr io.Writer) int {
	var e exit
	var c configError
	switch {
	case err == nil:
		return exitClean
	case errors.As(err, &e):
		if e.err != nil {
			fmt.Fprintln(stderr, "dnstaster:", e.err)
		}
		return e.status
	case errors.As(err, &c):
		fmt.Fprintln(stderr, err)
		return exitConfig
	}
	fmt.Fprintln(stderr, "dnstaster:", err)
	return failureStatus(err)
}

// failureStatus gives the exit status of what went wrong and is no verdict.
func failureStatus(err error) int {
	var path *fs.PathError
	var answer *control.Error
	var errno syscall.Errno
	switch {
	case errors.Is(err, control.ErrNoDaemon), errors.As(err, &answer), errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	case errors.Is(err, fs.ErrPermission):
		return exitPermission
	case errors.As(err, &path), errors.As(err, &errno):
		return exitIO
	}
	return exitInternal
}

// newRoot makes the command with everything under it.
func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "dnstaster",
		Short: "Know when DNS lies to you",
		Long: `dnstaster watches what DNS answers on this host for the names that you send
secrets to. It asks this host's resolvers and independent witnesses, has answered
addresses prove themselves by their certificate, and tells when an answer is a lie:
since when, from whom, what is exposed, and what to do.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetVersionTemplate("dnstaster {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w\nSee: %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		runCommand(), demoCommand(), checkCommand(), replayCommand(), verifyCommand(), statusCommand(), alertsCommand(),
		historyCommand(), eventsCommand(), explainCommand(), planCommand(), discoverCommand(), drillCommand(), pinsCommand(), lockCommand(), evidenceCommand(), configCommand(), webhookCommand(), versionCommand(),
		manCommand(),
	)
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	usageErrors(root)
	helpErrors(root)
	return root
}

// helpErrors has help on what there is not end with the status of a usage error.
func helpErrors(root *cobra.Command) {
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		if c, rest, err := root.Find(args); err != nil || c == root && len(rest) > 0 {
			return usage("no command %q\nSee: %s --help", args[0], root.CommandPath())
		}
		return nil
	}
}

// usageErrors has wrong arguments end with the status of a usage error.
func usageErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usage("%w\nSee: %s --help", err, cmd.CommandPath())
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && cmd.RunE == nil {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usage("no command %q\nSee: %s --help", args[0], cmd.CommandPath())
		}
	}
	for _, sub := range cmd.Commands() {
		usageErrors(sub)
	}
}

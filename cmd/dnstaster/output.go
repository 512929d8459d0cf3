package main

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/control"
)

// printJSON writes v as one indented document.
func printJSON(cmd *cobra.Command, v any) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func jsonFlag(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "json", false, "print JSON")
}

// socketFlag adds --socket, for commands that ask the daemon.
func socketFlag(cmd *cobra.Command) *string {
	return cmd.PersistentFlags().String("socket", socketPath(), "control socket of the daemon")
}

// dialTime is how long a command waits for the daemon to take its call.
const dialTime = time.Second

func client(socket string) *control.Client { return control.NewClient(socket, dialTime) }

func configFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("config", configPath(), "configuration file")
}

// quiet is a log for commands: warnings and errors only.
func quiet(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

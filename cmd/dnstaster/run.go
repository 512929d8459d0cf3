package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/systemd"
)

func runCommand() *cobra.Command {
	var level slog.LevelVar
	var format string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon, as systemd does",
		Long: `run watches the names of the configuration until it is told to stop. Without a
configuration, or without watches in it, it is idle and says so.`,
		Example: "  dnstaster run --config /etc/dnstaster/dnstaster.yaml",
		Args:    cobra.NoArgs,
	}
	path := configFlag(cmd)
	cmd.Flags().TextVar(&level, "log-level", &level, "debug, info, warn or error")
	cmd.Flags().StringVar(&format, "log-format", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts := &slog.HandlerOptions{Level: &level}
		var h slog.Handler = slog.NewTextHandler(cmd.ErrOrStderr(), opts)
		switch format {
		case "json":
			h = slog.NewJSONHandler(cmd.ErrOrStderr(), opts)
		case "text":
		default:
			return usage("--log-format: want text or json, not %q", format)
		}
		c, err := loadConfig(*path)
		if errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config") {
			c, err = &config{}, nil
			c.setDefaults()
		}
		if err != nil {
			return configFailure(err)
		}
		return serve(cmd.Context(), c, slog.New(h))
	}
	return cmd
}

// configFailure gives what went wrong with the configuration its exit status.
func configFailure(err error) error {
	var ce configError
	if errors.As(err, &ce) {
		return err
	}
	return exit{exitConfig, err}
}

// serve runs the daemon until ctx ends.
func serve(ctx context.Context, c *config, log *slog.Logger) error {
	mc, err := c.monitorConfig()
	if err != nil {
		return exit{exitConfig, err}
	}
	s, err := newSenses(c, mc.Exempt, log)
	if err != nil {
		return exit{exitConfig, err}
	}
	d, err := newDaemon(c, mc, s, log)
	if err != nil {
		return exit{exitConfig, err}
	}
	log.Info("started", "version", version(), "watches", len(mc.Watches), "references", len(mc.References), "webhooks", len(d.senders), "pid", os.Getpid())
	if len(mc.Watches) == 0 {
		log.Warn("idle: the configuration watches nothing", "config", orNone(c.path))
	}
	if err := systemd.Ready(fmt.Sprintf("watching %d names", len(mc.Watches))); err != nil {
		log.Warn("systemd is not told that we are ready", "err", err)
	}
	began := time.Now()
	err = d.run(ctx)
	systemd.Stopping()
	err = errors.Join(err, d.close())
	log.Info("stopped", "after", time.Since(began).Round(time.Second), "err", err)
	return err
}

func orNone(path string) string {
	if path == "" {
		return "none"
	}
	return path
}

// backend is the monitor as the control socket shows it: with the other parts
// of the daemon beside it.
type backend struct {
	*monitor.Monitor
	d      *daemon
	config monitor.ConfigStatus
}

// Status adds to the monitor's own what only the whole daemon knows.
func (b *backend) Status(ctx context.Context) (monitor.Status, error) {
	s, err := b.Monitor.Status(ctx)
	s.Version, s.Config, s.Wire = version(), b.config, b.d.ear.status()
	st := b.d.store.Stats()
	s.Store = monitor.StoreStatus{Bytes: st.FileBytes, Events: st.Events, LastCommit: st.LastCommit, SetAside: st.SetAside}
	for _, w := range b.d.senders {
		st := w.Stats()
		ws := monitor.WebhookStatus{
			Name: st.Endpoint, Delivered: st.Delivered, Pending: st.Pending, Dead: st.Dead, Disabled: st.Disabled, LastSuccess: st.LastSuccess,
		}
		if st.LastFailure.After(st.LastSuccess) {
			ws.Error = st.LastError
		}
		s.Webhooks = append(s.Webhooks, ws)
	}
	return s, err
}

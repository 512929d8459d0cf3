package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

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
configuration, or without watches in it, it is idle and says so.

SIGHUP has it read the configuration anew. One that cannot be used, or that
changes what needs a restart (storage, control), is refused: the old one stays,
and the log, status and the metrics say so.`,
		Example: "  dnstaster run --config /etc/dnstaster/dnstaster.yaml",
		Args:    cobra.NoArgs,
	}
	path := configFlag(cmd)
	cmd.Flags().TextVar(&level, "log-level", &level, "debug, info, warn or error")
	cmd.Flags().StringVar(&format, "log-format", logAuto, "auto (the journal under systemd, else text), journal, text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		h, err := logHandler(format, &level, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		read := func() (*config, monitor.Config, error) {
			c, err := loadConfig(*path)
			if errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config") {
				c, err = &config{}, nil
				c.setDefaults()
			}
			if err != nil {
				return nil, monitor.Config{}, configFailure(err)
			}
			mc, err := c.monitorConfig()
			if err == nil {
				err = impair(&mc)
			}
			if err != nil {
				return nil, mc, exit{exitConfig, err}
			}
			return c, mc, nil
		}
		return serve(cmd.Context(), *path, read, slog.New(h))
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

// serve runs the daemon until ctx ends. path is where a configuration may be,
// and read reads it.
func serve(ctx context.Context, path string, read func() (*config, monitor.Config, error), log *slog.Logger) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	c, mc, err := read()
	if err != nil {
		return err
	}
	s, err := newSenses(c, mc.Exempt, log)
	if err != nil {
		return exit{exitConfig, err}
	}
	d, err := newDaemon(c, mc, s, log)
	if err != nil {
		return exit{exitConfig, err}
	}
	log.Info("started", "version", version(), "watches", len(mc.Watches), "references", len(mc.References), "webhooks", len(c.Webhooks), "pid", os.Getpid())
	if len(mc.Watches) == 0 {
		log.Warn("idle: the configuration watches nothing", "config", orNone(c.path), "cure", "watches in "+path)
	}
	began := time.Now()
	told := context.AfterFunc(ctx, systemd.Stopping)
	k := &keeper{daemon: d, path: path, ready: make(chan struct{}), log: log}
	g, working := errgroup.WithContext(ctx)
	g.Go(func() error { return d.run(working) })
	g.Go(func() error { return k.watch(working) })
	g.Go(func() error { return k.obey(working, hup, read) })
	err = g.Wait()
	if told() {
		systemd.Stopping() // nobody asked for it
	}
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
	d *daemon
}

// Status adds to the monitor's own what only the whole daemon knows.
func (b *backend) Status(ctx context.Context) (monitor.Status, error) {
	s, err := b.Monitor.Status(ctx)
	parts := b.d.parts.Load()
	s.Version, s.Config, s.Wire = version(), b.d.loaded.Load().ConfigStatus, parts.ear.status()
	s.Dnstap = b.d.tapStatus()
	st := b.d.store.Stats()
	s.Store = monitor.StoreStatus{Bytes: st.FileBytes, Events: st.Events, LastCommit: st.LastCommit, SetAside: st.SetAside}
	for _, w := range parts.desks {
		st := w.Stats()
		ws := monitor.WebhookStatus{
			Name: st.Endpoint, Delivered: st.Delivered, Pending: st.Pending, Dead: st.Dead, Cursor: st.Cursor, Disabled: st.Disabled, LastSuccess: st.LastSuccess,
		}
		if st.LastFailure.After(st.LastSuccess) {
			ws.Error = st.LastError
		}
		s.Webhooks = append(s.Webhooks, ws)
	}
	return s, err
}

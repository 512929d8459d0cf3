package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/webhook"
)

//go:embed config_init.yaml
var configTemplate string

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Make, check or show the configuration"}
	cmd.AddCommand(configInitCommand(), configCheckCommand(), configShowCommand())
	return cmd
}

func configInitCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "Write a commented configuration that works",
		Example: "  dnstaster config init > dnstaster.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == "" {
				_, err := fmt.Fprint(cmd.OutOrStdout(), configTemplate)
				return err
			}
			// What is there is somebody's work.
			f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return usage("%s is there already", output)
			}
			if err != nil {
				return err
			}
			_, err = f.WriteString(configTemplate)
			return errors.Join(err, f.Close())
		},
	}
	cmd.Flags().StringVar(&output, "output", "", "write to a file that does not exist yet")
	return cmd
}

func configCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether the configuration can be used, and everything that is wrong with it",
		Args:  cobra.NoArgs,
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := loadConfig(*path)
		if err != nil {
			return configFailure(err)
		}
		refs, _ := c.references()
		for _, w := range c.Maintenance {
			if time.Time(w.Until).Before(time.Now()) {
				fmt.Fprintf(cmd.ErrOrStderr(), "dnstaster: %s:%d:%d: maintenance was over at %s: take it out\n", w.At.file.name, w.At.line, w.At.col, time.Time(w.Until).UTC().Format(time.RFC3339))
			}
		}
		if err := c.checkFiles(cmd); err != nil {
			return exit{exitConfig, err}
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: %d watches, %d witness endpoints, %d webhooks\n", *path, len(c.Watches), len(refs), len(c.Webhooks))
		return err
	}
	return cmd
}

// checkFiles reads the files that the configuration names. One that is named
// without a directory and is not here may be a credential that systemd shows to
// the daemon alone: that is said, and is no error.
func (c *config) checkFiles(cmd *cobra.Command) error {
	var errs []error
	if _, _, err := c.roots(); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.knowledge(); err != nil {
		errs = append(errs, err)
	}
	ws := c.watches(c.inside(nil))
	errs = append(errs, c.declare(ws), c.lockWatches(ws))
	if file := c.Metrics.WebConfigFile; file != "" {
		switch err := web.Validate(c.beside(file)); {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(file) && c.maybeCredential(c.beside(file)):
			fmt.Fprintf(cmd.ErrOrStderr(), "dnstaster: metrics.web_config_file: %s is not there: fine if systemd gives it as a credential\n", c.beside(file))
		default:
			errs = append(errs, fmt.Errorf("metrics.web_config_file: %w", err))
		}
	}
	for _, h := range c.Webhooks {
		_, err := c.sender(h, noLog{}, monitor.Config{}, nil, quiet(cmd))
		var missing *fs.PathError
		switch {
		case err == nil:
		case errors.As(err, &missing) && errors.Is(err, fs.ErrNotExist) && c.maybeCredential(missing.Path):
			fmt.Fprintf(cmd.ErrOrStderr(), "dnstaster: webhook %s: %s is not there: fine if systemd gives it as a credential\n", h.Name, missing.Path)
		default:
			errs = append(errs, fmt.Errorf("webhook %s: %w", h.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (c *config) maybeCredential(path string) bool {
	return os.Getenv("CREDENTIALS_DIRECTORY") == "" && filepath.Dir(path) == filepath.Dir(c.path)
}

func configShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the configuration as it is used, watches.d and defaults included",
		Args:  cobra.NoArgs,
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := loadConfig(*path)
		if err != nil {
			return configFailure(err)
		}
		text, err := yaml.MarshalWithOptions(c.shown(), showOptions...)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	return cmd
}

func webhookCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "webhook", Short: "Try out webhooks"}
	test := &cobra.Command{
		Use:     "test NAME",
		Short:   "Send a test event to a webhook now",
		Example: "  dnstaster webhook test ops",
		Args:    cobra.ExactArgs(1),
	}
	path := configFlag(test)
	test.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := loadConfig(*path)
		if err != nil {
			return configFailure(err)
		}
		for _, h := range c.Webhooks {
			if h.Name == args[0] {
				return testWebhook(cmd, c, h)
			}
		}
		return usage("no webhook %q in %s", args[0], *path)
	}
	cmd.AddCommand(test)
	return cmd
}

func testWebhook(cmd *cobra.Command, c *config, h webhookConfig) error {
	mc, err := c.monitorConfig()
	if err != nil {
		return exit{exitConfig, err}
	}
	log := quiet(cmd)
	senses, err := newSenses(c, nil, log)
	if err != nil {
		return exit{exitConfig, err}
	}
	defer senses.Close()
	s, err := c.sender(h, noLog{}, mc, senses.asker, log)
	if err != nil {
		return exit{exitConfig, err}
	}
	result, err := s.Test(cmd.Context())
	if err != nil {
		return exit{exitUnavailable, err}
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", h.Name, result)
	return err
}

// noLog stands in for the store, which the daemon has open: a test event does
// not go through it.
type noLog struct{ webhook.Log }

func (noLog) ID() string { return "dnstaster" }

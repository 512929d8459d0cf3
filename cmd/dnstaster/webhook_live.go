package main

import (
	"context"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/webhook"
)

// live adds to an endpoint what only a running daemon knows. It stands apart
// from what an endpoint is configured to be: a reload compares that.
func (d *daemon) live(w *webhook.Config) {
	w.Pulse = d.pulse
	w.Conditions = func(ctx context.Context) ([]monitor.HealthStatus, error) {
		s, err := d.monitor.Status(ctx)
		return s.Health, err
	}
}

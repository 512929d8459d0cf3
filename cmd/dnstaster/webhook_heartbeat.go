package main

import (
	"context"
	"errors"

	"github.com/dnstaster/dnstaster/monitor"
)

// pulse says how the daemon fares, for a heartbeat. It fails where the core does
// not answer: then there is to be none.
func (d *daemon) pulse(ctx context.Context) (monitor.Pulse, error) {
	s, err := d.monitor.Status(ctx)
	if err != nil {
		return monitor.Pulse{}, err
	}
	p := monitor.Pulse{
		Host: s.Host, Labels: s.Labels, Version: version(), Started: s.Started, Health: "ok", Conditions: s.Health, Verdicts: map[monitor.Verdict]int{},
	}
	if p.Labels == nil {
		p.Labels = map[string]string{}
	}
	if len(s.Health) > 0 {
		p.Health = "degraded"
	}
	for _, v := range []monitor.Verdict{monitor.Clean, monitor.Suspicious, monitor.Poisoned, monitor.Unknown} {
		p.Verdicts[v] = s.Verdicts[v]
	}
	for _, a := range s.Alerts {
		if !a.Drill {
			p.Alerts++
		}
	}
	return p, nil
}

// noPulse is for senders beside the daemon, which send no heartbeats.
func noPulse(context.Context) (monitor.Pulse, error) {
	return monitor.Pulse{}, errors.New("no daemon")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/webhook"
)

// desk is a sender, and what it was made from.
type desk struct {
	*webhook.Sender
	gate *gate
	from deskConfig
	post *post
}

// deskConfig is all that a sender goes by.
type deskConfig struct {
	webhook    webhook.Config // without its Dialer
	references []monitor.Resolver
	private    []domain
}

// newDesks makes a desk for each webhook, or goes on with the one that is there.
func (d *daemon) newDesks(c *config, mc monitor.Config, old []*desk) ([]*desk, error) {
	var desks []*desk
	var errs []error
	for _, h := range c.Webhooks {
		w, err := c.endpoint(h, d.log.With("part", "webhook", "webhook", h.Name))
		from := deskConfig{w, mc.References, c.PrivateZones}
		if i := slices.IndexFunc(old, func(k *desk) bool { return reflect.DeepEqual(k.from, from) }); err == nil && i >= 0 {
			desks = append(desks, old[i])
			continue
		}
		k := &desk{gate: &gate{Log: d.store}, from: from}
		if err == nil {
			k.Sender, err = c.sender(h, k.gate, mc, d.senses, d.log, d.live)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("webhook %s: %w", h.Name, err))
			continue
		}
		desks = append(desks, k)
	}
	return desks, errors.Join(errs...)
}

// changeDesks stops the senders that go, all at once, and then starts those
// that come: never are there two at one cursor.
func (d *daemon) changeDesks(ctx context.Context, g *errgroup.Group, old, next []*desk) {
	leave := func(k *desk) bool { return !slices.Contains(next, k) }
	for _, k := range old {
		if leave(k) {
			k.gate.close(sendGrace)
		}
	}
	for _, k := range old {
		if leave(k) {
			<-k.post.done
		}
	}
	for _, k := range next {
		if k.post == nil {
			d.send(ctx, g, k)
		}
	}
}

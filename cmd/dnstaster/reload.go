package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dnstaster/dnstaster/monitor"
)

// reloadable are the keys of the configuration that a reload may change. What
// is new among the others needs a restart until somebody makes it reloadable.
var reloadable = []string{
	"watches", "maintenance", "resolvers", "private_zones", "capture", "webhooks", "external_labels", "tls",
	"dnssec", "root_hints", "asn", "probes", "policy", "lock", "special_purpose", "timing",
}

// sendGrace is how long a reload waits for an event that is on its way to a
// webhook which changes. One that takes longer may arrive twice.
const sendGrace = 2 * time.Second

// loaded is how reading the configuration last ended.
type loaded struct {
	monitor.ConfigStatus
	good bool
}

// parts are those of the daemon that a reload may replace.
type parts struct {
	config *config
	mc     monitor.Config
	ear    *ear
	hear   *post
	desks  []*desk
}

// post is where a part works until it is told to stop.
type post struct {
	ctx  context.Context
	stop context.CancelFunc
	done chan struct{} // closed once it has stopped
}

func newPost(ctx context.Context) *post {
	p := &post{done: make(chan struct{})}
	p.ctx, p.stop = context.WithCancel(ctx)
	return p
}

// request is a configuration to go on with.
type request struct {
	config *config
	mc     monitor.Config
	answer chan error
}

// reload has the running daemon go on with another configuration. On an error
// it goes on with the one that it has.
func (d *daemon) reload(ctx context.Context, c *config, mc monitor.Config) error {
	r := request{c, mc, make(chan error, 1)}
	select {
	case d.reloads <- r:
		return <-r.answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serveReloads puts everybody to work, and others in their place as the
// configuration changes, until ctx ends.
func (d *daemon) serveReloads(ctx context.Context, g *errgroup.Group) error {
	p := d.parts.Load()
	d.hear(ctx, g, p)
	for _, k := range p.desks {
		d.send(ctx, g, k)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-d.reloads:
			r.answer <- d.takeOver(ctx, g, r.config, r.mc)
		}
	}
}

func (d *daemon) hear(ctx context.Context, g *errgroup.Group, p *parts) {
	p.hear = newPost(ctx)
	d.work(g, p.hear, "capture", func(ctx context.Context) error { return p.ear.run(ctx, d.monitor.Offer, d.monitor.Overhear) })
}

func (d *daemon) send(ctx context.Context, g *errgroup.Group, k *desk) {
	k.post = newPost(ctx)
	k.gate.stop = k.post.stop
	d.work(g, k.post, "webhook", k.Run)
}

func (d *daemon) work(g *errgroup.Group, p *post, name string, task func(context.Context) error) {
	g.Go(func() error {
		defer close(p.done)
		defer p.stop()
		if err := task(p.ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

// assemble makes the parts that a reload may replace. Nothing runs yet.
func (d *daemon) assemble(c *config, mc monitor.Config) error {
	p := &parts{config: c, mc: mc}
	var err error
	if p.ear, err = newEar(c.Capture, mc.Watches, d.log.With("part", "capture")); err != nil {
		return err
	}
	d.parts.Store(p)
	d.attend(p.ear)
	p.desks, err = d.newDesks(c, mc, nil)
	return err
}

// attend has second answers to our own questions judged where no ear hears them, and
// what is announced on the network known.
func (d *daemon) attend(e *ear) {
	heard := e.announced
	d.senses.current().heard.Store(&heard)
	var take *func(monitor.Sample)
	if !e.listens() {
		f := func(s monitor.Sample) { d.monitor.Offer(s) }
		take = &f
	}
	d.senses.current().second.Store(take)
}

// takeOver makes what the new configuration needs, and only when all of it is
// there puts it in the place of what was.
func (d *daemon) takeOver(ctx context.Context, g *errgroup.Group, c *config, mc monitor.Config) (err error) {
	old := d.parts.Load()
	if err := needsRestart(old.config, c); err != nil {
		return err
	}
	next := &parts{config: c, mc: mc, ear: old.ear, hear: old.hear}
	if next.desks, err = d.newDesks(c, mc, old.desks); err != nil {
		return err
	}
	if earMoves(old, next) {
		if next.ear, err = newEar(c.Capture, mc.Watches, d.log.With("part", "capture")); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				next.ear.close()
			}
		}()
	}
	// Before the monitor, which begins with questions that may need a new root.
	undo, retire, err := d.changeSenses(c, mc, old)
	if err != nil {
		return err
	}
	if err := d.monitor.Reload(ctx, mc); err != nil {
		undo()
		return err
	}
	retire()
	if d.tap != nil {
		d.tap.Watch(watchedNames(mc.Watches))
	}
	if next.ear != old.ear {
		old.hear.stop()
		<-old.hear.done
		for _, at := range old.ear.heard {
			if at.After(next.ear.before) {
				next.ear.before = at
			}
		}
		d.hear(ctx, g, next)
	}
	d.attend(next.ear)
	d.changeDesks(ctx, g, old.desks, next.desks)
	d.parts.Store(next)
	return nil
}

// changeSenses puts others in the place of the senses where the configuration
// asks for it. Either undo or retire is to be called afterwards.
func (d *daemon) changeSenses(c *config, mc monitor.Config, old *parts) (undo, retire func(), err error) {
	nothing := func() {}
	fresh, err := newSenses(c, mc.Exempt, d.log)
	if err != nil {
		return nil, nil, err
	}
	// Of the keys that they are made from the monitor sees to most; connections,
	// budgets and counters are worth keeping where nothing else changed.
	if sameSenses(old.config, c) && slices.Equal(old.mc.Exempt, mc.Exempt) && fresh.alike(d.senses.current()) {
		fresh.Close()
		return nothing, nothing, nil
	}
	s := &shift{senses: fresh}
	before := d.senses.swap(s)
	return func() { d.senses.swap(before); d.senses.retire(s) }, func() { d.senses.retire(before) }, nil
}

// sameSenses reports whether two configurations have the same asked and proven
// in the same way, as far as that is not in files.
func sameSenses(a, b *config) bool {
	return same(a.TLS, b.TLS) && same(a.Resolvers, b.Resolvers) && same(a.PrivateZones, b.PrivateZones) &&
		same(a.DNSSEC, b.DNSSEC) && a.RootHints == b.RootHints && same(a.ASN, b.ASN) && same(a.Probes, b.Probes)
}

// earMoves reports whether another ear is needed: for other interfaces, or for
// other names.
func earMoves(old, next *parts) bool {
	names := func(p *parts) map[string]bool {
		m := map[string]bool{}
		for _, w := range p.mc.Watches {
			m[w.Name] = true
		}
		return m
	}
	return !same(old.config.Capture, next.config.Capture) || !maps.Equal(names(old), names(next))
}

// needsRestart gives an error that names what differs and only a restart can change.
func needsRestart(old, c *config) error {
	var keys []string
	a, b := reflect.ValueOf(*old), reflect.ValueOf(*c)
	for i := range a.NumField() {
		key := a.Type().Field(i).Tag.Get("yaml")
		if key == "" || slices.Contains(reloadable, key) || same(a.Field(i).Interface(), b.Field(i).Interface()) {
			continue
		}
		keys = append(keys, differing(key, a.Field(i), b.Field(i))...)
	}
	if len(keys) == 0 {
		return nil
	}
	return fmt.Errorf("%s changed: that needs a restart", strings.Join(keys, " and "))
}

// differing gives the keys below one in which two sections differ.
func differing(key string, a, b reflect.Value) []string {
	if a.Kind() != reflect.Struct {
		return []string{key}
	}
	var keys []string
	for i := range a.NumField() {
		if k := a.Type().Field(i).Tag.Get("yaml"); k != "" && !same(a.Field(i).Interface(), b.Field(i).Interface()) {
			keys = append(keys, key+"."+k)
		}
	}
	return keys
}

// same compares two values of the configuration as they would be shown: where
// in a file they stand does not count.
func same(a, b any) bool {
	return reflect.DeepEqual(shown(reflect.ValueOf(a)), shown(reflect.ValueOf(b)))
}

// reread reads the configuration and has the daemon go on with it. How that
// ended is in the log, in status and in the metrics.
func (d *daemon) reread(ctx context.Context, read func() (*config, monitor.Config, error)) error {
	c, mc, err := read()
	if err == nil && c.path == "" && d.parts.Load().config.path != "" {
		err = &fs.PathError{Op: "open", Path: d.parts.Load().config.path, Err: fs.ErrNotExist}
	}
	if err == nil {
		err = d.reload(ctx, c, mc)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l := *d.loaded.Load()
	if l.good = err == nil; l.good {
		l.ConfigStatus = monitor.ConfigStatus{Path: c.path, Loaded: time.Now()}
		d.log.Info("configuration reloaded", "config", orNone(c.path), "watches", len(mc.Watches), "webhooks", len(c.Webhooks))
	} else {
		l.Error = err.Error()
		d.log.Error("configuration refused, going on with the old one", "config", orNone(l.Path), "err", err)
	}
	d.loaded.Store(&l)
	return err
}

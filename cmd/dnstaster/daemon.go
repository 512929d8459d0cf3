package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	promconfig "github.com/prometheus/common/config"
	"golang.org/x/sync/errgroup"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/evidence"
	"github.com/dnstaster/dnstaster/monitor/resolver"
	"github.com/dnstaster/dnstaster/storage"
	"github.com/dnstaster/dnstaster/webhook"
)

// senses are what the monitor asks and proves with.
type senses struct {
	asker   *resolver.Asker
	walker  *resolver.Asker                         // of authoritative servers
	prover  *evidence.Prover                        // of certificates
	provers provers                                 // of everything, that one included
	second  atomic.Pointer[func(monitor.Sample)]    // takes second answers to our own questions
	heard   atomic.Pointer[func() []monitor.Source] // who announced nameservers on the network, as far as somebody listens
	read    [][]byte                                // what was read from files: additional roots, in DER, and sums of others
	search  []string                                // search domains of this host, whose names never leave
}

func (s *senses) Close() {
	s.asker.Close()
	s.walker.Close()
}

// newSenses makes them from a configuration. allow are addresses that proofs
// may dial although they lie in special-purpose blocks.
func newSenses(c *config, allow []netip.Prefix, log *slog.Logger) (*senses, error) {
	roots, extra, err := c.roots()
	if err != nil {
		return nil, err
	}
	k, err := c.knowledge()
	if err != nil {
		return nil, err
	}
	search, err := new(resolver.SystemResolvers).Search()
	if err != nil {
		return nil, err
	}
	s := &senses{search: search, prover: evidence.New(evidence.Config{
		ExtraRoots: extra, AllowPrefixes: allow, Minute: c.minute(),
	}, log.With("part", "evidence"))}
	for _, cert := range extra {
		s.read = append(s.read, cert.Raw)
	}
	s.read = append(s.read, k.sums()...)
	s.asker = resolver.New(resolver.Config{Roots: roots, Late: func(q monitor.Question, first, later monitor.Observation) {
		if take := s.second.Load(); take != nil {
			(*take)(secondAnswer(q, first, later))
		}
	}}, log.With("part", "resolver"))
	s.walker = resolver.New(resolver.Config{Roots: roots, Getent: os.DevNull}, log.With("part", "walk"))
	s.provers = c.provers(s, k, log)
	return s, nil
}

// roots gives the system's roots with those of tls.roots added, and the latter
// alone; the pool is nil where nothing is added.
func (c *config) roots() (*x509.CertPool, []*x509.Certificate, error) {
	if len(c.TLS.Roots) == 0 {
		return nil, nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	var extra []*x509.Certificate
	for _, file := range c.TLS.Roots {
		text, err := os.ReadFile(c.beside(file))
		if err != nil {
			return nil, nil, fmt.Errorf("tls.roots: %w", err)
		}
		before := len(extra)
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "CERTIFICATE" {
				continue
			}
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("tls.roots: %s: %w", file, err)
			}
			extra = append(extra, cert)
			pool.AddCert(cert)
		}
		if len(extra) == before {
			return nil, nil, fmt.Errorf("tls.roots: %s holds no certificate in PEM", file)
		}
	}
	return pool, extra, nil
}

// ownResolvers gives this host's resolvers. Tests put others in their place: those
// of this host are not on loopback, and resolv.conf holds no ports.
var ownResolvers = func(s *resolver.SystemResolvers) func() ([]monitor.Resolver, error) { return s.Resolvers }

// monitorConfig gives what the monitor needs to know.
func (c *config) monitorConfig() (monitor.Config, error) {
	system := &resolver.SystemResolvers{}
	host, err := os.Hostname()
	if err != nil {
		return monitor.Config{}, fmt.Errorf("name of this host: %w", err)
	}
	search, err := system.Search()
	if err != nil {
		return monitor.Config{}, err
	}
	m := monitor.Config{
		Watches: c.watches(c.inside(search)), Timing: c.timing(), Exempt: prefixes(c.SpecialPurpose.Exempt),
		Host: host, Labels: c.ExternalLabels,
	}
	if err := errors.Join(c.declare(m.Watches), c.lockWatches(m.Watches)); err != nil {
		return monitor.Config{}, err
	}
	m.References, m.Twins = c.references()
	if c.system() {
		m.System = ownResolvers(system)
	}
	return m, nil
}

// daemon is everything that runs together.
type daemon struct {
	monitor *monitor.Monitor
	store   *storage.DB
	control *control.Server
	socket  net.Listener
	metrics *metricsServer
	tap     *capture.Tap // nil where no resolver tells us anything
	senses  *relay
	parts   atomic.Pointer[parts] // that a reload may replace; nil until newDaemon has them
	loaded  atomic.Pointer[loaded]
	reloads chan request
	log     *slog.Logger
}

// newDaemon puts the parts together. Nothing runs before run, but the store is
// locked and the socket is bound.
func newDaemon(c *config, mc monitor.Config, s *senses, log *slog.Logger) (d *daemon, err error) {
	d = &daemon{senses: newRelay(s), reloads: make(chan request), log: log}
	d.loaded.Store(&loaded{ConfigStatus: monitor.ConfigStatus{Path: c.path, Loaded: time.Now()}, good: true})
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	d.store, err = storage.Open(storage.Config{
		Path: c.Storage.Path, Retention: time.Duration(c.Storage.Retention), MaxSize: int64(c.Storage.MaxSize),
	}, log.With("part", "storage"))
	if err != nil {
		return d, err
	}
	mc.Sniffer = follower{d}
	if d.monitor, err = monitor.New(mc, d.senses, d.senses, d.store, log.With("part", "monitor")); err != nil {
		return d, err
	}
	if d.tap, err = newTap(c.Dnstap, mc.Watches, log.With("part", "dnstap")); err != nil {
		return d, err
	}
	if err = d.assemble(c, mc); err != nil {
		return d, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		control.NewCollector(d.monitor, version()), &partsCollector{d},
	)
	d.control = control.New(control.Config{
		Backend: &backend{d.monitor, d}, Log: d.store,
		Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)}),
	}, log.With("part", "control"))
	if d.metrics, err = newMetricsServer(c, d.monitor, registry, log.With("part", "metrics")); err != nil {
		return d, err
	}
	d.socket, err = control.Listen(c.Control.Socket, c.Control.Group)
	return d, err
}

// followSystem has rounds begin at once when this host's resolvers change. Where
// that cannot be told, the next round sees it.
func (d *daemon) followSystem(ctx context.Context) error {
	if err := new(resolver.SystemResolvers).Watch(ctx, d.monitor.SystemChanged); err != nil {
		d.log.Warn("changes of this host's resolvers are seen by the next round only", "err", err)
	}
	return nil
}

// followRoutes tells the monitor when the way to this host's resolvers, or to a
// witness, becomes another. Where that cannot be told, what is seen meanwhile counts
// as it always does.
func (d *daemon) followRoutes(ctx context.Context) error {
	to := func() (as []netip.Addr) {
		mc := d.parts.Load().mc
		rs := slices.Concat(mc.References, mc.Twins)
		if mc.System != nil {
			own, _ := mc.System() // what cannot be read leads nowhere
			rs = append(rs, own...)
		}
		for _, r := range rs {
			if r.Addr.IsValid() {
				as = append(as, r.Addr.Addr())
			}
		}
		return as
	}
	if err := resolver.WatchRoutes(ctx, to, d.monitor.NetworkChanged); err != nil {
		d.log.Warn("changes of links and routes are not seen", "err", err)
	}
	return nil
}

// run works until ctx ends, and returns nil then.
func (d *daemon) run(ctx context.Context) error {
	tasks := map[string]func(context.Context) error{
		"monitor": d.monitor.Run,
		"storage": d.store.Run,
		"control": func(ctx context.Context) error { return d.control.Serve(ctx, d.socket) },
		"system":  d.followSystem,
		"routes":  d.followRoutes,
		"metrics": d.metrics.run,
		"lookout": d.lookAround,
	}
	g, ctx := errgroup.WithContext(ctx)
	if d.tap != nil {
		tasks["dnstap"] = func(ctx context.Context) error { return d.tap.Run(ctx, d.monitor.Offer) }
	}
	// It gives the others their posts, and takes them away.
	tasks["reload"] = func(ctx context.Context) error { return d.serveReloads(ctx, g) }
	for name, task := range tasks {
		g.Go(func() error {
			if err := task(ctx); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// close lets go of what newDaemon took.
func (d *daemon) close() error {
	var errs []error
	if d.socket != nil {
		if err := d.socket.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if d.tap != nil {
		errs = append(errs, d.tap.Close())
	}
	errs = append(errs, d.metrics.close())
	d.senses.Close()
	if p := d.parts.Load(); p != nil {
		errs = append(errs, p.ear.close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}

// sender makes the sender of a webhook.
func (c *config) sender(h webhookConfig, log webhook.Log, mc monitor.Config, asker monitor.Asker, logger *slog.Logger, with ...func(*webhook.Config)) (*webhook.Sender, error) {
	logger = logger.With("part", "webhook", "webhook", h.Name)
	w, err := c.endpoint(h, logger)
	if err != nil {
		return nil, err
	}
	w.Host, w.Pulse = mc.Host, noPulse
	w.Dialer = &webhook.Dialer{Lookups: []webhook.Lookup{lookupSystem, lookupWitnesses(mc.References, asker, c)}}
	for _, add := range with {
		add(&w)
	}
	return webhook.New(w, log, logger)
}

// endpoint reads what a webhook goes by, but for its Dialer.
func (c *config) endpoint(h webhookConfig, logger *slog.Logger) (webhook.Config, error) {
	w := webhook.Config{Name: h.Name, Format: h.Format, Labels: c.ExternalLabels, Types: h.Events, HTTP: h.HTTP.HTTPClientConfig, Version: version()}
	w.Heartbeat = time.Duration(h.Heartbeat)
	if !h.HTTP.set {
		w.HTTP = promconfig.DefaultHTTPClientConfig
	}
	if w.HTTP.ProxyURL.URL == nil {
		w.HTTP.ProxyFromEnvironment = true
	}
	var err error
	if w.URL, err = webhook.ReadURLFile(c.beside(h.URLFile), logger); err != nil {
		return w, err
	}
	if h.SecretFile != "" {
		w.Secret, err = webhook.ReadSecretFile(c.beside(h.SecretFile), logger)
	}
	return w, err
}

// lookupSystem asks as every other program here does.
func lookupSystem(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// lookupWitnesses asks the configured witnesses: what this host is told may be
// a lie, and it is just then that a webhook must get through.
func lookupWitnesses(refs []monitor.Resolver, asker monitor.Asker, c *config) webhook.Lookup {
	return func(ctx context.Context, host string) ([]netip.Addr, error) {
		name, err := monitor.ParseName(host)
		if err != nil {
			return nil, err
		}
		if c.inside(nil)(name) {
			return nil, errors.New("the name is never sent outside")
		}
		var errs []error
		for _, r := range refs {
			if !r.Encrypted() {
				continue
			}
			var as []netip.Addr
			for _, t := range []monitor.Type{monitor.TypeA, monitor.TypeAAAA} {
				q := monitor.Question{Name: name, Type: t}
				o := asker.Ask(ctx, r, q)
				if o.Error != "" {
					errs = append(errs, fmt.Errorf("%s: %s", r.Name, o.Error))
				}
				as = append(as, o.Addresses(q)...)
			}
			if len(as) > 0 {
				return as, nil
			}
		}
		return nil, errors.Join(append(errs, errors.New("no witness gives an address"))...)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/net/netutil"

	"github.com/dnstaster/dnstaster/monitor"
)

// Bounds of what those who ask for metrics may hold up.
const (
	metricsConns   = 64               // at a time; more wait
	metricsScrapes = 4                // at a time; more get 503
	metricsTime    = 10 * time.Second // for a scrape
	metricsHeader  = 16 << 10         // bytes of a request's head
	requestTime    = 5 * time.Second  // for a request to come
	aliveTime      = 2 * time.Second  // for the core to answer; no answer is its end
)

// check finds an address that nothing can listen at. A name is none: what it
// stands for is what others say it does.
func (m metricsConfig) check() []problem {
	one := func(format string, args ...any) []problem { return []problem{{m.At, fmt.Sprintf(format, args...)}} }
	if m.Listen == "" {
		if m.WebConfigFile != "" {
			return one("metrics: web_config_file without listen: nothing would use it")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(m.Listen)
	if err == nil && host != "" {
		_, err = netip.ParseAddr(host)
	}
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 {
		return one("metrics: listen: want an address and a port such as 127.0.0.1:9953, or :9953 for all, not %q", m.Listen)
	}
	return nil
}

// metricsServer serves metrics and health over HTTP, to whom the web
// configuration of Prometheus lets in: who is watched and how it fares, but
// neither what was answered nor who asked.
type metricsServer struct {
	listener net.Listener // nil where nothing listens
	file     string       // the web configuration; empty for none
	http     *http.Server
	log      *slog.Logger
}

// core is what health is asked of.
type core interface {
	Alive(within time.Duration) bool
	Status(ctx context.Context) (monitor.Status, error)
}

// newMetricsServer listens at once, so that what is wrong with it is known at
// the start.
func newMetricsServer(c *config, m core, metrics prometheus.Gatherer, log *slog.Logger) (*metricsServer, error) {
	s := &metricsServer{log: log}
	if c.Metrics.Listen == "" {
		return s, nil
	}
	if c.Metrics.WebConfigFile != "" {
		s.file = c.beside(c.Metrics.WebConfigFile)
		if err := web.Validate(s.file); err != nil {
			return s, fmt.Errorf("metrics.web_config_file: %w", err)
		}
	}
	l, err := net.Listen("tcp", c.Metrics.Listen)
	if err != nil {
		return s, fmt.Errorf("metrics.listen: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() && s.file == "" {
		log.Warn("metrics name what is watched, to whoever can reach them", "address", l.Addr().String(), "cure", "metrics.web_config_file")
	}
	s.listener = netutil.LimitListener(l, metricsConns)
	errs := slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{ErrorLog: errs, MaxRequestsInFlight: metricsScrapes, Timeout: metricsTime}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { healthy(w, m) })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, r *http.Request) { ready(w, r, m) })
	s.http = &http.Server{
		Handler: mux, ReadTimeout: requestTime, WriteTimeout: 2 * metricsTime, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: metricsHeader, ErrorLog: errs,
	}
	return s, nil
}

// healthy says whether the daemon is at work at all: whoever gets 503 may
// restart it.
func healthy(w http.ResponseWriter, m core) {
	if !m.Alive(aliveTime) {
		http.Error(w, "the core does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "dnstaster is healthy")
}

// ready says whether its verdicts can be relied on now: 503 while something
// critical keeps it from its work, which no restart would cure.
func ready(w http.ResponseWriter, r *http.Request, m core) {
	ctx, cancel := context.WithTimeout(r.Context(), aliveTime)
	defer cancel()
	s, err := m.Status(ctx)
	if err != nil {
		http.Error(w, "the core does not answer", http.StatusServiceUnavailable)
		return
	}
	var bad []string
	for _, h := range s.Health {
		if h.Severity == "critical" {
			bad = append(bad, h.Condition)
		}
	}
	if len(bad) > 0 {
		http.Error(w, strings.Join(bad, ", "), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "dnstaster is ready")
}

// run serves until ctx ends, and returns nil then.
func (s *metricsServer) run(ctx context.Context) error {
	if s.listener == nil {
		return nil
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.http.Shutdown(short) != nil {
			s.http.Close()
		}
	})
	addresses, socket := []string{s.listener.Addr().String()}, false
	err := web.Serve(s.listener, s.http, &web.FlagConfig{WebListenAddresses: &addresses, WebSystemdSocket: &socket, WebConfigFile: &s.file}, s.log)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		s.http.Close()
		return err
	}
	<-stopped
	return nil
}

// close lets go of the address. It may be called after run, and without it.
func (s *metricsServer) close() error {
	if s == nil || s.listener == nil {
		return nil
	}
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

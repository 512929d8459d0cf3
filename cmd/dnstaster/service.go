package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/systemd"
)

// keeper is the daemon's side of the service manager: it says when the daemon
// is ready, that its core is at work, what there is to see, and obeys.
type keeper struct {
	*daemon
	path  string // where a configuration may be
	ready chan struct{}
	log   *slog.Logger
}

const (
	statusEvery = 10 * time.Second // at least
	coreTime    = time.Second      // for the core to answer
)

// watch tells the service manager that the daemon is ready as soon as its core
// answers, and from then on that it still does, until ctx ends. A core that no
// longer answers is said once; the service manager then ends the daemon.
func (k *keeper) watch(ctx context.Context) error {
	within, err := systemd.Watchdog()
	if err != nil {
		k.log.Warn("not watched by systemd", "err", err)
	}
	for !k.monitor.Alive(coreTime) {
		if ctx.Err() != nil {
			return nil
		}
	}
	last := k.status(ctx)
	k.warn(systemd.Ready(last))
	close(k.ready)
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	every := statusEvery
	if within > 0 {
		every = min(every, within/3) // one that comes late must not be the end
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	stuck := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !k.monitor.Alive(min(coreTime, every)) {
			if !stuck && ctx.Err() == nil {
				k.log.Error("the core does not answer", "watchdog", within)
			}
			stuck = true
			continue
		}
		if stuck {
			k.log.Info("the core answers again")
			stuck = false
		}
		if within > 0 {
			k.warn(systemd.Alive())
		}
		if now := k.status(ctx); now != last {
			k.warn(systemd.Status(now))
			last = now
		}
	}
}

// obey reads the configuration anew at each signal, until ctx ends.
func (k *keeper) obey(ctx context.Context, hup <-chan os.Signal, read func() (*config, monitor.Config, error)) error {
	select {
	case <-k.ready:
	case <-ctx.Done():
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
		}
		k.warn(systemd.Reloading())
		k.reread(ctx, read) // says itself how that ended
		k.warn(systemd.Ready(k.status(ctx)))
	}
}

func (k *keeper) warn(err error) {
	if err != nil {
		k.log.Warn("systemd does not hear us", "err", err)
	}
}

// status gives the line that systemctl status shows.
func (k *keeper) status(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, coreTime)
	defer cancel()
	s, err := k.monitor.Status(ctx)
	if err != nil {
		return "the core does not answer"
	}
	s.Config = k.loaded.Load().ConfigStatus
	return statusLine(s, k.path)
}

// statusLine says in one line what is watched and what came of it. path is
// where a configuration belongs.
func statusLine(s monitor.Status, path string) string {
	var b strings.Builder
	switch {
	case len(s.Watches) == 0:
		fmt.Fprintf(&b, "idle: nothing is watched, put watches into %s", path)
	default:
		fmt.Fprintf(&b, "watching %s: %d poisoned, %d suspect, %d unknown, %d clean", plural(len(s.Watches), "name"),
			s.Verdicts[monitor.Poisoned], s.Verdicts[monitor.Suspicious], s.Verdicts[monitor.Unknown], s.Verdicts[monitor.Clean])
	}
	if n := len(s.Alerts); n > 0 {
		fmt.Fprintf(&b, "; %s open", plural(n, "alert"))
	}
	if s.Config.Error != "" {
		first, _, more := strings.Cut(s.Config.Error, "\n")
		if more {
			first += " …"
		}
		fmt.Fprintf(&b, "; newer configuration refused: %s", first)
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

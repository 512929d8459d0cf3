// Package systemd is how the daemon lives: what it tells the service manager,
// and the unit files beside this source.
//
// Without a service manager every function does nothing. All of them may be
// called from many goroutines.
package systemd

import (
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells the service manager that the daemon is up, or done with a reload
// (sd_notify(3)), with a line for systemctl status.
func Ready(status string) error { return notify(daemon.SdNotifyReady, status) }

// Status gives the service manager another line for systemctl status.
func Status(status string) error { return notify("", status) }

// Reloading tells the service manager that a reload has begun, which Ready
// ends. It carries the time, by which Type=notify-reload knows that this is the
// reload it asked for.
func Reloading() error {
	return notify(daemon.SdNotifyReloading+"\n"+strings.TrimSpace(daemon.SdNotifyMonotonicUsec()), "reloading")
}

// Stopping tells the service manager that the daemon is on its way out. Nobody
// is left to act on a failure.
func Stopping() { daemon.SdNotify(false, daemon.SdNotifyStopping) }

// Alive tells the service manager that the daemon works (WATCHDOG=1).
func Alive() error { return notify(daemon.SdNotifyWatchdog, "") }

// Watchdog gives the time after which the service manager kills a daemon that
// does not say Alive, 0 where it never does. An error is about WATCHDOG_USEC or
// WATCHDOG_PID in the environment (sd_watchdog_enabled(3)).
func Watchdog() (time.Duration, error) {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("watchdog of systemd: %w", err)
	}
	return d, nil
}

// notify sends an assignment, and a status in one line.
func notify(state, status string) error {
	if status != "" {
		state = strings.TrimPrefix(state+"\nSTATUS="+strings.Join(strings.Fields(status), " "), "\n")
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// Package systemd is how the daemon lives: what it tells the service manager,
// and the unit files beside this source.
package systemd

import (
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells the service manager that the daemon is up (sd_notify(3)), with a
// line for systemctl status. Without a service manager it does nothing.
func Ready(status string) error {
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS="+status); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// Stopping tells the service manager that the daemon is on its way out. Nobody
// is left to act on a failure.
func Stopping() { daemon.SdNotify(false, daemon.SdNotifyStopping) }

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// checkMaintenance finds windows that say nothing, or too much: one that nobody
// ends would take the pins away for good.
func (c *config) checkMaintenance(watched map[domain]bool) []problem {
	var ps []problem
	for _, w := range c.Maintenance {
		bad := func(format string, args ...any) {
			ps = append(ps, problem{w.At, "maintenance: " + fmt.Sprintf(format, args...)})
		}
		if !w.At.sound() {
			continue // is told of already
		}
		from, until := time.Time(w.From), time.Time(w.Until)
		switch {
		case from.IsZero():
			bad("from is missing: give a time such as 2026-11-24T03:00:00Z")
		case until.IsZero():
			bad("until is missing: a window that nobody ends takes the pins away for good")
		case !until.After(from):
			bad("until is not after from")
		case until.Sub(from) > monitor.MaxWindow:
			bad("it lasts %d days, and may last %d", int(until.Sub(from).Hours()/24), int(monitor.MaxWindow.Hours()/24))
		}
		if len(w.Names) == 0 {
			bad("names is missing: whose change is it?")
		}
		for i, n := range w.Names {
			switch name := strings.TrimSuffix(string(n), "."); {
			case n == "":
			case !watched[n]:
				bad("%s is not watched", name)
			case slices.Contains(w.Names[:i], n):
				bad("%s is there twice", name)
			}
		}
	}
	return ps
}

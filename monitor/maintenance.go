package monitor

import (
	"slices"
	"time"
)

// Window is a time in which the owner of a name has it changed: a planned
// migration. While it is open, that the name is found elsewhere is expected, and
// what a pin does not allow counts as what it does. Proof that an answer is false
// counts as ever.
type Window struct {
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// MaxWindow is the longest that a window may be open.
const MaxWindow = 30 * 24 * time.Hour

// Maintained gives the window of the watch that is open at a time, the one that
// ends last; nil for none.
func (w Watch) Maintained(at time.Time) *Window {
	var open *Window
	for i, m := range w.Maintenance {
		if !at.Before(m.From) && at.Before(m.Until) && (open == nil || m.Until.After(open.Until)) {
			open = &w.Maintenance[i]
		}
	}
	return open
}

// maintained reports whether a planned change of the name is under way.
func (v *view) maintained() bool {
	return v.Watch.Maintained(v.at) != nil && v.on("clear.maintenance")
}

// keyPinned reports whether nothing but a pinned key will do.
func (v *view) keyPinned() bool { return len(v.Watch.TLS.Pins) > 0 && !v.maintained() }

// expects reports whether what the rule sees is what a planned change looks like.
func (v *view) expects(rule string) bool {
	return (rule == "pin.violation" || slices.Contains(moveSigns, rule)) && v.maintained()
}

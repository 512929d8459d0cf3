package monitor

import (
	"slices"
	"strings"
)

// States that a sample can carry: what else was so when it was taken. All but the
// first mute something (detection §5.5); the clearing test of the same name, with
// "clear." before it, is what mutes.
const (
	// CaptureDegraded: packets were lost a moment ago, so a query may have been
	// sent more often than it was seen.
	CaptureDegraded = "capture_degraded"

	// StateCaptive: every name leads to one address, and no witness is heard. A
	// portal asks for a login.
	StateCaptive = "captive"

	// StateTLSInspected: certificates of names that have nothing to do with each
	// other are re-signed on the way, at addresses that are theirs.
	StateTLSInspected = "tls_inspected"

	// StateClock: what bears a date is out of its time, and nothing is in it.
	StateClock = "clock"

	// StateTransition: this host changed networks a moment ago, so half of what is
	// seen may be of the old one.
	StateTransition = "transition"
)

// in reports whether the sample being judged carries the state, and what that
// mutes is not switched off.
func (v *view) in(state string) bool {
	return len(v.Samples) > 0 && slices.Contains(v.Samples[len(v.Samples)-1].State, state) && v.on("clear."+state)
}

// states gives the states that a sample carries.
func (m *Monitor) states(s Sample) (states []string) {
	now := s.At
	for _, s := range []struct {
		name  string
		holds bool
	}{
		{StateCaptive, m.captive(now)},
		{StateTLSInspected, m.inspected(now)},
		{StateClock, m.clockWrong()},
		{StateTransition, m.transition.mutes(s.began(), now, m.cfg.Timing)},
	} {
		if s.holds {
			states = append(states, s.name)
		}
	}
	return states
}

// mute takes back what rests on things that say nothing in the state that this host
// or its network is in.
func (v *view) mute(r *Ruling) {
	unproven := r.Verdict == Unknown && (r.Cause == CauseNoProof || r.Cause == CauseLearning)
	byTLS := v.Question.Type.Address() && !v.Watch.TLS.Off
	switch {
	case v.in(StateCaptive) && r.Verdict != Clean:
		r.Cause = CauseCaptive
	// The zone's servers were heard on the path that re-signs certificates.
	case v.in(StateTLSInspected) && byTLS && (unproven || r.Verdict == Clean && v.zoneOnly()):
		r.Cause = CauseTLSInspected
	case v.in(StateClock) && unproven:
		r.Cause = CauseClock
	default:
		return
	}
	r.Verdict, r.Absent = Unknown, false
	r.Cure = r.Cause.Cure(strings.TrimSuffix(v.Question.Name, "."))
}

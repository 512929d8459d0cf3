package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Conditions: what keeps the daemon from its work. Those that only other parts
// can see are reported by Monitor.Note.
const (
	StoreFailing    = "store_failing"
	StoreSetAside   = "store_set_aside" // noted
	NoLocalResolver = "no_local_resolver"
	NoWitness       = "no_witness"
	NoHandshake     = "no_handshake"
	RoundsLate      = "rounds_late"
	SamplesDropped  = "samples_dropped"
	BudgetSpent     = "budget_spent" // seen here, and noted
	ClockStepped    = "clock_stepped"
	ClockWrong      = "clock_wrong"
	TLSInspected    = "tls_inspected"
	Captive         = "captive"
	NetworkUnsteady = "network_unsteady"
	CaptureOff      = "capture_off"      // noted
	CaptureLossy    = "capture_degraded" // noted
	WebhookFailing  = "webhook_failing"  // noted
)

// condition is something that keeps the daemon from its work. It is declared
// once, with its words, how long it must last before anybody is told, and
// which other condition explains it away.
type condition struct {
	code      string
	title     string
	text      string
	severity  string // warning, critical
	after     time.Duration
	dependsOn string
	detail    func(m *Monitor) string              // what of it, where it is seen here; may be nil
	holds     func(m *Monitor, now time.Time) bool // nil where it is only noted
}

var conditions = []condition{
	{
		code: StoreFailing, title: "The store takes nothing", severity: "critical", after: 10 * time.Second,
		text:  "Verdicts go on from memory, but alerts are not delivered and would not survive a restart. Look at the disk and the log.",
		holds: func(m *Monitor, _ time.Time) bool { return m.storeErr != nil },
	},
	{
		code: StoreSetAside, title: "A damaged store was set aside", severity: "warning",
		text: "History, baselines and what webhooks had not yet taken begin anew. Look at the disk, and move the damaged file away when it has been looked at.",
	},
	{
		code: NoLocalResolver, title: "This host's resolvers do not answer", severity: "critical", after: time.Minute,
		text: "Nothing can be judged, and applications resolve nothing either. Look at the link and at resolv.conf.",
		holds: func(m *Monitor, _ time.Time) bool {
			return m.silentRole(func(p *peer) bool {
				// That the C library finds nothing it does not call a failure.
				return p.Role == Local && p.Transport != System && slices.ContainsFunc(m.current, func(r Resolver) bool { return r.String() == p.Resolver })
			})
		},
	},
	{
		code: NoWitness, title: "No witness answers", severity: "warning", after: 5 * time.Minute, dependsOn: NoLocalResolver,
		text: "Names are judged by certificates and history alone. Let this host reach its configured resolvers over TLS.",
		holds: func(m *Monitor, _ time.Time) bool {
			return m.silentRole(func(p *peer) bool { return p.Role == Reference && (p.Transport == DoT || p.Transport == DoH) })
		},
	},
	{
		code: NoHandshake, title: "No answered address can be reached", severity: "warning", after: time.Minute, dependsOn: NoLocalResolver,
		text:  "Addresses cannot prove themselves by their certificate, so lies and moves look alike. Let this host connect to the watched names (dnstaster plan lists where).",
		holds: func(m *Monitor, _ time.Time) bool { return m.health.reach.blocked() },
	},
	{
		code: RoundsLate, title: "Rounds are late", severity: "warning", after: 5 * time.Minute,
		text: "The machine is too busy, or too many names are watched at too short an interval.",
		holds: func(m *Monitor, now time.Time) bool {
			at, ok := m.agenda.next()
			return ok && now.Sub(at) > 10*time.Second
		},
	},
	{
		code: SamplesDropped, title: "Overheard answers were dropped", severity: "warning",
		text: "More was overheard about watched names than could be judged: a lie among it may be missed. The machine is too busy, or somebody floods it.",
		holds: func(m *Monitor, now time.Time) bool {
			return m.health.dropped.lately(m.dropped.Load(), now, m.lately())
		},
	},
	{
		code: BudgetSpent, title: "A budget is spent", severity: "warning",
		text: "Odd answers came faster than questions and handshakes may follow: they wait for the next round. Somebody may be forging in bulk.",
		holds: func(m *Monitor, now time.Time) bool {
			return m.health.unheeded.lately(m.counts.Unheeded, now, m.lately())
		},
	},
	{
		code: ClockStepped, title: "The clock jumped", severity: "warning",
		text: "This host's clock was set, or the host slept. Times before and after do not compare, and certificates may have been judged by a wrong date.",
		holds: func(m *Monitor, now time.Time) bool {
			return !m.health.stepped.IsZero() && now.Sub(m.health.stepped) < 2*m.lately()
		},
		detail: func(m *Monitor) string { return fmt.Sprintf("by %s", m.health.step.Round(time.Second)) },
	},
	{
		code: ClockWrong, title: "The clock seems wrong", severity: "critical", dependsOn: NoHandshake,
		text:  "Certificates of several names, or signatures of several zones, are all out of their time, and none is in it. Set this host's clock; until then nothing can prove itself.",
		holds: func(m *Monitor, _ time.Time) bool { return m.clockWrong() },
	},
	{
		code: TLSInspected, title: "All TLS is inspected on the way", severity: "warning",
		text:   "Certificates of names that have nothing to do with each other are signed by one issuer that is not trusted here, and none is right: they prove nothing. Where that is meant, add the inspecting root to tls.roots; else find who does it.",
		holds:  func(m *Monitor, _ time.Time) bool { return m.inspection.on },
		detail: func(m *Monitor) string { return m.inspection.detail() },
	},
	{
		code: Captive, title: "A portal keeps this host in", severity: "warning", after: 15 * time.Minute,
		text:  "Every name leads to one address and nobody is heard over TLS, as before a login: nothing is judged. Log in to the network; where there is no portal, somebody cuts this host off.",
		holds: func(m *Monitor, _ time.Time) bool { return m.crowd.captive() },
	},
	{
		code: NetworkUnsteady, title: "The network changes all the time", severity: "warning",
		text:  "Links, routes or nameservers changed for 5 minutes of the last 15, so that changing no longer keeps anybody from being accused. Look at the link, and at who gives out addresses.",
		holds: func(m *Monitor, now time.Time) bool { return m.transition.worn(now, m.cfg.Timing) },
	},
	{
		code: CaptureOff, title: "The wire is not heard", severity: "warning",
		text: "Forged answers that race genuine ones are not seen. Give the daemon CAP_NET_RAW, or say capture: {enabled: false} if that is meant.",
	},
	{
		code: CaptureLossy, title: "The wire is heard in part", severity: "warning", dependsOn: CaptureOff,
		text: "Packets were lost, or there was no room for what they said: a forged answer among them is not seen.",
	},
	{
		code: WebhookFailing, title: "A webhook delivers nothing", severity: "critical", after: 15 * time.Minute,
		text: "Alerts wait and nobody is called by it. Look at the endpoint, and try: dnstaster webhook test NAME.",
	},
}

// latelyFor is how long something that happens at moments, as a drop does, is
// held to go on after the last of them.
const latelyFor = 5 * time.Minute

func (m *Monitor) lately() time.Duration { return latelyFor / time.Duration(m.cfg.Timing.Factor) }

// rising is a counter that means no good whenever it rises.
type rising struct {
	n  uint64
	at time.Time // it was last seen to rise
}

// lately takes in what the counter shows now, and reports whether it rose
// within d.
func (r *rising) lately(n uint64, now time.Time, d time.Duration) bool {
	if n > r.n {
		r.n, r.at = n, now
	}
	return !r.at.IsZero() && now.Sub(r.at) < d
}

// reach is what handshakes say of this host, rather than of an address: whether
// it can make any.
type reach struct {
	silent map[netip.Addr]bool // that nothing came back from, since one last did
	tries  int
}

// One partner that is down is not an egress that is blocked.
const (
	silentTries     = 3
	silentAddresses = 2
	maxReach        = 64 // entries that are kept
)

func (r *reach) blocked() bool { return r.tries >= silentTries && len(r.silent) >= silentAddresses }

func (r *reach) note(e Evidence) {
	if r.silent == nil {
		r.silent = map[netip.Addr]bool{}
	}
	switch e.Outcome {
	case OutcomeNotDialled, "":
		return
	case OutcomeTimeout, OutcomeUnreachable, OutcomeRefused, OutcomeReset:
		if r.tries++; len(r.silent) < maxReach {
			r.silent[e.Address] = true
		}
		return
	}
	r.tries = 0
	clear(r.silent)
}

package monitor

import "time"

const (
	// hasteSpread is the time within which every name is asked for again once
	// this host's resolvers have changed; names follow each other by
	// initialSpread where that is sooner.
	hasteSpread = 10 * time.Second

	// hastePause lies between two such times at least: a link that goes up and
	// down must not make a storm of questions.
	hastePause = 15 * time.Second
)

// SystemChanged tells that applications on this host may be told something else
// from now on: other nameservers, another hosts file. Every name is asked for
// anew within 10 s, spread over them, or as soon as 15 s have passed since that
// was last so. It never waits, and may be called from any goroutine, before Run
// too.
func (m *Monitor) SystemChanged() {
	select {
	case m.moved <- struct{}{}:
	default:
	}
}

// hasten brings every round forward. The appointments so far no longer count.
func (m *Monitor) hasten(now time.Time) {
	if m.cfg.Once {
		return
	}
	if next := m.hastened.Add(hastePause / time.Duration(m.cfg.Timing.Factor)); next.After(now) {
		if m.hastened.After(now) {
			return // it will come, and sees this change too
		}
		m.hastened = next
		m.agenda.add(next, m.bringForward)
		return
	}
	m.bringForward(now)
}

func (m *Monitor) bringForward(now time.Time) {
	m.hastened = now
	m.log.Info("this host's resolvers may have changed; asking anew", "names", len(m.order))
	apart := min(initialSpread, hasteSpread/time.Duration(max(1, len(m.order))))
	for i, s := range m.order {
		m.appoint(s, now.Add(time.Duration(i)*apart))
	}
}

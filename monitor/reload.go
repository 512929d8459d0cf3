package monitor

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Reload has the monitor go on with another configuration, and returns when it
// does. A name that stays watched keeps its verdict, its history and its open
// case; one whose watch changed, or whose witnesses did, is asked about anew at
// once. The alerts of a name or a type that is no longer watched are resolved,
// and those about a resolver that is no longer asked. On an error, which is one
// of New's, of ctx, of the store or ErrStopped, nothing has changed.
//
// Now, Once, Zones, MaxAsks, Sniffer and Tap stay as they are. Reload may be called from many
// goroutines; one configuration is taken over after the other.
func (m *Monitor) Reload(ctx context.Context, cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	m.reload.Lock()
	defer m.reload.Unlock()
	// What is known of names that come back, or for the first time, is read
	// before: the goroutine of Run waits for no disk.
	known := map[string]*Baseline{}
	if m.store != nil {
		bs, err := m.store.Baselines(ctx)
		if err != nil {
			return fmt.Errorf("read baselines: %w", err)
		}
		for _, b := range bs {
			b.normalize()
			b := b.copy()
			known[b.Name] = &b
		}
	}
	return m.do(ctx, func() { m.takeOver(cfg, known) })
}

// takeOver puts cfg in the place of the configuration so far.
func (m *Monitor) takeOver(cfg Config, known map[string]*Baseline) {
	now := m.cfg.Now()
	witnesses := !slices.Equal(m.cfg.References, cfg.References) || !slices.Equal(m.cfg.Twins, cfg.Twins)
	paced := m.intervals()
	// One by one: workers read the clock, which stays, at any time.
	m.cfg.Watches, m.cfg.System, m.cfg.References, m.cfg.Twins = cfg.Watches, cfg.System, cfg.References, cfg.Twins
	m.cfg.Timing, m.cfg.Exempt, m.cfg.Off = cfg.Timing, cfg.Exempt, cfg.Off
	m.cfg.Host, m.cfg.Labels = cfg.Host, cfg.Labels
	m.policy = m.cfg.policy()

	var added, changed, removed int
	before := m.subjects
	m.subjects, m.order = map[string]*subject{}, nil
	for _, w := range cfg.Watches {
		s := before[w.Name]
		delete(before, w.Name)
		switch {
		case s == nil:
			added++
			s = newSubject(w)
			s.base = known[w.Name]
			if b := m.resting[w.Name]; b != nil { // newer than what the store may hold yet
				s.base = b
				delete(m.resting, w.Name)
			}
		case !reflect.DeepEqual(s.watch, w):
			changed++
			m.rewatch(s, w)
		}
		m.subjects[w.Name] = s
		m.order = append(m.order, s)
	}
	for _, s := range before {
		removed++
		m.retire(s)
		m.crowd.forget(s.watch.Name)
	}
	m.proofs.waiting = slices.DeleteFunc(m.proofs.waiting, func(p passing) bool { return p.q.gone })
	if witnesses {
		m.forgetResolvers()
	}
	m.relabel()
	m.unwatch(now)
	m.reschedule(now, paced)
	m.log.Debug("configuration taken over", "added", added, "changed", changed, "removed", removed, "watches", len(m.order))
	m.commit()
}

// intervals gives the interval of every subject that has one appointed.
func (m *Monitor) intervals() map[*subject]time.Duration {
	ds := make(map[*subject]time.Duration, len(m.order))
	for _, s := range m.order {
		ds[s] = m.interval(s)
	}
	return ds
}

// reschedule appoints rounds of what is new, was changed, or has another
// interval than before.
func (m *Monitor) reschedule(now time.Time, paced map[*subject]time.Duration) {
	if m.cfg.Once {
		return
	}
	n := 0
	for _, s := range m.order {
		if every, ok := paced[s]; !ok || !s.nextWit.After(now) || every != m.interval(s) {
			m.appoint(s, now.Add(min(time.Duration(n)*initialSpread, m.interval(s))))
			n++
		}
	}
}

// rewatch goes on with what its owner now says of a name.
func (m *Monitor) rewatch(s *subject, w Watch) {
	moved := s.watch.Port() != w.Port()
	s.watch, s.nextWit = w, time.Time{}
	var qs []*question // not in place: callers of Verify hold on to the old ones
	for _, want := range w.Questions() {
		q := s.question(want.Type)
		if q == nil {
			q = newQuestion(s, want)
		}
		if moved {
			clear(q.tried) // somebody else may answer there
		}
		qs = append(qs, q)
	}
	for _, q := range s.questions {
		if !slices.Contains(qs, q) {
			m.drop(q)
		}
	}
	s.questions = qs
}

// retire ends what goes on about a name that is no longer watched.
func (m *Monitor) retire(s *subject) {
	s.rota++
	for _, q := range s.questions {
		m.drop(q)
	}
	m.saveBaseline(s, m.cfg.Now().Add(saveEvery))
	if len(m.resting) >= maxResting {
		clear(m.resting) // the store has them, but for the moment of a commit
	}
	if s.base != nil {
		m.resting[s.watch.Name] = s.base
	}
}

// maxResting bounds the histories kept in memory of names that were taken off.
const maxResting = 1024

// drop ends what goes on about one type of a name.
func (m *Monitor) drop(q *question) {
	q.gone = true
	q.flush(&m.batch)
	for _, w := range q.waiters {
		close(w.ch)
	}
	q.waiters = nil
}

// forgetResolvers takes back what resolvers said that are no longer asked, and
// has every name asked of those that are.
func (m *Monitor) forgetResolvers() {
	asked := map[string]bool{}
	for _, r := range slices.Concat(m.cfg.References, m.cfg.Twins) {
		asked[From(r, time.Time{}).Endpoint()] = true
	}
	for e, p := range m.peers {
		if p.Role == Reference && !asked[e] {
			delete(m.peers, e)
		}
	}
	for _, s := range m.order {
		s.nextWit = time.Time{}
		for _, q := range s.questions {
			for i, sample := range q.samples {
				if sample.Via == Probe {
					q.samples[i].Answers = slices.DeleteFunc(slices.Clone(sample.Answers), func(o Observation) bool {
						return o.Role == Reference && !asked[o.Endpoint()]
					})
				}
			}
		}
	}
}

// relabel has open alerts say what the configuration now says of them, from
// their next event on.
func (m *Monitor) relabel() {
	for _, l := range m.alerts {
		if l.alert.IsIncident() && l.alert.State != Resolved {
			l.alert.Labels = m.cfg.Labels // all else is that of its names
			m.putAlert(l.alert)
			continue
		}
		s := m.subjects[l.alert.Name]
		if s == nil || l.alert.State == Resolved {
			continue
		}
		l.alert.Labels, l.alert.Owner = m.cfg.Labels, s.watch.Owner
		for _, name := range s.watch.SecretNames {
			// One that is no longer named was exposed all the same.
			if !slices.Contains(l.alert.Exposure.SecretNames, name) {
				l.alert.Exposure.SecretNames = append(slices.Clip(l.alert.Exposure.SecretNames), name)
			}
		}
		m.putAlert(l.alert)
	}
}

// voiceless reports whether the resolver that an alert about the name accuses
// is no longer asked.
func (m *Monitor) voiceless(key, name string) bool {
	voice := key[min(len(key), len(name)+1):]
	if strings.HasPrefix(key, wide) {
		voice = key[strings.LastIndexByte(key, '/')+1:]
	}
	return voice != string(Local) && !slices.ContainsFunc(slices.Concat(m.cfg.References, m.cfg.Twins), func(r Resolver) bool {
		return From(r, time.Time{}).Group() == voice
	})
}

package webhook

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	// resolvedFor is how long an end is told again and again: an Alertmanager
	// that was restarted meanwhile knows only that it rang somebody.
	resolvedFor = 15 * time.Minute
	// maxPosted is how many alerts go into one body, as with Prometheus.
	maxPosted = 64
)

// picture is all that Alertmanager is to know.
type picture struct {
	upTo   uint64          // of the log; all up to here is in it
	events []monitor.Event // after the cursor that are wanted, without data
	posts  []postable
	told   map[string]postable // by the alert's id: what it goes by now
}

// mirror keeps Alertmanager as the store is, until ctx is done: all that stands
// is told at once after a start, after each event that changes it, and every
// [Config.Resend], since Alertmanager forgets what it does not hear of.
//
// It is told states and not events, so that nothing old is ever told after
// something newer, however long the endpoint was away. The cursor still moves
// with the events that are in what was told: the ends since then are told
// however long ago they were.
//
// Acknowledged and silenced alerts stand on: not to tell them would let them
// end there, which looks as if all were well. Their labels stay the same, so
// that Alertmanager rings nobody; who wants it quiet too silences it there.
func (s *Sender) mirror(ctx context.Context, cursor uint64) {
	due := time.Now()
	for {
		if err := s.await(ctx, cursor, due); err != nil {
			return
		}
		p, err := s.look(ctx, cursor)
		if err != nil {
			return
		}
		a := s.show(ctx, p.posts)
		switch {
		case ctx.Err() != nil:
			return
		case a.reaction == Gone:
			_ = s.off(ctx, s.id(p.upTo), a)
			return
		case a.reaction == Delivered:
			s.shown(p, a)
			due = time.Now().Add(s.config.Resend)
		default:
			if !s.unshown(p, a) {
				continue
			}
		}
		if p.upTo == cursor {
			continue
		}
		if err := s.move(ctx, p.upTo); err != nil {
			return
		}
		cursor = p.upTo
	}
}

// await returns when there is something to tell: an event after cursor, or at
// due; and never before the next try may be.
func (s *Sender) await(ctx context.Context, cursor uint64, due time.Time) error {
	if wait := time.Until(s.notBefore); wait > 0 {
		return sleep(ctx, wait)
	}
	waiting, cancel := context.WithDeadline(ctx, due)
	defer cancel()
	_ = s.insist(waiting, "wait for events", func() error {
		if err := s.log.Wait(waiting, cursor); waiting.Err() == nil {
			return err
		}
		return nil
	})
	return ctx.Err()
}

// look gathers all that is to be told, given that all up to cursor was.
func (s *Sender) look(ctx context.Context, cursor uint64) (picture, error) {
	now := time.Now()
	p := picture{upTo: max(cursor, s.log.Last()), told: map[string]postable{}}
	alerts := map[string]monitor.Alert{} // from events: ends that are long ago, and what the store does not hold
	health := map[string]postable{}
	for after := cursor; after < p.upTo; {
		var events []monitor.Event
		err := s.insist(ctx, "read events", func() (err error) {
			events, err = s.log.Events(ctx, after, batchSize)
			return err
		})
		if err != nil {
			return p, err
		}
		if len(events) == 0 {
			break // retention took them
		}
		for _, e := range events {
			after = e.Seq
			if e.Seq > p.upTo || e.Incident != "" || !s.concerns(e.Type) {
				continue
			}
			s.take(e, alerts, health)
			e.Data = nil
			p.events = append(p.events, e)
		}
	}
	if s.config.wantsAny("alert.") {
		var stored []monitor.Alert
		err := s.insist(ctx, "read alerts", func() (err error) {
			stored, err = s.log.Alerts(ctx, now.Add(-resolvedFor))
			return err
		})
		if err != nil {
			return p, err
		}
		for _, a := range stored {
			if a.Untold {
				continue // its incident is told in its place
			}
			alerts[a.ID] = a
		}
	}
	s.conditions(ctx, health)
	for _, id := range slices.Sorted(maps.Keys(alerts)) {
		p.add(id, alertOf(alerts[id]), s.told[id], now)
	}
	for _, c := range slices.Sorted(maps.Keys(health)) {
		p.posts = append(p.posts, health[c])
	}
	return p, nil
}

// concerns reports whether events of that type are about what is told.
func (s *Sender) concerns(eventType string) bool {
	for _, head := range []string{"alert.", "health."} {
		if strings.HasPrefix(eventType, head) {
			return s.config.wantsAny(head)
		}
	}
	return false
}

// take keeps what an event says. One whose data cannot be read says nothing:
// the store knows better.
func (s *Sender) take(e monitor.Event, alerts map[string]monitor.Alert, health map[string]postable) {
	if strings.HasPrefix(e.Type, "alert.") {
		var a monitor.Alert
		if json.Unmarshal(e.Data, &a) == nil && a.ID != "" {
			alerts[a.ID] = a
		}
		return
	}
	var h monitor.Health
	if json.Unmarshal(e.Data, &h) != nil || h.Condition == "" {
		return
	}
	post := s.config.conditionOf(h, e.At)
	if e.Type == monitor.HealthRestored {
		post.end(e.At)
	}
	health[h.Condition] = post
}

// conditions puts what holds now in place of what events said of it. What does
// not hold any more, and of which no event says that it ended, as after a
// restart, is told no more and ends by itself.
func (s *Sender) conditions(ctx context.Context, health map[string]postable) {
	if s.config.Conditions == nil || !s.config.wantsAny("health.") {
		return
	}
	held, err := s.config.Conditions(ctx)
	if err != nil {
		s.logger.Warn("conditions are not available to webhook", "err", err)
		return
	}
	maps.DeleteFunc(health, func(_ string, p postable) bool { return p.EndsAt.IsZero() })
	for _, h := range held {
		health[h.Condition] = s.config.conditionOf(h.Health, h.Since)
	}
}

// add puts an alert into the picture. Where it goes by other labels than
// before, since it has risen, Alertmanager takes it for another one: then the
// old one ends now, rather than when it is forgotten.
func (p *picture) add(id string, now, before postable, at time.Time) {
	if before.Labels != nil && !maps.Equal(before.Labels, now.Labels) {
		before.end(at)
		p.posts = append(p.posts, before)
	}
	p.posts = append(p.posts, now)
	if now.EndsAt.IsZero() {
		p.told[id] = now
	}
}

// show posts alerts, and gives how that ended. Alertmanager takes the others
// where it refuses one (400), and so they count as taken if one by one any is:
// a single one that it does not like must not let the others be forgotten.
func (s *Sender) show(ctx context.Context, posts []postable) attempt {
	last := attempt{reaction: Delivered}
	for some := range slices.Chunk(posts, maxPosted) {
		a := s.post(ctx, some)
		if a.status == http.StatusBadRequest && len(some) > 1 {
			a = s.single(ctx, some, a)
		}
		if last = a; a.reaction != Delivered {
			return a
		}
	}
	return last
}

func (s *Sender) single(ctx context.Context, posts []postable, refused attempt) attempt {
	for i := range posts {
		switch a := s.post(ctx, posts[i:i+1]); {
		case a.reaction == Delivered:
			refused = a
		case a.status == http.StatusBadRequest:
			s.logger.Error("alertmanager refuses an alert", "name", posts[i].Labels["name"], "kind", posts[i].Labels["kind"])
		default:
			return a
		}
	}
	return refused
}

func (s *Sender) post(ctx context.Context, posts []postable) attempt {
	body, err := json.Marshal(posts)
	if err != nil {
		return attempt{reaction: Refused, err: s.redact.text(err)}
	}
	return s.try(ctx, message{s.id(s.log.Last()), body})
}

// shown notes that a picture was taken.
func (s *Sender) shown(p picture, a attempt) {
	s.told = p.told
	if len(p.posts) == 0 {
		return // and nobody was asked
	}
	s.tally.delivered(time.Now(), uint64(len(p.events)))
	s.recover()
	if len(p.events) > 0 {
		s.logger.Info("webhook delivered", "id", s.id(p.upTo), "events", len(p.events), "alerts", len(p.posts), "status", a.status, "latency", a.latency)
	}
}

// unshown notes that a picture was not taken, sets when the next may be tried,
// and reports whether its events are given up. What stands is told all the same
// when the endpoint is back.
func (s *Sender) unshown(p picture, a attempt) (dead bool) {
	now := time.Now()
	wait := s.failed(a, now)
	if soon := now.Add(s.config.Resend); !a.reaction.slow() && a.retryAfter == 0 && s.notBefore.After(soon) {
		s.notBefore, wait = soon, s.config.Resend // each try is fresh, and what stands must not be forgotten
	}
	attrs := []any{"id", s.id(p.upTo), "events", len(p.events), "reaction", a.reaction, "err", a.err, "next_try_in", wait.Round(time.Millisecond)}
	if len(p.events) == 0 || min(now.Sub(p.events[0].At), now.Sub(s.failing)) < s.config.GiveUp {
		s.logger.Warn("webhook try failed", attrs...)
		return false
	}
	for _, e := range p.events {
		s.tally.buried(s.id(e.Seq), e, a)
	}
	s.logger.Error("webhook gave events up", attrs...)
	return true
}

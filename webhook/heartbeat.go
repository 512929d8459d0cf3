package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// minHeartbeat is the shortest interval: whoever waits for a heartbeat wants to
// hear of a silence within minutes, not of every second.
const minHeartbeat = time.Second

// checkHeartbeat finds a heartbeat that would never come.
func (c Config) checkHeartbeat() []error {
	listed := slices.Contains(c.Types, monitor.Heartbeat)
	switch {
	case c.Heartbeat == 0 && !listed:
		return nil
	case c.Heartbeat == 0:
		return []error{errors.New("events has heartbeat, and none would be sent: give heartbeat: 5m")}
	case !listed:
		return []error{fmt.Errorf("heartbeat is %s, and events does not have it: give events: [alert., health., heartbeat]", c.Heartbeat)}
	case c.Heartbeat < minHeartbeat:
		return []error{fmt.Errorf("heartbeat %s is below %s", c.Heartbeat, minHeartbeat)}
	case c.Format != DefaultFormat:
		return []error{fmt.Errorf("heartbeat goes with format %s, not %s", DefaultFormat, c.Format)}
	case c.Pulse == nil:
		return []error{errors.New("heartbeat without a pulse")}
	}
	return nil
}

// linger returns nil when there is an event after cursor, or when it is time for
// a heartbeat, and an error when ctx is done before or the log fails.
func (s *Sender) linger(ctx context.Context, cursor uint64) error {
	if s.config.Heartbeat == 0 {
		return s.log.Wait(ctx, cursor)
	}
	due := s.nextBeat
	if s.notBefore.After(due) {
		due = s.notBefore
	}
	short, cancel := context.WithDeadline(ctx, due)
	defer cancel()
	err := s.log.Wait(short, cursor)
	if short.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// beat sends a heartbeat if one is due. It is made anew at every try, so that
// the endpoint gets the latest one however long it was away, and only one. Like
// every function here that can wait, it returns an error only when ctx is done.
func (s *Sender) beat(ctx context.Context) error {
	now := time.Now()
	if s.config.Heartbeat == 0 || now.Before(s.nextBeat) || now.Before(s.notBefore) {
		return nil
	}
	m, err := s.pulse(ctx, now)
	if err != nil {
		// Silence is what says it best.
		s.logger.Error("no heartbeat: the core does not answer", "err", err)
		s.nextBeat = now.Add(s.config.Heartbeat)
		return ctx.Err()
	}
	a := s.try(ctx, m)
	switch {
	case a.reaction == Delivered:
		s.tally.beat(time.Now())
		s.recover()
		s.logger.Debug("webhook heartbeat", "id", m.id, "latency", a.latency)
		if s.nextBeat.IsZero() {
			s.nextBeat = now
		}
		late := now.Sub(s.nextBeat)
		s.nextBeat = s.nextBeat.Add(late - late%s.config.Heartbeat + s.config.Heartbeat)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case a.reaction == Gone:
		return s.off(ctx, m.id, a)
	}
	wait := s.failed(a, now)
	s.logger.Warn("webhook heartbeat failed", "id", m.id, "reaction", a.reaction, "err", a.err, "next_try_in", wait.Round(time.Millisecond))
	return nil
}

// pulse makes a heartbeat. Its id is its own at every try, as its contents are.
func (s *Sender) pulse(ctx context.Context, now time.Time) (message, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	p, err := s.config.Pulse(ctx)
	if err != nil {
		return message{}, err
	}
	data, err := json.Marshal(p)
	if err != nil {
		return message{}, err
	}
	id := s.log.ID() + "-heartbeat-" + strconv.FormatInt(now.UnixMilli(), 10)
	return s.message(id, monitor.Event{At: now, Type: monitor.Heartbeat, Data: data}), nil
}

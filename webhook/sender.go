package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	// batchSize is how many events are read at a time. They are small, and
	// reading on is cheap.
	batchSize = 64
	// maxLogWait bounds the wait between tries to reach the log.
	maxLogWait = time.Minute
	// cursorTimeout is how long a cursor may take to be written when the Sender
	// was asked to stop meanwhile.
	cursorTimeout = 10 * time.Second
)

// Log is the log of events with a cursor for each endpoint. Its methods may be
// called from several goroutines.
type Log interface {
	// Events gives up to max events with a sequence number above after, in order.
	Events(ctx context.Context, after uint64, max int) ([]monitor.Event, error)
	// Last gives the highest sequence number there is, 0 in an empty log.
	Last() uint64
	// Wait returns nil as soon as there is an event above after, and an error
	// when ctx is done before.
	Wait(ctx context.Context, after uint64) error
	// Cursor gives the sequence number of the last event that the endpoint is
	// done with, and whether there is one.
	Cursor(ctx context.Context, endpoint string) (seq uint64, ok bool, err error)
	// SetCursor writes it durably.
	SetCursor(ctx context.Context, endpoint string, seq uint64) error
	// Alerts gives those that are not resolved, and those resolved after since. An
	// event that Last counts is in them.
	Alerts(ctx context.Context, since time.Time) ([]monitor.Alert, error)
	// ID names the store for its whole life.
	ID() string
}

// Sender tells one endpoint what happened.
type Sender struct {
	config    Config
	log       Log
	logger    *slog.Logger
	url       *url.URL
	signer    *standardwebhooks.Webhook // nil without a secret
	format    format
	redact    redactor
	transport http.RoundTripper
	tally     tally

	// Owned by Run.
	fast, slow *backoff.ExponentialBackOff // waits until the next try; reset by success
	failing    time.Time                   // since when every try failed; zero if the last did not
	notBefore  time.Time                   // of the next try
	nextBeat   time.Time                   // when a heartbeat is due
	told       map[string]postable         // to Alertmanager, by the alert's id: the labels that it knows
}

// New checks c and gives its Sender, which does nothing before Run or Test. An
// error names all that is wrong, and nothing secret.
func New(c Config, log Log, logger *slog.Logger) (*Sender, error) {
	c = c.withDefaults()
	s := &Sender{
		config: c, log: log, logger: logger.With("endpoint", c.Name), url: c.target(), format: formats[c.Format], told: map[string]postable{},
		fast: newBackoff(firstInterval), slow: newBackoff(lastInterval),
	}
	s.redact = newRedactor(c.URL.parse(), append(inlineSecrets(c.HTTP), c.Secret.Reveal(), strings.TrimPrefix(c.Secret.Reveal(), "whsec_"), s.url.String())...)
	s.tally.stats = Stats{Endpoint: c.Name, Failed: map[Reaction]uint64{}}

	errs := c.check()
	if !c.Secret.IsZero() {
		var err error
		if s.signer, err = standardwebhooks.NewWebhook(c.Secret.Reveal()); err != nil {
			errs = append(errs, err)
		}
	}
	transport, err := newClient(c, s.redact, s.logger)
	if err != nil {
		errs = append(errs, err)
	}
	s.transport = transport
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("webhook %q: %w", c.Name, err)
	}
	return s, nil
}

// Stats may be called at any time.
func (s *Sender) Stats() Stats { return s.tally.snapshot(s.log.Last()) }

// Run sends events as they come until ctx is done, and then returns nil. It is
// called once. Trouble with the log is logged and waited out: the daemon is
// worth more than one endpoint.
func (s *Sender) Run(ctx context.Context) error {
	s.warn()
	cursor, err := s.start(ctx)
	if s.config.Format == Alertmanager && err == nil {
		s.mirror(ctx, cursor)
		return nil
	}
	for err == nil {
		cursor, err = s.advance(ctx, cursor)
	}
	return nil // err only says that ctx is done
}

// warn says what an operator may not have meant.
func (s *Sender) warn() {
	if s.signer == nil && s.config.Format == Standard {
		s.logger.Warn("webhook is not signed", "cure", "secret_file")
	}
	if a, err := netip.ParseAddr(s.url.Hostname()); s.url.Scheme == "http" && (err != nil || !a.IsLoopback()) {
		s.logger.Warn("webhook goes over plain http to a host that nothing proves", "cure", "an https URL")
	}
	if s.config.HTTP.TLSConfig.InsecureSkipVerify {
		s.logger.Warn("webhook does not check certificates", "cure", "tls_config.ca_file instead of insecure_skip_verify")
	}
}

// start gives the cursor to go on from. Like every function here that can wait,
// it returns an error only when ctx is done.
func (s *Sender) start(ctx context.Context) (uint64, error) {
	var cursor uint64
	var known bool
	err := s.insist(ctx, "read cursor", func() (err error) {
		cursor, known, err = s.log.Cursor(ctx, s.config.Name)
		return err
	})
	if err != nil {
		return 0, err
	}
	last := s.log.Last()
	if known && cursor <= last {
		s.tally.moved(cursor)
		return cursor, nil
	}
	if !known {
		s.logger.Info("webhook is new and starts at the end of the event log", "last", last)
	} else {
		s.logger.Warn("webhook cursor is beyond the end of the event log", "cursor", cursor, "last", last)
	}
	return last, s.move(ctx, last)
}

// advance deals with the next events after cursor, and gives the cursor then.
func (s *Sender) advance(ctx context.Context, cursor uint64) (uint64, error) {
	var events []monitor.Event
	err := s.insist(ctx, "read events", func() (err error) {
		if events, err = s.log.Events(ctx, cursor, batchSize); err != nil || len(events) > 0 {
			return err
		}
		return s.linger(ctx, cursor)
	})
	if err != nil {
		return cursor, err
	}
	if len(events) == 0 {
		return cursor, s.beat(ctx)
	}
	if n := events[0].Seq - cursor - 1; n > 0 {
		s.tally.missed(n)
		s.logger.Error("events left the log before this endpoint took them", "first", cursor+1, "count", n)
	}
	for _, e := range events {
		if s.wants(e) {
			if err := s.deliver(ctx, e); err != nil {
				return cursor, err
			}
			if err := s.move(ctx, e.Seq); err != nil {
				return cursor, err
			}
		}
		cursor = e.Seq
	}
	if last := events[len(events)-1]; !s.wants(last) {
		err = s.move(ctx, cursor)
	}
	return cursor, err
}

// wants reports whether the endpoint is sent e. What an incident tells of is not
// told once more.
func (s *Sender) wants(e monitor.Event) bool { return e.Incident == "" && s.config.wants(e.Type) }

// id gives the webhook-id of an event.
func (s *Sender) id(seq uint64) string { return s.log.ID() + "-" + strconv.FormatUint(seq, 10) }

// deliver returns when the endpoint took e or e is dead.
func (s *Sender) deliver(ctx context.Context, e monitor.Event) error {
	m := s.message(s.id(e.Seq), e)
	var first time.Time
	for {
		if err := sleep(ctx, time.Until(s.notBefore)); err != nil {
			return err
		}
		if first.IsZero() {
			first = time.Now()
		}
		a := s.try(ctx, m)
		if a.reaction == Delivered {
			s.succeed(m, e, a)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err() // that the try failed says nothing of the endpoint
		}
		if a.reaction == Gone {
			return s.off(ctx, m.id, a)
		}
		if s.fail(m, e, a, first) {
			return nil
		}
	}
}

func (s *Sender) succeed(m message, e monitor.Event, a attempt) {
	s.tally.delivered(time.Now(), 1)
	s.recover()
	s.logger.Info("webhook delivered", "id", m.id, "type", e.Type, "status", a.status, "latency", a.latency)
}

// recover forgets the tries that failed.
func (s *Sender) recover() {
	if !s.failing.IsZero() {
		s.logger.Info("webhook delivers again", "failed_for", time.Since(s.failing).Round(time.Second))
	}
	s.failing, s.notBefore = time.Time{}, time.Time{}
	s.fast.Reset()
	s.slow.Reset()
}

// off waits for the end of ctx after the endpoint said that it is gone.
func (s *Sender) off(ctx context.Context, id string, a attempt) error {
	s.tally.failed(a, time.Now(), time.Time{})
	s.logger.Error("webhook is switched off until restart or reload", "id", id, "err", a.err)
	<-ctx.Done()
	return ctx.Err()
}

// fail notes a failed try of e, which was first tried at first, sets when the
// next may be, and reports whether e is dead.
func (s *Sender) fail(m message, e monitor.Event, a attempt, first time.Time) (dead bool) {
	now := time.Now()
	wait := s.failed(a, now)

	// Both must be old: the event, so that a backlog does not take GiveUp for
	// each one in it, and the failing, so that a host that was off for days, or
	// whose clock was, gives its endpoint the whole time. An event from the
	// future is one that a wrong clock wrote; it is as old as its first try.
	age := max(now.Sub(e.At), now.Sub(first))
	dead = min(age, now.Sub(s.failing)) >= s.config.GiveUp
	attrs := []any{"id", m.id, "type", e.Type, "reaction", a.reaction, "err", a.err, "next_try_in", wait.Round(time.Millisecond)}
	if !dead {
		s.logger.Warn("webhook try failed", attrs...)
		return false
	}
	s.tally.buried(m.id, e, a)
	s.logger.Error("webhook gave an event up", append(attrs, "alert", e.Alert)...)
	return true
}

// failed notes a failed try, and gives how long it is until the next.
func (s *Sender) failed(a attempt, now time.Time) time.Duration {
	if s.failing.IsZero() {
		s.failing = now
	}
	wait := s.fast.NextBackOff()
	if a.reaction.slow() {
		wait = s.slow.NextBackOff()
	}
	wait = max(wait, a.retryAfter)
	s.notBefore = now.Add(wait)
	s.tally.failed(a, now, s.notBefore)
	return wait
}

// move writes the cursor. It does so also after ctx is done, or each stop after
// a delivery would repeat it.
func (s *Sender) move(ctx context.Context, seq uint64) error {
	s.tally.moved(seq)
	return s.insist(ctx, "move cursor", func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cursorTimeout)
		defer cancel()
		return s.log.SetCursor(ctx, s.config.Name, seq)
	})
}

// insist calls do until it succeeds or ctx is done.
func (s *Sender) insist(ctx context.Context, doing string, do func() error) error {
	b := newBackoff(firstInterval)
	b.MaxInterval = maxLogWait
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, do() },
		backoff.WithBackOff(b), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			s.logger.Error("event log is not available to webhook", "doing", doing, "err", err, "next_try_in", wait.Round(time.Millisecond))
		}))
	return err
}

// sleep waits for d, or until ctx is done, which is an error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return ctx.Err()
	}
}

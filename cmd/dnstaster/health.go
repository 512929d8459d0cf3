package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/storage"
	"github.com/dnstaster/dnstaster/webhook"
)

// lookout tells the monitor of what keeps the daemon from its work and only the
// other parts see.
type lookout struct {
	lost, blind, refused, withheld climb
	note                           func(condition string, bad bool, detail string)
}

const (
	lookEvery = 2 * time.Second
	lookFor   = 5 * time.Minute // what happens at moments is held to go on for so long
)

// sight is what there is to see of the other parts.
type sight struct {
	listen   bool // the wire is to be heard
	wire     monitor.WireStatus
	store    storage.Stats
	webhooks []webhook.Stats
	refused  uint64 // handshakes that a budget did not let be made
}

// lookAround looks until ctx ends, and returns nil then.
func (d *daemon) lookAround(ctx context.Context) error {
	l := &lookout{note: d.monitor.Note}
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		l.look(time.Now(), d.sight())
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (d *daemon) sight() sight {
	p := d.parts.Load()
	s := sight{
		listen: p.config.Capture.Enabled.on() && len(p.mc.Watches) > 0, wire: p.ear.status(), store: d.store.Stats(),
		refused: d.senses.current().prover.Stats().OverBudget,
	}
	for _, k := range p.desks {
		s.webhooks = append(s.webhooks, k.Stats())
	}
	return s
}

// look takes in what is seen now.
func (l *lookout) look(now time.Time, s sight) {
	l.note(monitor.CaptureOff, s.listen && len(s.wire.Interfaces) == 0, s.wire.Error)
	lost, blind := l.lost.lately(s.wire.Lost, now), l.blind.lately(s.wire.Blind, now)
	detail := fmt.Sprintf("since the start %d packets lost, and no room for %d", s.wire.Lost, s.wire.Blind)
	if hold := time.Duration(s.wire.Hold); s.wire.Shortened > 0 && hold < capture.HoldAnswered {
		detail += fmt.Sprintf("; queries are held for %s after their answer, not %s", hold.Round(10*time.Millisecond), capture.HoldAnswered)
	}
	l.note(monitor.CaptureLossy, lost || blind, detail)
	l.note(monitor.SamplesDropped, l.withheld.lately(s.wire.Withheld, now), fmt.Sprintf("%d answers since the start that came in a flood", s.wire.Withheld))
	l.note(monitor.BudgetSpent, l.refused.lately(s.refused, now), fmt.Sprintf("%d handshakes since the start", s.refused))
	aside := s.store.SetAside
	if _, err := os.Stat(aside); err != nil {
		aside = "" // somebody has taken it away
	}
	l.note(monitor.StoreSetAside, aside != "", aside)
	var failing []string
	for _, w := range s.webhooks {
		switch {
		case w.Disabled:
			failing = append(failing, w.Endpoint+": it said 410 Gone, and is off until restart or reload")
		case w.LastFailure.After(w.LastSuccess):
			failing = append(failing, w.Endpoint+": "+w.LastError)
		}
	}
	l.note(monitor.WebhookFailing, len(failing) > 0, strings.Join(failing, "; "))
}

// climb is a counter that means no good whenever it rises. It may begin anew.
type climb struct {
	n  uint64
	at time.Time // it was last seen to rise
}

// lately takes in what the counter shows, and reports whether it rose lately.
func (c *climb) lately(n uint64, now time.Time) bool {
	if n > c.n {
		c.at = now
	}
	c.n = n
	return !c.at.IsZero() && now.Sub(c.at) < lookFor
}

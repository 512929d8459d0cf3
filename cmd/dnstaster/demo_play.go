package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// play is the story itself.
func (d *demo) play(ctx context.Context, socket string) demoOutcome {
	c := client(socket)
	defer c.Close()
	if err := d.awaitClean(ctx, c); err != nil {
		return demoOutcome{Why: "the name was not clean before the forgery: " + err.Error()}
	}
	if !d.poison {
		return d.awaitNothing(ctx)
	}
	// bravo's cache takes in a forgery, as after a Kaminsky attack.
	if !sleep(ctx, time.Until(d.began.Add(demoQuiet))) {
		return demoOutcome{Why: "stopped"}
	}
	forged := time.Now()
	for _, r := range d.resolvers {
		if r.name == demoHost {
			r.remember(netip.MustParseAddr(demoFalse), demoLong)
		}
	}
	d.tell("ATTACK", "%s's cache now says %s, ttl %d (the zone's is %d)", demoHost, demoFalse, demoLong, demoTTL)
	out := d.awaitAlert(ctx, c, forged)
	switch {
	case out.Pass:
		d.end("PASS  %s, %.1f s after the forgery.   Next: dnstaster check NAME", out.Why, out.After)
	default:
		d.end("FAIL  %s", out.Why)
	}
	return out
}

func (d *demo) end(format string, args ...any) {
	if d.out != nil {
		fmt.Fprintf(d.out, format+"\n", args...)
	}
}

// awaitClean waits until the daemon calls the name clean.
func (d *demo) awaitClean(ctx context.Context, c interface {
	Verify(context.Context, string, monitor.Settle) (monitor.Report, error)
}) error {
	for {
		r, err := c.Verify(ctx, demoName, monitor.WholePlan)
		if err == nil && r.Verdict == monitor.Clean {
			j := r.Watches[0]
			heard := 0
			for _, o := range j.Answers {
				if slices.ContainsFunc(o.Addresses(j.Question()), func(a netip.Addr) bool { return a.String() == demoTrue }) {
					heard++
				}
			}
			if heard == len(d.resolvers) {
				d.tell("clean", "%s is %s at %d of %d; %s", strings.TrimSuffix(demoName, "."), demoTrue, heard, len(d.resolvers), j.Proof)
				return nil
			}
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// awaitNothing watches for some time that no alert comes.
func (d *demo) awaitNothing(ctx context.Context) demoOutcome {
	t := time.NewTimer(12 * time.Second)
	defer t.Stop()
	for {
		select {
		case h := <-d.hooks:
			if strings.HasPrefix(h.kind, "alert.") {
				d.end("FAIL  an alert came though nothing was forged: %s", h.alert.Summary)
				return demoOutcome{Why: "an alert came though nothing was forged", Alert: &h.alert, AlertCount: 1}
			}
		case <-t.C:
			d.end("PASS  nothing was forged, and no alert came.")
			return demoOutcome{Pass: true, Why: "nothing was forged, and no alert came"}
		case <-ctx.Done():
			return demoOutcome{Why: "stopped"}
		}
	}
}

// demoGrace is how long other alerts may still come after the right one.
const demoGrace = 1500 * time.Millisecond

// awaitAlert follows the events until the alert is delivered, and judges it.
func (d *demo) awaitAlert(ctx context.Context, c interface {
	Explain(context.Context, string) (monitor.Explanation, error)
}, forged time.Time) demoOutcome {
	var last monitor.Verdict
	look := func() {
		e, err := c.Explain(ctx, demoName)
		if err != nil || len(e.Judgements) == 0 {
			return
		}
		if j := e.Judgements[0]; j.Verdict != last {
			// A broken pin may decide a moment before the second handshake is back,
			// which the alert waits for: so does the story.
			if j.Verdict == monitor.Poisoned && len(e.Alerts) == 0 {
				return
			}
			last = j.Verdict
			if j.Verdict != monitor.Clean {
				d.tellVerdict(j)
			}
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var got []hook
	var grace <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return d.judge(got, forged, "no alert came within "+demoLimit.String())
		case <-grace:
			return d.judge(got, forged, "")
		case h := <-d.hooks:
			if !strings.HasPrefix(h.kind, "alert.") {
				continue
			}
			got = append(got, h)
			look()
			signed := "signature valid"
			if h.err != nil {
				signed = "NOT accepted: " + h.err.Error()
			}
			d.tell("webhook", "%s %s, %s", h.kind, h.alert.Severity, signed)
			grace = time.After(demoGrace)
		case <-tick.C:
			look()
		}
	}
}

func (d *demo) tellVerdict(j monitor.Judgement) {
	fact := ""
	for _, r := range j.Reasons {
		if r.Rule == "id.tls_mismatch" {
			fact = "; " + r.Fact
		}
	}
	switch j.Verdict {
	case monitor.Poisoned:
		d.tell("poisoned", "%s at %s%s", j.Kind, j.Resolver, fact)
	default:
		d.tell(string(j.Verdict), "%s stands alone%s", demoHost, fact)
	}
}

// judge decides whether the right alert came, and no other.
func (d *demo) judge(got []hook, forged time.Time, why string) demoOutcome {
	out := demoOutcome{Why: why, AlertCount: len(got)}
	if len(got) == 0 {
		return out
	}
	h := got[0]
	out.Alert, out.After = &h.alert, h.at.Sub(forged).Seconds()
	a := h.alert
	has := func(rule string) bool {
		return slices.ContainsFunc(a.Reasons, func(r monitor.Reason) bool { return r.Rule == rule && r.Weight >= 60 })
	}
	switch {
	case len(got) > 1:
		out.Why = fmt.Sprintf("%d alert events came where one is right", len(got))
	case h.err != nil:
		out.Why = "the webhook's signature is wrong: " + h.err.Error()
	case h.kind != monitor.AlertOpened || a.Name != demoName || a.Kind != monitor.ResolverCache || !strings.HasPrefix(a.Resolver, demoHost+" "):
		out.Why = fmt.Sprintf("the wrong alert came: %s %s %s at %s", h.kind, a.Kind, a.Name, a.Resolver)
	case a.Confidence != monitor.Confirmed || a.Severity != monitor.Critical || a.Verdict != monitor.Poisoned:
		out.Why = fmt.Sprintf("the alert is %s, %s, %s", a.Severity, a.Confidence, a.Verdict)
	case !has("id.tls_mismatch") || !has("pin.violation") || !proven(a):
		out.Why = "the alert came without its proof"
	case d.partner.bytes.Load() != 0:
		out.Why = fmt.Sprintf("%d bytes were sent to an address under proof", d.partner.bytes.Load())
	default:
		out.Pass, out.Why = true, "right name, resolver and kind, no other alert"
	}
	return out
}

// proven reports whether the false address was met with a wrong certificate and
// the true one with the right one.
func proven(a monitor.Alert) bool {
	met := func(address string, o monitor.Outcome) bool {
		return slices.ContainsFunc(a.Evidence, func(e monitor.Evidence) bool { return e.Address.String() == address && e.Outcome == o })
	}
	return met(demoFalse, monitor.OutcomeNameMismatch) && met(demoTrue, monitor.OutcomeOK)
}

// sleep waits for d, and reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

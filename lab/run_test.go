//go:build lab

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// Run is one case under way.
type Run struct {
	*Case
	w *world.World
	d *daemon
	s *sink

	real bool // at the timing of production, once it has learnt; see TestConfirm

	lies   sync.Map  // names that a server lies about, added while it serves
	forged time.Time // when the first forged packet or record was out
	undo   []world.Undo

	faults    []string // what was not as it must be
	got       string
	seconds   float64
	confirmed float64 // seconds to the first confirmed alert; 0 for none
	rules     []string
	missing   []string // rules that it should rest on, which do not exist yet
	rounds    int      // that a quiet case was watched for
	alarms    int      // alerts louder than listed, in those
	words     []word   // what the daemon said, to be held against its samples
}

// mark says that the first forged packet went out at a time. Causes that do not
// call it count from when they are at work.
func (r *Run) mark(at time.Time) {
	if r.forged.IsZero() || at.Before(r.forged) {
		r.forged = at
	}
}

func (r *Run) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

func (r *Run) check(err error) bool {
	if err != nil {
		r.fault("%v", err)
	}
	return err == nil
}

// Timing of the lab profile.
var timing = monitor.LabTiming()

// quietRounds is how many rounds of this host's own path a quiet case is watched for.
const quietRounds = 20

// execute runs the case in a world of its own. What is wrong with the product is
// among the faults; an error is the lab's own, which says nothing of the product.
func (r *Run) execute(t *testing.T, name string) error {
	var err error
	if r.w, err = world.New(name); err != nil {
		return err
	}
	defer func() { r.check(r.w.Close()) }()
	if *pcaps != "" {
		if err := os.MkdirAll(*pcaps, 0o755); err != nil {
			return err
		}
		stop, err := r.w.Client().Capture(filepath.Join(*pcaps, r.ID+".pcap"), "any", "not port 9099")
		if err != nil {
			return err
		}
		defer func() { r.check(stop()) }()
	}
	if r.s, err = newSink(r.w); err != nil {
		return err
	}
	defer r.s.srv.Close()
	defer func() { // whatever is still at work ends before the world does
		for _, u := range slices.Backward(r.undo) {
			_ = u()
		}
	}()
	if r.Before != nil {
		if err := r.bring(r.Before); err != nil {
			return fmt.Errorf("before: %w", err)
		}
	}
	if r.d, err = startDaemon(r.w, r.Case, r.recording()...); err != nil {
		return err
	}
	defer func() {
		if len(r.faults) == 0 {
			r.take()
		}
		r.check(r.d.stop())
		r.check(r.judgedAgain())
		for _, err := range r.s.faults() {
			r.fault("webhook: %v", err)
		}
		if len(r.faults) > 0 && testing.Verbose() {
			t.Logf("%s\ncame: %v\n%s", strings.Join(r.faults, "\n"), r.s.all(), tail(r.d.text(), 40))
		}
	}()
	if err := r.d.learn(); err != nil {
		return err
	}
	if r.real {
		if err := r.d.slow(r.w, r.Case); err != nil {
			return err
		}
	}
	if r.Before == nil || r.Start != "" {
		start := r.Start
		if start == "" {
			start = monitor.Clean
		}
		if !r.check(r.d.awaitVerdict(r.name(), start, "", 15*time.Second)) {
			return nil
		}
	}
	if len(r.Want) > 0 {
		return r.attack(t)
	}
	return r.quiet(t)
}

// recording has the daemon write down what it judges, to be judged again.
func (r *Run) recording() []string {
	if len(r.Off) > 0 || r.real {
		return nil
	}
	return []string{"DNSTASTER_LAB_RECORD=" + r.w.Path("rounds")}
}

// keepRounds keeps what was recorded of a quiet case so far, to be judged again in
// bulk: what follows is an attack.
func (r *Run) keepRounds() error {
	if *core || r.recording() == nil {
		return nil
	}
	return r.keepSamples("rounds")
}

// keepSamples keeps what is recorded under a directory of the results.
func (r *Run) keepSamples(dir string) error {
	text, err := os.ReadFile(r.w.Path("rounds"))
	if err != nil {
		return err
	}
	dir = filepath.Join(*results, dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.ID+".jsonl"), text[:bytes.LastIndexByte(text, '\n')+1], 0o644)
}

// roundsOf is where the recorded rounds of a case are kept.
func roundsOf(id string) string { return filepath.Join(*results, "rounds", id+".jsonl") }

// bring has a cause take effect.
func (r *Run) bring(c Cause) error {
	undo, err := c(r)
	if undo != nil {
		r.undo = append(r.undo, undo)
	}
	return err
}

// lift undoes every cause.
func (r *Run) lift() error {
	us := r.undo
	r.undo = nil
	return world.All(us...)()
}

// attack brings the cause about, and waits for what must come of it and for what
// must come when it is over.
func (r *Run) attack(t *testing.T) error {
	began := time.Now()
	if r.Cause != nil {
		if err := r.bring(r.Cause); err != nil {
			return err
		}
	}
	if r.forged.IsZero() {
		r.forged = began
		if r.Cause != nil {
			r.forged = time.Now()
		}
	}
	r.stand(t)
	h, ok := r.s.await(time.Until(began.Add(r.limit())), func(h hook) bool { return h.isAlert() && anyMet(r.Want, h.alert, r.name()) })
	if !ok {
		r.got = r.instead()
		r.fault("no such alert within %s", r.limit())
		return nil
	}
	r.seconds = h.at.Sub(r.forged).Seconds()
	r.got = Want{h.alert.Kind, h.alert.Confidence, h.alert.Severity.String(), h.alert.Attribution, "", ""}.String()
	if h.alert.Confidence == monitor.Confirmed {
		r.confirmed = r.seconds
	}
	r.reasons(h.alert)
	if r.real {
		return nil
	}
	if err := r.d.awaitVerdict(r.name(), r.verdict(), r.Reason, 10*time.Second); !r.check(err) {
		v, why, _ := r.d.verdict(r.name())
		r.got += fmt.Sprintf("; %s %s", v, why)
	} else {
		r.got += "; " + string(r.verdict())
	}
	r.during()
	if r.red() {
		return nil
	}
	r.take()
	if !r.Keep {
		if err := r.lift(); err != nil {
			return err
		}
		r.afterwards(h.alert)
	}
	return nil
}

// instead says what there is where what was wanted did not come.
func (r *Run) instead() string {
	v, why, err := r.d.verdict(r.name())
	if err != nil {
		return err.Error()
	}
	parts := []string{}
	for _, h := range r.s.alerts() {
		parts = append(parts, h.String())
		r.reasons(h.alert)
	}
	what := "no alert"
	if len(parts) > 0 {
		what = strings.Join(parts, ", ")
	}
	return strings.TrimSpace(fmt.Sprintf("%s; %s %s", what, v, why))
}

// reasons holds the rules of an alert against those that must and must not be
// among them.
func (r *Run) reasons(a monitor.Alert) {
	for _, x := range a.Reasons {
		if !slices.Contains(r.rules, x.Rule) {
			r.rules = append(r.rules, x.Rule)
		}
	}
	slices.Sort(r.rules)
}

// during checks what must hold while the cause is at work.
func (r *Run) during() {
	// An alert may rise with more rules; the last word is the latest event's.
	for _, h := range r.s.alerts() {
		if anyMet(r.Want, h.alert, r.name()) {
			r.reasons(h.alert)
		}
	}
	if e, err := r.d.client.Explain(context.Background(), r.name()); err == nil {
		for _, a := range e.Alerts {
			if anyMet(r.Want, a, r.name()) {
				r.reasons(a)
			}
		}
	}
	for _, rule := range r.Must {
		switch {
		case slices.Contains(r.rules, rule):
		case !monitor.IsRule(rule):
			r.missing = append(r.missing, rule)
		default:
			r.fault("%s is not among the reasons", rule)
		}
	}
	for _, rule := range r.MustNot {
		if slices.Contains(r.rules, rule) {
			r.fault("%s is among the reasons", rule)
		}
	}
	for _, addr := range r.Seen {
		r.check(r.d.answered(r.name(), addr))
	}
	if r.Also != nil {
		r.check(r.Also(r))
	}
	for _, h := range r.s.alerts() {
		if !anyMet(r.Want, h.alert, r.name()) && !anyMet(r.Listed, h.alert, r.name()) && !r.early(h.alert) {
			r.fault("another alert came: %s", h)
		}
	}
}

// early reports whether the alert is what is wanted on its way there: the same
// one, of another kind or not yet as sure.
func (r *Run) early(a monitor.Alert) bool {
	for _, h := range r.s.alerts() {
		if h.alert.ID == a.ID && anyMet(r.Want, h.alert, r.name()) {
			return true
		}
	}
	return false
}

// afterwards checks both clocks: the verdict is as it was soon after the cause is
// gone, and the alert is resolved when the false record has left every cache, not
// before.
func (r *Run) afterwards(a monitor.Alert) {
	after := r.Start
	if after == "" {
		after = monitor.Clean
	}
	r.check(r.d.awaitVerdict(r.name(), after, "", 30*time.Second))
	resolved := func(h hook) bool { return h.kind == monitor.AlertResolved && h.alert.ID == a.ID }
	if err := within(10*time.Second, func() error {
		var err error
		if a, err = r.alert(a.ID); err == nil && a.Exposure.Until == nil {
			err = errors.New("the alert does not say until when")
		}
		return err
	}); !r.check(err) {
		return
	}
	due := max(timing.ResolveAfter, min(a.Exposure.Until.Sub(a.LastSeenAt), 24*time.Hour)/time.Duration(timing.Factor))
	const slack = 25 * time.Second
	if due > timing.ResolveAfter+slack {
		// Caches may hold the record for longer than a test may wait.
		if h, ok := r.s.await(3*time.Second, resolved); ok {
			r.fault("the alert was resolved %s after it was last seen, while caches may hold the record for %s", h.at.Sub(a.LastSeenAt).Round(time.Second), due)
		}
		return
	}
	h, ok := r.s.await(time.Until(a.LastSeenAt.Add(due+slack)), resolved)
	switch {
	case !ok:
		r.fault("the alert is not resolved %s after it was last seen", time.Since(a.LastSeenAt).Round(time.Second))
	case h.at.Sub(a.LastSeenAt) < due-time.Second:
		r.fault("the alert was resolved %s after it was last seen, sooner than %s", h.at.Sub(a.LastSeenAt).Round(time.Millisecond), due)
	}
}

// alert gives an alert as it is now.
func (r *Run) alert(id string) (monitor.Alert, error) {
	e, err := r.d.client.Explain(context.Background(), id)
	if err == nil && len(e.Alerts) != 1 {
		err = fmt.Errorf("%d alerts have the id %s", len(e.Alerts), id)
	}
	if err != nil {
		return monitor.Alert{}, err
	}
	return e.Alerts[0], nil
}

// quiet watches for rounds in which nothing may be said, and then has an attack
// show that nobody slept.
func (r *Run) quiet(t *testing.T) error {
	if r.Cause != nil {
		if err := r.bring(r.Cause); err != nil {
			return err
		}
	}
	r.stand(t)
	began := time.Now()
	if !r.Better && !r.check(r.d.awaitVerdict(r.name(), r.verdict(), r.Reason, 15*time.Second)) {
		r.got = r.instead()
	}
	for lapse := 0; r.rounds < quietRounds; {
		time.Sleep(time.Second)
		r.rounds++
		v, why, err := r.d.verdict(r.name())
		if v != monitor.Unknown {
			lapse = 0
		} else if lapse++; lapse <= r.Lapse {
			continue
		}
		if err == nil && (v.Rank() > r.verdict().Rank() || v == monitor.Unknown && r.verdict() != monitor.Unknown && !r.Better) && r.got == "" {
			r.got = strings.TrimSpace(fmt.Sprintf("no alert; %s %s", v, why))
			r.fault("%s for a moment: %s %s", r.name(), v, why)
		}
	}
	r.seconds = time.Since(began).Seconds()
	for _, h := range r.s.alerts() {
		if !anyMet(r.Listed, h.alert, r.name()) {
			r.fault("an alert came: %s", h)
			r.alarms++
		}
		r.reasons(h.alert)
		r.got = r.instead()
	}
	if r.got == "" {
		r.got = "no alert; " + string(r.verdict())
	}
	if r.Also != nil {
		r.check(r.Also(r))
	}
	for _, addr := range r.Seen {
		r.check(r.d.answered(r.name(), addr))
	}
	r.muted()
	r.check(r.keepRounds())
	if r.red() {
		return nil
	}
	r.take()
	return r.wake()
}

// red reports whether a case that was to turn red has done so: the rest of it is
// of no interest then.
func (r *Run) red() bool { return len(r.Off) > 0 && len(r.faults) > 0 }

// muted checks that the silence is not that of a watchman who was put to sleep.
func (r *Run) muted() {
	s, err := r.d.status()
	if !r.check(err) {
		return
	}
	for _, w := range s.Watches {
		name := strings.TrimSuffix(w.Name, ".")
		// An inspection of all TLS has to do with every name.
		if name != r.name() && w.Verdict == monitor.Unknown && r.Reason != monitor.CauseTLSInspected {
			r.fault("%s, which has nothing to do with it, is unknown", name)
		}
	}
	if s.Wire.Blind > 0 && !r.Deaf {
		r.fault("%d transactions were not heard", s.Wire.Blind)
	}
}

// wake ends a quiet case with an attack that must be found.
func (r *Run) wake() error {
	then, last := r.Then, r.Last
	if then == nil {
		then = poisonProvider(r.name(), world.EvilAddr, 3600)
	}
	if last == nil {
		last = []Want{{Kind: monitor.ResolverCache}, {Kind: monitor.PathRewritten}, {Kind: monitor.PathInjection}, {Kind: "local_host"}, {Kind: "local_net"}}
	}
	before := time.Now()
	if err := r.bring(then); err != nil {
		return fmt.Errorf("the attack at the end: %w", err)
	}
	if _, ok := r.s.await(time.Minute, func(h hook) bool {
		return h.isAlert() && h.at.After(before) && h.kind != monitor.AlertResolved && anyMet(last, h.alert, r.name())
	}); !ok {
		r.fault("the attack at the end was not found: %s", r.instead())
	}
	return nil
}

// stand keeps the world standing for whoever wants to look at it.
func (r *Run) stand(t *testing.T) {
	if *hold == 0 {
		return
	}
	t.Logf("the world stands for %s; enter it with\n  nsenter -t $(pgrep -P %s) -m -p -n -u ip netns exec %s-client bash\nthe daemon's socket is %s/sock, its log %s",
		*hold, world.Outside(), r.w.Name(), r.d.dir, r.d.log)
	time.Sleep(*hold)
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

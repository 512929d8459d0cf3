package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dnstaster/dnstaster/monitor"
)

// What the demo plays with. Every address is on this machine.
const (
	demoName  = "api.partner.example."
	demoTTL   = 300
	demoTrue  = "127.0.1.10"
	demoFalse = "127.0.6.66"
	demoLong  = 86400 // seconds that the forgery would stay
	demoLimit = 30 * time.Second
	demoQuiet = 4 * time.Second // a clean name is watched for so long before the forgery
)

var demoOperators = []string{"alpha", "bravo", "charlie", "delta"}

// demoHost is the operator whose resolver is "this host's".
const demoHost = "bravo"

func demoCommand() *cobra.Command {
	var asJSON, noPoison bool
	var off []string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a poisoning happen and be found, on this machine alone",
		Long: `demo starts four resolvers, an API with its certificate, a webhook receiver and the
daemon proper, all on 127.0.0.0/8, then poisons the cache of the resolver that
stands for this host's. It needs no privilege and no internet, and ends by itself
within 30 s: with status 0 only if the right alert came, and no other.`,
		Example: "  dnstaster demo\n  dnstaster demo --no-poison\n  dnstaster demo --without id.tls_mismatch   # see it fail",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), demoLimit)
			defer cancel()
			d := &demo{poison: !noPoison, off: off, began: time.Now()}
			if !asJSON {
				d.out = cmd.OutOrStdout()
			}
			out, err := d.run(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				if err := printJSON(cmd, out); err != nil {
					return err
				}
			}
			if !out.Pass {
				return exit{status: exitSuspect}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&noPoison, "no-poison", false, "forge nothing; then no alert may come")
	cmd.Flags().StringSliceVar(&off, "without", nil, "switch rules off, to see what they are good for")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// demo is one run of the play.
type demo struct {
	out    io.Writer // nil for silence
	poison bool
	off    []string
	began  time.Time
	story  []demoLine

	resolvers []*demoResolver
	partner   partner
	hooks     chan hook
}

// demoLine is one line of what happened.
type demoLine struct {
	Seconds float64 `json:"seconds"`
	What    string  `json:"what"`
	Text    string  `json:"text"`
}

// demoOutcome is how the play ended.
type demoOutcome struct {
	Pass       bool           `json:"pass"`
	Why        string         `json:"why"`
	After      float64        `json:"seconds_after_forgery,omitempty"`
	Story      []demoLine     `json:"story"`
	Alert      *monitor.Alert `json:"alert"`
	AlertCount int            `json:"alerts"`
}

// hook is a delivery that the receiver took.
type hook struct {
	at    time.Time
	kind  string
	alert monitor.Alert
	err   error // of the signature
}

func (d *demo) tell(what, format string, args ...any) {
	l := demoLine{time.Since(d.began).Seconds(), what, fmt.Sprintf(format, args...)}
	d.story = append(d.story, l)
	if d.out != nil {
		fmt.Fprintf(d.out, "%5.1fs  %-9s %s\n", l.Seconds, l.What, l.Text)
	}
}

func (d *demo) run(ctx context.Context) (out demoOutcome, err error) {
	if d.out != nil {
		fmt.Fprintln(d.out, "Everything runs on 127.0.0.0/8; nothing leaves this machine; ends by itself in about 20 s.")
	}
	dir, err := os.MkdirTemp("", "dnstaster-demo-")
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Binding a control socket narrows the mask of the whole process for a
	// moment; another demo in it may be at just that.
	if err := os.Chmod(dir, 0o700); err != nil {
		return out, err
	}

	ctx, cancel := context.WithCancel(ctx)
	s := &servers{ctx: ctx}
	defer s.wg.Wait()
	defer cancel()
	c, mc, err := d.build(s, dir)
	if err != nil {
		return out, err
	}
	log := slog.New(slog.DiscardHandler)
	senses, err := newSenses(c, mc.Exempt, log)
	if err != nil {
		return out, err
	}
	daemon, err := newDaemon(c, mc, senses, log)
	if err != nil {
		return out, err
	}
	working, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- daemon.run(working) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ran, daemon.close())
	}()
	d.tell("started", "%d resolvers, 1 partner API, 1 webhook receiver; %s is \"this host's\" resolver", len(d.resolvers), demoHost)
	out = d.play(ctx, c.Control.Socket)
	out.Story = d.story
	return out, nil
}

// build starts what the daemon is to watch, and gives its configuration.
func (d *demo) build(s *servers, dir string) (*config, monitor.Config, error) {
	var none monitor.Config
	ca, err := newAuthority()
	if err != nil {
		return nil, none, err
	}
	genuine, err := ca.issue(strings.TrimSuffix(demoName, "."))
	if err != nil {
		return nil, none, err
	}
	other, err := ca.issue("parked.example")
	if err != nil {
		return nil, none, err
	}
	right, wrong, port, err := listenBoth(netip.MustParseAddr(demoTrue), netip.MustParseAddr(demoFalse))
	if err != nil {
		return nil, none, err
	}
	d.partner.serve(s, right, genuine)
	d.partner.serve(s, wrong, other)
	for i, name := range demoOperators {
		r := &demoResolver{name: name, tlsName: "dns." + name + ".example"}
		r.remember(netip.MustParseAddr(demoTrue), demoTTL)
		cert, err := ca.issue(r.tlsName)
		if err != nil {
			return nil, none, err
		}
		if err := s.serve(r, netip.AddrFrom4([4]byte{127, 0, 2, byte(i + 1)}), cert); err != nil {
			return nil, none, err
		}
		d.resolvers = append(d.resolvers, r)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, none, err
	}
	key := "whsec_" + base64.StdEncoding.EncodeToString(secret)
	d.hooks = make(chan hook, 64)
	url, err := s.receive(d.receiver(key))
	if err != nil {
		return nil, none, err
	}
	for name, text := range map[string]string{"ca.pem": string(ca.pem()), "url": url, "secret": key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, none, err
		}
	}
	c := &config{
		path:     filepath.Join(dir, "dnstaster.yaml"),
		Storage:  storageConfig{Path: filepath.Join(dir, "dnstaster.db")},
		Control:  controlConfig{Socket: filepath.Join(dir, "dnstaster.sock")},
		TLS:      tlsConfig{Roots: []string{"ca.pem"}},
		Capture:  captureConfig{Enabled: off}, // which needs a privilege
		Webhooks: []webhookConfig{{Name: "demo", URLFile: "url", SecretFile: "secret"}},
	}
	c.setDefaults()
	return c, d.monitorConfig(port), nil
}

// monitorConfig has the name watched every second. All other times are those of
// production, but for the steps that a confirmed case does not need.
func (d *demo) monitorConfig(port uint16) monitor.Config {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	mc := monitor.Config{
		Watches: []monitor.Watch{{
			Name: demoName, Types: []monitor.Type{monitor.TypeA}, TLS: monitor.TLSExpect{Port: port},
			Expect:      monitor.Expect{Addresses: []netip.Prefix{netip.MustParsePrefix(demoTrue + "/32")}},
			SecretNames: []string{"PARTNER_API_KEY"}, Owner: "payments",
		}},
		Timing: monitor.DefaultTiming(), Exempt: []netip.Prefix{loopback}, Off: d.off, Host: "demo",
	}
	mc.Timing.Interval = time.Second
	mc.Timing.CommitInterval = 100 * time.Millisecond
	for _, r := range d.resolvers {
		m := monitor.Resolver{Name: r.name, Operator: r.name, Role: monitor.Reference, Transport: monitor.UDP, Addr: r.plain}
		if r.name == demoHost {
			m.Role = monitor.Local
			mc.System = func() ([]monitor.Resolver, error) { return []monitor.Resolver{m}, nil }
			continue
		}
		mc.Twins = append(mc.Twins, m)
		m.Transport, m.Addr, m.TLSName = monitor.DoT, r.tl, r.tlsName
		mc.References = append(mc.References, m)
	}
	return mc
}

// receiver takes webhooks and checks their signatures.
func (d *demo) receiver(key string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := hook{at: time.Now()}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
		if err == nil {
			var check *standardwebhooks.Webhook
			if check, err = standardwebhooks.NewWebhook(key); err == nil {
				err = check.Verify(body, r.Header)
			}
		}
		var event struct {
			Type string
			Data json.RawMessage
		}
		if err == nil {
			err = json.Unmarshal(body, &event)
		}
		if h.kind = event.Type; err == nil && strings.HasPrefix(event.Type, "alert.") {
			err = json.Unmarshal(event.Data, &h.alert)
		}
		h.err = err
		select {
		case d.hooks <- h:
		default:
		}
	})
}

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

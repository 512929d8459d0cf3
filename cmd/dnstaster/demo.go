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
	senses.provers = senses.provers.only(monitor.EvidenceTLS)
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

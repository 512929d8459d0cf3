//go:build lab

package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// Case is one thing that happens to a host, and what must be made of it.
type Case struct {
	ID, Title string
	Core      bool // run before each change lands

	Name   string // that it is about; www.shop.lab where empty
	Config Config // of the daemon, where it differs from the usual one

	Before Cause   // is at work before the daemon starts
	Start  Verdict // of Name once it is learnt, before Cause; clean where empty
	Cause  Cause

	// What must come of it. A case with neither Want is a quiet one: no alert may
	// come, and Verdict is what Name has to have all the time.
	Want    []Want  // any one of them, where luck decides which
	Verdict Verdict // of Name while the cause is at work
	Reason  monitor.Cause
	Better  bool     // in a quiet case a better verdict will do too
	Lapse   int      // rounds in a row for which the verdict of a quiet case may be unknown
	Must    []string // rules that the alert rests on; those that do not exist yet are noted, not missed
	MustNot []string // rules that it must not rest on
	Listed  []Want   // alerts beside it that may come, or that a quiet case may bring
	Limit   time.Duration

	Seen  []string                // addresses that this host must have been answered for Name: the cause did reach it
	Also  func(r *Run) error      // what else must hold while the cause is at work
	Then  Cause                   // attack that ends a quiet case; a poisoned cache of the provider where nil
	Last  []Want                  // what must come of that
	Keep  bool                    // the cause cannot be taken back
	Young bool                    // it is about a name that was never watched before
	Deaf  bool                    // packets may be missed: there are too many
	Off   []string                // rules and clearing tests that are switched off
	Env   []string                // of the daemon
	Wrap  func([]string) []string // of the daemon's command
}

// Verdict is a shorthand.
type Verdict = monitor.Verdict

// Cause brings something about in the world of a run, and says how it is undone.
type Cause func(r *Run) (world.Undo, error)

// Want is an alert. What is empty does not matter.
type Want struct {
	Kind        monitor.Kind
	Confidence  monitor.Confidence
	Severity    string
	Attribution monitor.Attribution
	Resolver    string // part of its label
	Name        string // the case's where empty; "*" for any
}

func (w Want) String() string {
	parts := []string{string(w.Kind)}
	for _, s := range []string{w.Confidence.String(), w.Severity, string(w.Attribution)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}

// met reports whether the alert is as wanted, in a case about name.
func (w Want) met(a monitor.Alert, name string) bool {
	if w.Name != "" {
		name = w.Name
	}
	return a.Kind == w.Kind && (w.Confidence == monitor.Unsuspected || a.Confidence == w.Confidence) &&
		(w.Severity == "" || a.Severity.String() == w.Severity) && (w.Attribution == "" || a.Attribution == w.Attribution) &&
		strings.Contains(a.Resolver, w.Resolver) && (name == "*" || strings.TrimSuffix(a.Name, ".") == name)
}

func anyMet(ws []Want, a monitor.Alert, name string) bool {
	return slices.ContainsFunc(ws, func(w Want) bool { return w.met(a, name) })
}

func (c *Case) name() string {
	if c.Name == "" {
		return "www.shop.lab"
	}
	return c.Name
}

func (c *Case) limit() time.Duration {
	if c.Limit == 0 {
		return time.Minute
	}
	return c.Limit
}

// expected says in words what must come of the case.
func (c *Case) expected() string {
	var parts []string
	for _, w := range c.Want {
		parts = append(parts, w.String())
	}
	what := strings.Join(parts, ", or ")
	if what == "" {
		what = "no alert"
		if len(c.Listed) > 0 {
			parts = nil
			for _, w := range c.Listed {
				parts = append(parts, w.String())
			}
			what = "at most " + strings.Join(parts, ", ")
		}
	}
	verdict := string(c.verdict())
	if c.Reason != "" {
		verdict += " (" + string(c.Reason) + ")"
	}
	return fmt.Sprintf("%s; %s", what, verdict)
}

func (c *Case) verdict() Verdict {
	if c.Verdict == "" {
		return monitor.Clean
	}
	return c.Verdict
}

// Config is what differs from the usual configuration of the daemon.
type Config struct {
	Watches   []string          // entries of watches, in YAML; the usual five where nil
	Resolvers []string          // entries of resolvers; system and four public ones where nil
	Roots     []string          // authorities that are trusted beside lab-ca
	Webhooks  []string          // entries of webhooks, beside the lab's own
	More      string            // further keys
	Files     map[string]string // beside it, by name
}

// usual names are a shop behind TLS, a signed zone behind TLS, two of a CDN, and
// one without TLS or signature.
var usualWatches = []string{
	"{name: www.shop.lab, types: [A], interval: 20s, secret_names: [PARTNER_API_KEY], owner: payments}",
	"{name: www.bank.lab, types: [A], interval: 20s}",
	"{name: edge.cdn.lab, types: [A], interval: 20s}",
	"{name: rr.cdn.lab, types: [A], interval: 20s}",
	"{name: api.iot.lab, types: [A], interval: 20s, tls: off}",
}

var usualResolvers = []string{
	"system",
	"{name: pub1, address: 198.18.11.1, transport: doh, tls_name: dns.pub1.lab}",
	"{name: pub2, address: 198.18.12.1, transport: dot, tls_name: dns.pub2.lab}",
	"{name: pub3, address: 198.18.13.1, transport: dot, tls_name: dns.pub3.lab}",
	"{name: pub4, address: 198.18.14.1, transport: doh, tls_name: dns.pub4.lab}",
}

// watch gives one entry of watches in the usual form, with more keys.
func watch(name string, more ...string) string {
	return fmt.Sprintf("{name: %s, interval: 20s, %s}", name, strings.Join(append([]string{"types: [A]"}, more...), ", "))
}

// profile is all that decides how fast and by what a case is judged, the same
// for every case. The last prefix is the first one as DNS64 writes it.
const profile = `
special_purpose: {exempt: [198.18.0.0/15, "2001:db8::/32", "64:ff9b::c612:0/111"]}
` + labTiming

const labTiming = "timing: {profile: lab}\n"

// yaml writes the configuration of a daemon whose files are in dir.
func (c Config) yaml(dir string, w *world.World) string {
	watches, resolvers := c.Watches, c.Resolvers
	if watches == nil {
		watches = usualWatches
	}
	if resolvers == nil {
		resolvers = usualResolvers
	}
	var b strings.Builder
	for _, l := range []struct {
		key     string
		entries []string
	}{{"watches", watches}, {"resolvers", resolvers}} {
		fmt.Fprintf(&b, "%s:\n", l.key)
		for _, e := range l.entries {
			fmt.Fprintf(&b, "  - %s\n", e)
		}
	}
	fmt.Fprintf(&b, "storage: {path: %[1]s/store.db}\ncontrol: {socket: %[1]s/sock}\nwebhooks:\n  - {name: sink, url_file: url, secret_file: secret}\n", dir)
	for _, e := range c.Webhooks {
		fmt.Fprintf(&b, "  - %s\n", e)
	}
	if !strings.Contains(c.More, "tls:") {
		roots := []string{w.Shared("lab-ca.pem")}
		for _, ca := range c.Roots {
			roots = append(roots, w.Shared(ca+".pem"))
		}
		fmt.Fprintf(&b, "tls: {roots: [%s]}\n", strings.Join(roots, ", "))
	}
	fmt.Fprintf(&b, "dnssec: {anchors: %s}\nroot_hints: %s\n", w.Shared("root.ds"), w.Shared("root.hints"))
	b.WriteString(profile)
	b.WriteString(c.More)
	b.WriteString("\n")
	return b.String()
}

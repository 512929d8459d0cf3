package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/resolver"
	"github.com/dnstaster/dnstaster/webhook"
)

var (
	webhookName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	// secretName is what a value of a secret hardly ever looks like.
	secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
)

// check finds what is well formed and still cannot be used.
func (c *config) check() []problem {
	var ps []problem
	bad := func(at position, format string, args ...any) {
		ps = append(ps, problem{at, fmt.Sprintf(format, args...)})
	}
	seen := map[domain]bool{}
	for _, w := range c.Watches {
		switch {
		case w.Name == "" && w.At.sound():
			bad(w.At, "a watch without name")
		case w.Name == "":
		case seen[w.Name]:
			bad(w.At, "%s is watched twice", strings.TrimSuffix(string(w.Name), "."))
		case strings.Contains(string(w.Name), "*"):
			bad(w.At, "%s: a wildcard cannot be asked for; name the hosts", strings.TrimSuffix(string(w.Name), "."))
		}
		seen[w.Name] = true
		if w.Interval != 0 && time.Duration(w.Interval) < minInterval {
			bad(w.At, "interval %s is below %s: resolvers of others would mind", time.Duration(w.Interval), minInterval)
		}
		for _, s := range w.SecretNames {
			if !secretName.MatchString(s) {
				bad(w.At, "secret_names holds something that is not a name: give names of variables, never values")
			}
		}
		if !slices.Contains([]string{"", "auto", "allow", "deny"}, w.Expect.Private) {
			bad(w.Expect.At, "private: want auto, allow or deny, not %q", w.Expect.Private)
		}
		for i, t := range w.Types {
			if t != 0 && !slices.Contains(watchable, t) {
				bad(w.At, "type %s cannot be watched; there is %s", t, joinTypes(watchable))
			}
			if i > 0 && slices.Contains(w.Types[:i], t) {
				bad(w.At, "type %s is there twice", t)
			}
		}
	}
	ps = append(ps, c.checkMaintenance(seen)...)
	names := map[string]bool{}
	for _, r := range c.Resolvers {
		ps = append(ps, r.check(names)...)
	}
	hooks := map[string]bool{}
	for _, h := range c.Webhooks {
		if !webhookName.MatchString(h.Name) && (h.Name != "" || h.At.sound()) {
			bad(h.At, "a webhook needs a name of letters, digits, dots, hyphens and underscores, not %q", h.Name)
		} else if h.Name != "" && hooks[h.Name] {
			bad(h.At, "there are two webhooks %q", h.Name)
		}
		hooks[h.Name] = true
		switch beats := slices.Contains(h.Events, monitor.Heartbeat); {
		case beats && h.Heartbeat == 0 && h.At.sound():
			bad(h.At, "webhook %q: events has heartbeat, and none would be sent: give heartbeat: 5m", h.Name)
		case !beats && h.Heartbeat != 0:
			bad(h.At, "webhook %q: heartbeat is %s, and events does not have it: give events: [alert., health., heartbeat]", h.Name, time.Duration(h.Heartbeat))
		case h.Heartbeat != 0 && time.Duration(h.Heartbeat) < minHeartbeat:
			bad(h.At, "webhook %q: heartbeat %s is below %s", h.Name, time.Duration(h.Heartbeat), minHeartbeat)
		}
		if h.URLFile == "" && h.At.sound() {
			bad(h.At, "webhook %q needs url_file: the address is a secret and stays out of this file", h.Name)
		}
		if strings.Contains(h.URLFile, "://") {
			bad(h.At, "webhook %q: url_file is the name of a file that holds the address, not the address", h.Name)
		}
		if strings.HasPrefix(h.SecretFile, "whsec_") {
			bad(h.At, "webhook %q: secret_file is the name of a file that holds the secret, not the secret", h.Name)
		}
		if h.Format != "" && !slices.Contains(webhook.Formats(), h.Format) {
			bad(h.At, "webhook %q: format: want %s, not %q", h.Name, strings.Join(webhook.Formats(), ", "), h.Format)
		}
	}
	ps = append(ps, c.Metrics.check()...)
	ps = append(ps, c.checkProbes()...)
	ps = append(ps, c.checkPolicy()...)
	for i, name := range c.Capture.Interfaces {
		switch {
		case name == "" || len(name) > maxInterface || strings.ContainsAny(name, "/ "):
			bad(c.Capture.At, "interfaces: %q is no name of an interface", name)
		case name == anyInterface && len(c.Capture.Interfaces) > 1:
			bad(c.Capture.At, "interfaces: any stands for all, and so alone")
		case slices.Contains(c.Capture.Interfaces[:i], name):
			bad(c.Capture.At, "interfaces: %s is there twice", name)
		}
	}
	if c.Capture.Promiscuous && (len(c.Capture.Interfaces) == 0 || slices.Contains(c.Capture.Interfaces, anyInterface)) {
		bad(c.Capture.At, "promiscuous: name the interfaces that are to hear frames to others: any cannot")
	}
	if c.Capture.Rings > capture.MaxRings {
		bad(c.Capture.At, "rings: want 1 to %d, not %d", capture.MaxRings, c.Capture.Rings)
	}
	if s := c.Dnstap.Socket; s != "" && s == c.Control.Socket {
		bad(c.Dnstap.At, "socket: it is that of control already")
	}
	if u := c.Capture.Unwatched; u != "" && u != unwatchedCount && u != unwatchedHash {
		bad(c.Capture.At, "unwatched: want count or hash, not %q", u)
	}
	if !slices.Contains([]string{"", "default", "lab"}, c.Timing.Profile) {
		bad(c.Timing.At, "profile: want default or lab, not %q", c.Timing.Profile)
	}
	return ps
}

// Bounds of what is probed: each is a question or more, asked of others.
const (
	minDead   = 2
	maxProbed = 8
)

// checkProbes finds probes that would prove nothing.
func (c *config) checkProbes() []problem {
	var ps []problem
	bad := func(format string, args ...any) {
		ps = append(ps, problem{c.Probes.At, "probes." + fmt.Sprintf(format, args...)})
	}
	switch n := len(c.Probes.Dead); {
	case n == 0:
	case n < minDead:
		bad("dead: want %d addresses or more, in different networks", minDead)
	case n > maxProbed:
		bad("dead: want %d addresses at most", maxProbed)
	}
	alive := c.alive()
	seen := map[netip.Addr]bool{}
	for _, e := range c.Probes.Dead {
		a := netip.AddrPort(e).Addr().Unmap()
		switch {
		case !a.IsValid(): // is told of already
		case alive[a] != "":
			bad("dead: resolver %q is at %s", alive[a], a)
		case seen[a]:
			bad("dead: %s is there twice", a)
		}
		seen[a] = true
	}
	if len(c.Probes.Whoami) > maxProbed {
		bad("whoami: want %d names at most", maxProbed)
	}
	for i, name := range c.Probes.Whoami {
		switch {
		case strings.Contains(string(name), "*"):
			bad("whoami: %s: a wildcard cannot be asked for", strings.TrimSuffix(string(name), "."))
		case name != "" && slices.Contains(c.Probes.Whoami[:i], name):
			bad("whoami: %s is there twice", strings.TrimSuffix(string(name), "."))
		}
	}
	return ps
}

// maxPolicies bounds the zones that are read.
const maxPolicies = 16

// checkPolicy finds too many of them, and one that is named twice.
func (c *config) checkPolicy() []problem {
	var ps []problem
	if len(c.Policy.RPZ) > maxPolicies {
		ps = append(ps, problem{c.Policy.At, fmt.Sprintf("policy.rpz: want %d files at most", maxPolicies)})
	}
	for i, file := range c.Policy.RPZ {
		if slices.Contains(c.Policy.RPZ[:i], file) {
			ps = append(ps, problem{c.Policy.At, fmt.Sprintf("policy.rpz: %s is there twice", file)})
		}
	}
	return ps
}

// alive gives the resolvers that are configured, by address.
func (c *config) alive() map[netip.Addr]string {
	alive := map[netip.Addr]string{}
	refs, twins := c.references()
	for _, r := range slices.Concat(refs, twins) {
		alive[r.Addr.Addr().Unmap()] = r.Name
	}
	return alive
}

// watchable are the types that a watch may ask for.
var watchable = []monitor.Type{monitor.TypeA, monitor.TypeAAAA, monitor.TypeHTTPS, monitor.TypeCNAME, monitor.TypeNS, monitor.TypeMX, monitor.TypeTXT}

func joinTypes(ts []monitor.Type) string {
	var ss []string
	for _, t := range ts {
		ss = append(ss, t.String())
	}
	return strings.Join(ss, ", ")
}

func (r resolverConfig) check(names map[string]bool) []problem {
	one := func(format string, args ...any) []problem {
		return []problem{{r.At, fmt.Sprintf(format, args...)}}
	}
	name := r.Name
	if r.Known != "" {
		name = r.Known
	}
	if names[name] && name != "" {
		return one("resolver %q is there twice", name)
	}
	names[name] = true
	if r.Known != "" {
		if _, ok := resolver.Lookup(r.Known); !ok && r.Known != "system" {
			var known []string
			for _, o := range resolver.Catalogue() {
				known = append(known, o.Name)
			}
			return one("no resolver %q in the catalogue; there is system, %s, or give name, address and transport", r.Known, strings.Join(known, ", "))
		}
		return nil
	}
	switch {
	case !r.At.sound(): // is told of already
		return nil
	case r.Name == "" || r.Name == "system":
		return one("a resolver needs a name of its own")
	case !netip.AddrPort(r.Address).Addr().IsValid():
		return one("resolver %q needs an address", r.Name)
	case resolverPorts[r.Transport] == 0:
		return one("resolver %q: transport: want udp, tcp, dot or doh, not %q", r.Name, r.Transport)
	case (r.Transport == "dot" || r.Transport == "doh") && r.TLSName == "":
		return one("resolver %q needs tls_name: the name that its certificate carries", r.Name)
	case r.Path != "" && r.Transport != "doh":
		return one("resolver %q: path: only doh has one", r.Name)
	case r.Path != "" && !webPath.MatchString(r.Path):
		return one("resolver %q: path: want one such as %s, without a query, not %q", r.Name, resolver.DefaultPath, r.Path)
	}
	return nil
}

// resolverPorts are the transports that a resolver may be asked over, and the
// port of each where none is given.
var resolverPorts = map[string]uint16{"udp": 53, "tcp": 53, "dot": 853, "doh": 443}

// webPath matches the path of a URL (RFC 3986 §3.3), nothing in it escaped.
var webPath = regexp.MustCompile(`^(/[A-Za-z0-9._~!$&'()*+,;=:@-]*)+$`)

package main

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/resolver"
)

// timing gives the profile by its name.
func (c *config) timing() monitor.Timing {
	if c.Timing.Profile == "lab" {
		return monitor.LabTiming()
	}
	return monitor.DefaultTiming()
}

// minute is the time that budgets are counted in.
func (c *config) minute() time.Duration { return time.Minute / time.Duration(c.timing().Factor) }

// watches gives the watch list as the monitor knows it.
func (c *config) watches(inside func(name string) bool) []monitor.Watch {
	var ws []monitor.Watch
	for _, w := range c.Watches {
		m := monitor.Watch{
			Name: string(w.Name), Types: w.Types, Interval: time.Duration(w.Interval), SecretNames: w.SecretNames, Owner: w.Owner,
			TLS:    monitor.TLSExpect{Off: w.TLS.Off, Port: w.TLS.Port},
			Expect: monitor.Expect{Private: monitor.Private(w.Expect.Private), Addresses: prefixes(w.Expect.Addresses)},
			Inside: inside(string(w.Name)),
		}
		for _, p := range w.TLS.Pins {
			m.TLS.Pins = append(m.TLS.Pins, string(p))
		}
		for _, x := range c.Maintenance {
			if slices.Contains(x.Names, w.Name) {
				m.Maintenance = append(m.Maintenance, monitor.Window{From: time.Time(x.From), Until: time.Time(x.Until), Reason: x.Reason})
			}
		}
		ws = append(ws, m)
	}
	return ws
}

func prefixes(ps []prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range ps {
		out = append(out, netip.Prefix(p))
	}
	return out
}

// neverOutside are zones whose names mean something on this network only (RFC
// 6761, RFC 8375, RFC 6762, and .internal as reserved by ICANN in 2024).
var neverOutside = []string{"internal.", "local.", "home.arpa.", "localhost.", "lan.", "corp.", "home.", "intranet.", "private."}

// inside reports which names are never sent to resolvers of others: those of
// private zones, of the search domains of this host, and of this network only.
func (c *config) inside(search []string) func(string) bool {
	zones := slices.Concat(neverOutside, search)
	for _, z := range c.PrivateZones {
		zones = append(zones, string(z))
	}
	return func(name string) bool {
		return slices.ContainsFunc(zones, func(z string) bool { return monitor.Under(name, z) })
	}
}

// references gives the resolvers of others: those configured, and the plain
// twins of those that are encrypted, which are asked only to confirm.
func (c *config) references() (refs, twins []monitor.Resolver) {
	for _, r := range c.Resolvers {
		if r.Known == "system" {
			continue
		}
		if o, ok := resolver.Lookup(r.Known); ok && r.Known != "" {
			refs = append(refs, o.Witnesses()...)
			twins = append(twins, o.Resolvers(monitor.UDP)...)
			continue
		}
		m := monitor.Resolver{
			Name: r.Name, Operator: r.Operator, Role: monitor.Reference, Transport: monitor.Transport(r.Transport),
			TLSName: r.TLSName, Path: r.Path, Filtering: r.Filtering, Addr: netip.AddrPort(r.Address),
		}
		if m.Operator == "" {
			m.Operator = r.Name
		}
		if m.Addr.Port() == 0 {
			m.Addr = netip.AddrPortFrom(m.Addr.Addr(), resolverPorts[r.Transport])
		}
		refs = append(refs, m)
		if m.Encrypted() {
			twin := m
			twin.Transport, twin.TLSName, twin.Path, twin.Addr = monitor.UDP, "", "", netip.AddrPortFrom(m.Addr.Addr(), 53)
			twins = append(twins, twin)
		}
	}
	return refs, twins
}

// dead gives public addresses at which there is no resolver.
func (c *config) dead() []netip.AddrPort {
	var dead []netip.AddrPort
	for _, e := range c.Probes.Dead {
		a := netip.AddrPort(e)
		if a.Port() == 0 {
			a = netip.AddrPortFrom(a.Addr(), resolverPorts["udp"])
		}
		dead = append(dead, a)
	}
	return dead
}

// system reports whether this host's own resolvers are to be asked.
func (c *config) system() bool {
	return slices.ContainsFunc(c.Resolvers, func(r resolverConfig) bool { return r.Known == "system" })
}

// beside gives the path of a file that the configuration names: systemd's
// credentials first, then beside the configuration.
func (c *config) beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		p := filepath.Join(dir, name)
		if _, err := os.Stat(p); err == nil || !errors.Is(err, os.ErrNotExist) {
			return p
		}
	}
	return filepath.Join(filepath.Dir(c.path), name)
}

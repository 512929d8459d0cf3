package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/resolver"
	"github.com/dnstaster/dnstaster/storage"
	"github.com/dnstaster/dnstaster/webhook"
)

// config is dnstaster.yaml together with watches.d/*.yaml.
type config struct {
	Watches        []watchConfig    `yaml:"watches"`
	Resolvers      []resolverConfig `yaml:"resolvers"`
	PrivateZones   []domain         `yaml:"private_zones"`
	Capture        captureConfig    `yaml:"capture"`
	Storage        storageConfig    `yaml:"storage"`
	Webhooks       []webhookConfig  `yaml:"webhooks"`
	Control        controlConfig    `yaml:"control"`
	Metrics        metricsConfig    `yaml:"metrics"`
	ExternalLabels labels           `yaml:"external_labels"`
	TLS            tlsConfig        `yaml:"tls"`
	SpecialPurpose specialConfig    `yaml:"special_purpose"`
	Timing         timingConfig     `yaml:"timing"`

	path string // of the file; empty for none
}

type watchConfig struct {
	Name        domain         `yaml:"name"`
	Types       []monitor.Type `yaml:"types"`
	Interval    duration       `yaml:"interval"`
	TLS         watchTLS       `yaml:"tls"`
	Expect      expectConfig   `yaml:"expect"`
	SecretNames []string       `yaml:"secret_names"`
	Owner       string         `yaml:"owner"`
	At          position
}

type watchTLS struct {
	Port uint16 `yaml:"port"`
	Pins []pin  `yaml:"pins"`
	Off  bool
}

type expectConfig struct {
	Addresses []prefix `yaml:"addresses"`
	Private   string   `yaml:"private"`
	At        position
}

type resolverConfig struct {
	Known     string   // a name of the catalogue, or system
	Name      string   `yaml:"name"`
	Operator  string   `yaml:"operator"`
	Address   endpoint `yaml:"address"`
	Transport string   `yaml:"transport"`
	TLSName   string   `yaml:"tls_name"`
	Path      string   `yaml:"path"` // of the URL, for doh; empty for the usual one
	Filtering bool     `yaml:"filtering"`
	At        position
}

type captureConfig struct {
	Enabled    toggle   `yaml:"enabled"`
	Interfaces []string `yaml:"interfaces"`
	Unwatched  string   `yaml:"unwatched"`
	At         position
}

type storageConfig struct {
	Path      string   `yaml:"path"`
	Retention duration `yaml:"retention"`
	MaxSize   size     `yaml:"max_size"`
}

type webhookConfig struct {
	Name       string     `yaml:"name"`
	URLFile    string     `yaml:"url_file"`
	SecretFile string     `yaml:"secret_file"`
	Format     string     `yaml:"format"`
	Events     []string   `yaml:"events"`
	Heartbeat  duration   `yaml:"heartbeat"`
	HTTP       httpConfig `yaml:"http_config"`
	At         position
}

type metricsConfig struct {
	Listen        string `yaml:"listen"` // address and port; empty for nowhere but the control socket
	WebConfigFile string `yaml:"web_config_file"`
	At            position
}

type controlConfig struct {
	Socket string `yaml:"socket"`
	Group  string `yaml:"group"`
}

type tlsConfig struct {
	Roots []string `yaml:"roots"`
}

type specialConfig struct {
	Exempt []prefix `yaml:"exempt"`
}

type timingConfig struct {
	Profile string `yaml:"profile"`
	At      position
}

// Defaults of the configuration that no other package has.
const (
	defaultConfig = "/etc/dnstaster/dnstaster.yaml"
	defaultSocket = "/run/dnstaster/dnstaster.sock"
	defaultStore  = "/var/lib/dnstaster/dnstaster.db"
	minInterval   = 5 * time.Second
	minHeartbeat  = 10 * time.Second
	anyInterface  = "any"
	maxInterface  = 15 // octets in the name of one
)

// configPath is where the configuration is, if no flag says otherwise.
func configPath() string {
	if dir := os.Getenv("CONFIGURATION_DIRECTORY"); dir != "" {
		return filepath.Join(dir, "dnstaster.yaml")
	}
	return defaultConfig
}

// loadConfig reads the file at path and the watches.d beside it. The error of a
// file that does not exist is that of os.Open; others are a configError.
func loadConfig(path string) (*config, error) {
	text, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	c := &config{path: path}
	problems := configError(decodeYAML(filepath.Base(path), text, c))
	files, err := watchFiles(filepath.Join(filepath.Dir(path), "watches.d"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := readBounded(f)
		if err != nil {
			return nil, err
		}
		var part struct {
			Watches []watchConfig `yaml:"watches"`
		}
		problems = append(problems, decodeYAML(filepath.Join("watches.d", filepath.Base(f)), text, &part)...)
		c.Watches = append(c.Watches, part.Watches...)
	}
	problems = append(problems, c.check()...)
	if len(problems) > 0 {
		problems.sort()
		return nil, problems
	}
	c.setDefaults()
	return c, nil
}

// readBounded reads a file, and no more of it than shows that it is too large.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+8))
}

// watchFiles lists the files of watches.d, in order. One that cannot be listed
// is an error: its watches would be missing without a word.
func watchFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".yaml") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, err
}

func (c *config) setDefaults() {
	if len(c.Resolvers) == 0 {
		c.Resolvers = []resolverConfig{{Known: "system"}}
	}
	if c.Capture.Enabled == unset {
		c.Capture.Enabled = on
	}
	if len(c.Capture.Interfaces) == 0 {
		c.Capture.Interfaces = []string{anyInterface}
	}
	if c.Capture.Unwatched == "" {
		c.Capture.Unwatched = "count"
	}
	if c.Storage.Path == "" {
		c.Storage.Path = defaultStore
		if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
			c.Storage.Path = filepath.Join(dir, "dnstaster.db")
		}
	}
	if c.Storage.Retention == 0 {
		c.Storage.Retention = duration(storage.DefaultRetention)
	}
	if c.Storage.MaxSize == 0 {
		c.Storage.MaxSize = size(storage.DefaultMaxSize)
	}
	if c.Control.Socket == "" {
		c.Control.Socket = socketPath()
	}
	if c.Timing.Profile == "" {
		c.Timing.Profile = "default"
	}
}

// socketPath is where the control socket is, if nothing says otherwise.
func socketPath() string {
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" {
		return filepath.Join(dir, "dnstaster.sock")
	}
	return defaultSocket
}

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
	if c.Capture.Unwatched != "" && c.Capture.Unwatched != "count" {
		bad(c.Capture.At, "unwatched: want count, not %q", c.Capture.Unwatched)
	}
	if !slices.Contains([]string{"", "default", "lab"}, c.Timing.Profile) {
		bad(c.Timing.At, "profile: want default or lab, not %q", c.Timing.Profile)
	}
	return ps
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

func reflectElem(v any) reflect.Value { return reflect.ValueOf(v).Elem() }

// timing gives the profile by its name.
func (c *config) timing() monitor.Timing {
	if c.Timing.Profile == "lab" {
		return monitor.LabTiming()
	}
	return monitor.DefaultTiming()
}

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

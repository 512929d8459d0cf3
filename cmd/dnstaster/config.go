package main

import (
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/resolver/probe"
	"github.com/dnstaster/dnstaster/storage"
)

// config is dnstaster.yaml together with watches.d/*.yaml.
type config struct {
	Watches        []watchConfig    `yaml:"watches"`
	Resolvers      []resolverConfig `yaml:"resolvers"`
	Maintenance    []windowConfig   `yaml:"maintenance"`
	PrivateZones   []domain         `yaml:"private_zones"`
	Capture        captureConfig    `yaml:"capture"`
	Dnstap         dnstapConfig     `yaml:"dnstap"`
	Storage        storageConfig    `yaml:"storage"`
	Webhooks       []webhookConfig  `yaml:"webhooks"`
	Control        controlConfig    `yaml:"control"`
	Metrics        metricsConfig    `yaml:"metrics"`
	ExternalLabels labels           `yaml:"external_labels"`
	TLS            tlsConfig        `yaml:"tls"`
	DNSSEC         dnssecConfig     `yaml:"dnssec"`
	RootHints      string           `yaml:"root_hints"`
	ASN            asnConfig        `yaml:"asn"`
	Probes         probesConfig     `yaml:"probes"`
	Policy         policyConfig     `yaml:"policy"`
	Lock           string           `yaml:"lock"`
	SpecialPurpose specialConfig    `yaml:"special_purpose"`
	Timing         timingConfig     `yaml:"timing"`

	path   string // of the file; empty for none
	alone  bool   // nobody but this host's own resolvers is asked anything
	strict bool   // every watch must be in the lock
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

// windowConfig is a time in which names are changed on purpose.
type windowConfig struct {
	Names  []domain `yaml:"names"`
	From   moment   `yaml:"from"`
	Until  moment   `yaml:"until"`
	Reason string   `yaml:"reason"`
	At     position
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
	Enabled     toggle   `yaml:"enabled"`
	Interfaces  []string `yaml:"interfaces"`
	Promiscuous bool     `yaml:"promiscuous"`
	Rings       uint16   `yaml:"rings"` // of each interface
	Unwatched   string   `yaml:"unwatched"`
	Tunnels     bool     `yaml:"tunnels"`
	At          position

	Transactions capacity `yaml:"transactions"` // of all interfaces and their rings together
}

// dnstapConfig is where resolvers on this host tell what they do.
type dnstapConfig struct {
	Socket string `yaml:"socket"` // empty for none
	Group  string `yaml:"group"`
	At     position
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

type dnssecConfig struct {
	Anchors string `yaml:"anchors"`
	Off     bool   `yaml:"off"`
}

type asnConfig struct {
	File   string     `yaml:"file"`
	Shared []asNumber `yaml:"shared"`
}

type probesConfig struct {
	Dead   []endpoint `yaml:"dead"`
	Whoami []domain   `yaml:"whoami"`
	At     position
}

type policyConfig struct {
	RPZ []string `yaml:"rpz"`
	At  position
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

	unwatchedCount = "count"
	unwatchedHash  = "hash"
	maxInterface   = 15 // octets in the name of one
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
	if c.Capture.Rings == 0 {
		c.Capture.Rings = 1
	}
	if c.Capture.Unwatched == "" {
		c.Capture.Unwatched = unwatchedCount
	}
	if c.Capture.Transactions == 0 {
		c.Capture.Transactions = capture.DefaultTransactions
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
	if len(c.Probes.Dead) == 0 {
		c.Probes.Dead = c.deadByDefault()
	}
	if len(c.Probes.Whoami) == 0 {
		for _, name := range probe.DefaultWhoami() {
			c.Probes.Whoami = append(c.Probes.Whoami, domain(name))
		}
	}
	if c.Timing.Profile == "" {
		c.Timing.Profile = "default"
	}
}

// deadByDefault leaves out where a resolver is, in networks made of addresses for
// documentation; one that is left proves nothing.
func (c *config) deadByDefault() []endpoint {
	var dead []endpoint
	alive := c.alive()
	for _, a := range probe.DefaultDead() {
		if alive[a.Addr()] == "" {
			dead = append(dead, endpoint(netip.AddrPortFrom(a.Addr(), 0)))
		}
	}
	if len(dead) < minDead {
		return nil
	}
	return dead
}

// socketPath is where the control socket is, if nothing says otherwise.
func socketPath() string {
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" {
		return filepath.Join(dir, "dnstaster.sock")
	}
	return defaultSocket
}

func reflectElem(v any) reflect.Value { return reflect.ValueOf(v).Elem() }

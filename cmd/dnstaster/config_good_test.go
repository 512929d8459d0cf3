package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	promconfig "github.com/prometheus/common/config"

	"github.com/dnstaster/dnstaster/monitor"
)

// configValues compares configurations by what they mean, not where it stood.
var configValues = cmp.Options{
	cmpopts.IgnoreUnexported(config{}), cmpopts.IgnoreTypes(position{}), cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b prefix) bool { return a == b }),
	cmp.Comparer(func(a, b moment) bool { return time.Time(a).Equal(time.Time(b)) }),
	cmp.Comparer(func(a, b endpoint) bool { return a == b }),
	cmp.Comparer(func(a, b httpConfig) bool { return reflect.DeepEqual(a, b) }),
}

// clearEnv takes away what systemd would say about places.
func clearEnv(t *testing.T) {
	for _, k := range []string{"STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY", "CONFIGURATION_DIRECTORY"} {
		t.Setenv(k, "")
	}
}

// withDefaults is the configuration of an empty file, changed by edit.
func withDefaults(edit func(c *config)) *config {
	c := &config{
		Resolvers: []resolverConfig{{Known: "system"}},
		Capture:   captureConfig{Enabled: on, Interfaces: []string{"any"}, Rings: 1, Unwatched: "count", Transactions: 65536},
		Storage:   storageConfig{Path: "/var/lib/dnstaster/dnstaster.db", Retention: duration(90 * 24 * time.Hour), MaxSize: 256 << 20},
		Control:   controlConfig{Socket: "/run/dnstaster/dnstaster.sock"},
		Probes: probesConfig{
			Dead:   []endpoint{deadAt("192.0.2.53"), deadAt("198.51.100.53"), deadAt("2001:db8::53")},
			Whoami: []domain{"o-o.myaddr.l.google.com.", "whoami.akamai.net.", "whoami.v4.powerdns.org."},
		},
		Timing: timingConfig{Profile: "default"},
	}
	if edit != nil {
		edit(c)
	}
	return c
}

// deadAt is a dead address without a port.
func deadAt(s string) endpoint { return endpoint(netip.AddrPortFrom(netip.MustParseAddr(s), 0)) }

func addresses(ss ...string) (ps []prefix) {
	for _, s := range ss {
		ps = append(ps, prefix(netip.MustParsePrefix(s)))
	}
	return ps
}

const examplePin = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

var goodConfigs = []struct {
	name  string
	files map[string]string // dnstaster.yaml is the first of them
	want  *config
}{
	{"empty", map[string]string{"dnstaster.yaml": ""}, withDefaults(nil)},
	{"comment only", map[string]string{"dnstaster.yaml": "# nothing\n---\n"}, withDefaults(nil)},
	{"keys without values", map[string]string{"dnstaster.yaml": "watches:\nstorage:\ntiming: ~\n"}, withDefaults(nil)},
	{"byte order mark and carriage returns", map[string]string{"dnstaster.yaml": "\ufeffwatches: []\r\nstorage:\r\n  retention: 30d\r\n"}, withDefaults(func(c *config) {
		c.Storage.Retention = duration(30 * 24 * time.Hour)
	})},
	{"all of a watch", map[string]string{"dnstaster.yaml": `
watches:
  - name: API.Partner.Example.
    types: [a, AAAA, HTTPS]
    interval: 1m30s
    tls:
      port: 8443
      pins: [` + examplePin + `]
    expect:
      addresses: [203.0.113.10, 203.0.113.0/24, "2001:db8::/32", "::1"]
      private: deny
    secret_names: [PARTNER_API_KEY]
    owner: payments
  - name: Bücher.example
`}, withDefaults(func(c *config) {
		c.Watches = []watchConfig{{
			Name: "api.partner.example.", Types: []monitor.Type{monitor.TypeA, monitor.TypeAAAA, monitor.TypeHTTPS},
			Interval: duration(90 * time.Second), TLS: watchTLS{Port: 8443, Pins: []pin{examplePin}},
			Expect:      expectConfig{Addresses: addresses("203.0.113.10/32", "203.0.113.0/24", "2001:db8::/32", "::1/128"), Private: "deny"},
			SecretNames: []string{"PARTNER_API_KEY"}, Owner: "payments",
		}, {Name: "xn--bcher-kva.example."}}
	})},
	{"tls off", map[string]string{"dnstaster.yaml": "watches: [{name: a.example, tls: off}]\n"}, withDefaults(tlsOff)},
	{"tls false", map[string]string{"dnstaster.yaml": "watches: [{name: a.example, tls: false}]\n"}, withDefaults(tlsOff)},
	{"resolvers", map[string]string{"dnstaster.yaml": `
resolvers:
  - system
  - quad9
  - {name: office, operator: example-corp, address: 192.0.2.53, transport: dot, tls_name: dns.example.com, filtering: true}
  - {name: six, address: "[2001:db8::53]:5353", transport: tcp}
  - {name: web, address: 192.0.2.54, transport: doh, tls_name: doh.example.com}
  - {name: web-2, address: "192.0.2.54:8443", transport: doh, tls_name: doh.example.com, path: /p/unfiltered}
`}, withDefaults(func(c *config) {
		c.Resolvers = []resolverConfig{
			{Known: "system"}, {Known: "quad9"},
			{Name: "office", Operator: "example-corp", Address: endpoint(netip.MustParseAddrPort("192.0.2.53:0")), Transport: "dot", TLSName: "dns.example.com", Filtering: true},
			{Name: "six", Address: endpoint(netip.MustParseAddrPort("[2001:db8::53]:5353")), Transport: "tcp"},
			{Name: "web", Address: endpoint(netip.MustParseAddrPort("192.0.2.54:0")), Transport: "doh", TLSName: "doh.example.com"},
			{Name: "web-2", Address: endpoint(netip.MustParseAddrPort("192.0.2.54:8443")), Transport: "doh", TLSName: "doh.example.com", Path: "/p/unfiltered"},
		}
		c.Probes.Dead = nil // two of the three are resolvers here
	})},
	{"the rest", map[string]string{"dnstaster.yaml": `
private_zones: [Corp.Example, 10.in-addr.arpa]
capture: {enabled: false, interfaces: [eth0, wg0], promiscuous: true, rings: 2, unwatched: count, transactions: 250000, tunnels: true}
dnstap: {socket: /run/d/tap.sock, group: unbound}
storage: {path: /srv/d.db, retention: 2w, max_size: 1GiB}
webhooks:
  - {name: ops, url_file: ops.url, secret_file: ops.secret, format: standard, events: [alert., verdict., heartbeat], heartbeat: 5m}
control: {socket: /run/d.sock, group: "no"}
metrics: {listen: "[::1]:9953", web_config_file: web.yml}
external_labels: {site: fra1, rack: 12}
tls: {roots: [ca.pem]}
dnssec: {anchors: anchors.txt, off: true}
root_hints: /etc/root.hints
asn: {file: asn.mmdb, shared: [64500, AS64501, as64502]}
probes: {dead: [203.0.113.53, "[2001:db8::1]:5353"], whoami: [Who.Example.]}
policy: {rpz: [rpz.zone]}
lock: dnstaster.lock
special_purpose: {exempt: [198.18.0.0/15]}
timing: {profile: lab}
`}, withDefaults(func(c *config) {
		c.PrivateZones = []domain{"corp.example.", "10.in-addr.arpa."}
		c.Capture = captureConfig{Enabled: off, Interfaces: []string{"eth0", "wg0"}, Promiscuous: true, Rings: 2, Unwatched: "count", Transactions: 250000, Tunnels: true}
		c.Dnstap = dnstapConfig{Socket: "/run/d/tap.sock", Group: "unbound"}
		c.Storage = storageConfig{"/srv/d.db", duration(14 * 24 * time.Hour), 1 << 30}
		c.Webhooks = []webhookConfig{{Name: "ops", URLFile: "ops.url", SecretFile: "ops.secret", Format: "standard", Events: []string{"alert.", "verdict.", "heartbeat"}, Heartbeat: duration(5 * time.Minute)}}
		c.Control = controlConfig{"/run/d.sock", "no"}
		c.Metrics = metricsConfig{Listen: "[::1]:9953", WebConfigFile: "web.yml"}
		c.ExternalLabels = labels{"site": "fra1", "rack": "12"}
		c.TLS.Roots = []string{"ca.pem"}
		c.DNSSEC = dnssecConfig{"anchors.txt", true}
		c.RootHints = "/etc/root.hints"
		c.ASN = asnConfig{"asn.mmdb", []asNumber{64500, 64501, 64502}}
		c.Probes = probesConfig{
			Dead:   []endpoint{deadAt("203.0.113.53"), endpoint(netip.MustParseAddrPort("[2001:db8::1]:5353"))},
			Whoami: []domain{"who.example."},
		}
		c.Policy.RPZ, c.Lock = []string{"rpz.zone"}, "dnstaster.lock"
		c.SpecialPurpose.Exempt = addresses("198.18.0.0/15")
		c.Timing.Profile = "lab"
	})},
	{"maintenance", map[string]string{
		"dnstaster.yaml": `
maintenance:
  - names: [A.example, b.example]
    from: 2026-12-01T22:00:00+01:00
    until: "2026-12-02T04:00:00Z"
    reason: move
watches: [{name: a.example}]
`,
		"watches.d/b.yaml": "watches:\n  - name: b.example\n",
	}, withDefaults(func(c *config) {
		c.Watches = []watchConfig{{Name: "a.example."}, {Name: "b.example."}}
		c.Maintenance = []windowConfig{{Names: []domain{"a.example.", "b.example."}, From: at("2026-12-01T22:00:00+01:00"), Until: at("2026-12-02T04:00:00Z"), Reason: "move"}}
	})},
	{"watches.d", map[string]string{
		"dnstaster.yaml":         "watches:\n  - name: a.example\n",
		"watches.d/20-b.yaml":    "watches:\n  - name: c.example\n",
		"watches.d/10-a.yaml":    "watches:\n  - name: b.example\n    owner: b\n",
		"watches.d/30-none.yaml": "",
		"watches.d/.#10-a.yaml":  "an editor's",
		"watches.d/old.yaml.bak": "watches: no\n",
	}, withDefaults(func(c *config) {
		c.Watches = []watchConfig{{Name: "a.example."}, {Name: "b.example.", Owner: "b"}, {Name: "c.example."}}
	})},
}

func at(text string) (m moment) {
	if err := m.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return m
}

func tlsOff(c *config) { c.Watches = []watchConfig{{Name: "a.example.", TLS: watchTLS{Off: true}}} }

// TestConfigGood has each file give its typed values, defaults filled in, and
// what `config show` writes of it give them again.
func TestConfigGood(t *testing.T) {
	clearEnv(t)
	for _, tt := range goodConfigs {
		t.Run(tt.name, func(t *testing.T) {
			got, err := loadConfig(writeTree(t, tt.files))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, configValues); diff != "" {
				t.Errorf("loadConfig (-want +got):\n%s", diff)
			}
			text := show(t, got)
			again, err := loadConfig(writeTree(t, map[string]string{"dnstaster.yaml": text}))
			if err != nil {
				t.Fatalf("what is shown does not load: %v\n%s", err, text)
			}
			if diff := cmp.Diff(got, again, configValues); diff != "" {
				t.Errorf("what is shown is something else (-loaded +shown):\n%s\n%s", diff, text)
			}
		})
	}
}

// show gives what `config show` prints.
func show(t *testing.T, c *config) string {
	t.Helper()
	text, err := yaml.MarshalWithOptions(c.shown(), showOptions...)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestConfigHTTP(t *testing.T) {
	c, err := loadConfig(writeTree(t, map[string]string{"dnstaster.yaml": `
webhooks:
  - name: ops
    url_file: ops.url
    http_config:
      proxy_url: http://proxy.example:3128
      authorization: {credentials_file: token}
`}))
	if err != nil {
		t.Fatal(err)
	}
	h := c.Webhooks[0].HTTP
	if !h.set || h.ProxyURL.String() != "http://proxy.example:3128" || h.Authorization == nil || h.Authorization.CredentialsFile != "token" {
		t.Errorf("http_config = %+v, want the proxy and the file", h.HTTPClientConfig)
	}
	if h.FollowRedirects != promconfig.DefaultHTTPClientConfig.FollowRedirects || !h.EnableHTTP2 {
		t.Error("http_config lost Prometheus's defaults")
	}
}

// TestConfigPlaces is about what systemd says of directories, and about files
// that are named without one.
func TestConfigPlaces(t *testing.T) {
	clearEnv(t)
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "ops.url"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := writeTree(t, map[string]string{"dnstaster.yaml": ""})
	t.Setenv("STATE_DIRECTORY", "/state")
	t.Setenv("RUNTIME_DIRECTORY", "/runtime")
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	t.Setenv("CONFIGURATION_DIRECTORY", "/etc/other")
	c, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Storage.Path, c.Control.Socket, configPath(), c.beside("/a/b"), c.beside("ops.url"), c.beside("ops.secret")}
	want := []string{
		"/state/dnstaster.db", "/runtime/dnstaster.sock", "/etc/other/dnstaster.yaml", "/a/b",
		filepath.Join(credentials, "ops.url"), filepath.Join(filepath.Dir(path), "ops.secret"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

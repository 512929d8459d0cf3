package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http/httpproxy"

	"github.com/dnstaster/dnstaster/monitor"
)

// planWorld is a host with two resolvers and a search domain.
var planWorld = surroundings{
	own: []monitor.Resolver{
		{Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.UDP, Addr: netip.MustParseAddrPort("10.0.0.2:53")},
		{Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.System},
	},
	search: []string{"corp.example."},
}

// TestPlan holds the plans of some configurations against golden files, as text
// and as JSON; -update writes them anew.
func TestPlan(t *testing.T) {
	clearEnv(t)
	proxied := planWorld
	proxied.proxy = &httpproxy.Config{HTTPSProxy: "http://user:hunter2@proxy.example:3128"}
	blind := surroundings{err: errors.New("open /etc/resolv.conf: permission denied")}
	full := `
watches:
  - {name: api.partner.example, interval: 30s}
  - {name: pay.example, types: [A], tls: {port: 8443}}
  - {name: sftp.bank.example, types: [A], tls: off}
  - {name: db.corp.example, types: [A], tls: off}
resolvers:
  - system
  - cloudflare
  - {name: office, operator: example-corp, address: 192.0.2.3, transport: udp}
  - {name: lab, operator: example-lab, address: "[2001:db8::3]:8853", transport: dot, tls_name: dns.lab.example}
capture: {interfaces: [eth0]}
webhooks:
  - {name: ops, url_file: ops.url, secret_file: ops.secret, events: [alert., heartbeat], heartbeat: 5m}
  - {name: chat, url_file: none.url, format: slack}
control: {group: dnstaster}
metrics: {listen: ":9953", web_config_file: web.yaml}
`
	for _, tt := range []struct {
		name string
		text string
		here surroundings
	}{
		{"empty", "", planWorld},
		{"full", full, planWorld},
		{"proxied", full, proxied},
		{"blind", "watches: [{name: a.example}]\ncapture: {enabled: false}\nmetrics: {listen: \"127.0.0.1:9953\"}\n", blind},
		{"inside", "watches: [{name: a.corp.example}]\nresolvers: [quad9]\ncapture: {enabled: false}\ntiming: {profile: lab}\n", planWorld},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := loadConfig(writeTree(t, map[string]string{
				"dnstaster.yaml": tt.text, "ops.url": "https://user:hunter2@hooks.example/hunter2?token=hunter2", "ops.secret": killSecret,
			}))
			if err != nil {
				t.Fatal(err)
			}
			p := c.plan(tt.here)
			p.Config = filepath.Base(p.Config)
			var text bytes.Buffer
			if err := p.print(&text); err != nil {
				t.Fatal(err)
			}
			asJSON, err := json.MarshalIndent(p, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			for ext, got := range map[string]string{".txt": text.String(), ".json": string(asJSON) + "\n"} {
				if strings.Contains(got, "hunter2") || strings.Contains(got, killSecret) {
					t.Errorf("a secret is shown:\n%s", got)
				}
				golden := filepath.Join("testdata", "plan", tt.name+ext)
				if *update {
					if err := errors.Join(os.MkdirAll(filepath.Dir(golden), 0o755), os.WriteFile(golden, []byte(got), 0o644)); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s (-want +got; -update writes it):\n%s", golden, diff)
				}
			}
		})
	}
}

// TestPlanCovers holds the rows against what the parts really use: every
// endpoint of the configuration is there, with its port.
func TestPlanCovers(t *testing.T) {
	clearEnv(t)
	c, err := loadConfig(writeTree(t, map[string]string{"dnstaster.yaml": "watches: [{name: a.example}]\nresolvers: [system, cloudflare, google, quad9]\n"}))
	if err != nil {
		t.Fatal(err)
	}
	have := map[netip.AddrPort]bool{}
	for _, r := range c.plan(planWorld).Rows {
		if a, err := netip.ParseAddr(r.Destination); err == nil {
			have[netip.AddrPortFrom(a, r.Port)] = true
		}
	}
	refs, twins := c.references()
	for _, r := range append(append(refs, twins...), planWorld.own[0]) {
		if !have[r.Addr] {
			t.Errorf("%s is not in the plan", r.Addr)
		}
	}
	if len(refs) == 0 || len(twins) == 0 {
		t.Error("there is nothing to cover")
	}
}

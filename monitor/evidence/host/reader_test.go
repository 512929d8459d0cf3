package host

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

var byValue = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func addrs(ss ...string) (as []netip.Addr) {
	for _, s := range ss {
		as = append(as, netip.MustParseAddr(s))
	}
	return as
}

func TestHostsEntries(t *testing.T) {
	const file = `
127.0.0.1 localhost
# 192.0.2.1 api.example.com
192.0.2.2	API.example.com. other # api.example.com
192.0.2.3 other #api.example.com
2001:db8::1 other api.example.com
fe80::1%eth0 api.example.com
300.1.1.1 api.example.com
192.0.2.4
api.example.com 192.0.2.5
192.0.2.6 notapi.example.com
`
	got := hostsEntries(strings.NewReader(file), "api.example.com.")
	if diff := cmp.Diff(addrs("192.0.2.2", "2001:db8::1", "fe80::1"), got, byValue); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if got := hostsEntries(strings.NewReader(strings.Repeat("192.0.2.1 a.example\n", 1000)), "a.example."); len(got) != maxEntries {
		t.Errorf("%d entries of a thousand, want %d", len(got), maxEntries)
	}
}

func TestModules(t *testing.T) {
	for file, want := range map[string]string{
		"":                                  "files dns",
		"passwd: files\n":                   "files dns",
		"hosts: files dns\n":                "files dns",
		"  hosts:\tfiles  mymachines # x\n": "files mymachines",
		"hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n": "mymachines resolve files myhostname dns",
		"hosts: files[success=return]dns [\n":                                "files dns",
		"#hosts: nothing\nhosts: dns\nhosts: files\n":                        "dns",
		"hosts:\n": "",
	} {
		if got := strings.Join(modules(strings.NewReader(file)), " "); got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}

const (
	routes = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth1	00000000	FE00A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	0100000A	0003	0	0	100	00000000	0	0	0
eth0	0000000A	00000000	0001	0	0	100	00FFFFFF	0	0	0
`
	arps = `IP address       HW type     Flags       HW address            Mask     Device
192.168.0.254    0x1         0x2         02:00:00:00:00:fe     *        eth1
10.0.0.1         0x1         0x0         00:00:00:00:00:00     *        eth1
10.0.0.1         0x1         0x2         02:00:00:00:00:01     *        eth0
`
)

// nameservers reads the file as far as these tests go.
func nameservers(r io.Reader) (as []netip.Addr, err error) {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		if f := strings.Fields(sc.Text()); len(f) == 2 && f[0] == "nameserver" {
			as = append(as, netip.MustParseAddr(f[1]))
		}
	}
	return as, sc.Err()
}

func TestReader(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		files map[string]string
		heard []monitor.Source
		want  monitor.Evidence
	}{
		{"nothing is there", nil, nil, monitor.Evidence{Names: []string{"files", "dns"}}},
		{"a plain host", map[string]string{
			"etc/hosts": "192.0.2.66 api.example.com\n", "etc/nsswitch.conf": "hosts: files dns\n", "etc/resolv.conf": "nameserver 10.0.0.1\n",
			"proc/net/route": routes, "proc/net/arp": arps,
		}, nil, monitor.Evidence{
			Addresses: addrs("192.0.2.66"), Names: []string{"files", "dns"}, Network: "10.0.0.1 02:00:00:00:00:01",
			Sources: []monitor.Source{{Server: netip.MustParseAddr("10.0.0.1"), By: monitor.ByFile}},
		}},
		{"a gateway of which nothing is known", map[string]string{"proc/net/route": routes}, nil,
			monitor.Evidence{Names: []string{"files", "dns"}, Network: "10.0.0.1"}},
		{"a cache of this host", map[string]string{
			"etc/resolv.conf": "nameserver 127.0.0.53\n", "run/systemd/resolve/resolv.conf": "nameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver 127.0.0.1\n",
		}, nil, monitor.Evidence{Names: []string{"files", "dns"}, Sources: []monitor.Source{
			{Server: netip.MustParseAddr("127.0.0.53"), By: monitor.ByFile},
			{Server: netip.MustParseAddr("10.0.0.1"), By: monitor.ByCache}, {Server: netip.MustParseAddr("fe80::1"), By: monitor.ByCache},
		}}},
		{"no cache, and what one left behind", map[string]string{"etc/resolv.conf": "nameserver 10.0.0.1\n", "run/systemd/resolve/resolv.conf": "nameserver 10.9.9.9\n"}, nil,
			monitor.Evidence{Names: []string{"files", "dns"}, Sources: []monitor.Source{{Server: netip.MustParseAddr("10.0.0.1"), By: monitor.ByFile}}}},
		{"announced", map[string]string{"etc/resolv.conf": "nameserver 10.0.0.1\n"}, []monitor.Source{
			{Server: netip.MustParseAddr("10.0.0.1"), By: monitor.ByDHCP, From: netip.MustParseAddr("10.0.0.2"), MAC: "02:00:00:00:00:02"},
			{Server: netip.MustParseAddr("10.0.0.9"), By: monitor.ByRA, From: netip.MustParseAddr("fe80::9")},
		}, monitor.Evidence{Names: []string{"files", "dns"}, Sources: []monitor.Source{
			{Server: netip.MustParseAddr("10.0.0.1"), By: monitor.ByFile},
			{Server: netip.MustParseAddr("10.0.0.1"), By: monitor.ByDHCP, From: netip.MustParseAddr("10.0.0.2"), MAC: "02:00:00:00:00:02"},
			{Server: netip.MustParseAddr("10.0.0.9"), By: monitor.ByRA, From: netip.MustParseAddr("fe80::9"), Unused: true},
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for path, text := range tt.files {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			r := New(Config{Root: root, Nameservers: nameservers, Announced: func() []monitor.Source { return tt.heard }, Now: func() time.Time { return now }})
			tt.want.Kind, tt.want.At = monitor.EvidenceHost, now
			if diff := cmp.Diff(tt.want, r.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceHost, Name: "api.example.com."}), byValue, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("evidence (-want +got):\n%s", diff)
			}
		})
	}
}

// What cannot be read is said; the rest is told all the same.
func TestUnreadable(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc/hosts"), 0o755); err != nil { // a directory opens, and reads as nothing
		t.Fatal(err)
	}
	if err := os.Symlink("nsswitch.conf", filepath.Join(root, "etc/nsswitch.conf")); err != nil { // to itself
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/resolv.conf"), []byte("nameserver 10.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := New(Config{Root: root, Nameservers: nameservers}).Prove(t.Context(), monitor.Proof{Name: "api.example.com."})
	if !strings.Contains(e.Detail, "nsswitch.conf") || len(e.Sources) != 1 {
		t.Errorf("detail %q, sources %v", e.Detail, e.Sources)
	}
}

func FuzzHosts(f *testing.F) {
	f.Add("192.0.2.1 api.example.com\n", "hosts: files [a=b] dns\n", routes, arps)
	f.Fuzz(func(t *testing.T, hosts, nss, route, arp string) {
		if as := hostsEntries(strings.NewReader(hosts), "api.example.com."); len(as) > maxEntries {
			t.Errorf("%d addresses", len(as))
		}
		for _, m := range modules(strings.NewReader(nss)) {
			if m == "" || strings.ContainsAny(m, " []") {
				t.Errorf("module %q", m)
			}
		}
		if a, iface := gateway(strings.NewReader(route)); a.IsValid() {
			hardware(strings.NewReader(arp), a, iface)
		}
	})
}

package dnssec

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/servertest"
)

// TestServers proves answers of resolvers as people run them, about zones that
// BIND's tools signed and Knot serves: neither is of our making.
func TestServers(t *testing.T) {
	t.Parallel()
	servertest.Need(t, "dnssec-keygen", "dnssec-signzone", "knotd", "unbound", "named", "kresd", "pdns_recursor")
	zones := t.TempDir()
	root := signZones(t, zones)
	authority := startKnot(t, zones)
	anchor := strings.ReplaceAll(root.data(), root.Digest, `"`+root.Digest+`"`)
	for _, front := range []struct {
		name   string
		args   []string
		config string
	}{
		{"unbound", []string{"unbound", "-d", "-c", "CONF"}, `server:
	interface: 127.0.0.1@PORT
	directory: "DIR"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	do-daemonize: no
	num-threads: 1
	module-config: "iterator"
	do-not-query-localhost: no
remote-control:
	control-enable: no
`},
		{"unbound that validates", []string{"unbound", "-d", "-c", "CONF"}, `server:
	interface: 127.0.0.1@PORT
	directory: "DIR"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	do-daemonize: no
	num-threads: 1
	trust-anchor: ". DS ANCHOR"
	do-not-query-localhost: no
remote-control:
	control-enable: no
`},
		{"named", []string{"named", "-g", "-n", "1", "-c", "CONF"}, `options {
	directory "DIR";
	pid-file none;
	session-keyfile none;
	listen-on port PORT { 127.0.0.1; };
	listen-on-v6 { none; };
	forward only;
	forwarders { 127.0.0.1 port UPSTREAM; };
	dnssec-validation yes;
};
controls { };
trust-anchors { . static-ds QUOTED; };
`},
		{"kresd", []string{"kresd", "-n", "-c", "CONF", "DIR"}, `net.ipv6 = false
net.listen('127.0.0.1', PORT, { kind = 'dns' })
trust_anchors.remove('.')
trust_anchors.add('. IN DS ANCHOR')
modules = { 'policy' }
policy.add(policy.all(policy.FORWARD('127.0.0.1@UPSTREAM')))
cache.size = 8 * MB
`},
		{"pdns_recursor", []string{"pdns_recursor", "--config-dir=DIR", "--daemon=no", "--socket-dir=DIR"}, `local-address=127.0.0.1
local-port=PORT
forward-zones-recurse=.=127.0.0.1:UPSTREAM
dnssec=process-no-validate
dont-query=
threads=1
disable-syslog=yes
security-poll-suffix=
hint-file=no
`},
	} {
		t.Run(front.name, func(t *testing.T) {
			t.Parallel()
			dir, listens := t.TempDir(), servertest.Address(t, netip.Addr{})
			fill := strings.NewReplacer("PORT", fmt.Sprint(listens.Port()), "UPSTREAM", fmt.Sprint(authority.Port()),
				"DIR", dir, "ANCHOR", root.data(), "QUOTED", anchor)
			name := filepath.Join(dir, "front.conf")
			if front.name == "pdns_recursor" {
				name = filepath.Join(dir, "recursor.conf")
			}
			config := front.config
			if front.args[0] == "unbound" { // which would follow delegations to port 53
				for _, zone := range zoneNames(t, zones) {
					config += "stub-zone:\n\tname: \"" + zone + "\"\n\tstub-addr: 127.0.0.1@UPSTREAM\n"
				}
			}
			servertest.Write(t, "", name, fill.Replace(config))
			var args []string
			for _, a := range front.args {
				args = append(args, strings.NewReplacer("CONF", name, "DIR", dir).Replace(a))
			}
			servertest.Start(t, listens, args[0], args[1:]...)
			via := monitor.Resolver{Name: front.name, Transport: monitor.UDP, Addr: listens}
			proveServers(t, New(Config{Anchors: []Anchor{root}}, overDNS{}), via)
		})
	}
	t.Run("the authority itself", func(t *testing.T) {
		t.Parallel()
		v := New(Config{Anchors: []Anchor{root}}, overDNS{})
		proveServers(t, v, monitor.Resolver{Name: "knotd", Transport: monitor.UDP, Addr: authority})
	})
}

// proveServers proves what is in the zones that signZones makes.
func proveServers(t *testing.T, v *Validator, via monitor.Resolver) {
	for _, zone := range []string{"nsec.lab.", "nsec3.lab.", "optout.lab.", "rsa.lab."} {
		absent := monitor.Secure
		if zone == "optout.lab." {
			absent = monitor.Insecure // of names that do not exist
		}
		for _, tt := range []struct {
			name, says string
			kind       monitor.Type
			want       monitor.DNSSECStatus
		}{
			{"www.", "192.0.2.1 192.0.2.2", monitor.TypeA, monitor.Secure},
			{"www.", "absent", monitor.TypeAAAA, monitor.Secure},
			{"www.", `1 . alpn="h2"`, monitor.TypeHTTPS, monitor.Secure},
			{"", "10 mail." + zone, monitor.TypeMX, monitor.Secure},
			{"long.", "", monitor.TypeTXT, monitor.Secure},
			{"alias.", "192.0.2.1 192.0.2.2", monitor.TypeA, monitor.Secure},
			{"over.", "192.0.2.1 192.0.2.2", monitor.TypeA, monitor.Secure},
			{"away.", "192.0.2.9", monitor.TypeA, monitor.Insecure},
			{"www.old.", "192.0.2.6", monitor.TypeA, monitor.Secure},
			{"x.y.wild.", "192.0.2.4", monitor.TypeA, absent},
			{"x.wild.", "absent", monitor.TypeAAAA, absent},
			{"host.wild.", "192.0.2.5", monitor.TypeA, monitor.Secure},
			{"empty.", "absent", monitor.TypeA, monitor.Secure},
			{"gone.", "absent", monitor.TypeA, absent},
			{"a.b.gone.", "absent", monitor.TypeA, absent},
			{"www.open.", "192.0.2.7", monitor.TypeA, monitor.Insecure},
			{"gone.open.", "absent", monitor.TypeA, monitor.Insecure},
		} {
			e := v.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: tt.name + zone, Type: tt.kind, Via: via})
			if got := said(e); e.Status != tt.want || tt.says != "" && got != tt.says {
				t.Errorf("%s%s %s: %s, %q, want %s, %q: %s", tt.name, zone, tt.kind, e.Status, got, tt.want, tt.says, e.Detail)
			}
		}
	}
	for _, tt := range []struct {
		name string
		want monitor.DNSSECStatus
	}{
		{"www.plain.lab.", monitor.Insecure},
		{"www.broken.lab.", monitor.Bogus},
	} {
		e := v.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: tt.name, Type: monitor.TypeA, Via: via})
		if e.Status != tt.want {
			t.Errorf("%s: %s, want %s: %s", tt.name, e.Status, tt.want, e.Detail)
		}
	}
}

// signZones writes zones into dir, signed, and gives the anchor of the root.
func signZones(t *testing.T, dir string) Anchor {
	t.Helper()
	content := func(zone string) string {
		return fmt.Sprintf(`$TTL 300
@ SOA ns host 1 2 3 4 300
@ NS ns
ns A 127.0.0.1
@ MX 10 mail
www A 192.0.2.1
www A 192.0.2.2
www HTTPS 1 . alpn=h2
long TXT "%s" "%[1]s" "%[1]s" "%[1]s" "%[1]s" "%[1]s" "%[1]s"
alias CNAME www
over CNAME www.nsec.lab.
away CNAME www.plain.lab.
old DNAME new
www.new A 192.0.2.6
*.wild A 192.0.2.4
host.wild A 192.0.2.5
deep.empty A 192.0.2.3
open NS ns
`, strings.Repeat("x", 250))
	}
	plain := "$TTL 300\n@ SOA ns host 1 2 3 4 300\n@ NS ns\nns A 127.0.0.1\nwww A %s\n"
	servertest.Write(t, dir, "plain.lab.zone", fmt.Sprintf(plain, "192.0.2.9"))
	delegations := "plain NS ns.plain\nns.plain A 127.0.0.1\n"
	for _, z := range []struct {
		name, algorithm string
		options         []string
	}{
		{"nsec.lab", "ECDSAP256SHA256", nil},
		{"nsec3.lab", "ED25519", []string{"-3", "-", "-H", "0"}},
		{"optout.lab", "ECDSAP384SHA384", []string{"-3", "c0ffee", "-H", "5", "-A"}},
		{"rsa.lab", "RSASHA256", nil},
		{"broken.lab", "ECDSAP256SHA256", nil},
	} {
		label := strings.TrimSuffix(z.name, ".lab")
		servertest.Write(t, dir, "open."+z.name+".zone", fmt.Sprintf(plain, "192.0.2.7"))
		signZone(t, dir, z.name, z.algorithm, content(z.name), z.options...)
		delegations += label + " NS ns." + label + "\nns." + label + " A 127.0.0.1\n"
	}
	signZone(t, dir, "lab", "ECDSAP256SHA256", "$TTL 300\n@ SOA ns host 1 2 3 4 300\n@ NS ns\nns A 127.0.0.1\n"+delegations, "-g", "-3", "-", "-H", "0", "-A")
	signZone(t, dir, ".", "RSASHA256", "$TTL 300\n@ SOA ns host 1 2 3 4 300\n@ NS ns\nns A 127.0.0.1\nlab NS ns.lab\nns.lab A 127.0.0.1\n", "-g")

	// Whoever serves the broken zone has changed it after it was signed.
	broken := filepath.Join(dir, "broken.lab.zone")
	b, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	servertest.Write(t, "", broken, strings.ReplaceAll(string(b), "192.0.2.1\n", "203.0.113.66\n"))
	f, err := os.Open(filepath.Join(dir, "dsset-."))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	anchors, err := ReadAnchors(f)
	if err != nil {
		t.Fatal(err)
	}
	return anchors[0]
}

// signZone signs a zone with a key for keys and one for all else.
func signZone(t *testing.T, dir, name, algorithm, content string, options ...string) {
	t.Helper()
	signed := filepath.Join(dir, zoneFile(name))
	plain := strings.TrimSuffix(signed, ".zone") + ".plain"
	servertest.Write(t, "", plain, content)
	for _, extra := range [][]string{{"-f", "KSK"}, nil} {
		runProgram(t, dir, "dnssec-keygen", append(append([]string{"-q", "-K", dir, "-a", algorithm}, extra...), name)...)
	}
	args := append([]string{"-q", "-S", "-K", dir, "-d", dir, "-o", name, "-O", "full", "-f", signed}, options...)
	runProgram(t, dir, "dnssec-signzone", append(args, plain)...)
}

// startKnot serves all zones in dir.
func startKnot(t *testing.T, dir string) netip.AddrPort {
	t.Helper()
	listens := servertest.Address(t, netip.Addr{})
	var conf bytes.Buffer
	fmt.Fprintf(&conf, "server:\n    listen: 127.0.0.1@%d\n    rundir: %s\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n", listens.Port(), dir)
	fmt.Fprintf(&conf, "database:\n    storage: %s/db\nlog:\n  - target: stderr\n    any: warning\nzone:\n", dir)
	for _, name := range zoneNames(t, dir) {
		fmt.Fprintf(&conf, "  - domain: %s\n    file: %s\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n    semantic-checks: off\n",
			name, filepath.Join(dir, zoneFile(name)))
	}
	servertest.Write(t, dir, "knot.conf", conf.String())
	servertest.Start(t, listens, "knotd", "-c", filepath.Join(dir, "knot.conf"))
	return listens
}

// zoneFile is the name of the file that has a zone.
func zoneFile(name string) string {
	if name == "." {
		name = "root"
	}
	return name + ".zone"
}

// zoneNames lists the zones in dir.
func zoneNames(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.zone"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".zone")
		if name == "root" {
			name = "."
		}
		names = append(names, name)
	}
	return names
}

func runProgram(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}

// overDNS asks over UDP, and over TCP where that is too small.
type overDNS struct{}

func (overDNS) Exchange(ctx context.Context, r monitor.Resolver, query []byte) ([]byte, error) {
	m := new(dns.Msg)
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network, Timeout: 10 * time.Second, UDPSize: udpSize}
		answer, _, err := client.ExchangeContext(ctx, m, r.Addr.String())
		if err != nil {
			return nil, err
		}
		if !answer.Truncated || network == "tcp" {
			return answer.Pack()
		}
	}
	return nil, nil
}

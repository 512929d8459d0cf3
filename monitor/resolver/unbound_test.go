package resolver

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/servertest"
)

// TestUnbound asks a resolver as people run it, over each transport.
func TestUnbound(t *testing.T) {
	t.Parallel()
	unbound := servertest.Need(t, "unbound")[0]
	ca := newAuthority(t)
	plain, secure, web := startUnbound(t, unbound, ca)

	asker := newAsker(t, Config{Roots: ca.pool})
	address := func(tr monitor.Transport) monitor.Resolver {
		switch tr {
		case monitor.DoT:
			return at(tr, net.TCPAddrFromAddrPort(secure))
		case monitor.DoH:
			return at(tr, net.TCPAddrFromAddrPort(web))
		}
		return at(tr, net.TCPAddrFromAddrPort(plain))
	}
	record := func(tp monitor.Type, data string) monitor.Record {
		return monitor.Record{Name: "api.partner.example.", Type: tp, Data: data, TTL: 300}
	}
	// Too much for one datagram of 1,232 octets.
	var many []monitor.Record
	for i := range 100 {
		many = append(many, monitor.Record{Name: "many.example.", Type: monitor.TypeA, Data: manyAddr(i), TTL: 60})
	}
	for _, tr := range []monitor.Transport{monitor.UDP, monitor.TCP, monitor.DoT, monitor.DoH} {
		for _, tt := range []struct {
			q       monitor.Question
			rcode   string
			records []monitor.Record
		}{
			{monitor.Question{Name: "api.partner.example.", Type: monitor.TypeA}, "NOERROR", []monitor.Record{record(monitor.TypeA, "192.0.2.1")}},
			{monitor.Question{Name: "api.partner.example.", Type: monitor.TypeAAAA}, "NOERROR", []monitor.Record{record(monitor.TypeAAAA, "2001:db8::1")}},
			{monitor.Question{Name: "api.partner.example.", Type: monitor.TypeHTTPS}, "NOERROR", []monitor.Record{record(monitor.TypeHTTPS, `1 . alpn="h2"`)}},
			{monitor.Question{Name: "api.partner.example.", Type: monitor.TypeMX}, "NOERROR", []monitor.Record{}},
			{monitor.Question{Name: "none.partner.example.", Type: monitor.TypeA}, "NXDOMAIN", []monitor.Record{}},
			{monitor.Question{Name: "blocked.example.", Type: monitor.TypeA}, "REFUSED", []monitor.Record{}},
			{monitor.Question{Name: "many.example.", Type: monitor.TypeA}, "NOERROR", many},
		} {
			o := asker.Ask(t.Context(), address(tr), tt.q)
			want := monitor.Observation{
				Resolver: "test", Operator: "tester", Role: monitor.Reference, Server: netip.MustParseAddr("127.0.0.1"),
				Transport: tr, Encrypted: tr == monitor.DoT || tr == monitor.DoH, Rcode: tt.rcode, Records: tt.records, NSID: "unbound.example",
				Flags: o.Flags, EDE: o.EDE, // theirs to choose
			}
			if diff := cmp.Diff(want, o, ignoreTimes); diff != "" {
				t.Errorf("%s over %s (-want +got):\n%s", tt.q, tr, diff)
			}
			if !o.Has("RD") || !o.Has("RA") || o.Has("TC") {
				t.Errorf("%s over %s: flags %v", tt.q, tr, o.Flags)
			}
		}
	}
	opened := map[netip.AddrPort]uint64{} // one plain connection, first made for what was truncated
	for _, s := range asker.Stats() {
		opened[s.Server] += s.Opened
		if s.Ignored != 0 || s.OtherCase != 0 || s.Late != 0 {
			t.Errorf("%+v", s)
		}
		if s.Transport == monitor.UDP && s.Truncated != 1 {
			t.Errorf("%d of the answers over UDP were truncated, want 1", s.Truncated)
		}
	}
	if diff := cmp.Diff(map[netip.AddrPort]uint64{plain: 1, secure: 1, web: 1}, opened, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
}

func manyAddr(i int) string { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String() }

// startUnbound runs a resolver that knows a few names and asks nobody.
func startUnbound(t *testing.T, binary string, ca *authority) (plain, secure, web netip.AddrPort) {
	t.Helper()
	dir := t.TempDir()
	certificateFiles(t, ca, dir)
	plain, secure, web = servertest.Address(t, netip.Addr{}), servertest.Address(t, netip.Addr{}), servertest.Address(t, netip.Addr{})
	var conf bytes.Buffer
	fmt.Fprintf(&conf, `server:
	interface: 127.0.0.1@%d
	interface: 127.0.0.1@%d
	interface: 127.0.0.1@%d
	tls-port: %[2]d
	https-port: %[3]d
	tls-service-key: "%[4]s/key.pem"
	tls-service-pem: "%[4]s/cert.pem"
	directory: "%[4]s"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	do-daemonize: no
	num-threads: 1
	module-config: "iterator"
	access-control: 127.0.0.0/8 allow
	nsid: "ascii_unbound.example"
	rrset-roundrobin: no
	local-zone: "." refuse
	local-zone: "partner.example." static
	local-data: "api.partner.example. 300 A 192.0.2.1"
	local-data: "api.partner.example. 300 AAAA 2001:db8::1"
	local-data: 'api.partner.example. 300 HTTPS 1 . alpn="h2"'
	local-zone: "many.example." static
`, plain.Port(), secure.Port(), web.Port(), dir)
	for i := range 100 {
		fmt.Fprintf(&conf, "\tlocal-data: \"many.example. 60 A %s\"\n", manyAddr(i))
	}
	conf.WriteString("remote-control:\n\tcontrol-enable: no\n")
	path := filepath.Join(dir, "unbound.conf")
	if err := os.WriteFile(path, conf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}

	servertest.Start(t, secure, binary, "-d", "-c", path)
	return plain, secure, web
}

// certificateFiles writes a good certificate and its key, in PEM.
func certificateFiles(t *testing.T, ca *authority, dir string) {
	t.Helper()
	cert := ca.leaf(serverName, time.Now().Add(time.Hour))
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert.Certificate[0]},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDnsdist asks over HTTPS through what public operators have in front.
func TestDnsdist(t *testing.T) {
	t.Parallel()
	dnsdist, err := exec.LookPath("dnsdist")
	if err != nil {
		t.Skip("dnsdist is not installed")
	}
	unbound := servertest.Need(t, "unbound")[0]
	ca := newAuthority(t)
	behind, _, _ := startUnbound(t, unbound, ca)
	dir := t.TempDir()
	certificateFiles(t, ca, dir)
	plain, web := servertest.Address(t, netip.Addr{}), servertest.Address(t, netip.Addr{})
	path := filepath.Join(dir, "dnsdist.conf")
	conf := fmt.Sprintf(`setSecurityPollSuffix("")
setLocal("%s")
addDOHLocal("%s", "%s/cert.pem", "%[3]s/key.pem", {"/dns-query", "/p0"})
newServer({address="%[4]s", healthCheckMode="up"})
`, plain, web, dir, behind)
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	servertest.Start(t, web, dnsdist, "--supervised", "--disable-syslog", "-C", path)

	asker := newAsker(t, Config{Roots: ca.pool})
	r := at(monitor.DoH, net.TCPAddrFromAddrPort(web))
	for range 3 {
		wantAnswer(t, asker.Ask(t.Context(), r, question), "192.0.2.1")
	}
	if o := asker.Ask(t.Context(), r, monitor.Question{Name: "many.example.", Type: monitor.TypeA}); len(o.Records) != 100 {
		t.Errorf("%d records, want 100: %s", len(o.Records), o.Error)
	}
	if o := asker.Ask(t.Context(), r, monitor.Question{Name: "none.partner.example.", Type: monitor.TypeA}); o.Rcode != "NXDOMAIN" {
		t.Errorf("rcode %q, %q, want NXDOMAIN", o.Rcode, o.Error)
	}
	if s := only(t, asker); s.Opened != 1 {
		t.Errorf("Opened = %d, want 1", s.Opened)
	}
	r.Path = "/nowhere"
	wantError(t, asker.Ask(t.Context(), r, question), "bad_response: HTTP status 404")
}

package walk

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/servertest"
)

// sockets carries messages over loopback.
type sockets struct{}

func (sockets) Exchange(ctx context.Context, r monitor.Resolver, query []byte) ([]byte, error) {
	c, err := new(net.Dialer).DialContext(ctx, string(r.Transport), r.Addr.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if r.Transport == monitor.UDP {
		if _, err := c.Write(query); err != nil {
			return nil, err
		}
		b := make([]byte, 4096)
		n, err := c.Read(b)
		return b[:n], err
	}
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err = io.ReadFull(c, b)
	return b, err
}

// Where the real servers are.
const (
	realRoot  = "127.53.0.1" // nsd
	realTop   = "127.53.1.1" // knot: example. and other.
	realChild = "127.0.0.1"  // named, which takes addresses of interfaces only: partner.example. and edge.other.
	realLiar  = "127.53.2.2" // nsd: partner.example. with another address
	realEdge  = "127.53.3.1" // nsd: edge.other.
)

var realZones = map[string]string{
	"root": `. 86400 IN SOA a.root. x. 1 3600 3600 3600 3600
. 86400 IN NS a.root.
a.root. 86400 IN A 127.53.0.1
example. 86400 IN NS ns.example.
ns.example. 86400 IN A 127.53.1.1
other. 86400 IN NS ns.example.
`,
	"example": `example. 3600 IN SOA ns.example. x. 7 3600 3600 3600 3600
example. 3600 IN NS ns.example.
ns.example. 3600 IN A 127.53.1.1
partner.example. 3600 IN NS ns1.partner.example.
partner.example. 3600 IN NS ns2.partner.example.
partner.example. 3600 IN NS lame.partner.example.
partner.example. 3600 IN DS 5 13 2 0202020202020202020202020202020202020202020202020202020202020202
ns1.partner.example. 3600 IN A 127.0.0.1
ns2.partner.example. 3600 IN A 127.53.2.2
lame.partner.example. 3600 IN A 127.53.0.1
`,
	"other": `other. 3600 IN SOA ns.example. x. 8 3600 3600 3600 3600
other. 3600 IN NS ns.example.
edge.other. 3600 IN NS ns1.partner.example.
edge.other. 3600 IN NS ns.edge.other.
ns.edge.other. 3600 IN A 127.53.3.1
`,
	"partner": `partner.example. 300 IN SOA ns1.partner.example. x. 42 3600 3600 3600 3600
partner.example. 300 IN NS ns1.partner.example.
partner.example. 300 IN NS ns2.partner.example.
partner.example. 300 IN NS lame.partner.example.
ns1.partner.example. 300 IN A 127.0.0.1
ns2.partner.example. 300 IN A 127.53.2.2
lame.partner.example. 300 IN A 127.53.0.1
api.partner.example. 60 IN A 203.0.113.1
far.partner.example. 300 IN CNAME front.edge.other.
`,
	"edge": `edge.other. 300 IN SOA ns.edge.other. x. 9 3600 3600 3600 3600
edge.other. 300 IN NS ns1.partner.example.
edge.other. 300 IN NS ns.edge.other.
ns.edge.other. 300 IN A 127.53.3.1
front.edge.other. 20 IN A 203.0.113.7
`,
}

// TestServers walks among name servers as people run them.
func TestServers(t *testing.T) {
	t.Parallel()
	paths := servertest.Need(t, "nsd", "knotd", "named")
	dir := t.TempDir()
	servertest.Write(t, dir, "liar", strings.ReplaceAll(realZones["partner"], "203.0.113.1", "203.0.113.66"))
	for name, text := range realZones {
		servertest.Write(t, dir, name, text)
	}
	// What is free on one address of loopback is so, most likely, on all of them.
	port := servertest.Address(t, netip.MustParseAddr(realEdge)).Port()
	nsd := func(addr, zone, file string) {
		t.Helper()
		conf := fmt.Sprintf(`server:
	ip-address: %s@%d
	zonesdir: "%[3]s"
	username: ""
	chroot: ""
	pidfile: ""
	database: ""
	zonelistfile: "%[3]s/%[5]s.list"
	xfrdfile: "%[3]s/%[5]s.xfrd"
	xfrdir: "%[3]s"
	server-count: 1
remote-control:
	control-enable: no
zone:
	name: "%[4]s"
	zonefile: "%[5]s"
`, addr, port, dir, zone, file)
		servertest.Start(t, netip.AddrPortFrom(netip.MustParseAddr(addr), port), paths[0], "-d", "-c", servertest.Write(t, dir, file+".nsd", conf))
	}
	nsd(realRoot, ".", "root")
	nsd(realLiar, "partner.example", "liar")
	nsd(realEdge, "edge.other", "edge")
	servertest.Start(t, netip.AddrPortFrom(netip.MustParseAddr(realTop), port), paths[1], "-c", servertest.Write(t, dir, "knot.conf", fmt.Sprintf(`server:
    rundir: "%[1]s"
    listen: %[3]s@%[2]d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "%[1]s/knot"
template:
  - id: default
    storage: "%[1]s"
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: example
    file: example
  - domain: other
    file: other
`, dir, port, realTop)))
	servertest.Start(t, netip.AddrPortFrom(netip.MustParseAddr(realChild), port), paths[2], "-g", "-n", "1", "-c", servertest.Write(t, dir, "named.conf", fmt.Sprintf(`options {
	directory "%[1]s";
	pid-file none;
	session-keyfile none;
	listen-on port %[2]d { %[3]s; };
	listen-on-v6 { none; };
	recursion no;
	dnssec-validation no;
	notify no;
};
controls { };
zone "partner.example" { type primary; file "partner"; };
zone "edge.other" { type primary; file "edge"; };
`, dir, port, realChild)))

	walker := New(Config{
		Hints: []Server{{"a.root.", netip.MustParseAddr(realRoot)}}, Port: port,
		Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Dead:   []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.53.255.1"), port)},
	}, sockets{}, nil)

	child, liar, edge, lame := netip.MustParseAddr(realChild), netip.MustParseAddr(realLiar), netip.MustParseAddr(realEdge), netip.MustParseAddr(realRoot)
	alias := []monitor.Record{{Name: "far.partner.example.", Type: monitor.TypeCNAME, Data: "front.edge.other.", TTL: 300}}
	ns := []string{"lame.partner.example.", "ns1.partner.example.", "ns2.partner.example."}
	for _, tt := range []struct {
		name string
		want monitor.Evidence
	}{
		{"api.partner.example.", monitor.Evidence{
			Kind: monitor.EvidenceWalk, PathProven: true, TTL: 60, Addresses: addrs("203.0.113.1", "203.0.113.66"),
			Zone: "partner.example.", Nameservers: ns, Delegation: ns, DS: []string{ds5},
			Servers: []monitor.AuthoritativeServer{
				{Name: ns[1], Address: child, Addresses: addrs("203.0.113.1"), Serial: 42},
				{Name: ns[0], Address: lame, Error: "bad_response: not authoritative"},
				{Name: ns[2], Address: liar, Addresses: addrs("203.0.113.66"), Serial: 42},
			},
			Detail: "2 of 3 servers of partner.example. made a statement; the path is proven",
		}},
		{"far.partner.example.", monitor.Evidence{
			Kind: monitor.EvidenceWalk, PathProven: true, TTL: 20, Addresses: addrs("203.0.113.7"),
			Zone: "edge.other.", Nameservers: []string{"ns.edge.other.", "ns1.partner.example."}, Delegation: []string{"ns.edge.other.", "ns1.partner.example."},
			Servers: []monitor.AuthoritativeServer{
				{Name: ns[1], Address: child, Addresses: addrs("203.0.113.7"), Records: alias, Serial: 9},
				{Name: ns[0], Address: lame, Error: "bad_response: not authoritative"},
				{Name: ns[2], Address: liar, Records: alias, Serial: 42},
				{Name: "ns.edge.other.", Address: edge, Addresses: addrs("203.0.113.7"), Serial: 9},
			},
			Detail: "2 of 2 servers of edge.other. made a statement; the path is proven",
		}},
	} {
		got := walker.Prove(t.Context(), monitor.Proof{Name: tt.name, Type: monitor.TypeA})
		if diff := cmp.Diff(tt.want, got, sameAddr, cmpopts.IgnoreFields(monitor.Evidence{}, "At")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

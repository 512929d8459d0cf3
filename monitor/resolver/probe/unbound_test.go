package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/servertest"
)

// wire is an Asker over UDP and TCP, once.
type wire struct{}

func (wire) Exchange(ctx context.Context, r monitor.Resolver, query []byte) ([]byte, error) {
	m := new(dns.Msg)
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	got, err := wire{}.send(ctx, r, m)
	if err != nil {
		return nil, err
	}
	return got.Pack()
}

func (wire) send(ctx context.Context, r monitor.Resolver, m *dns.Msg) (*dns.Msg, error) {
	c := &dns.Client{Net: string(r.Transport)}
	got, _, err := c.ExchangeContext(ctx, m, r.Addr.String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", monitor.ErrTimeout, err)
	}
	return got, nil
}

func (w wire) Ask(ctx context.Context, r monitor.Resolver, q monitor.Question) monitor.Observation {
	o := monitor.From(r, time.Now())
	got, err := w.send(ctx, r, new(dns.Msg).SetQuestion(q.Name, uint16(q.Type)))
	if err != nil {
		o.Error = err.Error()
		return o
	}
	return observed(o, got)
}

// TestUnbound takes one resolver as people run it for what answers at dead
// addresses, for what rewrites denials, and asks it who it is.
func TestUnbound(t *testing.T) {
	t.Parallel()
	unbound := servertest.Need(t, "unbound")[0]
	addr := startUnbound(t, unbound)
	shut := servertest.Address(t, netip.Addr{})
	mute, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	silent := netip.MustParseAddrPort(mute.LocalAddr().String())

	via := monitor.Resolver{Name: "isp", Operator: "isp", Role: monitor.Local, Transport: monitor.UDP, Addr: addr}
	proof := func(kind string) monitor.Proof { return monitor.Proof{Kind: kind, Name: name, Via: via} }
	clean := New(Config{Dead: []netip.AddrPort{shut, silent}, Timeout: 300 * time.Millisecond}, wire{}, nil)
	taken := New(Config{Dead: []netip.AddrPort{shut, addr}, Whoami: []string{"who.example."}, Zones: []string{"com.", "sink.example.", "sink2.example."}}, wire{}, nil)
	for _, tt := range []struct {
		name string
		p    *Prober
		want monitor.Evidence
	}{
		{"nobody at dead addresses", clean, monitor.Evidence{Kind: monitor.EvidenceDead, Detail: "2 dead addresses are silent"}},
		{"somebody", taken, monitor.Evidence{
			Kind: monitor.EvidenceDead, Answered: true, Address: addr.Addr(), Port: addr.Port(), Addresses: addrs("198.18.66.1"),
			Detail: "198.18.66.1 answered by 127.0.0.1 over udp NOERROR, 127.0.0.1 over tcp NOERROR",
		}},
		{"who it is", taken, monitor.Evidence{
			Kind: monitor.EvidenceIdentity, NSID: "fra1.isp", Egress: "198.18.0.7", Addresses: addrs("198.18.0.7"),
			Detail: `id.server "unbound.isp"; hostname.bind "unbound.isp"; asks from 198.18.0.7`,
		}},
		{"denials", taken, monitor.Evidence{
			Kind: monitor.EvidenceNX, Answered: true, Addresses: addrs("203.0.113.80"),
			Detail: "2 of 3 names that nobody registered have addresses: 203.0.113.80",
		}},
	} {
		got := tt.p.Prove(t.Context(), proof(tt.want.Kind))
		tt.want.Resolver = monitor.From(via, time.Time{}).Endpoint()
		if got.Kind == monitor.EvidenceNX && len(got.Records) != 2 {
			t.Errorf("%s: records %v", tt.name, got.Records)
		}
		got.Records = nil
		if diff := cmp.Diff(tt.want, got, evidence); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// startUnbound runs a resolver that knows a few names and asks nobody, and waits
// until it listens.
func startUnbound(t *testing.T, binary string) netip.AddrPort {
	t.Helper()
	addr, dir := servertest.Address(t, netip.Addr{}), t.TempDir()
	conf := fmt.Sprintf(`server:
	interface: 127.0.0.1@%d
	directory: "%s"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	do-daemonize: no
	num-threads: 1
	module-config: "iterator"
	access-control: 127.0.0.0/8 allow
	identity: "unbound.isp"
	nsid: "ascii_fra1.isp"
	local-zone: "." static
	local-data: "%s 60 A 198.18.66.1"
	local-data: 'who.example. 60 TXT "198.18.0.7"'
	local-zone: "sink.example." redirect
	local-data: "sink.example. 60 A 203.0.113.80"
	local-zone: "sink2.example." redirect
	local-data: "sink2.example. 60 A 203.0.113.80"
remote-control:
	control-enable: no
`, addr.Port(), dir, name)
	servertest.Start(t, addr, binary, "-d", "-c", servertest.Write(t, dir, "unbound.conf", conf))
	return addr
}

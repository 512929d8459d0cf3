package walk

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authority is an authoritative server without a network.
type authority struct {
	zones  map[string][]dns.RR
	noTCP  bool // its port refuses
	noUDP  bool // it says nothing over UDP
	silent bool // it says nothing at all
	mangle func(q, r *dns.Msg, over monitor.Transport)
}

// serve gives a server of zones in the form of zone files; the first line of
// each is its SOA record, whose owner is the origin.
func serve(zones ...string) *authority {
	a := &authority{zones: map[string][]dns.RR{}}
	for _, text := range zones {
		var rrs []dns.RR
		p := dns.NewZoneParser(strings.NewReader(text), ".", "")
		for rr, ok := p.Next(); ok; rr, ok = p.Next() {
			rrs = append(rrs, rr)
		}
		if p.Err() != nil {
			panic(p.Err())
		}
		a.zones[rrs[0].Header().Name] = rrs
	}
	return a
}

// answer is RFC 1034 §4.3.2, as far as the tests need it.
func (a *authority) answer(q *dns.Msg) *dns.Msg {
	r := new(dns.Msg).SetReply(q)
	r.Compress = true
	if q.IsEdns0() != nil {
		r.SetEdns0(udpSize, true)
	}
	name, kind := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	origin := ""
	for o := range a.zones {
		if under(name, o) && len(o) > len(origin) && (kind != dns.TypeDS || name != o) {
			origin = o
		}
	}
	if origin == "" {
		r.Rcode = dns.RcodeRefused
		return r
	}
	zone := a.zones[origin]
	if cut := cutAbove(zone, origin, name); cut != "" && (kind != dns.TypeDS || name != cut) {
		r.Ns = slices.Concat(match(zone, cut, dns.TypeNS), match(zone, cut, dns.TypeDS))
		for _, ns := range match(zone, cut, dns.TypeNS) {
			r.Extra = append(r.Extra, match(zone, ns.(*dns.NS).Ns, dns.TypeA)...)
			r.Extra = append(r.Extra, match(zone, ns.(*dns.NS).Ns, dns.TypeAAAA)...)
		}
		return r
	}
	r.Authoritative = true
	for range 8 {
		r.Answer = append(r.Answer, match(zone, name, kind)...)
		cname := match(zone, name, dns.TypeCNAME)
		if len(r.Answer) > 0 || len(cname) == 0 || kind == dns.TypeCNAME {
			break
		}
		r.Answer = append(r.Answer, cname...)
		if name = cname[0].(*dns.CNAME).Target; !under(name, origin) {
			return r
		}
		r.Answer = append(r.Answer, match(zone, name, kind)...)
		if len(match(zone, name, kind)) > 0 {
			return r
		}
	}
	for _, rr := range zone {
		if d, ok := rr.(*dns.DNAME); ok && len(r.Answer) == 0 && below(name, d.Hdr.Name) {
			r.Answer = append(r.Answer, d)
		}
	}
	if len(r.Answer) == 0 {
		r.Ns = match(zone, origin, dns.TypeSOA)
		if !slices.ContainsFunc(zone, func(rr dns.RR) bool { return under(rr.Header().Name, name) }) {
			r.Rcode = dns.RcodeNameError
		}
	}
	return r
}

func match(zone []dns.RR, name string, kind uint16) (rrs []dns.RR) {
	for _, rr := range zone {
		if rr.Header().Rrtype == kind && strings.EqualFold(rr.Header().Name, name) {
			rrs = append(rrs, dns.Copy(rr))
		}
	}
	return rrs
}

// cutAbove finds the delegation that name is behind.
func cutAbove(zone []dns.RR, origin, name string) string {
	for _, rr := range zone {
		if owner := rr.Header().Name; rr.Header().Rrtype == dns.TypeNS && below(owner, origin) && under(name, owner) {
			return owner
		}
	}
	return ""
}

// world is an Internet of authorities by address. It is the Exchanger of a walk
// and knows where there are routes.
type world struct {
	t       testing.TB
	servers map[string]*authority
	noIPv6  bool
	accepts string // address that takes connections over TCP
	meddler func(to netip.Addr, q *dns.Msg) *dns.Msg

	mu    sync.Mutex // guards what follows
	asked map[string]int
	log   []string
}

func (w *world) Exchange(ctx context.Context, r monitor.Resolver, query []byte) ([]byte, error) {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		w.t.Errorf("query: %v", err)
	}
	to := r.Addr.Addr()
	if q.RecursionDesired != (to.String() == deadOne) {
		w.t.Errorf("recursion desired of %s: %t", r.Addr, q.RecursionDesired)
	}
	w.mu.Lock()
	w.asked[to.String()]++
	w.log = append(w.log, to.String()+" "+strings.ToLower(q.Question[0].Name)+" "+dns.TypeToString[q.Question[0].Qtype])
	w.mu.Unlock()
	if w.meddler != nil {
		if m := w.meddler(to, q); m != nil {
			return m.Pack()
		}
	}
	a := w.servers[to.String()]
	switch {
	case a == nil, a.silent, a.noUDP && r.Transport == monitor.UDP:
		<-ctx.Done()
		return nil, os.ErrDeadlineExceeded
	case a.noTCP && r.Transport == monitor.TCP:
		return nil, syscall.ECONNREFUSED
	}
	m := a.answer(q)
	if a.mangle != nil {
		a.mangle(q, m, r.Transport)
	}
	return m.Pack()
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to := netip.MustParseAddrPort(address).Addr()
	switch {
	case w.noIPv6 && to.Is6():
		return nil, syscall.ENETUNREACH
	case network == "udp", w.accepts == to.String():
		c, _ := net.Pipe()
		return c, nil
	}
	<-ctx.Done()
	return nil, errors.New("nothing there")
}

// addresses of the servers in the tests. None is special-purpose.
const (
	rootA   = "193.0.14.1"
	rootB   = "2a01:7fd::1"
	tldA    = "193.1.0.1"  // of example.
	tldB    = "193.1.0.2"  // of other.
	childA  = "193.2.0.1"  // of partner.example.
	childB  = "193.2.0.2"  // of partner.example.
	hoster  = "193.3.0.1"  // of edge.other., and of ns.edge.other.
	deadOne = "192.0.2.53" // of the default
)

const (
	rootZone = `. 86400 SOA a.root. x. 1 1 1 1 1
. 86400 NS a.root.
a.root. 86400 A 193.0.14.1
example. 86400 NS ns.nic.example.
example. 86400 DS 1 13 2 0101010101010101010101010101010101010101010101010101010101010101
ns.nic.example. 86400 A 193.1.0.1
other. 86400 NS ns.nic.example2.other.
ns.nic.example2.other. 86400 A 193.1.0.2
`
	tldZone = `example. 3600 SOA ns.nic.example. x. 7 1 1 1 1
example. 3600 NS ns.nic.example.
ns.nic.example. 3600 A 193.1.0.1
partner.example. 3600 NS ns1.partner.example.
partner.example. 3600 NS ns2.partner.example.
partner.example. 3600 DS 5 13 2 0202020202020202020202020202020202020202020202020202020202020202
ns1.partner.example. 3600 A 193.2.0.1
ns2.partner.example. 3600 A 193.2.0.2
hosted.example. 3600 NS ns.edge.other.
ns.edge.other. 3600 A 193.66.6.6
`
	otherZone = `other. 3600 SOA ns.nic.example2.other. x. 8 1 1 1 1
other. 3600 NS ns.nic.example2.other.
ns.nic.example2.other. 3600 A 193.1.0.2
edge.other. 3600 NS ns.edge.other.
ns.edge.other. 3600 A 193.3.0.1
`
	partnerZone = `partner.example. 300 SOA ns1.partner.example. x. 42 1 1 1 1
partner.example. 300 NS ns1.partner.example.
partner.example. 300 NS ns2.partner.example.
ns1.partner.example. 300 A 193.2.0.1
ns2.partner.example. 300 A 193.2.0.2
api.partner.example. 60 A 203.0.113.1
api.partner.example. 60 A 203.0.113.2
www.partner.example. 300 CNAME api.partner.example.
far.partner.example. 300 CNAME front.edge.other.
loop.partner.example. 300 CNAME pool.partner.example.
pool.partner.example. 300 CNAME loop.partner.example.
moved.partner.example. 300 DNAME edge.other.
a.b.deep.partner.example. 30 A 203.0.113.9
mx.partner.example. 30 MX 10 Mail.Partner.Example.
`
	edgeZone = `edge.other. 300 SOA ns.edge.other. x. 9 1 1 1 1
edge.other. 300 NS ns.edge.other.
ns.edge.other. 300 A 193.3.0.1
front.edge.other. 20 A 203.0.113.7
`
	hostedZone = `hosted.example. 300 SOA ns.edge.other. x. 11 1 1 1 1
hosted.example. 300 NS ns.edge.other.
www.hosted.example. 20 A 203.0.113.8
`
)

// newWorld has a root, two top-level zones, and names below them.
func newWorld(t testing.TB) *world {
	return &world{t: t, asked: map[string]int{}, servers: map[string]*authority{
		rootA:  serve(rootZone),
		rootB:  serve(rootZone),
		tldA:   serve(tldZone),
		tldB:   serve(otherZone),
		childA: serve(partnerZone),
		childB: serve(partnerZone),
		hoster: serve(edgeZone, hostedZone),
	}}
}

// walker walks in w.
func (w *world) walker(cfg Config, v Validator) *Walker {
	if cfg.Hints == nil {
		cfg.Hints = []Server{{"a.root.", netip.MustParseAddr(rootA)}, {"b.root.", netip.MustParseAddr(rootB)}}
	}
	if cfg.Dead == nil {
		cfg.Dead = []netip.AddrPort{netip.MustParseAddrPort(deadOne + ":53")}
	}
	cfg.Dial = w.dial
	return New(cfg, w, v)
}

func addrs(list ...string) (all []netip.Addr) {
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

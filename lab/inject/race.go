//go:build lab

package inject

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A RaceConfig says which queries are answered, and with what.
type RaceConfig struct {
	// Names are the QNAMEs, exact but for case (RFC 4343). A name that has
	// Contains in it, where that is set, counts too.
	Names    []string
	Contains string
	// Types are the QTYPEs. The default is A, AAAA or both, as Answers has
	// addresses of each family; both, if it has none.
	Types []uint16
	// Client, if valid, is the only source whose queries are answered.
	Client netip.Addr

	// Answers are the forged addresses, one in each response, in turn. Without one
	// of the query's type the answer section is empty.
	Answers []netip.Addr
	TTL     uint32 // seconds
	Rcode   int
	// Delay is from the query to the forgery.
	Delay time.Duration

	// IPTTL is the TTL or hop limit. At 0 it is that of the last response of the
	// same server that was seen, or 64.
	IPTTL uint8
	// IPID is the identification in IPv4. A Copy takes 0 for one more than in the
	// last response of the server.
	IPID uint16
	// Flags are the second 16 bits of the message, without RCODE. 0 is as a
	// recursive resolver: 0x8180, with RD and CD of the query.
	Flags uint16
	// SrcMAC is the source of the frame; without one, the destination of the query.
	SrcMAC net.HardwareAddr

	// Copy adds the OPT record that the server would send: DO of the query, the
	// client's cookie and the server's (RFC 7873), NSID if it was asked for (RFC
	// 5001). What is the server's is known only when a response of it was seen.
	Copy bool
	// Append makes the response of the query's bytes, QR set and ANCOUNT 1, with
	// the answer after them. An OPT record of the query stays before the answer:
	// the message is malformed, as that of an injector in Turkmenistan.
	Append bool
	// Copies is how often each forgery is sent; 0 is once.
	Copies int
	// ForgedBy are several injectors, and each sends its own forgery. Without any
	// there is one.
	ForgedBy []Variant
}

// A Variant is one of several injectors. What it leaves zero is as in RaceConfig.
type Variant struct {
	Flags   uint16
	IPTTL   uint8
	IPID    uint16
	Delay   time.Duration
	Answers []netip.Addr
}

// GreatFirewall are two injectors as were seen in China: flags 0x8400 and 0x8180,
// no OPT record, and an IP TTL that fits no resolver near by.
var GreatFirewall = []Variant{{Flags: 0x8400, IPTTL: 234}, {Flags: 0x8180, IPTTL: 234}}

// Race answers the queries that pass an interface in the name of their server,
// before the genuine answer comes. It drops nothing, so the client may see both
// answers; a query to an address where no server lives is answered too. It goes
// on until Stop.
func Race(within Within, iface string, c RaceConfig) (*Injector, error) {
	l, err := openLink(within, iface)
	if err != nil {
		return nil, err
	}
	if len(c.ForgedBy) == 0 {
		c.ForgedBy = []Variant{{}}
	}
	r := &racer{RaceConfig: c, link: l, servers: map[netip.Addr]*habits{}, turn: map[turn]int{}}
	return launch(0, r.run, func() { l.Close() }), nil
}

// A racer belongs to the goroutine of run, but for the link.
type racer struct {
	RaceConfig
	link    *link
	servers map[netip.Addr]*habits
	turn    map[turn]int
}

// A turn is which of the injectors is next with which type of address.
type turn struct {
	variant int
	qtype   uint16
}

// run reads frames until ctx ends: that closes the link, and ends the read.
func (r *racer) run(ctx context.Context, i *Injector) error {
	defer context.AfterFunc(ctx, func() { r.link.Close() })()
	d, buf := newDecoder(), make([]byte, 1<<16)
	for {
		n, err := r.link.Read(buf)
		if err != nil {
			return err
		}
		p, h, payload, ok := d.decode(buf[:n])
		if !ok {
			continue
		}
		switch {
		case p.Dst.Port() == 53:
			r.query(ctx, i, p, payload)
		case p.Src.Port() == 53:
			r.learn(p.Src.Addr(), h, payload)
		}
	}
}

// query forges the answers to a query, if it is one that is looked for.
func (r *racer) query(ctx context.Context, i *Injector, p Path, payload []byte) {
	m := new(dns.Msg)
	if m.Unpack(payload) != nil || m.Response || len(m.Question) != 1 || !r.wants(p.Src.Addr(), m.Question[0]) {
		return
	}
	for n, v := range r.ForgedBy {
		frame, err := r.forge(n, p, m, payload)
		if err != nil {
			i.fail(err)
			continue
		}
		send := func() {
			for range max(1, r.Copies) {
				i.note(r.link.send(frame))
			}
		}
		d := r.Delay + v.Delay
		if d == 0 {
			send()
			continue
		}
		i.running.Go(func() {
			if wait(ctx, d) {
				send()
			}
		})
	}
}

// wants reports whether a question of a client is to be answered.
func (r *racer) wants(client netip.Addr, q dns.Question) bool {
	if r.Client.IsValid() && r.Client != client {
		return false
	}
	types := r.Types
	if len(types) == 0 {
		for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
			if len(r.Answers) == 0 || slices.ContainsFunc(r.Answers, family(t)) {
				types = append(types, t)
			}
		}
	}
	name := dns.CanonicalName(q.Name)
	return slices.Contains(types, q.Qtype) &&
		(r.Contains != "" && strings.Contains(name, strings.ToLower(r.Contains)) ||
			slices.ContainsFunc(r.Names, func(n string) bool { return dns.CanonicalName(n) == name }))
}

// family reports which addresses a type of record holds.
func family(qtype uint16) func(netip.Addr) bool {
	return func(a netip.Addr) bool { return a.Is4() == (qtype == dns.TypeA) }
}

// next is the address of the next forgery of an injector, invalid if it has none.
func (r *racer) next(n int, qtype uint16) netip.Addr {
	all := r.ForgedBy[n].Answers
	if len(all) == 0 {
		all = r.Answers
	}
	var fit []netip.Addr
	for _, a := range all {
		if family(qtype)(a) {
			fit = append(fit, a)
		}
	}
	if len(fit) == 0 || qtype != dns.TypeA && qtype != dns.TypeAAAA {
		return netip.Addr{}
	}
	t := turn{n, qtype}
	a := fit[(n+r.turn[t]*len(r.ForgedBy))%len(fit)] // no two injectors say the same
	r.turn[t]++
	return a
}

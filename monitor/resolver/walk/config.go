package walk

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// What a Config leaves out.
const (
	defaultRepeat   = 5 // detection CE-5
	defaultTimeout  = 3 * time.Second
	defaultTotal    = time.Minute
	defaultQueries  = 400
	defaultParallel = 8
	defaultPort     = 53
)

// Bounds that no configuration moves, as what is counted is written by others.
const (
	maxServers   = 32   // addresses of one zone that are asked
	maxNS        = 20   // name servers of one zone
	maxGlue      = 8    // addresses of one name server in a referral
	maxNames     = 8    // that aliases lead to, the one asked for included
	maxCuts      = 32   // zones between the root and a name
	maxMinimised = 10   // labels that are asked for one by one, RFC 9156 §2.3
	maxDepth     = 6    // walks for addresses of name servers inside each other
	maxTries     = 8    // servers of a zone that are tried for one referral
	maxRecords   = 512  // kept of one response
	maxGathered  = 2048 // kept of all of them
)

// dead are addresses for documentation (RFC 5737, RFC 3849), at which nobody
// can have a server (detection E1).
var dead = []netip.AddrPort{
	netip.MustParseAddrPort("192.0.2.53:53"),
	netip.MustParseAddrPort("[2001:db8::53]:53"),
}

// outside are names that a server of a top-level zone is asked for: the first
// that is not in its zone. They exist and have addresses, so a resolver that
// answers in its place would have them too.
var outside = [...]string{"www.example.com.", "www.example.org."}

// Exchanger carries one message to one server and gives what came back. It
// chooses id and port, and gives only messages that answer the query. It may be
// called from several goroutines, and returns as soon as ctx ends.
type Exchanger interface {
	Exchange(ctx context.Context, r monitor.Resolver, query []byte) ([]byte, error)
}

// Validator validates what one server hands over (DNSSEC). It is asked for
// DNSKEY and DS of the root, whose name is ".", and of top-level zones, at their
// authoritative servers, and must fetch what it is asked for each time. Those of
// a top-level zone do not have its DS, so it needs another way to that: Roots, or
// any resolver, since what it gets is signed.
type Validator interface {
	Prove(ctx context.Context, p monitor.Proof) monitor.Evidence
}

// Config is how a Walker works. The zero value of each field stands for its
// default.
type Config struct {
	// Hints are the root servers: those of IANA by default. ReadHints reads a file.
	Hints []Server

	// Sweep are networks of clients that each server is asked for (RFC 7871)
	// besides our own, which it sees anyway. None by default; Default has some.
	Sweep []netip.Prefix

	// Repeat is how often each server is asked, as far as Queries goes: 5.
	Repeat int

	// Dead are addresses, of either family, at which there is no resolver: from
	// blocks for documentation by default.
	Dead []netip.AddrPort

	Timeout  time.Duration // of one exchange: 3 s
	Total    time.Duration // of a walk, the proof of the path included: a minute
	Queries  int           // of a walk, without those of the Validator: 400
	Parallel int           // exchanges at a time, of all walks: 8

	// Exempt are special-purpose blocks in which servers are asked all the same.
	Exempt []netip.Prefix

	// Port of every server: 53. Another one is for tests.
	Port uint16

	// Dial finds out whether there is a route, and whether something accepts
	// connections at a dead address. Another than that of package net is for tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Default sweeps: answers to no client in particular, and to one on each of four
// continents, where universities have held a network for decades.
func Default() Config {
	return Config{Sweep: []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/0"),
		netip.MustParsePrefix("128.31.0.0/24"),  // North America: MIT
		netip.MustParsePrefix("129.132.0.0/24"), // Europe: ETH Zürich
		netip.MustParsePrefix("133.11.0.0/24"),  // Asia: University of Tokyo
		netip.MustParsePrefix("143.107.0.0/24"), // South America: Universidade de São Paulo
	}}
}

func (c Config) withDefaults() Config {
	if len(c.Hints) == 0 {
		c.Hints = rootServers()
	}
	if len(c.Dead) == 0 {
		c.Dead = dead
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	c.Repeat = cmp.Or(c.Repeat, defaultRepeat)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.Total = cmp.Or(c.Total, defaultTotal)
	c.Queries = cmp.Or(c.Queries, defaultQueries)
	c.Parallel = max(1, cmp.Or(c.Parallel, defaultParallel))
	c.Port = cmp.Or(c.Port, defaultPort)
	return c
}

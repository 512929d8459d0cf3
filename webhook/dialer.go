package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxAddresses bounds how many addresses of one lookup are tried. Whoever forges
// an answer could otherwise fill the time with addresses that never answer.
const maxAddresses = 4

// Lookup gives the addresses of a host, within the time that ctx leaves. Its
// errors say who was asked.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// Dialer connects to a host whose name cannot be trusted to resolve rightly. It
// goes through its lookups in order, tries the addresses that each gives, and
// takes the first connection that holds: for https one that proves the name by
// its certificate, so that a false address costs a moment and not the webhook.
// When no lookup helps it takes the last address that held.
//
// The zero value asks the system only. A Dialer may serve several Senders and
// be used from several goroutines; its fields are set before the first use.
type Dialer struct {
	// Lookups are tried in order: the system's resolver first, then independent
	// witnesses. Empty means the system's resolver.
	Lookups []Lookup
	// Dial connects to an address and port; the end of ctx does not harm the
	// connection. Nil means net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	good map[string]netip.Addr // guarded by mu; the last address that held, by "host:port"
}

// prove turns a fresh connection into one that is known to lead to the host. It
// leaves closing conn to the caller if it fails.
type prove func(ctx context.Context, conn net.Conn) (net.Conn, error)

// connect gives a connection to address, "host:port", that proof accepts; nil
// accepts all. Every address that fails is reported to failed, also when a
// later one holds. Each step has a fair share of the time that ctx leaves, so
// that an address which never answers cannot keep the next from being tried.
func (d *Dialer) connect(ctx context.Context, address string, proof prove, failed func(netip.AddrPort, error)) (net.Conn, error) {
	host, portName, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", portName)
	if err != nil {
		return nil, err
	}
	lookups := d.lookups(host, address)
	var tried []netip.Addr
	var errs []error
	for i, lookup := range lookups {
		later := len(lookups) - i // lookups after this one, and the request itself
		addrs, err := ask(ctx, later+1, lookup, host)
		if err != nil {
			errs = append(errs, err)
		}
		addrs = candidates(addrs, tried)
		tried = append(tried, addrs...)
		for j, a := range addrs {
			target := netip.AddrPortFrom(a, uint16(port))
			conn, err := d.try(ctx, later+len(addrs)-j, target, proof)
			if err == nil {
				d.remember(address, a)
				return conn, nil
			}
			failed(target, err)
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if len(errs) == 0 {
		return nil, errors.New("no lookup gave an address")
	}
	return nil, errors.Join(errs...)
}

// lookups gives the ways to an address of host, the last good one at the end.
func (d *Dialer) lookups(host, address string) []Lookup {
	if a, err := netip.ParseAddr(host); err == nil {
		return []Lookup{known(a)}
	}
	lookups := slices.Clone(d.Lookups)
	if len(lookups) == 0 {
		lookups = append(lookups, systemLookup)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if a, ok := d.good[address]; ok {
		lookups = append(lookups, known(a))
	}
	return lookups
}

func (d *Dialer) remember(address string, a netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.good == nil {
		d.good = map[string]netip.Addr{}
	}
	d.good[address] = a
}

func (d *Dialer) try(ctx context.Context, steps int, target netip.AddrPort, proof prove) (net.Conn, error) {
	whole := ctx
	ctx, cancel := share(ctx, steps)
	defer cancel()
	dial := d.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", target.String())
	if err != nil {
		return nil, err
	}
	proven := conn
	if proof != nil {
		if proven, err = proof(ctx, conn); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s: %w", target, err)
		}
	}
	// Nothing outlives the try that it was opened for, whatever net/http still
	// does with it in the background.
	context.AfterFunc(whole, func() { _ = conn.Close() })
	return proven, nil
}

func ask(ctx context.Context, steps int, lookup Lookup, host string) ([]netip.Addr, error) {
	ctx, cancel := share(ctx, steps)
	defer cancel()
	return lookup(ctx, host)
}

func systemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func known(a netip.Addr) Lookup {
	return func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{a}, nil }
}

// candidates gives the addresses to try: those not tried yet, the families in
// turn, since a host may have a route for only one of them.
func candidates(addrs, tried []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, a := range addrs {
		a = a.Unmap()
		switch {
		case slices.Contains(tried, a) || slices.Contains(first, a) || slices.Contains(second, a):
		case len(first) == 0 || a.Is4() == first[0].Is4():
			first = append(first, a)
		default:
			second = append(second, a)
		}
	}
	var turns []netip.Addr
	for i := range max(len(first), len(second)) {
		turns = append(turns, first[min(i, len(first)):min(i+1, len(first))]...)
		turns = append(turns, second[min(i, len(second)):min(i+1, len(second))]...)
	}
	return turns[:min(len(turns), maxAddresses)]
}

// shareMost is the longest that one step may take: a connection that needs more
// than two tries of the kernel is better begun again, for an alert waits.
const shareMost = 3500 * time.Millisecond

// share gives one of steps equal shares of the time that ctx leaves.
func share(ctx context.Context, steps int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, min(shareMost, time.Until(deadline)/time.Duration(steps)))
}

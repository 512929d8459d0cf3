package evidence

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// defaultWindow is the time that dials are counted in.
const defaultWindow = time.Minute

// sweepInterval is how soon room is made again of targets gone idle.
const sweepInterval = time.Second

// maxWindows bounds what a budget remembers, and with it the different targets
// that are dialled in a minute at all: about half as many.
const maxWindows = 8192

// budget counts dials by where they go. An attacker who can make us believe in
// answers must not be able to point us at third parties.
type budget struct {
	perAddress int
	perPrefix  int
	every      time.Duration

	mu      sync.Mutex // guards what follows
	windows map[netip.Prefix]window
	swept   time.Time
}

// window is when the last dials to one target were, oldest first, as many as its
// limit. Unlike a token bucket it holds for every minute, not just on average.
type window []time.Time

func newBudget(perAddress, perPrefix int, every time.Duration) *budget {
	return &budget{perAddress: perAddress, perPrefix: perPrefix, every: every, windows: map[netip.Prefix]window{}}
}

// take counts a dial to a at now, or says why there must be none.
func (b *budget) take(a netip.Addr, now time.Time) (why string) {
	address, prefix := keys(a)
	b.mu.Lock()
	defer b.mu.Unlock()
	// Not for every dial: whoever fills the windows would make each refusal walk
	// through all of them.
	if now.Sub(b.swept) >= sweepInterval {
		b.sweep(now)
	}
	w := b.windows[address].after(now.Add(-b.every))
	net := b.windows[prefix].after(now.Add(-b.every))
	switch {
	case b.perAddress >= 0 && len(w) >= b.perAddress:
		return fmt.Sprintf("%d dials a minute to this address are spent", b.perAddress)
	case b.perPrefix >= 0 && len(net) >= b.perPrefix:
		return fmt.Sprintf("%d dials a minute to %v are spent", b.perPrefix, prefix)
	case len(b.windows)+2 > maxWindows:
		return "too many addresses in a minute"
	}
	if b.perAddress >= 0 {
		b.windows[address] = append(w, now)
	}
	if b.perPrefix >= 0 {
		b.windows[prefix] = append(net, now)
	}
	return ""
}

// sweep forgets targets that were not dialled for a minute: they have their
// whole budget again.
func (b *budget) sweep(now time.Time) {
	b.swept = now
	for k, w := range b.windows {
		if len(w.after(now.Add(-b.every))) == 0 {
			delete(b.windows, k)
		}
	}
}

// after gives the dials of w later than t.
func (w window) after(t time.Time) window {
	for len(w) > 0 && !w[0].After(t) {
		w = w[1:]
	}
	return w
}

// keys gives what dials to a count against: itself, and the network around it
// that one party usually holds. An address behind NAT64 counts as what it
// stands for, or a host without IPv4 would have one network for the whole world.
func keys(a netip.Addr) (address, prefix netip.Prefix) {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		a = carried(a)[0]
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	prefix, _ = a.Prefix(bits)
	return netip.PrefixFrom(a, a.BitLen()), prefix
}

package capture

import (
	"math/bits"
	"net/netip"
)

// maxServers bounds the servers of which something is known.
const maxServers = 1 << 10

// neighbour is a server that answered a query, with how it answers and what else comes
// in its name.
type neighbour struct {
	profile
	racket
	touched int64
}

// neighbours are the servers that answered lately, at most maxServers.
type neighbours map[netip.Addr]*neighbour

// meet gives a server that has just answered. Where there is no room, the one of a
// few that answered longest ago goes.
func (ns neighbours) meet(a netip.Addr, at int64) *neighbour {
	if n := ns[a]; n != nil {
		n.touched = at
		return n
	}
	if len(ns) >= maxServers {
		var oldest netip.Addr
		tries := 8
		for b, n := range ns {
			if !oldest.IsValid() || n.touched < ns[oldest].touched {
				oldest = b
			}
			if tries--; tries == 0 {
				break
			}
		}
		delete(ns, oldest)
	}
	n := &neighbour{touched: at}
	ns[a] = n
	return n
}

// ones counts distinct values by the bits that they set: a few fall together.
func ones(set []uint64) (n int) {
	for _, x := range set {
		n += bits.OnesCount64(x)
	}
	return n
}

// setBit sets the bit of a hash.
func setBit(set []uint64, hash uint64) {
	i := hash % uint64(64*len(set))
	set[i/64] |= 1 << (i % 64)
}

package walk

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dnstaster/dnstaster/monitor"
)

// journey is one walk under way. One goroutine leads it; others only ask.
type journey struct {
	*Walker
	sweep []netip.Prefix
	left  atomic.Int64 // queries

	mu       sync.Mutex          // guards the next two
	noTCP    map[netip.Addr]bool // servers that do not speak it
	families map[bool]bool       // by being IPv4: whether there is a route

	// Of the goroutine that leads.
	zones     map[string]*zone
	children  map[string][]string     // NS as the zone itself has them
	hosts     map[string][]netip.Addr // of name servers
	resolving map[string]bool         // name servers whose walk is under way
	down      map[netip.Addr]error    // servers that did not respond
	spoke     map[string]Server       // by zone, who made a statement last
	suspicion string                  // what was seen of somebody who answers in place of others
}

func (w *Walker) newJourney(p monitor.Proof) *journey {
	j := &journey{
		Walker: w, sweep: w.cfg.Sweep,
		noTCP: map[netip.Addr]bool{}, families: map[bool]bool{},
		zones: map[string]*zone{}, children: map[string][]string{}, hosts: map[string][]netip.Addr{},
		resolving: map[string]bool{}, down: map[netip.Addr]error{}, spoke: map[string]Server{},
	}
	j.left.Store(int64(w.cfg.Queries))
	if net, ok := network(p.Address); ok {
		j.sweep = append(slices.Clone(j.sweep), net)
	}
	return j
}

// network is what is told of a client (RFC 7871 §11.1).
func network(a netip.Addr) (netip.Prefix, bool) {
	a = a.Unmap().WithZone("")
	bits := 24
	if a.Is6() {
		bits = 56
	}
	p, err := a.Prefix(bits)
	return p, err == nil && a.IsValid()
}

// suspect notes that a server of the root or a top-level zone answered as no
// such server does.
func (j *journey) suspect(s Server, z *zone) {
	if j.suspicion == "" {
		j.suspicion = fmt.Sprintf("somebody answers as a resolver does at %s, a server of %s", s.Addr, z.zone)
	}
}

// step is what the servers of a zone said of one name.
type step struct {
	zone  *zone
	heard []*testimony
}

// follow walks to name and from alias to alias, and hands each step to take in
// the order in which they are found. Different servers may know different
// aliases; each leads on once. The error is of the first name that no zone was
// found for.
func (j *journey) follow(ctx context.Context, name string, kind monitor.Type, take func(step)) (names []string, err error) {
	names = []string{name}
	from := map[string]step{}
	for i := 0; i < len(names) && ctx.Err() == nil; i++ {
		z, trouble := j.find(ctx, names[i])
		if trouble != nil {
			if err == nil {
				err = trouble
			}
			continue
		}
		s := step{zone: z}
		if before, ok := from[names[i]]; ok && before.zone == z {
			s.heard, _ = along(before.heard, names[i], kind)
		}
		if s.heard == nil {
			s.heard = j.hear(ctx, z, names[i], kind)
		}
		take(s)
		for _, t := range s.heard {
			for _, said := range t.said {
				if said.content == alias && !slices.Contains(names, said.target) && len(names) < maxNames {
					names = append(names, said.target)
					from[said.target] = s
				}
			}
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return names, err
}

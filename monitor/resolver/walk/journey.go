package walk

import (
	"cmp"
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
	above []*testimony // of servers of zones above that answered themselves
	cuts  []delegation // that any of these servers points to
}

// stop is a name to ask for, and the zone where that is known.
type stop struct {
	name string
	zone *zone // nil is to be found
	from *step // that had an alias to it
}

// follow walks to name and from alias to alias, and hands each step to take in
// the order in which they are found. Different servers may know different
// aliases, or different zones below; each leads on once. The error is of the
// first name that no zone was found for.
func (j *journey) follow(ctx context.Context, name string, kind monitor.Type, take func(step)) (names []string, err error) {
	names = []string{name}
	stops, visited := []stop{{name: name}}, map[string]bool{}
	for i := 0; i < len(stops) && ctx.Err() == nil; i++ {
		at := stops[i]
		if at.zone == nil {
			z, trouble := j.find(ctx, at.name)
			if trouble != nil {
				err = cmp.Or(err, trouble)
				continue
			}
			at.zone = z
		}
		for z := at.zone; z != nil; z = z.parent {
			visited[z.key()] = true
		}
		s := j.hear(ctx, at, kind)
		take(s)
		for _, t := range s.heard {
			for _, said := range t.said {
				if said.content == alias && !slices.Contains(names, said.target) && len(stops) < maxNames {
					names = append(names, said.target)
					stops = append(stops, stop{name: said.target, from: &s})
				}
			}
		}
		for _, cut := range s.cuts {
			if len(stops) < maxNames && !visited[cut.key()] {
				visited[cut.key()] = true
				stops = append(stops, stop{name: at.name, zone: &zone{delegation: cut, parent: at.zone.above(cut.zone)}})
			}
		}
	}
	return names, cmp.Or(err, ctx.Err())
}

// hear asks every server of a zone for a name, unless what was said of an alias
// to it says that too. Servers of the zones above should all point to the next
// one; whoever answers instead, or points elsewhere, is heard as well, or one
// liar among them, asked by chance on the way down, would speak for all.
func (j *journey) hear(ctx context.Context, at stop, kind monitor.Type) step {
	s := step{zone: at.zone}
	if at.from != nil && at.from.zone == at.zone {
		if heard, ok := along(at.from.heard, at.name, kind); ok {
			s.heard = heard
			return s
		}
	}
	q := question{name: at.name, kind: uint16(kind)}
	s.heard = j.askAll(ctx, at.zone, q)
	j.askMore(ctx, at.zone, q, s.heard)
	s.point(s.heard)
	for z := at.zone.parent; z != nil && !z.top(); z = z.parent {
		all := j.askAll(ctx, z, q)
		s.point(all)
		for _, t := range all {
			known := slices.ContainsFunc(s.heard, func(u *testimony) bool { return u.server.Addr == t.server.Addr })
			if t.err == nil && !known {
				s.above = append(s.above, t)
			}
		}
	}
	return s
}

// point notes where servers point to.
func (s *step) point(all []*testimony) {
	for _, t := range all {
		if t.cut.zone != "" {
			s.cuts = append(s.cuts, t.cut)
		}
	}
}

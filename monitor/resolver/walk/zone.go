package walk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor/presentation"
)

var errNoServer = errors.New("no server with an address that can be asked")

// zone is a zone as its parent delegates it. It does not change once made, as
// several walks may have it.
type zone struct {
	delegation
	parent *zone // nil of the root
	until  time.Time
}

// newRoot makes the root zone of what is known of its servers.
func newRoot(servers []Server) *zone {
	z := &zone{delegation: delegation{zone: ".", glue: map[string][]netip.Addr{}}}
	for _, s := range servers {
		z.glue[s.Name] = append(z.glue[s.Name], s.Addr)
	}
	z.ns = slices.Sorted(maps.Keys(z.glue))
	return z
}

// top reports whether z is the root or right below it.
func (z *zone) top() bool { return z.parent == nil || z.parent.parent == nil }

// above gives the zone that delegates one called name, of z and those above it.
func (z *zone) above(name string) *zone {
	for z.parent != nil && !below(name, z.zone) {
		z = z.parent
	}
	return z
}

// key tells delegations apart by where they lead.
func (d delegation) key() string { return fmt.Sprint(d.zone, d.ns, d.glue) }

// glued gives the servers whose addresses came with the delegation, in order.
func (z *zone) glued() []Server {
	var all []Server
	for name, addrs := range z.glue {
		for _, a := range addrs {
			all = append(all, Server{name, a})
		}
	}
	slices.SortFunc(all, byAddress)
	return all
}

// find walks down to the zone that has name. The labels are asked for one by
// one, so that a zone learns no more of the name than it must (RFC 9156); where
// a server does not bear that, for the whole name.
func (j *journey) find(ctx context.Context, name string) (*zone, error) {
	z := j.nearest(name)
	labels := dns.SplitDomainName(name)
	from := dns.CountLabel(z.zone)
	for n, steps := from+1, 0; n <= len(labels) && steps < maxCuts; n, steps = n+1, steps+1 {
		if n-from > maxMinimised {
			n = len(labels)
		}
		next := strings.Join(labels[len(labels)-n:], ".") + "."
		s, err := j.askAny(ctx, z, question{name: next, kind: dns.TypeNS})
		// Some servers deny empty names although others are below them, and some do
		// not answer for NS.
		if n < len(labels) && (err != nil || s.nx) && ctx.Err() == nil {
			n = len(labels)
			s, err = j.askAny(ctx, z, question{name: name, kind: dns.TypeNS})
		}
		switch {
		case err != nil && (z.top() || ctx.Err() != nil || errors.Is(err, errBudget)):
			return nil, fmt.Errorf("%s: servers of %s", describe(err), z.zone)
		case err != nil:
			return z, nil // whoever asks each of them for the name itself will see
		case s.content == referral:
			z = j.enter(z, s.cut)
			n = dns.CountLabel(z.zone)
		case s.content == records: // of a zone that the same server has
			z = j.enter(z, ownDelegation(s, z.zone))
			n = dns.CountLabel(z.zone)
		}
	}
	return z, nil
}

// ownDelegation makes a delegation of NS records that a server of the zone above
// answered with itself, having both.
func ownDelegation(s saying, above string) delegation {
	d := delegation{zone: presentation.Name(s.rrs[0].Header().Name), ttl: s.rrs[0].Header().Ttl, glue: map[string][]netip.Addr{}}
	for _, rr := range s.rrs {
		d.ns = insert(d.ns, presentation.Name(rr.(*dns.NS).Ns), maxNS, strings.Compare)
	}
	d.take(s.extra, above)
	if len(d.glue) == 0 {
		d.glue[s.server.Name] = []netip.Addr{s.server.Addr} // it has the zone, whatever its name is
	}
	return d
}

// nearest gives the deepest zone above name, or of that name, that is known.
func (j *journey) nearest(name string) *zone {
	for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
		if z := j.zones[name[off:]]; z != nil {
			return z
		}
		if z := j.recall(name[off:]); z != nil {
			j.zones[z.zone] = z
			return z
		}
	}
	return j.root
}

// enter makes the zone of a delegation known to this walk.
func (j *journey) enter(parent *zone, d delegation) *zone {
	z := &zone{delegation: d, parent: parent}
	j.zones[d.zone] = z
	return z
}

// askAny asks servers of z, in random order, until one makes a statement.
func (j *journey) askAny(ctx context.Context, z *zone, q question) (saying, error) {
	last, tries := errNoServer, 0
	for s := range j.candidates(ctx, z) {
		if err := j.down[s.Addr]; err != nil {
			last = err
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		m, err := j.ask(ctx, s.Addr, q)
		if err != nil {
			last = err
			if ctx.Err() != nil || errors.Is(err, errBudget) {
				return saying{}, err
			}
			if !spoken(err) {
				j.down[s.Addr] = err
			}
			continue
		}
		said, err := interpret(m, z.zone, q)
		if err == nil && said.content == referral && q.kind == dns.TypeDS {
			err = lame // it is the zone above that has DS (RFC 4035 §3.1.4.1)
		}
		if err != nil {
			last = err
			if z.top() && errors.Is(err, errCache) {
				j.suspect(s, z)
			}
			continue
		}
		said.server = s
		j.spoke[z.zone] = s
		return said, nil
	}
	return saying{}, last
}

// candidates gives servers of z: those whose addresses came with the delegation
// first, then the others as walks of their own find them.
func (j *journey) candidates(ctx context.Context, z *zone) iter.Seq[Server] {
	return func(yield func(Server) bool) {
		glued := z.glued()
		rand.Shuffle(len(glued), func(i, k int) { glued[i], glued[k] = glued[k], glued[i] })
		for _, s := range glued {
			if j.routed(ctx, s.Addr) && !yield(s) {
				return
			}
		}
		for _, ns := range z.ns {
			if len(z.glue[ns]) > 0 {
				continue
			}
			for _, a := range j.host(ctx, ns) {
				if j.routed(ctx, a) && !yield(Server{ns, a}) {
					return
				}
			}
		}
	}
}

// host gives the addresses of a name server, by a walk of its own. It has none
// where that walk would need itself.
func (j *journey) host(ctx context.Context, name string) []netip.Addr {
	if addrs, known := j.hosts[name]; known {
		return addrs
	}
	if j.resolving[name] || len(j.resolving) >= maxDepth || ctx.Err() != nil {
		return nil
	}
	j.resolving[name] = true
	defer delete(j.resolving, name)

	var addrs []netip.Addr
	z, err := j.find(ctx, name)
	if err != nil {
		return nil
	}
	for _, kind := range [...]uint16{dns.TypeA, dns.TypeAAAA} {
		// An alias is not followed: the name of a server must not be one (RFC 2181 §10.3).
		s, err := j.askAny(ctx, z, question{name: name, kind: kind})
		if err != nil {
			continue
		}
		for _, rr := range s.rrs {
			if a, ok := presentation.Address(rr); ok {
				addrs = insert(addrs, a, maxGlue, netip.Addr.Compare)
			}
		}
	}
	// Nothing is remembered that a loop further up may have kept from being found.
	if len(addrs) > 0 || len(j.resolving) == 1 {
		j.hosts[name] = addrs
	}
	return addrs
}

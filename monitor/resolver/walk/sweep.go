package walk

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// testimony is what one server said of one name, over all the times that it
// was asked.
type testimony struct {
	server Server
	said   []saying
	serial uint32
	cut    delegation // that it pointed to instead
	err    error      // why it made no statement; nil where it made one
}

// lame is of a server that points elsewhere for a name of its own zone.
const lame = badResponse("a referral where it should have the zone")

// servers gives every address of every name server of z: of those that the zone
// above names, and of those that the zone itself does, as resolvers use either
// (RFC 2181 §5.4.1). They are in order of address, each once.
func (j *journey) servers(ctx context.Context, z *zone) []Server {
	names := slices.Clone(z.ns)
	for _, ns := range j.apex(ctx, z) {
		names = insert(names, ns, maxNS, strings.Compare)
	}
	var all []Server
	for _, ns := range names {
		addrs := slices.Clone(z.glue[ns])
		if z.parent != nil { // of the root the hints are enough
			for _, a := range j.host(ctx, ns) {
				addrs = insert(addrs, a, 2*maxGlue, netip.Addr.Compare)
			}
		}
		for _, a := range addrs {
			if j.routed(ctx, a) {
				all = append(all, Server{ns, a})
			}
		}
	}
	slices.SortFunc(all, byAddress)
	all = slices.CompactFunc(all, func(a, b Server) bool { return a.Addr == b.Addr })
	return all[:min(len(all), maxServers)]
}

// apex gives the NS records that the zone has itself, sorted; none where no
// server tells.
func (j *journey) apex(ctx context.Context, z *zone) []string {
	if names, known := j.children[z.zone]; known {
		return names
	}
	var names []string
	if s, err := j.askAny(ctx, z, question{name: z.zone, kind: dns.TypeNS}); err == nil && s.content == records {
		for _, rr := range s.rrs {
			names = insert(names, presentation.Name(rr.(*dns.NS).Ns), maxNS, strings.Compare)
		}
	}
	j.children[z.zone] = names
	return names
}

// askAll asks every server of z once for name, with its serial. They are asked side
// by side.
func (j *journey) askAll(ctx context.Context, z *zone, q question) []*testimony {
	var all []*testimony
	for _, s := range j.servers(ctx, z) {
		all = append(all, &testimony{server: s})
	}
	each(all, func(t *testimony) {
		s, err := j.askOne(ctx, z, t.server, q)
		if err != nil {
			t.err, t.cut = err, s.cut
			return
		}
		t.said, t.serial = append(t.said, s), s.serial
		if s, err := j.askOne(ctx, z, t.server, question{name: z.zone, kind: dns.TypeSOA}); err == nil {
			t.serial = s.serial
		}
	})
	return all
}

// askMore asks those who made a statement again: for clients elsewhere, then for
// ours, as far as the budget goes.
func (j *journey) askMore(ctx context.Context, z *zone, q question, all []*testimony) {
	all = slices.DeleteFunc(slices.Clone(all), func(t *testimony) bool { return t.err != nil })
	each(all, func(t *testimony) {
		for _, p := range j.sweep {
			elsewhere := q
			elsewhere.subnet = p
			s, err := j.askOne(ctx, z, t.server, elsewhere)
			if err != nil || !s.tailored {
				return // it tells everybody the same
			}
			t.said = append(t.said, s)
		}
	})
	for range j.cfg.Repeat - 1 {
		each(all, func(t *testimony) {
			if s, err := j.askOne(ctx, z, t.server, q); err == nil {
				t.said = append(t.said, s)
			}
		})
	}
}

// askOne asks one server of z.
func (j *journey) askOne(ctx context.Context, z *zone, server Server, q question) (saying, error) {
	m, err := j.ask(ctx, server.Addr, q)
	if err != nil {
		return saying{}, err
	}
	s, err := interpret(m, z.zone, q)
	if err == nil && s.content == referral {
		err = lame
	}
	return s, err
}

// each calls f for all at the same time and waits for the end.
func each(all []*testimony, f func(*testimony)) {
	var wg sync.WaitGroup
	for _, t := range all {
		wg.Go(func() { f(t) })
	}
	wg.Wait()
}

// along gives what the same responses say of the name that an alias in them
// leads to. ok is false where one of them does not tell: then its servers are to
// be asked for it.
func along(all []*testimony, name string, kind monitor.Type) (next []*testimony, ok bool) {
	for _, t := range all {
		n := &testimony{server: t.server, serial: t.serial}
		for _, s := range t.said {
			if s.content != alias || s.target != name {
				continue
			}
			s.at(name, uint16(kind))
			if s.content == absent {
				return nil, false
			}
			n.said = append(n.said, s)
		}
		if len(n.said) > 0 {
			next = append(next, n)
		}
	}
	return next, len(next) > 0
}

package walk

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// account gathers what the steps of a walk brought.
type account struct {
	monitor.Evidence
	servers  map[netip.Addr]*monitor.AuthoritativeServer
	spoke    int   // servers of the last step that made a statement
	asked    int   // servers of the last step
	end      *zone // of the last step
	absences int
}

func newAccount() *account {
	return &account{servers: map[netip.Addr]*monitor.AuthoritativeServer{}}
}

// take adds one step.
func (a *account) take(s step) {
	a.end, a.asked, a.spoke = s.zone, len(s.heard), 0
	for _, t := range s.heard {
		server := a.server(t.server)
		if t.err != nil {
			if len(server.Addresses)+len(server.Records) == 0 && !server.Absent {
				server.Error = describe(t.err)
			}
			continue
		}
		a.spoke++
		a.believe(server, t)
	}
	for _, t := range s.above {
		a.believe(a.server(t.server), t)
	}
}

// believe adds what a server said of one name.
func (a *account) believe(server *monitor.AuthoritativeServer, t *testimony) {
	server.Error = ""
	server.Serial = cmp.Or(t.serial, server.Serial)
	for _, said := range t.said {
		a.hear(server, said)
	}
}

func (a *account) server(s Server) *monitor.AuthoritativeServer {
	known := a.servers[s.Addr]
	if known == nil {
		known = &monitor.AuthoritativeServer{Name: s.Name, Address: s.Addr}
		a.servers[s.Addr] = known
	}
	return known
}

// hear adds one response of one server.
func (a *account) hear(server *monitor.AuthoritativeServer, s saying) {
	switch s.content {
	case absent:
		server.Absent = true
		a.absences++
	case alias:
		for _, rr := range s.rrs {
			server.Records = insertRecord(server.Records, presentation.Record(rr))
		}
	case records:
		for _, rr := range s.rrs {
			a.TTL = max(a.TTL, rr.Header().Ttl)
			if addr, ok := presentation.Address(rr); ok {
				server.Addresses = insert(server.Addresses, addr, maxRecords, netip.Addr.Compare)
				a.Addresses = insert(a.Addresses, addr, maxGathered, netip.Addr.Compare)
				continue
			}
			server.Records = insertRecord(server.Records, presentation.Record(rr))
			a.Records = insertRecord(a.Records, presentation.Record(rr))
		}
	}
}

// insertRecord adds r to records in order of name, type and data. Of two that
// differ in their TTL the longer one stays.
func insertRecord(list []monitor.Record, r monitor.Record) []monitor.Record {
	order := func(a, b monitor.Record) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), strings.Compare(a.Data, b.Data))
	}
	if i, found := slices.BinarySearchFunc(list, r, order); found {
		list[i].TTL = max(list[i].TTL, r.TTL)
		return list
	}
	return insert(list, r, maxRecords, order)
}

// close fills in what is known of the zone in the end, and says it all in a sentence.
func (a *account) close(ctx context.Context, j *journey, trouble error) {
	a.Partial = trouble != nil || j.left.Load() < 0
	a.Absent = a.absences > 0 && len(a.Addresses)+len(a.Records) == 0
	for _, s := range a.servers {
		a.Servers = append(a.Servers, *s)
	}
	slices.SortFunc(a.Servers, func(x, y monitor.AuthoritativeServer) int { return x.Address.Compare(y.Address) })
	if a.end == nil {
		a.Detail = "no authoritative server was reached"
		if trouble != nil {
			a.Detail += ": " + describe(trouble)
		}
		return
	}
	a.Detail = fmt.Sprintf("%d of %d servers of %s made a statement", a.spoke, a.asked, a.end.zone)
	if trouble != nil {
		a.Detail += ", and the walk did not come to its end: " + describe(trouble)
	} else if j.left.Load() < 0 {
		a.Detail += ", asked less often than wanted because the queries of this walk are spent"
	}
	a.delegation(ctx, j)
}

// delegation fills in the zone with what its parent and itself say of it, all
// of it or nothing: a DS record that could not be had must not look like one that
// was taken away.
func (a *account) delegation(ctx context.Context, j *journey) {
	z := a.end
	ns := j.apex(ctx, z)
	if len(ns) == 0 {
		return
	}
	if z.parent == nil {
		a.Zone, a.Nameservers = z.zone, ns
		return
	}
	s, err := j.askAny(ctx, z.parent, question{name: z.zone, kind: dns.TypeDS})
	if err != nil || s.content != records && s.content != absent {
		return
	}
	a.Zone, a.Nameservers, a.Delegation = z.zone, ns, z.ns
	for _, rr := range s.rrs {
		a.DS = insert(a.DS, presentation.Data(rr), maxNS, strings.Compare)
	}
}

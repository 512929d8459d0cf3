package dnssec

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxAliases bounds the aliases that are followed.
const maxAliases = 16

// link is what one part of an answer came to: the records of a name, the alias
// in their place, or their denial.
type link struct {
	status monitor.DNSSECStatus
	zone   string
	ds     []string
	detail string
	late   bool // for want of a signature that is for now
}

// stripped begins the detail of what has no signatures though it must.
const stripped = "signatures are stripped"

// gravity orders statuses: an answer is what the worst of its links is.
var gravity = []monitor.DNSSECStatus{"", monitor.Secure, monitor.Insecure, monitor.Indeterminate, monitor.Bogus}

// add takes a link into the evidence. What is proven of the last one, or else
// the first fault, is what Detail tells of.
func (l link) add(e *monitor.Evidence) {
	was, is := slices.Index(gravity, e.Status), slices.Index(gravity, l.status)
	if is > was || is == was && l.status == monitor.Secure {
		e.Status, e.Detail, e.Zone, e.DS = l.status, l.detail, l.zone, l.ds
		e.Late = l.late
		e.Stripped = l.status == monitor.Bogus && strings.HasPrefix(l.detail, stripped)
	}
}

// answer asks the question and follows what comes back to its end.
func (s *session) answer(ctx context.Context, e *monitor.Evidence, name string, kind uint16) {
	m, err := s.ask(ctx, s.via, name, kind)
	if err != nil {
		link{status: monitor.Indeterminate, detail: reason(err), late: isLate(err)}.add(e)
		return
	}
	seen := []string{name}
	for {
		if r := set(m.answer, name, kind); len(r.rrs) > 0 {
			put(e, r)
			s.positive(ctx, m, r, name, kind).add(e)
			return
		}
		r, target, ok := m.alias(name)
		if !ok || kind == dns.TypeCNAME && r.kind == dns.TypeCNAME {
			e.Absent = true
			s.negative(ctx, m, name, kind).add(e)
			return
		}
		s.positive(ctx, m, r, name, kind).add(e)
		if slices.Contains(seen, target) || len(seen) > maxAliases {
			link{status: monitor.Indeterminate, detail: "the aliases of " + seen[0] + " have no end"}.add(e)
			return
		}
		name = target
		seen = append(seen, name)
		if s.ends(m, name, kind) {
			// The resolver did not follow: it may have meant us to.
			if m, err = s.ask(ctx, s.via, name, kind); err != nil {
				link{status: monitor.Indeterminate, detail: reason(err), late: isLate(err)}.add(e)
				return
			}
		}
	}
}

// nameservers gives the names of a zone's servers, sorted; none where they
// cannot be had.
func (s *session) nameservers(ctx context.Context, zone string) []string {
	m, err := s.ask(ctx, s.via, zone, dns.TypeNS)
	if err != nil {
		return nil
	}
	var names []string
	for _, rr := range set(m.answer, zone, dns.TypeNS).rrs {
		names = append(names, lower(rr.(*dns.NS).Ns))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// maxServers is how many servers of a zone are asked for by address: so many fit into
// what a proof may ask, and a thief moves them all.
const maxServers = 4

// servers gives the IPv4 addresses of the first few servers of a zone.
func (s *session) servers(ctx context.Context, names []string) []monitor.AuthoritativeServer {
	var all []monitor.AuthoritativeServer
	for _, name := range names[:min(len(names), maxServers)] {
		m, err := s.ask(ctx, s.via, name, dns.TypeA)
		if err != nil {
			continue
		}
		for _, rr := range set(m.answer, name, dns.TypeA).rrs {
			if a, ok := netip.AddrFromSlice(rr.(*dns.A).A.To4()); ok {
				all = append(all, monitor.AuthoritativeServer{Name: name, Address: a})
			}
		}
	}
	return all
}

// ends reports whether a reply says nothing of a name that an alias in it leads to.
func (s *session) ends(m *reply, name string, kind uint16) bool {
	_, _, alias := m.alias(name)
	return !alias && len(set(m.answer, name, kind).rrs) == 0 && !m.denies()
}

// reason is what Detail says of an error.
func reason(err error) string {
	if final(err) && faultOf(err) != spent {
		return "given up: " + err.Error()
	}
	return err.Error()
}

// home is the name whose zone has records of a kind at name: a DS is its
// parent's (RFC 4035 §2.4).
func home(name string, kind uint16) string {
	if kind == dns.TypeDS {
		return parent(name)
	}
	return name
}

// positive validates a set of records; name and kind are what was looked up, the
// name below the set's own where that is a DNAME. An alias in the place of a DS
// is its parent's, too: what the child says there answers another question.
func (s *session) positive(ctx context.Context, m *reply, r rrset, name string, kind uint16) link {
	at := r.name
	if at == name {
		at = home(name, kind)
	}
	return s.locate(ctx, at, r.signer(), func(z *zone) link {
		sealed, err := s.verify(ctx, z, r)
		if err != nil {
			return faulty(z, err)
		}
		if sealed.encloser != "" {
			d, err := s.denial(ctx, z, m)
			var v verdict
			if err == nil {
				v, err = d.nothingCloser(r.name, sealed.encloser)
			}
			if err != nil {
				return faulty(z, err)
			}
			if v.unprotected {
				return link{monitor.Insecure, z.name, dsData(z.ds), v.why, false}
			}
		}
		if r.kind == dns.TypeDNAME {
			if err := synthesized(m, r, name); err != nil {
				return faulty(z, err)
			}
		}
		return link{monitor.Secure, z.name, dsData(z.ds),
			r.String() + " is signed by key " + itoa(sealed.tag) + " of " + z.name + " until " + stamp(sealed.until), false}
	})
}

// synthesized holds the CNAME that was made from a DNAME against it (RFC 6672
// §3.1): it has no signature of its own.
func synthesized(m *reply, dname rrset, name string) error {
	cname := set(m.answer, name, dns.TypeCNAME)
	_, target, _ := m.alias(name)
	for _, rr := range cname.rrs {
		if to := lower(rr.(*dns.CNAME).Target); to != target {
			return flawed(wrong, "the CNAME of %s leads to %s, and the DNAME of %s to %s", name, to, dname.name, target)
		}
	}
	return nil
}

// negative validates the denial of records.
func (s *session) negative(ctx context.Context, m *reply, name string, kind uint16) link {
	return s.locate(ctx, home(name, kind), m.signers(name), func(z *zone) link {
		d, err := s.denial(ctx, z, m)
		var v verdict
		if err == nil {
			v, err = d.absent(name, kind)
		}
		switch {
		case err != nil:
			return faulty(z, err)
		case v.unprotected:
			return link{monitor.Insecure, z.name, dsData(z.ds), v.why, false}
		}
		return link{monitor.Secure, z.name, dsData(z.ds), "that there is no " + name + " " + dns.Type(kind).String() +
			" is signed by key " + itoa(d.tag) + " of " + z.name + " until " + stamp(d.ends), false}
	})
}

// locate finds the zone of a name and has it judge. signer is the zone that
// claims to be it, which may be true; where it has nothing to show for it, the
// whole way is gone, as an unsigned zone may begin further down.
func (s *session) locate(ctx context.Context, name, signer string, judge func(*zone) link) link {
	var hasty link
	for _, stop := range []string{signer, ""} {
		p, err := s.descend(ctx, name, stop)
		switch {
		case err != nil && hasty.status == "":
			return link{status: monitor.Indeterminate, detail: reason(err), late: isLate(err)}
		case err != nil:
			// Nothing shows that another zone begins below the one that failed;
			// nothing shows that none does.
			return link{monitor.Indeterminate, hasty.zone, hasty.ds, hasty.detail + "; " + reason(err), hasty.late || isLate(err)}
		case p.open != nil:
			return link{monitor.Insecure, p.open.name, dsData(p.open.ds), p.open.name + " is unsigned: " + p.open.why, false}
		case p.zone.name == hasty.zone && hasty.status != "":
			return hasty
		}
		hasty = judge(p.zone)
		if hasty.status != monitor.Bogus || stop != p.zone.name || p.zone.name == name {
			return hasty
		}
	}
	return hasty
}

func faulty(z *zone, err error) link {
	return link{status(err), z.name, dsData(z.ds), strings.TrimSpace(reason(err)), isLate(err)}
}

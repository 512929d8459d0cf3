package walk

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// content is what a response of an authoritative server is, in the coarse.
type content uint8

const (
	absent   content = iota // AA: no such name, or no such type (RFC 2308 §2)
	records                 // AA: of the type
	alias                   // AA: another name stands for it
	referral                // a zone below has the name
)

// saying is one response, reduced to what the server may speak about.
type saying struct {
	content  content
	nx       bool     // the name does not exist
	rrs      []dns.RR // of the name and type, or what makes it an alias
	target   string   // of an alias
	answers  []dns.RR // all of the zone in the answer section
	extra    []dns.RR // the additional section, where the answer is NS
	server   Server   // who said so
	cut      delegation
	serial   uint32
	tailored bool // it minds the subnet of the client
}

// delegation is what a referral says of the zone below.
type delegation struct {
	zone string
	ns   []string                // sorted
	glue map[string][]netip.Addr // by server, as far as it may be believed
	ds   []string                // sorted
	ttl  uint32
}

// errCache is of a response that has answers without being authoritative: that
// is how resolvers answer.
const errCache = badResponse("an answer without authority")

// interpret says what m, the response of a server of zone to q, comes to. Its
// error is of a server that makes no statement.
func interpret(m *dns.Msg, zone string, q question) (saying, error) {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return saying{}, badResponse(rcode(m.Rcode))
	}
	s := saying{answers: belonging(m.Answer, zone, q.kind), tailored: tailored(m)}
	if s.cut = referred(m, zone, q); s.cut.zone != "" && len(m.Answer) == 0 && m.Rcode == dns.RcodeSuccess {
		if m.RecursionAvailable && !m.Authoritative {
			return saying{}, errCache // a resolver tells what it has at hand
		}
		s.content = referral
		return s, nil
	}
	if !m.Authoritative {
		if len(m.Answer) > 0 || m.Rcode == dns.RcodeNameError || m.RecursionAvailable {
			return saying{}, errCache
		}
		return saying{}, badResponse("not authoritative")
	}
	s.at(q.name, q.kind)
	if q.kind == dns.TypeNS {
		s.extra = m.Extra
	}
	s.nx = s.content == absent && m.Rcode == dns.RcodeNameError
	for _, rr := range slices.Concat(m.Answer, m.Ns) {
		if soa, ok := rr.(*dns.SOA); ok && strings.EqualFold(soa.Hdr.Name, zone) {
			s.serial = soa.Serial
		}
	}
	return s, nil
}

// at says what the answers of s hold about a name.
func (s *saying) at(name string, kind uint16) {
	s.content, s.rrs, s.target = absent, nil, ""
	for _, rr := range s.answers {
		h := rr.Header()
		same := strings.EqualFold(h.Name, name)
		switch {
		case same && h.Rrtype == kind:
			if s.content != records {
				s.content, s.target, s.rrs = records, "", nil
			}
			s.rrs = append(s.rrs, rr)
		case s.content == records:
		case same && h.Rrtype == dns.TypeCNAME:
			s.content, s.target, s.rrs = alias, presentation.Name(rr.(*dns.CNAME).Target), []dns.RR{rr}
		case h.Rrtype == dns.TypeDNAME && s.target == "" && below(name, h.Name):
			if t := substitute(name, rr.(*dns.DNAME)); t != "" {
				s.content, s.target, s.rrs = alias, t, []dns.RR{rr}
			}
		}
	}
}

// substitute replaces the end of name as d has it, RFC 6672 §2.2; empty where
// the result is too long.
func substitute(name string, d *dns.DNAME) string {
	labels := dns.SplitDomainName(name)
	front := labels[:len(labels)-dns.CountLabel(d.Hdr.Name)]
	t := strings.Join(front, ".") + "." + strings.TrimPrefix(d.Target, ".")
	if _, ok := dns.IsDomainName(t); !ok {
		return ""
	}
	return presentation.Name(t)
}

// belonging gives the records of an answer section that a server of zone can
// speak about and that the question is about.
func belonging(section []dns.RR, zone string, kind uint16) []dns.RR {
	var rrs []dns.RR
	for _, rr := range section {
		h := rr.Header()
		if len(rrs) == maxRecords {
			break
		}
		if h.Class == dns.ClassINET && h.Rdlength > 0 && under(h.Name, zone) &&
			(h.Rrtype == kind || h.Rrtype == dns.TypeCNAME || h.Rrtype == dns.TypeDNAME) {
			rrs = append(rrs, rr)
		}
	}
	return rrs
}

// referred reads a referral: it must lead below zone, towards the name asked for.
// A referral upwards or sideways is none, and says that the server is lame.
func referred(m *dns.Msg, zone string, q question) delegation {
	d := delegation{glue: map[string][]netip.Addr{}}
	for _, rr := range m.Ns {
		ns, ok := rr.(*dns.NS)
		if !ok || ns.Hdr.Class != dns.ClassINET || !below(ns.Hdr.Name, zone) || !under(q.name, ns.Hdr.Name) {
			continue
		}
		owner := presentation.Name(ns.Hdr.Name)
		if d.zone == "" {
			d.zone, d.ttl = owner, ns.Hdr.Ttl
		}
		if owner == d.zone && ns.Hdr.Rdlength > 0 {
			d.ttl = min(d.ttl, ns.Hdr.Ttl)
			d.ns = insert(d.ns, presentation.Name(ns.Ns), maxNS, strings.Compare)
		}
	}
	if d.zone == "" {
		return delegation{}
	}
	for _, rr := range m.Ns {
		if ds, ok := rr.(*dns.DS); ok && strings.EqualFold(ds.Hdr.Name, d.zone) {
			d.ds = insert(d.ds, presentation.Data(ds), maxNS, strings.Compare)
		}
	}
	d.take(m.Extra, zone)
	return d
}

// take takes the addresses of servers from records beside a delegation by zone:
// those below the new zone, which cannot be had otherwise, and what the root has
// (see the package comment).
func (d *delegation) take(extra []dns.RR, zone string) {
	for _, rr := range extra {
		a, ok := presentation.Address(rr)
		name := presentation.Name(rr.Header().Name)
		if !ok || !slices.Contains(d.ns, name) || !under(name, d.zone) && zone != "." {
			continue
		}
		d.glue[name] = insert(d.glue[name], a, maxGlue, netip.Addr.Compare)
	}
}

// rcode names a response code.
func rcode(code int) string {
	if s, ok := dns.RcodeToString[code]; ok {
		return s
	}
	return "an unknown response code"
}

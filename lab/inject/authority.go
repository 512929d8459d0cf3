//go:build lab

package inject

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Apex is the authoritative server, at addr, of a zone that holds little beside
// its own server: NS and SOA, and no data for all else (RFC 2308 §2.2). What the
// zone is for is put before it: Draw, Rotate or BySubnet.
func Apex(zone string, addr netip.Addr) Handler {
	zone = dns.CanonicalName(zone)
	server := "ns." + zone
	head := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 300}
	}
	soa := &dns.SOA{Hdr: head(zone, dns.TypeSOA), Ns: server, Mbox: "hostmaster." + zone, Serial: 1, Refresh: 1800, Retry: 900, Expire: 604800, Minttl: 5}
	return Authoritative(func(q *Query) *dns.Msg {
		name := dns.CanonicalName(q.Name())
		switch {
		case name == zone && q.Type() == dns.TypeNS:
			return q.Answer(&dns.NS{Hdr: head(zone, dns.TypeNS), Ns: server})
		case name == zone && q.Type() == dns.TypeSOA:
			return q.Answer(soa)
		case name == server && q.Type() == dns.TypeA:
			return q.Answer(addresses(q.Name(), dns.TypeA, []netip.Addr{addr}, 300)...)
		}
		m := q.Answer()
		if !dns.IsSubDomain(zone, name) {
			m.Rcode = dns.RcodeRefused
			return m
		}
		m.Ns = []dns.RR{soa}
		return m
	})
}

// Draw gives n of the addresses in an order of chance, others for each query for
// a name that matches; all else is h's. The same seed makes the same draws.
func Draw(pattern string, addrs []netip.Addr, n int, ttl uint32, seed uint64, h Handler) Handler {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, seed))
	return func(q *Query) *dns.Msg {
		rrs := addresses(q.Name(), q.Type(), addrs, ttl)
		if !matches(pattern, q.Name()) || len(rrs) == 0 {
			return h(q)
		}
		mu.Lock()
		random.Shuffle(len(rrs), func(i, j int) { rrs[i], rrs[j] = rrs[j], rrs[i] })
		mu.Unlock()
		return q.Answer(rrs[:min(n, len(rrs))]...)
	}
}

// BySubnet gives near to a query that says in which network its client is, and
// far to all others, for a name that matches (RFC 7871); all else is h's. The
// answer holds for the whole network that was told.
func BySubnet(pattern string, near, far []netip.Addr, ttl uint32, h Handler) Handler {
	return func(q *Query) *dns.Msg {
		if !matches(pattern, q.Name()) {
			return h(q)
		}
		subnet := clientSubnet(q.Msg)
		addrs := far
		if subnet != nil && subnet.SourceNetmask > 0 {
			addrs = near
		}
		rrs := addresses(q.Name(), q.Type(), addrs, ttl)
		if len(rrs) == 0 {
			return h(q)
		}
		m := q.Answer(rrs...)
		if opt := m.IsEdns0(); opt != nil && subnet != nil {
			echo := *subnet
			echo.SourceScope = subnet.SourceNetmask
			opt.Option = append(opt.Option, &echo)
		}
		return m
	}
}

// Whoami gives whoever asks its own address, as text, for a name that matches; all
// else is h's. Nobody may keep it.
func Whoami(pattern string, h Handler) Handler {
	return func(q *Query) *dns.Msg {
		if !matches(pattern, q.Name()) || q.Type() != dns.TypeTXT {
			return h(q)
		}
		return q.Answer(&dns.TXT{Hdr: dns.RR_Header{Name: q.Name(), Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{q.Client.Addr().Unmap().String()}})
	}
}

func clientSubnet(m *dns.Msg) *dns.EDNS0_SUBNET {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if s, ok := o.(*dns.EDNS0_SUBNET); ok {
				return s
			}
		}
	}
	return nil
}

// PacketMin is a cache as that of systemd-resolved 252: what comes from h is
// passed on as it is; later answers show, at every record, the time that is left
// of the least TTL in the packet.
func PacketMin(h Handler) Handler {
	type entry struct {
		m     *dns.Msg
		until time.Time
	}
	var mu sync.Mutex
	kept := map[string]entry{}
	return func(q *Query) *dns.Msg {
		opt := q.IsEdns0()
		key := fmt.Sprint(strings.ToLower(q.Name()), q.Type(), opt != nil, opt != nil && opt.Do(), q.CheckingDisabled)
		mu.Lock()
		e, ok := kept[key]
		mu.Unlock()
		if left := time.Until(e.until); ok && left > 0 {
			m := e.m.Copy()
			m.Id = q.Id
			m.Question = q.Question
			for rr := range records(m) {
				rr.Header().Ttl = uint32(left / time.Second)
			}
			return m
		}
		m := h(q)
		if m == nil || m.Rcode != dns.RcodeSuccess || len(m.Answer) == 0 {
			return m
		}
		least := uint32(7200) // CACHE_TTL_MAX of systemd-resolved
		for rr := range records(m) {
			least = min(least, rr.Header().Ttl)
		}
		mu.Lock()
		kept[key] = entry{m.Copy(), time.Now().Add(time.Duration(least) * time.Second)}
		mu.Unlock()
		return m
	}
}

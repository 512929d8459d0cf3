//go:build lab

package inject

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

// Lie answers with addrs, those of the query's family, for names that match; all
// else is h's. The TTL is in seconds. Lie("*", …) leads every name to a portal.
func Lie(pattern string, addrs []netip.Addr, ttl uint32, h Handler) Handler {
	return func(q *Query) *dns.Msg {
		rrs := addresses(q.Name(), q.Type(), addrs, ttl)
		if !matches(pattern, q.Name()) || len(rrs) == 0 {
			return h(q)
		}
		q.Lying()
		return q.Answer(rrs...)
	}
}

// addresses are the A or AAAA records of a name. An IPv4-mapped address counts
// as IPv6: some filters answer AAAA with ::ffff:0.0.0.0.
func addresses(name string, qtype uint16, addrs []netip.Addr, ttl uint32) (rrs []dns.RR) {
	head := dns.RR_Header{Name: name, Rrtype: qtype, Class: dns.ClassINET, Ttl: ttl}
	for _, a := range addrs {
		switch {
		case qtype == dns.TypeA && a.Is4():
			rrs = append(rrs, &dns.A{Hdr: head, A: a.AsSlice()})
		case qtype == dns.TypeAAAA && a.Is6():
			rrs = append(rrs, &dns.AAAA{Hdr: head, AAAA: a.AsSlice()})
		}
	}
	return rrs
}

// RewriteNX answers addr where h says NXDOMAIN. With keepSigned, an NXDOMAIN that
// carries signatures stays: the query is asked again with DO to see them.
func RewriteNX(addr netip.Addr, ttl uint32, keepSigned bool, h Handler) Handler {
	return func(q *Query) *dns.Msg {
		m := h(q)
		rrs := addresses(q.Name(), q.Type(), []netip.Addr{addr}, ttl)
		if m == nil || m.Rcode != dns.RcodeNameError || len(rrs) == 0 || keepSigned && signed(q, h) {
			return m
		}
		q.Lying()
		return q.Answer(rrs...)
	}
}

// signed reports whether h's answer has a signature when asked for one.
func signed(q *Query, h Handler) bool {
	again := *q
	again.Msg = q.Copy()
	if opt := again.IsEdns0(); opt != nil {
		opt.SetDo()
	} else {
		again.SetEdns0(1232, true)
	}
	m := h(&again)
	if m == nil {
		return false
	}
	for rr := range records(m) {
		if rr.Header().Rrtype == dns.TypeRRSIG {
			return true
		}
	}
	return false
}

// A Denial is how a filter or a forger says no. The zero value is an empty
// positive answer (NODATA).
type Denial struct {
	Rcode int
	Addrs []netip.Addr   // in place of the data: 0.0.0.0, ::, ::ffff:0.0.0.0
	EDE   *dns.EDNS0_EDE // RFC 8914; only to clients that know EDNS
	SOA   string         // MNAME of an SOA record at the denied name, a filter's mark
	TTL   uint32         // seconds
	NoRA  bool           // without RA, as dnsdist and some filters do
}

// Deny denies names that match; all else is h's.
func Deny(pattern string, d Denial, h Handler) Handler {
	return Only(pattern, d.answer, h)
}

// Filter denies what the policy has a denial for; all else is h's. The name that
// the policy sees is fully qualified, in lower case.
func Filter(policy func(name string) (Denial, bool), h Handler) Handler {
	return func(q *Query) *dns.Msg {
		if d, ok := policy(dns.CanonicalName(q.Name())); ok {
			return d.answer(q)
		}
		return h(q)
	}
}

func (d Denial) answer(q *Query) *dns.Msg {
	q.Lying()
	m := q.Answer(addresses(q.Name(), q.Type(), d.Addrs, d.TTL)...)
	m.Rcode = d.Rcode
	m.RecursionAvailable = !d.NoRA
	if d.SOA != "" {
		m.Ns = append(m.Ns, &dns.SOA{
			Hdr: dns.RR_Header{Name: q.Name(), Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: d.TTL},
			Ns:  dns.Fqdn(d.SOA), Mbox: "hostmaster." + dns.Fqdn(d.SOA), Serial: 1,
			Refresh: 3600, Retry: 600, Expire: 86400, Minttl: d.TTL,
		})
	}
	if opt := m.IsEdns0(); opt != nil && d.EDE != nil {
		ede := *d.EDE
		opt.Option = append(opt.Option, &ede)
	}
	return m
}

// Extra adds records to h's answers for names that match: answers off the chain
// (CVE-2025-40778), or NS records with glue that nobody asked for
// (CVE-2025-11411).
func Extra(pattern string, answer, authority, additional []dns.RR, h Handler) Handler {
	return Edit(func(q *Query, m *dns.Msg) {
		if !matches(pattern, q.Name()) {
			return
		}
		q.Lying()
		m.Answer = append(m.Answer, copies(answer)...)
		m.Ns = append(m.Ns, copies(authority)...)
		m.Extra = append(m.Extra, copies(additional)...)
	}, h)
}

// copies are records that other handlers may edit.
func copies(rrs []dns.RR) []dns.RR {
	own := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		own[i] = dns.Copy(rr)
	}
	return own
}

// A PortalServer is the web page of a captive portal.
type PortalServer struct {
	addr    netip.AddrPort
	srv     *http.Server
	caught  atomic.Int64
	logins  atomic.Int64
	running sync.WaitGroup
}

// Portal answers every HTTP request on addr with 302 to its login page, which
// is served there too. A POST of the page counts as a login; to open the network
// then is up to the caller.
func Portal(within Within, addr netip.AddrPort) (*PortalServer, error) {
	ln, err := listenTCP(within, addr)
	if err != nil {
		return nil, err
	}
	p := &PortalServer{addr: addrPort(ln.Addr())}
	login := "http://" + p.addr.String() + "/login"
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.caught.Add(1)
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, login, http.StatusFound)
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`<!doctype html><title>Welcome</title><form method="post"><button>Log in</button></form>`))
	})
	mux.HandleFunc("POST /login", func(http.ResponseWriter, *http.Request) { p.logins.Add(1) })
	p.srv = &http.Server{Handler: mux}
	p.running.Go(func() { p.srv.Serve(ln) })
	return p, nil
}

// listenTCP makes a listener inside the namespace; what it accepts stays there.
func listenTCP(within Within, addr netip.AddrPort) (ln *net.TCPListener, err error) {
	err = within(func() error {
		ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
		return err
	})
	return ln, err
}

// Addr is where the page is.
func (p *PortalServer) Addr() netip.AddrPort { return p.addr }

// Count is the number of requests that were led to the login page.
func (p *PortalServer) Count() int { return int(p.caught.Load()) }

// Logins is the number of logins.
func (p *PortalServer) Logins() int { return int(p.logins.Load()) }

// Stop closes all connections, and waits for the listener. It may be called
// again.
func (p *PortalServer) Stop() {
	p.srv.Close()
	p.running.Wait()
}

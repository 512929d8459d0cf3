//go:build lab

package inject

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// patience is how long a proxy waits for a connection or an answer: less than a
// stub resolver does (5 s), so that a proxy's SERVFAIL is still seen.
const patience = 3 * time.Second

// Forward asks upstream the client's question as it came, EDNS included, over
// the client's kind of transport. It answers SERVFAIL when upstream is silent.
func Forward(upstream netip.AddrPort) Handler {
	return func(q *Query) *dns.Msg {
		m, err := ask(q.ctx, q.server.within, q.Transport.network(), upstream, q.Msg)
		if err != nil {
			return Servfail(q)
		}
		m.Id = q.Id
		return m
	}
}

// ask sends a query under a fresh ID, and waits for the response that has it.
func ask(ctx context.Context, within Within, network string, to netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(ctx, within, network, to)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()

	c := &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
	m := query.Copy()
	m.Id = dns.Id()
	if err := c.WriteMsg(m); err != nil {
		return nil, err
	}
	for {
		r, err := c.ReadMsg()
		if err != nil || r.Id == m.Id {
			return r, err
		}
	}
}

// dial connects from inside the namespace: for a literal address, the net package
// makes the socket on the calling thread.
func dial(ctx context.Context, within Within, network string, to netip.AddrPort) (conn net.Conn, err error) {
	err = within(func() error {
		d := net.Dialer{Timeout: patience}
		conn, err = d.DialContext(ctx, network, to.String())
		return err
	})
	return conn, err
}

// Servfail answers SERVFAIL.
func Servfail(q *Query) *dns.Msg {
	m := q.Answer()
	m.Rcode = dns.RcodeServerFailure
	return m
}

// Silent answers nothing.
func Silent(*Query) *dns.Msg { return nil }

// Delay waits d before h is asked.
func Delay(d time.Duration, h Handler) Handler {
	return func(q *Query) *dns.Msg {
		if !q.Wait(d) {
			return nil
		}
		return h(q)
	}
}

// Lying marks what h says as a lie.
func Lying(h Handler) Handler {
	return func(q *Query) *dns.Msg {
		q.Lying()
		return h(q)
	}
}

// Only asks h for names that match the pattern, "name", "*.name" or "*", and
// rest for all others.
func Only(pattern string, h, rest Handler) Handler {
	return func(q *Query) *dns.Msg {
		if matches(pattern, q.Name()) {
			return h(q)
		}
		return rest(q)
	}
}

// When asks h for names that f picks, without a final dot and in lower case, and
// rest for all others.
func When(f func(name string) bool, h, rest Handler) Handler {
	return func(q *Query) *dns.Msg {
		if f(strings.TrimSuffix(dns.CanonicalName(q.Name()), ".")) {
			return h(q)
		}
		return rest(q)
	}
}

// Edit lets f change what h answers.
func Edit(f func(q *Query, m *dns.Msg), h Handler) Handler {
	return func(q *Query) *dns.Msg {
		m := h(q)
		if m != nil {
			f(q, m)
		}
		return m
	}
}

// Sometimes asks other for the part p of all queries, from 0 to 1, and h for the
// rest. The same seed makes the same choices: Sometimes(0.3, 1, Servfail, h).
func Sometimes(p float64, seed uint64, other, h Handler) Handler {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, seed))
	return func(q *Query) *dns.Msg {
		mu.Lock()
		hit := random.Float64() < p
		mu.Unlock()
		if hit {
			return other(q)
		}
		return h(q)
	}
}

// Rotate gives one address of the query's family, the next one for each query
// for a name that matches; all else is h's. Wrap it in Lying if that is a lie.
func Rotate(pattern string, addrs []netip.Addr, ttl uint32, h Handler) Handler {
	var turn atomic.Uint64
	return func(q *Query) *dns.Msg {
		rrs := addresses(q.Name(), q.Type(), addrs, ttl)
		if !matches(pattern, q.Name()) || len(rrs) == 0 {
			return h(q)
		}
		return q.Answer(rrs[(turn.Add(1)-1)%uint64(len(rrs))])
	}
}

// Truncate answers over UDP with TC and no data, and lets h answer over TCP.
// Sometimes(0.5, seed, Truncate(h), h) is a response rate limit that slips.
func Truncate(h Handler) Handler {
	return func(q *Query) *dns.Msg {
		if q.Transport != UDP {
			return h(q)
		}
		m := q.Answer()
		m.Truncated = true
		return m
	}
}

// Dual sends two responses to one datagram, the second one after the gap. Over a
// stream only the second one is sent: a client there matches one response.
func Dual(first Handler, gap time.Duration, second Handler) Handler {
	return func(q *Query) *dns.Msg {
		if q.Transport != UDP {
			return second(q)
		}
		if m := first(q); m != nil {
			q.Send(m)
		}
		return Delay(gap, second)(q)
	}
}

// FixedTTL sets the TTL of every record, in seconds.
func FixedTTL(ttl uint32, h Handler) Handler {
	return Edit(func(_ *Query, m *dns.Msg) {
		for rr := range records(m) {
			rr.Header().Ttl = ttl
		}
	}, h)
}

// Lowercase gives all owner names in lower case, the echoed question too.
func Lowercase(h Handler) Handler {
	return Edit(func(_ *Query, m *dns.Msg) {
		for i := range m.Question {
			m.Question[i].Name = strings.ToLower(m.Question[i].Name)
		}
		for rr := range records(m) {
			rr.Header().Name = strings.ToLower(rr.Header().Name)
		}
	}, h)
}

// StripDNSSEC removes what RFC 4035 §3.2.1 keeps from clients that do not ask:
// signatures, proofs, and the bits AD and DO.
func StripDNSSEC(h Handler) Handler {
	return Edit(func(q *Query, m *dns.Msg) {
		proof := func(rr dns.RR) bool {
			t := rr.Header().Rrtype
			return t != q.Type() && (t == dns.TypeRRSIG || t == dns.TypeNSEC || t == dns.TypeNSEC3)
		}
		m.AuthenticatedData = false
		m.Answer = slices.DeleteFunc(m.Answer, proof)
		m.Ns = slices.DeleteFunc(m.Ns, proof)
		m.Extra = slices.DeleteFunc(m.Extra, proof)
		if opt := m.IsEdns0(); opt != nil {
			opt.SetDo(false)
		}
	}, h)
}

// A Profile is what the OPT record of a server looks like.
type Profile struct {
	NoEDNS bool   // the server does not know EDNS
	Size   uint16 // octets that it takes over UDP
	NSID   string // told to who asks for it (RFC 5001 §2.1)
	Cookie string // the secret of its cookies (RFC 7873 §5.2); none if empty
}

// WithProfile gives h's answers the OPT record of p, if the query has one.
func WithProfile(p Profile, h Handler) Handler {
	return Edit(func(q *Query, m *dns.Msg) {
		m.Extra = slices.DeleteFunc(m.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
		asked := q.IsEdns0()
		if p.NoEDNS || asked == nil {
			return
		}
		m.SetEdns0(p.Size, asked.Do())
		opt := m.IsEdns0()
		for _, o := range asked.Option {
			switch o := o.(type) {
			case *dns.EDNS0_NSID:
				if p.NSID != "" {
					opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: hex.EncodeToString([]byte(p.NSID))})
				}
			case *dns.EDNS0_COOKIE:
				if p.Cookie != "" && len(o.Cookie) >= 16 {
					own := sha256.Sum256([]byte(p.Cookie + o.Cookie[:16] + q.Client.Addr().String()))
					opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: o.Cookie[:16] + hex.EncodeToString(own[:8])})
				}
			}
		}
	}, h)
}

// WrongRRSIG puts addrs in place of the addresses of names that match, and leaves
// the genuine signatures beside them: what a poisoned cache that does not validate
// hands out. Key tag, validity and TTL are right; the signature fails.
func WrongRRSIG(pattern string, addrs []netip.Addr, h Handler) Handler {
	return Edit(func(q *Query, m *dns.Msg) {
		at := slices.IndexFunc(m.Answer, func(rr dns.RR) bool {
			return rr.Header().Rrtype == q.Type() && matches(pattern, rr.Header().Name)
		})
		if at < 0 {
			return
		}
		head := *m.Answer[at].Header()
		forged := addresses(head.Name, head.Rrtype, addrs, head.Ttl)
		if len(forged) == 0 {
			return
		}
		q.Lying()
		m.AuthenticatedData = false
		m.Answer = slices.DeleteFunc(m.Answer, func(rr dns.RR) bool {
			return rr.Header().Rrtype == head.Rrtype && matches(head.Name, rr.Header().Name)
		})
		m.Answer = slices.Insert(m.Answer, at, forged...)
	}, h)
}

// Authoritative makes h's answers those of an authoritative server: without RA,
// and with AA unless it is a referral (RFC 1034 §4.3.2). Resolvers call a server
// lame without it.
func Authoritative(h Handler) Handler {
	return Edit(func(_ *Query, m *dns.Msg) {
		isNS := func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeNS }
		referral := m.Rcode == dns.RcodeSuccess && len(m.Answer) == 0 && slices.ContainsFunc(m.Ns, isNS)
		m.RecursionAvailable = false
		m.Authoritative = !referral
	}, h)
}

// records are all records of a message but OPT.
func records(m *dns.Msg) func(yield func(dns.RR) bool) {
	return func(yield func(dns.RR) bool) {
		for _, rr := range slices.Concat(m.Answer, m.Ns, m.Extra) {
			if rr.Header().Rrtype != dns.TypeOPT && !yield(rr) {
				return
			}
		}
	}
}

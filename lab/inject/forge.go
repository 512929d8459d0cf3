//go:build lab

package inject

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// habits are what is known of a server from its last responses.
type habits struct {
	header
	size   uint16 // of datagrams, from its OPT record
	cookie string // the server's part of COOKIE, in hexadecimal
	nsid   string
}

// learn keeps what a response says of its server.
func (r *racer) learn(server netip.Addr, h header, payload []byte) {
	m := new(dns.Msg)
	if m.Unpack(payload) != nil || !m.Response {
		return
	}
	known := r.servers[server]
	if known == nil {
		known = &habits{}
		r.servers[server] = known
	}
	known.header = h
	opt := m.IsEdns0()
	if opt == nil {
		return
	}
	known.size = opt.UDPSize()
	for _, o := range opt.Option {
		switch o := o.(type) {
		case *dns.EDNS0_COOKIE:
			if len(o.Cookie) > clientCookie {
				known.cookie = o.Cookie[clientCookie:]
			}
		case *dns.EDNS0_NSID:
			known.nsid = o.Nsid
		}
	}
}

// clientCookie is the length of the client's part of COOKIE, in hexadecimal
// (RFC 7873 §4.1).
const clientCookie = 16

// forge makes the frame that an injector sends in answer to a query.
func (r *racer) forge(n int, p Path, m *dns.Msg, payload []byte) ([]byte, error) {
	v, known := r.ForgedBy[n], r.servers[p.Dst.Addr()]
	if known == nil {
		known = &habits{}
	}
	h := header{
		ttl: cmp.Or(v.IPTTL, r.IPTTL, known.ttl, 64),
		id:  cmp.Or(v.IPID, r.IPID),
	}
	if r.Copy {
		h.df = known.df
		if h.id == 0 && known.id != 0 {
			known.id++
			h.id = known.id
		}
	}
	q := m.Question[0]
	rrs := record(q.Name, q.Qtype, r.next(n, q.Qtype), r.TTL)
	forge := r.answer
	if r.Append {
		forge = appended
	}
	message, err := forge(m, payload, rrs, known)
	if err != nil {
		return nil, err
	}
	if flags := cmp.Or(v.Flags, r.Flags); flags != 0 {
		binary.BigEndian.PutUint16(message[2:], flags|uint16(r.Rcode))
	}
	back := p.back()
	if r.SrcMAC != nil {
		back.SrcMAC = r.SrcMAC
	}
	return back.frame(h, message)
}

// record is the answer section: one address record, or none.
func record(name string, qtype uint16, a netip.Addr, ttl uint32) []dns.RR {
	if !a.IsValid() {
		return nil
	}
	return addresses(name, qtype, []netip.Addr{a}, ttl)
}

// answer is a response of its own making.
func (r *racer) answer(m *dns.Msg, _ []byte, rrs []dns.RR, known *habits) ([]byte, error) {
	a := new(dns.Msg).SetReply(m)
	a.RecursionAvailable, a.CheckingDisabled = true, m.CheckingDisabled
	a.Rcode, a.Answer, a.Compress = r.Rcode, rrs, true
	if opt := m.IsEdns0(); r.Copy && opt != nil {
		a.SetEdns0(cmp.Or(known.size, 1232), opt.Do())
		a.IsEdns0().Option = options0(opt.Option, known)
	}
	return a.Pack()
}

// options0 are the EDNS options of a server to a client's.
func options0(asked []dns.EDNS0, known *habits) (os []dns.EDNS0) {
	for _, o := range asked {
		switch o := o.(type) {
		case *dns.EDNS0_COOKIE:
			cookie := o.Cookie
			if len(cookie) == clientCookie {
				cookie += known.cookie
			}
			os = append(os, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie})
		case *dns.EDNS0_NSID:
			if known.nsid != "" {
				os = append(os, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: known.nsid})
			}
		}
	}
	return os
}

// appended is the query itself, turned into a response, with the answer behind.
func appended(_ *dns.Msg, payload []byte, rrs []dns.RR, _ *habits) ([]byte, error) {
	b := slices.Clone(payload)
	b[2] |= 0x80 // QR
	binary.BigEndian.PutUint16(b[6:], uint16(len(rrs)))
	for _, rr := range rrs {
		rr.Header().Name = "." // one byte, which a pointer to the QNAME replaces (RFC 1035 §4.1.4)
		packed := make([]byte, dns.Len(rr))
		n, err := dns.PackRR(rr, packed, 0, nil, false)
		if err != nil {
			return nil, err
		}
		b = append(append(b, 0xc0, 12), packed[1:n]...)
	}
	return b, nil
}

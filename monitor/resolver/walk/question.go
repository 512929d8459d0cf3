package walk

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// udpSize is the largest response that is asked for over UDP: one that passes
// every common path in one piece.
const udpSize = 1232

// question is what one server is asked.
type question struct {
	name   string
	kind   uint16       // the type
	subnet netip.Prefix // that the answer is for (RFC 7871); none where invalid
	plain  bool         // without EDNS, for servers that do not know it
}

// query is a question as it goes on the wire.
type query struct {
	question
	mixed  string // the name in the case that was sent
	cookie string // ours, in hexadecimal
	wire   []byte
}

// newQuery asks without recursion, for signatures too, with the letters of the
// name in random case and a fresh cookie.
func newQuery(q question) (query, error) {
	var random [8]byte
	rand.Read(random[:]) // never fails
	x := query{question: q, mixed: mix(q.name), cookie: hex.EncodeToString(random[:])}
	m := &dns.Msg{Question: []dns.Question{{Name: x.mixed, Qtype: q.kind, Qclass: dns.ClassINET}}}
	m.Id = dns.Id()
	if !q.plain {
		m.SetEdns0(udpSize, true)
		opt := m.IsEdns0()
		opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: x.cookie})
		if q.subnet.IsValid() {
			opt.Option = append(opt.Option, clientSubnet(q.subnet))
		}
	}
	b, err := m.Pack()
	x.wire = b
	return x, err
}

// mix gives each letter of name a random case (0x20). Escapes hold no letters.
func mix(name string) string {
	b := []byte(name)
	bits := make([]byte, (len(b)+7)/8)
	rand.Read(bits)
	for i, c := range b {
		if 'a' <= c|0x20 && c|0x20 <= 'z' && bits[i/8]>>(i%8)&1 == 1 {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

func clientSubnet(p netip.Prefix) *dns.EDNS0_SUBNET {
	o := &dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: net.IP(p.Masked().Addr().AsSlice()),
	}
	if p.Addr().Is6() {
		o.Family = 2
	}
	return o
}

// read unpacks a response to x. With exact it must have the name in the case
// that was sent: over UDP that is part of what tells it from a forgery.
func (x query) read(b []byte, exact bool) (*dns.Msg, error) {
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil && !m.Truncated {
		return nil, badResponse("unreadable")
	}
	switch {
	case !m.Response || m.Opcode != dns.OpcodeQuery:
		return nil, badResponse("no response")
	case len(m.Question) != 1 || m.Question[0].Qtype != x.kind || m.Question[0].Qclass != dns.ClassINET,
		!strings.EqualFold(m.Question[0].Name, x.mixed):
		return nil, badResponse("another question")
	case exact && m.Question[0].Name != x.mixed:
		return nil, badResponse("the case of the name is lost")
	case m.Truncated:
		return nil, badResponse("truncated")
	case int(binary.BigEndian.Uint16(b[6:])) != len(m.Answer): // Unpack is content with fewer
		return nil, badResponse("cut short")
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			// RFC 7873 §5.3
			if c, ok := o.(*dns.EDNS0_COOKIE); ok && !strings.HasPrefix(c.Cookie, x.cookie) {
				return nil, badResponse("another cookie")
			}
		}
	}
	return m, nil
}

// tailored reports whether the server minds client subnets: one that does has
// the option in its response (RFC 7871 §7.2.1).
func tailored(m *dns.Msg) bool {
	opt := m.IsEdns0()
	if opt == nil {
		return false
	}
	for _, o := range opt.Option {
		if _, ok := o.(*dns.EDNS0_SUBNET); ok {
			return true
		}
	}
	return false
}

// under reports whether name is zone or below it. Unlike monitor.Under it minds
// the escaped dots that names from the wire can have.
func under(name, zone string) bool { return dns.IsSubDomain(zone, name) }

// below is under without the zone itself.
func below(name, zone string) bool { return under(name, zone) && !strings.EqualFold(name, zone) }

// badResponse is a message that is no answer, or says nothing. It says why, in
// words of ours.
type badResponse string

func (b badResponse) Error() string { return monitor.ErrBadResponse + ": " + string(b) }

// spoken reports whether err is of a response that could not be used, our own
// finding or that of the Exchanger: somebody did respond.
func spoken(err error) bool { return strings.HasPrefix(err.Error(), monitor.ErrBadResponse) }

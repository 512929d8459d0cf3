package capture

import (
	"encoding/binary"
	"net/netip"
)

// icmpQuote is an ICMP or ICMPv6 error about a DNS datagram, of which it quotes the
// beginning (RFC 792, RFC 4443 §3). Anybody can send one: it is a sign, and proves
// nothing.
type icmpQuote struct {
	by         netip.Addr // who says so
	kind, code uint8
	protocol   uint8          // of what it is about: UDP or TCP
	src, dst   netip.AddrPort // of that
	mtu        uint32         // what the next hop takes, where it was too large for that; else 0
	id         uint16         // of the DNS message
	known      bool           // the id is: of UDP, where enough is quoted
}

// ICMP and ICMPv6 errors (IANA, ICMP Parameters; ICMPv6 Parameters).
const (
	icmpUnreachable = 3
	icmpQuench      = 4
	icmpRedirect    = 5
	icmpExceeded    = 11
	icmpTooBig      = 4 // a code of icmpUnreachable

	icmp6Unreachable = 1
	icmp6TooBig      = 2
	icmp6Exceeded    = 3
	icmp6Router      = 134 // no error: a router's advertisement (RFC 4861 §4.2)
)

// icmpHead is the length of an ICMP header, up to what is quoted.
const icmpHead = 8

// unreachable reports whether the datagram did not arrive, or nobody wanted it.
func (q *icmpQuote) unreachable() bool {
	if q.src.Addr().Is6() {
		return q.kind == icmp6Unreachable
	}
	return q.kind == icmpUnreachable && q.code != icmpTooBig
}

// parseQuote reads an ICMP message. It is false for what is no error, or quotes neither
// UDP nor TCP.
func parseQuote(g *datagram) (q icmpQuote, ok bool) {
	b := g.payload
	if len(b) < icmpHead {
		return q, false
	}
	q = icmpQuote{by: g.src.Addr(), kind: b[0], code: b[1]}
	inner := datagram{ip: icmpHead, cut: true}
	var s sort
	if g.src.Addr().Is4() {
		switch q.kind {
		case icmpUnreachable:
			if q.code == icmpTooBig {
				q.mtu = uint32(binary.BigEndian.Uint16(b[6:])) // RFC 1191 §4
			}
		case icmpQuench, icmpRedirect, icmpExceeded:
		default:
			return q, false
		}
		b, q.protocol, s = inner.ipv4(b)
	} else {
		switch q.kind {
		case icmp6TooBig:
			q.mtu = binary.BigEndian.Uint32(b[4:])
		case icmp6Unreachable, icmp6Exceeded:
		default:
			return q, false
		}
		b, q.protocol, s = inner.ipv6(b)
	}
	if s != other || len(b) < inner.transport+8 || q.protocol != protocolUDP && q.protocol != protocolTCP {
		return q, false
	}
	inner.ports(b[inner.transport:])
	q.src, q.dst = inner.src, inner.dst
	if message := b[inner.transport+8:]; q.protocol == protocolUDP && len(message) >= 2 {
		q.id, q.known = binary.BigEndian.Uint16(message), true
	}
	return q, true
}

// icmp takes in an ICMP message.
func (m *Matcher) icmp(g *datagram) {
	if q, ok := parseQuote(g); ok {
		m.quoted(q)
	}
}

// quoted takes in an error about a datagram. About a query it says that its server was
// not reached, about a response that its client no longer waits.
func (m *Matcher) quoted(q icmpQuote) {
	server := q.dst.Addr()
	switch {
	case q.dst.Port() == dnsPort:
		m.quotedQueries.Add(1)
	case q.src.Port() == dnsPort:
		m.quotedResponses.Add(1)
		server = q.src.Addr()
	default:
		return
	}
	n := m.named(server)
	if n == nil {
		return
	}
	if q.unreachable() && q.by == q.dst.Addr() && server != q.dst.Addr() {
		n.refused.add(m.at, aMoment)
	}
	if mtu := int(q.mtu); mtu > 0 && (n.mtu == 0 || mtu < n.mtu || m.at-n.mtuAt > int64(mtuFor)) {
		n.mtu, n.mtuAt = mtu, m.at
	}
}

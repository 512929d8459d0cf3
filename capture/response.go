package capture

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// Bounds of what is read of one message, so that a forger cannot make us work.
const (
	maxRecords = 128 // of the answer section
	maxOthers  = 128 // of the sections behind it
	maxEDE     = 16
)

// What can be wrong with a message; Packet.Broken.
const (
	brokenCounts   = "fewer records than its header says"
	brokenTrailing = "octets behind its last record"
	brokenOPT      = "an OPT record among its answers"
)

// readResponse writes what a message says into o and its packet. What cannot be
// read ends the reading and is noted: forgers are careless, and what a message
// says up to there may be all that a client looks at.
func readResponse(o *monitor.Observation, p *monitor.Packet, b []byte, h *header) {
	o.Rcode = rcodeName(h.rcode())
	for _, f := range []struct {
		bit  uint16
		name string
	}{{1 << 10, "AA"}, {1 << 9, "TC"}, {1 << 8, "RD"}, {1 << 7, "RA"}, {1 << 5, "AD"}, {1 << 4, "CD"}} {
		if h.flags&f.bit != 0 {
			o.Flags = append(o.Flags, f.name)
		}
	}
	o.Records = []monitor.Record{}
	off := h.end
	for range min(h.counts[1], maxRecords) {
		rr, next, err := dns.UnpackRR(b, off)
		if err != nil {
			p.Broken = brokenCounts
			return
		}
		off = next
		head := rr.Header()
		if head.Rrtype == dns.TypeOPT {
			p.Broken = brokenOPT
			continue
		}
		if head.Class == dns.ClassINET {
			o.Records = append(o.Records, monitor.Record{
				Name: strings.ToLower(head.Name), Type: monitor.Type(head.Rrtype), Data: rdata(rr), TTL: head.Ttl,
			})
		}
	}
	if h.counts[1] > maxRecords {
		return
	}
	others := int(h.counts[2]) + int(h.counts[3])
	for range min(others, maxOthers) {
		rr, next, err := dns.UnpackRR(b, off)
		if err != nil {
			p.Broken = brokenCounts
			return
		}
		off = next
		if opt, ok := rr.(*dns.OPT); ok {
			p.EDNS = true
			for _, x := range opt.Option {
				if ede, ok := x.(*dns.EDNS0_EDE); ok && len(o.EDE) < maxEDE {
					o.EDE = append(o.EDE, ede.InfoCode)
				}
			}
		}
	}
	if others <= maxOthers && off < len(b) {
		p.Broken = brokenTrailing
	}
}

// readQuery notes whether a query announces EDNS.
func readQuery(p *monitor.Packet, b []byte, h *header) {
	off := h.end
	for range min(int(h.counts[1])+int(h.counts[2])+int(h.counts[3]), maxOthers) {
		rr, next, err := dns.UnpackRR(b, off)
		if err != nil {
			return
		}
		off = next
		p.EDNS = p.EDNS || rr.Header().Rrtype == dns.TypeOPT
	}
}

var rcodeNames = [...]string{
	"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
	"YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI",
}

func rcodeName(code uint16) string {
	if int(code) < len(rcodeNames) {
		return rcodeNames[code]
	}
	return "RCODE" + strconv.Itoa(int(code))
}

// rdata gives the data of a record in presentation form, printable, names in
// lower case where answers are compared by them.
func rdata(rr dns.RR) string {
	switch x := rr.(type) {
	case *dns.A:
		if a, ok := netip.AddrFromSlice(x.A); ok {
			return a.Unmap().String()
		}
	case *dns.AAAA:
		if a, ok := netip.AddrFromSlice(x.AAAA); ok {
			return a.String() // an IPv4 address within stays recognisable
		}
	case *dns.CNAME:
		return strings.ToLower(x.Target)
	case *dns.DNAME:
		return strings.ToLower(x.Target)
	case *dns.NS:
		return strings.ToLower(x.Ns)
	}
	text, ok := strings.CutPrefix(rr.String(), rr.Header().String())
	if !ok {
		return `\# 0`
	}
	if i := slices.IndexFunc([]byte(text), func(c byte) bool { return c < ' ' || c > '~' }); i < 0 {
		return text
	}
	var s strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			fmt.Fprintf(&s, `\%03d`, c)
		} else {
			s.WriteByte(c)
		}
	}
	return s.String()
}

// nameText gives a name in wire format as monitor has it.
func nameText(wire []byte) string {
	name, _, err := dns.UnpackDomainName(wire, 0)
	if err != nil {
		return "."
	}
	return name
}

// nameWire gives a name of monitor in wire format.
func nameWire(name string) (string, error) {
	var b [maxName + 1]byte
	n, err := dns.PackDomainName(name, b[:], 0, nil, false)
	return string(b[:n]), err
}

package capture

import (
	"strconv"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// Bounds of what is read of one message, so that a forger cannot make us work.
const (
	maxRecords = 128 // of the answer section
	maxOthers  = 128 // of the sections behind it
	maxEDE     = 16
	maxBeside  = 32 // of these, that are kept
)

// What can be wrong with a message; Packet.Broken.
const (
	brokenCounts   = "fewer records than its header says"
	brokenTrailing = "octets behind its last record"
	brokenOPT      = "an OPT record among its answers"

	brokenFragments = "fragments that contradict each other"
	brokenSegments  = "TCP segments that contradict each other"
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
			o.Records = append(o.Records, presentation.Record(rr))
		}
	}
	if h.counts[1] > maxRecords {
		return
	}
	others := int(h.counts[2]) + int(h.counts[3])
	for i := range min(others, maxOthers) {
		rr, next, err := dns.UnpackRR(b, off)
		if err != nil {
			p.Broken = brokenCounts
			return
		}
		off = next
		authority := i < int(h.counts[2])
		switch rr.(type) {
		case *dns.NS:
			o.Beside = beside(o.Beside, rr, authority)
		case *dns.A, *dns.AAAA:
			o.Beside = beside(o.Beside, rr, !authority)
		}
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

// beside adds a record of the authority or additional section, if it is to be.
func beside(rs []monitor.Record, rr dns.RR, wanted bool) []monitor.Record {
	if !wanted || len(rs) >= maxBeside || rr.Header().Class != dns.ClassINET {
		return rs
	}
	return append(rs, presentation.Record(rr))
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

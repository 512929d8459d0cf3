package probe

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	maxDetail    = 240 // bytes
	maxWord      = 64  // bytes of what somebody else chose, in Detail
	maxNSID      = 128 // octets, as of an observation
	maxAddresses = 16  // of one answer
	udpSize      = 1232
)

// query writes a query. The id is put in when it is sent.
func query(name string, t monitor.Type, class uint16, nsid bool) ([]byte, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, uint16(t))
	m.Question[0].Qclass = class
	if nsid {
		m.SetEdns0(udpSize, false)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	}
	return m.Pack()
}

// reply reads a response.
func reply(b []byte) (*dns.Msg, error) {
	m := new(dns.Msg)
	err := m.Unpack(b)
	return m, err
}

// addressesIn gives the addresses of the answer section.
func addressesIn(m *dns.Msg) []netip.Addr {
	var as []netip.Addr
	for _, rr := range m.Answer {
		var a netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(rr.A)
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(rr.AAAA)
		}
		if a.IsValid() && len(as) < maxAddresses {
			as = append(as, a.Unmap())
		}
	}
	return as
}

// textIn gives the text of the first TXT record of class CH.
func textIn(m *dns.Msg) string {
	for _, rr := range m.Answer {
		if txt, ok := rr.(*dns.TXT); ok && txt.Hdr.Class == dns.ClassCHAOS {
			return strings.Join(txt.Txt, "")
		}
	}
	return ""
}

// nsidIn gives the name of the server as an observation has it: as text where it
// is text, quoted where it is not (RFC 5001 §2.3 leaves that to the server).
func nsidIn(m *dns.Msg) string {
	opt := m.IsEdns0()
	if opt == nil {
		return ""
	}
	for _, o := range opt.Option {
		if n, ok := o.(*dns.EDNS0_NSID); ok {
			b, err := hex.DecodeString(n.Nsid)
			if err != nil {
				return ""
			}
			return label(string(b))
		}
	}
	return ""
}

// label gives what a server calls itself, where it is printable ASCII as it is.
func label(s string) string {
	s = s[:min(len(s), maxNSID)]
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// quoted gives what somebody else chose: printable ASCII in quotation marks.
func quoted(s string) string {
	if len(s) > maxWord {
		s = s[:maxWord] + "..."
	}
	return strconv.QuoteToASCII(s)
}

// list gives addresses for people.
func list(as []netip.Addr) string {
	const most = 4
	var ss []string
	for i, a := range as {
		if i == most {
			ss = append(ss, "and more")
			break
		}
		ss = append(ss, a.String())
	}
	return strings.Join(ss, ", ")
}

package resolver

import (
	"encoding/hex"
	"strconv"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

const (
	// maxRecords bounds the answer section that is kept. A message of 64 kB can
	// hold 5,000 records; an answer with more than a few dozen is of no use to
	// the client that it is meant for.
	maxRecords = 512
	maxEDE     = 16
	maxNSID    = 128 // octets
)

// decode writes what m says into o. Names are in lower case, and all text is
// printable ASCII: what is not is escaped as in RFC 1035 §5.1.
func decode(o *monitor.Observation, m *dns.Msg) {
	o.Rcode = rcode(m.Rcode)
	for _, f := range []struct {
		set  bool
		name string
	}{
		{m.Authoritative, "AA"}, {m.Truncated, "TC"}, {m.RecursionDesired, "RD"},
		{m.RecursionAvailable, "RA"}, {m.AuthenticatedData, "AD"}, {m.CheckingDisabled, "CD"},
	} {
		if f.set {
			o.Flags = append(o.Flags, f.name)
		}
	}
	for _, rr := range m.Answer[:min(len(m.Answer), maxRecords)] {
		if rr.Header().Class == dns.ClassINET {
			o.Records = append(o.Records, presentation.Record(rr))
		}
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, e := range opt.Option {
			if ede, ok := e.(*dns.EDNS0_EDE); ok && len(o.EDE) < maxEDE {
				o.EDE = append(o.EDE, ede.InfoCode)
			}
		}
	}
	if id, ok := option[*dns.EDNS0_NSID](m); ok {
		o.NSID = nsid(id.Nsid)
	}
}

var rcodes = [...]string{
	"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
	"YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI",
}

// rcode names a response code, the extended ones of RFC 6891 §6.1.3 included.
func rcode(code int) string {
	switch {
	case code < len(rcodes):
		return rcodes[code]
	case code == dns.RcodeBadVers:
		return "BADVERS"
	case code == dns.RcodeBadCookie:
		return "BADCOOKIE"
	}
	return "RCODE" + strconv.Itoa(code)
}

// nsid gives the name of a server as text where it is text (most are), quoted
// where it is not (RFC 5001 §2.3 leaves that to the server).
func nsid(hexadecimal string) string {
	b, err := hex.DecodeString(hexadecimal)
	if err != nil {
		return ""
	}
	b = b[:min(len(b), maxNSID)]
	for _, c := range b {
		if c < ' ' || c > '~' {
			return strconv.QuoteToASCII(string(b))
		}
	}
	return string(b)
}

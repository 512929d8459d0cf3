package resolver

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
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
		h := rr.Header()
		if h.Class != dns.ClassINET {
			continue
		}
		o.Records = append(o.Records, monitor.Record{
			Name: lower(h.Name), Type: monitor.Type(h.Rrtype), Data: rdata(rr), TTL: h.Ttl,
		})
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

// rdata gives the data of a record in presentation form. Names in it are in
// lower case where RFC 4034 §6.2 makes them so; as nothing else changes in
// them, equal data stay equal and different data different.
func rdata(rr dns.RR) string {
	if rr.Header().Rdlength == 0 {
		return generic("")
	}
	switch x := rr.(type) {
	case *dns.A:
		if a, ok := netip.AddrFromSlice(x.A); ok {
			return a.Unmap().String()
		}
	case *dns.AAAA:
		if a, ok := netip.AddrFromSlice(x.AAAA); ok {
			return a.String() // an IPv4 address within stays recognisable: ::ffff:192.0.2.1
		}
	case *dns.CNAME:
		return lower(x.Target)
	case *dns.DNAME:
		return lower(x.Target)
	case *dns.NS:
		return lower(x.Ns)
	case *dns.PTR:
		return lower(x.Ptr)
	case *dns.MX:
		x.Mx = lower(x.Mx)
	case *dns.SRV:
		x.Target = lower(x.Target)
	case *dns.SOA:
		x.Ns, x.Mbox = lower(x.Ns), lower(x.Mbox)
	case *dns.RRSIG:
		x.SignerName = lower(x.SignerName)
	case *dns.SVCB:
		x.Target = lower(x.Target)
	case *dns.HTTPS:
		x.Target = lower(x.Target)
	case *dns.RFC3597:
		return generic(x.Rdata)
	}
	if text, ok := strings.CutPrefix(rr.String(), rr.Header().String()); ok {
		return printable(text, -1)
	}
	// A record whose text is a comment: OPT, NULL, TSIG, none of which belongs here.
	var raw dns.RFC3597
	if err := raw.ToRFC3597(rr); err != nil {
		return generic("")
	}
	return generic(raw.Rdata)
}

// generic is the form of data that has no other, RFC 3597 §5.
func generic(hexadecimal string) string {
	return strings.TrimSuffix(fmt.Sprintf(`\# %d %s`, len(hexadecimal)/2, hexadecimal), " ")
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

// lower gives a name of miekg/dns, whose escapes hold no letters, in lower case.
func lower(name string) string { return printable(strings.ToLower(name), -1) }

// printable escapes what is not printable ASCII, and cuts s to n octets of
// output, give or take an escape; all of it where n is negative. Text of
// miekg/dns is printable already, but for the type NULL; this makes it certain.
func printable(s string, n int) string {
	clean := n < 0 || len(s) <= n
	for i := 0; i < len(s) && clean; i++ {
		clean = ' ' <= s[i] && s[i] <= '~'
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s) && (n < 0 || b.Len() < n); i++ {
		if ' ' <= s[i] && s[i] <= '~' {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, `\%03d`, s[i])
		}
	}
	return b.String()
}

// Package presentation writes what came off the wire in presentation format (RFC
// 9499 §5, RFC 1035 §5.1), in the one form by which answers are compared: whoever
// reads a record, a resolver's, the wire's, an authoritative server's or a signed
// one, two that are equal give the same text. It keeps no state.
package presentation

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// Record gives a record that was read from a message.
func Record(rr dns.RR) monitor.Record {
	h := rr.Header()
	return monitor.Record{Name: Name(h.Name), Type: monitor.Type(h.Rrtype), Data: Data(rr), TTL: h.Ttl}
}

// Address gives what an A or AAAA record holds. An IPv4 address within an AAAA
// record stays recognisable: ::ffff:192.0.2.1.
func Address(rr dns.RR) (netip.Addr, bool) {
	switch x := rr.(type) {
	case *dns.A:
		a, ok := netip.AddrFromSlice(x.A)
		return a.Unmap(), ok
	case *dns.AAAA:
		return netip.AddrFromSlice(x.AAAA)
	}
	return netip.Addr{}, false
}

// Data gives the data of a record that was read from a message. Names in it are
// in lower case where RFC 4034 §6.2 makes them so; as nothing else changes in
// them, equal data stay equal and different data different. rr stays as it is.
func Data(rr dns.RR) string {
	if rr.Header().Rdlength == 0 {
		return generic("")
	}
	if a, ok := Address(rr); ok {
		return a.String()
	}
	switch x := rr.(type) {
	case *dns.CNAME:
		return Name(x.Target)
	case *dns.DNAME:
		return Name(x.Target)
	case *dns.NS:
		return Name(x.Ns)
	case *dns.PTR:
		return Name(x.Ptr)
	case *dns.MX:
		y := *x
		y.Mx, rr = Name(x.Mx), &y
	case *dns.SRV:
		y := *x
		y.Target, rr = Name(x.Target), &y
	case *dns.SOA:
		y := *x
		y.Ns, y.Mbox, rr = Name(x.Ns), Name(x.Mbox), &y
	case *dns.RRSIG:
		y := *x
		y.SignerName, rr = Name(x.SignerName), &y
	case *dns.SVCB:
		y := *x
		y.Target, rr = Name(x.Target), &y
	case *dns.HTTPS:
		y := *x
		y.Target, rr = Name(x.Target), &y
	case *dns.RFC3597:
		return generic(x.Rdata)
	}
	if text, ok := strings.CutPrefix(rr.String(), rr.Header().String()); ok {
		return Text(text, -1)
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

// Name gives a name of miekg/dns, whose escapes hold no letters, in lower case.
func Name(name string) string { return Text(strings.ToLower(name), -1) }

// Text escapes what is not printable ASCII, and cuts s to n octets of output,
// give or take an escape; all of it where n is negative. Text of miekg/dns is
// printable already, but for the type NULL; this makes it certain.
func Text(s string, n int) string {
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

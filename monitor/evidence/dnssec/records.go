package dnssec

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxDetail bounds Evidence.Detail, in octets: names alone can have a thousand.
const maxDetail = 400

// put writes what a set of records says into e, in the form in which package
// resolver gives it, so that the two can be compared.
func put(e *monitor.Evidence, r rrset) {
	for _, rr := range r.rrs {
		switch x := rr.(type) {
		case *dns.A:
			if a, ok := netip.AddrFromSlice(x.A); ok {
				e.Addresses = append(e.Addresses, a.Unmap())
			}
		case *dns.AAAA:
			if a, ok := netip.AddrFromSlice(x.AAAA); ok {
				e.Addresses = append(e.Addresses, a)
			}
		default:
			e.Records = append(e.Records, monitor.Record{
				Name: r.name, Type: monitor.Type(r.kind), Data: rdata(dns.Copy(rr)), TTL: rr.Header().Ttl,
			})
		}
	}
	slices.SortFunc(e.Addresses, netip.Addr.Compare)
	e.Addresses = slices.Compact(e.Addresses)
	slices.SortFunc(e.Records, func(a, b monitor.Record) int { return cmp.Compare(a.Data, b.Data) })
}

// rdata gives the data of a record in presentation form, names that RFC 4034
// §6.2 has in lower case so. It changes rr.
func rdata(rr dns.RR) string {
	switch x := rr.(type) {
	case *dns.CNAME:
		return printable(lower(x.Target))
	case *dns.DNAME:
		return printable(lower(x.Target))
	case *dns.NS:
		return printable(lower(x.Ns))
	case *dns.PTR:
		return printable(lower(x.Ptr))
	case *dns.MX:
		x.Mx = lower(x.Mx)
	case *dns.SRV:
		x.Target = lower(x.Target)
	case *dns.SOA:
		x.Ns, x.Mbox = lower(x.Ns), lower(x.Mbox)
	case *dns.SVCB:
		x.Target = lower(x.Target)
	case *dns.HTTPS:
		x.Target = lower(x.Target)
	case *dns.RFC3597:
		return generic(x.Rdata)
	}
	if text, ok := strings.CutPrefix(rr.String(), rr.Header().String()); ok {
		return printable(text)
	}
	// A record whose text is a comment.
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

// printable escapes what is not printable ASCII, as in RFC 1035 §5.1.
func printable(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if ' ' <= s[i] && s[i] <= '~' {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, `\%03d`, s[i])
		}
	}
	return b.String()
}

// bounded is text for Evidence.Detail.
func bounded(s string) string {
	s = printable(s)
	if len(s) > maxDetail {
		return s[:maxDetail-3] + "..."
	}
	return s
}

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

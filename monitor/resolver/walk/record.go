package walk

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxDetail bounds text of which others wrote a part, in octets.
const maxDetail = 240

// record gives rr in presentation form, as answers of resolvers are given: names
// in lower case where RFC 4034 §6.2 makes them so.
func record(rr dns.RR) monitor.Record {
	h := rr.Header()
	return monitor.Record{Name: lower(h.Name), Type: monitor.Type(h.Rrtype), Data: data(rr), TTL: h.Ttl}
}

func data(rr dns.RR) string {
	if a, ok := address(rr); ok {
		return a.String()
	}
	switch rr := dns.Copy(rr).(type) {
	case *dns.CNAME:
		return lower(rr.Target)
	case *dns.DNAME:
		return lower(rr.Target)
	case *dns.NS:
		return lower(rr.Ns)
	case *dns.PTR:
		return lower(rr.Ptr)
	case *dns.MX:
		rr.Mx = lower(rr.Mx)
		return text(rr)
	case *dns.SRV:
		rr.Target = lower(rr.Target)
		return text(rr)
	case *dns.SOA:
		rr.Ns, rr.Mbox = lower(rr.Ns), lower(rr.Mbox)
		return text(rr)
	case *dns.SVCB:
		rr.Target = lower(rr.Target)
		return text(rr)
	case *dns.HTTPS:
		rr.Target = lower(rr.Target)
		return text(rr)
	case *dns.RFC3597:
		return generic(rr.Rdata)
	}
	return text(rr)
}

// text is the data of a record as miekg/dns writes it, or in the generic form
// where it writes none.
func text(rr dns.RR) string {
	if s, ok := strings.CutPrefix(rr.String(), rr.Header().String()); ok && s != "" {
		return printable(s, -1)
	}
	var raw dns.RFC3597
	if raw.ToRFC3597(rr) != nil {
		return generic("")
	}
	return generic(raw.Rdata)
}

// generic is the form of data that has no other, RFC 3597 §5.
func generic(hexadecimal string) string {
	return strings.TrimSuffix(fmt.Sprintf(`\# %d %s`, len(hexadecimal)/2, hexadecimal), " ")
}

// address gives what an A or AAAA record holds.
func address(rr dns.RR) (netip.Addr, bool) {
	switch rr := rr.(type) {
	case *dns.A:
		a, ok := netip.AddrFromSlice(rr.A)
		return a.Unmap(), ok
	case *dns.AAAA:
		return netip.AddrFromSlice(rr.AAAA)
	}
	return netip.Addr{}, false
}

// lower gives a name of miekg/dns, whose escapes hold no letters, in lower case.
func lower(name string) string { return printable(strings.ToLower(name), -1) }

// printable escapes what is not printable ASCII, and cuts s to n octets, give or
// take an escape; all of it where n is negative.
func printable(s string, n int) string {
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

// insert puts v into a sorted list that has each value once and at most limit
// of them.
func insert[T any](list []T, v T, limit int, order func(a, b T) int) []T {
	i, found := slices.BinarySearchFunc(list, v, order)
	if found || len(list) >= limit {
		return list
	}
	return slices.Insert(list, i, v)
}

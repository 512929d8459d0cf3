package dnssec

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// maxDetail bounds Evidence.Detail, in octets: names alone can have a thousand.
const maxDetail = 400

// put writes what a set of records says into e.
func put(e *monitor.Evidence, r rrset) {
	for _, rr := range r.rrs {
		if a, ok := presentation.Address(rr); ok {
			e.Addresses = append(e.Addresses, a)
			continue
		}
		e.Records = append(e.Records, presentation.Record(rr))
	}
	slices.SortFunc(e.Addresses, netip.Addr.Compare)
	e.Addresses = slices.Compact(e.Addresses)
	slices.SortFunc(e.Records, func(a, b monitor.Record) int { return cmp.Compare(a.Data, b.Data) })
}

// bounded is text for Evidence.Detail.
func bounded(s string) string {
	s = presentation.Text(s, -1)
	if len(s) > maxDetail {
		return s[:maxDetail-3] + "..."
	}
	return s
}

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

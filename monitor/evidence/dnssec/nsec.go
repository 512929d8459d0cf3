package dnssec

import (
	"slices"

	"github.com/miekg/dns"
)

// absentNSEC is absent for NSEC (RFC 4035 §5.4).
func (d *denial) absentNSEC(name string, kind uint16) bool {
	if r := d.matchNSEC(name); r != nil {
		return lacks(r.TypeBitMap, name, kind)
	}
	r := d.coverNSEC(name)
	if r == nil {
		return false
	}
	if under(lower(r.NextDomain), name) {
		return true // it has names below, but no records
	}
	wildcard := child("*", encloserNSEC(name, r))
	if w := d.matchNSEC(wildcard); w != nil {
		return lacks(w.TypeBitMap, wildcard, kind)
	}
	return d.coverNSEC(wildcard) != nil
}

// matchNSEC finds the record of a name.
func (d *denial) matchNSEC(name string) *dns.NSEC {
	for _, r := range d.nsec {
		if r.Hdr.Name == name {
			return r
		}
	}
	return nil
}

// coverNSEC finds the record of the name before one that does not exist. At a
// delegation, or where a DNAME is, it says nothing of names below (RFC 6840
// §4.1, RFC 6672 §5.3.4).
func (d *denial) coverNSEC(name string) *dns.NSEC {
	for _, r := range d.nsec {
		next := lower(r.NextDomain)
		if !under(next, d.zone) || !under(name, d.zone) || order(r.Hdr.Name, name) >= 0 {
			continue
		}
		// The next name of the last one is the zone itself.
		if next != d.zone && order(name, next) >= 0 {
			continue
		}
		if under(name, r.Hdr.Name) && (elsewhere(r.TypeBitMap) || slices.Contains(r.TypeBitMap, dns.TypeDNAME)) {
			continue
		}
		return r
	}
	return nil
}

// encloserNSEC gives the longest existing name that one is under, by the record
// that covers it.
func encloserNSEC(name string, r *dns.NSEC) string {
	a, b := common(name, r.Hdr.Name), common(name, lower(r.NextDomain))
	if dns.CountLabel(a) > dns.CountLabel(b) {
		return a
	}
	return b
}

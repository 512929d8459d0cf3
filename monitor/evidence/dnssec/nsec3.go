package dnssec

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// hash hashes a name as the zone does (RFC 5155 §5).
func (d *denial) hash(name string) (string, error) {
	if !d.s.left.hash() {
		return "", flawed(spent, "%s takes too many hashes to deny a name", d.zone)
	}
	r := d.nsec3[0]
	return dns.HashName(name, r.Hash, r.Iterations, r.Salt), nil
}

// hashOf gives the hash that a record is of.
func hashOf(r *dns.NSEC3) string {
	label, _, _ := strings.Cut(r.Hdr.Name, ".")
	return strings.ToUpper(label)
}

func (d *denial) matchNSEC3(hash string) *dns.NSEC3 {
	for _, r := range d.nsec3 {
		if hashOf(r) == hash {
			return r
		}
	}
	return nil
}

// coverNSEC3 finds the record of the hash before one that does not exist.
func (d *denial) coverNSEC3(hash string) *dns.NSEC3 {
	for _, r := range d.nsec3 {
		own, next := hashOf(r), strings.ToUpper(r.NextDomain)
		// The next hash of the last one is the first.
		if own < hash && hash < next || own >= next && (hash > own || hash < next) {
			return r
		}
	}
	return nil
}

// enclosed is what a zone with hashed names says of where one would be.
type enclosed struct {
	exact    *dns.NSEC3 // of the name itself
	encloser string     // the longest existing name above it
	next     string     // the name just below that, which does not exist
	cover    *dns.NSEC3 // says so; nil where nothing is proven
}

// enclose finds the closest encloser of a name (RFC 5155 §8.3).
func (d *denial) enclose(name string) (e enclosed, err error) {
	if !under(name, d.zone) {
		return e, nil
	}
	below := "" // the hash of the name one label longer
	for n := dns.CountLabel(name); n >= dns.CountLabel(d.zone); n-- {
		at := suffix(name, n)
		hash, err := d.hash(at)
		if err != nil {
			return e, err
		}
		r := d.matchNSEC3(hash)
		if r == nil {
			below = hash
			continue
		}
		if at == name {
			return enclosed{exact: r}, nil
		}
		// What is below a delegation or a DNAME is not for this zone to deny.
		if elsewhere(r.TypeBitMap) || slices.Contains(r.TypeBitMap, dns.TypeDNAME) {
			return e, nil
		}
		return enclosed{encloser: at, next: suffix(name, n+1), cover: d.coverNSEC3(below)}, nil
	}
	return e, nil
}

// absentNSEC3 is absent for NSEC3 (RFC 5155 §8.4 to §8.7).
func (d *denial) absentNSEC3(name string, kind uint16) (v verdict, found bool, err error) {
	e, err := d.enclose(name)
	switch {
	case err != nil:
		return v, false, err
	case e.exact != nil:
		return v, lacks(e.exact.TypeBitMap, name, kind), nil
	case e.cover == nil:
		return v, false, nil
	}
	v = d.optOut(e.cover, e.next)
	wildcard := child("*", e.encloser)
	hash, err := d.hash(wildcard)
	if err != nil {
		return v, false, err
	}
	if w := d.matchNSEC3(hash); w != nil {
		return v, lacks(w.TypeBitMap, wildcard, kind), nil
	}
	return v, d.coverNSEC3(hash) != nil || kind == dns.TypeDS && v.unprotected, nil
}

// optOut says that a name may exist in an unsigned zone after all, where the
// record that covers it leaves such zones out (RFC 5155 §6).
func (d *denial) optOut(r *dns.NSEC3, name string) verdict {
	if r.Flags&1 == 0 {
		return verdict{}
	}
	return verdict{true, "unsigned zones are left out where " + name + " would be in " + d.zone + " (opt-out)"}
}

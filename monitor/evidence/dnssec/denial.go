package dnssec

import (
	"context"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// verdict is what a denial proves.
type verdict struct {
	unprotected bool // by opt-out: an unsigned zone may be there all the same (RFC 5155 §9.2)
	why         string
}

// denial is the verified NSEC or NSEC3 records of one reply, by which its zone
// says what is not in it.
type denial struct {
	s     *session
	zone  string
	nsec  []*dns.NSEC
	nsec3 []*dns.NSEC3 // of one hash, number of iterations and salt
	tag   uint16       // of the key that signed the first of them
	until time.Time
	ends  time.Time // the first of their signatures
}

const (
	// saneIterations is how often NSEC3 may hash before the denial counts as
	// unsigned (RFC 9276 §3.2; 150 is what other validators agreed on).
	saneIterations = 150
	maxIterations  = 500 // no work at all is done for more
)

// denial verifies the denials in the authority section of m. What is made from a
// wildcard is left out: a wildcard's NSEC under another name would deny what is
// there (CVE-2017-15105).
func (s *session) denial(ctx context.Context, z *zone, m *reply) (*denial, error) {
	d := &denial{s: s, zone: z.name}
	var failure error
	for _, kind := range []uint16{dns.TypeNSEC, dns.TypeNSEC3} {
		for _, r := range sets(m.authority, kind) {
			sealed, err := s.verify(ctx, z, r)
			if final(err) {
				return nil, err
			}
			if err != nil || sealed.encloser != "" || len(r.rrs) != 1 {
				failure = worse(failure, err)
				continue
			}
			switch rr := r.rrs[0].(type) {
			case *dns.NSEC:
				d.nsec = append(d.nsec, rr)
			case *dns.NSEC3:
				if !d.takes(rr) {
					continue
				}
				d.nsec3 = append(d.nsec3, rr)
			}
			if until := s.until(sealed); d.until.IsZero() || until.Before(d.until) {
				d.until = until
			}
			if d.ends.IsZero() {
				d.tag = sealed.tag
			}
			if d.ends.IsZero() || sealed.until.Before(d.ends) {
				d.ends = sealed.until
			}
		}
	}
	switch {
	case len(d.nsec)+len(d.nsec3) > 0:
	case failure != nil:
		return nil, failure
	default:
		return nil, flawed(unsigned, stripped+": nothing signed denies what is missing, and %s is signed", z.name)
	}
	if n := d.iterations(); n > maxIterations {
		return nil, flawed(spent, "%s hashes names %d times", z.name, n)
	}
	return d, nil
}

// takes reports whether a record is of use: of a hash and with flags that are
// known (RFC 5155 §8.1, §8.2), of this zone, and made as the others.
func (d *denial) takes(rr *dns.NSEC3) bool {
	const sha1Base32 = 32
	if rr.Hash != dns.SHA1 || rr.Flags&^1 != 0 || len(rr.NextDomain) != sha1Base32 {
		return false
	}
	if len(hashOf(rr)) != sha1Base32 || parent(rr.Hdr.Name) != d.zone {
		return false
	}
	if len(d.nsec3) == 0 {
		return true
	}
	first := d.nsec3[0]
	return first.Iterations == rr.Iterations && first.Salt == rr.Salt
}

func (d *denial) iterations() int {
	if len(d.nsec3) == 0 {
		return 0
	}
	return int(d.nsec3[0].Iterations)
}

// excess says that the zone hashes too often to be believed, where it does.
func (d *denial) excess() (v verdict, ok bool) {
	if n := d.iterations(); n > saneIterations {
		return verdict{true, d.zone + " hashes names " + itoa(uint16(n)) + " times, so that its denials count as unsigned"}, true
	}
	return verdict{}, false
}

// absent holds the denial against the claim that there is no record of a type at
// name: that the name has none, that it does not exist, or that the wildcard in
// its place has none. It does not tell them apart: the response code is not
// signed, and servers exist that give the wrong one for names without records.
func (d *denial) absent(name string, kind uint16) (verdict, error) {
	if v, ok := d.excess(); ok {
		return v, nil
	}
	var (
		v     verdict
		err   error
		found bool
	)
	if len(d.nsec) > 0 {
		found = d.absentNSEC(name, kind)
	}
	if !found && len(d.nsec3) > 0 {
		v, found, err = d.absentNSEC3(name, kind)
	}
	if err == nil && !found {
		err = flawed(wrong, "what %s denies, signed by key %d, is not %s %s", d.zone, d.tag, name, dns.Type(kind))
	}
	return v, err
}

// nothingCloser holds the denial against an answer that was made from the
// wildcard below encloser: nothing nearer to name may exist (RFC 4035 §5.3.4,
// RFC 5155 §8.8), or the answer is one to another question, replayed.
func (d *denial) nothingCloser(name, encloser string) (verdict, error) {
	if v, ok := d.excess(); ok {
		return v, nil
	}
	if r := d.coverNSEC(name); r != nil && encloserNSEC(name, r) == encloser {
		return verdict{}, nil
	}
	if len(d.nsec3) > 0 {
		next := suffix(name, dns.CountLabel(encloser)+1)
		hash, err := d.hash(next)
		if err != nil {
			return verdict{}, err
		}
		if r := d.coverNSEC3(hash); r != nil {
			return d.optOut(r, next), nil
		}
	}
	return verdict{}, flawed(wrong, "a wildcard is replayed: %s does not prove that nothing nearer to %s than *.%s exists", d.zone, name, encloser)
}

// delegation says what the denial of a DS makes of a name below the zone.
func (d *denial) delegation(name string) (nature, string, error) {
	if v, ok := d.excess(); ok {
		return unprotected, v.why, nil
	}
	says := "key " + itoa(d.tag) + " of " + d.zone + " says so until " + stamp(d.ends)
	at := func(types []uint16) (nature, string, error) {
		switch {
		// The record must be the parent's; that of the child has a SOA.
		case slices.Contains(types, dns.TypeDS), slices.Contains(types, dns.TypeSOA):
			return 0, "", flawed(wrong, "what %s denies, signed by key %d, is not the DS of %s", d.zone, d.tag, name)
		case slices.Contains(types, dns.TypeNS):
			return unprotected, says, nil
		}
		return within, "", nil
	}
	if r := d.matchNSEC(name); r != nil {
		return at(r.TypeBitMap)
	}
	if r := d.coverNSEC(name); r != nil {
		if under(lower(r.NextDomain), name) {
			return within, "", nil // without records, but with names below
		}
		return nothing, "", nil
	}
	if len(d.nsec3) > 0 {
		e, err := d.enclose(name)
		switch {
		case err != nil:
			return 0, "", err
		case e.exact != nil:
			return at(e.exact.TypeBitMap)
		case e.cover != nil && e.cover.Flags&1 != 0:
			return unprotected, "it may be without DS (opt-out); " + says, nil
		case e.cover != nil:
			return nothing, "", nil
		}
	}
	return 0, "", flawed(wrong, "what %s denies, signed by key %d, is not the DS of %s", d.zone, d.tag, name)
}

// lacks reports whether a name with records of these types has none of kind. A
// record that is the parent's, at a delegation, speaks for the DS alone, and one
// of the child does not speak for it (RFC 6840 §4.1, §4.4); an alias would have
// had to be followed (§4.3).
func lacks(types []uint16, name string, kind uint16) bool {
	if slices.Contains(types, kind) || slices.Contains(types, dns.TypeCNAME) {
		return false
	}
	if kind == dns.TypeDS {
		return name == "." || !slices.Contains(types, dns.TypeSOA)
	}
	return !elsewhere(types)
}

// elsewhere reports whether a name with these types is where another zone begins.
func elsewhere(types []uint16) bool {
	return slices.Contains(types, dns.TypeNS) && !slices.Contains(types, dns.TypeSOA)
}

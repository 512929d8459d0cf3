package dnssec

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// zone is a signed zone, with the keys that are proven to be its own. It does
// not change once it is made.
type zone struct {
	name  string
	ds    []*dns.DS // by which its keys are known
	keys  []key
	until time.Time
}

// newest gives the zone with the keys that were asked for last.
func (s *session) newest(z *zone) *zone {
	if newer := s.zones[z.name]; newer != nil {
		return newer
	}
	return z
}

// enter gets the keys of a zone by its DS.
func (s *session) enter(ctx context.Context, name string, ds []*dns.DS) (*zone, error) {
	var z *zone
	err := s.each(ctx, name, dns.TypeDNSKEY, func(m *reply) (err error) {
		z, err = s.admit(name, ds, set(m.answer, name, dns.TypeDNSKEY))
		return err
	})
	return z, err
}

// renew asks every source for the keys of z, and gives the zone with all that
// are proven; z as it was where nobody has any. It is done once a proof. The error
// ends that.
func (s *session) renew(ctx context.Context, z *zone) (*zone, error) {
	s.renewed[z.name] = true
	all := &zone{name: z.name, ds: z.ds}
	for _, r := range s.sources() {
		m, err := s.ask(ctx, r, z.name, dns.TypeDNSKEY)
		var one *zone
		if err == nil {
			err = s.sparing(func() (err error) {
				one, err = s.admit(z.name, z.ds, set(m.answer, z.name, dns.TypeDNSKEY))
				return err
			})
		}
		if final(err) {
			return nil, err
		}
		if err != nil {
			continue
		}
		all.keys = slices.CompactFunc(slices.SortedFunc(slices.Values(append(all.keys, one.keys...)), byPublicKey),
			func(a, b key) bool { return byPublicKey(a, b) == 0 })
		if all.until.IsZero() || one.until.Before(all.until) {
			all.until = one.until
		}
	}
	if len(all.keys) == 0 {
		return z, nil
	}
	s.zones[z.name] = all
	s.v.memory.renew(all)
	return all, nil
}

func byPublicKey(a, b key) int {
	if a.Algorithm != b.Algorithm {
		return int(a.Algorithm) - int(b.Algorithm)
	}
	return strings.Compare(a.PublicKey, b.PublicKey)
}

// admit takes a set of keys for those of the zone if one that a DS points to has
// signed it (RFC 4035 §5.2).
func (s *session) admit(name string, ds []*dns.DS, r rrset) (*zone, error) {
	if len(r.rrs) == 0 {
		return nil, flawed(unavailable, "there is no %s, and %s is signed", r, name)
	}
	var known, all []key
	for _, rr := range r.rrs {
		k := rr.(*dns.DNSKEY)
		if k.Flags&dns.ZONE == 0 || k.Flags&dns.REVOKE != 0 || k.Protocol != 3 {
			continue
		}
		one := newKey(k)
		all = append(all, one)
		for _, d := range ds {
			if d.KeyTag != one.tag || d.Algorithm != k.Algorithm {
				continue
			}
			if !s.left.hash() {
				return nil, flawed(spent, "the keys of %s take too many digests", name)
			}
			if made := k.ToDS(d.DigestType); made != nil && strings.EqualFold(made.Digest, d.Digest) {
				known = append(known, one)
				break
			}
		}
	}
	if len(known) == 0 {
		return nil, flawed(wrong, "no key of %s is what its DS (%s) points to", name, tags(ds))
	}
	sealed, err := s.check(name, known, r)
	if err != nil {
		return nil, err
	}
	if sealed.encloser != "" {
		return nil, flawed(wrong, "the keys of %s are made from a wildcard", name)
	}
	return &zone{name: name, ds: ds, keys: all, until: s.until(sealed)}, nil
}

// usableDS gives the records of a DS set by which keys can be known here: with
// an algorithm and a digest that are supported, and not by SHA-1 where there is
// better, so that who can forge that one wins nothing (RFC 4509 §3).
func usableDS(all []*dns.DS) []*dns.DS {
	var strong, weak []*dns.DS
	for _, d := range all {
		if !supported(d.Algorithm) {
			continue
		}
		switch d.DigestType {
		case dns.SHA256, dns.SHA384:
			strong = append(strong, d)
		case dns.SHA1:
			weak = append(weak, d)
		}
	}
	if len(strong) > 0 {
		return strong
	}
	return weak
}

// tags lists the keys that a DS set points to, a few of them.
func tags(ds []*dns.DS) string {
	var all []string
	for _, d := range ds {
		if tag := itoa(d.KeyTag); !slices.Contains(all, tag) && len(all) < 4 {
			all = append(all, tag)
		}
	}
	return strings.Join(all, ", ")
}

// until is how long what a signature covers may be remembered.
func (s *session) until(sealed seal) time.Time {
	until := s.now.Add(min(max(sealed.ttl, minAge), maxAge))
	if sealed.until.Before(until) {
		return sealed.until
	}
	return until
}

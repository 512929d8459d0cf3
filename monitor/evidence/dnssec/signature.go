package dnssec

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// minRSA is the shortest modulus that crypto/rsa verifies with, in octets.
const minRSA = 128

// key is a key of a zone.
type key struct {
	*dns.DNSKEY
	tag    uint16
	usable bool // crypto/rsa takes neither short moduli nor long exponents
}

func newKey(k *dns.DNSKEY) key { return key{k, k.KeyTag(), usable(k)} }

// usable reports whether this program could verify with the key at all.
func usable(k *dns.DNSKEY) bool {
	switch k.Algorithm {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512:
	default:
		return true
	}
	b, err := base64.StdEncoding.DecodeString(k.PublicKey)
	if err != nil || len(b) < 3 {
		return false
	}
	// The exponent is after its length, in one octet or three (RFC 3110 §2).
	exponent, rest := int(b[0]), len(b)-1
	if exponent == 0 {
		exponent, rest = int(b[1])<<8|int(b[2]), len(b)-3
	}
	return exponent <= 4 && rest-exponent >= minRSA
}

// supported reports whether signatures of the algorithm can be verified here.
// Zones with others only are as good as unsigned (RFC 4035 §5.2).
func supported(algorithm uint8) bool {
	switch algorithm {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512,
		dns.ECDSAP256SHA256, dns.ECDSAP384SHA384, dns.ED25519:
		return true
	}
	return false
}

// seal is a signature that verified.
type seal struct {
	tag   uint16
	until time.Time // when the signature ends
	ttl   time.Duration
	// encloser is the parent of the wildcard that the set was made from
	// (RFC 4035 §5.3.4); empty where it stands in the zone as it is.
	encloser string
}

// verify holds a set against the keys of its zone. Where none fits, the keys may
// have been changed since they were remembered, or be an old set out of another
// cache: they are asked for once more, everywhere, before anything is called
// wrong.
func (s *session) verify(ctx context.Context, z *zone, r rrset) (seal, error) {
	z = s.newest(z)
	sealed, err := s.check(z.name, z.keys, r)
	if faultOf(err) != wrong || s.renewed[z.name] {
		return sealed, err
	}
	z, err = s.renew(ctx, z)
	if err != nil {
		return seal{}, err
	}
	return s.check(z.name, z.keys, r)
}

// check looks for a signature over r by one of the keys (RFC 4035 §5.3).
func (s *session) check(zone string, keys []key, r rrset) (seal, error) {
	var late, unable error
	signed, last := false, uint16(0)
	for _, sig := range r.sigs {
		if lower(sig.SignerName) != zone || !under(r.name, zone) {
			continue
		}
		// A wildcard, too, is within the zone.
		if n := int(sig.Labels); n > dns.CountLabel(r.name) || n < dns.CountLabel(zone) {
			continue
		}
		signed, last = true, sig.KeyTag
		for _, k := range keys {
			if k.tag != sig.KeyTag || k.Algorithm != sig.Algorithm {
				continue
			}
			if !k.usable {
				unable = flawed(unavailable, "key %d of %s is of a size that is not supported", k.tag, zone)
				continue
			}
			if !s.left.signature() {
				return seal{}, flawed(spent, "%s takes too many signatures to verify", r)
			}
			if sig.Verify(k.DNSKEY, r.rrs) != nil {
				continue
			}
			from, until := period(sig, s.now)
			if s.now.Before(from) || s.now.After(until) {
				late = flawed(untimely, "the signature over %s by key %d of %s is right, but for %s to %s",
					r, k.tag, zone, stamp(from), stamp(until))
				continue
			}
			return seal{k.tag, until, lifetime(r, sig), expanded(r.name, sig)}, nil
		}
	}
	switch {
	case late != nil:
		return seal{}, late
	case unable != nil:
		return seal{}, unable
	case len(r.sigs) == 0:
		return seal{}, flawed(unsigned, stripped+": %s has none, and %s is signed", r, zone)
	case !signed:
		return seal{}, flawed(wrong, "no signature over %s is of %s", r, zone)
	}
	return seal{}, flawed(wrong, "the signature over %s by key %d of %s does not verify", r, last, zone)
}

// period gives the time that a signature is for. It has seconds modulo 2^32,
// nearest to now (RFC 4034 §3.1.5).
func period(sig *dns.RRSIG, now time.Time) (from, until time.Time) {
	at := func(t uint32) time.Time {
		return time.Unix(now.Unix()+int64(int32(t-uint32(now.Unix()))), 0)
	}
	return at(sig.Inception), at(sig.Expiration)
}

// lifetime is how long a verified set may be kept (RFC 4035 §5.3.3), but for the
// end of its signature.
func lifetime(r rrset, sig *dns.RRSIG) time.Duration {
	ttl := sig.OrigTtl
	for _, rr := range r.rrs {
		ttl = min(ttl, rr.Header().Ttl)
	}
	return time.Duration(ttl) * time.Second
}

// expanded gives the parent of the wildcard that name was made from; empty for a
// name that the signature is for as it is, the wildcard itself included.
func expanded(name string, sig *dns.RRSIG) string {
	own := dns.CountLabel(name)
	if strings.HasPrefix(name, "*.") {
		own--
	}
	if int(sig.Labels) < own {
		return suffix(name, int(sig.Labels))
	}
	return ""
}

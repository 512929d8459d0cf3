package dnssec

import (
	"encoding/base64"
	"encoding/binary"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// signedSet is a set with one signature, as it might have come.
func signedSet(z *testZone, line string) rrset {
	all := z.sign([]dns.RR{rr(line)})
	h := all[0].Header()
	return rrset{name: h.Name, kind: h.Rrtype, rrs: all[:1], sigs: []*dns.RRSIG{all[1].(*dns.RRSIG)}}
}

// TestCheckBorders signs with the right key what is none of its business.
func TestCheckBorders(t *testing.T) {
	t.Parallel()
	z := newZone("rsa.test.", dns.ED25519)
	s := newWorld(t).validator().session(testResolver("honest"))
	check := func(r rrset) fault {
		_, err := s.check(z.name, []key{newKey(z.key)}, r)
		if err == nil {
			return 0
		}
		return faultOf(err)
	}
	if f := check(signedSet(z, "www.rsa.test. 300 IN A 192.0.2.1")); f != 0 {
		t.Errorf("a name within: fault %d", f)
	}
	if f := check(signedSet(z, "www.xrsa.test. 300 IN A 192.0.2.1")); f != wrong {
		t.Errorf("a name outside: fault %d", f)
	}
	// Only its own text says that this is not within.
	if f := check(signedSet(z, "xrsa.test. 300 IN A 192.0.2.1")); f != wrong {
		t.Errorf("a name that ends alike: fault %d", f)
	}
	wild := signedSet(z, "*.test. 300 IN A 192.0.2.1")
	wild.name = "www.rsa.test."
	wild.rrs[0].Header().Name, wild.sigs[0].Hdr.Name = wild.name, wild.name
	if f := check(wild); f != wrong {
		t.Errorf("a wildcard above the zone: fault %d", f)
	}
}

func TestPeriod(t *testing.T) {
	t.Parallel()
	// Seconds are counted modulo 2^32, which is over in 2106.
	late := time.Date(2106, 2, 7, 12, 0, 0, 0, time.UTC)
	from, until := late.Add(-24*time.Hour), late.Add(24*time.Hour)
	sig := &dns.RRSIG{Inception: uint32(from.Unix()), Expiration: uint32(until.Unix())}
	if gotFrom, gotUntil := period(sig, late); !gotFrom.Equal(from) || !gotUntil.Equal(until) {
		t.Errorf("period = %v to %v, want %v to %v", gotFrom, gotUntil, from, until)
	}
}

func TestUsable(t *testing.T) {
	t.Parallel()
	rsa := func(exponent, modulus int) *dns.DNSKEY {
		b := []byte{byte(exponent)}
		if exponent > 255 {
			b = binary.BigEndian.AppendUint16([]byte{0}, uint16(exponent))
		}
		b = append(b, make([]byte, exponent+modulus)...)
		return &dns.DNSKEY{Algorithm: dns.RSASHA256, PublicKey: base64.StdEncoding.EncodeToString(b)}
	}
	for _, tt := range []struct {
		name string
		key  *dns.DNSKEY
		want bool
	}{
		{"1,024 bits", rsa(3, 128), true},
		{"2,048 bits", rsa(3, 256), true},
		{"512 bits", rsa(3, 64), false},
		{"a long exponent", rsa(5, 256), false},
		{"a longer one", rsa(300, 256), false},
		{"nothing", &dns.DNSKEY{Algorithm: dns.RSASHA256}, false},
		{"another algorithm", &dns.DNSKEY{Algorithm: dns.ED25519}, true},
	} {
		if got := usable(tt.key); got != tt.want {
			t.Errorf("%s: usable = %t", tt.name, got)
		}
	}
}

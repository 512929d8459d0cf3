package dnssec

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestTakes leaves out hashed denials that are of no use.
func TestTakes(t *testing.T) {
	t.Parallel()
	const hash = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"
	line := func(owner, parameters, next string) string {
		return owner + " 300 IN NSEC3 " + parameters + " " + next + " A"
	}
	for _, tt := range []struct {
		name string
		line string
		want bool
	}{
		{"right", line(hash+".test.", "1 0 0 ab", strings.ToUpper(hash)), true},
		{"opt-out", line(hash+".test.", "1 1 0 ab", hash), true},
		{"an unknown flag", line(hash+".test.", "1 2 0 ab", hash), false},
		{"an unknown hash", line(hash+".test.", "2 0 0 ab", hash), false},
		{"more iterations", line(hash+".test.", "1 0 1 ab", hash), false},
		{"another salt", line(hash+".test.", "1 0 0 cd", hash), false},
		{"another zone", line(hash+".other.", "1 0 0 ab", hash), false},
		{"deeper in the zone", line(hash+".x.test.", "1 0 0 ab", hash), false},
		{"a short owner", line("0p9m.test.", "1 0 0 ab", hash), false},
		{"a short end", line(hash+".test.", "1 0 0 ab", "0p9mhave"), false},
	} {
		d := &denial{zone: "test.", nsec3: []*dns.NSEC3{rr(line(hash+".test.", "1 0 0 ab", hash)).(*dns.NSEC3)}}
		if got := d.takes(rr(tt.line).(*dns.NSEC3)); got != tt.want {
			t.Errorf("%s: takes = %t", tt.name, got)
		}
	}
}

// TestDelegation reads records that the zone may have at a name.
func TestDelegation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		types string
		want  nature // 0 is an error
	}{
		{"NS RRSIG NSEC", unprotected},
		{"A RRSIG NSEC", within},
		{"CNAME RRSIG NSEC", within},
		{"NS DS RRSIG NSEC", 0},
		{"NS SOA RRSIG NSEC", 0}, // the child's own
		{"DS RRSIG NSEC", 0},
	} {
		d := &denial{zone: "test.", nsec: []*dns.NSEC{rr("a.test. 300 IN NSEC z.test. " + tt.types).(*dns.NSEC)}}
		got, _, err := d.delegation("a.test.")
		if got != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("%s: nature %d, %v, want %d", tt.types, got, err, tt.want)
		}
		if got, _, err := d.delegation("b.test."); got != nothing || err != nil {
			t.Errorf("a name between: nature %d, %v", got, err)
		}
		if _, _, err := d.delegation("zz.test."); err == nil {
			t.Error("a name behind is denied")
		}
	}
}

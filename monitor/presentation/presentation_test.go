package presentation

import (
	"testing"

	"github.com/miekg/dns"
)

func TestText(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"plain", -1, "plain"},
		{"plain", 3, "pla"},
		{"a\x1bb\xff", -1, `a\027b\255`},
		{"\x1b\x1b\x1b", 5, `\027\027`},
	} {
		if got := Text(tt.in, tt.n); got != tt.want {
			t.Errorf("Text(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

// The data of equal records are equal, whatever case their names came in, and
// writing them changes nothing of them.
func TestData(t *testing.T) {
	for record, want := range map[string]string{
		"x. 60 IN A 192.0.2.1":                             "192.0.2.1",
		"x. 60 IN AAAA ::ffff:192.0.2.1":                   "::ffff:192.0.2.1",
		"x. 60 IN CNAME Edge.Example.":                     "edge.example.",
		"x. 60 IN DNAME Edge.Example.":                     "edge.example.",
		"x. 60 IN NS NS1.Example.":                         "ns1.example.",
		"x. 60 IN PTR Host.Example.":                       "host.example.",
		"x. 60 IN MX 10 Mail.Example.":                     "10 mail.example.",
		"x. 60 IN SRV 0 5 443 Api.Example.":                "0 5 443 api.example.",
		"x. 60 IN SOA NS.Example. Host.Example. 1 2 3 4 5": "ns.example. host.example. 1 2 3 4 5",
		`x. 60 IN HTTPS 1 Edge.Example. alpn="h2"`:         `1 edge.example. alpn="h2"`,
		`x. 60 IN TXT "Case Stays"`:                        `"Case Stays"`,
		`x. 60 IN TYPE65400 \# 2 abcd`:                     `\# 2 abcd`,
		`x. 60 IN NULL \# 1 1b`:                            `\# 1 1b`,
	} {
		rr, err := dns.NewRR(record)
		if err != nil {
			t.Fatal(err)
		}
		wire := make([]byte, 512)
		n, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if rr, _, err = dns.UnpackRR(wire[:n], 0); err != nil {
			t.Fatal(err)
		}
		before := rr.String()
		if got := Data(rr); got != want {
			t.Errorf("%s: %q, want %q", record, got, want)
		}
		if rr.String() != before {
			t.Errorf("%s is %s afterwards", before, rr)
		}
	}
	if got := Data(&dns.MX{Hdr: dns.RR_Header{Rrtype: dns.TypeMX}}); got != `\# 0` {
		t.Errorf("a record without data: %q", got)
	}
}

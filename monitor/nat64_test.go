package monitor_test

import (
	"net/netip"
	"testing"

	"github.com/dnstaster/dnstaster/monitor"
)

// The examples of RFC 6052 §2.4, with an address of ipv4only.arpa.
func TestNAT64Prefix(t *testing.T) {
	for answer, want := range map[string]string{
		"2001:db8:c000:aa::":            "2001:db8::/32",
		"2001:db8:1c0:0:aa::":           "2001:db8:100::/40",
		"2001:db8:122:c000:0:aa00::":    "2001:db8:122::/48",
		"2001:db8:122:3c0:0:aa::":       "2001:db8:122:300::/56",
		"2001:db8:122:344:c0:0:aa00:0":  "2001:db8:122:344::/64",
		"2001:db8:122:344::192.0.0.170": "2001:db8:122:344::/96",
		"64:ff9b::c000:ab":              "64:ff9b::/96",
		"64:ff9b::c000:ac":              "",
		"2001:db8::1":                   "",
	} {
		p, ok := monitor.NAT64Prefix(netip.MustParseAddr(answer))
		if got := p.String(); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s, %t; want %q", answer, got, ok, want)
		}
	}
}

package monitor

import (
	"fmt"
	"strings"
)

// sign is one way in which two packets that claim to come from the same server
// differ, and packets of one server do not.
type sign struct {
	rule   string
	weight int
	fact   string
}

// hopSlack is how far the hop limits of packets of one server may differ (Duan
// et al., Hold-On, SATIN 2012: one).
const hopSlack = 1

// compare lists the signs in which two responses to the same query differ.
func compare(a, b Observation, queries []Packet) []sign {
	p, q := a.Packet, b.Packet
	if p == nil || q == nil {
		return nil
	}
	var ss []sign
	if d := int(p.HopLimit) - int(q.HopLimit); p.HopLimit != 0 && q.HopLimit != 0 && (d > hopSlack || -d > hopSlack) {
		ss = append(ss, sign{"resp.ip_ttl", strong, fmt.Sprintf("they came over different numbers of hops: IP TTL %d and %d", p.HopLimit, q.HopLimit)})
	}
	if p.MAC != "" && q.MAC != "" && p.MAC != q.MAC && p.Iface == q.Iface {
		ss = append(ss, sign{"l2.source_changed", strong, fmt.Sprintf("they came from different machines on this network: %s and %s", p.MAC, q.MAC)})
	}
	if odd := headers(a, b, queries); len(odd) > 0 {
		w := medium
		if len(odd) > 1 {
			w = strong
		}
		ss = append(ss, sign{"resp.header_profile", w, "their headers differ: " + strings.Join(odd, ", ")})
	}
	if p.Broken != q.Broken {
		what := p.Broken
		if what == "" {
			what = q.Broken
		}
		ss = append(ss, sign{"resp.malformed", strong, "one of them is malformed: it holds " + what})
	}
	return ss
}

// headers lists header fields in which two responses differ that one server
// fills in alike. AA is not among them: forwarders set it on a miss and not on
// a hit.
func headers(a, b Observation, queries []Packet) []string {
	var odd []string
	for _, f := range []string{"RD", "RA"} {
		if a.Has(f) != b.Has(f) {
			odd = append(odd, f)
		}
	}
	edns := false
	for _, q := range queries {
		edns = edns || q.EDNS
	}
	if a.Packet.EDNS != b.Packet.EDNS && (edns || len(queries) == 0) {
		odd = append(odd, "OPT")
	}
	return odd
}

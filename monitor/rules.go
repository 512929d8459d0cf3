package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Finding is one sign of poisoning that a rule sees in a case, held against
// one voice.
type Finding struct {
	Rule     string
	Weight   int    // decibans
	Local    bool   // held against this host's own path
	Group    string // whose answer it is, where not the host's path
	Resolver string
	Address  netip.Addr
	Fact     string
	Pending  bool // it must be seen again before it counts in full
	Lock     bool // a lock is broken
}

// Weights, in decibans: 10·log10 of how much likelier the sign is under attack
// than without. They are ranks rather than measurements: they order cases and
// open them, and never confirm one by themselves.
const (
	proof  = 60
	strong = 30
	medium = 15
	weak   = 5
	// pending is for a proof seen once: enough to be suspected.
	pending = 20
)

// Families of rules. Signs of one family are not independent: see score.
const (
	divergence = 'A'
	signatures = 'B'
	ttl        = 'C'
	packets    = 'D'
	integrity  = 'E' // of the path
	host       = 'F'
	authority  = 'G'
)

// familyCaps bounds what one family can contribute.
var familyCaps = map[byte]int{divergence: 75, signatures: 60, ttl: 30, packets: 75, integrity: 60, host: 60, authority: 60}

// rule is one sign of poisoning. Its check is a pure function of the case.
type rule struct {
	id     string
	family byte
	check  func(*view) []Finding
}

var rules = []rule{
	{"div.addr_unknown", divergence, addrUnknown},
	{"id.tls_mismatch", divergence, tlsMismatch},
	{"pin.violation", divergence, pinViolation},
	{"div.minority_group", divergence, minorityGroup},
	{"div.transport_split", divergence, transportSplit},
	{"div.plain_path_uniform", divergence, plainPathUniform},
	{"div.special_purpose", divergence, specialPurpose},
	{"div.denial", divergence, divDenial},
	{"div.cname_foreign", divergence, cnameForeign},
	{"div.rrtype_incoherent", divergence, rrtypeIncoherent},
	{"div.shared_sink", divergence, sharedSink},
	{"div.sni_relay", divergence, sniRelay},
	{"walk.contradiction", divergence, walkContradiction},
	{"dnssec.bogus_here", signatures, bogusHere},
	{"dnssec.stripped", signatures, dnssecStripped},
	{"dnssec.ad_lost", signatures, adLost},
	{"dnssec.zone_bogus", signatures, zoneBogus},
	{"ttl.over_envelope", ttl, ttlOverEnvelope},
	{"ttl.over_cap", ttl, ttlOverCap},
	{"ttl.mixed_in_rrset", ttl, ttlMixed},
	{"ttl.no_countdown", ttl, noCountdown},
	{"ttl.early_replace", ttl, earlyReplace},
	{"ttl.backdated", ttl, backdated},
	{"ttl.ghost", ttl, ghost},
	{"ttl.tool_constant", ttl, signs("ttl.tool_constant")},
	{"dup.conflict", packets, dupConflict},
	{"resp.unsolicited", packets, unsolicited},
	{"resp.txid_storm", packets, txidStorm},
	{"resp.port_sweep", packets, portSweep},
	{"resp.question_mismatch", packets, questionMismatch},
	{"resp.extraneous", packets, signs("resp.extraneous")},
	{"resp.ip_ttl", packets, signs("resp.ip_ttl")},
	{"resp.too_fast", packets, signs("resp.too_fast")},
	{"resp.header_profile", packets, signs("resp.header_profile")},
	{"l2.source_changed", packets, signs("l2.source_changed")},
	{"resp.malformed", packets, signs("resp.malformed")},
	{"frag.dns", packets, fragDNS},
	{"tcp.without_tc", packets, tcpWithoutTC},
	{"kaminsky.burst", packets, kaminskyBurst},
	{"resp.lo_nonlocal", packets, loNonlocal},
	{"probe.no_wire", packets, noWire},
	{"path.dead_resolver_answers", integrity, deadResolver},
	{"path.ttl_limited", integrity, ttlLimited},
	{"path.identity", integrity, pathIdentity},
	{"nx.rewrite", integrity, nxRewrite},
	{"path.encrypted_mitm", integrity, encryptedMITM},
	{"host.hosts_file", host, hostsFile},
	{"host.getaddrinfo", host, hostLookup},
	{"host.nss", host, hostModules},
	{"host.resolv_conf", host, hostServers},
	{"host.dhcp_dns", host, hostLease},
	{"lan.control", host, lanControl},
	{"auth.ns_split", authority, nsSplit},
	{"name.moved", authority, changeMoved},
	{"deleg.ns_changed", authority, nsChanged},
	{"deleg.glue", authority, glueMoved},
	{"deleg.ds", authority, dsChanged},
	{"deleg.parent_child", authority, parentChild},
	{"cert.fresh_unexpected", authority, certFresh},
}

// Rules lists the rules by id.
func Rules() []string {
	var ids []string
	for _, r := range rules {
		ids = append(ids, r.id)
	}
	return ids
}

// IsRule reports whether there is a rule with the id.
func IsRule(id string) bool { return family(id) != 0 }

func family(id string) byte {
	for _, r := range rules {
		if r.id == id {
			return r.family
		}
	}
	return 0
}

// find runs every rule that is not switched off.
func (v *view) find() []Finding {
	var fs []Finding
	for _, r := range rules {
		if !v.on(r.id) || v.expects(r.id) {
			continue
		}
		for _, f := range r.check(v) {
			f.Rule = r.id
			fs = append(fs, f)
		}
	}
	return fs
}

// accused gives a finding against whoever gave o.
func accused(o *answer) Finding {
	return Finding{Local: o.Role == Local, Group: o.Group(), Resolver: o.Label()}
}

// subjects are the answers that are judged: the latest of each resolver of this
// host and of every other, but for plain ones whose operator is heard over TLS
// as well: those tell of the path, see pairs. An endpoint that was suspicious in
// most of its last answers, or in any of them with an address whose certificate
// was wrong, is still judged by the latest such one: a pool of caches may hold
// one that is poisoned.
func (v *view) subjects() []*answer {
	heard := map[string]bool{}
	for _, o := range v.latest {
		heard[o.Operator] = heard[o.Operator] || o.Witness()
	}
	var os []*answer
	for _, o := range v.choose(func(o *answer) bool { return o.Role != Reference || !plain(o) || !heard[o.Operator] }) {
		if v.stands(o) == silent {
			continue
		}
		if v.stands(o) != suspicious {
			if bad := v.dissents(o); len(bad) >= minorityHits || slices.ContainsFunc(bad, v.disproven) {
				o = bad[len(bad)-1]
			} else if bad := v.wavering(o); bad != nil {
				o = bad
			}
		}
		os = append(os, o)
	}
	return os
}

// answersOf gives the last answers of an endpoint, oldest first, errors left out.
func (v *view) answersOf(endpoint string, n int) []*answer {
	var os []*answer
	for _, o := range slices.Backward(v.all) {
		if len(os) == n {
			break
		}
		if o.Endpoint() == endpoint && o.canon.Content != None {
			os = append(os, o)
		}
	}
	slices.Reverse(os)
	return os
}

// dissents gives those of the endpoint's last answers that are suspicious.
func (v *view) dissents(o *answer) []*answer {
	return slices.DeleteFunc(v.answersOf(o.Endpoint(), minorityHits+1), func(o *answer) bool { return v.stands(o) != suspicious })
}

// poolAnswers is how many answers of an endpoint that wavers are looked at: of
// four caches with one that lies, so many are all good in 3 of 100 times.
const poolAnswers = 12

// wavering gives the latest false answer of an endpoint that gave false and good
// ones by turns in this case: one cache of a pool is poisoned (detection §8.5).
func (v *view) wavering(o *answer) (last *answer) {
	wavers := false
	as := v.answersOf(o.Endpoint(), len(v.all))
	for i, p := range as {
		if v.stands(p) != suspicious || !v.disproven(p) {
			continue
		}
		wavers = wavers || last != nil && v.stands(as[i-1]) == good
		last = p
	}
	if !wavers || !slices.Contains(as[max(0, len(as)-poolAnswers):], last) {
		return nil
	}
	return last
}

// disproven reports whether o holds an address that showed a wrong certificate
// while a control was right, that is proven to be somebody else's, or that no
// public name leads to: to give such a one and a right one by turns is what
// rebinding is.
func (v *view) disproven(o *answer) bool {
	return slices.ContainsFunc(o.addrs, func(a netip.Addr) bool {
		c, _ := v.class(a)
		return c == ProvenBad || v.doubted(a) || c == Special && !sink(a) && v.public() && v.special()
	})
}

// show gives the addresses of o, or its code, in a few words.
func show(o *answer) string {
	as := o.addrs
	if len(as) == 0 {
		return o.Rcode
	}
	s := as[0].String()
	if len(as) > 1 {
		s += fmt.Sprintf(" and %d more", len(as)-1)
	}
	return s
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func round(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

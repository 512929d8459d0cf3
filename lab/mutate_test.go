//go:build lab

package lab

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dnstaster/dnstaster/lab/score"
	"github.com/dnstaster/dnstaster/monitor"
)

// mutationsText is what came of switching off each rule and each clearing test.
const mutationsText = "MUTATIONS.md"

// mutations names, for each rule and each clearing test, a case that passes with it
// and is red without it.
var mutations = map[string]string{
	"div.addr_unknown":           "A20",
	"id.tls_mismatch":            "A20",
	"pin.violation":              "C23",
	"div.minority_group":         "A40",
	"div.transport_split":        "A10",
	"div.plain_path_uniform":     "A09",
	"div.special_purpose":        "C03",
	"ttl.over_envelope":          "C23",
	"ttl.no_countdown":           "C57",
	"ttl.early_replace":          "A22",
	"ttl.backdated":              "A22",
	"ttl.ghost":                  "A36b",
	"div.denial":                 "A25b",
	"div.cname_foreign":          "C71",
	"div.rrtype_incoherent":      "C71",
	"ttl.mixed_in_rrset":         "C71",
	"ttl.over_cap":               "C71",
	"div.shared_sink":            "C54",
	"div.sni_relay":              "A35",
	"walk.contradiction":         "A20",
	"dnssec.bogus_here":          "A25",
	"dnssec.stripped":            "A24b",
	"dnssec.ad_lost":             "C82",
	"dnssec.zone_bogus":          "B39",
	"path.dead_resolver_answers": "A11",
	"path.ttl_limited":           "A06",
	"path.identity":              "A12b",
	"nx.rewrite":                 "C56",
	"path.encrypted_mitm":        "A13",
	"host.hosts_file":            "A15",
	"host.getaddrinfo":           "A15",
	"host.resolv_conf":           "A16",
	"host.dhcp_dns":              "A17",
	"lan.control":                "A17",
	"auth.ns_split":              "A34",
	"deleg.ns_changed":           "A33",
	"name.moved":                 "B21",
	"deleg.glue":                 "C80",
	"deleg.ds":                   "A33",
	"deleg.parent_child":         "C81",
	"cert.fresh_unexpected":      "A33",
	"dup.conflict":               "A05",
	"resp.ip_ttl":                "A07",
	"l2.source_changed":          "A03",
	"resp.header_profile":        "A07",
	"resp.malformed":             "A08",
	"resp.unsolicited":           "A27",
	"resp.txid_storm":            "A27",
	"resp.port_sweep":            "A28",
	"resp.question_mismatch":     "C73",
	"resp.extraneous":            "A30",
	"resp.too_fast":              "C73",
	"frag.dns":                   "A29",
	"tcp.without_tc":             "C72",
	"kaminsky.burst":             "C72",
	"ttl.tool_constant":          "A03",
	"resp.lo_nonlocal":           "C91",
	"probe.no_wire":              "C90",

	"clear.addresses":       "C20",
	"clear.private":         "C21",
	"clear.pin":             "C22",
	"clear.certificate":     "C02",
	"clear.key_known":       "C24",
	"clear.certificate_age": "C25",
	"clear.key_shared":      "C26",
	"clear.verified":        "B49",
	"clear.signed":          "C51",
	"clear.authority":       "C55",
	"clear.nat64":           "B09",
	"clear.denial_zone":     "C52",
	"clear.records_zone":    "C53",
	"clear.captive":         "B24",
	"clear.tls_inspected":   "B42b",
	"clear.clock":           "C68",
	"clear.transition":      "C66",
	"clear.history":         "C31",
	"clear.witnesses":       "C27",
	"clear.kin":             "C43",
	"clear.denial":          "C32",
	"clear.denial_known":    "C31",
	"clear.records":         "C32",
	"clear.records_known":   "C31",
	"clear.other_type":      "C33",
	"vote.plain_path":       "A09",
	"vote.egress":           "C63",
	"vote.filtering":        "C42",
	"clear.filtering":       "C36",
	"clear.rpz":             "C64",
	"clear.control":         "C29",
	"clear.transient":       "C49",
	"clear.learning":        "C50",
	"clear.lag":             "C45",
	"clear.company":         "C44",
	"clear.maintenance":     "C62",
	"clear.never_public":    "C39",
	"clear.ttl_good":        "C69",
	"clear.ttl_history":     "C46",
	"clear.ttl_floor":       "C58",
	"clear.ttl_stale":       "C59",
	"clear.ttl_flush":       "C60",
	"clear.both_good":       "B49",
	"clear.near":            "C38",
	"clear.surplus":         "C47",
	"clear.degraded":        "C48",
}

// TestMutations switches them off, one at a time: the case must turn red. One
// that no case misses is of no use, or lacks its case.
func TestMutations(t *testing.T) {
	if !*mutate {
		return
	}
	k, err := openKeeper()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var list []score.Mutation
	all := slices.Concat(monitor.Rules(), monitor.Clearings())
	t.Cleanup(func() {
		if len(list) < len(all) {
			t.Logf("%d of %d were switched off, so %s stays", len(list), len(all), mutationsText)
			return
		}
		slices.SortFunc(list, func(a, b score.Mutation) int { return slices.Index(all, a.Off) - slices.Index(all, b.Off) })
		if err := score.Write(mutationsText, score.Mutations(list)); err != nil {
			t.Error(err)
		}
	})
	for i, off := range all {
		t.Run(off, func(t *testing.T) {
			t.Parallel()
			m := score.Mutation{Off: off, Case: mutations[off]}
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				list = append(list, m)
			}()
			at := slices.IndexFunc(cases, func(c Case) bool { return c.ID == m.Case })
			if at < 0 {
				t.Errorf("no case misses %s", off)
				return
			}
			key := "off-" + off
			if ok, err := k.dir.Load(key, k.mark+m.Case, &m); err != nil || !ok || *again {
				c := cases[at]
				c.Off = append(slices.Clip(c.Off), off)
				r := &Run{Case: &c}
				if err := r.execute(t, fmt.Sprintf("m%d", i)); err != nil {
					t.Fatalf("the lab itself failed: %v", err)
				}
				m.Red, m.Got = len(r.faults) > 0, strings.Join(r.faults, "; ")
				if err := k.dir.Save(key, k.mark+m.Case, m); err != nil {
					t.Error(err)
				}
			}
			var plain score.Result
			if ok, err := k.dir.Load(m.Case, k.mark, &plain); err != nil || !ok || !plain.Pass {
				m.Red, m.Got = false, "it is not known to pass at all"
			}
			if !m.Red {
				t.Errorf("%s does not miss %s: %s", m.Case, off, m.Got)
			}
		})
	}
}

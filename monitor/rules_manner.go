package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// leastRTT is how long a server takes at least for its haste to tell anything: in a
// local network all answers come at once.
const leastRTT = Milliseconds(4 * time.Millisecond)

// deviations lists the signs in which a response deviates from what was known of its
// server, or is like what tools of attackers make. A server changes too, and the way
// to it: so they only lend weight to what else speaks against the answer.
func (v *view) deviations(s Sample, o Observation) []sign {
	p := o.Packet
	if p == nil {
		return nil
	}
	k := o.Manner
	if k == nil {
		k = &Manner{}
	}
	var ss []sign
	// Duan et al., Hold-On, SATIN 2012.
	if len(k.HopLimits) > 0 && p.HopLimit != 0 && !slices.ContainsFunc(k.HopLimits, func(h int) bool { return max(h-int(p.HopLimit), int(p.HopLimit)-h) <= hopSlack }) {
		ss = append(ss, sign{"resp.ip_ttl", medium, fmt.Sprintf("an answer came with IP TTL %d, and those of %s come with %s", p.HopLimit, o.Server, numbers(k.HopLimits))})
	}
	// Where the query was sent again it is not known which one is answered.
	if k.RTT >= leastRTT && o.RTT > 0 && 2*o.RTT < k.RTT && len(s.Queries) == 1 {
		ss = append(ss, sign{"resp.too_fast", medium, fmt.Sprintf("an answer came after %s, and %s never answers within %s", span(o.RTT), o.Server, span(k.RTT))})
	}
	if odd, cased := k.breaches(s, o); len(odd) > 0 {
		w := medium
		if len(odd) > 1 {
			w = strong
		}
		ss = append(ss, sign{"resp.header_profile", w, fmt.Sprintf("an answer is not as those of %s are: %s", o.Server, strings.Join(odd, ", "))})
	} else if cased {
		ss = append(ss, sign{"resp.question_mismatch", medium, fmt.Sprintf("an answer has the name in other letters than the query, and those of %s have the same", o.Server)})
	}
	if len(k.MACs) > 0 && p.MAC != "" && !slices.Contains(k.MACs, p.MAC) && !shared(p.MAC) {
		ss = append(ss, sign{"l2.source_changed", medium, fmt.Sprintf("an answer came from %s on this network, and those of %s come from %s", p.MAC, o.Server, strings.Join(k.MACs, ", "))})
	}
	if p.Broken != "" {
		ss = append(ss, sign{"resp.malformed", medium, "an answer is malformed: it holds " + p.Broken})
	}
	if tool := toolOf(o); tool != "" {
		ss = append(ss, sign{"ttl.tool_constant", medium, "an answer looks as " + tool + " makes them"})
	}
	if fact, w := v.beside(o); w > 0 {
		ss = append(ss, sign{"resp.extraneous", w, fact})
	}
	return ss
}

// breaches lists the traits in which a response is not as the server's are, and says
// whether it is so with the case of the name.
func (k *Manner) breaches(s Sample, o Observation) (odd []string, cased bool) {
	var asked Traits
	for _, q := range s.Queries {
		asked |= q.Traits
	}
	telling, has := Telling(asked, len(o.Records) > 0), o.Packet.Traits
	lacks, bears := telling&k.Always&^has, telling&k.Never&has
	cased = lacks&TraitCase != 0
	// Who grants more than the server ever did may be a newer server; but what never
	// says AD does not validate, and tools copy the bit from the query.
	for _, t := range (lacks &^ (TraitCase | TraitAD)).Words() {
		odd = append(odd, "no "+t)
	}
	if bears&TraitAD != 0 {
		odd = append(odd, "AD")
	}
	return odd, cased
}

// shared reports whether a MAC is one that routers hand to each other: VRRP's (RFC
// 9568 §7.3), or HSRP's (RFC 2281 §3).
func shared(mac string) bool {
	for _, prefix := range []string{"00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f"} {
		if strings.HasPrefix(mac, prefix) {
			return true
		}
	}
	return false
}

// toolOf names the tool whose answers o looks like, by what is constant in them:
// measured of dsniff 2.4 and bettercap 2.32. The first is also what rules 1:253 and
// 1:254 of Snort look for, and looks like much that is genuine.
func toolOf(o Observation) string {
	if o.Packet.EDNS || len(o.Records) != 1 || len(o.Beside) > 0 || o.Rcode != "NOERROR" || o.Packet.Traits == 0 && len(o.Flags) > 0 {
		return ""
	}
	pointer := o.Packet.Traits&TraitPointer != 0
	switch r := o.Records[0]; {
	case r.TTL == 60 && pointer && o.Has("RA") && !o.Has("AA"):
		return "dnsspoof"
	case r.TTL == 1024 && !pointer && !o.Has("RD") && !o.Has("RA"):
		return "bettercap"
	}
	return ""
}

// beside says which records of a response have no business in it: answers to another
// question (CVE-2025-40778), name servers of a zone that the name is not in, or others
// than the zone has (CVE-2025-11411), and addresses that nothing in it leads to.
func (v *view) beside(o Observation) (fact string, weight int) {
	c := o.Canon(v.Question)
	if c.Content == None || len(o.Records) == 0 {
		return "", 0
	}
	owners := map[string]bool{v.Question.Name: true, c.Tail: true, "": true}
	for _, r := range o.Records {
		if r.Type == TypeCNAME || r.Type == TypeDNAME {
			owners[strings.ToLower(r.Name)], owners[strings.ToLower(r.Data)] = true, true
		}
	}
	targets := map[string]bool{}
	for _, r := range o.Beside {
		if r.Type == TypeNS {
			targets[strings.ToLower(r.Data)] = true
		}
	}
	for _, r := range o.Records {
		if name := strings.ToLower(r.Name); !owners[name] && (r.Type.Address() || r.Type == TypeNS) {
			return fmt.Sprintf("an answer holds records of %s, which nobody asked for", r.Name), medium
		}
		// The last word of MX, SRV and SVCB is a name.
		targets[strings.ToLower(r.Data[strings.LastIndexByte(r.Data, ' ')+1:])] = true
	}
	for _, r := range o.Beside {
		name := strings.ToLower(r.Name)
		switch {
		case r.Type == TypeNS && !Under(v.Question.Name, name) && !Under(c.Tail, name):
			return fmt.Sprintf("an answer brings name servers of %s, which the name is not in", r.Name), medium
		case r.Type == TypeNS && v.usurps(name, strings.ToLower(r.Data)):
			return fmt.Sprintf("an answer brings %s as name server of %s, which it never was", r.Data, r.Name), strong
		case r.Type.Address() && !targets[name] && !owners[name]:
			return fmt.Sprintf("an answer brings addresses of %s, to which nothing in it leads", r.Name), medium
		}
	}
	return "", 0
}

// usurps reports whether a zone is known to be delegated to others than a name server.
func (v *view) usurps(zone, server string) bool {
	if v.Base == nil || len(v.Base.Zones) == 0 {
		return false
	}
	last := slices.MaxFunc(v.Base.Zones, func(x, y Delegation) int { return x.Last.Compare(y.Last) })
	return last.Zone == zone && len(last.Nameservers) > 0 && !slices.Contains(last.Nameservers, server)
}

// signs gives the findings of one rule about packets: those in which contradicting
// answers differ, and those by which an answer that is not known to be right
// deviates from what was known of its server.
func signs(rule string) func(*view) []Finding {
	return func(v *view) []Finding {
		var best Finding
		take := func(o Observation, ss []sign) {
			for _, s := range ss {
				if s.rule == rule && s.weight > best.Weight {
					best = Finding{Local: true, Group: "path", Resolver: o.Label(), Weight: s.weight, Fact: s.fact}
				}
			}
		}
		for _, c := range slices.Backward(v.heard()) {
			take(c.first, c.signs)
		}
		for _, s := range slices.Backward(v.wire) {
			for _, o := range s.Answers {
				if w := v.stands(v.answer(o, s.At)); w != good && w != silent {
					take(o, v.deviations(s, o))
				}
			}
		}
		if best.Weight == 0 {
			return nil
		}
		return []Finding{best}
	}
}

// numbers lists a few numbers.
func numbers(ns []int) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(ns)), " or "), "[]")
}

// span gives a round trip for people.
func span(m Milliseconds) string { return time.Duration(m).Round(100 * time.Microsecond).String() }

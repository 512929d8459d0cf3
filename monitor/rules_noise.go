package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// assaults are rules that see somebody at work though no false answer was heard: by
// what they find in full an attempt is known, whatever the score.
var assaults = []string{"resp.txid_storm", "resp.port_sweep", "frag.dns"}

// lately gives the overheard samples of which what came beside them still counts: while
// it goes on, there will be others.
func (v *view) lately() []Sample {
	return slices.DeleteFunc(slices.Clone(v.wire), func(s Sample) bool { return v.at.Sub(s.At) > noiseFor*v.Policy.Timing.Recheck })
}

// noiseFor is for how many rechecks what came beside a sample counts.
const noiseFor = 1

// noises gives one finding of a rule about what else came with overheard samples: the
// heaviest, and of those the latest.
func (v *view) noises(look func(Sample, *Noise) (weight int, fact string)) []Finding {
	var best Finding
	for _, s := range slices.Backward(v.lately()) {
		n := s.Noise
		if n == nil {
			n = &Noise{}
		}
		if w, fact := look(s, n); w > best.Weight {
			best = Finding{Local: true, Group: "path", Resolver: s.Answers[0].Label(), Weight: w, Fact: fact}
		}
	}
	if best.Weight == 0 {
		return nil
	}
	return []Finding{best}
}

// of names the server of an overheard sample.
func of(s Sample) string { return s.Answers[0].Server.String() }

// unsolicited (resp.unsolicited, D2): responses that nobody asked for. Late answers,
// and queries that were not seen, look alike.
func unsolicited(v *view) []Finding {
	return v.noises(func(s Sample, n *Noise) (int, string) {
		if n.Unsolicited < unsolicitedMany {
			return 0, ""
		}
		return weak, fmt.Sprintf("%d responses in 10 s in the name of %s answer no query that was seen", n.Unsolicited, of(s))
	})
}

// stormy reports whether ids are guessed around a sample.
func stormy(s Sample) bool {
	return s.Strays.Storm() || s.Noise != nil && s.Noise.WrongIDs >= stormInAll
}

// txidStorm (resp.txid_storm, D3): somebody guesses ids (Kaminsky 2008, CVE-2008-1447;
// birthdays, VU#457875; DNSpooq, CVE-2020-25684). A server knows the id that it
// answers.
func txidStorm(v *view) []Finding {
	return v.noises(func(s Sample, n *Noise) (int, string) {
		if !stormy(s) {
			return 0, ""
		}
		w, what := strong, "responses with wrong ids"
		if s.Strays != nil && s.Strays.Alike && s.Strays.WrongID >= stormAtPort {
			w, what = lone, "responses with wrong ids, all of which say the same,"
		}
		if s.Strays.Storm() && n.WrongIDs < stormInAll {
			return w, fmt.Sprintf("%d %s came in the name of %s to the port that waited for its answer", s.Strays.WrongID, what, of(s))
		}
		return w, fmt.Sprintf("%d %s in 10 s came in the name of %s to ports that waited for its answers", n.WrongIDs, what, of(s))
	})
}

// portSweep (resp.port_sweep, D4): somebody looks for the port that waits for an
// answer, by what this host does with packets to those that do not (SAD DNS, Man et
// al., CCS 2020 and 2021).
func portSweep(v *view) []Finding {
	return v.noises(func(s Sample, n *Noise) (int, string) {
		switch {
		case n.Sweeps >= sweepsRepeated:
			return strong, fmt.Sprintf("in %d of 10 seconds ports of this host were searched in the name of %s, at least %d in one of them", n.Sweeps, of(s), n.SweptPorts)
		case n.Sweeps > 0:
			return medium, fmt.Sprintf("%d closed ports of this host were tried within a second in the name of %s", n.SweptPorts, of(s))
		case n.Refused >= refusedMany:
			return medium, fmt.Sprintf("this host told %s %d times in 10 s that a port is closed", of(s), n.Refused)
		}
		return 0, ""
	})
}

// questionMismatch (resp.question_mismatch, D5): a response with the right id to the
// right port that answers another question, or in other letters than a server that
// keeps them (RFC 5452 §9.1; 0x20, Dagon et al., CCS 2008).
func questionMismatch(v *view) []Finding {
	fs := v.noises(func(s Sample, _ *Noise) (int, string) {
		if s.Strays == nil || s.Strays.WrongQuestion == 0 {
			return 0, ""
		}
		return strong, fmt.Sprintf("a response in the name of %s bears the right id and another question", of(s))
	})
	if len(fs) > 0 {
		return fs
	}
	return signs("resp.question_mismatch")(v)
}

// fragDNS (frag.dns, D12): the second half of a large answer is somebody else's
// (Herzberg and Shulman, "Fragmentation Considered Poisonous", 2012), or somebody
// makes answers come in fragments.
func fragDNS(v *view) []Finding {
	return v.noises(func(s Sample, n *Noise) (int, string) {
		torn := slices.ContainsFunc(s.Answers, func(o Observation) bool {
			return o.Packet != nil && o.Packet.Fragmented && o.Packet.Broken != ""
		})
		w := medium
		if s.fragmented() {
			w = strong
		}
		switch {
		case torn || n.Torn > 0:
			return w, fmt.Sprintf("fragments of answers of %s contradict each other: some of them are somebody else's", of(s))
		case n.Sprayed >= sprayedMany:
			return w, fmt.Sprintf("%d second fragments came in the name of %s, all alike under different ids, and no first ones", n.Sprayed, of(s))
		case n.Orphans >= orphansMany:
			return medium, fmt.Sprintf("%d fragments in a minute came in the name of %s, and never their first ones", n.Orphans, of(s))
		case n.PathMTU > 0 && n.PathMTU < pathMTUSmall:
			return medium, fmt.Sprintf("an ICMP error demanded packets of %d octets on the way of %s", n.PathMTU, of(s))
		case n.ShortFragments > 0:
			return medium, fmt.Sprintf("answers of %s came in fragments shorter than any path needs", of(s))
		}
		return 0, ""
	})
}

// tcpWithoutTC (tcp.without_tc, D13): a resolver asks again over TCP though no answer
// was truncated, as hardened ones do when they see wrong ids.
func tcpWithoutTC(v *view) []Finding {
	return v.noises(func(s Sample, n *Noise) (int, string) {
		if n.Fallbacks < fallbacksMany {
			return 0, ""
		}
		w := weak
		if stormy(s) {
			w = medium
		}
		return w, fmt.Sprintf("%d questions in a minute were put to %s again over TCP, and no answer was truncated", n.Fallbacks, of(s))
	})
}

// kaminskyBurst (kaminsky.burst, D14): somebody has a resolver ask for one name after
// the other that does not exist, each of them a chance to forge (CVE-2008-1447). So
// does who looks for names from a list.
func kaminskyBurst(v *view) []Finding {
	return v.noises(func(s Sample, n *Noise) (int, string) {
		if n.Labels < labelsMany {
			return 0, ""
		}
		w := weak
		if stormy(s) {
			w = strong
		}
		return w, fmt.Sprintf("%d names under %s that do not exist were asked of %s in 10 s", n.Labels, strings.TrimSuffix(n.Domain, "."), of(s))
	})
}

// besieged gives the samples that show an attack by themselves, oldest first.
func (v *view) besieged() []Sample {
	return slices.DeleteFunc(v.lately(), func(s Sample) bool { return !s.assault(v.Policy) })
}

// assailed decides kind, place and confidence of an accusation that rests on an attack
// at work, and on nothing that was said. It is false for every other.
func (v *view) assailed(a *Accusation) bool {
	full := func(rule string) bool {
		return slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == rule && f.Weight >= strong })
	}
	if !slices.ContainsFunc(assaults, full) || slices.ContainsFunc(a.Findings, func(f Finding) bool {
		fam := family(f.Rule)
		return f.Weight > 0 && !f.corroborates() && fam != packets && fam != integrity
	}) {
		return false
	}
	a.Kind, a.Attribution, a.Confidence, a.Harmless, a.Settled = AttackAttempt, AtPath, Suspected, true, true
	if slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == "l2.source_changed" }) {
		a.Attribution = AtLAN
	}
	if full("resp.txid_storm") {
		a.Confidence = Confirmed // packets are forged, and that is all that is said
	}
	for _, s := range v.besieged() {
		o, ok := s.accepted()
		if !ok {
			continue
		}
		// What this host made of fragments is not what we made of them.
		if w := v.stands(v.answer(o, s.At)); w != good && w != silent || full("frag.dns") {
			a.Harmless = false
			a.Confidence = min(a.Confidence, Probable)
		}
	}
	return true
}

// transact notes the transactions that show an accusation which rests on the wire,
// oldest first, and gives when they were first and last seen.
func (v *view) transact(a *Accusation) (first, last time.Time) {
	a.Transactions, first, last = v.transactions(v.heard())
	for _, s := range v.besieged() {
		t, ok := s.Transaction()
		if !ok {
			continue
		}
		if !slices.ContainsFunc(a.Transactions, t.Same) {
			a.Transactions = append(a.Transactions, t)
		}
		if first.IsZero() || t.Time.Before(first) {
			first = t.Time
		}
		if s.At.After(last) {
			last = s.At
		}
	}
	slices.SortStableFunc(a.Transactions, func(a, b Transaction) int { return a.Time.Compare(b.Time) })
	return first, last
}

package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Sniffer tells whether questions of this host go out at all.
type Sniffer interface {
	// Follow begins to look for the exchange that o, an answer over UDP, came of. What
	// it returns is asked once, WireGrace later: was a packet of it seen on any link of
	// this host but the loopback interface? It is not sure where something may have
	// been missed, or o is an answer of this host itself. Neither waits.
	Follow(o Observation) (passed func() (passed, sure bool))
}

// WireGrace is how long a packet may take from the wire to whoever hears it.
const WireGrace = 2 * time.Second

// diversions is what shows that questions to a resolver are led elsewhere on this
// host itself, by its address. It comes to a judgement as evidence of the samples
// that hold answers in its name.
type diversions map[netip.Addr]diversion

type diversion struct {
	loops  int       // answers in its name that came over the loopback interface
	looped time.Time // the last of them
	unseen int       // answers in a row that no packet was seen of
	last   time.Time // of them
}

// maxDiversions bounds the resolvers that are remembered: this host has a few, and
// packets may bear any address.
const maxDiversions = 64

// set changes what is known of a resolver.
func (ds diversions) set(a netip.Addr, change func(*diversion)) {
	d, ok := ds[a]
	if !ok && len(ds) >= maxDiversions {
		clear(ds)
	}
	change(&d)
	ds[a] = d
}

// listen takes in what was overheard: only that of the resolvers that this host asks
// counts, since a program may send itself anything.
func (m *Monitor) listen(s Sample) {
	for _, o := range s.Answers {
		if p := o.Packet; p != nil && p.Nonlocal && m.known(o.Server) != nil {
			m.diversions.set(o.Server, func(d *diversion) {
				if !o.At.After(d.looped) {
					return // it is handed over again, with more of its transaction
				}
				if o.At.Sub(d.looped) > loopedWithin/time.Duration(m.cfg.Timing.Factor) {
					d.loops = 0
				}
				d.loops, d.looped = d.loops+1, o.At
			})
		}
	}
}

// follow finds out whether an answer of a resolver of this host came over a link.
func (m *Monitor) follow(o Observation) {
	if m.cfg.Sniffer == nil || o.Role != Local || o.Transport != UDP || o.TXID == 0 || o.Error != "" {
		return
	}
	passed := m.cfg.Sniffer.Follow(o)
	m.agenda.add(m.cfg.Now().Add(WireGrace), func(time.Time) {
		switch was, sure := passed(); {
		case was:
			if d, ok := m.diversions[o.Server]; ok {
				// A proxy may go on with the same id, so what was looped counts as well.
				if d.unseen = 0; d.looped.Before(o.At.Add(-time.Duration(o.RTT))) {
					d.loops = 0
				}
				m.diversions[o.Server] = d
			}
		case sure:
			m.diversions.set(o.Server, func(d *diversion) { d.unseen, d.last = d.unseen+1, o.At })
		}
	})
}

// diverted gives what is known of the resolvers in s that was seen of late.
func (m *Monitor) diverted(s Sample) (es []Evidence) {
	within := probedFor * m.cfg.Timing.Recheck
	for _, o := range s.Answers {
		d, ok := m.diversions[o.Server]
		if !ok || slices.ContainsFunc(es, func(e Evidence) bool { return e.Address == o.Server }) {
			continue
		}
		if d.loops > 0 && s.At.Sub(d.looped) <= within {
			es = append(es, Evidence{Kind: EvidenceLooped, At: d.looped, Address: o.Server, Count: d.loops})
		}
		if d.unseen > 0 && s.At.Sub(d.last) <= within {
			es = append(es, Evidence{Kind: EvidenceNoWire, At: d.last, Address: o.Server, Count: d.unseen})
		}
	}
	return es
}

// How many answers it takes: an address that this host just lost may still be
// answered from, and a packet may be missed.
const (
	loopedAnswers = 2
	loopedWithin  = time.Hour
	noWireAnswers = 3
)

// loNonlocal (resp.lo_nonlocal): answers in the name of a resolver elsewhere come over
// the loopback interface: on this host itself questions to it are led to another
// program.
func loNonlocal(v *view) []Finding {
	return v.ledElsewhere(EvidenceLooped, loopedAnswers, "answers in the name of %s came over this host's own loopback interface")
}

// noWire (probe.no_wire): a resolver elsewhere answers, though no packet of the
// exchange passed a link: the questions never left this host, or went to somebody
// else.
func noWire(v *view) []Finding {
	return v.ledElsewhere(EvidenceNoWire, noWireAnswers, "%s answers, though nothing to it or from it passed a link of this host")
}

// ledElsewhere finds the resolvers of this host of which there is such evidence.
func (v *view) ledElsewhere(kind string, least int, fact string) []Finding {
	var who []string
	var label string
	for _, o := range v.choose(local) {
		e, ok := v.facts.diverted[kind][o.Server]
		if !ok || e.Count < least || v.at.Sub(e.At) > probedFor*v.Policy.Timing.Recheck || slices.Contains(who, o.Server.String()) {
			continue
		}
		who, label = append(who, o.Server.String()), o.Label()
	}
	if len(who) == 0 {
		return nil
	}
	return []Finding{{Local: true, Group: string(Local), Resolver: label, Weight: proof, Fact: fmt.Sprintf(fact, strings.Join(who, " and "))}}
}

// Rules that see questions led elsewhere on this host, and those that see somebody
// answer for others, which that explains.
var (
	leadAway   = []string{"resp.lo_nonlocal", "probe.no_wire"}
	answersFor = []string{"path.dead_resolver_answers", "path.ttl_limited", "path.identity"}
)

// setAside takes what shows that questions are led elsewhere on this host from the
// other findings: by itself it says nothing of what is answered there.
func setAside(fs []Finding) (others, away []Finding) {
	is := func(rules []string) func(Finding) bool {
		return func(f Finding) bool { return slices.Contains(rules, f.Rule) }
	}
	if !slices.ContainsFunc(fs, is(leadAway)) {
		return fs, nil
	}
	for _, f := range fs {
		if is(leadAway)(f) || is(answersFor)(f) {
			away = append(away, f)
		} else {
			others = append(others, f)
		}
	}
	return others, away
}

// proxies gives the accusation that questions are led elsewhere, where nothing false is
// heard from there. It is held against nobody's answers.
func (v *view) proxies() []Accusation {
	if len(v.away) == 0 {
		return nil
	}
	a := Accusation{
		Group: string(Local), Kind: LocalProxy, Attribution: AtHost, Confidence: Probable, Harmless: true,
		Score: score(v.away), Resolver: v.away[0].Resolver, Findings: v.away,
	}
	v.measure(&a)
	return []Accusation{a}
}

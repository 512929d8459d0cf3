package monitor

import "slices"

// Strays are responses that were aimed at the transaction of an overheard sample and
// are no answers to it: they come from its server to the port of its client, while it
// is open, and bear a wrong id or a wrong question. Who cannot see the query has to
// guess (RFC 5452 §4).
type Strays struct {
	WrongID       int      `json:"wrong_id,omitempty"`       // responses
	IDs           int      `json:"ids,omitempty"`            // distinct wrong ids among them, at least
	Alike         bool     `json:"alike,omitempty"`          // all say the same
	WrongQuestion int      `json:"wrong_question,omitempty"` // responses with the right id and another question
	Packets       []Packet `json:"packets,omitempty"`        // the first ones
}

// Noise is what else came in the name of the server of an overheard sample, and was
// no answer to any query; and what this host did because of it. Counts are of the
// last 10 s where nothing else is said, or of the worst 10 s of an attack that was
// going on a moment ago.
type Noise struct {
	Unsolicited int `json:"unsolicited,omitempty"` // responses to no query that was seen
	WrongIDs    int `json:"wrong_ids,omitempty"`   // responses with a wrong id to ports that wait for one

	SweptPorts int `json:"swept_ports,omitempty"` // distinct closed ports that it was tried at in one second, at least
	Sweeps     int `json:"sweeps,omitempty"`      // seconds in which that was a search for open ones
	Refused    int `json:"refused,omitempty"`     // ICMP errors that it was sent for closed ports

	Orphans        int `json:"orphans,omitempty"`         // fragments whose beginning never came, in a minute
	Sprayed        int `json:"sprayed,omitempty"`         // of those, how many in a row hold the same octets under different ids
	Torn           int `json:"torn,omitempty"`            // datagrams whose fragments contradict each other
	ShortFragments int `json:"short_fragments,omitempty"` // first fragments shorter than any path needs, in a minute
	PathMTU        int `json:"path_mtu,omitempty"`        // octets; the least that an ICMP error demanded for packets to or from it, in 10 minutes

	Fallbacks int `json:"fallbacks,omitempty"` // questions repeated over TCP though no answer was truncated, in a minute, beyond the usual

	Labels int    `json:"labels,omitempty"` // distinct names under Domain that were asked for and do not exist
	Domain string `json:"domain,omitempty"` // registrable
}

// From when on noise is an attack (detection D2 to D14).
const (
	unsolicitedMany = 10
	stormAtPort     = 5 // wrong ids at one port: POPS reacts to as many (Afek et al., USENIX Security 2025)
	stormInAll      = 100
	sweepPackets    = 50 // to closed ports in one second: Linux's burst of ICMP errors, which SAD DNS uses up (CVE-2020-25705)
	sweepPorts      = 30 // distinct ones among them
	sweepsRepeated  = 3
	refusedMany     = 30
	orphansMany     = 5    // in a minute
	sprayedMany     = 50   // alike, under different ids
	shortFragment   = 1232 // octets of a packet: no path that carries IPv6 needs fragments so short (RFC 8200 §5)
	pathMTUSmall    = 1280
	fallbacksMany   = 3 // in a minute
	labelsMany      = 100
)

// Sweeping reports whether so many packets to so many distinct closed ports within a
// second are a search for open ones.
func Sweeping(packets, ports int) bool { return packets >= sweepPackets && ports >= sweepPorts }

// ShortFragment reports whether a first fragment of a response, as a packet of so
// many octets, is shorter than any path needs.
func ShortFragment(size int) bool { return size < shortFragment }

// Assault reports whether somebody is at work: answers are being guessed by the
// dozen, ports searched for again and again, or fragments put in the place of
// others.
func (n *Noise) Assault() bool {
	return n != nil && (n.WrongIDs >= stormInAll || n.Sweeps >= sweepsRepeated || n.Sprayed >= sprayedMany || n.Torn > 0)
}

// Storm reports whether so many ids were guessed for one transaction that it is no
// accident.
func (s *Strays) Storm() bool { return s != nil && s.WrongID >= stormAtPort }

// assault reports whether an overheard sample shows an attack without answers that
// contradict each other.
func (s Sample) assault(p *Policy) bool {
	return s.Via == Wire && (p.on("resp.txid_storm") && (s.Strays.Storm() || s.Noise != nil && s.Noise.WrongIDs >= stormInAll) ||
		p.on("resp.port_sweep") && s.Noise != nil && s.Noise.Sweeps >= sweepsRepeated ||
		p.on("frag.dns") && s.fragmented() && s.Noise != nil && (s.Noise.Sprayed >= sprayedMany || s.Noise.Torn > 0))
}

// fragmented reports whether an answer came in fragments: forged ones are no matter to
// others.
func (s Sample) fragmented() bool {
	return slices.ContainsFunc(s.Answers, func(o Observation) bool { return o.Packet != nil && o.Packet.Fragmented })
}

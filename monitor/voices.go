package monitor

import (
	"fmt"
	"slices"
	"strings"
)

// Standing is what an answer was worth when it was judged.
type Standing string

// The standings. Unproven is what nothing speaks for, and nothing disproves.
const (
	StandsRight    Standing = "right"
	StandsWrong    Standing = "wrong"
	StandsUnproven Standing = "unproven"
	StandsDenied   Standing = "denied" // it denies what witnesses give
	StandsSilent   Standing = "silent" // no statement
)

// Voice is what one endpoint said last, and what that was worth: the table of
// them is what a lie is attributed by.
type Voice struct {
	Resolver  string    `json:"resolver"` // Observation.Label
	Group     string    `json:"group"`    // whose voice it is: endpoints of one operator are one
	Role      Role      `json:"role,omitempty"`
	Transport Transport `json:"transport"`
	Encrypted bool      `json:"encrypted,omitempty"`
	Heard     bool      `json:"heard,omitempty"` // on the wire, not asked for
	Said      []string  `json:"said"`            // records, sorted; else the response code or the error
	Standing  Standing  `json:"standing"`
	With      []string  `json:"with,omitempty"` // other groups that said the same, sorted
}

// maxVoices bounds the voices that a judgement shows.
const maxVoices = 32

// attribute notes who said what, and for each accusation why it is laid where it
// is. It comes after the verdict: what is held to be false is wrong in the table.
func (v *view) attribute(r *Ruling) {
	if !slices.ContainsFunc(r.Accusations, func(a Accusation) bool { return a.Confidence > Unsuspected }) {
		return
	}
	voices := v.testimony(r)
	for i := range r.Accusations {
		a := &r.Accusations[i]
		a.Voices, a.Because = voices, because(a, voices)
		if a.Local && r.Kind != "" {
			r.Voices, r.Because = a.Voices, a.Because
		}
	}
}

// testimony gives the latest answer of every endpoint, in a stable order.
func (v *view) testimony(r *Ruling) []Voice {
	vs := []Voice{}
	for _, o := range v.choose(func(*answer) bool { return true }) {
		w := Voice{
			Resolver: o.Label(), Group: v.voice(o.Group()), Role: o.Role, Transport: o.Transport, Encrypted: o.Encrypted, Heard: o.Packet != nil,
			Said: []string{}, Standing: v.shown(o, r),
		}
		for _, x := range o.Records {
			if x.Type == v.Question.Type {
				w.Said = append(w.Said, x.Data)
			}
		}
		slices.Sort(w.Said)
		switch {
		case o.Error != "":
			w.Said = []string{o.Error}
		case o.canon.Content == NoData:
			w.Said = []string{"NODATA"}
		case len(w.Said) == 0 && o.Rcode != "":
			w.Said = []string{o.Rcode}
		}
		vs = append(vs, w)
	}
	for i := range vs {
		for _, o := range vs {
			if vs[i].Standing != StandsSilent && o.Standing != StandsSilent && o.Group != vs[i].Group && slices.Equal(o.Said, vs[i].Said) {
				vs[i].With = append(vs[i].With, o.Group)
			}
		}
		slices.Sort(vs[i].With)
		vs[i].With = slices.Compact(vs[i].With)
	}
	return vs[:min(len(vs), maxVoices)]
}

// shown gives the standing of an answer in people's words. An address is wrong
// that was proven to be, or that a confirmed accusation holds to be false.
func (v *view) shown(o *answer, r *Ruling) Standing {
	switch v.stands(o) {
	case silent:
		return StandsSilent
	case good:
		return StandsRight
	case denied:
		return StandsDenied
	case suspicious:
		for _, addr := range o.addrs {
			if c, _ := v.class(addr); c == ProvenBad {
				return StandsWrong
			}
			if slices.ContainsFunc(r.Accusations, func(a Accusation) bool {
				return a.Confidence == Confirmed && a.Content && slices.Contains(a.Observed, addr)
			}) {
				return StandsWrong
			}
		}
	}
	return StandsUnproven
}

// because says in one line why an accusation is laid where it is.
func because(a *Accusation, vs []Voice) string {
	has := func(rule string) bool {
		return slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Rule == rule })
	}
	bad := func(w Voice) bool { return w.Standing == StandsWrong || w.Standing == StandsUnproven }
	liars := groups(vs, func(w Voice) bool { return bad(w) && !w.Encrypted && !w.Heard && w.Role != Authority })
	right := groups(vs, func(w Voice) bool { return w.Standing == StandsRight && w.Encrypted && w.Group != a.Group })
	plainRight := groups(vs, func(w Voice) bool { return w.Standing == StandsRight && w.Role == Reference && !w.Encrypted })
	switch {
	case a.Kind == PathRewritten && has("path.dead_resolver_answers"):
		return "the path: an address where no resolver is answers too, so somebody on the way answers for everybody"
	case a.Kind == PathRewritten && len(liars) > 1:
		return fmt.Sprintf("the path: %s lie alike in plain, and %s are right over TLS; what they share is the way to them", phrase(liars), phrase(right))
	case a.Kind == PathRewritten:
		return fmt.Sprintf("the path: what is asked in plain is answered otherwise than over TLS, where %s are right", phrase(right))
	case a.Kind == AttackAttempt && !has("dup.conflict"):
		if a.Attribution == AtLAN {
			return "this network: packets come in the name of a resolver that it did not send, and from another machine than it"
		}
		return "the path: packets come in the name of a resolver that it did not send"
	case a.Kind == PathInjection || a.Kind == AttackAttempt:
		if a.Attribution == AtLAN {
			return "this network: one query got two answers, and they came from different machines on it"
		}
		return "the path: one query got two answers that contradict each other, and a resolver gives one"
	case a.Kind == TLSIntercepted:
		return fmt.Sprintf("the way to it: it does not prove its name, and others over TLS do (%s)", phrase(right))
	case has("resp.lo_nonlocal") || has("probe.no_wire"):
		return "this host: questions to a resolver elsewhere are answered without leaving it, or leave it for somebody else"
	case a.Kind == LocalHost && has("host.hosts_file"):
		return "this host: the address stands in its hosts file"
	case a.Kind == LocalHost && has("host.getaddrinfo"):
		return "this host: the C library says it each time, and no nameserver of this host ever does"
	case a.Attribution == AtHost:
		return fmt.Sprintf("this host: it asks %s, which it did not ask before, and which nobody on the network announced", a.Resolver)
	case a.Kind == LocalNet && has("l2.source_changed"):
		return fmt.Sprintf("this network: what comes in the name of %s is sent by another machine on it", a.Resolver)
	case a.Attribution == AtLAN:
		return fmt.Sprintf("this network: it has this host ask %s, which it did not ask before", a.Resolver)
	case a.Kind == AuthorityHijack && has("auth.ns_split"):
		return "the zone: of its own name servers one gives it, and the others do not"
	case a.Attribution == AtAuthority:
		return fmt.Sprintf("the zone: witnesses on paths that share nothing give it too (%s)", phrase(groups(vs, func(w Voice) bool { return w.Encrypted && w.Role == Reference && w.Standing != StandsSilent })))
	case a.Attribution == AtPath:
		return "the path: somebody on the way answers for resolvers that have nothing to do with each other"
	case a.Attribution == "":
		return "cannot be told: no witness was heard, so resolver and path look the same"
	case len(right) == 0:
		return fmt.Sprintf("%s: it says so, and nobody else was heard who is right", a.Resolver)
	case len(plainRight) > 0:
		return fmt.Sprintf("%s: %s say otherwise, and %s in plain too, so it is not the path", a.Resolver, phrase(right), phrase(plainRight))
	}
	return fmt.Sprintf("%s: %s say otherwise", a.Resolver, phrase(right))
}

// groups lists whose the voices are that pass.
func groups(vs []Voice, pass func(Voice) bool) []string {
	var gs []string
	for _, w := range vs {
		if pass(w) {
			gs = union(gs, w.Group)
		}
	}
	return gs
}

// phrase names a few in a sentence.
func phrase(ss []string) string {
	switch {
	case len(ss) == 0:
		return "none"
	case len(ss) == 1:
		return ss[0]
	case len(ss) > 4:
		return strings.Join(ss[:3], ", ") + fmt.Sprintf(" and %d more", len(ss)-3)
	}
	return strings.Join(ss[:len(ss)-1], ", ") + " and " + ss[len(ss)-1]
}

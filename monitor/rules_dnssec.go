package monitor

import (
	"fmt"
	"slices"
)

// bogusHere (dnssec.bogus_here): what a resolver hands over breaks the signatures
// of the zone, twice, while the same record validates elsewhere (RFC 4035 §5.3).
// Nobody on the way can forge a signature, and a zone that is broken is broken
// everywhere. We validate ourselves: the AD flag proves nothing.
func bogusHere(v *view) []Finding {
	if v.facts.secure() == nil {
		return nil
	}
	var fs []Finding
	for _, o := range v.subjects() {
		es := v.facts.bogus(o.Endpoint(), false)
		if v.stands(o) == denied && v.signer(o) {
			// Denials are signed as records are: one without a proof contradicts the zone
			// as one with a false proof does.
			es = append(es, v.facts.bogus(o.Endpoint(), true)...)
			slices.SortStableFunc(es, byAge)
		}
		if len(es) == 0 || v.stands(o) == good {
			continue
		}
		f := accused(o)
		f.Address = v.worstOf(o)
		last := es[len(es)-1]
		f.Fact = fmt.Sprintf("%s at %s breaks the zone's signatures", show(o), o.Label())
		if last.Detail != "" {
			f.Fact += ": " + last.Detail
		}
		f.Weight, f.Pending = pending, true
		if v.spaced(agesOf(es)) {
			f.Weight, f.Pending = proof, false
			f.Fact += fmt.Sprintf("; %s over %s", times(len(es)), round(last.At.Sub(es[0].At)))
		}
		fs = append(fs, f)
	}
	return fs
}

// dnssecStripped (dnssec.stripped): a resolver hands over a record of a signed
// zone without the signatures that it used to hand over. Old routers strip them
// from everything: that is no sign.
func dnssecStripped(v *view) []Finding {
	if v.facts.secure() == nil {
		return nil
	}
	var fs []Finding
	for _, o := range v.subjects() {
		es := v.facts.bogus(o.Endpoint(), true)
		if len(es) == 0 || v.stands(o) == good || v.stands(o) == denied && v.signer(o) {
			continue
		}
		f := accused(o)
		f.Address = v.worstOf(o)
		if !v.signer(o) {
			f.Fact = fmt.Sprintf("%s gives %s without the zone's signatures, and never gave any", o.Label(), show(o))
		} else {
			f.Weight = strong
			f.Fact = fmt.Sprintf("%s gives %s without the zone's signatures, which it gave on %s", o.Label(), show(o),
				v.Base.Signing[o.Endpoint()].UTC().Format("2006-01-02 15:04"))
			f.Pending = !v.spaced(agesOf(es))
		}
		fs = append(fs, f)
	}
	return fs
}

// adLost (dnssec.ad_lost): a resolver that validates, and says so of every answer
// about this name, no longer says it of a suspicious one. The flag is not protected
// by anything, so it only corroborates; and a validator that is out of order, or
// was told to let the zone pass, says it of nothing.
func adLost(v *view) []Finding {
	if v.Base == nil {
		return nil
	}
	lost := func(o *answer) bool {
		as := v.answersOf(o.Endpoint(), adTimes)
		return v.Base.AD[o.Endpoint()].always() && len(as) == adTimes &&
			!slices.ContainsFunc(as, func(o *answer) bool { return o.canon.Content != Data || o.Has("AD") })
	}
	if slices.ContainsFunc(v.choose(func(o *answer) bool { return o.Witness() }), lost) {
		return nil // for everybody
	}
	var fs []Finding
	for _, o := range v.doubtful() {
		if !lost(o) || slices.ContainsFunc(o.EDE, func(code uint16) bool { return edeDNSSEC[code] != "" }) {
			continue
		}
		f := accused(o)
		f.Weight, f.Address = medium, v.worstOf(o)
		f.Fact = fmt.Sprintf("%s always said that it had validated the answer (AD), and does not say so of %s", o.Label(), show(o))
		fs = append(fs, f)
	}
	return fs
}

// adTimes is how many answers in a row must lack the flag.
const adTimes = 3

// edeDNSSEC are the extended errors of a validator that cannot or must not believe
// what the zone says (RFC 8914 §4.6 to §4.13).
var edeDNSSEC = map[uint16]string{
	5: "indeterminate", 6: "bogus", 7: "signature expired", 8: "signature not yet valid", 9: "key missing", 10: "signatures missing",
	11: "no zone key", 12: "proof of denial missing",
}

// zoneBogus (dnssec.zone_bogus): every witness refuses the name, and a quorum of
// them says that the zone's signatures do not hold: the zone itself is broken.
// That is worth a notice; what breaks for one host alone is dnssec.bogus_here.
func zoneBogus(v *view) []Finding {
	var voices, words []string
	for _, o := range v.choose(func(o *answer) bool { return o.Witness() && o.Error == "" }) {
		if o.Rcode != "SERVFAIL" {
			return nil
		}
		for _, code := range o.EDE {
			voice, word := v.voice(o.Group()), edeDNSSEC[code]
			if word == "" {
				continue
			}
			if !slices.Contains(voices, voice) {
				voices = append(voices, voice)
			}
			if word = fmt.Sprintf("%s (EDE %d)", word, code); !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
	}
	if len(voices) < v.quorum() {
		return nil
	}
	slices.Sort(words)
	return v.changed(0, fmt.Sprintf("%s refuse it since the zone's signatures do not hold: %s", join(voices, ""), join(words, "")))
}

// signer reports whether the endpoint of o ever handed over the zone's signatures.
func (v *view) signer(o *answer) bool { return v.Base != nil && !v.Base.Signing[o.Endpoint()].IsZero() }

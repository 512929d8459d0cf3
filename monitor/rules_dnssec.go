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
		if len(es) == 0 || v.stands(o) == good {
			continue
		}
		f := accused(o)
		f.Address = v.worstOf(o)
		last := es[len(es)-1]
		f.Fact = fmt.Sprintf("%s at %s breaks the zone's signatures: %s", show(o), o.Label(), last.Detail)
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
		if len(es) == 0 || v.stands(o) == good {
			continue
		}
		f := accused(o)
		f.Address = v.worstOf(o)
		if v.Base == nil || v.Base.Signing[o.Endpoint()].IsZero() {
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

// zoneBroken reports whether the zone's own signatures fail wherever they are
// asked for: then validators answer SERVFAIL, and nobody is to blame but the zone.
func (v *view) zoneBroken() bool {
	return len(v.facts.signed) >= 2 && v.facts.secure() == nil && !slices.ContainsFunc(v.choose(func(*answer) bool { return true }), func(o *answer) bool {
		es := v.facts.signed[o.Endpoint()]
		return len(es) > 0 && es[len(es)-1].Status != Bogus
	})
}

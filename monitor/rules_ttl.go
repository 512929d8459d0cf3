package monitor

import (
	"fmt"
	"time"
)

// ttlOverEnvelope (ttl.over_envelope): an answer that nobody else has may be
// kept for longer than the zone ever allowed (RFC 2181 §8: a cache counts down
// from what the zone said). Jumps of a TTL, upward ones above all, mean nothing:
// pools, prefetching and restarts make them all day.
func ttlOverEnvelope(v *view) []Finding {
	env, ok := v.envelope()
	if !ok {
		return nil
	}
	var fs []Finding
	for _, o := range v.subjects() {
		if v.stands(o) != suspicious && v.on("clear.ttl_good") || v.shared(o) {
			continue
		}
		if r := o.TTL(v.Question); r > env+2 {
			f := accused(o)
			f.Weight = strong
			f.Address = v.worstOf(o)
			f.Fact = fmt.Sprintf("%s keeps it for %d s more, where no witness was given more than %d s", o.Label(), r, env)
			fs = append(fs, f)
		}
	}
	return fs
}

// envelope is the longest TTL, in seconds, that witnesses were given in the last
// days; ok only if enough of them were heard, one of them just now.
func (v *view) envelope() (env uint32, ok bool) {
	groups := map[string]bool{}
	fresh := false
	for _, o := range v.all {
		if v.votes(o) && v.stands(o) == good && o.canon.Content == Data {
			env = max(env, o.TTL(v.Question))
			groups[v.voice(o.Group())] = true
			fresh = fresh || v.at.Sub(o.At) <= time.Minute
		}
	}
	rounds := 0
	if b := v.answered(); b != nil {
		rounds = b.Rounds.Count
		for _, e := range b.TTLs {
			if v.at.Sub(e.End) < envelopeFor && v.on("clear.ttl_history") {
				env = max(env, e.TTL)
			}
		}
	}
	return env, fresh && (len(groups) >= minorityGroups || rounds >= 2)
}

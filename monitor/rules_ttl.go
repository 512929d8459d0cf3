package monitor

import (
	"fmt"
	"slices"
	"strings"
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
		if v.stands(o) != suspicious && v.on("clear.ttl_good") || v.shared(o) || v.stale(o, env) {
			continue
		}
		most := env
		if o.Cache != nil && v.on("clear.ttl_floor") {
			most = max(most, o.Cache.Floor)
		}
		if r := o.TTL(v.Question); r > most+2 {
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
			fresh = fresh || v.at.Sub(o.At) <= max(time.Minute, 2*v.Policy.Timing.Recheck) // a case hears them every Recheck
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

// staleTTL is what caches give what has expired, in seconds (RFC 8767 §5.2).
const staleTTL = 30

// stale reports whether o is what the name had before, handed out after its time
// since the zone's servers could not be reached (RFC 8767): the cache says so (EDE
// 3 and 19, RFC 8914), or gives it the TTL that is meant for that. What the name
// never had cannot be stale, whatever a resolver says.
func (v *view) stale(o *answer, env uint32) bool {
	return v.on("clear.ttl_stale") && v.answered().gave(o.Observation, v.Question) &&
		(saysStale(o) || env <= staleTTL && o.TTL(v.Question) <= staleTTL)
}

func saysStale(o *answer) bool { return slices.Contains(o.EDE, 3) || slices.Contains(o.EDE, 19) }

// doubtful gives the answers that are suspicious and have a TTL: the rules below
// lend weight to what is held against those.
func (v *view) doubtful() []*answer {
	return slices.DeleteFunc(v.subjects(), func(o *answer) bool { return v.stands(o) != suspicious || o.Transport == System || v.shared(o) })
}

// noCountdown (ttl.no_countdown): a suspicious answer keeps its TTL while time
// passes, at a cache that counts those of other names down (RFC 1035 §3.2.1): it
// does not come from the cache.
func noCountdown(v *view) []Finding {
	var fs []Finding
	for _, o := range v.doubtful() {
		if o.Cache == nil || !o.Cache.Counts || !o.Cache.Single {
			continue
		}
		run := v.still(o)
		over := run[len(run)-1].At.Sub(run[0].At)
		if len(run) < stillAnswers || over < stillFor {
			continue
		}
		f := accused(o)
		f.Weight, f.Address = medium, v.worstOf(o)
		f.Fact = fmt.Sprintf("%s gives it for %d s in %d answers over %s, and counts the TTLs of other names down", o.Label(), o.TTL(v.Question), len(run), round(over))
		fs = append(fs, f)
	}
	return fs
}

// still gives the answers of the endpoint of o up to o, oldest first, that say the
// same with the same TTL, none so late that the one before it may have expired.
func (v *view) still(o *answer) []*answer {
	ttl := o.TTL(v.Question)
	run := []*answer{o}
	for _, p := range slices.Backward(v.answersOf(o.Endpoint(), len(v.all))) {
		next := run[len(run)-1]
		switch {
		case p == o || p.At.After(o.At):
			continue
		case ttl < slightTTL || !p.canon.Equal(o.canon) || p.TTL(v.Question) != ttl || next.At.Sub(p.At) >= time.Duration(ttl-2)*time.Second:
			slices.Reverse(run)
			return run
		}
		run = append(run, p)
	}
	slices.Reverse(run)
	return run
}

// earlyReplace (ttl.early_replace): a suspicious answer took the place of a good
// one that a cache was still to keep, and that keeps all others until they expire.
func earlyReplace(v *view) []Finding {
	var fs []Finding
	for _, o := range v.doubtful() {
		c := o.Cache
		if c == nil || !c.Single || c.Hasty || c.Left == 0 || c.Flushed && v.on("clear.ttl_flush") {
			continue
		}
		if v.at.Sub(c.Replaced) < v.Policy.Timing.Interval {
			continue // whether it let go of other names too is known when they were asked about
		}
		f := accused(o)
		f.Weight, f.Address = medium, v.worstOf(o)
		f.Fact = fmt.Sprintf("%s had a good answer that was to last for another %d s, and does not let go of others before their time", o.Label(), c.Left)
		fs = append(fs, f)
	}
	return fs
}

// backdated (ttl.backdated): by its TTL, a suspicious answer left the zone's
// servers at a time around which all witnesses were given other addresses; the
// zone's servers do not give it now either, and nobody ever had it.
func backdated(v *view) []Finding {
	w := v.facts.walk
	if w == nil || w.Partial || w.TTL == 0 {
		return nil
	}
	var fs []Finding
	for _, o := range v.doubtful() {
		age := time.Duration(int64(w.TTL)-int64(o.TTL(v.Question))) * time.Second
		a := v.worstOf(o)
		if gave, _ := v.facts.authority(a); age < earlyBy || gave > 0 || slices.Contains(w.Addresses, a) || v.everHad(o) {
			continue
		}
		at := o.At.Add(-age)
		span := v.Policy.Timing.WitnessInterval * 3 / 2 // no two of their rounds are further apart
		before, since := v.heardIn(o, at.Add(-span), at), v.heardIn(o, at, at.Add(span))
		if len(before) < v.quorum() || len(since) < v.quorum() {
			continue
		}
		f := accused(o)
		f.Weight, f.Address = medium, a
		f.Fact = fmt.Sprintf("by its TTL %s was given it %s before, and around that time %s had other addresses", o.Label(), round(age), strings.Join(since, ", "))
		fs = append(fs, f)
	}
	return fs
}

// everHad reports whether history knows of the suspicious address of o as one that
// the name had, given or proven by anybody.
func (v *view) everHad(o *answer) bool {
	b := v.answered()
	if b == nil {
		return false
	}
	id := b.Addresses[v.worstOf(o)]
	return id != nil && (id.Witnessed.Count > 0 || !id.Authority.IsZero() || !id.Verified.IsZero())
}

// heardIn gives the witnesses, but for that of o, whose answers of a span of time
// were good.
func (v *view) heardIn(o *answer, from, until time.Time) []string {
	var gs []string
	for _, p := range v.all {
		if v.votes(p) && p.Group() != o.Group() && p.canon.Content == Data && v.stands(p) == good &&
			!p.At.Before(from) && !p.At.After(until) && !slices.Contains(gs, p.Group()) {
			gs = append(gs, p.Group())
		}
	}
	slices.Sort(gs)
	return gs
}

// ghost (ttl.ghost): a resolver gives what the name had long after a quorum of
// witnesses denies that there is anything, and longer than caches hand out what
// has expired: it keeps a delegation alive that is gone (Jiang et al., Ghost Domain
// Names, NDSS 2012). What it gives is old, not forged: this says where that comes
// from, and no more.
func ghost(v *view) []Finding {
	b := v.answered()
	if deny, _ := v.denials(); b == nil || b.Gone.IsZero() || deny < v.quorum() {
		return nil
	}
	var fs []Finding
	for _, o := range v.subjects() {
		may := v.Policy.Timing.MaxStale
		if saysStale(o) {
			may *= 7 // RFC 8767 §5: days, of servers that cannot be reached
		}
		may += b.envelope() / time.Duration(max(1, v.Policy.Timing.Factor))
		gone := o.At.Sub(b.Gone)
		if o.canon.Content != Data || gone <= may || !b.gave(o.Observation, v.Question) {
			continue
		}
		f := accused(o)
		f.Fact = fmt.Sprintf("%s gives what the name had, %s after witnesses began to deny it: it keeps a delegation alive that is gone", o.Label(), round(gone))
		if v.stands(o) == suspicious {
			f.Weight, f.Address = weak, v.worstOf(o)
		}
		fs = append(fs, f)
	}
	return fs
}

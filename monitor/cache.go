package monitor

import (
	"hash/fnv"
	"slices"
	"time"
)

// Cache is what was known of an endpoint as a cache when it gave an answer. It is
// learnt from its answers to all names that are watched, and forgotten with the
// process: until it is learnt again, rules that need it are mute.
type Cache struct {
	Single   bool      `json:"single,omitempty"`  // it never gave answers of two ages by turns, as a pool of caches does
	Counts   bool      `json:"counts,omitempty"`  // it counts the TTLs of other names down
	Hasty    bool      `json:"hasty,omitempty"`   // it fetches good answers anew long before they expire
	Cap      uint32    `json:"cap,omitempty"`     // seconds: it keeps nothing for longer, whatever zones say; 0 where none is known
	Floor    uint32    `json:"floor,omitempty"`   // seconds: it keeps what it has for so long, whatever zones say
	Left     uint32    `json:"left,omitempty"`    // seconds: for so long it was still to keep the known answer that this one took the place of
	Replaced time.Time `json:"replaced,omitzero"` // when that was seen
	Flushed  bool      `json:"flushed,omitempty"` // about then it let go of other names too
}

// What is made of the TTLs of an endpoint. Those that are shorter than slightTTL
// say nothing: they are gone before the next question.
const (
	slightTTL    = 5                       // seconds
	trackSlack   = 1500 * time.Millisecond // rounding to seconds, and the way
	singleHits   = 50                      // answers that went on with an earlier one, and none by turns: one cache
	countedNames = 3                       // other names whose TTL it counted down lately
	floorNames   = 3                       // names that it kept for longer than their zones allowed
	capNames     = 3                       // names that it kept for less than their zones allow, and for the same time
	flushNames   = 3                       // names that it let go of at once
	hastyLapses  = 2                       // good answers that it fetched anew too early: one may be somebody's flush
	countedFor   = time.Hour
	cacheFor     = 24 * time.Hour // life of what is learnt of a cache
	flushWithin  = time.Minute
	flushFor     = 10 * time.Minute
	earlyBy      = 12 * time.Second // before an answer expires, caches may fetch it anew
	stillFor     = 10 * time.Second // a TTL that stands still does so for so long
	stillAnswers = 4                // and in so many answers
	maxTracks    = 8
	maxMarks     = 8
	maxHeld      = 16384           // questions of which answers of one endpoint are kept
	countedOver  = 3 * time.Second // a TTL counts down over so long at least
)

// cacheState is what is being learnt of one endpoint as a cache.
type cacheState struct {
	held    map[Question]*holding
	hits    int       // answers that went on with an earlier one
	mixed   time.Time // when answers of two ages last came by turns
	counted []mark    // names whose TTL counted down
	stood   time.Time // when the TTL of a known answer last stood still
	lapses  []mark    // known answers that were replaced by known ones too early, in the last minute
	strays  []mark    // and before, but for flushes
	flushed time.Time
	floors  []mark // names that were kept for longer than their zones allowed
	fulls   []mark // the longest TTLs of names
}

// mark is that something was seen of a name.
type mark struct {
	name  string
	at    time.Time
	ttl   uint32
	whole bool // about as long as the zone allows
}

// holding is what one endpoint holds of one question.
type holding struct {
	tracks []track // of answers that it may still have, the one that was seen last at the end
	still  still

	left     uint32    // of the known answer whose place was taken
	replaced time.Time // when
	by       uint64    // by which
}

// track is one answer on its way to its expiry.
type track struct {
	key   uint64
	until time.Time // when it expires, as its TTL says
	first time.Time
	ttl   uint32 // when it was first seen
	known bool
}

// still is one answer whose TTL stays.
type still struct {
	key         uint64
	ttl         uint32
	first, last time.Time
}

// note takes in an answer to q, which is known where it was held to be right
// before, of a name that its zone allows to be kept for env seconds (0: not known).
// It gives what is known of the endpoint, nil for nothing.
func (s *cacheState) note(q Question, o Observation, known bool, env uint32, t Timing) *Cache {
	c, ttl := o.Canon(q), o.TTL(q)
	if c.Content != Data || o.Transport == System {
		return nil
	}
	scale := time.Duration(max(1, t.Factor))
	k := Cache{Floor: s.floor(o.At.Add(-cacheFor / scale))}
	if o.Packet != nil { // what others were told: nothing is learnt from it
		return k.told()
	}
	key := hash(c.key())
	if ttl >= slightTTL {
		s.follow(q, o, key, ttl, known, env, t)
	}
	switch {
	case !known || env == 0:
	case ttl > env+2:
		s.exceed(mark{name: q.Name, at: o.At, ttl: ttl}, cacheFor/scale)
	case ttl >= slightTTL:
		s.fill(mark{name: q.Name, at: o.At, ttl: ttl}, env, cacheFor/scale)
	}
	k = Cache{
		Single: s.hits >= singleHits && o.At.Sub(s.mixed) >= cacheFor/scale,
		Counts: s.counts(q.Name, o.At.Add(-countedFor/scale)),
		Hasty:  after(s.strays, o.At.Add(-cacheFor/scale))+len(s.lapses) >= hastyLapses,
		Floor:  s.floor(o.At.Add(-cacheFor / scale)),
		Cap:    s.cap(o.At.Add(-cacheFor / scale)),
	}
	if h := s.held[q]; h != nil && h.by == key && h.left > 0 {
		k.Left, k.Replaced = h.left, h.replaced
		k.Flushed = s.flushed.Sub(h.replaced).Abs() <= flushFor/scale
	}
	return k.told()
}

// told gives nil for nothing.
func (c Cache) told() *Cache {
	if c == (Cache{}) {
		return nil
	}
	return &c
}

// follow puts an answer to the track that it goes on with, or begins one.
func (s *cacheState) follow(q Question, o Observation, key uint64, ttl uint32, known bool, env uint32, t Timing) {
	h := s.held[q]
	if h == nil {
		if s.held == nil || len(s.held) >= maxHeld {
			s.held = map[Question]*holding{}
		}
		h = &holding{}
		s.held[q] = h
	}
	at, until := o.At, o.At.Add(time.Duration(ttl)*time.Second)
	h.tracks = slices.DeleteFunc(h.tracks, func(x track) bool { return x.until.Before(at) })
	if h.still.key == key && h.still.ttl == ttl && at.Sub(h.still.last) < time.Duration(ttl-2)*time.Second {
		h.still.last = at
		if known && at.Sub(h.still.first) >= stillFor {
			s.stood = at
		}
	} else {
		h.still = still{key, ttl, at, at}
	}
	if i := h.nearest(key, until, trackSlack+min(time.Duration(o.RTT), time.Second)); i >= 0 {
		x := h.tracks[i]
		s.hits++
		if i < len(h.tracks)-1 {
			s.mixed = at
		}
		if at.Sub(x.first) >= countedOver && ttl < x.ttl {
			s.counted = remember(s.counted, mark{name: q.Name, at: at, ttl: ttl})
		}
		x.until, x.known = x.until.Add(until.Sub(x.until)/2), x.known || known
		h.tracks = append(slices.Delete(h.tracks, i, i+1), x)
		return
	}
	if h.by != key {
		h.left, h.by, h.replaced = 0, 0, time.Time{}
	}
	if n := len(h.tracks); n > 0 && h.tracks[n-1].known {
		was := h.tracks[n-1]
		left := was.until.Sub(at)
		early := left > max(earlyBy, time.Duration(max(env, was.ttl))*time.Second*15/100)
		switch {
		case early && known:
			s.lapse(mark{name: q.Name, at: at, ttl: ttl}, t)
		case early && was.key != key:
			h.left, h.by, h.replaced = uint32(left/time.Second), key, at
		}
	}
	h.tracks = append(h.tracks, track{key: key, until: until, first: at, ttl: ttl, known: known})
	h.tracks = h.tracks[max(0, len(h.tracks)-maxTracks):]
}

// nearest finds the track of an answer that expires next to a time, within a slack;
// -1 for none.
func (h *holding) nearest(key uint64, until time.Time, slack time.Duration) int {
	best := -1
	for i, x := range h.tracks {
		if d := x.until.Sub(until).Abs(); x.key == key && d <= slack {
			best, slack = i, d
		}
	}
	return best
}

// lapse takes in that a known answer was replaced too early by a known one. Many
// at once are a flush, or a restart (detection CE-9): that happens now and then. What
// is no part of one, or of one too many, is what the cache always does.
func (s *cacheState) lapse(m mark, t Timing) {
	scale := time.Duration(max(1, t.Factor))
	if m.at.Sub(s.flushed) <= flushWithin/scale {
		return
	}
	since := m.at.Add(-flushWithin / scale)
	var recent []mark
	names := map[string]bool{}
	for _, l := range append(s.lapses, m) {
		if l.at.After(since) {
			recent = append(recent, l)
			names[l.name] = true
		} else {
			s.strays = append(s.strays, l)
		}
	}
	s.lapses = recent[max(0, len(recent)-maxMarks):]
	if len(names) >= flushNames {
		if m.at.Sub(s.flushed) > flushFor/scale && after(s.strays, m.at.Add(-cacheFor/scale)) < hastyLapses {
			s.flushed = m.at
		} else {
			s.strays = append(s.strays, m)
		}
		s.lapses = nil
	}
	s.strays = s.strays[max(0, len(s.strays)-maxMarks):]
}

// counts reports whether the TTLs of enough names other than one were seen to
// count down, and none to stand still.
func (s *cacheState) counts(but string, since time.Time) bool {
	n := after(s.counted, since)
	if slices.ContainsFunc(s.counted, func(m mark) bool { return m.name == but && m.at.After(since) }) {
		n--
	}
	return n >= countedNames && !s.stood.After(since)
}

// exceed takes in that a name was kept for longer than its zone allows. Of each name
// the longest TTL counts.
func (s *cacheState) exceed(m mark, life time.Duration) {
	i := slices.IndexFunc(s.floors, func(x mark) bool { return x.name == m.name })
	if i < 0 || m.ttl >= s.floors[i].ttl || m.at.Sub(s.floors[i].at) >= life {
		s.floors = remember(s.floors, m)
	}
}

// floor is the TTL, in seconds, that enough names were kept for though their zones
// allowed less; 0 for none.
func (s *cacheState) floor(since time.Time) uint32 {
	var ttls []uint32
	for _, m := range s.floors {
		if m.at.After(since) {
			ttls = append(ttls, m.ttl)
		}
	}
	if len(ttls) < floorNames {
		return 0
	}
	slices.Sort(ttls)
	return ttls[len(ttls)-floorNames]
}

// fill takes in that a name may be kept for m.ttl, where its zone allows env. Of each
// name the longest TTL counts.
func (s *cacheState) fill(m mark, env uint32, life time.Duration) {
	i := slices.IndexFunc(s.fulls, func(x mark) bool { return x.name == m.name })
	if i < 0 || m.ttl > s.fulls[i].ttl || m.at.Sub(s.fulls[i].at) >= life {
		m.whole = m.ttl > env-env/8
		s.fulls = remember(s.fulls, m)
	}
}

// cap is the longest TTL, in seconds, that names are kept for, where that is less than
// the zones of enough of them allow; 0 for none.
func (s *cacheState) cap(since time.Time) uint32 {
	var most uint32
	n, whole := 0, false
	for _, m := range s.fulls {
		switch {
		case !m.at.After(since) || m.ttl < most:
			continue
		case m.ttl > most:
			most, n, whole = m.ttl, 0, false
		}
		n, whole = n+1, whole || m.whole
	}
	if n < capNames || whole {
		return 0
	}
	return most
}

// remember puts a mark in the place of an older one of its name. The newest are kept.
func remember(ms []mark, m mark) []mark {
	ms = append(slices.DeleteFunc(ms, func(x mark) bool { return x.name == m.name }), m)
	return ms[max(0, len(ms)-maxMarks):]
}

func after(ms []mark, since time.Time) (n int) {
	for _, m := range ms {
		if m.at.After(since) {
			n++
		}
	}
	return n
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// recall puts to an answer what is known of its endpoint as a cache, and learns
// from it.
func (m *Monitor) recall(q *question, o *Observation) {
	asked := *o
	asked.Packet = nil // what was overheard comes from the cache that we ask as well
	if p := m.peers[asked.Endpoint()]; p != nil {
		a := q.subject.base.answered(q.q.Type)
		o.Cache = p.cache.note(q.q, *o, a.gave(*o, q.q), uint32(a.envelope()/time.Second), m.cfg.Timing)
	}
}

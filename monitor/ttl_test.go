package monitor_test

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// oneCache is a cache that does as RFC 1035 has it, and is known for it.
var oneCache = monitor.Cache{Single: true, Counts: true}

// cached says what was known of whoever gave the last answer.
func (m *matter) cached(c monitor.Cache) *matter {
	as := m.last().Answers
	as[len(as)-1].Cache = &c
	return m
}

// stands has this host's resolver give the false address with each of the TTLs, so
// far apart.
func (m *matter) stands(c monitor.Cache, apart time.Duration, ttls ...uint32) *matter {
	for i, ttl := range ttls {
		m.then(min(time.Duration(i), 1) * apart)
		m.say("system", monitor.UDP, ttl, evilAddr).cached(c)
	}
	return m
}

// replaced is oneCache, that was to keep a good answer for longer, as of noon.
func replaced(left uint32, bend func(*monitor.Cache)) monitor.Cache {
	c := oneCache
	c.Left, c.Replaced = left, noon
	if bend != nil {
		bend(&c)
	}
	return c
}

// early has the false address take the place of a good one at noon, and stay for a
// minute.
func (m *matter) early(c monitor.Cache) *matter {
	return m.say("system", monitor.UDP, 300, evilAddr).cached(c).then(time.Minute).say("system", monitor.UDP, 240, evilAddr).cached(c)
}

// past has witnesses give a good address, and ten minutes later, a walk and this
// host's resolver another one, of a TTL.
func (m *matter) past(ttl uint32, witnesses ...string) *matter {
	return m.dot(goodAddr, witnesses...).then(10*time.Minute).say("system", monitor.UDP, ttl, evilAddr).dot(goodAddr, four...).lives(300, serves(goodAddr))
}

// lives adds a walk that finds records of a TTL.
func (m *matter) lives(ttl uint32, servers ...monitor.AuthoritativeServer) *matter {
	m.walked(servers...)
	es := m.last().Evidence
	es[len(es)-1].TTL = ttl
	return m
}

// gone has witnesses have denied the name for so long, and deny it now.
func (m *matter) gone(ago time.Duration) *matter {
	m.knew(func(a *monitor.Answered) { a.Gone = noon.Add(-ago) })
	for _, n := range four {
		m.reply(voice(n, monitor.DoT), reply{rcode: "NXDOMAIN"})
	}
	return m
}

// once is what two witnesses gave, but not often enough for history.
var once = monitor.Identity{Witnessed: monitor.Span{First: noon.Add(-time.Hour), Last: noon.Add(-time.Hour), Count: 1}, Groups: []string{"alpha", "bravo"}}

// expired has this host's resolver give what the name had for a moment, though
// the zone allows for five seconds.
func expired(ttl uint32, ede ...uint16) *matter {
	m := learntMatter().knows(otherEvil, once).knew(func(a *monitor.Answered) { a.TTLs = []monitor.Envelope{{TTL: 5, End: noon}} })
	for _, n := range four {
		m.say(n, monitor.DoT, 5, goodAddr)
	}
	return m.reply(voice("system", monitor.UDP), reply{addrs: []string{otherEvil}, ttl: ttl, ede: ede})
}

var ttlTests = []ruleTest{
	{"ttl.over_envelope", "the cache has a floor", learntMatter().say("system", monitor.UDP, 3600, evilAddr).cached(monitor.Cache{Floor: 3600}).dot(goodAddr, "alpha"), nil},
	{"ttl.over_envelope", "the cache has a floor, and this is above", learntMatter().say("system", monitor.UDP, 86400, evilAddr).cached(monitor.Cache{Floor: 3600}).dot(goodAddr, "alpha"), []string{"30 local 192.0.66.66"}},
	{"ttl.over_envelope", "expired, as the cache says", expired(60, 3), nil},
	{"ttl.over_envelope", "expired, as BIND says of denials too", expired(60, 19), nil},
	{"ttl.over_envelope", "expired, as its TTL says", expired(30), nil},
	{"ttl.over_envelope", "expired, as nothing says", expired(31), []string{"30 local 192.0.66.67"}},
	{"ttl.over_envelope", "what the name never had cannot expire", learntMatter().reply(voice("system", monitor.UDP), reply{addrs: []string{evilAddr}, ttl: 600, ede: []uint16{3}}).dot(goodAddr, "alpha"), []string{"30 local 192.0.66.66"}},

	{"ttl.no_countdown", "four times over 12 s", learntMatter().stands(oneCache, 4*time.Second, 300, 300, 300, 300), []string{"15 local 192.0.66.66"}},
	{"ttl.no_countdown", "three times", learntMatter().stands(oneCache, 5*time.Second, 300, 300, 300), nil},
	{"ttl.no_countdown", "over 9 s", learntMatter().stands(oneCache, 3*time.Second, 300, 300, 300, 300), nil},
	{"ttl.no_countdown", "fetched anew each time", learntMatter().stands(oneCache, 10*time.Second, 12, 12, 12, 12, 12), nil},
	{"ttl.no_countdown", "it counts down", learntMatter().stands(oneCache, 4*time.Second, 300, 296, 292, 288), nil},
	{"ttl.no_countdown", "it stands still since it was renewed", learntMatter().stands(oneCache, 4*time.Second, 12, 8, 300, 300, 300, 300), []string{"15 local 192.0.66.66"}},
	{"ttl.no_countdown", "the cache counts nothing down", learntMatter().stands(monitor.Cache{Single: true}, 4*time.Second, 300, 300, 300, 300), nil},
	{"ttl.no_countdown", "a pool of caches", learntMatter().stands(monitor.Cache{Counts: true}, 4*time.Second, 300, 300, 300, 300), nil},
	{"ttl.no_countdown", "nothing is known of the cache", learntMatter().twice(func(m *matter) { m.sys(evilAddr) }).twice(func(m *matter) { m.sys(evilAddr) }), nil},
	{"ttl.no_countdown", "another witness gives it too", learntMatter().dot(evilAddr, "alpha").stands(oneCache, 4*time.Second, 300, 300, 300, 300), nil},
	{"ttl.no_countdown", "a good answer", learntMatter().sys(goodAddr).cached(oneCache).then(4 * time.Second).sys(goodAddr).cached(oneCache).then(4 * time.Second).sys(goodAddr).cached(oneCache).then(4 * time.Second).sys(goodAddr).cached(oneCache), nil},

	{"ttl.early_replace", "a good answer had four minutes left", learntMatter().early(replaced(240, nil)), []string{"15 local 192.0.66.66"}},
	{"ttl.early_replace", "a moment ago: other names were not asked about yet", learntMatter().sys(evilAddr).cached(replaced(240, nil)), nil},
	{"ttl.early_replace", "it let go of other names too", learntMatter().early(replaced(240, func(c *monitor.Cache) { c.Flushed = true })), nil},
	{"ttl.early_replace", "it lets go of what it has all the time", learntMatter().early(replaced(240, func(c *monitor.Cache) { c.Hasty = true })), nil},
	{"ttl.early_replace", "a pool of caches", learntMatter().early(replaced(240, func(c *monitor.Cache) { c.Single = false })), nil},
	{"ttl.early_replace", "in its time", learntMatter().early(replaced(0, nil)), nil},
	{"ttl.early_replace", "by another good one", learntMatter().sys(goodAddr).cached(replaced(240, nil)).then(time.Minute).sys(goodAddr2).cached(replaced(240, nil)), nil},

	{"ttl.backdated", "fetched, it says, four minutes ago", learntMatter().past(60, four...), []string{"15 local 192.0.66.66"}},
	{"ttl.backdated", "fetched just now", learntMatter().past(289, four...), nil},
	{"ttl.backdated", "fetched in the future", learntMatter().past(86400, four...), nil},
	{"ttl.backdated", "nobody was heard before", learntMatter().past(60), nil},
	{"ttl.backdated", "too few were heard before", learntMatter().past(60, "alpha", "bravo"), nil},
	{"ttl.backdated", "the name once had it", learntMatter().knows(evilAddr, monitor.Identity{Witnessed: monitor.Span{Last: noon.Add(-40 * 24 * time.Hour), Count: 1}}).past(60, four...), nil},
	{"ttl.backdated", "the walk does not know the TTL", learntMatter().dot(goodAddr, four...).then(10*time.Minute).say("system", monitor.UDP, 60, evilAddr).dot(goodAddr, four...).walked(serves(goodAddr)), nil},
	{"ttl.backdated", "a server of the zone gives it", learntMatter().wrong(nil).dot(goodAddr, four...).then(10*time.Minute).say("system", monitor.UDP, 60, evilAddr).dot(goodAddr, four...).lives(300, serves(goodAddr), serves(evilAddr)), nil},

	{"ttl.ghost", "for more than a day", learntMatter().sys(goodAddr).gone(25 * time.Hour), []string{"0 local invalid IP"}},
	{"ttl.ghost", "for less than a day", learntMatter().sys(goodAddr).gone(23 * time.Hour), nil},
	{"ttl.ghost", "for less than a week, and it says that it has expired", learntMatter().reply(voice("system", monitor.UDP), reply{addrs: []string{goodAddr}, ttl: 30, ede: []uint16{3}}).gone(6 * 24 * time.Hour), nil},
	{"ttl.ghost", "for more than a week, whatever it says", learntMatter().reply(voice("system", monitor.UDP), reply{addrs: []string{goodAddr}, ttl: 30, ede: []uint16{3}}).gone(8 * 24 * time.Hour), []string{"0 local invalid IP"}},
	{"ttl.ghost", "what the name had for a moment", learntMatter().knows(otherEvil, once).sys(otherEvil).gone(25 * time.Hour), []string{"5 local 192.0.66.67"}},
	{"ttl.ghost", "what the name never had", learntMatter().sys(evilAddr).gone(25 * time.Hour), nil},
	{"ttl.ghost", "witnesses give it again", learntMatter().sys(goodAddr).gone(25*time.Hour).then(time.Minute).sys(goodAddr).dot(goodAddr, four...), nil},
}

// What only corroborates adds to an accusation, and makes none.
func TestCorroboration(t *testing.T) {
	for name, tt := range map[string]struct {
		given *matter
		want  string
	}{
		"an unknown address, early":    {learntMatter().early(replaced(240, nil)), "unknown no_proof; div.addr_unknown 5 local 192.0.66.66, ttl.early_replace 15 local 192.0.66.66"},
		"and its certificate is wrong": {learntMatter().early(replaced(240, nil)).shows(evilAddr, monitor.OutcomeSelfSigned, evilKey).control(goodAddr, monitor.OutcomeOK), "suspect; resolver_cache suspected 35; div.addr_unknown 5 local 192.0.66.66, id.tls_mismatch 15 local 192.0.66.66 again, ttl.early_replace 15 local 192.0.66.66; alert resolver_cache"},
		"and it is not the zone's":     {learntMatter().early(replaced(240, nil)).walked(serves(goodAddr)), "suspect; resolver_cache suspected 50; div.addr_unknown 5 local 192.0.66.66, walk.contradiction 30 local 192.0.66.66, ttl.early_replace 15 local 192.0.66.66"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(tt.want, told(tt.given.without())); diff != "" {
				t.Errorf("judgement (-want +got):\n%s", diff)
			}
		})
	}
}

// cache is a resolver that keeps what the zone gives.
type cache struct {
	members int // caches behind its address, asked in turn; 1 where 0
	floor   uint32
	plateau uint32        // it shows no TTL above
	refresh time.Duration // it fetches anew so long after it fetched, whatever the TTL
	w       *world
	turn    map[monitor.Question]int
	kept    map[monitor.Question][]kept
}

type kept struct {
	reply
	at time.Time
}

// answer is a trick.
func (c *cache) answer(endpoint string, q monitor.Question, _ int) (reply, bool) {
	if endpoint != "system/udp" {
		return reply{}, false
	}
	if c.kept[q] == nil {
		c.kept[q] = make([]kept, max(1, c.members))
	}
	c.turn[q]++
	k := &c.kept[q][c.turn[q]%len(c.kept[q])]
	age := time.Since(k.at)
	if left := time.Duration(max(k.ttl, c.floor))*time.Second - age; left <= 0 || c.refresh > 0 && age >= c.refresh && slices.Equal(k.addrs, c.w.zone[q].addrs) {
		*k, age = kept{c.w.zone[q], time.Now()}, 0
	}
	r := k.reply
	r.ttl = max(r.ttl, c.floor) - uint32(age/time.Second)
	if c.plateau > 0 {
		r.ttl = min(r.ttl, c.plateau)
	}
	return r, true
}

// forget has it let go of names.
func (c *cache) forget(qs ...monitor.Question) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for _, q := range qs {
		delete(c.kept, q)
	}
}

// poison puts a false record into every member, in the place of what it keeps.
func (c *cache) poison(q monitor.Question, ttl uint32) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for i := range c.kept[q] {
		c.kept[q][i] = kept{reply{addrs: []string{evilAddr}, ttl: ttl}, time.Now()}
	}
}

// What is learnt of caches of several makes, and of one that is poisoned.
func TestCacheIsLearnt(t *testing.T) {
	for name, tt := range map[string]struct {
		cache  cache
		ttl    uint32 // of the zone; 3600 where 0
		before func(c *cache, qs []monitor.Question)
		want   *monitor.Cache
	}{
		"as RFC 1035 has it": {want: &monitor.Cache{Single: true, Counts: true, Left: 1}},
		"a pool of four":     {cache: cache{members: 4}, want: &monitor.Cache{Hasty: true, Left: 1}},
		"with a floor":       {cache: cache{floor: 3600}, ttl: 60, want: &monitor.Cache{Single: true, Counts: true, Floor: 3600, Left: 1}},
		"with a plateau":     {cache: cache{plateau: 3000}, want: &monitor.Cache{Single: true, Hasty: true, Cap: 3000, Left: 1}},
		"it fetches anew after two minutes (Knot's STUB)": {cache: cache{refresh: 2 * time.Minute}, want: &monitor.Cache{Single: true, Counts: true, Hasty: true, Left: 1}},
		"TTLs that are gone before the next round":        {ttl: 50, want: nil},
		"one name was flushed yesterday": {before: func(c *cache, qs []monitor.Question) { c.forget(qs[1]); wait(2 * time.Hour) },
			want: &monitor.Cache{Single: true, Counts: true, Left: 1}},
		"everything was flushed": {before: func(c *cache, qs []monitor.Question) { c.forget(qs...); wait(2 * time.Minute) },
			want: &monitor.Cache{Single: true, Counts: true, Left: 1, Flushed: true}},
		"everything was flushed half an hour ago": {before: func(c *cache, qs []monitor.Question) { c.forget(qs...); wait(30 * time.Minute) },
			want: &monitor.Cache{Single: true, Counts: true, Left: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				names(w, &c, 5)
				var qs []monitor.Question
				for _, x := range c.Watches {
					q := monitor.Question{Name: x.Name, Type: monitor.TypeA}
					qs = append(qs, q)
					w.publish(q, reply{addrs: []string{goodAddr}, ttl: cmp.Or(tt.ttl, 3600)})
				}
				cache := tt.cache
				cache.w, cache.turn, cache.kept = w, map[monitor.Question]int{}, map[monitor.Question][]kept{}
				w.bend(cache.answer)
				var last *monitor.Cache
				c.Tap = func(s monitor.Sample) {
					for _, o := range s.Answers {
						if s.Question == qs[0] && o.Role == monitor.Local {
							last = o.Cache
						}
					}
				}
				watch(t, w, c, func(*monitor.Monitor) {
					wait(80 * time.Minute)
					if tt.before != nil {
						tt.before(&cache, qs)
					}
					cache.poison(qs[0], 300)
					wait(90 * time.Second)
				})
				if last != nil {
					if (last.Left > 0) != !last.Replaced.IsZero() {
						t.Errorf("it was to keep a good answer for %d s when it was replaced at %s", last.Left, last.Replaced)
					}
					last.Left, last.Replaced = min(last.Left, 1), time.Time{}
				}
				if diff := gocmp.Diff(tt.want, last); diff != "" {
					t.Errorf("what is known of the cache (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What others here are told by a cache that is asked as well has its floor too; what
// it is otherwise known for does not go for them.
func TestCacheIsOverheard(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		names(w, &c, 5)
		c.Watches = append(c.Watches, monitor.Watch{Name: apiA.Name, Types: []monitor.Type{apiA.Type}})
		for _, x := range c.Watches {
			w.publish(monitor.Question{Name: x.Name, Type: monitor.TypeA}, reply{addrs: []string{goodAddr}, ttl: 60})
		}
		cache := cache{floor: 3600, w: w, turn: map[monitor.Question]int{}, kept: map[monitor.Question][]kept{}}
		w.bend(cache.answer)
		var overheard []*monitor.Cache
		c.Tap = func(s monitor.Sample) {
			if s.Via == monitor.Wire {
				overheard = append(overheard, s.Answers[0].Cache)
			}
		}
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(80 * time.Minute)
			m.Offer(transaction(1, 1, good(evilAddr)))
			wait(time.Second)
		})
		if diff := gocmp.Diff([]*monitor.Cache{{Floor: 3600}}, overheard); diff != "" {
			t.Errorf("what is known of the cache (-want +got):\n%s", diff)
		}
	})
}

// What a rule goes by is in the samples: judged again, they give the same reasons.
func TestCacheIsReplayed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		names(w, &c, 5)
		q := monitor.Question{Name: c.Watches[0].Name, Type: monitor.TypeA}
		for _, x := range c.Watches {
			w.publish(monitor.Question{Name: x.Name, Type: monitor.TypeA}, reply{addrs: []string{goodAddr}, ttl: 3600})
		}
		cache := cache{w: w, turn: map[monitor.Question]int{}, kept: map[monitor.Question][]kept{}}
		w.bend(cache.answer)
		w.facts = func(p monitor.Proof) monitor.Evidence {
			if p.Kind != monitor.EvidenceWalk {
				return monitor.Evidence{Status: monitor.Indeterminate}
			}
			return monitor.Evidence{PathProven: true, TTL: 3600, Addresses: []netip.Addr{netip.MustParseAddr(goodAddr)}, Zone: "partner.example."}
		}
		var tape tape
		c.Tap = tape.add
		var live []string
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(80 * time.Minute)
			cache.poison(q, 3600)
			wait(5 * time.Minute) // two of this host's own rounds or more, from the first lie on
			live = rulesOf(judged(t, m, q.Name).Reasons)
		})
		for _, rule := range []string{"ttl.early_replace", "ttl.backdated"} {
			if !slices.Contains(live, rule) {
				t.Errorf("%s is not among the reasons: %q", rule, live)
			}
		}
		r := monitor.NewReplay(monitor.Config{Timing: c.Timing})
		for _, s := range tape.all() {
			if s.Question == q {
				r.Take(s)
			}
		}
		if diff := gocmp.Diff(live, rulesOf(r.Report(w.now()).Watches[0].Reasons)); diff != "" {
			t.Errorf("reasons (-live +judged again):\n%s", diff)
		}
	})
}

func rulesOf(rs []monitor.Reason) (ids []string) {
	for _, r := range rs {
		ids = append(ids, r.Rule)
	}
	slices.Sort(ids)
	return ids
}

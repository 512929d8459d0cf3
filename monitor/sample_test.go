package monitor_test

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// noon is the moment that samples of tests without a clock begin at.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// matter builds a case from what was said and shown, second by second.
type matter struct {
	monitor.Case
	at time.Time
}

// newMatter is a case about a name of which nothing is known.
func newMatter() *matter {
	return &matter{at: noon, Case: monitor.Case{
		Watch: monitor.Watch{Name: apiA.Name}, Question: apiA, Opened: noon,
		Base: monitor.NewBaseline(apiA.Name, noon.Add(-10*24*time.Hour)), Policy: &monitor.Policy{Timing: monitor.DefaultTiming()},
	}}
}

// learntMatter is a case about a name that is well known: two addresses proved
// it, and witnesses gave them for days with a TTL of 300 s.
func learntMatter() *matter {
	m := newMatter()
	a := &monitor.Answered{Addresses: map[netip.Addr]*monitor.Identity{}}
	seen := monitor.Span{First: noon.Add(-10 * 24 * time.Hour), Last: noon.Add(-10 * time.Minute), Count: 900}
	for _, s := range []string{goodAddr, goodAddr2} {
		a.Addresses[netip.MustParseAddr(s)] = &monitor.Identity{
			Seen: seen, Witnessed: seen, Groups: []string{"alpha", "bravo", "charlie"}, Verified: noon.Add(-time.Hour), By: "certificate", SPKI: goodKey,
		}
	}
	a.Rounds = seen
	a.TTLs = []monitor.Envelope{{TTL: 300, Start: seen.First, End: seen.Last}}
	m.Base.Types[monitor.TypeA] = a
	m.Base.Keys[goodKey] = &monitor.KeySpan{Span: seen}
	return m
}

// then begins another sample, d later.
func (m *matter) then(d time.Duration) *matter {
	m.at = m.at.Add(d)
	m.Samples = append(m.Samples, monitor.Sample{At: m.at, Via: monitor.Probe, Question: m.Question})
	return m
}

func (m *matter) last() *monitor.Sample {
	if len(m.Samples) == 0 {
		m.then(0)
	}
	return &m.Samples[len(m.Samples)-1]
}

// endpoints of matters, by name: this host's resolver, and four operators.
func voice(name string, tr monitor.Transport) monitor.Resolver {
	i := slices.Index([]string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"}, name)
	if i < 0 {
		return endpoint(name, name, "10.0.0.2", monitor.Local, tr)
	}
	return endpoint(name, name, fmt.Sprintf("9.9.9.%d", i+1), monitor.Reference, tr)
}

// say adds an answer of an endpoint to the last sample.
func (m *matter) say(name string, tr monitor.Transport, ttl uint32, addrs ...string) *matter {
	return m.reply(voice(name, tr), reply{addrs: addrs, ttl: ttl})
}

func (m *matter) reply(r monitor.Resolver, say reply) *matter {
	s := m.last()
	s.Answers = append(s.Answers, say.to(monitor.From(r, m.at), m.Question))
	return m
}

// sys adds an answer of this host's resolver, TTL 60.
func (m *matter) sys(addrs ...string) *matter { return m.say("system", monitor.UDP, 60, addrs...) }

// dot adds the same answer of several operators over TLS, TTL 300.
func (m *matter) dot(addr string, names ...string) *matter {
	for _, n := range names {
		m.say(n, monitor.DoT, 300, addr)
	}
	return m
}

// udp adds the same answer of several operators in plain, TTL 60.
func (m *matter) udp(addr string, names ...string) *matter {
	for _, n := range names {
		m.say(n, monitor.UDP, 60, addr)
	}
	return m
}

// shows adds a handshake with a suspect; the certificate is 41 days old.
func (m *matter) shows(addr string, o monitor.Outcome, key string) *matter {
	return m.shake(monitor.Evidence{Address: netip.MustParseAddr(addr), Role: monitor.Suspect, Outcome: o, SPKI: key, NotBefore: m.at.Add(-old)})
}

// control adds a handshake with an address believed good.
func (m *matter) control(addr string, o monitor.Outcome) *matter {
	return m.shake(monitor.Evidence{Address: netip.MustParseAddr(addr), Role: monitor.Control, Outcome: o, SPKI: goodKey, NotBefore: m.at.Add(-old)})
}

func (m *matter) shake(e monitor.Evidence) *matter {
	s := m.last()
	e.Kind, e.At = monitor.EvidenceTLS, m.at
	s.Evidence = append(s.Evidence, e)
	return m
}

// watched bends the expectations of the watch.
func (m *matter) watched(f func(*monitor.Watch)) *matter {
	f(&m.Watch)
	return m
}

// findings lists all that rules hold against anybody: "rule weight whom address",
// and "again" where it must be seen again.
func findings(c *monitor.Case) []string {
	out := []string{}
	for _, a := range monitor.Judge(c).Accusations {
		for _, f := range a.Findings {
			whom := f.Group
			if f.Local {
				whom = "local"
			}
			s := fmt.Sprintf("%s %d %s %s", f.Rule, f.Weight, whom, f.Address)
			if f.Pending {
				s += " again"
			}
			out = append(out, s)
		}
	}
	return out
}

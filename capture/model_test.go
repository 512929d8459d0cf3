package capture_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/capture"
)

// modelPacket is a DNS message on its way, in the words of the model.
type modelPacket struct {
	at       time.Duration
	client   uint16
	id       uint16
	name     string
	response bool
	answer   string // data of the response
	iface    int
}

// modelOpen is a transaction that is open in the model.
type modelOpen struct {
	client, id uint16
	name       string
	touched    time.Duration
	queries    []modelPacket
	responses  []modelPacket
	answered   bool
	says       string // the first response: of all that may be forgotten, it is not
	odd        bool
}

// room reports whether another packet is kept: sixteen are.
func (o *modelOpen) room() bool { return len(o.queries)+len(o.responses) < 16 }

// model is the matcher as one would explain it: a list of open transactions,
// looked through from end to end for each packet.
type model struct {
	open []modelOpen
	now  time.Duration
}

const modelWatched = "watched.example."

// take gives what comes of a packet: counts of queries and responses of the
// transaction, where it becomes a sample.
func (m *model) take(p modelPacket) (queries, responses int, ok bool) {
	m.now = max(m.now, p.at)
	m.open = slices.DeleteFunc(m.open, func(o modelOpen) bool {
		hold := 10 * time.Second
		if o.answered && !o.odd && o.name != modelWatched {
			hold = 5 * time.Second
		}
		return m.now-o.touched > hold
	})
	i := slices.IndexFunc(m.open, func(o modelOpen) bool { return o.client == p.client && o.id == p.id })
	if i >= 0 && m.open[i].name != p.name {
		if p.response {
			return 0, 0, false
		}
		m.open = slices.Delete(m.open, i, i+1)
		i = -1
	}
	if i < 0 {
		m.open = append(m.open, modelOpen{client: p.client, id: p.id, name: p.name})
		i = len(m.open) - 1
		m.open[i].touched = m.now
	}
	o := &m.open[i]
	same := o.queries
	if p.response {
		same = o.responses
	}
	for _, x := range same {
		if x.answer == p.answer && x.iface != p.iface && (p.at-x.at).Abs() <= 20*time.Millisecond {
			return 0, 0, false
		}
	}
	o.touched = m.now
	room := o.room()
	if !p.response {
		if room {
			o.queries = append(o.queries, p)
		}
		return 0, 0, false
	}
	first := !o.answered
	known := !first && (o.says == p.answer || slices.ContainsFunc(o.responses, func(x modelPacket) bool { return x.answer == p.answer }))
	if first {
		o.says = p.answer
	}
	o.answered = true
	o.odd = o.odd || !first && !known
	if room {
		o.responses = append(o.responses, p)
	}
	return len(o.queries), len(o.responses), room && (first && p.name == modelWatched || !first && !known)
}

func (p modelPacket) frame(t testing.TB, number int) capture.Frame {
	q := query(p.at, p.id, p.name, dns.TypeA).with(func(d *datagram) { d.src = netip.AddrPortFrom(d.src.Addr(), 40000+p.client) })
	if p.response {
		q = q.reply(p.at, p.answer)
	}
	q.iface = p.iface
	f := q.frame(t, number)
	f.Data[18], f.Data[19] = 0, 0 // the same IP id for all: only interface and time tell copies apart
	return f
}

// TestMatcherModel holds the matcher against the model. Every answer of the
// watched name is another one, so that what was heard lately plays no part.
func TestMatcherModel(t *testing.T) { rapid.Check(t, matcherModel(t)) }

// FuzzMatcherModel is the same, led by coverage.
func FuzzMatcherModel(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) { rapid.MakeFuzz(matcherModel(t))(t, data) })
}

func matcherModel(t testing.TB) func(*rapid.T) {
	return func(rt *rapid.T) {
		m, slow := capture.NewMatcher(capture.Config{Watched: []string{modelWatched}}), &model{}
		at, fresh := time.Duration(0), 0
		for n := range rapid.IntRange(1, 60).Draw(rt, "packets") {
			at += time.Duration(rapid.SampledFrom([]int{0, 1, 15, 25, 900, 4900, 5100, 10100}).Draw(rt, "pause")) * time.Millisecond
			p := modelPacket{
				at: at, client: rapid.Uint16Range(0, 1).Draw(rt, "client"), id: rapid.Uint16Range(0, 1).Draw(rt, "id"),
				name: rapid.SampledFrom([]string{"a.example.", "b.example.", modelWatched}).Draw(rt, "name"), response: rapid.Bool().Draw(rt, "response"),
				iface: rapid.IntRange(1, 2).Draw(rt, "iface"),
			}
			if p.response {
				p.answer = rapid.SampledFrom([]string{"203.0.113.1", "203.0.113.2", "198.51.100.1"}).Draw(rt, "answer")
				if p.name == modelWatched {
					fresh++
					p.answer = fmt.Sprintf("10.%d.%d.%d", fresh>>16, fresh>>8&255, fresh&255)
				}
			}
			queries, responses, want := slow.take(p)
			s, ok := m.Take(p.frame(t, n+1))
			if ok != want {
				rt.Fatalf("packet %d %+v: sample %v, the model says %v", n+1, p, ok, want)
			}
			if ok && (len(s.Queries) != queries || len(s.Answers) != responses) {
				rt.Fatalf("packet %d %+v: %d queries and %d answers, the model has %d and %d", n+1, p, len(s.Queries), len(s.Answers), queries, responses)
			}
		}
	}
}

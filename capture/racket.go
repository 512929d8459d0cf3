package capture

import (
	"math"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/dnstaster/dnstaster/monitor"
)

// Times within which what comes in the name of a server is counted.
const (
	aMoment  = 10 * time.Second
	aMinute  = time.Minute
	mtuFor   = 10 * time.Minute
	alarmFor = 2 * time.Minute // a question that was not asked while an attack went on is handed over with what it was
	going    = 2 * time.Second // an attack is under way that was noticed so lately
	maxTold  = 8               // questions of one attack: that one name is told of is enough to know
	settling = 10 * time.Second
)

// racket is what came in the name of a server and was no answer to any query.
type racket struct {
	unsolicited, wrongIDs, sweeps, refused, torn tally // in a moment
	orphans, short, fallbacks                    tally // in a minute
	fallen                                       tally // fallbacks, in an hour

	second  int64 // when the second began in which closed ports are counted
	knocks  int32
	sweeper bool      // that was a sweep
	ports   [4]uint64 // a set
	said    [4]uint64 // of what the packets said
	most    int       // ports of a sweep

	sprayed   uint64 // what the last orphan holds, as a hash
	sprays    int    // orphans in a row that do
	sprayedAt int64

	mtu   int
	mtuAt int64

	missing tally    // denials of names, in a moment
	domain  string   // that most of them are under
	votes   int      // for it
	labels  []uint64 // a set of names
	turned  int64

	alarmed int64         // when the attack was last noticed; 0 for never
	worst   monitor.Noise // of it
	told    []telling
}

// telling is that a question was handed over because of an attack.
type telling struct {
	question uint64
	at       int64
}

// tally counts what happens within a time, by halves of it.
type tally struct {
	half      int64
	now, last int32
}

func (t *tally) turn(at int64, within time.Duration) {
	half := at / (int64(within) / 2)
	switch {
	case half == t.half:
		return
	case half == t.half+1:
		t.last, t.now = t.now, 0
	default:
		t.last, t.now = 0, 0
	}
	t.half = half
}

func (t *tally) add(at int64, within time.Duration) int {
	t.turn(at, within)
	t.now += min(1, math.MaxInt32/2-t.now)
	return int(t.now + t.last)
}

func (t *tally) count(at int64, within time.Duration) int {
	t.turn(at, within)
	return int(t.now + t.last)
}

// knock takes in a packet to a closed port. A search for open ones sends the same to
// all: what a capture that sees half of the traffic takes for such says something
// else each time.
func (r *racket) knock(port uint16, says uint64, at int64) {
	if at-r.second >= int64(time.Second) || at < r.second {
		r.second, r.knocks, r.sweeper, r.ports, r.said = at, 0, false, [4]uint64{}, [4]uint64{}
	}
	r.knocks = min(r.knocks+1, math.MaxInt32/2)
	setBit(r.ports[:], uint64(port))
	setBit(r.said[:], says)
	n := int(r.knocks)
	if r.sweeper || n > 4*len(r.said)*64 || !monitor.Sweeping(n, ones(r.ports[:])) || 2*ones(r.said[:]) > min(n, 64*len(r.said)) {
		return
	}
	r.sweeper, r.most = true, max(r.most, ones(r.ports[:]))
	r.sweeps.add(at, aMoment)
}

// orphan takes in a fragment whose beginning never came.
func (r *racket) orphan(holds uint64, at int64) {
	r.orphans.add(at, aMinute)
	if holds != r.sprayed || at-r.sprayedAt > int64(aMoment) {
		r.sprayed, r.sprays = holds, 0
	}
	r.sprays, r.sprayedAt = min(r.sprays+1, math.MaxInt32), at
}

// How many denials there are in a moment before they are looked at, and how many then
// are: to read a name takes time.
const (
	manyDenials   = 10
	enoughDenials = 512
)

// deny takes in that a name does not exist.
func (r *racket) deny(question []byte, hash uint64, at int64) {
	if at-r.turned > int64(aMoment) || at < r.turned {
		r.votes, r.domain, r.turned = 0, "", at
		clear(r.labels)
	}
	if r.missing.add(at, aMoment) < manyDenials || r.votes > enoughDenials {
		return
	}
	name := nameText(question)
	domain, err := publicsuffix.EffectiveTLDPlusOne(strings.TrimSuffix(name, "."))
	if err != nil {
		return
	}
	if domain += "."; domain != r.domain {
		if r.votes--; r.votes > 0 {
			return
		}
		r.domain, r.votes = domain, 0
		if r.labels == nil {
			r.labels = make([]uint64, 16)
		}
		clear(r.labels)
	}
	r.votes++
	setBit(r.labels, hash)
}

// noise gives what there is to tell at a time; nil for nothing.
func (r *racket) noise(at int64) *monitor.Noise {
	n := monitor.Noise{
		Unsolicited: r.unsolicited.count(at, aMoment), WrongIDs: r.wrongIDs.count(at, aMoment), Refused: r.refused.count(at, aMoment),
		Sweeps: r.sweeps.count(at, aMoment), Torn: r.torn.count(at, aMoment),
		Orphans: r.orphans.count(at, aMinute), ShortFragments: r.short.count(at, aMinute),
	}
	if n.Fallbacks = r.fallbacks.count(at, aMinute); n.Fallbacks > 0 {
		usual := (r.fallen.count(at, time.Hour) - n.Fallbacks + 59) / 60 // in a minute
		n.Fallbacks = max(0, n.Fallbacks-usual)
	}
	if n.Sweeps > 0 {
		n.SweptPorts = r.most
	}
	if r.sprays > 1 && at-r.sprayedAt <= int64(aMoment) {
		n.Sprayed = r.sprays
	}
	if r.mtu > 0 && at-r.mtuAt <= int64(mtuFor) {
		n.PathMTU = r.mtu
	}
	if labels := ones(r.labels); labels > 0 && at-r.turned <= int64(aMoment) {
		n.Labels, n.Domain = labels, r.domain
	}
	if n == (monitor.Noise{}) {
		return nil
	}
	return &n
}

// heed notices an attack.
func (r *racket) heed(at int64) {
	n := r.noise(at)
	if !n.Assault() {
		return
	}
	if at-r.alarmed > int64(alarmFor) || at < r.alarmed {
		r.told, r.worst, r.most = nil, monitor.Noise{}, n.SweptPorts
	}
	r.alarmed, r.worst = at, worse(r.worst, *n)
}

// worse gives the most of each.
func worse(a, b monitor.Noise) monitor.Noise {
	if b.Labels > a.Labels {
		a.Labels, a.Domain = b.Labels, b.Domain
	}
	if a.PathMTU == 0 || b.PathMTU != 0 && b.PathMTU < a.PathMTU {
		a.PathMTU = b.PathMTU
	}
	for _, x := range []struct {
		a *int
		b int
	}{
		{&a.Unsolicited, b.Unsolicited}, {&a.WrongIDs, b.WrongIDs}, {&a.SweptPorts, b.SweptPorts}, {&a.Sweeps, b.Sweeps}, {&a.Refused, b.Refused},
		{&a.Orphans, b.Orphans}, {&a.Sprayed, b.Sprayed}, {&a.Torn, b.Torn}, {&a.ShortFragments, b.ShortFragments}, {&a.Fallbacks, b.Fallbacks},
	} {
		*x.a = max(*x.a, x.b)
	}
	return a
}

// wants reports whether a question is to be handed over because of an attack, whatever
// its answer: each once, and again every moment while it goes on. Forged fragments are a
// matter to answers that come in fragments.
func (r *racket) wants(question uint64, pieced bool, at int64) bool {
	if r.alarmed == 0 || at-r.alarmed > int64(alarmFor) || at < r.alarmed {
		return false
	}
	if whole := r.worst; !pieced {
		if whole.Torn, whole.Sprayed = 0, 0; !whole.Assault() {
			return false
		}
	}
	for _, t := range r.told {
		if t.question == question {
			return at-r.alarmed < int64(going) && at-t.at >= int64(heardAgain)
		}
	}
	return len(r.told) < maxTold
}

// tell notes that a question is handed over, and gives what to tell.
func (r *racket) tell(question uint64, pieced bool, at int64) *monitor.Noise {
	n := r.noise(at)
	switch {
	case r.wants(question, pieced, at):
	case n.Assault() && at-r.alarmed >= int64(going):
		return nil // it is over, and was told
	default:
		return n
	}
	for i := range r.told {
		if r.told[i].question == question {
			r.told[i].at = at
			return n
		}
	}
	r.told = append(r.told, telling{question, at})
	if n == nil {
		n = &monitor.Noise{}
	}
	worst := worse(r.worst, *n)
	return &worst
}

// young reports whether too little was seen so far to tell an answer that nobody asked
// for from one whose query came before the capture, or was lost.
func (m *Matcher) young() bool {
	return m.at-m.first < int64(settling) || !m.lostAt.IsZero() && m.now.Sub(m.lostAt) <= holdOpen || m.hold.Load() < int64(holdLeast)
}

// named gives the server in whose name something came; nil where it is not known, or
// too little was seen so far.
func (m *Matcher) named(a netip.Addr) *neighbour {
	if n := m.servers[a]; n != nil && !m.young() {
		return n
	}
	return nil
}

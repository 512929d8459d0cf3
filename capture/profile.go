package capture

import (
	"net"
	"slices"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// How a profile is learnt. What is told of a server rests on so many of its answers,
// and holds what one in a hundred of them shows. What is new must be seen again and
// again, for a while, in answers that nobody contradicts (Duan et al., Hold-On, SATIN
// 2012; detection D7 to D10).
const (
	profiled    = 50 // answers
	rareShare   = 100
	agedAt      = 1 << 10        // answers after which older ones count half
	freshFor    = 24 * time.Hour // what is new is counted for so long
	hopsAgain   = 5
	traitsAgain = 20
	hopsOver    = 30 * time.Second
	macsOver    = 10 * time.Minute
	rttsOver    = 7 * 24 * time.Hour / 2 // of each half of the time that the least is of
	lookEvery   = 10 * time.Millisecond  // an answer of a server that is known is looked at
	maxHeld     = 16
)

// habit is a property of a server's answers with the values that it takes, and those
// that it took lately for the first time.
type habit struct {
	n     uint32 // answers
	known [4]value
	fresh [4]value
}

type value struct {
	v     uint64
	n     uint32
	since int64 // ns since 1970
}

// has reports whether the value is known, or nothing is.
func (h *habit) has(v uint64) bool {
	return h.n == 0 || slices.ContainsFunc(h.known[:], func(x value) bool { return x.n > 0 && x.v == v })
}

// take takes in a value that was seen at a time. Once the habit is formed, a new one
// becomes part of it when it was seen so many times, over such a time.
func (h *habit) take(v uint64, at int64, times uint32, over time.Duration) {
	for i := range h.known {
		if x := &h.known[i]; x.n > 0 && x.v == v {
			x.n++
			h.age()
			return
		}
	}
	if h.n < profiled {
		h.learn(value{v, 1, at})
		h.age()
		return
	}
	x := slot4(&h.fresh, v)
	if x.n == 0 || x.v != v || at-x.since > int64(freshFor) {
		*x = value{v, 0, at}
	}
	if x.n++; x.n >= times && at-x.since >= int64(over) {
		h.learn(*x)
		*x = value{}
	}
}

// slot4 gives the value, or the one that takes its place: none, or the oldest.
func slot4(vs *[4]value, v uint64) *value {
	oldest := &vs[0]
	for i := range vs {
		switch x := &vs[i]; {
		case x.n > 0 && x.v == v:
			return x
		case x.n == 0 && oldest.n > 0, x.n > 0 && oldest.n > 0 && x.since < oldest.since:
			oldest = x
		}
	}
	return oldest
}

// learn makes a value known, in the place of the rarest.
func (h *habit) learn(x value) {
	rarest := &h.known[0]
	for i := range h.known {
		if h.known[i].n < rarest.n {
			rarest = &h.known[i]
		}
	}
	// It must outlive the next ageing, if it goes on.
	*rarest = value{x.v, max(x.n, h.n/rareShare+1), x.since}
}

// age has older answers count less, and forgets what became rare.
func (h *habit) age() {
	if h.n++; h.n < agedAt {
		return
	}
	h.n /= 2
	for i := range h.known {
		if x := &h.known[i]; x.n/2 < h.n/rareShare {
			*x = value{}
		} else {
			x.n /= 2
		}
	}
}

// values lists what is known, if enough is.
func (h *habit) values() (vs []uint64) {
	if h.n < profiled {
		return nil
	}
	for _, x := range h.known {
		if x.n > 0 {
			vs = append(vs, x.v)
		}
	}
	slices.Sort(vs)
	return vs
}

// look is what one answer shows of its server.
type look struct {
	hop     uint64
	mac     uint64 // 0 for none
	traits  monitor.Traits
	telling monitor.Traits
	rtt     int64 // ns; 0 where it is not known
}

// heldLook waits for its transaction to pass uncontradicted.
type heldLook struct {
	look
	key uint64
	at  int64
}

// profile is how a server answers.
type profile struct {
	hops, macs habit
	traits     [8]habit // by bit
	least      [2]int64 // ns, in the half week that is and the one before; 0 for none
	turned     int64
	fast       value // answers much sooner than the least
	answers    uint32
	held       [maxHeld]heldLook
	next       int64 // when an answer is looked at again
}

// strange reports whether an answer shows what those of its server do not.
func (p *profile) strange(l look) bool {
	if !p.hops.has(l.hop) || l.mac != 0 && !p.macs.has(l.mac) || p.hasty(l.rtt) {
		return true
	}
	for i := range p.traits {
		if l.telling>>i&1 != 0 && !p.traits[i].has(uint64(l.traits>>i&1)) {
			return true
		}
	}
	return false
}

// leastRTT is the shortest time that the server took, in ns; 0 for none.
func (p *profile) leastRTT() int64 {
	if p.least[0] == 0 || p.least[1] == 0 {
		return max(p.least[0], p.least[1])
	}
	return min(p.least[0], p.least[1])
}

func (p *profile) hasty(rtt int64) bool { return rtt > 0 && 2*rtt < p.leastRTT() }

// take takes in what an answer showed.
func (p *profile) take(l look, at int64) {
	p.answers = min(p.answers+1, agedAt)
	p.hops.take(l.hop, at, hopsAgain, hopsOver)
	if l.mac != 0 {
		p.macs.take(l.mac, at, hopsAgain, macsOver)
	}
	for i := range p.traits {
		if l.telling>>i&1 != 0 {
			p.traits[i].take(uint64(l.traits>>i&1), at, traitsAgain, 0)
		}
	}
	if l.rtt == 0 {
		return
	}
	if at-p.turned > int64(rttsOver) {
		p.least, p.turned = [2]int64{0, p.least[0]}, at
	}
	if p.hasty(l.rtt) && p.answers > profiled {
		if p.fast.n == 0 || at-p.fast.since > int64(freshFor) {
			p.fast = value{since: at}
		}
		if p.fast.n++; p.fast.n < hopsAgain || at-p.fast.since < int64(hopsOver) {
			return
		}
		p.least, p.fast = [2]int64{}, value{}
	}
	if p.least[0] == 0 || l.rtt < p.least[0] {
		p.least[0] = l.rtt
	}
}

// see takes in what the first answer of a transaction showed: at once where it is as
// ever, and else when it has passed uncontradicted.
func (p *profile) see(l look, key uint64, at int64) {
	free := -1
	for i := range p.held {
		x := &p.held[i]
		if x.at != 0 && max(at-x.at, x.at-at) > int64(HoldAnswered) {
			p.take(x.look, x.at)
			*x = heldLook{}
		}
		if x.at == 0 {
			free = i
		}
	}
	switch {
	case p.answers < profiled || !p.strange(l):
		p.take(l, at)
	case free >= 0:
		p.held[free] = heldLook{l, key, at}
	}
}

// doubt forgets what the first answer of a transaction showed, since another
// contradicts it.
func (p *profile) doubt(key uint64) {
	for i := range p.held {
		if p.held[i].key == key {
			p.held[i] = heldLook{}
		}
	}
}

// manner is what is told of it; nil where that is too little.
func (p *profile) manner() *monitor.Manner {
	if p.answers < profiled {
		return nil
	}
	k := &monitor.Manner{RTT: monitor.Milliseconds(p.leastRTT())}
	for _, v := range p.hops.values() {
		k.HopLimits = append(k.HopLimits, int(v))
	}
	for _, v := range p.macs.values() {
		k.MACs = append(k.MACs, macText(v))
	}
	for i := range p.traits {
		switch vs := p.traits[i].values(); {
		case len(vs) != 1:
		case vs[0] == 1:
			k.Always |= 1 << i
		default:
			k.Never |= 1 << i
		}
	}
	return k
}

// macNumber gives a hardware address as a number, 0 for one of another length.
func macNumber(b []byte) (n uint64) {
	if len(b) != 6 {
		return 0
	}
	for _, x := range b {
		n = n<<8 | uint64(x)
	}
	return n
}

func macText(n uint64) string {
	return net.HardwareAddr{byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}.String()
}

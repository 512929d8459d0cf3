package capture

import "math"

// table holds the open transactions in slots of 64 octets, numbered from 1, that
// point to each other by these numbers: there is nothing in it for the garbage
// collector to look at. It doubles as it fills, up to a bound.
type table struct {
	slots []slot // the first is never used
	used  uint32 // the highest number ever given out
	free  uint32 // the first of those given back, linked by older
	open  int
	most  int

	keys  index // by addresses, ports, protocol and id
	pairs index // the same but for the id, to the newest of those that have a query
	ages  [ages]age
}

// slot is one open transaction. Addresses and question are in the packets.
type slot struct {
	pair     uint64 // hash of client and server with their ports, and of the protocol
	says     uint64 // what its first response says
	touched  int64  // when its last packet came, ns since 1970
	last     place  // its last packet
	question uint32 // hash
	older    uint32 // of the same age: the one touched before
	younger  uint32 // and after
	elder    uint32 // of the same pair: the one opened before
	newer    uint32 // and after
	id       uint16
	client   uint16 // which counter has its client
	queries  uint16
	answers  uint16 // responses
	strays   uint16 // responses to the same port that had another id
	packets  uint8  // that were kept
	state    uint8
}

// What is known of a slot: which of the ages it is of, and flags.
const (
	lone     = iota // responses without a query that was seen
	loneKept        // of these, what is watched or odd: its answers differ
	answered        //
	waiting         // for a response
	kept            // watched or odd
	ages            // how many there are

	ageMask    = 7
	watchedBit = 1 << 3
	oddBit     = 1 << 4
	pairedBit  = 1 << 5 // it has a query, and is in pairs
)

func (s *slot) age() int        { return int(s.state & ageMask) }
func (s *slot) is(b uint8) bool { return s.state&b != 0 }

// age holds slots in the order in which they were last touched.
type age struct {
	first, last uint32
	n           int
}

const firstSlots = 1 << 10

func newTable(most int) table {
	n := min(most, firstSlots)
	return table{slots: make([]slot, n+1), most: most, keys: newIndex(n), pairs: newIndex(n)}
}

// find gives the number of the slot of a transaction; 0 for none.
func (t *table) find(pair uint64, id uint16) uint32 {
	tag := tagOf(keyHash(pair, id))
	for i := t.keys.home(tag); ; i = t.keys.next(i) {
		c := t.keys.cells[i]
		if c.slot == 0 {
			return 0
		}
		if s := &t.slots[c.slot]; c.tag == tag && s.pair == pair && s.id == id {
			return c.slot
		}
	}
}

// newest gives the cell in pairs of a pair; nil for none.
func (t *table) newest(pair uint64) *cell {
	tag := tagOf(pair)
	for i := t.pairs.home(tag); ; i = t.pairs.next(i) {
		c := &t.pairs.cells[i]
		if c.slot == 0 {
			return nil
		}
		if c.tag == tag && t.slots[c.slot].pair == pair {
			return c
		}
	}
}

// add opens a slot. There must be room.
func (t *table) add(s slot) uint32 {
	n := t.free
	switch {
	case n != 0:
		t.free = t.slots[n].older
	default:
		if int(t.used)+1 == len(t.slots) {
			t.grow()
		}
		t.used++
		n = t.used
	}
	t.slots[n] = s
	t.keys.put(tagOf(keyHash(s.pair, s.id)), n)
	t.open++
	t.push(n)
	return n
}

// grow doubles the table.
func (t *table) grow() {
	n := min(2*(len(t.slots)-1), t.most)
	t.slots = append(make([]slot, 0, n+1), t.slots...)[:n+1]
	t.keys.grow(n)
	t.pairs.grow(n)
}

// remove gives a slot back. What it held is there until the next add.
func (t *table) remove(n uint32) {
	s := &t.slots[n]
	t.pull(n)
	t.part(n)
	t.keys.remove(tagOf(keyHash(s.pair, s.id)), n)
	s.older, t.free = t.free, n
	t.open--
}

// push puts a slot last in its age.
func (t *table) push(n uint32) {
	s := &t.slots[n]
	a := &t.ages[s.age()]
	s.older, s.younger = a.last, 0
	if a.last != 0 {
		t.slots[a.last].younger = n
	} else {
		a.first = n
	}
	a.last = n
	a.n++
}

// pull takes a slot out of its age.
func (t *table) pull(n uint32) {
	s := &t.slots[n]
	a := &t.ages[s.age()]
	if s.older != 0 {
		t.slots[s.older].younger = s.younger
	} else {
		a.first = s.younger
	}
	if s.younger != 0 {
		t.slots[s.younger].older = s.older
	} else {
		a.last = s.older
	}
	a.n--
}

// pairUp makes a slot the newest of its pair, if it is not among them.
func (t *table) pairUp(n uint32) {
	s := &t.slots[n]
	if s.is(pairedBit) {
		return
	}
	s.state |= pairedBit
	s.elder, s.newer = 0, 0
	if c := t.newest(s.pair); c != nil {
		s.elder = c.slot
		t.slots[c.slot].newer = n
		c.slot = n
	} else {
		t.pairs.put(tagOf(s.pair), n)
	}
}

// part takes a slot out of those of its pair.
func (t *table) part(n uint32) {
	s := &t.slots[n]
	if !s.is(pairedBit) {
		return
	}
	s.state &^= pairedBit
	if s.elder != 0 {
		t.slots[s.elder].newer = s.newer
	}
	tag := tagOf(s.pair)
	switch {
	case s.newer != 0:
		t.slots[s.newer].elder = s.elder
	case s.elder != 0:
		t.pairs.cells[t.pairs.at(tag, n)].slot = s.elder
	default:
		t.pairs.remove(tag, n)
	}
}

// more adds one to a small counter that stays where it ends.
func more(n uint16) uint16 { return n + uint16(min(1, math.MaxUint16-int(n))) }

package capture

// index finds slots by hashes, with open addressing: what does not fit in the
// cell that its hash names is in one of the next ones. A cell holds 32 bits of
// the hash, so that most of what is not meant is passed over unseen, and cells
// can be moved without looking at their slots. At least half of the cells are
// empty.
type index struct {
	cells []cell
	bits  int
}

type cell struct {
	tag  uint32 // the upper half of the hash
	slot uint32 // 0 for none
}

// newIndex makes an index of n slots.
func newIndex(n int) index {
	x := index{}
	for x.bits = 4; 1<<x.bits < 2*n; x.bits++ {
	}
	x.cells = make([]cell, 1<<x.bits)
	return x
}

func tagOf(hash uint64) uint32            { return uint32(hash >> 32) }
func (x *index) home(tag uint32) int      { return int(tag >> (32 - x.bits)) }
func (x *index) next(i int) int           { return (i + 1) & (len(x.cells) - 1) }
func (x *index) put(tag uint32, n uint32) { *x.empty(tag) = cell{tag, n} }

// empty gives the cell for what is not there yet.
func (x *index) empty(tag uint32) *cell {
	i := x.home(tag)
	for x.cells[i].slot != 0 {
		i = x.next(i)
	}
	return &x.cells[i]
}

// at gives the cell of slot n, which must be there.
func (x *index) at(tag uint32, n uint32) int {
	i := x.home(tag)
	for x.cells[i].slot != n {
		i = x.next(i)
	}
	return i
}

// remove empties the cell of slot n, which must be there, and moves those behind
// it that would not be found any more (Knuth, TAOCP 3, 6.4, algorithm R).
func (x *index) remove(tag uint32, n uint32) {
	hole := x.at(tag, n)
	for i := x.next(hole); x.cells[i].slot != 0; i = x.next(i) {
		home, mask := x.home(x.cells[i].tag), len(x.cells)-1
		if (i-home)&mask >= (i-hole)&mask {
			x.cells[hole] = x.cells[i]
			hole = i
		}
	}
	x.cells[hole] = cell{}
}

// grow makes room for n slots.
func (x *index) grow(n int) {
	old := x.cells
	*x = newIndex(n)
	for _, c := range old {
		if c.slot != 0 {
			x.put(c.tag, c.slot)
		}
	}
}

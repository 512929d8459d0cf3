package capture

import "time"

// tombs remembers for a while which transactions have ended, so that an answer
// that comes late is told from one that nobody asked for. It is a table of
// fixed size: where there is no room, what ended longest ago is forgotten. A
// transaction that was never there is taken for one that ended once in 2^29.
type tombs struct {
	rows [][tombRow]tomb
	bits int // of the number of a row
}

type tomb struct {
	tag uint32 // the upper half of the transaction's hash, which also gives its row
	at  uint32 // seconds since 1970; 0 for none
}

const (
	tombRow = 8                // a cache line
	lateFor = 30 * time.Second // how long an ended transaction is remembered
)

// newTombs makes room for at least n.
func newTombs(n int) tombs {
	t := tombs{}
	for t.bits = 3; 1<<t.bits*tombRow < n; t.bits++ {
	}
	t.rows = make([][tombRow]tomb, 1<<t.bits)
	return t
}

func (t *tombs) row(tag uint32) *[tombRow]tomb { return &t.rows[tag>>(32-t.bits)] }

// add remembers that a transaction ended at now, in ns since 1970.
func (t *tombs) add(hash uint64, now int64) {
	t.put(tomb{uint32(hash >> 32), tombTime(now)}, tombTime(now))
}

// put has one in place of the oldest of its row. To that those belong that are of a
// time yet to come, as before a clock was set back: now less that is huge.
func (t *tombs) put(x tomb, now uint32) {
	row := t.row(x.tag)
	oldest := 0
	for i := range row {
		if now-row[i].at > now-row[oldest].at {
			oldest = i
		}
	}
	row[oldest] = x
}

// has reports whether a transaction ended a moment before now.
func (t *tombs) has(hash uint64, now int64) bool {
	tag, at := uint32(hash>>32), tombTime(now)
	for _, x := range t.row(tag) {
		if x.tag == tag && at-x.at <= uint32(lateFor/time.Second) {
			return true
		}
	}
	return false
}

// grow makes room for at least n, and keeps what there is.
func (t *tombs) grow(n int, now int64) {
	old := t.rows
	*t = newTombs(n)
	for _, row := range old {
		for _, x := range row {
			if x.at != 0 {
				t.put(x, tombTime(now))
			}
		}
	}
}

func tombTime(now int64) uint32 { return uint32(now / int64(time.Second)) }

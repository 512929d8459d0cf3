package monitor

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// hearsay is what was overheard of a watched question: every answer with who gave it,
// as passive DNS keeps it.
type hearsay struct {
	answers map[string]*Interval // as written next: Count is of what is not written yet
	fresh   bucket               // of answers that were never heard before
	due     time.Time            // when what has grown is written next
	grown   bool
}

// Bounds of what is kept, since whoever forges packets can make answers up: so many
// new ones of a question at once, and one more every few minutes; so many are known
// at a time; and those that come again are written so often.
const (
	hearsayAtOnce = 32
	hearsayEvery  = 5 * time.Minute
	hearsayKnown  = 64
	hearsayFlush  = time.Minute
)

// overhear takes in what was overheard, and gives how many answers were not kept for
// want of room. A transaction is handed over again when more of it is seen; what was
// heard before is not counted again.
func (q *question) overhear(s Sample, b *Batch) (unkept int) {
	h := &q.hearsay
	for _, o := range s.Answers {
		if o.Packet == nil || o.Error != "" || o.At.IsZero() {
			continue
		}
		rs := sayings(o)
		key := o.Label() + "\x00" + o.Rcode
		for _, r := range rs {
			key += "\x00" + r.Name + " " + r.Type.String() + " " + r.Data
		}
		a := h.answers[key]
		ttl := o.TTL(q.q)
		if a == nil {
			if !h.fresh.take(s.At, hearsayAtOnce, hearsayEvery) {
				unkept++
				continue
			}
			if h.answers == nil {
				h.answers = map[string]*Interval{}
			}
			h.makeRoom(b)
			a = &Interval{
				Question: q.q, Resolver: o.Label(), Transport: o.Transport, Via: Wire, Rcode: o.Rcode,
				Records: rs, First: o.At, Last: o.At, Count: 1, TTLMin: ttl, TTLMax: ttl, Verdict: q.verdict,
			}
			h.answers[key] = a
			write(a, b) // news is written at once
			continue
		}
		if !o.At.After(a.Last) {
			continue
		}
		a.Last, a.Count, h.grown = o.At, a.Count+1, true
		a.TTLMin, a.TTLMax = min(a.TTLMin, ttl), max(a.TTLMax, ttl)
	}
	return unkept
}

// sayings gives the records of an answer without their TTLs and order, which differ
// from one time to the next.
func sayings(o Observation) []Record {
	rs := []Record{}
	for _, r := range o.Records {
		rs = append(rs, Record{Name: strings.ToLower(r.Name), Type: r.Type, Data: r.Data})
	}
	slices.SortFunc(rs, func(a, b Record) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), strings.Compare(a.Data, b.Data))
	})
	return slices.Compact(rs)
}

// write has what is not written yet of an answer written.
func write(a *Interval, b *Batch) {
	if a.Count > 0 {
		b.Intervals = append(b.Intervals, *a)
		a.Count = 0
	}
}

// makeRoom lets go of the answer that was not heard for longest, if there are many.
func (h *hearsay) makeRoom(b *Batch) {
	if len(h.answers) < hearsayKnown {
		return
	}
	oldest := ""
	for key, a := range h.answers {
		if oldest == "" || a.Last.Before(h.answers[oldest].Last) {
			oldest = key
		}
	}
	write(h.answers[oldest], b)
	delete(h.answers, oldest)
}

// flush writes what has grown, where it is time.
func (h *hearsay) flush(now time.Time, b *Batch) {
	if !h.grown || now.Before(h.due) {
		return
	}
	for _, a := range h.answers {
		write(a, b)
	}
	h.grown, h.due = false, now.Add(hearsayFlush)
}

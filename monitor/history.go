package monitor

// run is an interval that is still growing.
type run struct {
	Interval
	key     string // what makes two answers the same
	flushed int    // Count when it was last written
}

// flushEvery is how many equal answers may pass before the end of their
// interval is written again. A crash loses at most so many polls of last-seen,
// never a change.
const flushEvery = 64

// record takes the answers of a probe into the intervals of their endpoints.
func (q *question) record(s Sample, b *Batch) {
	for _, o := range s.Answers {
		at := o.At
		if at.IsZero() {
			at = s.At
		}
		c := o.Canon(q.q)
		key := o.Error + "\x00" + c.key()
		if c.Content == None {
			key = o.Error + "\x00" + o.Rcode
		}
		series := o.Endpoint()
		r := q.series[series]
		ttl := o.TTL(q.q)
		if r == nil || r.key != key {
			if r != nil && r.Count != r.flushed {
				b.Intervals = append(b.Intervals, r.Interval)
			}
			r = &run{key: key, Interval: Interval{
				Question: q.q, Resolver: o.Label(), Transport: o.Transport, Rcode: o.Rcode, Error: o.Error,
				Records: list(o.Records), First: at, TTLMin: ttl, TTLMax: ttl, Verdict: q.verdict,
			}}
			q.series[series] = r
		}
		r.Last, r.Count = at, r.Count+1
		r.TTLMin, r.TTLMax = min(r.TTLMin, ttl), max(r.TTLMax, ttl)
		if r.Count == 1 || r.Count-r.flushed >= flushEvery {
			r.flushed = r.Count
			b.Intervals = append(b.Intervals, r.Interval)
		}
	}
}

// flush writes the ends of all intervals.
func (q *question) flush(b *Batch) {
	q.hearsay.flush(q.hearsay.due, b)
	for _, r := range q.series {
		if r.Count != r.flushed {
			r.flushed = r.Count
			b.Intervals = append(b.Intervals, r.Interval)
		}
	}
}

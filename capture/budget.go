package capture

import "time"

// budget bounds how many samples are handed over, so that whoever forges packets
// by the thousand can neither keep the judge busy with them nor have others'
// go unheard: each name has its own share, each server too, and names that are
// watched have theirs apart from all others. It is of fixed size.
type budget struct {
	all, watched   bucket
	names          [budgetRows]bucket // not watched, by hash
	servers        [budgetRows]bucket // of these, by hash
	watchedServers [budgetRows]bucket // of each watched name, by hash
}

const budgetRows = 1 << 10

// rate is how often something may be done: so many times at once, and then once
// each period.
type rate struct {
	burst int64
	every time.Duration
}

// The rates of what is handed over. Of names that are not watched the monitor
// only counts; of a watched one it heeds sixteen contradictions at once and four
// a second.
var (
	rateName          = rate{16, time.Second}
	rateServer        = rate{64, time.Second / 8}
	rateAll           = rate{128, time.Second / 16}
	rateWatchedServer = rate{32, time.Second / 8}
	rateWatchedName   = rate{64, time.Second / 16}
	rateWatched       = rate{1024, time.Second / 512}
)

// bucket is what is left of a rate: when, in ns since 1970, all of it will be
// there again.
type bucket int64

// has reports whether a token is left.
func (b bucket) has(r rate, now int64) bool {
	return int64(b)-now <= (r.burst-1)*int64(r.every)
}

// take takes a token, which must be there.
func (b *bucket) take(r rate, now int64) {
	*b = max(*b, bucket(now)) + bucket(r.every)
}

// spend takes a token for a sample about a question, of which a server spoke:
// from the bucket of its name, where it is watched, or else nil. It takes one from
// all that bound it or from none.
func (b *budget) spend(name *bucket, question, server uint64, now int64) bool {
	type claim struct {
		bucket *bucket
		rate   rate
	}
	claims := [3]claim{
		{&b.names[question%budgetRows], rateName}, {&b.servers[server%budgetRows], rateServer}, {&b.all, rateAll},
	}
	if name != nil {
		claims = [3]claim{
			{name, rateWatchedName}, {&b.watchedServers[(question^server)%budgetRows], rateWatchedServer}, {&b.watched, rateWatched},
		}
	}
	for _, c := range claims {
		if !c.bucket.has(c.rate, now) {
			return false
		}
	}
	for _, c := range claims {
		c.bucket.take(c.rate, now)
	}
	return true
}

package resolver

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dnstaster/dnstaster/monitor"
)

// Stats are the counters of one endpoint since the Asker was made.
type Stats struct {
	Resolver  string
	Server    netip.AddrPort
	Transport monitor.Transport

	Queries   uint64            // sent, each try for itself
	Answers   map[string]uint64 // by class: noerror, nxdomain, servfail, refused, other
	Errors    map[string]uint64 // by the word that begins Observation.Error
	Ignored   uint64            // messages that answer no query of ours: noise, or forgeries that guessed wrong
	OtherCase uint64            // answers that did not echo the case of the name
	Late      uint64            // further answers to one query, other than the first
	Truncated uint64            // answers over UDP that were asked for again over TCP
	CutShort  uint64            // lingering sockets closed early, to make room
	Opened    uint64            // TCP and TLS connections made, handshake included
	Open      int64             // of those, how many there are now
}

const (
	// maxTallies bounds the endpoints that are counted apart. Resolvers come
	// from configuration and are few; what goes beyond is counted as one.
	maxTallies = 1024
	overflow   = "other"
)

var (
	classes = [...]string{"noerror", "nxdomain", "servfail", "refused", "other"}
	words   = [...]string{
		monitor.ErrTimeout, monitor.ErrRefused, monitor.ErrUnreachable, monitor.ErrTLS,
		monitor.ErrBadResponse, monitor.ErrCanceled, monitor.ErrOther,
	}
)

// tally counts what happens at one endpoint.
type tally struct {
	queries, ignored, otherCase, late, truncated, cutShort, opened atomic.Uint64

	open    atomic.Int64
	answers [len(classes)]atomic.Uint64
	errors  [len(words)]atomic.Uint64
}

// count adds what an Ask returned.
func (t *tally) count(o monitor.Observation) {
	if o.Error != "" {
		word, _, _ := strings.Cut(o.Error, ":")
		t.errors[slices.Index(words[:], word)].Add(1)
		return
	}
	class := slices.Index(classes[:], strings.ToLower(o.Rcode))
	if class < 0 {
		class = len(classes) - 1
	}
	t.answers[class].Add(1)
}

type tallyKey struct {
	resolver  string
	server    netip.AddrPort
	transport monitor.Transport
}

type tallies struct {
	mu sync.RWMutex // guards m, not what its values count
	m  map[tallyKey]*tally
}

// of finds the counters of r.
func (ts *tallies) of(r monitor.Resolver) *tally {
	key := tallyKey{r.Name, r.Addr, r.Transport}
	ts.mu.RLock()
	t := ts.m[key]
	ts.mu.RUnlock()
	if t != nil {
		return t
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.m == nil {
		ts.m = map[tallyKey]*tally{}
	}
	if _, known := ts.m[key]; !known && len(ts.m) >= maxTallies {
		key = tallyKey{resolver: overflow}
	}
	if t = ts.m[key]; t == nil {
		t = new(tally)
		ts.m[key] = t
	}
	return t
}

func (ts *tallies) list() []Stats {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	all := make([]Stats, 0, len(ts.m))
	for key, t := range ts.m {
		s := Stats{
			Resolver: key.resolver, Server: key.server, Transport: key.transport,
			Queries: t.queries.Load(), Ignored: t.ignored.Load(), OtherCase: t.otherCase.Load(),
			Late: t.late.Load(), Truncated: t.truncated.Load(), CutShort: t.cutShort.Load(),
			Opened: t.opened.Load(), Open: t.open.Load(),
			Answers: make(map[string]uint64, len(classes)), Errors: make(map[string]uint64, len(words)),
		}
		for i, class := range classes {
			s.Answers[class] = t.answers[i].Load()
		}
		for i, word := range words {
			s.Errors[word] = t.errors[i].Load()
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Stats) int {
		return cmp.Or(cmp.Compare(a.Resolver, b.Resolver), a.Server.Compare(b.Server), cmp.Compare(a.Transport, b.Transport))
	})
	return all
}

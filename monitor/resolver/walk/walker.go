package walk

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// Walker asks authority. It is safe for concurrent use, and starts no goroutine
// that outlives a call.
type Walker struct {
	cfg   Config
	x     Exchanger
	v     Validator
	root  *zone
	slots chan struct{} // one element for each exchange under way

	mu      sync.Mutex // guards what follows
	flights map[target]*flight
	known   map[string]*zone // delegations from the root, by name
}

var _ monitor.Prover = (*Walker)(nil)

// target is what makes two proofs the same walk.
type target struct {
	name   string
	kind   monitor.Type
	egress netip.Prefix
}

// flight is a walk that several callers may be waiting for. Its evidence is
// there once done is closed, unless it was given up.
type flight struct {
	done     chan struct{}
	evidence monitor.Evidence
	givenUp  bool
}

// New gives a Walker; nothing is sent before the first Prove. Without a
// Validator the path is proven by silence where there is no resolver alone.
func New(cfg Config, x Exchanger, v Validator) *Walker {
	cfg = cfg.withDefaults()
	return &Walker{
		cfg: cfg, x: x, v: v, root: newRoot(cfg.Hints),
		slots: make(chan struct{}, cfg.Parallel), flights: map[target]*flight{}, known: map[string]*zone{},
	}
}

// Prove walks from the root to p.Name and says what every authoritative server
// has of p.Type. Where p.Address is given, as the one from which a resolver in
// question asks, its network joins the sweep. The rest of p does not count.
//
// Addresses and Records are those at the end of all aliases, of any server; what
// each gave, aliases included, is in Servers. Absent is set when servers say so
// and none says otherwise. Zone, Nameservers, Delegation and DS are given
// together, or not at all where one of them could not be had. Partial is set where
// a zone was not found or queries or time did not suffice, so that something may
// be missing that no server's Error tells of. PathProven is
// about the way to the servers and says nothing of the answers; Detail says in
// one sentence, in printable ASCII, what came of both.
//
// The same proof asked for twice at a time is one walk. When the caller that
// began it gives up, another one begins it again.
func (w *Walker) Prove(ctx context.Context, p monitor.Proof) monitor.Evidence {
	name, err := monitor.ParseName(p.Name)
	if err != nil {
		return monitor.Evidence{Kind: monitor.EvidenceWalk, At: time.Now(), Detail: "not a name: " + presentation.Text(err.Error(), maxDetail)}
	}
	p.Name = name
	e, err := w.share(ctx, p)
	if err != nil {
		return monitor.Evidence{Kind: monitor.EvidenceWalk, At: time.Now(), Detail: "given up: " + err.Error()}
	}
	return e
}

// share runs one walk for all that ask for the same at a time. Its error is that
// of ctx.
func (w *Walker) share(ctx context.Context, p monitor.Proof) (monitor.Evidence, error) {
	t := target{name: p.Name, kind: p.Type}
	t.egress, _ = network(p.Address)
	for {
		w.mu.Lock()
		f, running := w.flights[t]
		if !running {
			f = &flight{done: make(chan struct{})}
			w.flights[t] = f
		}
		w.mu.Unlock()

		if !running {
			e := w.walk(ctx, p)
			f.evidence, f.givenUp = e, ctx.Err() != nil
			w.mu.Lock()
			delete(w.flights, t)
			w.mu.Unlock()
			close(f.done)
			return e, ctx.Err()
		}
		select {
		case <-f.done:
			if !f.givenUp {
				return f.evidence, nil
			}
		case <-ctx.Done():
			return monitor.Evidence{}, ctx.Err()
		}
	}
}

// walk is one walk with the proof of its path. The proof begins with it, so that
// the whole lies in one minute.
func (w *Walker) walk(ctx context.Context, p monitor.Proof) monitor.Evidence {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Total)
	defer cancel()
	began := time.Now()
	j := w.newJourney(p)
	silence := make(chan string, 1)
	go func() { silence <- j.listen(ctx, p.Name) }()

	a := newAccount()
	names, err := j.follow(ctx, p.Name, p.Type, a.take)
	a.close(ctx, j, err)
	doubt := j.doubt(ctx, names)
	if heard := <-silence; heard != "" {
		doubt = heard // the plainest reason
	}
	if doubt == "" && ctx.Err() != nil {
		doubt = "there was no time left to look at it" // what was cut short looks like silence
	}
	e := a.Evidence
	e.Kind, e.At = monitor.EvidenceWalk, began
	e.PathProven = doubt == ""
	if e.PathProven {
		e.Detail += "; the path is proven"
		j.remember()
	} else {
		e.Detail += "; the path is not proven: " + doubt
	}
	e.Detail = presentation.Text(e.Detail, 2*maxDetail)
	return e
}

package dnssec

import (
	"context"
	"sync"

	"github.com/dnstaster/dnstaster/monitor"
)

// flights lets one query serve all that ask for the same at a time.
type flights struct {
	mu    sync.Mutex // guards under
	under map[query]*flight
}

// query is what makes two exchanges the same.
type query struct {
	r    monitor.Resolver
	name string
	kind uint16
}

// flight is an exchange that several proofs may be waiting for. What came of it
// is there once done is closed, unless it was given up, and nobody writes to it.
type flight struct {
	done     chan struct{}
	response []byte
	err      error
	givenUp  bool
}

// exchange sends a query, or waits for one under way. When the caller that began
// it gives up, another one begins it again.
func (f *flights) exchange(ctx context.Context, ex Exchanger, r monitor.Resolver, name string, kind uint16) ([]byte, error) {
	q := query{r, name, kind}
	for {
		f.mu.Lock()
		w, running := f.under[q]
		if !running {
			w = &flight{done: make(chan struct{})}
			f.under[q] = w
		}
		f.mu.Unlock()

		if !running {
			f.fly(ctx, ex, q, w)
			return w.response, w.err
		}
		select {
		case <-w.done:
			if !w.givenUp {
				return w.response, w.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *flights) fly(ctx context.Context, ex Exchanger, q query, w *flight) {
	w.givenUp = true
	defer func() {
		f.mu.Lock()
		delete(f.under, q)
		f.mu.Unlock()
		close(w.done)
	}()
	var message []byte
	if message, w.err = newQuery(q.name, q.kind); w.err == nil {
		w.response, w.err = ex.Exchange(ctx, q.r, message)
	}
	w.givenUp = ctx.Err() != nil
}

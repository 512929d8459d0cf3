package main

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/dnstaster/dnstaster/monitor"
)

// relay asks and proves with the senses that there are now: a reload may put
// others in their place while questions are under way.
type relay struct {
	mu   sync.RWMutex // guards now
	now  *shift
	gone sync.WaitGroup // of those that were replaced and are not closed yet
}

// shift is one set of senses, and the work that it has begun.
type shift struct {
	*senses
	work sync.WaitGroup
}

var (
	_ monitor.Asker  = (*relay)(nil)
	_ monitor.Prover = (*relay)(nil)
)

func newRelay(s *senses) *relay { return &relay{now: &shift{senses: s}} }

// current gives the senses that there are now. They may be closed any time.
func (r *relay) current() *senses {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now.senses
}

// begin gives the senses for one piece of work, until Done of its work.
func (r *relay) begin() *shift {
	r.mu.RLock()
	defer r.mu.RUnlock()
	r.now.work.Add(1)
	return r.now
}

// Ask implements monitor.Asker.
func (r *relay) Ask(ctx context.Context, to monitor.Resolver, q monitor.Question) monitor.Observation {
	s := r.begin()
	defer s.work.Done()
	return s.asker.Ask(ctx, to, q)
}

// Prove implements monitor.Prover.
func (r *relay) Prove(ctx context.Context, p monitor.Proof) monitor.Evidence {
	s := r.begin()
	defer s.work.Done()
	return s.provers.Prove(ctx, p)
}

// swap has work begin with other senses from now on, and gives those before.
func (r *relay) swap(s *shift) (before *shift) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, r.now = r.now, s
	return before
}

// retire closes senses that were replaced, once their last work is done.
func (r *relay) retire(s *shift) {
	r.gone.Go(func() {
		s.work.Wait()
		s.Close()
	})
}

// Close ends all work.
func (r *relay) Close() {
	s := r.current()
	s.second.Store(nil)
	s.Close()
	r.gone.Wait()
}

// alike reports whether the senses have read the same as other ones, from files
// and of this host.
func (s *senses) alike(other *senses) bool {
	return slices.EqualFunc(s.read, other.read, bytes.Equal) && slices.Equal(s.search, other.search)
}

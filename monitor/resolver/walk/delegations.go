package walk

import "time"

const (
	// maxKnown bounds the delegations that are remembered. There are 1,500
	// top-level zones; names that are watched are in a few dozen of them.
	maxKnown = 256

	// maxRemember is for how long a delegation is at most remembered, whatever
	// its TTL is: the root's are good for two days.
	maxRemember = time.Hour
)

// recall gives a delegation from the root that is still good; nil is none.
func (w *Walker) recall(name string) *zone {
	w.mu.Lock()
	defer w.mu.Unlock()
	if z := w.known[name]; z != nil && time.Now().Before(z.until) {
		return z
	}
	return nil
}

// remember keeps the delegations from the root that a walk met. It is called
// only for a walk whose path is proven, or whoever was on the path once would
// be in every walk of the next hour.
func (j *journey) remember() {
	w := j.Walker
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for name, z := range w.known {
		if !now.Before(z.until) {
			delete(w.known, name)
		}
	}
	for name, z := range j.zones {
		if z.parent == w.root && w.known[name] == nil && len(w.known) < maxKnown {
			kept := *z
			kept.until = now.Add(min(time.Duration(z.ttl)*time.Second, maxRemember))
			w.known[name] = &kept
		}
	}
}

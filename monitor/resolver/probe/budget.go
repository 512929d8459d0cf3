package probe

import (
	"fmt"
	"sync"
	"time"
)

// budget counts probes: whoever makes us suspect must not make us flood.
type budget struct {
	perTarget, perMinute int
	minute               time.Duration

	mu    sync.Mutex // guards spent
	spent []spending // within the last minute, oldest first; perMinute at most
}

type spending struct {
	at     time.Time
	target string
}

// take counts a probe of target now, or says why there must be none.
func (b *budget) take(target string, now time.Time) (why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.spent) > 0 && now.Sub(b.spent[0].at) >= b.minute {
		b.spent = b.spent[1:]
	}
	n := 0
	for _, s := range b.spent {
		if s.target == target {
			n++
		}
	}
	switch {
	case n >= b.perTarget:
		return fmt.Sprintf("%d probes a minute of that kind and resolver are spent", b.perTarget)
	case len(b.spent) >= b.perMinute:
		return fmt.Sprintf("%d probes a minute are spent", b.perMinute)
	}
	b.spent = append(b.spent, spending{now, target})
	return ""
}

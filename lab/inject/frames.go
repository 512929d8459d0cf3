//go:build lab

package inject

import (
	"context"
	"errors"
	"time"
)

// Send sends frames on an interface, each once, as they are.
func Send(within Within, iface string, frames [][]byte) error {
	l, err := openLink(within, iface)
	if err != nil {
		return err
	}
	defer l.Close()
	for _, f := range frames {
		if _, err := l.Write(f); err != nil {
			return err
		}
	}
	return nil
}

// Storm sends frames in turn, so many per second at most, for a time that is a
// minute at most.
func Storm(within Within, iface string, frames [][]byte, rate int, d time.Duration) (*Injector, error) {
	if len(frames) == 0 || rate <= 0 {
		return nil, errors.New("a storm of nothing")
	}
	l, err := openLink(within, iface)
	if err != nil {
		return nil, err
	}
	return launch(min(d, longest), func(ctx context.Context, i *Injector) error {
		for p := newPace(rate); ; {
			for _, f := range frames {
				if !p.next(ctx) {
					return ctx.Err()
				}
				if err := i.note(l.send(f)); err != nil {
					return err
				}
			}
		}
	}, func() { l.Close() }), nil
}

//go:build lab

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/score"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// probe is a case whose attack is made on many names, one after the other, to
// learn how long the alert takes.
type probe struct {
	Case
	// inject forges answers for one more name.
	inject func(r *Run, name string) (strike, error)
}

// strike is an attack under way.
type strike struct {
	first func() time.Time // when the first forgery was out; nil where that was at once
	stop  func() error     // ends it, where it can be ended
}

// probes are an attack on the path, one on a cache, and one on the wire.
var probes = []probe{
	{
		Case: Case{
			ID: "A09", Title: "the router sends UDP to port 53 to a resolver that lies", Cause: divertTo(liar),
			Want: []Want{{Kind: monitor.PathRewritten}},
		},
		inject: func(r *Run, name string) (strike, error) {
			r.lies.Store(name, true)
			return strike{stop: func() error { r.lies.Delete(name); return nil }}, nil
		},
	},
	{
		Case: Case{
			// The daemon sees first that it asks the provider now, and that what it is told is right.
			ID: "A20", Title: "the provider's cache is poisoned", Cause: both(directly, patient(3*time.Second)),
			Want: []Want{{Kind: monitor.ResolverCache}},
		},
		inject: func(r *Run, name string) (strike, error) {
			_, err := poisonUnbound("isp", name, world.EvilAddr, 300)(r)
			return strike{}, err
		},
	},
	{
		Case: Case{
			ID: "A05", Title: "a perfect copy is forged on the wire, before the genuine answer", Cause: both(hub, slowRouter(30*time.Millisecond)),
			Want: []Want{{Kind: monitor.PathInjection}},
		},
		inject: func(r *Run, name string) (strike, error) {
			i, err := inject.Race(r.w.Host("attacker").Do, "eth0", inject.RaceConfig{
				Names: []string{name + "."}, Answers: []netip.Addr{netip.MustParseAddr(world.EvilAddr)}, TTL: 300, Copy: true,
			})
			if err != nil {
				return strike{}, err
			}
			return strike{i.First, i.Stop}, nil
		},
	},
}

// liar lies about the names that are added while it serves, and passes the rest on.
func liar(r *Run) inject.Handler {
	honest := inject.Forward(netip.MustParseAddrPort(world.Pub2Addr + ":53"))
	lie := inject.Lie("*", []netip.Addr{netip.MustParseAddr(world.EvilAddr)}, 300, honest)
	return inject.When(func(name string) bool { _, ok := r.lies.Load(name); return ok }, lie, honest)
}

// injections is how often each attack is made.
const injections = 100

// probed gives the names that are attacked. They are watched at the usual
// interval: a minute, three seconds in the lab.
func probed() (names []string) {
	for i := range injections {
		names = append(names, fmt.Sprintf("n%03d.wild.shop.lab", i))
	}
	return names
}

// TestInjections measures the time from the first forged record to the webhook.
// A hundred names are work enough for a small machine: one attack after the other.
func TestInjections(t *testing.T) {
	if *core {
		return
	}
	k, err := openKeeper()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range probes {
		t.Run(p.Case.ID, func(t *testing.T) {
			key := injectionsOf(p.Case.ID)
			var in score.Injections
			if ok, err := k.dir.Load(key, k.mark, &in); err == nil && ok && !*again {
				t.Logf("%d kept", len(in.Seconds))
				return
			}
			in = score.Injections{Case: p.Case.ID}
			for _, n := range probed() {
				p.Config.Watches = append(p.Config.Watches, fmt.Sprintf("{name: %s, types: [A]}", n))
			}
			p.Case.Name, p.Case.Cause, p.Case.Keep = probed()[0], p.storm(t, &in), true
			r := &Run{Case: &p.Case}
			if err := r.execute(t, fmt.Sprintf("i%d", i)); err != nil {
				t.Fatal(err)
			}
			if in.Missed > 0 || len(in.Seconds) != injections {
				t.Errorf("%d of %d injections led to no webhook in time", injections-len(in.Seconds), injections)
			}
			if err := k.dir.Save(key, k.mark, in); err != nil {
				t.Error(err)
			}
		})
	}
}

// storm makes the attack on one name after the other, and ends each when it was
// told of: by an alert of its own, or by one that stands for many names. It takes
// the time until then.
func (p probe) storm(t *testing.T, in *score.Injections) Cause {
	ground := p.Case.Cause
	return both(ground, lasting(func(r *Run) error {
		var mu sync.Mutex
		var g errgroup.Group
		for i, name := range probed() {
			began, next := time.Now(), time.Now().Add(time.Second)
			attack, err := p.inject(r, name)
			if err != nil {
				return errors.Join(fmt.Errorf("injection %d: %w", i, err), g.Wait())
			}
			g.Go(func() error {
				h, ok := r.s.await(p.limit(), func(h hook) bool {
					all := append([]string{h.alert.Name}, h.alert.Names...)
					return h.isAlert() && slices.Contains(all, name+".") && h.alert.Kind == p.Want[0].Kind
				})
				if attack.first != nil {
					began = attack.first()
				}
				var err error
				if attack.stop != nil {
					err = attack.stop()
				}
				mu.Lock()
				defer mu.Unlock()
				if ok {
					in.Seconds = append(in.Seconds, h.at.Sub(began).Seconds())
				} else {
					in.Missed++
				}
				return err
			})
			time.Sleep(time.Until(next))
		}
		return g.Wait()
	}))
}

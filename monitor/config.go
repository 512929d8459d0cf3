package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Asker asks one resolver one question. It never fails: what went wrong is in
// the observation. It may be called from many goroutines.
type Asker interface {
	Ask(ctx context.Context, r Resolver, q Question) Observation
}

// Prover asks an address to prove that it is a name's. It never fails, and may
// be called from many goroutines.
type Prover interface {
	Prove(ctx context.Context, p Proof) Evidence
}

// Config is what a Monitor works with.
type Config struct {
	Watches []Watch
	// System gives the resolvers that applications on this host use now. It is
	// called before each round, and so follows changes.
	System func() ([]Resolver, error)
	// References are resolvers of others: witnesses where encrypted.
	References []Resolver
	// Twins are plain endpoints of the same operators. They are asked only to
	// tell a lying path from a lying resolver.
	Twins []Resolver

	Timing Timing
	Exempt []netip.Prefix // special-purpose blocks that are ordinary here
	Off    []string       // rules and clearing tests that are switched off

	Host   string            // this host, in alerts
	Labels map[string]string // put on every alert

	// Sniffer tells whether questions go out at all; nil for nobody. It stays where the
	// configuration is reloaded.
	Sniffer Sniffer

	// Once makes no rounds of its own: only Verify asks, and then every answered
	// address proves itself at once rather than in passing.
	Once bool

	// Zones has a case also look at where the zone of the name is delegated to, which
	// one witness is asked for. It is for Once: a daemon does so in passing.
	Zones bool

	MaxAsks int // questions under way at once; 64 where it is 0
	Now     func() time.Time

	// Tap is given every sample when it is judged, as Replay takes it: the first of
	// a question carries the watch, and what history said before. It is called by
	// the goroutine of Run, which waits for it; nil for nobody.
	Tap func(Sample)
}

// check finds what keeps a Config from being used.
func (c *Config) check() error {
	if c.System == nil && len(c.References) == 0 {
		return errors.New("no resolver to ask")
	}
	for _, id := range c.Off {
		if !IsRule(id) && !slices.Contains(clearings, id) {
			return fmt.Errorf("no rule or clearing test %q", id)
		}
	}
	names := map[string]bool{}
	for _, w := range c.Watches {
		if names[w.Name] {
			return fmt.Errorf("%s is watched twice", w.Name)
		}
		names[w.Name] = true
	}
	return nil
}

func (c *Config) policy() *Policy {
	p := &Policy{Timing: c.Timing, Exempt: c.Exempt, Off: map[string]bool{}}
	for _, id := range c.Off {
		p.Off[id] = true
	}
	return p
}

// Caps on the load that one case puts on others (detection §10.3).
const (
	maxSuspects  = 8 // addresses asked for their certificate in one step
	maxControls  = 3 // and of controls beside them
	maxPairs     = 3 // operators asked in plain and over TLS in one step
	maxInquiries = 8 // resolvers asked who they are in one step
	maxSamples   = 64
	defaultAsks  = 64
	sampleQueue  = 1024 // samples that wait for the judge; the prober waits beyond it
	proofTimeout = 10 * time.Second
	walkTimeout  = time.Minute
	askTimeout   = 10 * time.Second
)

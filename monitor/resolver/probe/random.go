package probe

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	randomLabel = 16 // characters of base32, 80 bits: nobody has registered it
	enough      = 2  // of the names, that are answered: one may be under somebody's wildcard
)

// names makes one name in each zone. The second begins with www, as some rewrite
// only what a browser would ask for.
func (p *Prober) names() []string {
	names := make([]string, len(p.cfg.Zones))
	for i, zone := range p.cfg.Zones {
		names[i] = strings.ToLower(rand.Text()[:randomLabel]) + "." + zone
		if i == 1 {
			names[i] = "www." + names[i]
		}
	}
	return names
}

// random asks via for names that do not exist.
func (p *Prober) random(ctx context.Context, proof monitor.Proof, e *monitor.Evidence) {
	if proof.Via.Transport == "" {
		notAsked(e, "no resolver to ask")
		return
	}
	if !p.spend(e, e.Resolver) {
		return
	}
	names := p.names()
	seen := make([]monitor.Observation, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { seen[i] = p.ask(ctx, proof.Via, monitor.Question{Name: name, Type: monitor.TypeA}) })
	}
	wg.Wait()

	answered, spoke := 0, 0
	for i, o := range seen {
		q := monitor.Question{Name: names[i], Type: monitor.TypeA}
		as := o.Addresses(q)
		if says(o) {
			spoke++
		}
		if len(as) > 0 {
			answered++
		}
		for _, a := range as[:min(len(as), maxAddresses)] {
			e.Addresses = append(e.Addresses, a)
			e.Records = append(e.Records, monitor.Record{Name: q.Name, Type: q.Type, Data: a.String(), TTL: o.TTL(q)})
		}
	}
	e.Addresses = sorted(e.Addresses)
	e.Answered = answered >= enough
	switch {
	case spoke < enough:
		failed(ctx, e, silence(seen))
	case answered > 0:
		e.Detail = fmt.Sprintf("%d of %d names that nobody registered have addresses: %s", answered, len(names), list(e.Addresses))
	default:
		e.Detail = fmt.Sprintf("%d of %d names that nobody registered have no address", spoke, len(names))
	}
}

// says reports whether o says anything of the name, be it that there is none.
func says(o monitor.Observation) bool {
	return o.Error == "" && (o.Rcode == "NOERROR" || o.Rcode == "NXDOMAIN")
}

// silence gives the first reason why nothing was said.
func silence(seen []monitor.Observation) string {
	for _, o := range seen {
		if !says(o) {
			return cmp.Or(o.Error, o.Rcode)
		}
	}
	return ""
}

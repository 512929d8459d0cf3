package walk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxTop bounds the top-level zones whose path is proven in one walk.
const maxTop = 4

// listen asks for name where there is no resolver. It says who answered; empty is
// silence, as it must be (detection E1). A refusal by ICMP is silence too.
func (j *journey) listen(ctx context.Context, name string) string {
	heard := make([]string, len(j.cfg.Dead))
	var wg sync.WaitGroup
	for i, to := range j.cfg.Dead {
		if !j.routed(ctx, to.Addr()) {
			continue
		}
		wg.Go(func() { heard[i] = j.listenAt(ctx, to, name) })
	}
	wg.Wait()
	for _, h := range heard {
		if h != "" {
			return h
		}
	}
	return ""
}

func (j *journey) listenAt(ctx context.Context, to netip.AddrPort, name string) string {
	ctx, cancel := context.WithTimeout(ctx, j.cfg.Timeout)
	defer cancel()
	x, err := newQuery(question{name: name, kind: dns.TypeA})
	if err != nil {
		return "" // it was asked for already
	}
	x.wire[2] |= 1 // recursion desired, as of every client: whoever waits for such queries shall take it
	accepted := make(chan bool, 1)
	go func() {
		c, err := j.cfg.Dial(ctx, "tcp", to.String())
		if err == nil {
			c.Close()
		}
		accepted <- err == nil
	}()
	_, err = j.x.Exchange(ctx, endpoint(to, monitor.UDP), x.wire)
	tcp := <-accepted
	switch {
	case err == nil, spoken(err):
		return fmt.Sprintf("something answers at %s, where there is no resolver", to)
	case tcp:
		return fmt.Sprintf("something accepts connections at %s, where there is no server", to)
	}
	return ""
}

// doubt says what else speaks against the path on which names were walked to;
// empty is nothing.
func (j *journey) doubt(ctx context.Context, names []string) string {
	if j.suspicion != "" {
		return j.suspicion
	}
	if len(j.spoke) == 0 {
		return "no server spoke"
	}
	if why := j.validates(ctx, "the keys", dns.TypeDNSKEY, ".", j.root); why != "" {
		return why
	}
	var tops []string
	for _, name := range names {
		if off := dns.Split(name); len(off) > 0 {
			tops = insert(tops, name[off[len(off)-1]:], maxTop, strings.Compare)
		}
	}
	for _, top := range tops {
		z := j.zones[top]
		if z == nil || !z.top() {
			continue // the root itself has it, or the walk did not come so far
		}
		if why := j.meddled(ctx, z); why != "" {
			return why
		}
		if why := j.validates(ctx, "the delegation", dns.TypeDS, z.zone, j.root); why != "" {
			return why
		}
		if why := j.validates(ctx, "the keys", dns.TypeDNSKEY, z.zone, z); why != "" {
			return why
		}
	}
	return ""
}

// validates has name's records validated as servers of z hand them over. Insecure
// is right for a top-level zone that is not signed: the root says so.
func (j *journey) validates(ctx context.Context, what string, kind uint16, name string, z *zone) string {
	if j.v == nil {
		return ""
	}
	status := monitor.Indeterminate
	for _, s := range j.likely(ctx, z) {
		for _, tr := range [...]monitor.Transport{monitor.TCP, monitor.UDP} {
			if ctx.Err() != nil || tr == monitor.TCP && j.datagrams(s.Addr) {
				continue
			}
			e := j.v.Prove(ctx, monitor.Proof{
				Kind: monitor.EvidenceDNSSEC, Name: name, Type: monitor.Type(kind), Via: j.at(s.Addr, tr),
			})
			switch {
			case e.Status == monitor.Secure, e.Status == monitor.Insecure && name != ".":
				return ""
			case e.Status == monitor.Bogus:
				return fmt.Sprintf("%s of %s, as %s has them, are bogus", what, name, s.Addr)
			case e.Status != "":
				status = e.Status
			}
		}
	}
	return fmt.Sprintf("%s of %s, from its own servers, are %s", what, name, status)
}

// likely gives a few servers of z that can be asked: first the one that spoke.
func (j *journey) likely(ctx context.Context, z *zone) []Server {
	var some []Server
	if s, ok := j.spoke[z.zone]; ok {
		some = append(some, s)
	}
	for s := range j.candidates(ctx, z) {
		if len(some) >= 3 {
			break
		}
		if j.down[s.Addr] == nil && !slices.Contains(some, s) {
			some = append(some, s)
		}
	}
	return some
}

// meddled asks a server of a top-level zone for a name outside of it. It refuses,
// or knows only who else may know; a resolver in its place has the answer.
func (j *journey) meddled(ctx context.Context, z *zone) string {
	name := outside[0]
	if under(name, z.zone) {
		name = outside[1]
	}
	s, ok := j.spoke[z.zone]
	if !ok {
		return fmt.Sprintf("no server of %s spoke", z.zone)
	}
	m, err := j.ask(ctx, s.Addr, question{name: name, kind: dns.TypeA})
	switch {
	case errors.Is(err, errBudget) || ctx.Err() != nil:
		return fmt.Sprintf("the servers of %s were not asked for other names", z.zone)
	case err != nil:
		return "" // it does not say what it does not know
	case len(m.Answer) > 0,
		!m.Authoritative && m.Rcode == dns.RcodeNameError,
		!m.Authoritative && m.RecursionAvailable && m.Rcode == dns.RcodeSuccess:
		return fmt.Sprintf("%s, a server of %s, answers for %s", s.Addr, z.zone, name)
	}
	return ""
}

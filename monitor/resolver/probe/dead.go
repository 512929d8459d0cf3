package probe

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// tries are how often a dead address must answer.
const tries = 2

// shot is one dead address, asked over one transport.
type shot struct {
	to       netip.AddrPort
	over     monitor.Transport
	answered int // of tries
	rcode    string
	got      []netip.Addr
}

func (s *shot) hit() bool { return s.answered == tries }

// transports are those that a path is tried over on behalf of a resolver.
func transports(via monitor.Resolver) []monitor.Transport {
	switch {
	case via.Encrypted():
		return nil
	case via.Transport == monitor.TCP:
		return []monitor.Transport{monitor.TCP}
	}
	return []monitor.Transport{monitor.UDP, monitor.TCP}
}

// dead asks dead addresses for the name in question.
func (p *Prober) dead(ctx context.Context, proof monitor.Proof, e *monitor.Evidence) {
	over := transports(proof.Via)
	name, err := monitor.ParseName(proof.Name)
	switch {
	case len(over) == 0:
		notAsked(e, "nobody can answer in the place of others over "+string(proof.Via.Transport))
		return
	case err != nil:
		notAsked(e, "not a name: "+quoted(proof.Name))
		return
	}
	t := proof.Type
	if t == 0 {
		t = monitor.TypeA
	}
	message, err := query(name, t, dns.ClassINET, false)
	if err != nil {
		notAsked(e, "not a name: "+quoted(proof.Name))
		return
	}
	if !p.spend(e, string(over[0])+" "+name) {
		return
	}
	var shots []*shot
	for _, o := range over {
		for _, to := range p.cfg.Dead {
			shots = append(shots, &shot{to: to, over: o})
		}
	}
	var wg sync.WaitGroup
	for _, s := range shots {
		wg.Go(func() { p.fire(ctx, s, message) })
	}
	wg.Wait()
	p.tally(ctx, shots, e)
}

// fire asks one dead address as often as it must answer, until it does not.
func (p *Prober) fire(ctx context.Context, s *shot, message []byte) {
	to := monitor.Resolver{Name: "dead", Operator: "nobody", Role: monitor.Reference, Transport: s.over, Addr: s.to}
	for s.answered < tries {
		within, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
		b, err := p.asker.Exchange(within, to, message)
		cancel()
		if err != nil {
			return
		}
		m, err := reply(b)
		if err != nil {
			return // not well formed: noise
		}
		s.answered++
		s.rcode = rcode(m.Rcode)
		s.got = append(s.got, addressesIn(m)...)
	}
}

// tally says in e what came of the shots.
func (p *Prober) tally(ctx context.Context, shots []*shot, e *monitor.Evidence) {
	var hits, strays []string
	for _, s := range shots {
		text := s.to.Addr().String() + " over " + string(s.over)
		switch {
		case s.hit():
			if !e.Answered {
				e.Answered, e.Address, e.Port = true, s.to.Addr(), s.to.Port()
			}
			e.Addresses = append(e.Addresses, s.got...)
			hits = append(hits, text+" "+s.rcode)
		case s.answered > 0:
			strays = append(strays, text)
		}
	}
	e.Addresses = sorted(e.Addresses)
	switch {
	case e.Answered:
		e.Detail = "answered by " + strings.Join(hits, ", ")
		if len(e.Addresses) > 0 {
			e.Detail = list(e.Addresses) + " " + e.Detail
		}
	case ctx.Err() != nil:
		notAsked(e, "given up: "+ctx.Err().Error())
	case len(strays) > 0:
		e.Detail = "answered once of twice by " + strings.Join(strays, ", ")
	default:
		e.Detail = strconv.Itoa(len(p.cfg.Dead)) + " dead addresses are silent"
	}
}

// rcode names a response code.
func rcode(code int) string {
	if s, ok := dns.RcodeToString[code]; ok {
		return s
	}
	return "RCODE" + strconv.Itoa(code)
}

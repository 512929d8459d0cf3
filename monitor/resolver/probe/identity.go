package probe

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// selfNames are asked in the class CH: RFC 4892, and what came before it.
var selfNames = [...]string{"id.server.", "hostname.bind."}

// said is what came back for one name.
type said struct {
	nsid, text string // of a name of the class CH
	egress     []netip.Addr
	err        string // where nothing came back
}

// identity finds out what via is, and where it asks from.
func (p *Prober) identity(ctx context.Context, proof monitor.Proof, e *monitor.Evidence) {
	switch {
	case proof.Via.Transport == "":
		notAsked(e, "no resolver to ask")
		return
	case proof.Via.Transport == monitor.System:
		notAsked(e, "the C library does not say whom it asks")
		return
	case !p.spend(e, e.Resolver):
		return
	}
	selves := make([]said, len(selfNames))
	whoami := make([]said, len(p.cfg.Whoami))
	var wg sync.WaitGroup
	for i, name := range selfNames {
		wg.Go(func() { selves[i] = p.self(ctx, proof.Via, name) })
	}
	for i, name := range p.cfg.Whoami {
		wg.Go(func() { whoami[i] = p.whoami(ctx, proof.Via, name) })
	}
	wg.Wait()

	answers := 0
	var words []string
	for _, s := range slices.Concat(selves, whoami) {
		if s.err == "" {
			answers++
		}
		if e.NSID == "" {
			e.NSID = s.nsid
		}
		if e.Egress == "" && len(s.egress) > 0 {
			e.Egress = s.egress[0].String()
		}
		e.Addresses = append(e.Addresses, s.egress...)
	}
	for i, s := range selves {
		if e.NSID == "" {
			e.NSID = label(s.text)
		}
		if s.text != "" {
			words = append(words, strings.TrimSuffix(selfNames[i], ".")+" "+quoted(s.text))
		}
	}
	e.Addresses = sorted(e.Addresses)
	if answers == 0 {
		failed(ctx, e, selves[0].err)
		return
	}
	if len(e.Addresses) > 0 {
		words = append(words, "asks from "+list(e.Addresses))
	}
	e.Detail = strings.Join(words, "; ")
	if len(words) == 0 {
		e.Detail = "says nothing of itself"
	}
}

// self asks via what it is called.
func (p *Prober) self(ctx context.Context, via monitor.Resolver, name string) said {
	message, err := query(name, monitor.TypeTXT, dns.ClassCHAOS, true)
	if err != nil {
		return said{err: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	b, err := p.asker.Exchange(ctx, via, message)
	if err != nil {
		return said{err: err.Error()}
	}
	m, err := reply(b)
	if err != nil {
		return said{err: monitor.ErrBadResponse}
	}
	return said{nsid: nsidIn(m), text: textIn(m)}
}

// whoami asks via for a name that is answered with the address that asks: in
// text, or as an address.
func (p *Prober) whoami(ctx context.Context, via monitor.Resolver, name string) said {
	o := p.ask(ctx, via, monitor.Question{Name: name, Type: monitor.TypeTXT})
	s := said{nsid: o.NSID, err: o.Error}
	for _, r := range o.Records {
		// Text beside it, such as the client subnet that was passed on, is no address.
		if a, err := netip.ParseAddr(strings.Trim(r.Data, `"`)); err == nil && r.Type == monitor.TypeTXT {
			s.egress = append(s.egress, a.Unmap().WithZone(""))
		}
		if len(s.egress) == maxAddresses {
			break
		}
	}
	if o.Error != "" || len(s.egress) > 0 {
		return s
	}
	q := monitor.Question{Name: name, Type: monitor.TypeA}
	o = p.ask(ctx, via, q)
	s.egress = o.Addresses(q)
	s.egress = s.egress[:min(len(s.egress), maxAddresses)]
	return s
}

package probe

import (
	"context"

	"github.com/dnstaster/dnstaster/monitor"
)

// ipv4only has IPv4 addresses and no others, and is there to find out who makes
// others up (RFC 7050 §2.2).
const ipv4only = "ipv4only.arpa."

// nat64 finds the prefix behind which via writes IPv4 addresses.
func (p *Prober) nat64(ctx context.Context, proof monitor.Proof, e *monitor.Evidence) {
	if !p.spend(e, e.Resolver) {
		return
	}
	q := monitor.Question{Name: ipv4only, Type: monitor.TypeAAAA}
	o := p.ask(ctx, proof.Via, q)
	if o.Error != "" {
		failed(ctx, e, o.Error)
		return
	}
	for _, a := range o.Addresses(q) {
		if prefix, ok := monitor.NAT64Prefix(a); ok {
			e.Answered, e.Prefix, e.Addresses = true, prefix, append(e.Addresses, a)
		}
	}
	e.Addresses = sorted(e.Addresses)
	e.Detail = "IPv4 addresses are written behind no prefix here"
	if e.Answered {
		e.Detail = "IPv4 addresses are written behind " + e.Prefix.String() + " here"
	}
}

package dnssec

import (
	"context"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// Validator proves answers by their signatures. It is safe for concurrent use;
// no goroutine outlives a call, and none is started.
type Validator struct {
	cfg     Config
	ex      Exchanger
	anchors map[string][]*dns.DS // by zone
	memory  *memory
	flights *flights
}

var _ monitor.Prover = (*Validator)(nil)

// New gives a Validator that asks through ex, which must not be nil.
func New(cfg Config, ex Exchanger) *Validator {
	cfg = cfg.withDefaults()
	return &Validator{
		cfg:     cfg,
		ex:      ex,
		anchors: byZone(cfg.Anchors),
		memory:  newMemory(cfg.MaxEntries),
		flights: &flights{under: map[query]*flight{}},
	}
}

// Prove asks proof.Via for the records of proof.Name and proof.Type, and
// validates what it hands over from the anchors downwards (RFC 4035 §5), along
// all aliases.
//
// Secure is what the owners of all zones on the way have signed. Insecure is
// what a zone says, signed, that it leaves unsigned, and what nobody here can
// verify. Bogus is an answer that cannot be what its owner wrote: without
// signatures in a zone that has keys ("signatures are stripped", which Detail
// then begins with), with signatures that do not verify, a denial or wildcard
// that does not fit. Everything else is Indeterminate: no answer, no chain,
// signatures by the right keys for another time, a spent budget, an ended ctx.
//
// Addresses, Records and Absent are what was said, whatever its status; Zone and
// DS are of the zone that the last name is in, and of that which has the fault
// where there is one. Nameservers are what Via says of that zone, unproven, and
// Servers where the first few of them are, if it is a witness. Detail is one sentence
// of printable ASCII.
func (v *Validator) Prove(ctx context.Context, proof monitor.Proof) monitor.Evidence {
	s := v.session(proof.Via)
	e := monitor.Evidence{
		Kind: monitor.EvidenceDNSSEC, At: s.now, Role: proof.Role,
		Resolver: monitor.From(proof.Via, s.now).Endpoint(),
	}
	name, err := questionName(proof.Name)
	switch {
	case err != nil:
		err = flawed(unavailable, "there is nothing to ask for: %s", err)
	case !provable(uint16(proof.Type)):
		err = flawed(unavailable, "records of type %s are never signed", proof.Type)
	}
	if err != nil {
		e.Status, e.Detail = monitor.Indeterminate, bounded(err.Error())
		return e
	}
	s.answer(ctx, &e, name, uint16(proof.Type))
	if s.recalls && (e.Status == monitor.Bogus || e.Status == monitor.Indeterminate && strings.Contains(e.Detail, stripped)) {
		// A zone may have been unsigned or signed anew since its parent was asked: then
		// it is what we remember that is wrong.
		again := monitor.Evidence{Kind: e.Kind, At: e.At, Role: e.Role, Resolver: e.Resolver}
		s.anew, s.own = true, map[string]bool{}
		if s.answer(ctx, &again, name, uint16(proof.Type)); again.Status != monitor.Indeterminate || ctx.Err() != nil {
			e = again
		}
	}
	if e.Status == monitor.Secure || e.Status == monitor.Insecure {
		e.Nameservers = s.nameservers(ctx, e.Zone)
		if proof.Via.Encrypted() {
			e.Servers = s.servers(ctx, e.Nameservers)
		}
	}
	e.Detail = bounded(e.Detail)
	return e
}

// questionName gives a name as it is asked for. The root is one, too: its keys
// are what shows whether a path carries signatures at all.
func questionName(s string) (string, error) {
	if s == "." {
		return s, nil
	}
	return monitor.ParseName(s)
}

// provable reports whether records of the type can be signed data.
func provable(kind uint16) bool {
	unsigned := []uint16{dns.TypeNone, dns.TypeRRSIG, dns.TypeNSEC3, dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY}
	return !slices.Contains(unsigned, kind) && (kind < dns.TypeIXFR || kind > dns.TypeANY)
}

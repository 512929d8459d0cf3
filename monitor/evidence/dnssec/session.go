package dnssec

import (
	"context"
	"errors"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// session is one proof under way. One goroutine has it.
type session struct {
	v       *Validator
	via     monitor.Resolver
	now     time.Time
	left    budget
	zones   map[string]*zone // whose keys were asked for again
	renewed map[string]bool  // likewise, also in vain
	own     map[string]bool  // what this proof itself had remembered
	recalls bool             // something counted that others had
	anew    bool             // nothing counts but the former
}

func (v *Validator) session(via monitor.Resolver) *session {
	return &session{
		v: v, via: via, now: v.cfg.Now(),
		left:  budget{v.cfg.MaxQueries, v.cfg.MaxSignatures, v.cfg.MaxHashes},
		zones: map[string]*zone{}, renewed: map[string]bool{}, own: map[string]bool{},
	}
}

// budget is what a proof may still spend.
type budget struct{ queries, signatures, hashes int }

func (b *budget) query() bool     { return spend(&b.queries) }
func (b *budget) signature() bool { return spend(&b.signatures) }
func (b *budget) hash() bool      { return spend(&b.hashes) }

func spend(left *int) bool {
	if *left <= 0 {
		return false
	}
	*left--
	return true
}

// sparing runs f with a tenth of the signatures that a proof may verify at most,
// and a quarter of the hashes. One resolver that answers with nothing but work
// must not keep us from asking the others for the same.
func (s *session) sparing(f func() error) error {
	before := s.left
	s.left.signatures = min(before.signatures, max(1, s.v.cfg.MaxSignatures/10))
	s.left.hashes = min(before.hashes, max(1, s.v.cfg.MaxHashes/4))
	lent := s.left
	err := f()
	s.left.signatures += before.signatures - lent.signatures
	s.left.hashes += before.hashes - lent.hashes
	if faultOf(err) == spent && s.left.queries > 0 && s.left.signatures > 0 && s.left.hashes > 0 {
		return flaw{fault: unavailable, text: err.Error()}
	}
	return err
}

// sources gives the resolvers that may have a part of the chain, in the order
// in which they are asked.
func (s *session) sources() []monitor.Resolver {
	all := []monitor.Resolver{s.via}
	for _, r := range s.v.cfg.Chain {
		if r != s.via && r.Transport != monitor.System {
			all = append(all, r)
		}
	}
	return all
}

// ask asks one resolver. The error is a flaw, or that of ctx.
func (s *session) ask(ctx context.Context, r monitor.Resolver, name string, kind uint16) (*reply, error) {
	if !s.left.query() {
		return nil, flawed(spent, "the proof takes more than %d queries", s.v.cfg.MaxQueries)
	}
	b, err := s.v.flights.exchange(ctx, s.v.ex, r, name, kind)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var m *reply
	if err == nil {
		m, err = readReply(b, name, kind)
	}
	if err != nil {
		return nil, flawed(unavailable, "%s gives no %s %s: %s", presentation.Text(r.String(), -1), name, dns.Type(kind), presentation.Text(err.Error(), -1))
	}
	return m, nil
}

// each asks the sources for a part of the chain until one hands over what take
// accepts. The error is the most telling of theirs.
func (s *session) each(ctx context.Context, name string, kind uint16, take func(*reply) error) error {
	var failure error
	for _, r := range s.sources() {
		m, err := s.ask(ctx, r, name, kind)
		if err == nil {
			if err = s.sparing(func() error { return take(m) }); err == nil {
				return nil
			}
		}
		if final(err) {
			return err
		}
		failure = worse(failure, err)
	}
	return failure
}

// final reports whether err ends the proof, whoever is asked next.
func final(err error) bool {
	return faultOf(err) == spent || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

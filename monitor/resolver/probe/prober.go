package probe

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// What a Config leaves out.
const (
	defaultTimeout = 3 * time.Second
	defaultMinute  = time.Minute
)

// Budgets of a Config that has none: probes a minute. Each is 8 queries or so.
const (
	DefaultPerTarget = 3
	DefaultPerMinute = 30
)

// DefaultDead gives addresses for documentation (RFC 5737, RFC 3849), which
// nobody may route: a question to them comes to an end at the first router that
// knows, or at whoever takes every question for its own.
func DefaultDead() []netip.AddrPort {
	return []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.53:53"),
		netip.MustParseAddrPort("198.51.100.53:53"),
		netip.MustParseAddrPort("[2001:db8::53]:53"),
	}
}

// DefaultWhoami gives names that are answered with the address that asks.
func DefaultWhoami() []string {
	return []string{"o-o.myaddr.l.google.com.", "whoami.akamai.net.", "whoami.v4.powerdns.org."}
}

// DefaultZones gives zones that are signed, have no wildcard, and three different
// registries.
func DefaultZones() []string { return []string{"com.", "org.", "se."} }

// Asker asks resolvers. *resolver.Asker is one.
type Asker interface {
	monitor.Asker
	// Exchange sends a query as it is, but for its id, and gives the response to
	// it. The text of its error begins with one of the words of monitor.
	Exchange(ctx context.Context, r monitor.Resolver, query []byte) ([]byte, error)
}

// Config is how a Prober works. The zero Config is right for production.
type Config struct {
	Dead   []netip.AddrPort // public addresses at which no resolver is; none are DefaultDead
	Whoami []string         // names that give back who asks, fully qualified; none are DefaultWhoami
	Zones  []string         // three in which there is no wildcard, fully qualified; none are DefaultZones

	Timeout   time.Duration // of one question with its tries; 0 is 3 s
	PerTarget int           // probes a minute of one kind and resolver; 0 is DefaultPerTarget
	PerMinute int           // probes a minute in all; 0 is DefaultPerMinute
	Minute    time.Duration // that both are counted in; 0 is a minute, less where everything that waits is hurried

	Now func() time.Time // dates evidence, but not budgets; nil is time.Now
}

// Prober asks questions whose right answer is known. It is safe for concurrent
// use, and starts no goroutine that outlives a call.
type Prober struct {
	cfg    Config
	asker  Asker
	log    *slog.Logger
	budget budget
}

var _ monitor.Prover = (*Prober)(nil)

// New gives a Prober. A nil log is silence.
func New(cfg Config, asker Asker, log *slog.Logger) *Prober {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Dead) == 0 {
		cfg.Dead = DefaultDead()
	}
	if len(cfg.Whoami) == 0 {
		cfg.Whoami = DefaultWhoami()
	}
	if len(cfg.Zones) == 0 {
		cfg.Zones = DefaultZones()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	return &Prober{cfg: cfg, asker: asker, log: log, budget: budget{
		perTarget: cmp.Or(cfg.PerTarget, DefaultPerTarget), perMinute: cmp.Or(cfg.PerMinute, DefaultPerMinute),
		minute: cmp.Or(cfg.Minute, defaultMinute),
	}}
}

// Kinds are the kinds of evidence that a Prober gathers.
func Kinds() []string {
	return []string{monitor.EvidenceDead, monitor.EvidenceIdentity, monitor.EvidenceNX, monitor.EvidenceNAT64, monitor.EvidenceLimited}
}

// Prove gathers evidence of one of Kinds. It takes two timeouts of the Config at
// most, ttl_limited ten seconds, and ends when ctx does. Detail is printable ASCII of at most 240 bytes,
// and what somebody else chose stands in quotation marks in it.
//
// Of dead_resolver Address is the dead address that answered first in the order
// of the Config, Addresses what all of them answered. An address counts as
// answering if it does so twice, over the same transport: one stray packet is
// no interception. Proof.Via decides by its transport alone: TCP asks over TCP;
// UDP, and the C library's own lookup, over UDP and TCP, as what intercepts one
// often leaves the other alone. Over an encrypted transport nobody can answer
// for others.
//
// Of identity Egress is of the first name of the Config that has one, and
// Addresses are all. Of random_name Records tell which of the names were
// answered, and Answered is that two of three were.
//
// Of nat64 Prefix is the last one that an answer shows, and Answered is that
// there is one.
//
// Of ttl_limited Address is the resolver's, and Answered is that two questions of
// two were answered whose TTL ends two hops before it. Proof.Via is a plain resolver,
// and Proof.Port that at which it is to be had encrypted.
//
// OutcomeNotDialled stands for a kind that is none of those, a spent budget, and
// a ctx that ended first.
func (p *Prober) Prove(ctx context.Context, proof monitor.Proof) monitor.Evidence {
	e := monitor.Evidence{Kind: proof.Kind, At: p.cfg.Now(), Role: proof.Role}
	if proof.Via.Transport != "" {
		e.Resolver = monitor.From(proof.Via, e.At).Endpoint()
	}
	switch proof.Kind {
	case monitor.EvidenceDead:
		p.dead(ctx, proof, &e)
	case monitor.EvidenceIdentity:
		p.identity(ctx, proof, &e)
	case monitor.EvidenceNAT64:
		p.nat64(ctx, proof, &e)
	case monitor.EvidenceNX:
		p.random(ctx, proof, &e)
	case monitor.EvidenceLimited:
		p.limited(ctx, proof, &e)
	default:
		notAsked(&e, "no probe of that kind")
	}
	e.Detail = e.Detail[:min(len(e.Detail), maxDetail)]
	p.log.Debug("probe", "kind", e.Kind, "name", proof.Name, "resolver", e.Resolver,
		"outcome", e.Outcome, "answered", e.Answered, "detail", e.Detail)
	return e
}

// spend takes a probe from the budget, or says in e that there is none.
func (p *Prober) spend(e *monitor.Evidence, target string) bool {
	if why := p.budget.take(e.Kind+" "+target, time.Now()); why != "" {
		notAsked(e, "budget: "+why)
		return false
	}
	return true
}

func notAsked(e *monitor.Evidence, detail string) {
	e.Outcome, e.Detail = monitor.OutcomeNotDialled, detail
}

// ask asks via one question, within the timeout.
func (p *Prober) ask(ctx context.Context, via monitor.Resolver, q monitor.Question) monitor.Observation {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	return p.asker.Ask(ctx, via, q)
}

// failed says in e how a resolver failed of which nothing was learnt.
func failed(ctx context.Context, e *monitor.Evidence, why string) {
	if err := ctx.Err(); err != nil {
		notAsked(e, "given up: "+err.Error())
		return
	}
	word, _, _ := strings.Cut(why, ":")
	switch word {
	case monitor.ErrRefused:
		e.Outcome = monitor.OutcomeRefused
	case monitor.ErrUnreachable:
		e.Outcome = monitor.OutcomeUnreachable
	default:
		e.Outcome = monitor.OutcomeTimeout
	}
	e.Detail = "nothing learnt: " + quoted(why)
}

// sorted gives each address once, in order.
func sorted(as []netip.Addr) []netip.Addr {
	slices.SortFunc(as, netip.Addr.Compare)
	return slices.Compact(as)
}

package evidence

import (
	"cmp"
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	// Where the system has no store of roots, as in a bare container, these stand
	// in for it. Without them every certificate would look like an impostor's.
	_ "golang.org/x/crypto/x509roots/fallback"

	"github.com/dnstaster/dnstaster/monitor"
)

// What a Config leaves out.
const (
	defaultTimeout     = 5 * time.Second
	defaultConcurrency = 16
)

// Budgets of a Config that has none: dials a minute.
const (
	DefaultPerAddress = 6  // to one address
	DefaultPerPrefix  = 30 // to one /24 (IPv4) or /48 (IPv6)
)

// Config is how a Prover works. The zero Config is right for production.
type Config struct {
	Timeout     time.Duration // for connection and handshake together; 0 is 5 s
	Concurrency int           // connections at a time; 0 is 16
	PerAddress  int           // dials a minute to one address; 0 is 6, below 0 is without limit
	PerPrefix   int           // dials a minute to one /24 (IPv4) or /48 (IPv6); 0 is 30, below 0 is without limit
	Minute      time.Duration // that both are counted in; 0 is a minute, less where everything that waits is hurried

	Roots      *x509.CertPool      // nil is the system's, or embedded ones where it has none
	ExtraRoots []*x509.Certificate // trusted besides Roots

	// Proxy finds the proxy of a connection, by a request whose URL has the address
	// for its host; nil is http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)

	AllowPrefixes []netip.Prefix               // dialled whatever the guard says, as written and not inside other notations
	OwnAddresses  func() ([]netip.Addr, error) // this host's, read for every dial; nil asks the kernel, over netlink
	Now           func() time.Time             // by which certificates are judged, but not budgets; nil is time.Now
}

// Prover asks addresses for the certificate of a name. It is safe for
// concurrent use, and starts no goroutine that outlives a call.
type Prover struct {
	timeout time.Duration
	now     func() time.Time
	log     *slog.Logger
	guard   guard
	budget  *budget
	judge   judge
	proxy   func(*http.Request) (*url.URL, error)
	slots   chan struct{} // one element for each open connection
	counts  counts

	mu      sync.Mutex // guards flights
	flights map[target]*flight
}

var _ monitor.Prover = (*Prover)(nil)

// target is what makes two proofs the same handshake.
type target struct {
	name    string // lower case, without the final dot
	addr    netip.AddrPort
	private bool
}

// flight is a handshake that several callers may be waiting for. Its evidence
// is there once done is closed, unless it was given up.
type flight struct {
	done     chan struct{}
	evidence monitor.Evidence
	givenUp  bool
}

// New gives a Prover. A nil log is silence.
func New(cfg Config, log *slog.Logger) *Prover {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.OwnAddresses == nil {
		cfg.OwnAddresses = interfaceAddresses
	}
	if cfg.Proxy == nil {
		cfg.Proxy = http.ProxyFromEnvironment
	}
	roots, err := trusted(cfg)
	if err != nil {
		log.Warn("system roots not read", "err", err)
	}
	j := newJudge(roots)
	if j.empty {
		log.Warn("no trusted roots; certificates prove nothing")
	}
	return &Prover{
		timeout: cmp.Or(cfg.Timeout, defaultTimeout),
		now:     cfg.Now,
		log:     log,
		guard:   guard{allow: cfg.AllowPrefixes, own: cfg.OwnAddresses},
		budget:  newBudget(cmp.Or(cfg.PerAddress, DefaultPerAddress), cmp.Or(cfg.PerPrefix, DefaultPerPrefix), cmp.Or(cfg.Minute, defaultWindow)),
		judge:   j,
		proxy:   cfg.Proxy,
		slots:   make(chan struct{}, max(1, cmp.Or(cfg.Concurrency, defaultConcurrency))),
		flights: map[target]*flight{},
	}
}

// Prove asks proof.Address for the certificate of proof.Name and says how that
// ended. Its Detail is printable ASCII of at most 240 bytes, and nothing that
// the server chose stands outside quotation marks in it.
//
// The key (SPKI) is given only where the server proved that it holds it; issuer
// and dates are given of every certificate that was shown. Besides addresses
// that are never dialled and spent budgets, OutcomeNotDialled stands for all
// that says nothing about the address: a name that no certificate can be for,
// no trusted roots, too few sockets, and a ctx that ended first. OutcomeTimeout
// is Config.Timeout, never the caller's.
//
// The same proof asked for twice at a time is one handshake. When the caller
// that began it gives up, another one begins it again.
func (p *Prover) Prove(ctx context.Context, proof monitor.Proof) monitor.Evidence {
	e := p.prove(ctx, proof)
	e.Kind, e.Role, e.Address, e.Port = monitor.EvidenceTLS, proof.Role, proof.Address, proof.Port
	p.counts.outcome(e.Outcome)
	p.log.Debug("proof", "name", proof.Name, "address", proof.Address, "port", proof.Port,
		"role", proof.Role, "outcome", e.Outcome, "detail", e.Detail)
	return e
}

func (p *Prover) prove(ctx context.Context, proof monitor.Proof) monitor.Evidence {
	name, ok := hostName(proof.Name)
	switch {
	case !ok:
		return p.notDialled("not a host name: " + quoted(proof.Name))
	case proof.Port == 0:
		return p.notDialled("no port")
	case p.judge.empty:
		return p.notDialled("no roots: nothing to judge a certificate by")
	}
	if why := p.guard.refuses(proof.Address, proof.Private); why != "" {
		return p.guarded(why)
	}
	e, err := p.share(ctx, target{name, netip.AddrPortFrom(proof.Address.Unmap(), proof.Port), proof.Private})
	if err != nil {
		return p.notDialled("given up: " + err.Error())
	}
	return e
}

// share runs one handshake for all that ask for the same at a time. Its error
// is that of ctx.
func (p *Prover) share(ctx context.Context, t target) (monitor.Evidence, error) {
	for {
		p.mu.Lock()
		f, running := p.flights[t]
		if !running {
			f = &flight{done: make(chan struct{})}
			p.flights[t] = f
		}
		p.mu.Unlock()

		if !running {
			e, err := p.attempt(ctx, t)
			f.evidence, f.givenUp = e, err != nil
			p.mu.Lock()
			delete(p.flights, t)
			p.mu.Unlock()
			close(f.done)
			return e, err
		}
		select {
		case <-f.done:
			if !f.givenUp {
				return f.evidence, nil
			}
		case <-ctx.Done():
			return monitor.Evidence{}, ctx.Err()
		}
	}
}

// attempt waits for a slot, spends of the budget, and does the handshake. Its
// error is that of ctx.
func (p *Prover) attempt(ctx context.Context, t target) (monitor.Evidence, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return monitor.Evidence{}, err
	}
	// Spent only now: what waits for a slot has not been dialled, and dials that
	// bunch up behind full slots must still be spread over their minutes.
	if why := p.budget.take(t.addr.Addr(), time.Now()); why != "" {
		p.counts.overBudget()
		return p.notDialled("budget: " + why), nil
	}

	e := monitor.Evidence{At: p.now()}
	h := p.shake(ctx, t)
	if len(h.chain) > 0 {
		describe(&e, h.chain[0])
	}
	switch {
	case h.proven:
		e.SPKI = spki(h.chain[0])
		e.Outcome, e.Detail = p.judge.outcome(h.chain, t.name, e.At)
	case h.refused != "":
		return p.guarded(h.refused), nil
	case ctx.Err() != nil:
		return monitor.Evidence{}, ctx.Err()
	default:
		e.Outcome, e.Detail = h.broken(p.timeout)
	}
	return e, nil
}

func (p *Prover) notDialled(detail string) monitor.Evidence {
	return monitor.Evidence{At: p.now(), Outcome: monitor.OutcomeNotDialled, Detail: bounded(detail)}
}

func (p *Prover) guarded(why string) monitor.Evidence {
	p.counts.guarded()
	return p.notDialled("never dialled: " + why)
}

// hostName gives s as it is asked for in a handshake: without the final dot,
// which SNI does not carry (RFC 6066 §3). A wildcard is nobody's name, and an
// address is not a DNS name (RFC 9525 §3).
func hostName(s string) (name string, ok bool) {
	name, err := monitor.ParseName(s)
	if err != nil || strings.Contains(name, "*") {
		return "", false
	}
	name = strings.TrimSuffix(name, ".")
	_, err = netip.ParseAddr(name)
	return name, err != nil
}

// trusted puts together the roots that cfg means. It gives an empty pool and an
// error where the system's could not be read.
func trusted(cfg Config) (roots *x509.CertPool, err error) {
	if cfg.Roots != nil {
		roots = cfg.Roots.Clone()
	} else if roots, err = x509.SystemCertPool(); err != nil {
		roots = x509.NewCertPool()
	}
	for _, c := range cfg.ExtraRoots {
		roots.AddCert(c)
	}
	return roots, err
}

// interfaceAddresses lists the addresses of this host's interfaces. It needs a
// netlink socket (AF_NETLINK) from whatever sandbox it runs in.
func interfaceAddresses() ([]netip.Addr, error) {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.Addr, 0, len(nets))
	for _, n := range nets {
		if ipnet, ok := n.(*net.IPNet); ok {
			if a, ok := netip.AddrFromSlice(ipnet.IP); ok {
				addrs = append(addrs, a.Unmap())
			}
		}
	}
	return addrs, nil
}

package resolver

import (
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	defaultTimeout = 2500 * time.Millisecond
	defaultTries   = 2
	defaultLinger  = 2 * time.Second // slow injectors answer up to half a second late
	defaultIdle    = 30 * time.Second

	// maxLingering bounds the sockets that only wait for a second answer: 2,000
	// queries a second for 2 s, within the usual limit of file descriptors.
	maxLingering = 4096

	// sessionCache is how many TLS sessions are kept for resumption: more than
	// anybody configures operators.
	sessionCache = 64
)

// Config says how to ask. The zero value of each field stands for its default.
type Config struct {
	// Timeout of one try: over UDP for the answer, over the others for
	// connection and answer together. There are two tries at most over TCP, TLS
	// and HTTPS, also where a truncated answer leads there. 2.5 s by default.
	Timeout time.Duration

	// Tries over UDP, each with a fresh port and id. 2 by default.
	Tries int

	// Linger is how long a socket listens for further answers after the first.
	// 2 s by default; a negative value closes it at once.
	Linger time.Duration

	// IdleTimeout ends a connection without questions. 30 s by default.
	IdleTimeout time.Duration

	// Roots are the authorities that may certify an endpoint. They replace the
	// system's, so a caller who adds some begins with x509.SystemCertPool. The
	// system's by default.
	Roots *x509.CertPool

	// Proxy finds the proxy that DNS over HTTPS goes through, by a request whose
	// URL has the address of the endpoint for its host: http.ProxyFromEnvironment
	// by default, so that HTTPS_PROXY and NO_PROXY mean what they mean elsewhere.
	// No other transport goes through it.
	Proxy func(*http.Request) (*url.URL, error)

	// Getent is the path of getent(1), which looks names up as applications do.
	// It is looked for in PATH by default.
	Getent string

	// Late is called when a further response with other content arrives for a
	// question that was answered over UDP: at most 8 times a question, from a
	// goroutine of the Asker, and concurrently with itself. It must not call
	// Close.
	Late func(q monitor.Question, first, later monitor.Observation)
}

func (c Config) withDefaults() Config {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Tries <= 0 {
		c.Tries = defaultTries
	}
	if c.Linger == 0 {
		c.Linger = defaultLinger
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = defaultIdle
	}
	if c.Proxy == nil {
		c.Proxy = http.ProxyFromEnvironment
	}
	return c
}

// Asker asks endpoints. Its methods may be called from several goroutines.
type Asker struct {
	cfg      Config
	log      *slog.Logger
	sessions tls.ClientSessionCache
	tallies  tallies
	getents  chan struct{}   // a slot for each process
	life     context.Context // of what Close ends
	end      context.CancelFunc
	wg       sync.WaitGroup // of goroutines that outlive the Ask which started them

	mu        sync.Mutex // guards all following fields
	closed    bool
	sockets   map[*socket]struct{} // all that are open
	lingering list.List            // those of sockets that were answered, oldest first
	links     map[endpoint]*link   // where the next question of an endpoint goes
	conns     map[carrier]struct{} // all that are open, also those that no link leads to any more
	lookups   map[string]*lookup   // under way, by name
}

// New gives an Asker; nothing is sent or started before the first Ask.
func New(cfg Config, log *slog.Logger) *Asker {
	if cfg.Getent == "" {
		if _, err := findGetent(); err != nil {
			log.Warn("getent is not installed: what /etc/hosts and nsswitch.conf say of names is not seen")
		}
	}
	life, end := context.WithCancel(context.Background())
	return &Asker{
		cfg:      cfg.withDefaults(),
		log:      log,
		getents:  make(chan struct{}, maxGetents),
		life:     life,
		end:      end,
		lookups:  map[string]*lookup{},
		sessions: tls.NewLRUClientSessionCache(sessionCache),
		sockets:  map[*socket]struct{}{},
		links:    map[endpoint]*link{},
		conns:    map[carrier]struct{}{},
	}
}

// Ask asks r for q and says what came back. A failure is in the observation's
// Error, which begins with one of the words that monitor declares and does not
// vary from one failure to the next of the same cause. Ask returns as soon as
// ctx ends. The observation's At is when the response, or the failure, was
// seen, and its RTT counts from the sending of the query that was answered, so
// that neither earlier tries nor handshakes are in it. The name of q is in the
// form of monitor.ParseName.
func (a *Asker) Ask(ctx context.Context, r monitor.Resolver, q monitor.Question) monitor.Observation {
	n := a.tallies.of(r)
	var o monitor.Observation
	if r.Transport == monitor.System {
		o = a.askSystem(ctx, r, q, n)
	} else {
		o = a.deliver(ctx, r, wanted{Question: q}, n).observation(r)
	}
	n.count(o)
	return o
}

// deliver chooses the transport.
func (a *Asker) deliver(ctx context.Context, r monitor.Resolver, q wanted, n *tally) outcome {
	if !r.Addr.IsValid() {
		return failed(errors.New("the resolver has no address"))
	}
	switch r.Transport {
	case monitor.UDP:
		return a.askUDP(ctx, r, q, n)
	case monitor.TCP, monitor.DoT, monitor.DoH:
		return a.askStream(ctx, r, q, n)
	}
	return failed(fmt.Errorf("transport %s is not supported", r.Transport))
}

// Stats gives the counters of every endpoint that was asked, ordered by
// resolver, address and transport.
func (a *Asker) Stats() []Stats { return a.tallies.list() }

// Close ends every socket, connection and process, makes questions under way return with
// the error "canceled", and waits for the goroutines that Ask left behind. What
// is asked afterwards is canceled. It may be called more than once.
func (a *Asker) Close() {
	a.end()
	a.mu.Lock()
	a.closed = true
	for s := range a.sockets {
		s.Close()
	}
	for _, l := range a.links {
		l.cancel()
	}
	conns := make([]carrier, 0, len(a.conns))
	for c := range a.conns {
		conns = append(conns, c)
	}
	a.mu.Unlock()
	for _, c := range conns {
		c.fail(errClosed)
	}
	a.wg.Wait()
}

// outcome is how asking ended. With a truncated answer that could not be had
// over TCP either it has both a message and an error.
type outcome struct {
	msg *dns.Msg
	raw []byte // what msg was read from; where a written query was asked
	id  uint16 // of the query, where msg came over UDP
	at  time.Time
	rtt time.Duration
	err error
}

func failed(err error) outcome { return outcome{at: time.Now(), err: err} }

func (x outcome) observation(r monitor.Resolver) monitor.Observation {
	o := monitor.From(r, x.at)
	if x.msg != nil {
		o.RTT, o.TXID = monitor.Milliseconds(x.rtt), x.id
		decode(&o, x.msg)
	}
	if x.err != nil {
		o.Error = describe(x.err)
	}
	return o
}

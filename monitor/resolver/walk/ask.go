package walk

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

var errBudget = errors.New("the queries of this walk are spent")

// ask asks the server at a: over TCP where that goes, else over UDP. A server
// that does not know EDNS is asked without (RFC 6891 §7).
func (j *journey) ask(ctx context.Context, a netip.Addr, q question) (*dns.Msg, error) {
	m, err := j.carry(ctx, a, q)
	if err == nil && !q.plain && !q.subnet.IsValid() && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) {
		q.plain = true
		return j.carry(ctx, a, q)
	}
	return m, err
}

func (j *journey) carry(ctx context.Context, a netip.Addr, q question) (*dns.Msg, error) {
	if what, ok := reserved(a, j.cfg.Exempt); ok {
		return nil, forbidden(what)
	}
	if !j.datagrams(a) {
		m, err := j.exchange(ctx, a, monitor.TCP, q)
		if err == nil || ctx.Err() != nil || spoken(err) || errors.Is(err, errBudget) {
			return m, err
		}
		j.leaveTCP(a)
	}
	return j.exchange(ctx, a, monitor.UDP, q)
}

// exchange sends one query within the budget and reads the response.
func (j *journey) exchange(ctx context.Context, a netip.Addr, tr monitor.Transport, q question) (*dns.Msg, error) {
	x, err := newQuery(q)
	if err != nil {
		return nil, badResponse("a name that cannot be asked for") // only names from others can be so
	}
	select {
	case j.slots <- struct{}{}:
		defer func() { <-j.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if j.left.Add(-1) < 0 {
		return nil, errBudget
	}
	ctx, cancel := context.WithTimeout(ctx, j.cfg.Timeout)
	defer cancel()
	b, err := j.x.Exchange(ctx, j.at(a, tr), x.wire)
	if err != nil {
		return nil, err
	}
	return x.read(b, tr == monitor.UDP)
}

// at is a server as a resolver that can be asked.
func (w *Walker) at(a netip.Addr, tr monitor.Transport) monitor.Resolver {
	return endpoint(netip.AddrPortFrom(a, w.cfg.Port), tr)
}

func endpoint(a netip.AddrPort, tr monitor.Transport) monitor.Resolver {
	return monitor.Resolver{
		Name: "authority", Operator: "authority", Role: monitor.Authority, Transport: tr, Addr: a,
	}
}

// datagrams reports whether TCP did not go with a in this walk.
func (j *journey) datagrams(a netip.Addr) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.noTCP[a]
}

func (j *journey) leaveTCP(a netip.Addr) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.noTCP[a] = true
}

// routed reports whether this host has a route to the family of a. The first
// address of each decides. Nothing is sent for that.
func (j *journey) routed(ctx context.Context, a netip.Addr) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	has, known := j.families[a.Is4()]
	if !known {
		c, err := j.cfg.Dial(ctx, "udp", netip.AddrPortFrom(a, j.cfg.Port).String())
		has = err == nil
		if has {
			c.Close()
		}
		j.families[a.Is4()] = has
	}
	return has
}

// forbidden is of an address at which no server of the public may be.
type forbidden string

func (f forbidden) Error() string { return "never asked: " + string(f) }

// nat64 carries IPv4 addresses to hosts that have none, RFC 6052 §2.1.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// reserved says what keeps a from being asked: whoever writes a delegation must
// not point us at this host or its neighbours.
func reserved(a netip.Addr, exempt []netip.Prefix) (what string, ok bool) {
	if a.Zone() != "" {
		return "link-local", true
	}
	if what, ok := monitor.SpecialPurpose(a, exempt); ok {
		return what, true
	}
	if nat64.Contains(a) {
		b := a.As16()
		return monitor.SpecialPurpose(netip.AddrFrom4([4]byte(b[12:])), exempt)
	}
	return "", false
}

// words begin the errors of an Observation.
var words = [...]string{
	monitor.ErrTimeout, monitor.ErrRefused, monitor.ErrUnreachable, monitor.ErrTLS,
	monitor.ErrBadResponse, monitor.ErrCanceled, monitor.ErrOther,
}

// describe gives an error in the form of Observation.Error.
func describe(err error) string {
	text := err.Error()
	for _, w := range words {
		if text == w || strings.HasPrefix(text, w+":") {
			return presentation.Text(text, maxDetail)
		}
	}
	var timed net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return monitor.ErrCanceled
	case errors.Is(err, syscall.ECONNREFUSED):
		return monitor.ErrRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return monitor.ErrUnreachable
	case errors.As(err, &timed) && timed.Timeout():
		return monitor.ErrTimeout
	}
	return monitor.ErrOther + ": " + presentation.Text(text, maxDetail)
}

package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// Of ttl_limited.
const (
	mostHops  = 30                     // that an address may be away
	shortBy   = 2                      // hops that a question ends before it would arrive: ways differ by one
	hopWithin = 600 * time.Millisecond // for one attempt of a connection that may end on the way
	hopTries  = 2                      // that must fail where nobody says why: packets are lost
	sureTries = 3                      // and for the TTL that is asked with
)

// limited asks a plain resolver with a TTL that ends on the way to it. How far away
// it is, connections to its encrypted port tell: whoever answers port 53 in its
// place seldom takes those.
func (p *Prober) limited(ctx context.Context, proof monitor.Proof, e *monitor.Evidence) {
	to := proof.Via.Addr
	if proof.Via.Transport != monitor.UDP || !to.IsValid() || proof.Port == 0 {
		notAsked(e, "no plain resolver with an encrypted port")
		return
	}
	name, err := monitor.ParseName(proof.Name)
	if err != nil {
		notAsked(e, "not a name: "+quoted(proof.Name))
		return
	}
	message, err := query(name, monitor.TypeA, dns.ClassINET, false)
	if err != nil {
		notAsked(e, "not a name: "+quoted(proof.Name))
		return
	}
	if !p.spend(e, to.Addr().String()) {
		return
	}
	e.Address = to.Addr()
	away, err := distance(ctx, netip.AddrPortFrom(to.Addr(), proof.Port))
	if err != nil {
		failed(ctx, e, monitor.ErrUnreachable+": "+err.Error())
		return
	}
	if away <= shortBy {
		notAsked(e, fmt.Sprintf("%s away: too near to tell", hops(away)))
		return
	}
	var answered atomic.Int32
	var arrives error
	var wg sync.WaitGroup
	for range tries {
		wg.Go(func() {
			if answers(ctx, to, message, away-shortBy, min(p.cfg.Timeout, 2*hopWithin)) {
				answered.Add(1)
			}
		})
	}
	wg.Go(func() { arrives = reach(ctx, netip.AddrPortFrom(to.Addr(), proof.Port), away-shortBy, sureTries) })
	wg.Wait()
	switch err := ctx.Err(); {
	case err != nil:
		notAsked(e, "given up: "+err.Error())
		return
	case arrives == nil:
		notAsked(e, "how far away it is changes") // or packets were lost when that was measured
		return
	}
	e.Answered = answered.Load() == tries
	e.Detail = fmt.Sprintf("it is %s away, and after %s there is an answer to %d of %d questions", hops(away), hops(away-shortBy), answered.Load(), tries)
}

func hops(n int) string {
	if n == 1 {
		return "1 hop"
	}
	return fmt.Sprintf("%d hops", n)
}

// distance gives the fewest hops in which a connection comes about.
func distance(ctx context.Context, to netip.AddrPort) (int, error) {
	if err := reach(ctx, to, mostHops, hopTries); err != nil {
		return 0, err
	}
	low, high := 1, mostHops
	for low < high {
		middle := (low + high) / 2
		if reach(ctx, to, middle, hopTries) == nil {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, ctx.Err()
}

// reach connects with a TTL, and ends the connection. That a router lets the packet
// end is an error at once, as the socket asks to hear of it; silence is tried again.
func reach(ctx context.Context, to netip.AddrPort, ttl, tries int) (err error) {
	d := net.Dialer{Timeout: hopWithin, Control: limit(to.Addr(), ttl)}
	for range tries {
		var c net.Conn
		if c, err = d.DialContext(ctx, "tcp", to.String()); err == nil {
			return c.Close()
		}
		var silence net.Error
		if !errors.As(err, &silence) || !silence.Timeout() {
			return err
		}
	}
	return err
}

// answers reports whether a question with a TTL is answered, in time.
func answers(ctx context.Context, to netip.AddrPort, message []byte, ttl int, within time.Duration) bool {
	d := net.Dialer{Control: limit(to.Addr(), ttl)}
	c, err := d.DialContext(ctx, "udp", to.String())
	if err != nil {
		return false
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	end := time.Now().Add(within)
	c.SetDeadline(end)
	if _, err := c.Write(message); err != nil {
		return false
	}
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return false
		case err != nil: // a router says that the packet ended there
			if ctx.Err() != nil || time.Now().After(end) {
				return false
			}
			continue
		}
		if m, err := reply(b[:n]); err == nil && m.Response && m.Id == binary.BigEndian.Uint16(message) {
			return true
		}
	}
}

// limit sets the TTL of what a socket sends, and has it hear of packets that end on
// the way.
func limit(to netip.Addr, ttl int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		control := c.Control(func(fd uintptr) {
			if to.Is4() {
				err = errors.Join(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TTL, ttl),
					syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_RECVERR, 1))
				return
			}
			err = errors.Join(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS, ttl),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, 1))
		})
		return errors.Join(control, err)
	}
}

package probe

import (
	"context"
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
	mostHops  = 30          // that an address may be away
	shortBy   = 2           // hops that a question ends before it would arrive: ways differ by one
	hopWithin = time.Second // for one attempt of a connection that may end on the way
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
	var wg sync.WaitGroup
	for range tries {
		wg.Go(func() {
			if answers(ctx, to, message, away-shortBy, p.cfg.Timeout) {
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		notAsked(e, "given up: "+err.Error())
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
	if err := reach(ctx, to, mostHops); err != nil {
		return 0, err
	}
	low, high := 1, mostHops
	for low < high {
		middle := (low + high) / 2
		if reach(ctx, to, middle) == nil {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, ctx.Err()
}

// reach connects with a TTL, and ends the connection. That a router lets the packet
// end is an error at once, as the socket asks to hear of it.
func reach(ctx context.Context, to netip.AddrPort, ttl int) error {
	d := net.Dialer{Timeout: hopWithin, Control: limit(to.Addr(), ttl)}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	return c.Close()
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
		if m, err := reply(b[:n]); err == nil && len(message) > 1 && m.Id == uint16(message[0])<<8|uint16(message[1]) {
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

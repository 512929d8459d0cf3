package resolver

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	// maxDatagram is the largest response that is read whole. We ask for 1,232
	// octets; a few servers send up to 4,096 regardless.
	maxDatagram = 4096

	// maxLate bounds what one question can report, so that a flood of forgeries
	// is one sign and not a thousand.
	maxLate = 8
)

// past is a deadline that ends a read under way.
var past = time.Unix(1, 0)

// askUDP asks until a try gives an answer. A try that nothing came back to does
// not hide what an earlier one saw.
func (a *Asker) askUDP(ctx context.Context, r monitor.Resolver, q wanted, n *tally) outcome {
	var x outcome
	for i := range a.cfg.Tries {
		y := a.tryUDP(ctx, r, q, n)
		if i == 0 || word(y.err) != monitor.ErrTimeout {
			x = y
		}
		if y.err == nil || y.msg != nil || ctx.Err() != nil || errors.Is(y.err, errClosed) {
			return y
		}
	}
	return x
}

// tryUDP sends one query from a socket of its own.
//
// The kernel chooses the port when the socket is connected, at random among
// net.ipv4.ip_local_port_range (28,232 by default), and one that no other
// socket uses: with the id, almost 31 bits that an attacker off the path must
// guess for each query, and more with the case of the name and a server that
// echoes cookies. RFC 5452 §9.2 asks for as many ports as practicable; choosing
// among all of them here would add one bit, and get in the way of the services
// of this host.
func (a *Asker) tryUDP(ctx context.Context, r monitor.Resolver, q wanted, n *tally) outcome {
	query, err := q.query(false)
	if err != nil {
		return failed(err)
	}
	s, err := a.openSocket(ctx, r.Addr, n)
	if err != nil {
		return failed(cmp.Or(ctx.Err(), err))
	}
	lingers := false
	defer func() {
		if !lingers {
			a.closeSocket(s)
		}
	}()

	s.SetReadDeadline(time.Now().Add(a.cfg.Timeout))
	stop := context.AfterFunc(ctx, func() { s.SetReadDeadline(past) })
	defer stop()

	sent := time.Now()
	if _, err := s.Write(query.message()); err != nil {
		return failed(cause(err))
	}
	n.queries.Add(1)
	msg, raw, err := s.receive(query)
	x := outcome{msg: msg, raw: raw, id: query.id(), at: time.Now(), rtt: time.Since(sent), err: err}
	if err != nil {
		x.err = cmp.Or(ctx.Err(), err)
		return x
	}
	// A server that insists on cookies of its own lets TCP pass, RFC 7873 §5.3.
	if msg.Truncated || msg.Rcode == dns.RcodeBadCookie {
		n.truncated.Add(1)
		over := r
		over.Transport = monitor.TCP
		if y := a.askStream(ctx, over, q, n); y.err == nil {
			x = y
		} else {
			x.err = fmt.Errorf("truncated, and over tcp: %w", y.err)
		}
	}
	// The observation is made twice, so that Late and the caller share nothing.
	if a.cfg.Linger > 0 && q.message == nil && stop() {
		lingers = a.linger(s, query, r, q.Question, sent, x.observation(r))
	}
	return x
}

// socket is a UDP socket connected to one endpoint.
type socket struct {
	*net.UDPConn
	n    *tally
	turn *list.Element // in Asker.lingering, where it lingers
}

func (a *Asker) openSocket(ctx context.Context, to netip.AddrPort, n *tally) (*socket, error) {
	var d net.Dialer
	udp, err := d.DialUDP(ctx, "udp", netip.AddrPort{}, to)
	if err != nil {
		return nil, cause(err)
	}
	s := &socket{UDPConn: udp, n: n}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		udp.Close()
		return nil, errClosed
	}
	a.sockets[s] = struct{}{}
	return s, nil
}

func (a *Asker) closeSocket(s *socket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Close()
	delete(a.sockets, s)
	if s.turn != nil {
		a.lingering.Remove(s.turn)
		s.turn = nil
	}
}

// receive reads until a response to q comes. What is no response to q is
// counted and passed over, as whoever sends it may not be whom we asked
// (RFC 5452 §9.1); if nothing better comes in time, the first that at least
// had the right id is the reason given. The message as it came is kept for a
// written query.
func (s *socket) receive(q *query) (msg *dns.Msg, raw []byte, err error) {
	var (
		buf [maxDatagram]byte
		bad error
	)
	for {
		size, err := s.Read(buf[:])
		if err != nil {
			if bad != nil && errors.Is(err, os.ErrDeadlineExceeded) {
				return nil, nil, bad
			}
			return nil, nil, cause(err)
		}
		exact, err := q.check(buf[:size])
		if err == nil {
			if msg, err = q.read(buf[:size]); err == nil {
				if !exact {
					s.n.otherCase.Add(1)
				}
				if q.written {
					raw = slices.Clone(buf[:size])
				}
				return msg, raw, nil
			}
		}
		s.n.ignored.Add(1)
		if bad == nil && !errors.Is(err, errForeign) {
			bad = err
		}
	}
}

// linger listens on s for further responses to query, first being what was
// made of the one before, and closes s in the end. It returns at once, and
// false if the Asker is closed.
func (a *Asker) linger(s *socket, query *query, r monitor.Resolver, q monitor.Question, sent time.Time, first monitor.Observation) bool {
	s.SetReadDeadline(time.Now().Add(a.cfg.Linger))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	if a.lingering.Len() >= maxLingering {
		oldest := a.lingering.Remove(a.lingering.Front()).(*socket)
		oldest.turn = nil
		oldest.n.cutShort.Add(1)
		oldest.Close()
	}
	s.turn = a.lingering.PushBack(s)
	a.wg.Go(func() {
		defer a.closeSocket(s)
		seen := []monitor.Canon{first.Canon(q)}
		for len(seen) <= maxLate {
			msg, _, err := s.receive(query)
			if ended(err) {
				return
			}
			if err != nil {
				continue // an ICMP error; the socket goes on
			}
			later := outcome{msg: msg, at: time.Now(), rtt: time.Since(sent)}.observation(r)
			canon := later.Canon(q)
			if slices.ContainsFunc(seen, canon.Equal) {
				continue
			}
			seen = append(seen, canon)
			s.n.late.Add(1)
			a.log.Debug("second answer to one query", "resolver", r.String(), "name", q.Name, "type", q.Type)
			if a.cfg.Late != nil {
				a.cfg.Late(q, first, later)
			}
		}
	})
	return true
}

// ended reports whether nothing more can come: the time is up, or the socket closed.
func ended(err error) bool {
	var bad badResponse
	return errors.Is(err, errTimeout) || errors.Is(err, errClosed) || errors.As(err, &bad)
}

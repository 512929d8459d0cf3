package resolver

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	// maxPending bounds the questions under way on one connection, well below
	// the number of ids, so that a free one is found at the first draw.
	maxPending = 4096

	// maxStrays is how many messages in a row may answer nothing before the
	// connection is closed. Answers that come after their question was given up
	// are strays too, so one alone proves nothing.
	maxStrays = 128

	// outgoing is how many queries may wait for the writer, which sends what it
	// finds there in one piece.
	outgoing = 64

	readBuffer = 4 << 10
)

// errLost is of a connection that ended, or went silent, under a question.
var errLost = errors.New("connection lost")

// lost wraps a cause in errLost without a word more in the text: the cause says it all.
type lost struct{ error }

func (l lost) Unwrap() error        { return l.error }
func (l lost) Is(target error) bool { return target == errLost }

// askStream asks over TCP, TLS or HTTPS. A connection that was there before may have
// died unnoticed, so a question that is lost with such a one is asked once more
// (RFC 7766 §6.2.4).
func (a *Asker) askStream(ctx context.Context, r monitor.Resolver, q wanted, n *tally) outcome {
	x, reused := a.tryStream(ctx, r, q, n)
	if reused && errors.Is(x.err, errLost) {
		x, _ = a.tryStream(ctx, r, q, n)
	}
	return x
}

// tryStream asks on the connection to r, or makes one; reused tells which.
func (a *Asker) tryStream(ctx context.Context, r monitor.Resolver, q wanted, n *tally) (x outcome, reused bool) {
	query, err := q.query(r.Encrypted())
	if err != nil {
		return failed(err), false
	}
	if r.Transport == monitor.DoH {
		query.anonymous()
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	l, reused, err := a.link(r, n)
	if err != nil {
		return failed(err), false
	}
	select {
	case <-l.ready:
	case <-ctx.Done():
		return failed(ctx.Err()), false
	}
	if l.err != nil {
		return failed(l.err), false
	}
	return l.conn.ask(ctx, query, n), reused
}

// conn is a connection that carries many questions at once. Replies may come
// in any order (RFC 7766 §7).
type conn struct {
	net.Conn // TLS where that is the transport
	asker    *Asker
	link     *link
	n        *tally
	out      chan []byte
	done     chan struct{} // closed when the connection ends

	mu      sync.Mutex // guards all following fields
	err     error      // why the connection ended, once it has
	pending map[uint16]*pending
	heard   time.Time // when the last message was complete
	strays  int       // messages in a row that nobody waited for
	retired bool      // it went silent, and ends with its last question
}

// pending is a question under way.
type pending struct {
	query *query
	reply chan reply // of size 1, so that the reader never waits
	bad   error      // a message with its id that did not answer it
}

type reply struct {
	frame []byte
	at    time.Time
	err   error
}

// start reads and writes, in goroutines of their own.
func (c *conn) start() {
	c.asker.wg.Go(c.read)
	c.asker.wg.Go(c.write)
}

// ask implements carrier.
func (c *conn) ask(ctx context.Context, query *query, n *tally) outcome {
	p := &pending{query: query, reply: make(chan reply, 1)}
	if err := c.enter(p); err != nil {
		return failed(err)
	}
	sent := time.Now()
	var got reply
	select {
	case c.out <- query.frame:
		n.queries.Add(1)
		select {
		case got = <-p.reply:
		case <-ctx.Done():
			got = c.leave(p, sent, ctx.Err())
		}
	case got = <-p.reply: // the connection ended before the query left
	case <-ctx.Done():
		got = c.leave(p, sent, ctx.Err())
	}
	x := outcome{raw: got.frame, at: got.at, rtt: got.at.Sub(sent), err: got.err}
	if got.err != nil {
		return x
	}
	if exact, _ := query.check(got.frame); !exact {
		n.otherCase.Add(1)
	}
	if x.msg, x.err = query.read(got.frame); x.err != nil {
		n.ignored.Add(1) // nothing better can follow, unlike over UDP
	}
	return x
}

// enter takes p in, under an id that no other question has.
func (c *conn) enter(p *pending) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return lost{c.err}
	}
	if len(c.pending) >= maxPending {
		return errors.New("too many questions under way on one connection")
	}
	for c.pending[p.query.id()] != nil {
		p.query.renew()
	}
	c.pending[p.query.id()] = p
	if len(c.pending) == 1 {
		c.SetReadDeadline(time.Time{})
	}
	return nil
}

// leave gives p up because of err, unless its reply came at the same moment. A
// connection over which nothing came since the question was sent is taken for
// dead: questions still under way may wait, new ones get another.
func (c *conn) leave(p *pending, sent time.Time, err error) reply {
	c.mu.Lock()
	if c.pending[p.query.id()] != p {
		c.mu.Unlock()
		return <-p.reply
	}
	if errors.Is(err, context.DeadlineExceeded) {
		if p.bad != nil {
			err = p.bad
		} else if c.heard.Before(sent) {
			err = lost{err}
			c.retired = true
		}
	}
	c.remove(p.query.id())
	retired := c.retired
	c.mu.Unlock()
	if retired {
		c.asker.unlink(c.link)
	}
	return reply{at: time.Now(), err: err}
}

// remove needs mu to be held. The last question sets the clock for the end.
func (c *conn) remove(id uint16) {
	delete(c.pending, id)
	switch {
	case len(c.pending) > 0:
	case c.retired:
		c.SetReadDeadline(past)
	default:
		c.SetReadDeadline(time.Now().Add(c.asker.cfg.IdleTimeout))
	}
}

// read hands each message to the question that it answers, until the
// connection ends.
func (c *conn) read() {
	f := frames{r: bufio.NewReaderSize(c, readBuffer)}
	for {
		b, err := f.next()
		if err == nil {
			err = c.deliver(b, time.Now())
		}
		if err != nil {
			c.fail(cause(err))
			return
		}
	}
}

func (c *conn) deliver(b []byte, at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = at
	if len(b) >= headerLen {
		id := binary.BigEndian.Uint16(b)
		if p := c.pending[id]; p != nil {
			_, err := p.query.check(b)
			if err == nil {
				c.strays = 0
				c.remove(id)
				p.reply <- reply{frame: slices.Clone(b), at: at}
				return nil
			}
			if !errors.Is(err, errForeign) {
				p.bad = cmp.Or(p.bad, err)
			}
		}
	}
	c.n.ignored.Add(1)
	if c.strays++; c.strays >= maxStrays {
		return fmt.Errorf("%d messages in a row answer no question", c.strays)
	}
	return nil
}

// write sends queries. A write that does not end in time leaves half a message
// behind, so that nothing more can be sent.
func (c *conn) write() {
	var batch []byte
	for {
		select {
		case <-c.done:
			return
		case b := <-c.out:
			batch = append(batch[:0], b...)
		}
		for len(c.out) > 0 { // only this goroutine takes from it
			batch = append(batch, <-c.out...)
		}
		c.SetWriteDeadline(time.Now().Add(c.asker.cfg.Timeout))
		if _, err := c.Write(batch); err != nil {
			c.fail(cause(err))
			return
		}
	}
}

// fail ends the connection, and every question on it, because of err. The
// first call counts. The link goes first, so that a question which finds the
// connection dead and is asked again does not find it once more.
func (c *conn) fail(err error) {
	c.asker.unlink(c.link)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	left := c.pending
	c.pending = nil
	c.mu.Unlock()

	close(c.done)
	c.asker.forget(c, c.n)
	c.link.debug(c.asker.log, "connection ended", err)
	now := time.Now()
	for _, p := range left {
		p.reply <- reply{at: now, err: lost{err}}
	}
}

// frames splits a stream into messages, each after its length in two octets
// (RFC 1035 §4.2.2): none is longer than 65,535.
type frames struct {
	r   *bufio.Reader
	buf []byte
}

// next gives the next message, which is valid until the call after. io.EOF is
// the end between two messages, io.ErrUnexpectedEOF one within.
func (f *frames) next() ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(f.r, length[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(length[:]))
	f.buf = slices.Grow(f.buf[:0], size)[:size]
	if _, err := io.ReadFull(f.r, f.buf); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return f.buf, nil
}

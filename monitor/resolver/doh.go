package resolver

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultPath is where most servers take questions over HTTPS, and where an
// endpoint without a path of its own is asked.
const DefaultPath = "/dns-query"

// web is a connection that carries questions over HTTPS, each as a stream of
// its own (RFC 8484 §5.2, RFC 9113 §5).
//
// HTTP/2 is that of net/http, by http.ClientConn: one connection that we own,
// as for the other transports, with proxies as every program knows them. The
// pool of http.Client would open as many connections as there are first
// questions at once, and tells neither when one ends nor why; package http2 of
// golang.org/x/net has the same code, without proxies.
type web struct {
	client *http.ClientConn
	line   *line
	asker  *Asker
	link   *link
	n      *tally
	url    *url.URL

	mu      sync.Mutex // guards all following fields
	err     error      // why the connection ended, once it has
	asking  int        // questions under way
	retired bool       // it failed one, and ends with its last question
}

// errRetired is of a connection without questions that new ones do not take.
var errRetired = errors.New("the connection failed a question")

// start waits for the end of the connection, which net/http brings about when
// it was idle for too long or cannot be read any more.
func (c *web) start() {
	c.asker.wg.Go(func() {
		<-c.line.closed
		c.fail(errHangup)
	})
}

// ask implements carrier. A stream that ends without an answer is the
// connection's fault: on a fresh one the question may be asked again, as it
// changes nothing (RFC 9113 §8.7).
func (c *web) ask(ctx context.Context, query *query, n *tally) outcome {
	if err := c.enter(); err != nil {
		return failed(lost{err})
	}
	defer c.leave()
	before := c.line.received.Load()
	sent := time.Now()
	n.queries.Add(1)
	got, err := c.post(ctx, query.message())
	x := outcome{at: time.Now()}
	x.rtt = x.at.Sub(sent)
	if err != nil {
		x.err = c.blame(err, c.line.received.Load() == before)
		return x
	}
	exact, err := query.check(got.message)
	if err == nil {
		x.raw = got.message
		x.msg, err = query.read(got.message)
	}
	switch {
	case errors.Is(err, errForeign):
		x.err = badResponse("another message than the response")
	case err != nil:
		x.err = err
	case !exact:
		n.otherCase.Add(1)
	}
	if x.err != nil {
		n.ignored.Add(1)
		return x
	}
	got.ripen(x.msg)
	return x
}

// post sends one request and reads its response (RFC 8484 §4.1).
func (c *web) post(ctx context.Context, message []byte) (webReply, error) {
	req := (&http.Request{
		Method: http.MethodPost, URL: c.url,
		Header: http.Header{
			"Accept": {mediaType}, "Content-Type": {mediaType},
			"User-Agent": {""}, // none: it would tell clients apart (RFC 8484 §8.2)
		},
		Body: bodyOf(message), ContentLength: int64(len(message)),
	}).WithContext(ctx)
	res, err := c.client.RoundTrip(req)
	if err != nil {
		return webReply{}, errors.Join(ctx.Err(), err)
	}
	defer res.Body.Close()
	got, err := readWebReply(res)
	if err != nil {
		return webReply{}, errors.Join(ctx.Err(), err)
	}
	return got, nil
}

// blame says why a question failed, with errLost where the connection is at
// fault; then new questions take another. silent is true if nothing at all came
// since the question was sent.
func (c *web) blame(err error, silent bool) error {
	var bad badResponse
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		if !silent {
			return context.DeadlineExceeded
		}
		err = context.DeadlineExceeded
	case errors.As(err, &bad):
		return bad
	default:
		err = streamCause(err)
	}
	c.mu.Lock()
	if c.err != nil {
		err = c.err // it is why the stream ended
	}
	c.retired = true
	c.mu.Unlock()
	c.asker.unlink(c.link)
	return lost{err}
}

func (c *web) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.asking++
	}
	return c.err
}

func (c *web) leave() {
	c.mu.Lock()
	c.asking--
	last := c.retired && c.asking == 0
	c.mu.Unlock()
	if last {
		c.fail(errRetired)
	}
}

// fail ends the connection, and every question on it, because of err. The
// first call counts. As for conn, the link goes first.
func (c *web) fail(err error) {
	c.asker.unlink(c.link)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	c.mu.Unlock()
	c.asker.forget(c, c.n)
	c.link.debug(c.asker.log, "connection ended", err)
}

// Close closes without a farewell, which could wait for a peer that does not read.
func (c *web) Close() error {
	c.line.Close()
	return c.client.Close()
}

// line is the TCP connection below TLS and HTTP. It counts what comes in, so
// that a dead connection can be told from a slow answer, and tells of its end.
type line struct {
	net.Conn
	received atomic.Uint64 // octets
	closed   chan struct{}
	once     sync.Once
}

func newLine(c net.Conn) *line { return &line{Conn: c, closed: make(chan struct{})} }

func (l *line) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.received.Add(uint64(n))
	return n, err
}

func (l *line) Close() error {
	err := l.Conn.Close()
	l.once.Do(func() { close(l.closed) })
	return err
}

// body is a message to be sent.
type body struct{ bytes.Reader }

func bodyOf(message []byte) *body {
	b := new(body)
	b.Reset(message)
	return b
}

func (*body) Close() error { return nil }

package capture

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// TapConfig is what a Tap works with.
type TapConfig struct {
	// Watched are the names whose answers are handed over, in the form of
	// monitor.ParseName. Of others nothing is kept but counts.
	Watched []string

	// Local reports whether an address is this host's own, and is called from
	// several goroutines. nil: none is.
	Local func(netip.Addr) bool
}

// Bounds of what senders may take. Each costs a goroutine, a buffer, its longest frame
// and what is kept of what it tells, half a MiB at most. Resolvers may connect once for
// each of their threads.
const (
	tapSenders = 64
	tapHello   = 10 * time.Second // for the handshake
	tapPause   = time.Second      // after a listener that fails
	tapTells   = time.Minute      // how often the log is told of senders that fail
)

// Tap hears what resolvers on this host tell by dnstap over a Unix socket, in Frame
// Streams with or without a handshake. So the legs are heard that the wire does not
// show: those of DNS over TLS, HTTPS or QUIC, and of DNSCrypt. Nothing of it has a
// resolver wait: what is told is read as fast as it comes, and a sample that finds no
// room is dropped.
type Tap struct {
	listener net.Listener
	cfg      TapConfig
	log      *slog.Logger
	watched  atomic.Pointer[map[string]bool]

	mu      sync.Mutex // guards:
	senders map[net.Conn]struct{}
	closed  bool
	told    time.Time // when the log was last told of a sender that failed

	refused, failed atomic.Uint64
	tapCounters
}

// TapStats are totals since the start, but for Senders.
type TapStats struct {
	Senders     int    // that are connected now
	Messages    uint64 // told, of all kinds
	Queries     uint64
	Responses   uint64
	Undecodable uint64 // messages that cannot be read
	Failed      uint64 // connections that ended for what came over them
	Refused     uint64 // connections above the 64 that there may be
}

// NewTap makes a Tap that hears what comes in at a listener, and owns it.
func NewTap(l net.Listener, cfg TapConfig, log *slog.Logger) *Tap {
	t := &Tap{listener: l, cfg: cfg, log: log, senders: map[net.Conn]struct{}{}}
	t.Watch(cfg.Watched)
	return t
}

// Watch has other names watched from now on. Names that cannot be are passed over. It
// may be called from any goroutine.
func (t *Tap) Watch(names []string) {
	watched := map[string]bool{}
	for _, name := range names {
		if wire, err := nameWire(name); err == nil {
			watched[wire] = true
		}
	}
	t.watched.Store(&watched)
}

// Run hears until ctx ends, and returns nil then, with the socket closed and everybody
// gone. offer takes a sample if there is room, and is called from several goroutines.
func (t *Tap) Run(ctx context.Context, offer func(monitor.Sample) bool) error {
	defer context.AfterFunc(ctx, func() { t.Close() })()
	var senders sync.WaitGroup
	defer senders.Wait()
	defer t.Close()
	for {
		c, err := t.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// Such as too many open files: what is connected goes on meanwhile.
			t.complain("dnstap senders cannot connect", err)
			select {
			case <-ctx.Done():
			case <-time.After(tapPause):
			}
			continue
		case !t.enter(c):
			continue
		}
		senders.Go(func() {
			defer t.leave(c)
			if err := t.hear(c, offer); err != nil && ctx.Err() == nil {
				t.failed.Add(1)
				t.complain("a dnstap sender was disconnected", err)
			}
		})
	}
}

// enter takes in a sender, if there is room for it.
func (t *Tap) enter(c net.Conn) bool {
	t.mu.Lock()
	full := len(t.senders) >= tapSenders
	if !t.closed && !full {
		t.senders[c] = struct{}{}
		t.mu.Unlock()
		return true
	}
	t.mu.Unlock()
	c.Close()
	if full {
		t.refused.Add(1)
		t.complain("a dnstap sender was refused", errors.New("there are too many"))
	}
	return false
}

func (t *Tap) leave(c net.Conn) {
	c.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.senders, c)
}

// hear reads what one sender tells until it says that it stops, or is gone.
func (t *Tap) hear(c net.Conn, offer func(monitor.Sample) bool) error {
	// One that does not begin, or does not take an answer, is in the way of others.
	if err := c.SetDeadline(time.Now().Add(tapHello)); err != nil {
		return err
	}
	s, err := openStream(c, c, tapType)
	if err != nil {
		return err
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return err
	}
	p := newTapper(&t.tapCounters)
	p.watched = func(wire []byte) bool { return (*t.watched.Load())[string(wire)] }
	p.local, p.now = t.cfg.Local, time.Now
	for first := true; ; first = false {
		b, err := s.next()
		switch {
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF): // it stopped, or was killed
			return nil
		case err != nil:
			return err
		}
		if first {
			m, _ := parseTap(b)
			t.log.Info("a dnstap sender is heard", "identity", strings.ToValidUTF8(string(m.identity[:min(len(m.identity), 128)]), "?"))
		}
		if sample, ok := p.take(b); ok {
			offer(sample) // what finds no room is counted there
		}
	}
}

// complain tells the log, if it was not told a moment ago: senders that come again
// and again are not to fill it.
func (t *Tap) complain(what string, err error) {
	t.mu.Lock()
	now := time.Now()
	again := now.Sub(t.told) < tapTells
	if !again {
		t.told = now
	}
	t.mu.Unlock()
	if !again {
		t.log.Warn(what, "err", err)
	}
}

// Stats gives the totals. It may be called from any goroutine.
func (t *Tap) Stats() TapStats {
	t.mu.Lock()
	n := len(t.senders)
	t.mu.Unlock()
	return TapStats{
		Senders: n, Messages: t.messages.Load(), Queries: t.queries.Load(), Responses: t.responses.Load(),
		Undecodable: t.undecodable.Load(), Failed: t.failed.Load(), Refused: t.refused.Load(),
	}
}

// Close ends Run and lets go of every sender. It may be called more than once, and
// from any goroutine.
func (t *Tap) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	for c := range t.senders {
		c.Close()
	}
	return t.listener.Close()
}

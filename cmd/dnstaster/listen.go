package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// ringSize is the memory shared with the kernel, of all interfaces together, and
// ringLeast that of one ring: below it the longest frames are cut.
const (
	ringSize  = 4 << 20
	ringLeast = 512 << 10
)

// ear is the part of the daemon that overhears.
type ear struct {
	sources  []*capture.Live    // each ring of each interface
	matchers []*capture.Matcher // one for each source
	names    []string           // of the interfaces
	room     int                // transactions that each of the matchers holds at most
	meet     func([]monitor.Stranger) bool
	unmet    atomic.Uint64 // strangers that found no room
	link     *link         // nil where not every interface is heard
	hashes   bool          // what is answered to names that are not watched is kept, as hashes
	err      error         // why nothing is heard
	log      *slog.Logger

	promiscuous bool
	rings       int

	// Around a reload two of them are told of the same frames.
	opened time.Time   // before the first source was
	before time.Time   // how far the one before has heard; zero for none
	heard  []time.Time // how far each source was heard, once run has ended
}

// newEar begins to listen where the configuration says so. Without the
// privilege the daemon goes on without: it says so in the log and in status.
func newEar(c captureConfig, watches []monitor.Watch, log *slog.Logger) (*ear, error) {
	e := &ear{log: log, opened: time.Now(), promiscuous: c.Promiscuous, rings: max(1, int(c.Rings))}
	e.room = int(c.Transactions) / max(1, len(c.Interfaces)*e.rings)
	if !c.Enabled.on() || len(watches) == 0 {
		return e, nil
	}
	watched := watchedNames(watches)
	ports, strangers := []uint16{53}, 0
	if e.hashes = c.Unwatched == unwatchedHash; e.hashes {
		strangers = strangersAtOnce
	}
	var exchanges *capture.Exchanges
	if everything(c.Interfaces) {
		if e.link = newLink(); e.link != nil {
			ports, exchanges = append(ports, e.link.port()), e.link.exchanges
		}
	}
	for _, name := range c.Interfaces {
		lives, err := capture.ListenFanout(capture.LiveConfig{
			Interface: name, Promiscuous: c.Promiscuous, Ports: ports, Tunnels: c.Tunnels, RingSize: max(ringLeast, ringSize/len(c.Interfaces)/e.rings),
		}, e.rings, log)
		if err != nil {
			e.close()
			if !errors.Is(err, fs.ErrPermission) {
				return nil, err
			}
			e.sources, e.matchers, e.names, e.link, e.err = nil, nil, nil, nil, err
			log.Warn("not listening to the wire: forged answers that race genuine ones will not be seen", "err", err)
			return e, nil
		}
		for _, live := range lives {
			e.sources = append(e.sources, live)
			e.matchers = append(e.matchers, capture.NewMatcher(capture.Config{
				Watched: watched, Local: (&localAddrs{}).has, Transactions: e.room, Passed: exchanges, Strangers: strangers, Tunnels: c.Tunnels,
			}))
		}
		e.names = append(e.names, name)
	}
	return e, nil
}

func watchedNames(ws []monitor.Watch) (names []string) {
	for _, w := range ws {
		names = append(names, w.Name)
	}
	return names
}

// How many names that are not watched an interface may have answers to in a time.
const (
	strangersAtOnce = 4096
	strangersEvery  = 10 * time.Second
)

// tell hands over what was answered to names that are not watched.
func (e *ear) tell(m *capture.Matcher) {
	if ss := m.Strangers(); len(ss) > 0 && !e.meet(ss) {
		e.unmet.Add(uint64(len(ss)))
	}
}

// run listens until ctx ends. offer and meet take what was overheard if there is room.
func (e *ear) run(ctx context.Context, offer func(monitor.Sample) bool, meet func([]monitor.Stranger) bool) error {
	e.meet = meet
	defer context.AfterFunc(ctx, func() { e.close() })()
	var g errgroup.Group
	e.heard = make([]time.Time, len(e.sources))
	for i := range e.sources {
		g.Go(func() error {
			err := e.listen(i, e.sources[i], offer)
			if err != nil {
				e.close() // one that fails ends all: half of an ear is no ear
			}
			return err
		})
	}
	if len(e.sources) == 0 {
		<-ctx.Done()
	}
	return g.Wait()
}

func (e *ear) listen(i int, src capture.Source, offer func(monitor.Sample) bool) error {
	var told time.Time
	for {
		f, err := src.Next()
		if e.hashes && (err != nil || f.At.Sub(told).Abs() >= strangersEvery) {
			e.tell(e.matchers[i])
			told = f.At
		}
		if errors.Is(err, capture.ErrStopped) {
			return nil
		}
		if err != nil {
			return err
		}
		e.heard[i] = f.At
		e.link.hear(&f)
		// From when it was opened on, so that a clock that was set makes nobody deaf.
		if !f.At.Before(e.opened) && !f.At.After(e.before) {
			continue
		}
		for s, ok := e.matchers[i].Take(f); ok; s, ok = e.matchers[i].More() {
			offer(s) // what finds no room is counted there
		}
	}
}

func (e *ear) close() error {
	var errs []error
	e.link.close()
	for _, s := range e.sources {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// listens reports whether the wire is heard.
func (e *ear) listens() bool { return len(e.sources) > 0 }

func (e *ear) status() monitor.WireStatus {
	s := monitor.WireStatus{Interfaces: append([]string{}, e.names...)}
	if s.Promiscuous = e.listens() && e.promiscuous; e.listens() && e.rings > 1 {
		s.Rings = e.rings
	}
	if e.err != nil {
		s.Error = e.err.Error()
	}
	s.Unkept = e.unmet.Load()
	for i, src := range e.sources {
		st, m := src.Stats(), e.matchers[i].Stats()
		s.Packets += st.Received
		s.Lost += st.Dropped
		s.Queries += m.Queries
		s.Responses += m.Responses
		s.Transactions += m.Transactions
		s.Undecodable += m.Undecodable
		s.Unkept += m.Unkept
		s.Blind += m.Blind + m.Forgotten + m.Refused
		s.Open += m.Open
		s.Room += e.room
		if hold := monitor.Milliseconds(m.Hold); i == 0 || hold < s.Hold {
			s.Hold = hold
		}
		s.Shortened += m.Shortened
		s.Withheld += m.Withheld
		s.Unreported += m.Unreported
		s.Strays += m.Strays
	}
	return s
}

// decoded sums up what became of the frames on the way to messages.
func (e *ear) decoded() (sum capture.Stats) {
	for _, m := range e.matchers {
		st := m.Stats()
		sum.Fragments += st.Fragments
		sum.Reassembled += st.Reassembled
		sum.Torn += st.Torn
		sum.TCPMessages += st.TCPMessages
		sum.TCPConflicts += st.TCPConflicts
		sum.TCPGivenUp += st.TCPGivenUp
		sum.BadChecksum += st.BadChecksum
		sum.QuotedQueries += st.QuotedQueries
		sum.QuotedResponses += st.QuotedResponses
	}
	return sum
}

// announced gives the nameservers that were heard to be announced on the networks that
// are listened to.
func (e *ear) announced() (all []monitor.Source) {
	for _, m := range e.matchers {
		all = append(all, m.Announced()...)
	}
	return all
}

// localAddrs knows this host's addresses, as they were a moment ago.
type localAddrs struct {
	known []netip.Addr
	read  time.Time
}

const localAddrsFor = 10 * time.Second

// has reports whether a is this host's. It is used by one goroutine at a time.
func (l *localAddrs) has(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	if now := time.Now(); now.Sub(l.read) > localAddrsFor {
		l.read = now
		if as, err := net.InterfaceAddrs(); err == nil {
			l.known = l.known[:0]
			for _, x := range as {
				if p, err := netip.ParsePrefix(x.String()); err == nil {
					l.known = append(l.known, p.Addr())
				}
			}
		}
	}
	return slices.Contains(l.known, a)
}

// secondAnswer makes a sample of a second answer to a question of our own,
// which came to our own socket.
func secondAnswer(q monitor.Question, first, later monitor.Observation) monitor.Sample {
	return monitor.Sample{
		At: later.At, Via: monitor.Wire, Question: q,
		Queries: []monitor.Packet{{At: first.At.Add(-time.Duration(first.RTT))}},
		Answers: []monitor.Observation{first, later},
	}
}

// toggle is a boolean that may be left out.
type toggle uint8

const (
	unset toggle = iota
	off
	on
)

func (t toggle) on() bool { return t != off }

// MarshalText gives true or false.
func (t toggle) MarshalText() ([]byte, error) { return fmt.Append(nil, t.on()), nil }

// UnmarshalText reads true or false, on or off.
func (t *toggle) UnmarshalText(b []byte) error {
	switch string(b) {
	case "true", "on":
		*t = on
	case "false", "off":
		*t = off
	default:
		return fmt.Errorf("want true or false, not %q", b)
	}
	return nil
}

package capture

import (
	"container/list"
	"net/netip"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	defaultConnections = 256
	holdConnection     = 30 * time.Second // since it was last heard
)

// connections takes DNS messages out of TCP (RFC 7766). It is used by one goroutine, and
// keeps no more than it may, however many connections somebody opens.
type connections struct {
	most  int
	table map[connectionKey]*connection
	// Those that were heard last are at the end. Where there is no room the first of
	// the doubtful goes: that began before we listened, that nobody answered, that are
	// over. A flood with false sources makes no others go.
	doubtful, proven list.List
	ready            []message // what became whole with the last segment
	counters         *counters
}

type connectionKey struct{ client, server netip.AddrPort }

// connection is a TCP connection.
type connection struct {
	connectionKey
	heard  time.Time
	list   *list.List
	place  *list.Element
	proven bool      // the client knows the server's first number, so it gets what the server sends
	ended  [2]bool   // by FIN
	sides  [2]stream // of the client, of the server
}

// message is a DNS message that came over TCP, and the frame that it would have come
// in, alone and in one segment.
type message struct {
	frame    Frame
	datagram datagram
}

// segment takes in a TCP segment.
func (m *Matcher) segment(f *Frame, g *datagram) (monitor.Sample, bool) {
	if g.src.Port() != dnsPort && g.dst.Port() != dnsPort {
		return monitor.Sample{}, false
	}
	if !m.sums.good(f, g) {
		m.badChecksum.Add(1)
		return monitor.Sample{}, false
	}
	m.tcp.take(f, g)
	return m.More()
}

// More gives a further sample that came of the frame that was taken last.
func (m *Matcher) More() (monitor.Sample, bool) {
	for len(m.tcp.ready) > 0 {
		x := &m.tcp.ready[0]
		m.tcp.ready = m.tcp.ready[1:]
		if s, ok := m.message(&x.frame, &x.datagram); ok {
			return s, true
		}
	}
	return monitor.Sample{}, false
}

// take takes in a segment.
func (cs *connections) take(f *Frame, g *datagram) {
	cs.expire(f.At)
	key, side := connectionKey{g.src, g.dst}, 0
	if g.dst.Port() != dnsPort {
		key, side = connectionKey{g.dst, g.src}, 1
	}
	c := cs.table[key]
	if c == nil {
		if g.control&tcpSYN == 0 && len(g.payload) == 0 {
			return // nothing is known of it, nor said by it
		}
		c = cs.open(key)
	}
	seq := g.seq
	if g.control&tcpSYN != 0 {
		seq++
		c.begin(side, seq)
	}
	client, server := &c.sides[0], &c.sides[1]
	switch {
	case g.control&tcpRST != 0:
		c.proven = false // it may be forged: what else comes is heard all the same
	case g.control&tcpFIN != 0:
		c.ended[side] = true
		c.proven = c.proven && !c.ended[1-side]
	case side == 0 && g.control&(tcpSYN|tcpACK) == tcpACK && !c.ended[1]:
		c.proven = c.proven || client.greeted && server.greeted && g.ack == server.first
	}
	cs.touch(c, f.At)
	s := &c.sides[side]
	if len(g.payload) == 0 || s.opaque {
		return
	}
	ok := s.add(seq, g.payload, side == 1, func(said []byte, at uint32, torn bool) {
		if at == seq && len(said) == len(g.payload) && !torn {
			cs.ready = append(cs.ready, message{*f, g.alone(g.payload)})
		} else {
			cs.ready = append(cs.ready, g.message(f, said, at, torn))
		}
		cs.counters.tcpMessages.Add(1)
	}, func() { cs.counters.tcpConflicts.Add(1) })
	if !ok {
		*s = stream{opaque: true}
		cs.counters.tcpGivenUp.Add(1)
	}
}

// begin notes the first number of a side. Another one than before is that of another
// connection between the same ports; in the middle of one that is proven it is
// nobody's (RFC 5961 §4).
func (c *connection) begin(side int, first uint32) {
	s := &c.sides[side]
	if s.greeted && s.first == first || c.proven {
		return
	}
	if side == 0 {
		c.ended, c.sides = [2]bool{}, [2]stream{}
	}
	*s = stream{begun: true, greeted: true, first: first, base: first}
}

// open makes room for a connection.
func (cs *connections) open(key connectionKey) *connection {
	if cs.table == nil {
		cs.table = map[connectionKey]*connection{}
	}
	if len(cs.table) >= cs.most {
		oldest := cs.doubtful.Front()
		if oldest == nil {
			oldest = cs.proven.Front()
		}
		cs.drop(oldest.Value.(*connection))
	}
	c := &connection{connectionKey: key}
	cs.table[key] = c
	return c
}

// touch puts off the end of a connection.
func (cs *connections) touch(c *connection, now time.Time) {
	c.heard = now
	to := &cs.doubtful
	if c.proven {
		to = &cs.proven
	}
	if c.list == to {
		to.MoveToBack(c.place)
		return
	}
	if c.list != nil {
		c.list.Remove(c.place)
	}
	c.list, c.place = to, to.PushBack(c)
}

// expire lets go of connections that were not heard for long.
func (cs *connections) expire(now time.Time) {
	for _, l := range [...]*list.List{&cs.doubtful, &cs.proven} {
		for e := l.Front(); e != nil && now.Sub(e.Value.(*connection).heard).Abs() > holdConnection; e = l.Front() {
			cs.drop(e.Value.(*connection))
		}
	}
}

func (cs *connections) drop(c *connection) {
	if c.sides[0].unfinished() || c.sides[1].unfinished() {
		cs.counters.tcpGivenUp.Add(1)
	}
	c.list.Remove(c.place)
	delete(cs.table, c.connectionKey)
}

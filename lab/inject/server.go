//go:build lab

package inject

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// A Transport is what a query came over.
type Transport string

// The transports of a Server.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// network is where the same question is asked on: what came encrypted goes on
// over TCP, because only the size of the answer matters.
func (t Transport) network() string {
	if t == UDP {
		return "udp"
	}
	return "tcp"
}

// A Query is one query, and the way back to its client. A handler must not
// change the message. A Query belongs to one goroutine.
type Query struct {
	*dns.Msg
	Client    netip.AddrPort
	Transport Transport

	*exchange
}

// An exchange is the part of a Query that its copies share.
type exchange struct {
	ctx    context.Context
	server *Server
	w      dns.ResponseWriter
	lying  bool
	sent   int
}

// Name is the QNAME, with the case that the client chose.
func (q *Query) Name() string { return q.Question[0].Name }

// Type is the QTYPE.
func (q *Query) Type() uint16 { return q.Question[0].Qtype }

// Lying marks every response sent from now on as a lie, for Server.First.
func (q *Query) Lying() { q.lying = true }

// Wait waits, and reports whether the server still runs.
func (q *Query) Wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-q.ctx.Done():
		return false
	}
}

// Answer is an empty positive response, with the flags of a recursive resolver,
// and an OPT record if the query has one (RFC 6891 §6.1.1).
func (q *Query) Answer(rr ...dns.RR) *dns.Msg {
	m := new(dns.Msg).SetReply(q.Msg)
	m.RecursionAvailable = true
	m.Answer = rr
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
	}
	return m
}

// Send sends a response at once. What a handler returns is sent too, so this is
// for responses before the last one. A datagram is cut to what the client takes.
func (q *Query) Send(m *dns.Msg) error {
	m.Compress = true
	if q.Transport == UDP {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = max(size, int(opt.UDPSize()))
		}
		if m.Len() > size {
			m.Truncate(size)
		}
	}
	if q.sent++; q.sent == 1 {
		q.server.answered.Add(1)
	}
	if q.lying {
		now := time.Now()
		q.server.first.CompareAndSwap(nil, &now)
	}
	return q.w.WriteMsg(m)
}

// A Handler makes the response to a query; nil is silence. A server calls it
// from several goroutines. Queries on one connection are handled one after the
// other.
type Handler func(q *Query) *dns.Msg

// A Server answers DNS queries over UDP and TCP, and over TLS if told to.
type Server struct {
	within   Within
	handler  Handler
	addr     netip.AddrPort
	tls      netip.AddrPort
	answered atomic.Int64
	first    atomic.Pointer[time.Time]

	cancel  context.CancelFunc
	servers []*dns.Server
	running sync.WaitGroup
	stop    sync.Once
}

// An Option of Serve.
type Option func(*options)

type options struct {
	cert, key string
	port      uint16
	withTLS   bool
}

// WithTLS adds DNS over TLS (RFC 7858) on the port, with a certificate and a
// key from PEM files.
func WithTLS(certFile, keyFile string, port uint16) Option {
	return func(o *options) { *o = options{cert: certFile, key: keyFile, port: port, withTLS: true} }
}

// Serve answers on addr with h until Stop. Port 0 is any free port. Handlers that
// ask others call within too, several at the same time.
func Serve(within Within, addr netip.AddrPort, h Handler, opts ...Option) (*Server, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{within: within, handler: h, cancel: cancel}
	if err := within(func() error { return s.listen(ctx, addr, o) }); err != nil {
		for _, d := range s.servers {
			closeSockets(d)
		}
		cancel()
		return nil, fmt.Errorf("serve DNS on %v: %w", addr, err)
	}
	for _, d := range s.servers {
		started := make(chan struct{})
		d.NotifyStartedFunc = func() { close(started) }
		s.running.Go(func() { d.ActivateAndServe() })
		<-started // before it, Shutdown is refused
	}
	return s, nil
}

// listen makes the sockets. TCP goes first: it chooses the port if none is given.
func (s *Server) listen(ctx context.Context, addr netip.AddrPort, o options) error {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return err
	}
	s.addr = addrPort(ln.Addr())
	s.servers = append(s.servers, &dns.Server{Listener: ln, Handler: s.over(ctx, TCP)})

	pc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.addr))
	if err != nil {
		return err
	}
	s.servers = append(s.servers, &dns.Server{PacketConn: pc, UDPSize: 4096, Handler: s.over(ctx, UDP)})

	if !o.withTLS {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return err
	}
	ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr.Addr(), o.port)))
	if err != nil {
		return err
	}
	s.tls = addrPort(ln.Addr())
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"dot"}}
	s.servers = append(s.servers, &dns.Server{Listener: tls.NewListener(ln, conf), Handler: s.over(ctx, TLS)})
	return nil
}

// over is the handler of one transport. The library has answered already what
// is no query with one question.
func (s *Server) over(ctx context.Context, t Transport) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		q := &Query{
			Msg: m, Client: addrPort(w.RemoteAddr()), Transport: t,
			exchange: &exchange{ctx: ctx, server: s, w: w},
		}
		if r := s.handler(q); r != nil && ctx.Err() == nil {
			q.Send(r)
		}
	}
}

// Addr is where the server answers over UDP and TCP.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// TLSAddr is where it answers over TLS, if it does.
func (s *Server) TLSAddr() netip.AddrPort { return s.tls }

// Count is the number of queries that were answered at least once.
func (s *Server) Count() int { return int(s.answered.Load()) }

// First is when the first lie was sent; zero if none was.
func (s *Server) First() time.Time {
	if t := s.first.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

// Stop ends the server and waits until nothing of it runs. It may be called
// again.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.cancel()
		for _, d := range s.servers {
			d.Shutdown()
		}
	})
	s.running.Wait()
}

// closeSockets is for a server that was never started.
func closeSockets(d *dns.Server) {
	if d.Listener != nil {
		d.Listener.Close()
	}
	if d.PacketConn != nil {
		d.PacketConn.Close()
	}
}

// addrPort is the address of one end of a socket, IPv4 as IPv4.
func addrPort(a net.Addr) netip.AddrPort {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// matches reports whether a name falls under a pattern: a name, "*.name" for all
// below it, or "*" for every name. Case does not count (RFC 4343).
func matches(pattern, name string) bool {
	if pattern == "*" {
		return true
	}
	name = dns.CanonicalName(name)
	if below, ok := strings.CutPrefix(pattern, "*."); ok {
		below = dns.CanonicalName(below)
		return name != below && dns.IsSubDomain(below, name)
	}
	return name == dns.CanonicalName(pattern)
}

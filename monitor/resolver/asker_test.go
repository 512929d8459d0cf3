package resolver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestAskUnsupported(t *testing.T) {
	t.Parallel()
	asker := newAsker(t, Config{})
	r := monitor.Resolver{Name: "test", Transport: "doq", Addr: netip.MustParseAddrPort("127.0.0.1:853")}
	wantError(t, asker.Ask(t.Context(), r, question), "error: transport doq is not supported")
	r.Transport = monitor.UDP
	wantError(t, asker.Ask(t.Context(), r, monitor.Question{Name: "a..example.", Type: monitor.TypeA}), `error: write the name "a..example.": dns: bad rdata`)
	r.Addr = netip.AddrPort{}
	wantError(t, asker.Ask(t.Context(), r, question), "error: the resolver has no address")
}

// TestClose closes an Asker with everything under way that can be: sockets that
// wait and that linger, connections that are being made, that carry questions,
// and that are idle.
func TestClose(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	answers := udpServer(t, func(raw []byte, _ *dns.Msg, _ netip.AddrPort, send func([]byte)) { send(respond(raw)) })
	silent := udpServer(t, func([]byte, *dns.Msg, netip.AddrPort, func([]byte)) {})
	swallow := func(c net.Conn) { io.Copy(io.Discard, c) }
	idle := streamServer(t, ca.server(), honest)
	hung := []monitor.Resolver{
		at(monitor.UDP, silent),
		at(monitor.TCP, streamServer(t, nil, swallow)),
		at(monitor.DoT, streamServer(t, ca.server(), swallow)),
		at(monitor.DoT, streamServer(t, nil, swallow)), // never answers the handshake
	}

	asker := New(Config{Timeout: time.Hour, Linger: time.Hour, Roots: ca.pool}, discard)
	for range 10 {
		wantAnswer(t, asker.Ask(t.Context(), at(monitor.UDP, answers), question), "192.0.2.1")
	}
	wantAnswer(t, asker.Ask(t.Context(), at(monitor.DoT, idle), question), "192.0.2.1")
	var wg sync.WaitGroup
	for _, r := range hung {
		for range 10 {
			wg.Go(func() {
				o := asker.Ask(context.WithoutCancel(t.Context()), r, question)
				if word, want := o.Error[:min(len(o.Error), 8)], "canceled"; word != want {
					t.Errorf("%s %s: Error = %q, want %q", r.Transport, r.Addr, o.Error, want)
				}
			})
		}
	}
	waitFor(t, "everything to hang", func() bool {
		asker.mu.Lock()
		defer asker.mu.Unlock()
		return len(asker.sockets) == 20 && len(asker.conns) == 3 && len(asker.links) == 4
	})
	start := time.Now()
	asker.Close()
	wg.Wait()
	if took := time.Since(start); took > time.Second {
		t.Errorf("Close took %v", took)
	}
	if len(asker.sockets)+asker.lingering.Len()+len(asker.conns)+len(asker.links) != 0 {
		t.Errorf("left: %d sockets, %d lingering, %d connections, %d links",
			len(asker.sockets), asker.lingering.Len(), len(asker.conns), len(asker.links))
	}
	for _, s := range asker.Stats() {
		if s.Open != 0 {
			t.Errorf("%s %s: %d connections counted as open", s.Transport, s.Server, s.Open)
		}
	}
	for _, r := range hung {
		wantError(t, asker.Ask(t.Context(), r, question), "canceled: the asker is closed")
	}
	asker.Close()
}

// TestCloseWhileAsking closes while questions begin and end.
func TestCloseWhileAsking(t *testing.T) {
	t.Parallel()
	udp := udpServer(t, func(raw []byte, _ *dns.Msg, _ netip.AddrPort, send func([]byte)) { send(respond(raw)) })
	tcp := streamServer(t, nil, honest)
	for range 20 {
		asker := New(Config{Linger: time.Millisecond, IdleTimeout: time.Millisecond}, discard)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for _, r := range []monitor.Resolver{at(monitor.UDP, udp), at(monitor.TCP, tcp)} {
					for {
						if o := asker.Ask(t.Context(), r, question); o.Error == "canceled: the asker is closed" {
							break
						} else if o.Error != "" {
							t.Errorf("%s: %s", r.Transport, o.Error)
						}
					}
				}
			})
		}
		time.Sleep(3 * time.Millisecond)
		asker.Close()
		wg.Wait()
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	dial := func(n syscall.Errno) error {
		return cause(&net.OpError{Op: "dial", Net: "udp", Source: &net.UDPAddr{Port: 4711}, Err: os.NewSyscallError("connect", n)})
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{dial(syscall.ECONNREFUSED), "refused"},
		{dial(syscall.ENETUNREACH), "unreachable: network is unreachable"},
		{dial(syscall.EHOSTUNREACH), "unreachable: no route to host"},
		{dial(syscall.EADDRNOTAVAIL), "unreachable: cannot assign requested address"},
		{dial(syscall.EAFNOSUPPORT), "unreachable: address family not supported by protocol"},
		{dial(syscall.ETIMEDOUT), "timeout: connection timed out"},
		{dial(syscall.EPERM), "error: operation not permitted"},
		{dial(syscall.ECONNRESET), "error: connection reset by peer"},
		{cause(io.EOF), "error: the server closed the connection"},
		{cause(os.ErrDeadlineExceeded), "timeout"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "canceled"},
		{lost{context.DeadlineExceeded}, "timeout"},
		{lost{errHangup}, "error: the server closed the connection"},
		{fmt.Errorf("truncated, and over tcp: %w", lost{syscall.ECONNREFUSED}), "refused: truncated, and over tcp: connection refused"},
		{badResponse("another question"), "bad_response: another question"},
		{tlsError{errors.New("a name\nwith a line")}, `tls: a name\010with a line`},
	} {
		if got := describe(tt.err); got != tt.want {
			t.Errorf("describe(%#v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	var ts tallies
	for i := range maxTallies + 100 {
		r := monitor.Resolver{Name: fmt.Sprint(i), Transport: monitor.UDP}
		n := ts.of(r)
		n.queries.Add(1)
		if ts.of(r) != n {
			t.Fatal("counters change")
		}
	}
	all := ts.list()
	if len(all) != maxTallies+1 || all[maxTallies].Resolver != overflow || all[maxTallies].Queries != 100 {
		t.Errorf("%d endpoints, the last %+v", len(all), all[len(all)-1])
	}

	ts = tallies{}
	n := ts.of(monitor.Resolver{Name: "test"})
	for _, o := range []monitor.Observation{
		{Rcode: "NOERROR"}, {Rcode: "NXDOMAIN"}, {Rcode: "NXDOMAIN"}, {Rcode: "NOTIMP"},
		{Error: "timeout"}, {Error: "tls: x509: certificate"}, {Rcode: "NOERROR", Error: "refused: truncated"},
	} {
		n.count(o)
	}
	got := ts.list()[0]
	if diff := cmp.Diff(map[string]uint64{"noerror": 1, "nxdomain": 2, "servfail": 0, "refused": 0, "other": 1}, got.Answers); diff != "" {
		t.Errorf("Answers (-want +got):\n%s", diff)
	}
	want := map[string]uint64{"timeout": 1, "refused": 1, "unreachable": 0, "tls": 1, "bad_response": 0, "canceled": 0, "error": 0}
	if diff := cmp.Diff(want, got.Errors); diff != "" {
		t.Errorf("Errors (-want +got):\n%s", diff)
	}
}

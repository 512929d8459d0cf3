package resolver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// overBoth runs a test over TCP and over TLS.
func overBoth(t *testing.T, test func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config)) {
	t.Parallel()
	t.Run("tcp", func(t *testing.T) {
		t.Parallel()
		test(t, monitor.TCP, nil, Config{})
	})
	t.Run("dot", func(t *testing.T) {
		t.Parallel()
		ca := newAuthority(t)
		test(t, monitor.DoT, ca.server(), Config{Roots: ca.pool})
	})
}

func TestStreamAnswer(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config) {
		var sizes sync.Map
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr()
		if conf != nil {
			ln = tls.NewListener(ln, conf)
		}
		srv := &dns.Server{
			Listener: ln,
			Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
				sizes.Store(q.Len(), true)
				m := answer(q, q.Question[0].Name+" 300 IN A 192.0.2.1")
				m.Authoritative = true
				w.WriteMsg(m)
			}),
		}
		go srv.ActivateAndServe()
		defer srv.Shutdown()

		asker := newAsker(t, cfg)
		for _, name := range []string{"a.example.", "api.partner.example.", "a-name-that-does-not-fit-in-one-block-of-128-octets.with-all-that-is-added.example."} {
			got := asker.Ask(t.Context(), at(tr, addr), monitor.Question{Name: name, Type: monitor.TypeA})
			want := monitor.Observation{
				Resolver: "test", Server: netip.MustParseAddr("127.0.0.1"), Operator: "tester", Role: monitor.Reference,
				Transport: tr, Encrypted: tr == monitor.DoT, Rcode: "NOERROR", Flags: []string{"AA", "RD", "RA"},
				Records: []monitor.Record{{Name: name, Type: monitor.TypeA, Data: "192.0.2.1", TTL: 300}},
			}
			if diff := cmp.Diff(want, got, ignoreTimes); diff != "" {
				t.Errorf("Ask (-want +got):\n%s", diff)
			}
			if got.RTT <= 0 {
				t.Errorf("RTT = %v", got.RTT)
			}
		}
		sizes.Range(func(size, _ any) bool {
			if padded := size.(int)%block == 0; padded != (tr == monitor.DoT) {
				t.Errorf("a query of %d octets over %s", size, tr)
			}
			return true
		})
		if s := only(t, asker); s.Opened != 1 || s.Open != 1 || s.Queries != 3 {
			t.Errorf("Opened = %d, Open = %d, Queries = %d, want 1, 1, 3", s.Opened, s.Open, s.Queries)
		}
	})
}

// TestStreamShared asks 200 questions at once of a server that answers them in
// any order, each with an address made of the name.
func TestStreamShared(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config) {
		const questions = 200
		addr := streamServer(t, conf, func(c net.Conn) {
			var replies [][]byte
			for range questions {
				q, _ := receive(c)
				if q == nil {
					return
				}
				var i int
				fmt.Sscanf(q.Question[0].Name[1:], "%d", &i) // past the letter, whose case varies
				replies = append(replies, framed(pack(a(q, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()))))
			}
			rand.Shuffle(len(replies), func(i, j int) { replies[i], replies[j] = replies[j], replies[i] })
			c.Write(bytes.Join(replies, nil))
			receive(c)
		})
		asker := newAsker(t, cfg)
		var wg sync.WaitGroup
		for i := range questions {
			wg.Go(func() {
				q := monitor.Question{Name: fmt.Sprintf("h%d.example.", i), Type: monitor.TypeA}
				o := asker.Ask(t.Context(), at(tr, addr), q)
				want := []string{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()}
				if diff := cmp.Diff(want, addresses(o)); diff != "" || o.Error != "" {
					t.Errorf("%s: %q %s", q, o.Error, diff)
				}
			})
		}
		wg.Wait()
		if s := only(t, asker); s.Opened != 1 || s.Queries != questions || s.Ignored != 0 {
			t.Errorf("Opened = %d, Queries = %d, Ignored = %d, want 1, %d, 0", s.Opened, s.Queries, s.Ignored, questions)
		}
	})
}

// TestStreamReopened has a server that closes each connection after one answer,
// as an idle one would be: the next question finds that out and is asked again.
func TestStreamReopened(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config) {
		addr := streamServer(t, conf, func(c net.Conn) {
			q, _ := receive(c)
			if q != nil {
				c.Write(framed(pack(a(q, "192.0.2.1"))))
			}
		})
		asker := newAsker(t, cfg)
		for range 20 {
			wantAnswer(t, asker.Ask(t.Context(), at(tr, addr), question), "192.0.2.1")
		}
		if s := only(t, asker); s.Opened != 20 || s.Answers["noerror"] != 20 {
			t.Errorf("Opened = %d, Answers = %v, want 20 each", s.Opened, s.Answers)
		}
	})
}

// TestStreamHangup has a server that answers the first question, and hangs up
// on every other: one fresh connection is tried, not more.
func TestStreamHangup(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config) {
		var answered atomic.Bool
		addr := streamServer(t, conf, func(c net.Conn) {
			for {
				q, _ := receive(c)
				if q == nil || answered.Swap(true) {
					return
				}
				c.Write(framed(pack(a(q, "192.0.2.1"))))
			}
		})
		asker := newAsker(t, cfg)
		wantAnswer(t, asker.Ask(t.Context(), at(tr, addr), question), "192.0.2.1")
		wantError(t, asker.Ask(t.Context(), at(tr, addr), question), "error: the server closed the connection")
		if s := only(t, asker); s.Opened != 2 {
			t.Errorf("Opened = %d, want 2", s.Opened)
		}
	})
}

// TestStreamSilent has a connection that was good and then swallows everything,
// as after a change of network: the question moves to another.
func TestStreamSilent(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config) {
		var conns atomic.Int32
		addr := streamServer(t, conf, func(c net.Conn) {
			if conns.Add(1) > 1 {
				honest(c)
				return
			}
			q, _ := receive(c)
			c.Write(framed(pack(a(q, "192.0.2.1"))))
			io.Copy(io.Discard, c)
		})
		cfg.Timeout = 500 * time.Millisecond
		asker := newAsker(t, cfg)
		for range 3 {
			wantAnswer(t, asker.Ask(t.Context(), at(tr, addr), question), "192.0.2.1")
		}
		waitFor(t, "the silent connection to close", func() bool { return only(t, asker).Open == 1 })
		if s := only(t, asker); s.Opened != 2 || s.Queries != 4 {
			t.Errorf("Opened = %d, Queries = %d, want 2, 4", s.Opened, s.Queries)
		}
	})
}

func TestStreamIdle(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config) {
		addr := streamServer(t, conf, honest)
		cfg.IdleTimeout = 30 * time.Millisecond
		asker := newAsker(t, cfg)
		for range 2 {
			wantAnswer(t, asker.Ask(t.Context(), at(tr, addr), question), "192.0.2.1")
			waitFor(t, "the idle connection to close", func() bool { return only(t, asker).Open == 0 })
		}
		if s := only(t, asker); s.Opened != 2 {
			t.Errorf("Opened = %d, want 2", s.Opened)
		}
		asker.mu.Lock()
		defer asker.mu.Unlock()
		if len(asker.links)+len(asker.conns) != 0 {
			t.Errorf("%d links, %d connections left", len(asker.links), len(asker.conns))
		}
	})
}

// TestStreamWrong has servers that answer something else, or nothing that can
// be read.
func TestStreamWrong(t *testing.T) {
	t.Parallel()
	for _, f := range forgeries {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			addr := streamServer(t, nil, func(c net.Conn) {
				for {
					q, _ := receive(c)
					if q == nil {
						return
					}
					c.Write(framed(f.forge(q)))
				}
			})
			asker := newAsker(t, Config{Timeout: 500 * time.Millisecond})
			wantError(t, asker.Ask(t.Context(), at(monitor.TCP, addr), question), f.alone)
			if s := only(t, asker); s.Ignored != 1 {
				t.Errorf("Ignored = %d, want 1", s.Ignored)
			}
		})
	}
}

// TestStreamDrip has a server that never ends its message: one octet, or one
// TLS record, at a time.
func TestStreamDrip(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config) {
		addr := streamServer(t, conf, func(c net.Conn) {
			q, _ := receive(c)
			if q == nil {
				return
			}
			b := framed(pack(a(q, "192.0.2.1")))
			binary.BigEndian.PutUint16(b, 0xffff)
			for i := 0; ; i++ {
				if _, err := c.Write(b[i%len(b):][:1]); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
		cfg.Timeout = 150 * time.Millisecond
		asker := newAsker(t, cfg)
		start := time.Now()
		wantError(t, asker.Ask(t.Context(), at(tr, addr), question), "timeout")
		if took := time.Since(start); took > time.Second {
			t.Errorf("Ask took %v", took)
		}
		waitFor(t, "the connection to close", func() bool { return only(t, asker).Open == 0 })
	})
}

// TestStreamFlood has a server that sends messages nobody asked for.
func TestStreamFlood(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config) {
		var strays atomic.Int32
		addr := streamServer(t, conf, func(c net.Conn) {
			for {
				q, _ := receive(c)
				if q == nil {
					return
				}
				m := a(q, "203.0.113.66")
				for range strays.Load() {
					m.Id++
					c.Write(framed(pack(m)))
				}
				c.Write(framed(pack(a(q, "192.0.2.1"))))
			}
		})
		asker := newAsker(t, cfg)
		strays.Store(maxStrays - 1)
		for range 3 {
			wantAnswer(t, asker.Ask(t.Context(), at(tr, addr), question), "192.0.2.1")
		}
		if s := only(t, asker); s.Ignored != 3*(maxStrays-1) || s.Opened != 1 {
			t.Errorf("Ignored = %d, Opened = %d, want %d, 1", s.Ignored, s.Opened, 3*(maxStrays-1))
		}
		strays.Store(1000)
		wantError(t, asker.Ask(t.Context(), at(tr, addr), question), "error: 128 messages in a row answer no question")
		waitFor(t, "the connection to close", func() bool { return only(t, asker).Open == 0 })
	})
}

func TestStreamCancel(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, conf *tls.Config, cfg Config) {
		addr := streamServer(t, conf, func(c net.Conn) { io.Copy(io.Discard, c) })
		cfg.Timeout = time.Minute
		asker := newAsker(t, cfg)
		for range 2 { // while connecting, and over the connection
			ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Millisecond, errors.New("test"))
			start := time.Now()
			wantError(t, asker.Ask(ctx, at(tr, addr), question), "timeout")
			cancel()
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			wantError(t, asker.Ask(ctx, at(tr, addr), question), "canceled")
			if took := time.Since(start); took > time.Second {
				t.Errorf("Ask took %v", took)
			}
		}
	})
}

func TestStreamRefused(t *testing.T) {
	overBoth(t, func(t *testing.T, tr monitor.Transport, _ *tls.Config, cfg Config) {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr()
		ln.Close()
		asker := newAsker(t, cfg)
		for range 2 {
			wantError(t, asker.Ask(t.Context(), at(tr, addr), question), "refused")
		}
	})
}

func TestTLSProof(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.server()
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	soon := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name string
		conf *tls.Config
		want string
	}{
		{"right", good, ""},
		{"right, without ALPN", with(good.Certificates[0]), ""},
		{"TLS 1.2", &tls.Config{Certificates: good.Certificates, MaxVersion: tls.VersionTLS12}, ""},
		{"TLS 1.1", &tls.Config{Certificates: good.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "tls: protocol version not supported"},
		{"another name", with(ca.leaf("dns.attacker.example", soon)), "tls: x509: certificate is valid for dns.attacker.example, not dns.example"},
		{"a name with escapes", with(ca.leaf("\x1b[31m.example", soon)), `tls: x509: certificate is valid for \027[31m.example, not dns.example`},
		{"another authority", with(other.leaf(serverName, soon)), "tls: x509: certificate signed by unknown authority"},
		{"expired", with(ca.leaf(serverName, time.Now().Add(-time.Hour))), "tls: x509: certificate has expired or is not yet valid"},
		{"another protocol", &tls.Config{Certificates: good.Certificates, NextProtos: []string{"h2"}}, "tls: no application protocol"},
		{"no TLS", nil, "tls: first record does not look like a TLS handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := streamServer(t, tt.conf, func(c net.Conn) {
				if tt.conf == nil {
					c.Write([]byte("220 mail.example ESMTP\r\n"))
				}
				honest(c)
			})
			asker := newAsker(t, Config{Roots: ca.pool})
			for range 2 {
				o := asker.Ask(t.Context(), at(monitor.DoT, addr), question)
				if tt.want == "" {
					wantAnswer(t, o, "192.0.2.1")
				} else {
					wantError(t, o, tt.want)
				}
			}
			if s := only(t, asker); tt.want != "" && (s.Opened != 0 || s.Queries != 0 || s.Errors["tls"] != 2) {
				t.Errorf("Stats() = %+v: something was sent to an endpoint that proved nothing", s)
			}
		})
	}
	t.Run("no name", func(t *testing.T) {
		t.Parallel()
		r := at(monitor.DoT, streamServer(t, good, honest))
		r.TLSName = ""
		wantError(t, newAsker(t, Config{Roots: ca.pool}).Ask(t.Context(), r, question), "tls: the resolver has no name to verify")
	})
	t.Run("roots of the system", func(t *testing.T) {
		t.Parallel()
		r := at(monitor.DoT, streamServer(t, good, honest))
		wantError(t, newAsker(t, Config{}).Ask(t.Context(), r, question), "tls: x509: certificate signed by unknown authority")
	})
	t.Run("hangs up", func(t *testing.T) {
		t.Parallel()
		r := at(monitor.DoT, streamServer(t, nil, func(c net.Conn) { c.Read(make([]byte, 4096)) }))
		wantError(t, newAsker(t, Config{Roots: ca.pool}).Ask(t.Context(), r, question), "error: the server closed the connection")
	})
	t.Run("never begins", func(t *testing.T) {
		t.Parallel()
		r := at(monitor.DoT, streamServer(t, nil, func(c net.Conn) { io.Copy(io.Discard, c) }))
		wantError(t, newAsker(t, Config{Roots: ca.pool, Timeout: 50 * time.Millisecond}).Ask(t.Context(), r, question), "timeout")
	})
}

// TestTLSResumed checks that a new connection to the same endpoint resumes the
// session: the certificate was verified when the session was made.
func TestTLSResumed(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var resumed atomic.Int32
	addr := streamServer(t, ca.server(), func(c net.Conn) {
		q, _ := receive(c)
		if q == nil {
			return
		}
		if c.(*tls.Conn).ConnectionState().DidResume {
			resumed.Add(1)
		}
		c.Write(framed(pack(a(q, "192.0.2.1"))))
	})
	asker := newAsker(t, Config{Roots: ca.pool})
	for range 3 {
		wantAnswer(t, asker.Ask(t.Context(), at(monitor.DoT, addr), question), "192.0.2.1")
	}
	if n := resumed.Load(); n != 2 {
		t.Errorf("%d of 3 connections resumed a session, want 2", n)
	}
}

// TestStreamStuck has a peer that does not even read: questions end in time,
// also those that there is no more room for, and so does the connection.
func TestStreamStuck(t *testing.T) {
	t.Parallel()
	asker, c, server := pipe(Config{Timeout: 50 * time.Millisecond})
	defer server.Close()
	defer asker.Close()
	var wg sync.WaitGroup
	for range 3 * outgoing {
		wg.Go(func() {
			query, err := newQuery(question, false)
			if err != nil {
				t.Error(err)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			if x := c.ask(ctx, query, c.n); word(x.err) != monitor.ErrTimeout {
				t.Errorf("outcome %+v", x)
			}
		})
	}
	wg.Wait()
	select {
	case <-c.done:
	case <-time.After(5 * time.Second):
		t.Error("the connection goes on")
	}
}

func TestTooMuchPending(t *testing.T) {
	t.Parallel()
	c := &conn{Conn: deadConn{}, pending: map[uint16]*pending{}}
	query, err := newQuery(question, false)
	if err != nil {
		t.Fatal(err)
	}
	for range maxPending {
		twin := *query // with the same id at first
		twin.frame = bytes.Clone(query.frame)
		if err := c.enter(&pending{query: &twin}); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.pending) != maxPending {
		t.Errorf("%d questions share ids", maxPending-len(c.pending))
	}
	if err := c.enter(&pending{query: query}); err == nil {
		t.Error("one question more than there is room for")
	}
}

// deadConn only takes deadlines.
type deadConn struct{ net.Conn }

func (deadConn) SetReadDeadline(time.Time) error { return nil }

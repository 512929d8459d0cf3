package resolver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestWebReopened has a server that ends each connection after one answer, in
// the orderly way of HTTP/2: the next question goes over another.
func TestWebReopened(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	addr := webServer(t, ca.web(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		honestWeb(w, r)
	})
	asker := newAsker(t, Config{Roots: ca.pool})
	for range 20 {
		wantAnswer(t, asker.Ask(t.Context(), at(monitor.DoH, addr), question), "192.0.2.1")
	}
	if s := only(t, asker); s.Opened != 20 || s.Answers["noerror"] != 20 {
		t.Errorf("Opened = %d, Answers = %v, want 20 each", s.Opened, s.Answers)
	}
}

// TestWebRetried has a server that ends every stream of a connection after its
// first: the question is asked again on a fresh one.
func TestWebRetried(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var answered sync.Map // by the client's port
	addr := webServer(t, ca.web(), func(w http.ResponseWriter, r *http.Request) {
		if _, again := answered.LoadOrStore(r.RemoteAddr, true); again {
			panic(http.ErrAbortHandler)
		}
		honestWeb(w, r)
	})
	asker := newAsker(t, Config{Roots: ca.pool})
	for range 5 {
		wantAnswer(t, asker.Ask(t.Context(), at(monitor.DoH, addr), question), "192.0.2.1")
	}
	waitFor(t, "connections that failed to close", func() bool { return only(t, asker).Open == 1 })
	if s := only(t, asker); s.Opened != 5 || s.Queries != 9 {
		t.Errorf("Opened = %d, Queries = %d, want 5, 9", s.Opened, s.Queries)
	}
}

// relay leads to a server until it is told to swallow what comes, as a network
// does that has changed under a connection. New connections pass.
type relay struct {
	net.Addr
	mu    sync.Mutex
	conns []*relayed
}

type relayed struct {
	dead atomic.Bool
	up   net.Conn
}

func newRelay(t testing.TB, to net.Addr) *relay {
	t.Helper()
	r := &relay{}
	r.Addr = streamServer(t, nil, func(down net.Conn) {
		up, err := net.Dial("tcp", to.String())
		if err != nil {
			return
		}
		c := &relayed{up: up}
		r.mu.Lock()
		r.conns = append(r.conns, c)
		r.mu.Unlock()
		var wg sync.WaitGroup
		pass := func(dst, src net.Conn) {
			b := make([]byte, 4096)
			for {
				n, err := src.Read(b)
				if err != nil {
					break
				}
				if !c.dead.Load() {
					dst.Write(b[:n])
				}
			}
			down.Close()
			up.Close()
		}
		wg.Go(func() { pass(down, up) })
		pass(up, down)
		wg.Wait()
	})
	return r
}

// swallow makes every connection that there is a dead one.
func (r *relay) swallow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.dead.Store(true)
	}
}

// TestWebSilent has a connection that was good and then swallows everything:
// the question moves to another.
func TestWebSilent(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	way := newRelay(t, webServer(t, ca.web(), honestWeb))
	asker := newAsker(t, Config{Roots: ca.pool, Timeout: 500 * time.Millisecond})
	wantAnswer(t, asker.Ask(t.Context(), at(monitor.DoH, way), question), "192.0.2.1")
	way.swallow()
	for range 3 {
		wantAnswer(t, asker.Ask(t.Context(), at(monitor.DoH, way), question), "192.0.2.1")
	}
	waitFor(t, "the silent connection to close", func() bool { return only(t, asker).Open == 1 })
	if s := only(t, asker); s.Opened != 2 || s.Queries != 5 {
		t.Errorf("Opened = %d, Queries = %d, want 2, 5", s.Opened, s.Queries)
	}
}

// TestWebSlow has a server that answers one question and none of another: the
// connection is not at fault, and stays.
func TestWebSlow(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	addr := webServer(t, ca.web(), func(w http.ResponseWriter, r *http.Request) {
		if q := asked(r); strings.EqualFold(q.Question[0].Name, "slow.example.") {
			w.Header().Set("Content-Type", mediaType)
			w.(http.Flusher).Flush() // a sign of life
			<-r.Context().Done()
		} else {
			webAnswer(w, a(q, "192.0.2.1"))
		}
	})
	asker := newAsker(t, Config{Roots: ca.pool, Timeout: 200 * time.Millisecond})
	for range 2 {
		wantAnswer(t, asker.Ask(t.Context(), at(monitor.DoH, addr), question), "192.0.2.1")
		wantError(t, asker.Ask(t.Context(), at(monitor.DoH, addr), monitor.Question{Name: "slow.example.", Type: monitor.TypeA}), "timeout")
	}
	if s := only(t, asker); s.Opened != 1 {
		t.Errorf("Opened = %d, want 1", s.Opened)
	}
}

func TestWebIdle(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	addr := webServer(t, ca.web(), honestWeb)
	asker := newAsker(t, Config{Roots: ca.pool, IdleTimeout: 30 * time.Millisecond})
	for range 2 {
		wantAnswer(t, asker.Ask(t.Context(), at(monitor.DoH, addr), question), "192.0.2.1")
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
}

func TestWebCancel(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for name, addr := range map[string]net.Addr{
		"no answer":  webServer(t, ca.web(), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		"no TLS yet": streamServer(t, nil, func(c net.Conn) { io.Copy(io.Discard, c) }),
	} {
		asker := newAsker(t, Config{Roots: ca.pool, Timeout: time.Minute})
		for range 2 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("test"))
			wantError(t, asker.Ask(ctx, at(monitor.DoH, addr), question), "timeout")
			cancel()
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			if o := asker.Ask(ctx, at(monitor.DoH, addr), question); o.Error != "canceled" {
				t.Errorf("%s: Error = %q, want canceled", name, o.Error)
			}
		}
	}
}

// TestWebClose closes an Asker with all that can be under way.
func TestWebClose(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	idle := webServer(t, ca.web(), honestWeb)
	hung := []monitor.Resolver{
		at(monitor.DoH, webServer(t, ca.web(), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })),
		at(monitor.DoH, streamServer(t, nil, func(c net.Conn) { io.Copy(io.Discard, c) })), // never answers the handshake
	}
	asker := New(Config{Timeout: time.Hour, Roots: ca.pool}, discard)
	wantAnswer(t, asker.Ask(t.Context(), at(monitor.DoH, idle), question), "192.0.2.1")
	var wg sync.WaitGroup
	for _, r := range hung {
		for range 10 {
			wg.Go(func() {
				o := asker.Ask(context.WithoutCancel(t.Context()), r, question)
				if word, _, _ := strings.Cut(o.Error, ":"); word != monitor.ErrCanceled {
					t.Errorf("%s: Error = %q, want canceled", r.Addr, o.Error)
				}
			})
		}
	}
	waitFor(t, "everything to hang", func() bool {
		var queries uint64
		for _, s := range asker.Stats() {
			queries += s.Queries
		}
		asker.mu.Lock()
		defer asker.mu.Unlock()
		return queries == 11 && len(asker.conns) == 2 && len(asker.links) == 3
	})
	asker.Close()
	wg.Wait()
	if len(asker.conns)+len(asker.links) != 0 {
		t.Errorf("left: %d connections, %d links", len(asker.conns), len(asker.links))
	}
	for _, s := range asker.Stats() {
		if s.Open != 0 {
			t.Errorf("%s: %d connections counted as open", s.Server, s.Open)
		}
	}
	wantError(t, asker.Ask(t.Context(), at(monitor.DoH, idle), question), "canceled: the asker is closed")
}

package resolver

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// webServer answers over HTTPS as handle says. conf is that of TLS; it is
// spoken HTTP/2 where conf allows it.
func webServer(t testing.TB, conf *tls.Config, handle http.HandlerFunc) net.Addr {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Handler: handle, TLSConfig: conf.Clone(), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 250},
	}
	var wg sync.WaitGroup
	wg.Go(func() { srv.ServeTLS(ln, "", "") })
	t.Cleanup(func() { srv.Close(); wg.Wait() })
	return ln.Addr()
}

// web is a configuration with a good certificate for HTTP/2.
func (ca *authority) web() *tls.Config {
	conf := ca.server()
	conf.NextProtos = []string{"h2"}
	return conf
}

// asked reads the query of a request.
func asked(r *http.Request) *dns.Msg {
	b, err := io.ReadAll(r.Body)
	m := new(dns.Msg)
	if err != nil || m.Unpack(b) != nil {
		return nil
	}
	return m
}

func webAnswer(w http.ResponseWriter, m *dns.Msg) {
	w.Header().Set("Content-Type", "application/dns-message")
	w.Write(pack(m))
}

// honestWeb answers every query.
func honestWeb(w http.ResponseWriter, r *http.Request) { webAnswer(w, a(asked(r), "192.0.2.1")) }

// webQuestion is what a server of HTTPS sees of one.
type webQuestion struct {
	Method, Proto, Host, Path string
	Header                    http.Header
	ID                        uint16
	Padded                    bool
}

func TestWebAnswer(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var mu sync.Mutex
	var seen []webQuestion
	addr := webServer(t, ca.web(), func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		q := new(dns.Msg)
		if err := q.Unpack(b); err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		seen = append(seen, webQuestion{r.Method, r.Proto, r.Host, r.URL.String(), r.Header, q.Id, len(b)%block == 0})
		mu.Unlock()
		webAnswer(w, answer(q, q.Question[0].Name+" 300 IN A 192.0.2.1"))
	})
	asker := newAsker(t, Config{Roots: ca.pool})
	at443 := at(monitor.DoH, addr)
	other := at443
	other.Path = "/p0"
	for _, tt := range []struct {
		r    monitor.Resolver
		name string
	}{{at443, "a.example."}, {at443, "api.partner.example."}, {other, "a-name-that-does-not-fit-in-one-block-of-128-octets.with-all-that-is-added.example."}} {
		got := asker.Ask(t.Context(), tt.r, monitor.Question{Name: tt.name, Type: monitor.TypeA})
		want := monitor.Observation{
			Resolver: "test", Server: netip.MustParseAddr("127.0.0.1"), Operator: "tester", Role: monitor.Reference,
			Transport: monitor.DoH, Encrypted: true, Rcode: "NOERROR", Flags: []string{"RD", "RA"},
			Records: []monitor.Record{{Name: tt.name, Type: monitor.TypeA, Data: "192.0.2.1", TTL: 300}},
		}
		if diff := cmp.Diff(want, got, ignoreTimes); diff != "" {
			t.Errorf("Ask (-want +got):\n%s", diff)
		}
		if got.RTT <= 0 {
			t.Errorf("RTT = %v", got.RTT)
		}
	}
	host := fmt.Sprintf("%s:%d", serverName, at443.Addr.Port())
	var want []webQuestion
	for i, path := range []string{"/dns-query", "/dns-query", "/p0"} {
		want = append(want, webQuestion{Method: "POST", Proto: "HTTP/2.0", Host: host, Path: path, Padded: true, Header: http.Header{
			"Accept": {"application/dns-message"}, "Content-Type": {"application/dns-message"}, "Content-Length": seen[i].Header["Content-Length"],
		}})
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("what the server sees (-want +got):\n%s", diff)
	}
	// Two paths are two endpoints of the same name: they are counted as one.
	if s := only(t, asker); s.Opened != 2 || s.Open != 2 || s.Queries != 3 || s.Answers["noerror"] != 3 {
		t.Errorf("Stats() = %+v, want 2 connections, 3 queries", s)
	}
}

// TestWebShared asks 200 questions at once, before there is a connection, of a
// server that holds them all until the last has come and answers in any order.
func TestWebShared(t *testing.T) {
	t.Parallel()
	const questions = 200
	ca := newAuthority(t)
	var here sync.WaitGroup
	here.Add(questions)
	addr := webServer(t, ca.web(), func(w http.ResponseWriter, r *http.Request) {
		q := asked(r)
		var i int
		fmt.Sscanf(q.Question[0].Name[1:], "%d", &i)
		here.Done()
		here.Wait()
		webAnswer(w, a(q, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()))
	})
	asker := newAsker(t, Config{Roots: ca.pool, Timeout: time.Minute})
	var wg sync.WaitGroup
	for i := range questions {
		wg.Go(func() {
			q := monitor.Question{Name: fmt.Sprintf("h%d.example.", i), Type: monitor.TypeA}
			o := asker.Ask(t.Context(), at(monitor.DoH, addr), q)
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
}

// TestWebAge has answers that lay in a cache of HTTP.
func TestWebAge(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var age atomic.Value
	addr := webServer(t, ca.web(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Age", age.Load().(string))
		honestWeb(w, r)
	})
	asker := newAsker(t, Config{Roots: ca.pool})
	for _, tt := range []struct {
		age string
		ttl uint32
	}{{"", 300}, {"0", 300}, {"1", 299}, {"300", 0}, {"86400", 0}, {"-5", 300}, {"1e2", 300}, {"99999999999999999999", 300}} {
		age.Store(tt.age)
		o := asker.Ask(t.Context(), at(monitor.DoH, addr), question)
		wantAnswer(t, o, "192.0.2.1")
		if got := o.Records[0].TTL; got != tt.ttl {
			t.Errorf("Age %q: TTL = %d, want %d", tt.age, got, tt.ttl)
		}
	}
}

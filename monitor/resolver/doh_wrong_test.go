package resolver

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/servertest"
)

// TestWebWrong has servers that answer something that is no answer. None of it
// costs the connection but where HTTP/2 itself is broken off.
func TestWebWrong(t *testing.T) {
	t.Parallel()
	message := func(w http.ResponseWriter, b []byte) {
		w.Header().Set("Content-Type", mediaType)
		w.Write(b)
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://198.51.100.66/dns-query")
			w.Header().Set("Content-Type", mediaType)
			w.WriteHeader(code)
			w.Write(pack(a(asked(r), "203.0.113.66")))
		}
	}
	typed := func(media string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{media}
			w.Write(pack(a(asked(r), "203.0.113.66")))
		}
	}
	var sent atomic.Int64 // octets, by the server without end
	tests := []struct {
		name    string
		handle  http.HandlerFunc
		want    string
		ignored uint64
		opened  uint64
	}{
		{"redirection", status(http.StatusFound), "bad_response: HTTP status 302", 0, 1},
		{"not found", status(http.StatusNotFound), "bad_response: HTTP status 404", 0, 1},
		{"too many requests", status(http.StatusTooManyRequests), "bad_response: HTTP status 429", 0, 1},
		{"bad gateway", status(http.StatusBadGateway), "bad_response: HTTP status 502", 0, 1},
		{"a page", typed("text/html; charset=utf-8"), `bad_response: content of type "text/html; charset=utf-8"`, 0, 1},
		{"JSON", typed("application/dns-json"), `bad_response: content of type "application/dns-json"`, 0, 1},
		{"no type", typed(""), `bad_response: content of type ""`, 0, 1},
		{"type without end", typed(strings.Repeat("a", 4000)), `bad_response: content of type "` + strings.Repeat("a", 64) + `"`, 0, 1},
		{"encoded", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			honestWeb(w, r)
		}, `bad_response: content encoded as "gzip", unasked`, 0, 1},
		{"too long", func(w http.ResponseWriter, r *http.Request) {
			message(w, append(pack(a(asked(r), "203.0.113.66")), make([]byte, maxBody)...))
		}, "bad_response: more than 65,535 octets", 0, 1},
		{"without end", func(w http.ResponseWriter, r *http.Request) {
			message(w, nil)
			for {
				n, err := w.Write(make([]byte, 16<<10))
				if err != nil {
					return
				}
				sent.Add(int64(n))
			}
		}, "bad_response: more than 65,535 octets", 0, 1},
		{"nothing", func(w http.ResponseWriter, _ *http.Request) { message(w, nil) }, "bad_response: another message than the response", 1, 1},
		{"the query itself", func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			message(w, b)
		}, "bad_response: another message than the response", 1, 1},
		{"another id", func(w http.ResponseWriter, r *http.Request) {
			m := a(asked(r), "203.0.113.66")
			m.Id = 1
			webAnswer(w, m)
		}, "bad_response: another message than the response", 1, 1},
		{"another question", func(w http.ResponseWriter, r *http.Request) {
			asked(r)
			webAnswer(w, a(new(dns.Msg).SetQuestion("other.example.", dns.TypeA), "203.0.113.66"))
		}, "bad_response: another message than the response", 1, 1},
		{"another question, same id", func(w http.ResponseWriter, r *http.Request) {
			asked(r)
			m := a(new(dns.Msg).SetQuestion("other.example.", dns.TypeA), "203.0.113.66")
			m.Id = 0
			webAnswer(w, m)
		}, "bad_response: another question", 1, 1},
		{"cut short", func(w http.ResponseWriter, r *http.Request) {
			b := pack(a(asked(r), "203.0.113.66"))
			message(w, b[:len(b)-2])
		}, "bad_response: unreadable: dns: overflowing header size", 1, 1},
		{"stream ended", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "error: the server ended the stream with HTTP/2 error 2", 0, 2},
		{"stream ended within the message", func(w http.ResponseWriter, r *http.Request) {
			b := pack(a(asked(r), "203.0.113.66"))
			message(w, b[:20])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "error: the server ended the stream with HTTP/2 error 2", 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ca := newAuthority(t)
			asker := newAsker(t, Config{Roots: ca.pool})
			r := at(monitor.DoH, webServer(t, ca.web(), tt.handle))
			wantError(t, asker.Ask(t.Context(), r, question), tt.want)
			wantError(t, asker.Ask(t.Context(), r, question), tt.want)
			if s := only(t, asker); s.Ignored != 2*tt.ignored || s.Opened != tt.opened || s.Queries != 2 {
				t.Errorf("Ignored = %d, Opened = %d, Queries = %d, want %d, %d, 2", s.Ignored, s.Opened, s.Queries, 2*tt.ignored, tt.opened)
			}
			if n := sent.Load(); n > 4*webStreamBuffer {
				t.Errorf("%d octets were taken from a server that does not end", n)
			}
		})
	}
}

// TestWebNoise has servers that break HTTP/2: every question ends in time, and
// so does the connection.
func TestWebNoise(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	frames := map[string][]byte{
		"no frames":              bytes.Repeat([]byte("HTTP/1.1 200 OK\r\n\r\n"), 100),
		"settings, then rubbish": append([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 4096)...),
		"data on no stream":      {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 9, 'x'},
	}
	for name, noise := range frames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := streamServer(t, ca.web(), func(c net.Conn) {
				c.Write(noise)
				io.Copy(io.Discard, c)
			})
			asker := newAsker(t, Config{Roots: ca.pool, Timeout: 2 * time.Second})
			for range 2 {
				if o := asker.Ask(t.Context(), at(monitor.DoH, addr), question); o.Error == "" || o.Rcode != "" {
					t.Errorf("observation %+v, want an error", o)
				} else {
					t.Log(o.Error)
				}
			}
			waitFor(t, "the connection to close", func() bool { return only(t, asker).Open == 0 })
		})
	}
}

func TestWebProof(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.web().Certificates
	with := func(c tls.Certificate) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{c}, NextProtos: []string{"h2"}}
	}
	soon := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name string
		conf *tls.Config
		want string
	}{
		{"right", ca.web(), ""},
		{"TLS 1.2", &tls.Config{Certificates: good, MaxVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}, ""},
		{"another name", with(ca.leaf("dns.attacker.example", soon)), "tls: x509: certificate is valid for dns.attacker.example, not dns.example"},
		{"another authority", with(other.leaf(serverName, soon)), "tls: x509: certificate signed by unknown authority"},
		{"expired", with(ca.leaf(serverName, time.Now().Add(-time.Hour))), "tls: x509: certificate has expired or is not yet valid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := webServer(t, tt.conf, honestWeb)
			asker := newAsker(t, Config{Roots: ca.pool})
			for range 2 {
				o := asker.Ask(t.Context(), at(monitor.DoH, addr), question)
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
	for _, tt := range []struct {
		name, want string
		conf       *tls.Config
	}{
		{"HTTP/1.1 only", "tls: no application protocol", &tls.Config{Certificates: good, NextProtos: []string{"http/1.1"}}},
		{"no ALPN", "error: the server does not speak HTTP/2", &tls.Config{Certificates: good}},
		{"no TLS", "tls: first record does not look like a TLS handshake", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := streamServer(t, tt.conf, func(c net.Conn) {
				if tt.conf == nil {
					c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				}
				io.Copy(io.Discard, c)
			})
			wantError(t, newAsker(t, Config{Roots: ca.pool}).Ask(t.Context(), at(monitor.DoH, addr), question), tt.want)
		})
	}
	t.Run("no name", func(t *testing.T) {
		t.Parallel()
		r := at(monitor.DoH, webServer(t, ca.web(), honestWeb))
		r.TLSName = ""
		wantError(t, newAsker(t, Config{Roots: ca.pool}).Ask(t.Context(), r, question), "tls: the resolver has no name to verify")
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		r := at(monitor.DoH, net.TCPAddrFromAddrPort(servertest.Address(t, netip.Addr{})))
		wantError(t, newAsker(t, Config{Roots: ca.pool}).Ask(t.Context(), r, question), "refused")
	})
}

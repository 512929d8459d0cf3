package webhook

import (
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"

	"github.com/dnstaster/dnstaster/monitor"
)

func quiet() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) }

// TestSignature is the vector published with Standard Webhooks 1.0.
func TestSignature(t *testing.T) {
	s := sender(t, newLog(), nil, nil)
	m := message{id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: []byte(`{"test": 2432232314}`)}
	req, err := s.request(t.Context(), m, time.Unix(1614265330, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"webhook-id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
		"webhook-timestamp": "1614265330",
		"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	}
	for name, value := range want {
		if got := req.Header.Get(name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
}

// listen serves h on a real socket, and gives the URL.
func listen(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = quiet()
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var hits atomic.Int32
	other := listen(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	for _, location := range []string{other + "/", "/again", "%zz://", ""} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			u := listen(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/in" {
					hits.Add(1)
				}
				w.Header().Set("Location", location)
				w.WriteHeader(status)
			})
			s := sender(t, newLog(), nil, func(c *Config) { c.URL = mustURL(t, u+"/in") })
			if a := s.try(t.Context(), message{id: "x"}); a.reaction != Redirected || a.status != status {
				t.Errorf("%d to %q: %+v, want %s", status, location, a, Redirected)
			}
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("redirects led to %d requests", n)
	}
}

// closing listens, and closes every connection at once. It gives the URL.
func closing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return "http://" + l.Addr().String()
}

// raw answers every connection with text, and closes it.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, text)
	}
}

func TestNoResponse(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	tests := []struct{ name, url, err string }{
		{"refused", closed.URL, "connection refused"},
		{"reset", listen(t, func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			_ = c.(*net.TCPConn).SetLinger(0) // a RST rather than a FIN
			_ = c.Close()
		}), "connection reset"},
		{"closed", listen(t, raw("")), "EOF"},
		{"not HTTP", listen(t, raw("220 mail.example ESMTP\x1b[2J\r\n\r\n")), "malformed HTTP"},
		{"TLS to plain", strings.Replace(listen(t, raw("")), "http:", "https:", 1), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := sender(t, newLog(), nil, func(c *Config) { c.URL = mustURL(t, tt.url+"/in") })
			a := s.try(t.Context(), message{id: "x"})
			if a.reaction != Unreachable || a.status != 0 || !strings.Contains(a.err, tt.err) || strings.ContainsAny(a.err, "\x1b\n") {
				t.Errorf("try() = %+v, want %s with %q", a, Unreachable, tt.err)
			}
		})
	}
}

// hang never answers. It reads the request, or it would not see the client leave.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// TestTimeout: whatever a server does, a try ends.
func TestTimeout(t *testing.T) {
	drip := func(w io.Writer, flush func()) {
		for i := 0; i < 1000; i++ {
			if _, err := io.WriteString(w, "x"); err != nil {
				return
			}
			flush()
			time.Sleep(time.Second)
		}
	}
	tests := []struct {
		name string
		h    http.HandlerFunc
		want Reaction
	}{
		{"no answer", hang, Unreachable},
		{"dripping header", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
			drip(c, func() {})
		}, Unreachable},
		{"dripping body", func(w http.ResponseWriter, _ *http.Request) { drip(w, w.(http.Flusher).Flush) }, Delivered},
		{"dripping body of an error", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			drip(w, w.(http.Flusher).Flush)
		}, Unavailable},
		{"switching protocols", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			drip(c, func() {})
		}, Refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sender(t, newLog(), serve(t, tt.h), nil)
				start := time.Now()
				a := s.try(t.Context(), message{id: "x"})
				if took := time.Since(start); took != DefaultTimeout {
					t.Errorf("it took %s, want %s", took, DefaultTimeout)
				}
				if a.reaction != tt.want {
					t.Errorf("try() = %+v, want %s", a, tt.want)
				}
				if tt.want == Unreachable && a.err != "no answer within 15s" {
					t.Errorf("err = %q", a.err)
				}
			})
		})
	}
}

func TestLongResponseIsLeft(t *testing.T) {
	s := sender(t, newLog(), nil, func(c *Config) {
		c.URL = mustURL(t, listen(t, func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}))
	})
	if a := s.try(t.Context(), message{id: "x"}); a.reaction != Delivered || a.latency > 5*time.Second {
		t.Errorf("try() = %+v, want %s", a, Delivered)
	}
}

func TestHTTPConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := statuses()
	base := strings.TrimPrefix(listen(t, got.ServeHTTP), "http://")
	tests := []struct {
		name, user string
		http       config.HTTPClientConfig
		header     string
		want       string
	}{
		{name: "nothing", header: "Authorization"},
		{name: "user in the URL", user: "me:pass@", header: "Authorization", want: "Basic bWU6cGFzcw=="},
		{name: "authorization", http: config.HTTPClientConfig{Authorization: &config.Authorization{Credentials: "tok"}}, header: "Authorization", want: "Bearer tok"},
		{name: "credentials_file", http: config.HTTPClientConfig{Authorization: &config.Authorization{Type: "Key", CredentialsFile: file}}, header: "Authorization", want: "Key from-file"},
		{name: "bearer_token", http: config.HTTPClientConfig{BearerToken: "tok"}, header: "Authorization", want: "Bearer tok"},
		{name: "basic_auth", http: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "me", Password: "pass"}}, header: "Authorization", want: "Basic bWU6cGFzcw=="},
		{name: "http_headers", http: config.HTTPClientConfig{HTTPHeaders: &config.Headers{Headers: map[string]config.Header{"X-Scope-OrgID": {Values: []string{"7"}}}}}, header: "X-Scope-OrgID", want: "7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := sender(t, newLog(), nil, func(c *Config) {
				c.URL, c.HTTP = mustURL(t, "http://"+tt.user+base+"/in"), tt.http
			})
			if _, err := s.Test(t.Context()); err != nil {
				t.Fatal(err)
			}
			seen := got.arrivals()
			if h := seen[len(seen)-1].header.Get(tt.header); h != tt.want {
				t.Errorf("%s = %q, want %q", tt.header, h, tt.want)
			}
		})
	}
	for name, h := range map[string]config.HTTPClientConfig{
		"oauth2 is not supported": {OAuth2: &config.OAuth2{ClientID: "a", TokenURL: "https://idp.example/"}},
		"tls_config":              {TLSConfig: config.TLSConfig{CAFile: filepath.Join(t.TempDir(), "absent")}},
	} {
		c := Config{Name: "ops", URL: mustURL(t, "https://hooks.example/"), HTTP: h}
		if _, err := New(c, newLog(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New() = %v, want %q", err, name)
		}
	}
}

func TestTest(t *testing.T) {
	got := statuses(204, 403)
	u := listen(t, got.ServeHTTP)
	s := sender(t, newLog(), nil, func(c *Config) { c.URL = mustURL(t, u+"/in") })
	r, err := s.Test(t.Context())
	if err != nil || r.Status != 204 || !r.Signed || !strings.HasPrefix(r.ID, "01STORE-test-") || !strings.HasPrefix(r.String(), "204 No Content after ") || !strings.Contains(r.String(), ", signed, id 01STORE-test-") {
		t.Errorf("Test() = %s, %v", r, err)
	}
	r, err = s.Test(t.Context())
	if want := `test webhook "ops": 403 Forbidden: check the URL, the secret and http_config`; err == nil || err.Error() != want || r.Status != 403 {
		t.Errorf("Test() = %s, %v, want %s", r, err, want)
	}
	seen := got.arrivals()
	if a, b := seen[0].header.Get("webhook-id"), seen[1].header.Get("webhook-id"); a == b {
		t.Error("two tests have the same id")
	}
	var body struct{ Type string }
	if err := json.Unmarshal([]byte(seen[0].body), &body); err != nil || body.Type != monitor.WebhookTest {
		t.Errorf("body = %s, %v", seen[0].body, err)
	}
	want := Stats{Endpoint: "ops", Failed: map[Reaction]uint64{}}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Errorf("a test counts in Stats (-want +got):\n%s", diff)
	}
	if got, want := (Result{ID: "x"}).String(), "no answer after 0s, not signed, id x"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

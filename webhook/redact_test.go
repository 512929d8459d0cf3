package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestNothingSecretIsShown goes down every road to a failure with a URL and a
// secret whose words must not turn up in logs, errors or Stats.
func TestNothingSecretIsShown(t *testing.T) {
	const hush = "hush-7f3a"
	echo := "http://" + hush + ".example/" + hush + "?k=" + hush
	ca := newAuthority(t)
	secured := secure(t, ca, "other.example", http.NotFoundHandler())
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", echo)
			http.Error(w, echo, code)
		}
	}
	tests := []struct {
		name string
		h    http.HandlerFunc
		do   func(*Config)
	}{
		{"delivered", status(200), nil},
		{"server error", status(500), nil},
		{"refused", status(403), nil},
		{"redirected", status(302), nil},
		{"throttled", status(429), nil},
		{"gone", status(410), nil},
		{"malformed response", raw("GET " + echo + "\r\n\r\n"), nil},
		{"malformed status", raw("HTTP/1.1 2x0 " + echo + "\r\n\r\n"), nil},
		{"malformed header", raw("HTTP/1.1 200 OK\r\n" + echo + "\r\n\r\n"), nil},
		{"malformed chunk", raw("HTTP/1.1 500 No\r\nTransfer-Encoding: " + hush + "\r\n\r\n"), nil},
		{"closed", raw(""), nil},
		{"no answer", hang, func(c *Config) { c.Timeout = 10 * time.Millisecond }},
		{"TLS to plain", raw("HTTP/1.1 400 Bad Request\r\n\r\n"), func(c *Config) { c.URL = mustURL(t, strings.Replace(c.URL.Reveal(), "http:", "https:", 1)) }},
		{"wrong authority", nil, func(c *Config) {
			c.URL = mustURL(t, strings.Replace(c.URL.Reveal(), "http:", "https:", 1))
			c.Dialer = &Dialer{Lookups: []Lookup{answers("192.0.2.80")}, Dial: (&internet{leads: map[string]string{"192.0.2.80:443": secured}}).dial}
		}},
		{"wrong name", nil, func(c *Config) {
			c.URL = mustURL(t, strings.Replace(c.URL.Reveal(), "http:", "https:", 1))
			c.HTTP.TLSConfig.CA = ca.pem
			c.Dialer = &Dialer{Lookups: []Lookup{answers("192.0.2.80")}, Dial: (&internet{leads: map[string]string{"192.0.2.80:443": secured}}).dial}
		}},
		{"lookup fails", nil, func(c *Config) {
			c.Dialer = &Dialer{Lookups: []Lookup{func(_ context.Context, host string) ([]netip.Addr, error) {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}}}
		}},
		{"dial fails", nil, func(c *Config) {
			c.Dialer = &Dialer{Lookups: []Lookup{answers("192.0.2.80")}, Dial: (&internet{}).dial}
		}},
		{"bad host", nil, func(c *Config) { c.URL = mustURL(t, "http://"+hush+"..example/"+hush) }},
		{"proxy fails", nil, func(c *Config) {
			c.HTTP.ProxyURL.URL = mustURL(t, "http://me:"+hush+"@127.0.0.1:1/").parse()
		}},
		{"socks fails", nil, func(c *Config) {
			c.HTTP.ProxyURL.URL = mustURL(t, closing(t)).parse()
			c.HTTP.ProxyURL.Scheme = "socks5"
		}},
		{"credentials_file is away", status(200), func(c *Config) {
			c.URL = mustURL(t, echo)
			c.HTTP.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: "absent"}
		}},
		{"bad credentials", status(200), func(c *Config) {
			c.URL = mustURL(t, echo)
			c.HTTP.Authorization = &config.Authorization{Type: "Bearer", Credentials: hush + "\n"}
		}},
		{"bad tls_config", nil, func(c *Config) { c.HTTP.TLSConfig.CAFile = "absent" }},
		{"bad all", nil, func(c *Config) {
			c.Format, c.Types, c.HTTP.BearerTokenFile, c.HTTP.BearerToken = "x", []string{"x"}, "f", hush
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out lines
			c := Config{Name: "ops", URL: mustURL(t, "http://user:"+hush+"@"+hush+".example/"+hush+"/in?k="+hush), Secret: mustSecret(t), GiveUp: time.Nanosecond}
			if tt.h != nil {
				addr := strings.TrimPrefix(listen(t, tt.h), "http://")
				dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, addr)
				}
				c.Dialer = &Dialer{Lookups: []Lookup{answers("192.0.2.80")}, Dial: dial}
			}
			if tt.do != nil {
				tt.do(&c)
			}
			log := newLog()
			log.cursors["ops"] = 0
			log.add(monitor.AlertOpened, monitor.Alert{ID: "01A"})
			s, err := New(c, log, out.logger())
			fmt.Fprintln(&out, err)
			if err == nil {
				s.fast, s.slow = newBackoff(time.Millisecond), newBackoff(time.Millisecond)
				r, err := s.Test(t.Context())
				fmt.Fprintln(&out, r, err)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- s.Run(ctx) }()
				for st := s.Stats(); st.Delivered+st.Dead == 0 && !st.Disabled; st = s.Stats() {
					time.Sleep(time.Millisecond)
				}
				cancel()
				if err := <-done; err != nil {
					t.Errorf("Run() = %v, want nil", err)
				}
				b, err := json.Marshal(s.Stats())
				fmt.Fprintf(&out, "%s %v %v %+v\n", b, err, s.config, c)
			}
			for _, word := range []string{hush, testSecret, strings.TrimPrefix(testSecret, "whsec_")} {
				if strings.Contains(out.String(), word) {
					t.Errorf("%q is shown:\n%s", word, &out)
				}
			}
			t.Logf("%s", &out)
		})
	}
}

func TestRedactor(t *testing.T) {
	r := newRedactor(mustURL(t, "https://user:pa55word@[2001:db8::1]:8443/services/T000/s3gment?token=valu3s&x=1").parse(), "key", "")
	tests := []struct{ in, want string }{
		{`Post "https://user:pa55word@[2001:db8::1]:8443/services/T000/s3gment?token=valu3s&x=1": EOF`, `Post "***": EOF`},
		{"dial tcp [2001:db8::1]:8443: connection refused", "dial tcp ***: connection refused"},
		{"POST /services/T000/s3gment?token=valu3s&x=1", "POST ***"},
		{"x s3gment y valu3s z pa55word key", "x *** y *** z *** ***"},
		{"one\ntwo\x1b[2J\x00", "one; two?[2J?"},
		{"a / b", "a / b"},
		{strings.Repeat("é", 400), strings.Repeat("é", 250) + "…"},
	}
	for _, tt := range tests {
		if got := r.clean(tt.in); got != tt.want {
			t.Errorf("clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

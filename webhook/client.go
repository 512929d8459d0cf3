package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/common/config"
)

// tlsHandshakeTimeout bounds a handshake through a proxy; others end with the try.
const tlsHandshakeTimeout = 10 * time.Second

// client sends each request on a connection of its own. Webhooks are rare: a
// connection kept open would mostly be found dead, and one made afresh proves
// again whom it leads to, with the files of tls_config as they are now.
//
// It is put together from the parts of prometheus/common/config, because
// [config.NewRoundTripperFromConfig] leaves no place for a handshake while
// dialling, which is what tells a false address from a true one.
type client struct {
	http   config.HTTPClientConfig
	proxy  func(*http.Request) (*url.URL, error)
	dialer *Dialer
	redact redactor
	logger *slog.Logger
}

func newClient(c Config, r redactor, logger *slog.Logger) (*client, error) {
	h := c.HTTP
	if err := h.Validate(); err != nil {
		return nil, fmt.Errorf("http_config: %w", err)
	}
	// Its token request knows neither our timeout nor our stop.
	if h.OAuth2 != nil {
		return nil, errors.New("http_config: oauth2 is not supported for webhooks (use authorization)")
	}
	if _, err := config.NewTLSConfig(&h.TLSConfig); err != nil {
		return nil, fmt.Errorf("http_config: tls_config: %w", err)
	}
	d := c.Dialer
	if d == nil {
		d = new(Dialer)
	}
	return &client{http: h, proxy: h.Proxy(), dialer: d, redact: r, logger: logger}, nil
}

// RoundTrip implements [http.RoundTripper].
func (c *client) RoundTrip(req *http.Request) (*http.Response, error) {
	// http.Transport dials with a context of its own, so that another request
	// can use the connection. There is no other request here.
	ctx := req.Context()
	tlsConfig, err := config.NewTLSConfigWithContext(ctx, &c.http.TLSConfig)
	if err != nil {
		return nil, fmt.Errorf("tls_config: %w", err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	if c.http.EnableHTTP2 {
		protocols.SetHTTP2(true)
		tlsConfig.NextProtos = []string{"h2", "http/1.1"}
	}
	t := &http.Transport{
		Proxy:               c.proxy,
		ProxyConnectHeader:  c.http.GetProxyConnectHeader(),
		DisableKeepAlives:   true,
		DisableCompression:  true,
		Protocols:           protocols,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: tlsHandshakeTimeout,
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			return c.dialer.connect(ctx, address, nil, c.failed)
		},
		DialTLSContext: func(_ context.Context, _, address string) (net.Conn, error) {
			return c.dialer.connect(ctx, address, handshake(address, tlsConfig), c.failed)
		},
	}
	return c.authorize(t).RoundTrip(req)
}

// handshake proves by certificate that a connection leads to the host of address.
func handshake(address string, tlsConfig *tls.Config) prove {
	return func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		tc := tlsConfig.Clone()
		if tc.ServerName == "" {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			tc.ServerName = host
		}
		secure := tls.Client(conn, tc)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return secure, nil
	}
}

// failed notes an address that did not hold. One with a wrong certificate may
// well be the poisoning that this program is about.
func (c *client) failed(target netip.AddrPort, err error) {
	level := slog.LevelDebug
	if wrong := (*tls.CertificateVerificationError)(nil); errors.As(err, &wrong) {
		level = slog.LevelWarn
	}
	c.logger.Log(context.Background(), level, "webhook address did not hold",
		"address", c.redact.clean(target.String()), "err", c.redact.text(err))
}

func (c *client) authorize(rt http.RoundTripper) http.RoundTripper {
	if a := c.http.Authorization; a != nil {
		rt = config.NewAuthorizationCredentialsRoundTripper(a.Type, secretReader(string(a.Credentials), a.CredentialsFile), rt)
	}
	if b := c.http.BasicAuth; b != nil {
		rt = config.NewBasicAuthRoundTripper(secretReader(b.Username, b.UsernameFile), secretReader(string(b.Password), b.PasswordFile), rt)
	}
	if c.http.HTTPHeaders != nil {
		rt = config.NewHeadersRoundTripper(c.http.HTTPHeaders, rt)
	}
	return rt
}

func secretReader(text, file string) config.SecretReader {
	if file != "" {
		return config.NewFileSecret(file)
	}
	return config.NewInlineSecret(text)
}

// inlineSecrets lists what the HTTP configuration itself must not show.
func inlineSecrets(h config.HTTPClientConfig) []string {
	list := []string{string(h.BearerToken)}
	if h.Authorization != nil {
		list = append(list, string(h.Authorization.Credentials))
	}
	if h.BasicAuth != nil {
		list = append(list, string(h.BasicAuth.Password))
	}
	if h.ProxyURL.URL != nil && h.ProxyURL.User != nil {
		password, _ := h.ProxyURL.User.Password()
		list = append(list, password)
	}
	return list
}

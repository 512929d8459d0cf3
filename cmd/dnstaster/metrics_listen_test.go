package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"golang.org/x/crypto/bcrypt"

	"github.com/dnstaster/dnstaster/monitor"
)

// fakeCore is a core that can be stuck or ill.
type fakeCore struct {
	stuck  bool
	health []monitor.HealthStatus
}

func (f fakeCore) Alive(time.Duration) bool { return !f.stuck }

func (f fakeCore) Status(context.Context) (monitor.Status, error) {
	if f.stuck {
		return monitor.Status{}, context.DeadlineExceeded
	}
	return monitor.Status{Health: f.health}, nil
}

// serveMetrics runs a metricsServer on a free port of loopback until the test
// ends and gives its address.
func serveMetrics(t *testing.T, c core, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	conf := &config{path: filepath.Join(dir, "dnstaster.yaml"), Metrics: metricsConfig{Listen: "127.0.0.1:0"}}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if name == "web.yaml" {
			conf.Metrics.WebConfigFile = name
		}
	}
	r := prometheus.NewRegistry()
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "dnstaster_test", Help: "A test."})
	r.MustRegister(g)
	s, err := newMetricsServer(conf, c, r, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ran, s.close()); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return s.listener.Addr().String()
}

// get fetches a page over a connection of its own.
func get(t *testing.T, c *http.Client, method, url string, user ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	if len(user) == 2 {
		req.SetBasicAuth(user[0], user[1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestMetricsListen(t *testing.T) {
	ill := func(severity string) []monitor.HealthStatus {
		return []monitor.HealthStatus{{Health: monitor.Health{Condition: "no_local_resolver", Severity: severity, Detail: "198.51.100.66"}}}
	}
	for _, tt := range []struct {
		name         string
		core         fakeCore
		method, path string
		status       int
		want         string
	}{
		{"metrics", fakeCore{}, "GET", "/metrics", 200, "dnstaster_test 0"},
		{"metrics of a stuck core", fakeCore{stuck: true}, "GET", "/metrics", 200, "dnstaster_test 0"},
		{"healthy", fakeCore{}, "GET", "/-/healthy", 200, "dnstaster is healthy\n"},
		{"stuck", fakeCore{stuck: true}, "GET", "/-/healthy", 503, "the core does not answer\n"},
		{"ill is not dead", fakeCore{health: ill("critical")}, "GET", "/-/healthy", 200, "dnstaster is healthy\n"},
		{"ready", fakeCore{}, "GET", "/-/ready", 200, "dnstaster is ready\n"},
		{"a warning", fakeCore{health: ill("warning")}, "GET", "/-/ready", 200, "dnstaster is ready\n"},
		{"not ready", fakeCore{health: ill("critical")}, "GET", "/-/ready", 503, "no_local_resolver\n"},
		{"stuck is not ready", fakeCore{stuck: true}, "GET", "/-/ready", 503, "the core does not answer\n"},
		{"HEAD", fakeCore{}, "HEAD", "/-/healthy", 200, ""},
		{"nothing else", fakeCore{}, "GET", "/v1/status", 404, "404 page not found\n"},
		{"no root", fakeCore{}, "GET", "/", 404, "404 page not found\n"},
		{"nobody writes", fakeCore{}, "POST", "/metrics", 405, "Method Not Allowed\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := serveMetrics(t, tt.core, nil)
			code, body := get(t, http.DefaultClient, tt.method, "http://"+at+tt.path)
			if code != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %q, want %d with %q", code, body, tt.status, tt.want)
			}
			if strings.Contains(body, "198.51.100.66") {
				t.Errorf("it tells too much: %s", body)
			}
		})
	}
}

// TestMetricsListenTLS has Prometheus's web configuration decide who gets in.
func TestMetricsListenTLS(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("hunter2"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"web.yaml": fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {prometheus: %q}\n", hash),
		"cert.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"key.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	}
	at := serveMetrics(t, fakeCore{}, files)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(files["cert.pem"]))
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	type answer struct {
		Code int
		Has  bool
	}
	var got []answer
	for _, user := range [][]string{nil, {"prometheus", "wrong"}, {"other", "hunter2"}, {"prometheus", "hunter2"}} {
		code, body := get(t, c, "GET", "https://"+at+"/metrics", user...)
		got = append(got, answer{code, strings.Contains(body, "dnstaster_test")})
	}
	want := []answer{{401, false}, {401, false}, {401, false}, {200, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without a password, with wrong ones, and with the right one (-want +got):\n%s", diff)
	}
	if code, _ := get(t, c, "GET", "http://"+at+"/metrics"); code != 400 {
		t.Errorf("over plain HTTP: %d, want 400", code)
	}
}

// TestMetricsListenRefused finds what is wrong at the start.
func TestMetricsListenRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("tls_server_config: {cert_file: none.pem, key_file: none.pem}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		m    metricsConfig
		want string
	}{
		{metricsConfig{Listen: taken.Addr().String()}, "metrics.listen: "},
		{metricsConfig{Listen: "127.0.0.1:0", WebConfigFile: "none.yaml"}, "metrics.web_config_file: "},
		{metricsConfig{Listen: "127.0.0.1:0", WebConfigFile: "bad.yaml"}, "metrics.web_config_file: "},
	} {
		s, err := newMetricsServer(&config{path: filepath.Join(dir, "dnstaster.yaml"), Metrics: tt.m}, fakeCore{}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%+v gives %v, want %s…", tt.m, err, tt.want)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
	// Without an address there is nothing to do, and nothing to let go of.
	s, err := newMetricsServer(&config{}, fakeCore{}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil || s.run(t.Context()) != nil || s.close() != nil {
		t.Errorf("nothing listens, and that is an error: %v", err)
	}
}

// TestMetricsListenBounds lets clients come that send no end of headers, or
// nothing, and more of them than are served: others are still answered.
func TestMetricsListenBounds(t *testing.T) {
	at := serveMetrics(t, fakeCore{}, nil)
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The server's own reserve of 4 KiB comes on top.
	fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", metricsHeader+8<<10))
	if answer, err := bufio.NewReader(c).ReadString('\n'); !strings.HasPrefix(answer, "HTTP/1.1 431 ") {
		t.Errorf("a head without end gets %q, %v", answer, err)
	}
	// These hold their places until requestTime has passed, and not for ever.
	var mute []net.Conn
	for range metricsConns {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		mute = append(mute, c)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if code, _ := get(t, http.DefaultClient, "GET", "http://"+at+"/-/healthy"); code != 200 {
				t.Errorf("after %d that say nothing: %d", len(mute), code)
			}
		})
	}
	wg.Wait()
}

// TestMetricsOfDaemon scrapes a real daemon while its name is answered falsely:
// names and verdicts are there, what was answered is not.
func TestMetricsOfDaemon(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	_, own := runDaemon(t, fmt.Sprintf("metrics: {listen: %q}\n", at), nil)
	await := func(part string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), awaitLimit)
		defer cancel()
		for {
			_, body := get(t, http.DefaultClient, "GET", "http://"+at+"/metrics")
			if strings.Contains(body, part) {
				return body
			}
			if !sleep(ctx, 50*time.Millisecond) {
				t.Fatalf("%s never came:\n%s", part, body)
			}
		}
	}
	good := await(`dnstaster_watch_verdict{type="A",verdict="clean",watch="api.partner.example."} 1`)
	if !strings.Contains(good, `dnstaster_watch_last_good_timestamp_seconds{type="A",watch="api.partner.example."} 1`) {
		t.Error("the last good round is missing")
	}
	problems, err := promlint.New(strings.NewReader(good)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "dnstaster_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	own.remember(netip.MustParseAddr(demoFalse), demoTTL)
	body := await(`dnstaster_watch_verdict{type="A",verdict="clean",watch="api.partner.example."} 0`)
	for _, secret := range []string{demoFalse, demoTrue, "payments"} {
		if strings.Contains(body, secret) {
			t.Errorf("metrics hold %q", secret)
		}
	}
	if code, _ := get(t, http.DefaultClient, "GET", "http://"+at+"/-/healthy"); code != 200 {
		t.Errorf("/-/healthy: %d", code)
	}
}

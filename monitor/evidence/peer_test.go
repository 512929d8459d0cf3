package evidence

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// start runs a server of another make until the test ends, or skips the test
// where there is none. It gives what the server prints, line by line.
func start(t *testing.T, name string, args ...string) (lines <-chan string, all func() string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		// The tests must run on a machine with git and Go alone; .ci/run refuses the skip.
		t.Skipf("no %s on this host: %v", name, err)
	}
	cmd := exec.Command(path, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe() // openssl ends with its input
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ch := make(chan string, 1024)
	var mu sync.Mutex
	var printed strings.Builder
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(ch)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			mu.Lock()
			fmt.Fprintln(&printed, sc.Text())
			mu.Unlock()
			select {
			case ch <- sc.Text():
			default:
			}
		}
	})
	stop := sync.OnceFunc(func() {
		in.Close()
		cmd.Process.Kill()
		wg.Wait()
		cmd.Wait()
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, &errs)
		}
	})
	return ch, func() string {
		stop()
		mu.Lock()
		defer mu.Unlock()
		return printed.String()
	}
}

// TestOpenSSL proves against openssl s_server.
func TestOpenSSL(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	right := ca.below(t, "Middle", nil).issue(t, nil)
	tests := []struct {
		what    string
		cert    tls.Certificate
		args    string
		outcome monitor.Outcome
		detail  string
	}{
		{"TLS 1.3", right, "-tls1_3", monitor.OutcomeOK, ""},
		{"TLS 1.2", right, "-tls1_2", monitor.OutcomeOK, ""},
		{"TLS 1.3 insists on a client certificate", right, "-tls1_3 -Verify 1", monitor.OutcomeOK, ""},
		{"TLS 1.2 insists on a client certificate", right, "-tls1_2 -Verify 1", monitor.OutcomeOK, ""},
		{"another name", ca.issue(t, nil), "-servername evil.example -servername_fatal -cert2 CERT -key2 KEY", monitor.OutcomeAlert, "refused by alert: unrecognized name"},
		{"self-signed", selfSigned(t, nil), "", monitor.OutcomeSelfSigned, `self-signed "api.partner.example"`},
		{"TLS 1.1", right, "-tls1_1 -cipher ALL:@SECLEVEL=0", monitor.OutcomeAlert, "refused by alert: protocol version not supported"},
		{"TLS 1.2 without signed key shares", right, "-tls1_2 -cipher PSK -psk 00", monitor.OutcomeAlert, "refused by alert: handshake failure"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			cert, key := files(t, tt.cert)
			args := strings.NewReplacer("CERT", cert, "KEY", key).Replace(tt.args)
			lines, all := start(t, "openssl", append([]string{
				"s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-cert_chain", cert, "-alpn", "http/1.1",
			}, strings.Fields(args)...)...)
			var at netip.AddrPort
			for line := range lines {
				if s, ok := strings.CutPrefix(line, "ACCEPT "); ok {
					at = netip.MustParseAddrPort(s)
					break
				}
			}
			if !at.IsValid() {
				t.Fatal("openssl does not say where it listens")
			}
			e := proverFor(ca, nil).Prove(t.Context(), proofOf(at))
			if e.Outcome != tt.outcome || e.Detail != tt.detail {
				t.Errorf("Prove = %s %q, want %s %q", e.Outcome, e.Detail, tt.outcome, tt.detail)
			}
			if said := all(); strings.Contains(said, "Client certificate\n") {
				t.Errorf("openssl tells of a client certificate:\n%s", said)
			}
		})
	}
}

// TestNginx proves against nginx, which lets a handshake without client
// certificate complete, and answers plain HTTP where it is asked for TLS.
func TestNginx(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	leaf := ca.below(t, "Middle", nil).issue(t, nil)
	cert, key := files(t, leaf)
	dir := t.TempDir()
	secure, plain, rejecting := freePort(t), freePort(t), freePort(t)
	conf := fmt.Sprintf(`
daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log info;
events {}
http {
	access_log %[1]s/access.log;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	ssl_certificate %[2]s; ssl_certificate_key %[3]s; ssl_client_certificate %[2]s;
	server { listen %[4]v ssl http2; ssl_verify_client on; return 200; }
	server { listen %[5]v; return 200; }
	server { listen %[6]v ssl default_server; ssl_reject_handshake on; }
}
`, dir, cert, key, secure, plain, rejecting)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, "nginx", "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", path)
	awaitListener(t, rejecting)

	p := proverFor(ca, nil)
	tests := []struct {
		what    string
		at      netip.AddrPort
		outcome monitor.Outcome
		detail  string
	}{
		{"TLS", secure, monitor.OutcomeOK, ""},
		{"plain HTTP", plain, monitor.OutcomeNonTLS, `answers "HTTP/1.1 400 Bad Request"`},
		{"unknown name", rejecting, monitor.OutcomeAlert, "refused by alert: unrecognized name"},
	}
	for _, tt := range tests {
		e := p.Prove(t.Context(), proofOf(tt.at))
		if e.Outcome != tt.outcome || e.Detail != tt.detail {
			t.Errorf("%s: Prove = %s %q, want %s %q", tt.what, e.Outcome, e.Detail, tt.outcome, tt.detail)
		}
		if tt.outcome == monitor.OutcomeOK && e.SPKI != spki(leaf.Leaf) {
			t.Errorf("%s: SPKI = %q, want the leaf's", tt.what, e.SPKI)
		}
	}
	// The plain server logs the handshake that it took for a request.
	log, err := os.ReadFile(filepath.Join(dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(log, []byte("\n")); n != 1 || !bytes.Contains(log, []byte(`"\x16\x03\x01`)) {
		t.Errorf("nginx saw requests:\n%s", log)
	}
}

// freePort gives a port of loopback that was free a moment ago.
func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func awaitListener(t *testing.T, at netip.AddrPort) {
	t.Helper()
	for range 100 {
		if c, err := net.Dial("tcp", at.String()); err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nobody listens at %v", at)
}

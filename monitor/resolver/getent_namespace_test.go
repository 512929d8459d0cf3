package resolver

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/monitor"
)

// systemChild tells a process which test it is to go on with.
const systemChild = "DNSTASTER_TEST_SYSTEM"

// TestSystemCapabilities has the process run without what this one can do.
func TestSystemCapabilities(t *testing.T) {
	if os.Getenv(systemChild) == t.Name() {
		status, err := os.ReadFile("/proc/thread-self/status")
		if err != nil || !strings.Contains(string(status), "CapAmb:\t0000000000002000") {
			t.Fatalf("this process lacks the capability itself: %v\n%s", err, status)
		}
		asker := newAsker(t, Config{Getent: program(t, tryOut+"exec grep CapAmb /proc/self/status")})
		for range 3 {
			wantError(t, asker.Ask(t.Context(), ownPath, question), `error: getent says "CapAmb:\t0000000000000000"`)
		}
		// Every thread has it still.
		threads, err := filepath.Glob("/proc/self/task/*/status")
		if err != nil || len(threads) == 0 {
			t.Fatalf("no threads: %v", err)
		}
		for _, path := range threads {
			if status, err := os.ReadFile(path); err == nil && !strings.Contains(string(status), "CapAmb:\t0000000000002000") {
				t.Errorf("a thread has lost it:\n%s", status)
			}
		}
		return
	}
	t.Parallel()
	systemProcess(t, &syscall.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_NET_RAW}})
}

// systemProcess goes on with the test in a process of its own, and skips only
// where this kernel or this user cannot have one.
func systemProcess(t *testing.T, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), systemChild+"="+t.Name())
	cmd.SysProcAttr = attr
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		// Many containers have no namespaces for those who are not root; as root, .ci/run
		// refuses the skip.
		t.Skipf("no such process can be had here: %v", err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, &out)
	}
}

// TestSystemLookup asks the real getent(1), in a namespace with a hosts file, a
// resolv.conf and a nameserver of its own. The name is asked for as it is: what
// search domains would make of it is another name.
func TestSystemLookup(t *testing.T) {
	if os.Getenv(systemChild) != t.Name() {
		t.Parallel()
		if _, err := findGetent(); err != nil {
			// Of the C library of most distributions, but not of all: there is nothing to ask
			// then, and the Asker warns of it.
			t.Skip("getent is not installed")
		}
		attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
		if os.Getuid() != 0 {
			attr.Cloneflags |= syscall.CLONE_NEWUSER
			attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		systemProcess(t, attr)
		return
	}
	replace(t, map[string]string{
		"/etc/hosts":         "203.0.113.66 pinned.example\n::ffff:203.0.113.67 pinned.example\n2001:db8::66 pinned.example\n0.0.0.0 blocked.example\n",
		"/etc/resolv.conf":   "nameserver 127.0.0.1\nsearch corp.example\noptions ndots:5\n",
		"/etc/nsswitch.conf": "hosts: files dns\n",
	})
	var mu sync.Mutex
	asked := map[string]int{}
	serveSystem(t, func(w dns.ResponseWriter, q *dns.Msg) {
		name := strings.ToLower(q.Question[0].Name)
		mu.Lock()
		asked[name]++
		mu.Unlock()
		switch {
		case name == "good.example." && q.Question[0].Qtype == dns.TypeA:
			w.WriteMsg(answer(q, name+" 300 IN CNAME edge.example.", "edge.example. 60 IN A 192.0.2.1", "edge.example. 60 IN A 192.0.2.2"))
		case name == "good.example.":
			w.WriteMsg(answer(q, name+" 300 IN CNAME edge.example."))
		case strings.HasSuffix(name, ".corp.example."): // as a wildcard would
			w.WriteMsg(a(q, "198.51.100.66"))
		case name == "broken.example.":
			w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
		default:
			w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeNameError))
		}
	})
	asker := newAsker(t, Config{Timeout: 10 * time.Second})
	for _, tt := range []struct {
		name string
		t    monitor.Type
		want []string
	}{
		{"good.example.", monitor.TypeA, []string{"192.0.2.1", "192.0.2.2"}},
		{"good.example.", monitor.TypeAAAA, nil},
		{"pinned.example.", monitor.TypeA, []string{"203.0.113.66", "203.0.113.67"}},
		{"pinned.example.", monitor.TypeAAAA, []string{"2001:db8::66"}},
		{"blocked.example.", monitor.TypeA, []string{"0.0.0.0"}},
		{"absent.example.", monitor.TypeA, nil},
		{"broken.example.", monitor.TypeA, nil},
	} {
		q := monitor.Question{Name: tt.name, Type: tt.t}
		o := asker.Ask(t.Context(), ownPath, q)
		if diff := cmp.Diff(tt.want, addresses(o)); diff != "" || o.Error != "" {
			t.Errorf("%s: %q (-want +got):\n%s", q, o.Error, diff)
		}
		if o.TTL(q) != 0 || o.Server.IsValid() || o.Encrypted || o.RTT <= 0 || (o.Rcode == "NOERROR") != (tt.want != nil) {
			t.Errorf("%s: %+v", q, o)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for name := range asked {
		if strings.HasSuffix(name, ".corp.example.") || name == "pinned.example." {
			t.Errorf("%s was asked for", name)
		}
	}
	if asked["good.example."] == 0 {
		t.Error("the nameserver was not asked")
	}
}

// replace puts files in the place of others, for this mount namespace only.
func replace(t *testing.T, files map[string]string) {
	t.Helper()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for path, text := range files {
		own := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(own, path, "", unix.MS_BIND, ""); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
	}
}

// serveSystem answers on the address that resolv.conf names, in a network
// namespace of our own.
func serveSystem(t *testing.T, handle dns.HandlerFunc) {
	t.Helper()
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c, err := net.ListenPacket("udp4", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: c, Handler: handle}
	var wg sync.WaitGroup
	wg.Go(func() { srv.ActivateAndServe() })
	t.Cleanup(func() { c.Close(); wg.Wait() })
}

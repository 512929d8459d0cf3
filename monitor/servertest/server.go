// Package servertest runs programs of others on loopback, name servers above
// all, for as long as a test takes.
package servertest

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Need gives the paths of programs, in the order of their names.
func Need(t testing.TB, programs ...string) []string {
	t.Helper()
	var paths []string
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			// The tests must run on a machine with git and Go alone. lab/install.sh brings
			// the servers, and .ci/run refuses what was skipped.
			t.Skipf("%s is not installed", name)
		}
		paths = append(paths, path)
	}
	return paths
}

// Address gives an address with a port at which nothing listens; of addr, or of
// 127.0.0.1 where it is the zero one.
func Address(t testing.TB, addr netip.Addr) netip.AddrPort {
	t.Helper()
	if !addr.IsValid() {
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	ln, err := net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// Write writes a file that a server reads, and gives its path.
func Write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// patience is how long a server may take to listen.
const patience = 30 * time.Second

// Start runs a program until the test ends, and returns when it accepts
// connections at an address. What it printed is shown where the test fails.
func Start(t testing.TB, listens netip.AddrPort, program string, args ...string) {
	t.Helper()
	var log bytes.Buffer // written to until ended is closed
	cmd := exec.Command(program, args...)
	cmd.Stderr, cmd.Stdout = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s does not start: %v", program, err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s:\n%s", program, &log)
		}
	})
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			if confined() {
				// Distributions confine their name servers to their own directories, which is
				// no fault of ours. .ci/run refuses the skip.
				t.Skipf("%s does not run on files of a test here:\n%s", program, &log)
			}
			t.Fatalf("%s ended:\n%s", program, &log)
		default:
		}
		if c, err := net.Dial("tcp", listens.String()); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("%s does not listen at %s", program, listens)
}

// confined reports whether the kernel keeps programs to profiles (AppArmor).
func confined() bool {
	enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && bytes.HasPrefix(enabled, []byte("Y"))
}

//go:build container

package systemd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds whatever is waited for.
const patience = 90 * time.Second

// box is a container with systemd in it.
type box struct {
	dir, leader string
}

// boot builds the package and a container to install it in.
func boot(t *testing.T) *box {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("needs root, to make a container")
	}
	dir, err := os.MkdirTemp("", "box") // short: the sockets in it are reached from outside
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := command("container/container.sh", "down", dir); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	b := &box{dir: dir}
	if out, err := command("deb/build.sh", filepath.Join(dir, "dnstaster.deb")); err != nil {
		t.Fatalf("build the package: %v\n%s", err, out)
	}
	if out, err := command("container/container.sh", "up", dir); err != nil {
		t.Fatalf("boot: %v\n%s", err, out)
	}
	out, err := command("container/container.sh", "leader", dir)
	if err != nil {
		t.Fatalf("leader: %v\n%s", err, out)
	}
	b.leader = strings.TrimSpace(out)
	return b
}

// command runs a program on the machine and gives what it says.
func command(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	// Daemons that it starts keep its output open: it must be a file, or Wait
	// would wait for them.
	out, err := os.CreateTemp("", "out")
	if err != nil {
		return "", err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	text, rerr := os.ReadFile(out.Name())
	return string(text), errors.Join(err, rerr)
}

// try runs a program in the container and gives what it says.
func (b *box) try(args ...string) (string, error) {
	out, err := command("nsenter", append([]string{"-t", b.leader, "-m", "-u", "-i", "-n", "-p", "-C", "--"}, args...)...)
	return strings.TrimSpace(out), err
}

func (b *box) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := b.try(args...)
	if err != nil {
		log, _ := b.try("journalctl", "-u", "dnstaster", "--no-pager", "-n", "30")
		t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, log)
	}
	return out
}

// fails runs a program that is to fail, and to say want.
func (b *box) fails(t *testing.T, want string, args ...string) {
	t.Helper()
	if out, err := b.try(args...); err == nil || !strings.Contains(out, want) {
		t.Errorf("%s: %v, want a failure that says %q:\n%s", strings.Join(args, " "), err, want, out)
	}
}

// write puts a file into the container.
func (b *box) write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	at := filepath.Join("/proc", b.leader, "root", path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func (b *box) there(path string) bool {
	_, err := os.Lstat(filepath.Join("/proc", b.leader, "root", path))
	return err == nil
}

// show gives a property of the service.
func (b *box) show(t *testing.T, property string) string {
	t.Helper()
	return b.run(t, "systemctl", "show", "-P", property, "dnstaster")
}

func (b *box) want(t *testing.T, property, want string) {
	t.Helper()
	if got := b.show(t, property); got != want {
		log, _ := b.try("journalctl", "-u", "dnstaster", "--no-pager", "-n", "30")
		t.Fatalf("%s is %q, want %q\n%s", property, got, want, log)
	}
}

// await waits for a property of the service to have a value that is right.
func (b *box) await(t *testing.T, property string, right func(string) bool) string {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		got := b.show(t, property)
		if right(got) {
			return got
		}
		if time.Now().After(end) {
			log, _ := b.try("journalctl", "-u", "dnstaster", "--no-pager", "-n", "30")
			t.Fatalf("%s stays %q\n%s", property, got, log)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (b *box) awaitStatus(t *testing.T, part string) {
	t.Helper()
	b.await(t, "StatusText", func(s string) bool { return strings.Contains(s, part) })
}

// restarted waits until the service runs again after restarts in all.
func (b *box) restarted(t *testing.T, restarts int) {
	t.Helper()
	b.await(t, "NRestarts", func(s string) bool { n, err := strconv.Atoi(s); return err == nil && n >= restarts })
	b.await(t, "ActiveState", func(s string) bool { return s == "active" })
	b.want(t, "NRestarts", strconv.Itoa(restarts))
}

// listens makes sockets in the container's network.
func (b *box) listens(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		// The thread is never unlocked: it ends with the goroutine, rather than
		// going back to others in the wrong namespace.
		runtime.LockOSThread()
		ns, err := os.Open("/proc/" + b.leader + "/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// silence is a resolver and a webhook that take everything and answer nothing.
func (b *box) silence(t *testing.T) (taken <-chan struct{}) {
	t.Helper()
	var udp net.PacketConn
	var tcp net.Listener
	b.listens(t, func() (err error) {
		if udp, err = net.ListenPacket("udp4", "127.0.0.1:5301"); err == nil {
			tcp, err = net.Listen("tcp4", "127.0.0.1:8080")
		}
		return err
	})
	came := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var held []net.Conn
		for {
			c, err := tcp.Accept()
			if err != nil {
				for _, c := range held {
					c.Close()
				}
				return
			}
			held = append(held, c)
			select {
			case came <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() { udp.Close(); tcp.Close(); <-ended })
	return came
}

// scrape gives the lines of the metrics that begin with a name.
func (b *box) scrape(t *testing.T, name string) []string {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join("/proc", b.leader, "root", "run/dnstaster/dnstaster.sock"))
	}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://dnstaster/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool { return !strings.HasPrefix(l, name) })
}

// journal gives the messages of the daemon, with their fields.
func (b *box) journal(t *testing.T) []map[string]any {
	t.Helper()
	var entries []map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(b.run(t, "journalctl", "-u", "dnstaster", "-o", "json", "--no-pager"))))
	for {
		var e map[string]any
		switch err := d.Decode(&e); {
		case errors.Is(err, io.EOF):
			return entries
		case err != nil:
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
}

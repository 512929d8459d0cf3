package control_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/monitor"
)

// acted is one call of Backend.Act.
type acted struct {
	ID     string
	Action monitor.Action
	Note   monitor.Note
}

// recorder is a backend that tells of what is done with alerts.
func recorder() (backend, <-chan acted) {
	calls := make(chan acted, 1)
	return backend{act: func(_ context.Context, id string, a monitor.Action, n monitor.Note) (monitor.Alert, error) {
		calls <- acted{id, a, n}
		return alert(id, monitor.Acknowledged), nil
	}}, calls
}

// TestActs shows that actions carry the user id that the kernel tells, and not
// one that the caller claims.
func TestActs(t *testing.T) {
	b, calls := recorder()
	c := client(t, serve(t, b, memory{}))
	until := noon.Add(2 * time.Hour)
	for _, a := range []monitor.Action{monitor.Acknowledge, monitor.Silence, monitor.Resolve, "a/b ?%"} {
		n := monitor.Note{UID: 4242, Comment: "OPS-17 „ßé“", Until: &until}
		got, err := c.Act(t.Context(), openID, a, n)
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != openID || got.State != monitor.Acknowledged {
			t.Errorf("%s gives %s %s", a, got.ID, got.State)
		}
		n.UID = os.Getuid()
		if diff := cmp.Diff(acted{openID, a, n}, <-calls); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestPeer has another user act, where this one may become another.
func TestPeer(t *testing.T) {
	want := other()
	b, calls := recorder()
	path := serve(t, b, memory{})
	// Others get no further than the group's mode; here they shall.
	for path, mode := range map[string]os.FileMode{path: 0o666, filepath.Dir(path): 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	var conn net.Conn
	var err error
	as(t, want, func() { conn, err = net.Dial("unix", path) })
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"uid":0}`
	fmt.Fprintf(conn, "POST /v1/alerts/%s/resolve HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n%s", openID, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s", resp.Status, text)
	}
	if got := <-calls; got.Note.UID != want {
		t.Errorf("user %d acted, and %d is noted", want, got.Note.UID)
	}
}

// as runs f as another user, without groups or capabilities. The kernel keeps
// credentials by thread, and the thread ends with its goroutine.
func as(t *testing.T, uid int, f func()) {
	t.Helper()
	self, failed := os.Getuid(), syscall.Errno(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		id := uintptr(uid)
		for _, call := range [][4]uintptr{{unix.SYS_SETGROUPS}, {unix.SYS_SETRESGID, id, id, id}, {unix.SYS_SETRESUID, id, id, id}} {
			if uid != self && failed == 0 {
				_, _, failed = unix.RawSyscall(call[0], call[1], call[2], call[3])
			}
		}
		if failed == 0 {
			f()
		}
	}()
	<-done
	if failed != 0 {
		t.Fatalf("become user %d: %v", uid, failed)
	}
}

// other is a user who is not root; without privilege, that is this one.
func other() int {
	if uid := os.Getuid(); uid != 0 {
		return uid
	}
	return 65534
}

// TestPeerUnknown shows that a caller whom the kernel says nothing of is nobody,
// which is not root.
func TestPeerUnknown(t *testing.T) {
	b, calls := recorder()
	ask(newServer(b, memory{}), "POST", "/v1/alerts/x/ack", `{"uid":0}`)
	if got := <-calls; got.Note.UID != -1 {
		t.Errorf("uid is %d, want -1", got.Note.UID)
	}
	p := newPipes()
	start(t, newServer(b, memory{}), p)
	resp, err := p.http(t).Post("http://d/v1/alerts/x/ack", "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("an action without body: %s", resp.Status)
	}
	conn := p.dial(t, "POST /v1/alerts/x/ack HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}")
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	if got := <-calls; got.Note.UID != -1 {
		t.Errorf("uid is %d, want -1", got.Note.UID)
	}
}

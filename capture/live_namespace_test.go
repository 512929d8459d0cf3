package capture_test

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// liveInside tells a process that it runs in a network namespace of its own.
const liveInside = "DNSTASTER_TEST_NAMESPACE"

// liveNamespace runs test in a new process, root of a network namespace of its
// own with nothing but a loopback interface. Without root it takes a user
// namespace as well, and skips only if the kernel forbids that.
func liveNamespace(t *testing.T, test func(*testing.T)) {
	t.Helper()
	if os.Getenv(liveInside) == t.Name() {
		liveUp(t, "lo")
		test(t)
		return
	}
	flags := []uintptr{syscall.CLONE_NEWNET, syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER}
	if os.Getuid() != 0 {
		flags = flags[1:]
	}
	var err error
	for _, f := range flags {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
		cmd.Env = append(os.Environ(), liveInside+"="+t.Name())
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: f, Pdeathsig: syscall.SIGKILL}
		if f&syscall.CLONE_NEWUSER != 0 {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err = cmd.Start(); err != nil {
			continue
		}
		err = cmd.Wait()
		switch {
		case err != nil:
			t.Fatalf("in a namespace: %v\n%s", err, &out)
		case strings.Contains(out.String(), "--- SKIP: "+t.Name()):
			// It gave its reason there; as root, .ci/run refuses it.
			t.Skipf("in a namespace: %s", &out)
		case !strings.Contains(out.String(), "--- PASS: "+t.Name()):
			t.Fatalf("did not run in a namespace:\n%s", &out)
		}
		t.Logf("%s", &out)
		return
	}
	// Without root it is for the kernel to say whether there are namespaces: many
	// containers have none. As root, .ci/run refuses the skip.
	t.Skipf("this kernel forbids namespaces here: %v", err)
}

// liveUp and liveDown set an interface up and down.
func liveUp(t *testing.T, name string)   { t.Helper(); liveFlags(t, name, unix.IFF_UP) }
func liveDown(t *testing.T, name string) { t.Helper(); liveFlags(t, name, 0) }

func liveFlags(t *testing.T, name string, flags uint16) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	req.SetUint16(flags)
	switch err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); {
	case errors.Is(err, unix.EPERM):
		// Some distributions let anybody make a user namespace, and nobody do anything in
		// it. As root, .ci/run refuses the skip.
		t.Skip("this kernel gives no capabilities in a user namespace")
	case err != nil:
		t.Fatalf("%s: %v", name, err)
	}
}

// liveVeth makes two interfaces joined by a wire, and sets both up. Their MTU is
// too small for IPv6 (RFC 8200, section 5), so that the kernel sends nothing of
// its own there.
func liveVeth(t *testing.T, one, other string) {
	t.Helper()
	end := func(name string) []byte {
		b := append(make([]byte, unix.SizeofIfInfomsg), liveAttr(unix.IFLA_IFNAME, []byte(name+"\x00"))...)
		return append(b, liveAttr(unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, 1000))...)
	}
	const vethInfoPeer = 1
	info := append(liveAttr(unix.IFLA_INFO_KIND, []byte("veth")),
		liveAttr(unix.IFLA_INFO_DATA, liveAttr(vethInfoPeer, end(other)))...)
	link := append(end(one), liveAttr(unix.IFLA_LINKINFO, info)...)
	if err := liveRoute(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, link); err != nil {
		t.Fatalf("make %s and %s: %v", one, other, err)
	}
	liveUp(t, one)
	liveUp(t, other)
	// The kernel drops what is sent until it has acted on the carrier, which it
	// does in its own time. It is done when it says so and lets go of its lock,
	// which to set an interface up takes.
	for _, name := range []string{one, other} {
		const operationallyUp = 6 // RFC 2863
		for liveLink(t, name, unix.IFLA_OPERSTATE)[0] != operationallyUp {
			time.Sleep(time.Millisecond)
		}
		liveUp(t, name)
	}
}

// liveLink gives an attribute of an interface.
func liveLink(t *testing.T, name string, attr uint16) []byte {
	t.Helper()
	table, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		t.Fatal(err)
	}
	index := uint32(liveIndex(t, name))
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWLINK || binary.NativeEndian.Uint32(m.Data[4:]) != index {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range attrs {
			if a.Attr.Type == attr {
				return a.Value
			}
		}
	}
	t.Fatalf("the kernel does not say it of %s", name)
	return nil
}

// liveDelete removes an interface.
func liveDelete(t *testing.T, name string) {
	t.Helper()
	link := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(link[4:], uint32(liveIndex(t, name)))
	if err := liveRoute(unix.RTM_DELLINK, 0, link); err != nil {
		t.Fatalf("delete %s: %v", name, err)
	}
}

func liveIndex(t *testing.T, name string) int {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return i.Index
}

// liveAttr is an attribute of rtnetlink.
func liveAttr(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

// liveRoute asks rtnetlink for something, and waits until it is done.
func liveRoute(kind, flags uint16, body []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	msg := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	msg = binary.NativeEndian.AppendUint16(msg, kind)
	msg = binary.NativeEndian.AppendUint16(msg, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	msg = append(msg, make([]byte, 8)...) // sequence, port
	if err := unix.Sendto(fd, append(msg, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return errors.New("short answer of rtnetlink")
	}
	if code := -int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(code)
	}
	return nil
}

package main

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// namespaceEnv tells a process that it runs in a network namespace of its own.
const namespaceEnv = "DNSTASTER_TEST_NAMESPACE"

// inNamespace runs test in a new process, root of a network namespace of its
// own with nothing but a loopback interface. Without root it takes a user
// namespace as well, and skips only if the kernel forbids that.
func inNamespace(t *testing.T, test func(*testing.T)) {
	t.Helper()
	if os.Getenv(namespaceEnv) == t.Name() {
		if err := interfaceUp("lo"); errors.Is(err, unix.EPERM) {
			// Some distributions let anybody make a user namespace, and nobody do anything in
			// it. As root, .ci/run refuses the skip.
			t.Skip("this kernel gives no capabilities in a user namespace")
		} else if err != nil {
			t.Fatal(err)
		}
		test(t)
		return
	}
	flags := []uintptr{syscall.CLONE_NEWNET, syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER}
	if os.Getuid() != 0 {
		flags = flags[1:]
	}
	var err error
	for _, f := range flags {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=0")
		cmd.Env = append(os.Environ(), namespaceEnv+"="+t.Name())
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

// interfaceUp sets an interface up.
func interfaceUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// addInterface makes an interface and, at the other end of a wire, another that
// the kernel names. removeInterface ends both.
func addInterface(name string) error {
	link := append(make([]byte, unix.SizeofIfInfomsg), attribute(unix.IFLA_IFNAME, []byte(name+"\x00"))...)
	link = append(link, attribute(unix.IFLA_LINKINFO, attribute(unix.IFLA_INFO_KIND, []byte("veth")))...)
	return rtnetlink(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, link)
}

func removeInterface(name string) error {
	return rtnetlink(unix.RTM_DELLINK, 0, append(make([]byte, unix.SizeofIfInfomsg), attribute(unix.IFLA_IFNAME, []byte(name+"\x00"))...))
}

// attribute is one of rtnetlink's.
func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtAttr+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

// rtnetlink asks the kernel for something, and waits until it is done.
func rtnetlink(kind, flags uint16, body []byte) error {
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

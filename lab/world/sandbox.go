//go:build lab

package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// stage tells a process that Enter started which of its stages it is.
const stage = "DNSTASTER_LAB_STAGE"

// outside is the process that waits for the machine, by its id outside of it.
const outside = "DNSTASTER_LAB_OUTSIDE"

// Outside gives the id, on the machine outside, of the process whose only child is
// the first process in here: whoever wants to look at a world enters that one's
// namespaces.
func Outside() string { return os.Getenv(outside) }

// root is where everything that worlds write is, in memory.
const root = "/run/lab"

// Enter runs the program again, with the same arguments, on a machine of its own:
// with process ids, mounts, names and network that nobody else sees. It returns in
// the program on that machine, with inside set; outside it waits for that to end
// and returns its exit status.
//
// Everything on the machine ends with its first process, which ends with this
// one: after an interrupt or a crash no process, mount, namespace or file is left.
func Enter() (status int, inside bool, err error) {
	switch os.Getenv(stage) {
	case "init":
		status, err = initialize()
		return status, false, err
	case "work":
		return 0, true, nil
	}
	if os.Geteuid() != 0 {
		return 1, false, errors.New("needs root, to make namespaces")
	}
	// The signal at the parent's death comes when the thread ends that started the
	// child.
	runtime.LockOSThread()
	cmd := again("init")
	cmd.Env = append(cmd.Env, outside+"="+strconv.Itoa(os.Getpid()))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Pdeathsig:  unix.SIGKILL,
	}
	return exitStatus(cmd.Run())
}

func again(as string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stage+"="+as)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

func exitStatus(err error) (int, bool, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), false, nil
	}
	if err != nil {
		return 1, false, err
	}
	return 0, false, nil
}

// initialize is the first process of the machine. It furnishes it, and then
// buries the dead until the worker ends.
func initialize() (int, error) {
	if err := furnish(); err != nil {
		return 1, err
	}
	cmd := again("work")
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 1, err
		case pid == cmd.Process.Pid && ws.Exited():
			return ws.ExitStatus(), nil
		case pid == cmd.Process.Pid && ws.Signaled():
			return 1, fmt.Errorf("ended by signal %s", ws.Signal())
		}
	}
}

// furnish gives the machine mounts of its own. What is written under /etc and
// /run is written in memory.
func furnish() error {
	steps := []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", 0, ""},
		{"tmpfs", "/run", "tmpfs", 0, "mode=755"},
		{"overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work"},
	}
	for _, s := range steps {
		if err := unix.Mount(s.source, s.target, s.kind, s.flags, s.data); err != nil {
			return fmt.Errorf("mount %s: %w", s.target, err)
		}
		if s.target == "/run" {
			for _, dir := range []string{"/run/etc/upper", "/run/etc/work", "/run/netns", "/run/lock", root} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
		}
	}
	if err := unix.Sethostname([]byte("lab")); err != nil {
		return err
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("loopback: %w: %s", err, out)
	}
	return os.MkdirAll(filepath.Join("/etc", "netns"), 0o755)
}

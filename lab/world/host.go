//go:build lab

package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Host is a network namespace with what runs in it. Its methods may be called
// from many goroutines.
type Host struct {
	Name string // as in the drawing, "client" say
	w    *World
}

func (h *Host) namespace() string { return h.w.name + "-" + h.Name }

// Do runs f on a thread that is in the host's namespace. Sockets that f makes
// stay there, also after f has ended.
func (h *Host) Do(f func() error) error {
	done := make(chan error)
	go func() {
		// The thread is never unlocked: it ends with the goroutine, rather than
		// going back to others in the wrong namespace.
		runtime.LockOSThread()
		ns, err := os.Open(filepath.Join("/run/netns", h.namespace()))
		if err != nil {
			done <- err
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter %s: %w", h.Name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// Listen is net.Listen on the host.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	err = h.Do(func() error { l, err = net.Listen(network, address); return err })
	return l, err
}

// Dial is net.Dial on the host, within two seconds.
func (h *Host) Dial(network, address string) (c net.Conn, err error) {
	err = h.Do(func() error { c, err = net.DialTimeout(network, address, 2*time.Second); return err })
	return c, err
}

// Command makes a command that runs on the host, with the host's resolv.conf and
// hosts file.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.namespace(), name}, args...)...)
}

// Run runs a command to its end, 30 s at most, and gives what it printed on both
// outputs. The error says that too.
func (h *Host) Run(name string, args ...string) (string, error) { return h.RunInput("", name, args...) }

// RunInput is Run with something to read.
func (h *Host) RunInput(input, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var out bytes.Buffer
	cmd := h.Command(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &out
	cmd.WaitDelay = time.Second // what it left running may hold its outputs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %s %s: %w: %s", h.Name, name, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// Process is a program that goes on in the background.
type Process struct {
	label string
	cmd   *exec.Cmd
	log   string
	stdin *os.File
	done  chan struct{}
	once  sync.Once
}

// Start starts a program on the host. Its output goes to a file named for the
// label. It ends with Stop, or with the world.
func (h *Host) Start(label, name string, args ...string) (*Process, error) {
	p := &Process{label: label, cmd: h.Command(context.Background(), name, args...), log: h.w.path("log", label), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	// An input that never ends: some tools end with theirs.
	stdin, held, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	p.stdin = held
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := p.cmd.Start(); err != nil {
		held.Close()
		return nil, fmt.Errorf("%s: start %s: %w", h.Name, label, err)
	}
	go func() {
		_ = p.cmd.Wait() // its log tells why
		held.Close()
		close(p.done)
	}()
	h.w.mu.Lock()
	h.w.running = append(h.w.running, p)
	h.w.mu.Unlock()
	return p, nil
}

// Signal sends a signal; SIGSTOP makes a server that hangs.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Pid is the id of the process on the lab's machine.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Log gives what the process printed so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Logged waits until the process has printed text, within ten seconds.
func (p *Process) Logged(text string) error {
	return Within(10*time.Second, func() error {
		switch log := p.Log(); {
		case strings.Contains(log, text):
			return nil
		case !p.Running():
			return Stop(fmt.Errorf("%s ended: %s", p.label, log))
		default:
			return fmt.Errorf("%s does not say %q: %s", p.label, text, log)
		}
	})
}

// Stop ends the process: by SIGTERM, and after a second by SIGKILL.
func (p *Process) Stop() error {
	p.once.Do(func() {
		_ = p.Signal(unix.SIGTERM) // it may be gone
		_ = p.Signal(unix.SIGCONT)
		select {
		case <-p.done:
		case <-time.After(time.Second):
			_ = p.Signal(unix.SIGKILL)
			<-p.done
		}
	})
	return nil
}

// halt is an error that trying again will not mend.
type halt struct{ error }

// Stop marks an error for Within: trying again will not mend it.
func Stop(err error) error { return halt{err} }

// Within tries until f succeeds, or the time is over; then it gives the last error.
func Within(limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := f()
		var h halt
		switch {
		case err == nil:
			return nil
		case errors.As(err, &h):
			return h.error
		case time.Now().After(deadline):
			return fmt.Errorf("after %s: %w", limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ringOctets is the ring of the daemon, which the bare ring has too.
const ringOctets = 4 << 20

// hearing is a program that hears an interface, and says how much it heard.
type hearing interface {
	// pid is of the process whose CPU counts.
	pid() int
	// heard gives the packets that were delivered, and those that the kernel says
	// were dropped, once all have been taken in. The program may end with it.
	heard(ctx context.Context) (delivered, dropped int, err error)
	// stop ends the program. It may be called after heard.
	stop() error
}

// listener is a contender of the live part.
type listener struct {
	name, does string
	start      func(ctx context.Context, device string) (hearing, error)
}

// heard are the arguments with which traffic is made that a live capture hears all
// of: for as long as it is deaf for TCP, that has none.
var heard = []string{"-no-tcp"}

// live has programs hear the same packets, in turns, at a steady rate and at as
// many as the sender can send. Each run has two namespaces of its own and one
// cable between them.
func live(ctx context.Context, o options, t tools) (*Part, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("needs root, to make namespaces")
	}
	file := filepath.Join(t.dir, "live.pcap")
	truth, err := t.traffic(ctx, file, append(heard, "-packets", strconv.Itoa(o.sent))...)
	if err != nil {
		return nil, err
	}
	all := listeners(t)
	p := &Part{
		Title: "Live capture",
		About: fmt.Sprintf("%d packets from one network namespace to another, over a veth pair, at %d a second and at as many as the sender can send; %d rounds. The sender has a core, each contender another. The kernel does its part of a capture in the sender's time.",
			truth.Packets, steady, o.rounds),
		Rounds: o.rounds,
	}
	var runs []taken
	for round := range o.rounds {
		for _, rate := range []int{steady, 0} {
			for _, l := range all {
				fmt.Fprintf(os.Stderr, "live, round %d of %d, %s: %s\n", round+1, o.rounds, rateText(rate), l.name)
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				var x taken
				if err := inNamespace(func() (err error) { x, err = l.run(ctx, t, file, rate); return err }); err != nil {
					return nil, fmt.Errorf("%s: %w", l.name, err)
				}
				runs = append(runs, x)
			}
		}
	}
	for _, rate := range []int{steady, 0} {
		for _, l := range all {
			p.Runs = append(p.Runs, sumUp(l, rate, runs))
		}
	}
	for _, r := range p.Runs {
		for _, f := range r.unreported() {
			p.fault(f)
		}
	}
	p.Criteria = liveCriteria(p)
	return p, nil
}

func listeners(t tools) []listener {
	return []listener{
		{ours, fmt.Sprintf("the daemon, with %d names watched: captures, pairs, compares and judges", t.watched), t.startDaemon},
		{bare, "the daemon's own ring, and nothing behind it", t.startRing},
		{tcpdump, "tcpdump -w /dev/null, with its own buffer", startTcpdump},
	}
}

// unreported tells of what was lost in silence, which dnstaster must not do.
func (r Run) unreported() (faults []string) {
	if r.Name != ours && r.Name != bare {
		return nil
	}
	for i := range r.Sent {
		if err := compare([]count{{"reported as dropped", r.Dropped[i], r.Sent[i] - r.Delivered[i]}}); err != nil {
			faults = append(faults, fmt.Sprintf("%s, round %d: %v", r.Name, i+1, err))
		}
	}
	return faults
}

// taken is one run of a listener.
type taken struct {
	listener                 string
	rate                     int
	sent, delivered, dropped int
	seconds                  float64
	cpu, during              time.Duration // in all, and while packets were sent
	sender                   time.Duration
}

func sumUp(l listener, rate int, runs []taken) Run {
	r := Run{Name: l.name, Does: l.does, Rate: rate}
	var each, core, sender, reached []float64
	for _, x := range runs {
		if x.listener != l.name || x.rate != rate {
			continue
		}
		r.Sent, r.Delivered, r.Dropped = append(r.Sent, x.sent), append(r.Delivered, x.delivered), append(r.Dropped, x.dropped)
		each = append(each, float64(x.cpu.Nanoseconds())/1e3/float64(max(1, x.delivered)))
		core = append(core, x.during.Seconds()/x.seconds)
		sender = append(sender, float64(x.sender.Nanoseconds())/1e3/float64(x.sent))
		reached = append(reached, float64(x.sent)/x.seconds)
	}
	r.Microseconds, r.Core, r.Sender, r.Reached = median(each), median(core), median(sender), median(reached)
	return r
}

// Ends of the cable.
const (
	nearEnd = "bench0"
	farEnd  = "bench1"
)

// run has the listener hear what a sender sends. It is called in a namespace of
// its own.
func (l listener) run(ctx context.Context, t tools, file string, rate int) (taken, error) {
	x := taken{listener: l.name, rate: rate}
	s, err := t.startSender(file, rate)
	if err != nil {
		return x, err
	}
	h, err := l.start(ctx, nearEnd)
	if err != nil {
		return x, errors.Join(err, s.stop())
	}
	used := processCPU(h.pid())
	sent, err := s.send()
	if err == nil {
		x.during = processCPU(h.pid()) - used
		x.sent, x.seconds, x.sender = sent.Packets, sent.Seconds, time.Duration(sent.CPU*float64(time.Second))
		// What is still on its way belongs to the run.
		time.Sleep(500 * time.Millisecond)
		x.cpu = processCPU(h.pid()) - used
		x.delivered, x.dropped, err = h.heard(ctx)
	}
	return x, errors.Join(err, h.stop(), s.stop())
}

// inNamespace runs f in a new network namespace, in which the programs that it
// starts are too. It ends with the last of them.
func inNamespace(f func() error) error {
	done := make(chan error)
	go func() {
		// The thread is never unlocked: it ends with the goroutine, rather than
		// going back to others in the wrong namespace.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("network namespace: %w", err)
			return
		}
		// IPv6 says things by itself as an interface comes up, and what is heard is
		// counted.
		const quiet = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
		if err := os.WriteFile(quiet, []byte("1"), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			done <- err
			return
		}
		if err := ip("link", "set", "lo", "up"); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// pinned has a command run on the last core, or on all but that one, where there
// are two or more.
func pinned(last bool, argv ...string) *exec.Cmd {
	n := runtime.NumCPU()
	if n > 1 {
		cores := fmt.Sprintf("0-%d", n-2)
		if last {
			cores = strconv.Itoa(n - 1)
		}
		argv = append([]string{"taskset", "-c", cores}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// processCPU gives the CPU that a process has used, user and system, to the
// nanosecond; zero where there is no such process. The id of its clock is made as
// clock_getcpuclockid(3) makes it.
func processCPU(pid int) time.Duration {
	const scheduled = 2
	var ts unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|scheduled), &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// sending is a sender in a namespace of its own, which ends with it, and with that
// the cable to it.
type sending struct{ *child }

// startSender starts a sender, and lays a cable to it.
func (t tools) startSender(file string, rate int) (sending, error) {
	cmd := pinned(true, t.sender, "-interface", farEnd, "-rate", strconv.Itoa(rate), file)
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNET
	c, err := start(cmd)
	if err != nil {
		return sending{}, err
	}
	if err = c.ready(); err == nil {
		err = errors.Join(
			ip("link", "add", nearEnd, "type", "veth", "peer", "name", farEnd, "netns", strconv.Itoa(cmd.Process.Pid)),
			ip("link", "set", nearEnd, "up"),
		)
	}
	if err == nil {
		err = c.ready()
	}
	if err != nil {
		return sending{}, fmt.Errorf("sender: %w", errors.Join(err, c.stop()))
	}
	return sending{c}, nil
}

// sent is what a sender says at its end.
type sent struct {
	Packets      int
	Seconds, CPU float64
}

func (s sending) send() (sent, error) {
	var r sent
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		return r, err
	}
	return r, json.NewDecoder(s.out).Decode(&r)
}

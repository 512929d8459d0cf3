package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// child is a program of ours that is told when by what is written to it.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(cmd *exec.Cmd) (*child, error) {
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{cmd, in, bufio.NewReader(out)}, nil
}

// ready waits for it to say that it is.
func (c *child) ready() error {
	_, err := c.out.ReadString('\n')
	return err
}

// stop ends it.
func (c *child) stop() error {
	_ = c.in.Close() // it may be closed
	return c.cmd.Wait()
}

// ring is the bare ring.
type ring struct{ *child }

func (t tools) startRing(_ context.Context, device string) (hearing, error) {
	c, err := start(pinned(false, t.ring, device, strconv.Itoa(ringOctets)))
	if err != nil {
		return nil, err
	}
	if err := c.ready(); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return ring{c}, nil
}

func (r ring) pid() int { return r.cmd.Process.Pid }

func (r ring) heard(context.Context) (delivered, dropped int, err error) {
	if err := r.in.Close(); err != nil {
		return 0, 0, err
	}
	var s struct{ Packets, Lost int }
	err = json.NewDecoder(r.out).Decode(&s)
	return s.Packets, s.Lost, err
}

// dump is tcpdump.
type dump struct {
	cmd   *exec.Cmd
	ended bool
	says  bytes.Buffer
	rest  chan struct{} // closed when all that it says was read
}

// startTcpdump starts it, and waits for it to say that it listens.
func startTcpdump(_ context.Context, device string) (hearing, error) {
	d := &dump{cmd: pinned(false, "tcpdump", "-n", "-i", device, "-w", "/dev/null", "port", "53"), rest: make(chan struct{})}
	out, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		d.says.WriteString(line)
		if err != nil {
			return nil, fmt.Errorf("tcpdump: %w: %s", errors.Join(err, d.cmd.Wait()), d.says.String())
		}
		if strings.Contains(line, "listening on") {
			break
		}
	}
	go func() {
		defer close(d.rest)
		_, _ = d.says.ReadFrom(lines) // a broken pipe is its end
	}()
	return d, nil
}

func (d *dump) pid() int { return d.cmd.Process.Pid }

var (
	dumpCaptured = regexp.MustCompile(`(\d+) packets? captured`)
	dumpDropped  = regexp.MustCompile(`(\d+) packets? dropped by kernel`)
)

// heard ends it: only then does it say what it heard.
func (d *dump) heard(context.Context) (delivered, dropped int, err error) {
	if err := d.stop(); err != nil {
		return 0, 0, err
	}
	captured, lost := dumpCaptured.FindStringSubmatch(d.says.String()), dumpDropped.FindStringSubmatch(d.says.String())
	if captured == nil || lost == nil {
		return 0, 0, fmt.Errorf("tcpdump does not say what it heard: %s", d.says.String())
	}
	delivered, _ = strconv.Atoi(captured[1]) // digits, by the expression
	dropped, _ = strconv.Atoi(lost[1])
	return delivered, dropped, nil
}

func (d *dump) stop() error {
	if d.ended {
		return nil
	}
	d.ended = true
	err := d.cmd.Process.Signal(os.Interrupt)
	select {
	case <-d.rest:
	case <-time.After(10 * time.Second):
		err = errors.Join(err, errors.New("tcpdump does not end"), d.cmd.Process.Kill())
		<-d.rest
	}
	return errors.Join(err, d.cmd.Wait())
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dnstaster/dnstaster/lab/bench/traffic"
)

// watchedNames is how many of the names that are asked for the daemon watches:
// popular ones and others alike.
const watchedNames = 1000

// daemon is dnstaster as an operator runs it.
type daemon struct {
	cmd    *exec.Cmd
	client *http.Client
	log    string
}

// startDaemon starts it, and waits until it listens.
func (t tools) startDaemon(ctx context.Context, device string) (hearing, error) {
	dir, err := os.MkdirTemp(t.dir, "daemon-*")
	if err != nil {
		return nil, err
	}
	config, socket := filepath.Join(dir, "dnstaster.yaml"), filepath.Join(dir, "sock")
	if err := os.WriteFile(config, []byte(daemonConfig(dir, socket, device, t.watched)), 0o600); err != nil {
		return nil, err
	}
	d := &daemon{log: filepath.Join(dir, "log")}
	d.client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	out, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	d.cmd = pinned(false, t.dnstaster, "run", "--log-format", "text", "--config", config)
	d.cmd.Stdout, d.cmd.Stderr = out, out
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		s, err := d.status(ctx)
		if err == nil && len(s.Wire.Interfaces) > 0 {
			break
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(d.log)
			return nil, errors.Join(err, fmt.Errorf("it does not listen: %s%s", s.Wire.Error, text[:min(len(text), 2000)]), d.stop())
		}
	}
	d.settle()
	return d, nil
}

// settle waits until the daemon has asked for all names once, for a minute at
// most: what it does as it starts is not the cost of packets.
func (d *daemon) settle() {
	const idle = 10 * time.Millisecond // in a second
	for range 60 {
		used := processCPU(d.pid())
		time.Sleep(time.Second)
		if processCPU(d.pid())-used < idle {
			return
		}
	}
}

// daemonConfig has it watch names on the device, and ask as seldom as an operator
// may want: questions lead nowhere here.
func daemonConfig(dir, socket, device string, watched int) string {
	var s strings.Builder
	fmt.Fprintf(&s, "capture: {interfaces: [%s]}\nstorage: {path: %s}\ncontrol: {socket: %s}\nwatches:\n", device, filepath.Join(dir, "dnstaster.db"), socket)
	names := traffic.Names(traffic.Known)
	for i := range watched {
		fmt.Fprintf(&s, "- {name: %s, interval: 1h}\n", strings.TrimSuffix(names[i*len(names)/watched], "."))
	}
	return s.String()
}

// status is what the daemon says of itself, as far as it is looked at.
type status struct {
	Wire struct {
		Interfaces           []string
		Packets, Lost, Blind int
		Error                string
	}
	Counts struct{ Overheard, Conflicts, Dropped int }
}

func (d *daemon) status(ctx context.Context) (status, error) {
	var s status
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://dnstaster/v1/status", nil)
	if err != nil {
		return s, err
	}
	res, err := d.client.Do(req)
	if err != nil {
		return s, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return s, errors.New(res.Status)
	}
	return s, json.NewDecoder(res.Body).Decode(&s)
}

func (d *daemon) pid() int { return d.cmd.Process.Pid }

// heard waits until the counters stand still. That some of it was judged is part
// of what is measured.
func (d *daemon) heard(ctx context.Context) (delivered, dropped int, err error) {
	last := -1
	for range 20 {
		s, err := d.status(ctx)
		if err != nil {
			return 0, 0, err
		}
		if n := s.Wire.Packets + s.Wire.Lost; n == last {
			if s.Counts.Overheard == 0 {
				return 0, 0, errors.New("nothing of what it heard was judged")
			}
			return s.Wire.Packets, s.Wire.Lost, nil
		} else {
			last = n
		}
		time.Sleep(200 * time.Millisecond)
	}
	return 0, 0, errors.New("its counters do not stand still")
}

func (d *daemon) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return errors.Join(err, d.cmd.Wait())
	}
	late := time.AfterFunc(15*time.Second, func() { _ = d.cmd.Process.Kill() })
	defer late.Stop()
	return d.cmd.Wait()
}

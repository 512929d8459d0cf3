//go:build lab

package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// daemon is a dnstaster that runs on the client.
type daemon struct {
	client *control.Client
	dir    string
	log    string
	cmd    *exec.Cmd
	done   chan error
}

// startDaemon starts the daemon on the client, and returns when it answers.
func startDaemon(w *world.World, c *Case, more ...string) (*daemon, error) {
	d := &daemon{dir: w.Path("daemon"), done: make(chan error, 1)}
	d.log = filepath.Join(d.dir, "log")
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"url": "http://" + world.OpsAddr + ":9099/hook", "secret": sinkSecret, filepath.Base(d.hurry()): "",
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	d.client = control.NewClient(filepath.Join(d.dir, "sock"), time.Second)
	if err := d.configure(w, c); err != nil {
		return nil, err
	}
	return d, d.start(w, c, more...)
}

// configure writes the configuration.
func (d *daemon) configure(w *world.World, c *Case) error {
	for name, text := range c.Config.Files {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(d.config(), []byte(c.Config.yaml(d.dir, w)), 0o600)
}

func (d *daemon) config() string { return filepath.Join(d.dir, "dnstaster.yaml") }

// start starts the daemon on what there is in its directory, its store too.
func (d *daemon) start(w *world.World, c *Case, more ...string) error {
	argv := []string{binary, "run", "--log-format", "text", "--log-level", logLevel, "--config", d.config()}
	if c.Wrap != nil {
		argv = c.Wrap(argv)
	}
	d.cmd = w.Client().Command(context.Background(), argv[0], argv[1:]...)
	out, err := os.Create(d.log)
	if err != nil {
		return err
	}
	defer out.Close()
	d.cmd.Stdout, d.cmd.Stderr = out, out
	d.cmd.Env = append(os.Environ(), "DNSTASTER_LAB_OFF="+strings.Join(c.Off, ","), "DNSTASTER_LAB_HURRY="+d.hurry())
	d.cmd.Env = append(append(d.cmd.Env, c.Env...), more...)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return err
	}
	go func() { d.done <- d.cmd.Wait() }()
	return within(30*time.Second, func() error {
		select {
		case err := <-d.done:
			d.done <- err
			return world.Stop(fmt.Errorf("the daemon ended: %w: %s", err, d.text()))
		default:
		}
		_, err := d.status()
		return err
	})
}

func (d *daemon) text() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (d *daemon) status() (monitor.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return d.client.Status(ctx)
}

// stop has the daemon end, as systemd would.
func (d *daemon) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-d.done:
		if err != nil {
			return fmt.Errorf("the daemon ended with: %w: %s", err, d.text())
		}
	case <-time.After(5 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
		return fmt.Errorf("the daemon did not stop within 5 s: %s", d.text())
	}
	if log := d.text(); strings.Contains(log, "panic") {
		return fmt.Errorf("the daemon panicked: %s", log)
	}
	return nil
}

// verdict gives the verdict of a name, and why where it is unknown.
func (d *daemon) verdict(name string) (Verdict, monitor.Cause, error) {
	s, err := d.status()
	if err != nil {
		return "", "", err
	}
	for _, w := range s.Watches {
		if strings.TrimSuffix(w.Name, ".") != name {
			continue
		}
		for _, q := range w.Types {
			if q.Verdict == w.Verdict {
				return w.Verdict, q.Cause, nil
			}
		}
		return w.Verdict, "", nil
	}
	return "", "", fmt.Errorf("%s is not watched", name)
}

// awaitVerdict waits until the name has the verdict.
func (d *daemon) awaitVerdict(name string, want Verdict, why monitor.Cause, limit time.Duration) error {
	return within(limit, func() error {
		v, cause, err := d.verdict(name)
		if err == nil && (v != want || why != "" && cause != why) {
			err = fmt.Errorf("%s is %s %s, want %s %s", name, v, cause, want, why)
		}
		return err
	})
}

// hurry is a file that has the daemon ask witnesses so often that names are soon
// learnt; see cmd/dnstaster.
func (d *daemon) hurry() string { return filepath.Join(d.dir, "hurry") }

// learn waits until every name is learnt: in rounds with witnesses, over the lab's
// time of learning. From then on witnesses are asked as seldom as the profile says.
func (d *daemon) learn() error {
	s, err := d.status()
	if err != nil {
		return err
	}
	time.Sleep(time.Until(s.Started.Add(max(timing.Learning, timing.HistorySpan) + 5*time.Second)))
	if err := os.Remove(d.hurry()); err != nil {
		return err
	}
	return d.reload()
}

// slow has the daemon go on at the timing of production.
func (d *daemon) slow(w *world.World, c *Case) error {
	if err := d.stop(); err != nil {
		return err
	}
	text, err := os.ReadFile(d.config())
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.config(), []byte(strings.Replace(string(text), labTiming, "", 1)), 0o600); err != nil {
		return err
	}
	return d.start(w, c)
}

// reload has the daemon read its configuration anew.
func (d *daemon) reload() error {
	s, err := d.status()
	if err != nil {
		return err
	}
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return within(10*time.Second, func() error {
		now, err := d.status()
		if err == nil && !now.Config.Loaded.After(s.Config.Loaded) {
			err = fmt.Errorf("the daemon does not reload: %s", now.Config.Error)
		}
		return err
	})
}

// answered reports whether this host's own path gave the address for the name.
func (d *daemon) answered(name, addr string) error {
	return within(10*time.Second, func() error {
		for _, kind := range []monitor.Type{monitor.TypeA, monitor.TypeAAAA} {
			is, err := d.client.History(context.Background(), monitor.HistoryQuery{Name: name + ".", Type: kind})
			if err != nil {
				return err
			}
			for _, i := range is {
				for _, r := range i.Records {
					if r.Data == addr {
						return nil
					}
				}
			}
		}
		return fmt.Errorf("%s was never answered with %s: the cause did not reach this host", name, addr)
	})
}

// logLevel is that of the daemon's log, which a case that fails shows the end of.
var logLevel = cmp.Or(os.Getenv("DNSTASTER_LAB_LOG"), "info")

//go:build lab

package world_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
)

// TestStand builds a world and keeps it standing until it is killed, for
// TestLeavesNothing.
func TestStand(t *testing.T) {
	if os.Getenv("DNSTASTER_LAB_STAND") == "" {
		return
	}
	w, err := world.New("stand")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("standing", w.Name())
	time.Sleep(time.Minute)
	os.Exit(3)
}

// TestLeavesNothing ends a lab in the ways that nobody plans: an interrupt at the
// keyboard, and a crash. Nothing that it started or made may be left.
func TestLeavesNothing(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"interrupt": syscall.SIGINT, "crash": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			mounts := mountsNow(t)
			cmd := exec.Command("/proc/self/exe", "-test.run", "^TestStand$")
			// A lab in the lab: its first stage is to begin anew.
			cmd.Env = append(os.Environ(), "DNSTASTER_LAB_STAGE=", "DNSTASTER_LAB_STAND=1")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			up := false
			for s := bufio.NewScanner(out); !up && s.Scan(); {
				up = strings.HasPrefix(s.Text(), "standing")
			}
			if !up {
				t.Fatalf("it did not come up: %v", cmd.Wait())
			}
			started := descendants(t, cmd.Process.Pid)
			if len(started) < 15 {
				t.Fatalf("only %d processes belong to it", len(started))
			}
			if signal == syscall.SIGINT {
				err = syscall.Kill(-cmd.Process.Pid, signal) // as a terminal does
			} else {
				err = cmd.Process.Kill()
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if err := world.Within(5*time.Second, func() error {
				for _, pid := range started {
					if text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")); err == nil && !strings.Contains(string(text), ") Z ") {
						return fmt.Errorf("still there: %s", text)
					}
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			if left, err := filepath.Glob("/run/netns/stand-*"); err != nil || len(left) > 0 {
				t.Errorf("namespaces are left: %v %v", left, err)
			}
			if now := mountsNow(t); now != mounts {
				t.Errorf("mounts are left: %s", now)
			}
		})
	}
}

func mountsNow(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// descendants gives every process below one.
func descendants(t *testing.T, pid int) (all []int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range tasks {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		for _, f := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(append(all, child), descendants(t, child)...)
		}
	}
	return all
}

// TestNoWayOut has packets to addresses that are not the world's go nowhere, from
// a host of it and from beside all hosts.
func TestNoWayOut(t *testing.T) {
	w, err := world.New("out")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, addr := range []string{"192.0.2.1:80", "8.8.8.8:53"} {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			t.Errorf("%s answers", addr)
		} else if !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("%s: %v, want no route", addr, err)
		}
		if c, err := w.Client().Dial("tcp", addr); err == nil {
			c.Close()
			t.Errorf("%s answers the client", addr)
		}
	}
}

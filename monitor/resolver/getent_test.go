package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

var ownPath = monitor.Resolver{Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.System}

var questionAAAA = monitor.Question{Name: question.Name, Type: monitor.TypeAAAA}

func TestParseAhosts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"one", "192.0.2.1       STREAM api.partner.example\n192.0.2.1       DGRAM  \n192.0.2.1       RAW    \n", "192.0.2.1"},
		{"in their order", "2001:db8::1     STREAM a\n2001:db8::1     DGRAM\n192.0.2.2 STREAM\n192.0.2.1 STREAM\n192.0.2.2 RAW\n", "2001:db8::1 192.0.2.2 192.0.2.1"},
		{"no last line end", "192.0.2.1 STREAM a", "192.0.2.1"},
		{"IPv4 written as IPv6", "::ffff:192.0.2.1 STREAM a\n192.0.2.1 STREAM\n", "192.0.2.1"},
		{"on a link", "fe80::1%eth0 STREAM a\n", "fe80::1"},
		{"nothing", "", ""},
		{"an empty line", "\n", `getent says ""`},
		{"no kind", "192.0.2.1\n", `getent says "192.0.2.1"`},
		{"another kind", "192.0.2.1 api.partner.example\n", `getent says "192.0.2.1 api.partner.example"`},
		{"no address", "api.partner.example STREAM\n", `getent says "api.partner.example"`},
		{"escapes", "\x1b[31m STREAM\n", `getent says "\x1b[31m"`},
	} {
		addrs, err := parseAhosts([]byte(tt.in))
		got := strings.Trim(fmt.Sprint(addrs), "[]")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: parseAhosts = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzParseAhosts(f *testing.F) {
	f.Add([]byte("192.0.2.1 STREAM a\n::ffff:192.0.2.1 DGRAM\nfe80::1%lo RAW\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		addrs, err := parseAhosts(out)
		seen := map[netip.Addr]bool{}
		for _, a := range addrs {
			if !a.IsValid() || a.Is4In6() || a.Zone() != "" || seen[a] {
				t.Errorf("%q gives %v", out, addrs)
			}
			seen[a] = true
		}
		if len(addrs) > maxRecords || err != nil && len(err.Error()) > 500 {
			t.Errorf("%d addresses, error %v", len(addrs), err)
		}
	})
}

// program writes a shell script that stands for getent(1).
func program(t testing.TB, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "getent")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	// A process that forks right now holds the file open for writing, and then
	// it cannot be run yet.
	waitFor(t, "the script to be runnable", func() bool { return exec.Command(path, "try").Run() == nil })
	return path
}

const tryOut = `test "$1" = try && exit 0` + "\n"

// TestSystemWrong has a getent(1) that does what it should not.
func TestSystemWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, script, want string }{
		{"nothing", "exit 2", ""},
		{"nothing, without a word", "exit 0", ""},
		{"an error", "exit 3", "error: getent: exit status 3"},
		{"killed", "kill -9 $$", "error: getent: signal: killed"},
		{"something else", "echo 203.0.113.66", `error: getent says "203.0.113.66"`},
		{"half of it", "echo 192.0.2.1 STREAM a; exit 1", "error: getent: exit status 1"},
		{"without end", "while :; do echo 203.0.113.66 STREAM a; done", "error: getent says more than 64 KiB"},
		{"hangs", "exec sleep 600", "timeout"},
		{"hangs, with a child", "sleep 600; true", "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asker := newAsker(t, Config{Getent: program(t, tryOut+tt.script), Timeout: 500 * time.Millisecond})
			for range 2 {
				o := asker.Ask(t.Context(), ownPath, question)
				if o.Error != tt.want || len(o.Records) > 0 || o.Rcode != "" {
					t.Errorf("observation %+v, want the error %q", o, tt.want)
				}
				if o.Canon(question).Content != monitor.None {
					t.Error("it says something")
				}
			}
		})
	}
	asker := newAsker(t, Config{Getent: "/nowhere/getent"})
	wantError(t, asker.Ask(t.Context(), ownPath, question), "error: no such file or directory")
	wantError(t, asker.Ask(t.Context(), ownPath, monitor.Question{Name: question.Name, Type: monitor.TypeMX}), "error: the system's lookup gives addresses only")
	for _, name := range []string{"-s.example.", "a b.example.", "a;b.example.", `a\046b.example.`, "ä.example.", "."} {
		if o := asker.Ask(t.Context(), ownPath, monitor.Question{Name: name, Type: monitor.TypeA}); !strings.HasPrefix(o.Error, "error: no application asks for") {
			t.Errorf("%q: Error = %q", name, o.Error)
		}
	}
}

// TestSystemShared asks for both families at once, which is one process, and
// gives up on it, which spoils nothing for the other.
func TestSystemShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	asker := newAsker(t, Config{Timeout: time.Minute, Getent: program(t, tryOut+`echo "$*" >>`+dir+`/ran
while ! test -e `+dir+`/go; do sleep 0.01; done
echo 192.0.2.1 STREAM a; echo 2001:db8::1 STREAM a`)})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	got := make([]monitor.Observation, 3)
	for i, q := range []monitor.Question{question, questionAAAA, question} {
		wg.Go(func() {
			if i == 2 {
				got[i] = asker.Ask(ctx, ownPath, q)
			} else {
				got[i] = asker.Ask(t.Context(), ownPath, q)
			}
		})
	}
	waitFor(t, "the process", func() bool { _, err := os.Stat(dir + "/ran"); return err == nil })
	cancel()
	waitFor(t, "who gave up", func() bool { return only(t, asker).Errors["canceled"] == 1 })
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	wantAnswer(t, got[0], "192.0.2.1")
	wantAnswer(t, got[1], "2001:db8::1")
	wantError(t, got[2], "canceled")
	ran, err := os.ReadFile(dir + "/ran")
	if want := "ahosts api.partner.example\n"; err != nil || string(ran) != want {
		t.Errorf("ran %q, %v, want %q once", ran, err, want)
	}
	if s := only(t, asker); s.Queries != 1 || s.Answers["noerror"] != 2 {
		t.Errorf("Stats() = %+v, want 1 query, 2 answers", s)
	}
}

// TestSystemClose closes an Asker while processes run and others wait for their turn.
func TestSystemClose(t *testing.T) {
	t.Parallel()
	asker := New(Config{Timeout: time.Hour, Getent: program(t, tryOut+"exec sleep 600")}, discard)
	var wg sync.WaitGroup
	for i := range 2 * maxGetents {
		wg.Go(func() {
			q := monitor.Question{Name: fmt.Sprintf("h%d.example.", i), Type: monitor.TypeA}
			wantError(t, asker.Ask(context.WithoutCancel(t.Context()), ownPath, q), "canceled: the asker is closed")
		})
	}
	waitFor(t, "all slots to be taken", func() bool { return len(asker.getents) == maxGetents && only(t, asker).Queries == 2*maxGetents })
	asker.Close()
	wg.Wait()
	if len(asker.getents)+len(asker.lookups) != 0 {
		t.Errorf("left: %d processes, %d lookups", len(asker.getents), len(asker.lookups))
	}
	wantError(t, asker.Ask(t.Context(), ownPath, question), "canceled: the asker is closed")
}

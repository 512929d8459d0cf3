package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestScript runs the command line as people and programs do: testdata/script
// holds what is typed, what is answered and how it ends. Each script has a world
// of its own on loopback, with the configuration of a daemon that lives in it.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "json": cmdJSON, "jsonlines": cmdJSONLines, "field": cmdField, "await": cmdAwait,
			"answer": cmdAnswer, "daemon": cmdDaemon, "fits": cmdFits,
		},
	})
}

// scriptWorld is what a script's daemon asks and tells.
type scriptWorld struct {
	resolvers []*demoResolver
	stop      func() error // of the daemon; nil while none runs
}

type worldKey struct{}

func setupScript(env *testscript.Env) error {
	// A socket's path must be short, and a work directory's may be long.
	short, err := os.MkdirTemp("", "dts-")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(short) })
	ctx, cancel := context.WithCancel(context.Background())
	s := &servers{ctx: ctx}
	env.Defer(func() { cancel(); s.wg.Wait() })
	w := &scriptWorld{}
	env.Values[worldKey{}] = w
	env.Defer(func() {
		if w.stop != nil {
			w.stop()
		}
	})
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	genuine, err := ca.issue("api.partner.example")
	if err != nil {
		return err
	}
	other, err := ca.issue("parked.example")
	if err != nil {
		return err
	}
	right, wrong, port, err := listenBoth(netip.MustParseAddr(demoTrue), netip.MustParseAddr(demoFalse))
	if err != nil {
		return err
	}
	var p partner
	p.serve(s, right, genuine)
	p.serve(s, wrong, other)
	var b strings.Builder
	fmt.Fprintf(&b, "watches:\n  - name: api.partner.example\n    types: [A]\n    owner: payments\n    secret_names: [PARTNER_API_KEY]\n")
	fmt.Fprintf(&b, "    tls: {port: %d}\n    expect: {addresses: [%s]}\nresolvers:\n", port, demoTrue)
	for i, name := range []string{"alpha", "bravo", "charlie"} {
		r := &demoResolver{name: name, tlsName: "dns." + name + ".example"}
		r.remember(netip.MustParseAddr(demoTrue), demoTTL)
		cert, err := ca.issue(r.tlsName)
		if err != nil {
			return err
		}
		if err := s.serve(r, netip.AddrFrom4([4]byte{127, 0, 4, byte(i + 1)}), cert); err != nil {
			return err
		}
		w.resolvers = append(w.resolvers, r)
		fmt.Fprintf(&b, "  - {name: %s, address: \"%s\", transport: dot, tls_name: %s}\n", name, r.tl, r.tlsName)
	}
	hook, err := s.receive(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	if err != nil {
		return err
	}
	gone, err := s.receive(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	if err != nil {
		return err
	}
	// Somebody is there, and never says a word.
	mute, err := net.ListenPacket("udp", "127.0.4.9:0")
	if err != nil {
		return err
	}
	env.Defer(func() { mute.Close() })
	silent := fmt.Sprintf("resolvers: [{name: mute, address: \"%s\", transport: udp}]\ntiming: {profile: lab}\n", mute.LocalAddr())
	socket := filepath.Join(short, "sock")
	fmt.Fprintf(&b, "capture: {enabled: false}\nstorage: {path: %s}\ncontrol: {socket: %s}\n", filepath.Join(short, "store.db"), socket)
	fmt.Fprintf(&b, "webhooks:\n  - {name: ops, url_file: ops.url, secret_file: ops.secret}\n  - {name: gone, url_file: gone.url, secret_file: ops.secret}\n")
	fmt.Fprintf(&b, "tls: {roots: [ca.pem]}\nspecial_purpose: {exempt: [127.0.0.0/8]}\ntiming: {profile: lab}\n")
	env.Setenv("SOCK", socket)
	env.Setenv("OWN", w.resolvers[0].plain.String())
	// A runner of CI: the same resolvers, or only its own, and nothing declared.
	runner := fmt.Sprintf("tls: {roots: [ca.pem]}\nspecial_purpose: {exempt: [127.0.0.0/8]}\ntiming: {profile: lab}\nwatches: [{name: api.partner.example, types: [A], tls: {port: %d}}]\n", port)
	witnessed := runner + "resolvers:\n  - system\n"
	for _, r := range w.resolvers {
		witnessed += fmt.Sprintf("  - {name: %s, address: \"%s\", transport: dot, tls_name: %s}\n", r.name, r.tl, r.tlsName)
	}
	for name, text := range map[string]string{
		"daemon.yaml": b.String(), "ca.pem": string(ca.pem()), "ops.url": hook, "ops.secret": killSecret,
		"gone.url": gone, "silent.yaml": silent, "runner.yaml": runner, "witnessed.yaml": witnessed,
	} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// exits N COMMAND…: the command ends with this status.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits status command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var ee *exec.ExitError
	switch {
	case errors.As(err, &ee):
		got = ee.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%s ends with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// json: standard output of the last command is one JSON document.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: json")
	}
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("standard output is not one JSON document: %v", err)
	}
}

// jsonlines: every line of standard output is a JSON document; there is one.
func cmdJSONLines(ts *testscript.TestScript, neg bool, args []string) {
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	for line := range strings.SplitSeq(text, "\n") {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			ts.Fatalf("a line is not a JSON document: %v: %s", err, line)
		}
	}
}

// field VAR KEY…: sets a variable to what stands under the keys, or indices, in
// the JSON on standard output.
func cmdField(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: field variable key...")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for _, key := range args[1:] {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			ts.Check(err)
			if i >= len(x) {
				ts.Fatalf("there are %d, and no %d", len(x), i)
			}
			v = x[i]
		}
	}
	if v == nil {
		ts.Fatalf("nothing is at %s", strings.Join(args[1:], "."))
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// awaitLimit is for machines that have much else to do.
const awaitLimit = time.Minute

// await PATTERN COMMAND…: runs the command until its standard output matches.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await pattern command...")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), awaitLimit)
	defer cancel()
	for {
		// How it ends is not what is waited for, and the log is spared each try.
		cmd := exec.CommandContext(ctx, args[1], args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")}
		out, _ := cmd.Output()
		if pattern.Match(out) {
			return
		}
		if !sleep(ctx, 100*time.Millisecond) {
			ts.Fatalf("%s never said %q, at last: %s", strings.Join(args[1:], " "), args[0], out)
		}
	}
}

// daemon start|stop: runs the daemon proper on daemon.yaml. It runs in this
// process because what it takes for this host's own resolver is alpha: the real
// one is not on loopback, and resolv.conf holds no ports.
func cmdDaemon(ts *testscript.TestScript, neg bool, args []string) {
	w := ts.Value(worldKey{}).(*scriptWorld)
	switch {
	case !neg && len(args) == 1 && args[0] == "start" && w.stop == nil:
		var err error
		w.stop, err = startDaemon(ts.MkAbs("daemon.yaml"), w.resolvers[0])
		ts.Check(err)
	case !neg && len(args) == 1 && args[0] == "stop" && w.stop != nil:
		stop := w.stop
		w.stop = nil
		ts.Check(stop())
	default:
		ts.Fatalf("usage: daemon start|stop")
	}
}

func startDaemon(path string, own *demoResolver) (stop func() error, err error) {
	c, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	mc, err := c.monitorConfig()
	if err != nil {
		return nil, err
	}
	mc.System = func() ([]monitor.Resolver, error) {
		return []monitor.Resolver{{Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.UDP, Addr: own.plain}}, nil
	}
	log := slog.New(slog.DiscardHandler)
	s, err := newSenses(c, mc.Exempt, log)
	if err != nil {
		return nil, err
	}
	d, err := newDaemon(c, mc, s, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- d.run(ctx) }()
	// An endpoint without a cursor begins at the end of the log, wherever that is
	// when it comes to it: nothing may happen before.
	limit, done := context.WithTimeout(ctx, awaitLimit)
	defer done()
	for _, k := range d.parts.Load().desks {
		for known := false; !known; {
			if _, known, err = d.store.Cursor(limit, k.Stats().Endpoint); err != nil || !known && !sleep(limit, time.Millisecond) {
				cancel()
				return nil, errors.Join(err, limit.Err(), <-ran, d.close())
			}
		}
	}
	return func() error {
		cancel()
		return errors.Join(<-ran, d.close())
	}, nil
}

// answer ADDRESS: what every resolver gives from now on.
func cmdAnswer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answer address")
	}
	a, err := netip.ParseAddr(args[0])
	ts.Check(err)
	for _, r := range ts.Value(worldKey{}).(*scriptWorld).resolvers {
		r.remember(a, demoTTL)
	}
}

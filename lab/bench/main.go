package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/bench/traffic"
)

// Where results are kept, seen from the root of the module.
const (
	resultsFile = "lab/bench/results.json"
	pageFile    = "docs/performance.md"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	pass, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !pass {
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	only    []string
	rounds  int
	packets int // replayed
	sent    int // live, in each run
	write   bool
}

func run(ctx context.Context, args []string) (pass bool, err error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := f.String("only", "replay,live", "parts that are run")
	f.IntVar(&o.rounds, "rounds", 5, "how often each contender has its turn")
	f.IntVar(&o.packets, "packets", 1_000_000, "packets that are replayed")
	f.IntVar(&o.sent, "sent", 400_000, "packets that are sent in each live run")
	f.BoolVar(&o.write, "write", false, "write "+pageFile+" and "+resultsFile)
	if err := f.Parse(args); err != nil {
		return false, err
	}
	o.only = strings.Split(*only, ",")
	parts := []struct {
		name string
		run  func(context.Context, options, tools) (*Part, error)
	}{{"replay", replay}, {"live", live}}
	for _, name := range o.only {
		if name != "replay" && name != "live" {
			return false, fmt.Errorf("-only: %q: want replay or live", name)
		}
	}
	if o.rounds < 1 || o.packets < 1 || o.sent < 1 || f.NArg() > 0 {
		return false, errors.New("want rounds and packets, and no arguments")
	}
	dir, err := os.MkdirTemp("", "dnstaster-bench-*")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	t, err := build(ctx, dir)
	if err != nil {
		return false, err
	}
	results := Results{}
	if o.write {
		if results, err = readResults(resultsFile); err != nil {
			return false, err
		}
	}
	pass = true
	for _, p := range parts {
		if !slices.Contains(o.only, p.name) {
			continue
		}
		m := machine()
		if m.busy() {
			fmt.Fprintf(os.Stderr, "bench: others are at work here (load %s): only ratios count\n", m.Load)
		}
		part, err := p.run(ctx, o, t)
		if err != nil {
			return false, fmt.Errorf("%s: %w", p.name, err)
		}
		part.Machine, part.At = m, time.Now().UTC().Truncate(time.Second)
		part.text(os.Stdout)
		results[p.name] = part
		pass = pass && part.pass()
	}
	if o.write {
		err = results.write()
	}
	return pass, err
}

// tools are the programs of ours that a run takes.
type tools struct {
	dir                                      string // where they are, and where more may be written
	dnstaster, generate, naive, ring, sender string
	watched                                  int // names, by the daemon
}

// build builds them as the README says.
func build(ctx context.Context, dir string) (tools, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", dir+"/", "./cmd/dnstaster", "./lab/bench/generate", "./lab/bench/naive", "./lab/bench/ring", "./lab/bench/sender")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return tools{}, fmt.Errorf("build: %w\n%s", err, out)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	return tools{dir, at("dnstaster"), at("generate"), at("naive"), at("ring"), at("sender"), watchedNames}, nil
}

// traffic writes a capture, in a process of its own: what a process holds as it
// starts another is counted as that one's peak.
func (t tools) traffic(ctx context.Context, file string, args ...string) (truth traffic.Truth, err error) {
	cmd := exec.CommandContext(ctx, t.generate, append(args, file)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return truth, fmt.Errorf("generate: %w", err)
	}
	return truth, json.Unmarshal(out, &truth)
}

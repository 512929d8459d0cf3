package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fuzzing is how the targets are to be run.
type fuzzing struct {
	each, all time.Duration
	parallel  int
	picked    *regexp.Regexp
}

// target is a fuzz target of the module.
type target struct {
	dir      string // of its package, from the root of the module
	function string
}

// String names it as the book does.
func (t target) String() string { return filepath.ToSlash(t.dir) + " " + t.function }

// fuzz runs targets, the one with the fewest minutes first. A finding ends
// neither the others nor well.
func fuzz(ctx context.Context, f fuzzing) error {
	all, err := targets(".")
	if err != nil {
		return err
	}
	var names []string
	byName, waiting := map[string]target{}, []string(nil)
	for _, t := range all {
		names = append(names, t.String())
		byName[t.String()] = t
		if f.picked.MatchString(t.String()) {
			waiting = append(waiting, t.String())
		}
	}
	if len(waiting) == 0 {
		return fmt.Errorf("no target is called %s", f.picked)
	}
	tmp, err := os.MkdirTemp("", "dnstaster-fuzz-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	var failed []error
	for end := time.Now().Add(f.all); len(waiting) > 0 && ctx.Err() == nil; {
		each := f.each
		if f.all > 0 {
			if each = min(each, time.Until(end)); each < time.Second {
				break
			}
		}
		var name string
		if err := change(func(b *book) { b.targets(names); name = b.least(waiting) }); err != nil {
			return err
		}
		fmt.Printf("== %s\n", name)
		r, err := f.run(ctx, byName[name], each, tmp)
		if ctx.Err() != nil {
			break // cut off: neither a finding nor a time that was agreed
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		} else if err := change(func(b *book) { b.add(name, r, time.Now()) }); err != nil {
			return err
		}
		if f.all == 0 || err != nil {
			waiting = slices.DeleteFunc(waiting, func(s string) bool { return s == name })
		}
	}
	return errors.Join(failed...)
}

// run fuzzes one target. The test is built before, so that its time is its own.
func (f fuzzing) run(ctx context.Context, t target, each time.Duration, tmp string) (ran, error) {
	binary := filepath.Join(tmp, strings.ReplaceAll(filepath.ToSlash(t.dir), "/", "-")+".test")
	if _, err := os.Stat(binary); err != nil {
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-fuzz", ".", "-o", binary, "./"+filepath.ToSlash(t.dir))
		if out, err := cmd.CombinedOutput(); err != nil {
			return ran{}, fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	cache, err := cacheOf(ctx, t.dir)
	if err != nil {
		return ran{}, err
	}
	// Making an interesting input smaller may take a minute by default, in which
	// nothing is tried.
	cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.fuzz=^"+t.function+"$", "-test.fuzztime="+each.String(),
		"-test.fuzzminimizetime=1s", "-test.parallel="+strconv.Itoa(f.parallel), "-test.fuzzcachedir="+cache)
	cmd.Dir = t.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var out bytes.Buffer
	cmd.Stdout = io.MultiWriter(os.Stdout, &out)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		return ran{}, err
	}
	r, err := readRun(&out)
	use := cmd.ProcessState.SysUsage().(*syscall.Rusage) // of its workers too, which it has waited for
	r.cpu = time.Duration(use.Utime.Nano() + use.Stime.Nano())
	return r, err
}

// cacheOf is where go test keeps the inputs that it found for a package.
func cacheOf(ctx context.Context, dir string) (string, error) {
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return "", err
	}
	path, err := exec.CommandContext(ctx, "go", "list", "./"+filepath.ToSlash(dir)).Output()
	if err != nil {
		return "", err
	}
	return filepath.Join(strings.TrimSpace(string(cache)), "fuzz", strings.TrimSpace(string(path))), nil
}

// targets finds every fuzz target below a directory.
func targets(root string) ([]target, error) {
	declared := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)
	var all []target
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch base := filepath.Base(path); {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(base, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		for _, m := range declared.FindAllSubmatch(text, -1) {
			all = append(all, target{dir, string(m[1])})
		}
		return err
	})
	return all, err
}

// ran is what a run of a target came to.
type ran struct {
	cpu     time.Duration
	elapsed time.Duration // by the clock
	newest  time.Duration // when in it an input was last found to be new
	execs   int64
	began   int // inputs of the corpus at the beginning
	found   int // and how many came to it
}

// quiet is how much of the CPU was spent after the last news.
func (r ran) quiet() time.Duration {
	if r.elapsed <= 0 {
		return 0
	}
	return time.Duration(float64(r.cpu) * float64(r.elapsed-r.newest) / float64(r.elapsed))
}

var progress = regexp.MustCompile(`^fuzz: elapsed: (\S+), execs: (\d+) \(\d+/sec\), new interesting: (\d+) \(total: (\d+)\)`)

// readRun reads the lines that a fuzz test writes every three seconds. They are
// not part of what Go promises: where there are none, that is an error.
func readRun(out io.Reader) (ran, error) {
	var r ran
	lines := 0
	for s := bufio.NewScanner(out); s.Scan(); {
		m := progress.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		lines++
		at, err := time.ParseDuration(m[1])
		if err != nil {
			return ran{}, err
		}
		found, _ := strconv.Atoi(m[3]) // digits, by the expression
		total, _ := strconv.Atoi(m[4])
		r.execs, _ = strconv.ParseInt(m[2], 10, 64)
		if found > r.found {
			r.newest = at
		}
		r.elapsed, r.found, r.began = at, found, total-found
	}
	if lines == 0 {
		return ran{}, errors.New("the test does not say how far it came")
	}
	return r, nil
}

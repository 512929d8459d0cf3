package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// page is where the book is kept, seen from the root of the module.
const page = "docs/ledger.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("want fuzz or soak")
	}
	switch args[0] {
	case "fuzz":
		f := flag.NewFlagSet("fuzz", flag.ContinueOnError)
		each := f.Duration("time", time.Minute, "how long a target is run at a time")
		all := f.Duration("for", 0, "how long targets are run in all; 0 stands for each once")
		parallel := f.Int("parallel", 1, "inputs that are tried at the same time")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		if f.NArg() > 1 {
			return fmt.Errorf("%d arguments, want at most one, which picks targets", f.NArg())
		}
		picked, err := regexp.Compile(f.Arg(0))
		if err != nil {
			return err
		}
		return fuzz(ctx, fuzzing{each: *each, all: *all, parallel: *parallel, picked: picked})
	case "soak":
		if len(args) < 4 {
			return errors.New("soak: want a name, a time and a command")
		}
		d, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		return soak(ctx, args[1], d, args[3:])
	}
	return fmt.Errorf("%q: want fuzz or soak", args[0])
}

// soak runs a command that works for the time that it was told to, and adds that.
func soak(ctx context.Context, name string, d time.Duration, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return change(func(b *book) { b.soaked(name, d, time.Now()) })
}

// change reads the book, and writes it again as a whole.
func change(do func(*book)) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	b, err := readBook(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	do(b)
	return os.WriteFile(page, []byte(b.String()), 0o644)
}

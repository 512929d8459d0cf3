package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// contender is a program that reads a capture.
type contender struct {
	name    string
	does    string
	argv    []string
	packets int // that it reads
	check   func(output string) error
}

// turn is what one run of a contender took.
type turn struct {
	cpu    time.Duration // user and system
	peak   int64         // resident octets
	output string        // file with its standard output
}

// takeTurn runs the contender once. Its output is kept in a file: it is read
// when all have had their turns, lest our own memory be counted as theirs.
func (c contender) takeTurn(ctx context.Context, output string) (turn, error) {
	out, err := os.Create(output)
	if err != nil {
		return turn{}, err
	}
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Stdout = out
	complaints, err := os.Create(output + ".err")
	if err != nil {
		return turn{}, errors.Join(err, out.Close())
	}
	cmd.Stderr = complaints
	err = cmd.Run()
	if err := errors.Join(err, out.Close(), complaints.Close()); err != nil {
		text, _ := os.ReadFile(output + ".err")
		return turn{}, fmt.Errorf("%s: %w: %s", c.name, err, text[max(0, len(text)-1000):])
	}
	use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return turn{time.Duration(use.Utime.Nano() + use.Stime.Nano()), use.Maxrss << 10, output}, nil
}

// median gives the one in the middle, the lower of two.
func median[T float64 | time.Duration](values []T) T {
	return slices.Sorted(slices.Values(values))[(len(values)-1)/2]
}

// row sums up the turns of a contender.
func (c contender) row(turns []turn) Row {
	r := Row{Name: c.name, Does: c.does, Packets: c.packets}
	var each []float64
	for _, t := range turns {
		each = append(each, float64(t.cpu.Nanoseconds())/1e3/float64(c.packets))
		r.PeakMB = max(r.PeakMB, float64(t.peak)/1e6)
	}
	r.Microseconds, r.Least, r.Most = median(each), slices.Min(each), slices.Max(each)
	return r
}

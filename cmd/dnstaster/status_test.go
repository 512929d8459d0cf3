package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

// TestFailOn holds every verdict against every --fail-on.
func TestFailOn(t *testing.T) {
	for _, tt := range []struct {
		verdict monitor.Verdict
		least   string
		want    int
	}{
		{monitor.Clean, "never", 0}, {monitor.Clean, "poisoned", 0}, {monitor.Clean, "suspect", 0}, {monitor.Clean, "unknown", 0},
		{monitor.Suspicious, "never", 0}, {monitor.Suspicious, "poisoned", 0}, {monitor.Suspicious, "suspect", 1}, {monitor.Suspicious, "unknown", 1},
		{monitor.Poisoned, "never", 0}, {monitor.Poisoned, "poisoned", 2}, {monitor.Poisoned, "suspect", 2}, {monitor.Poisoned, "unknown", 2},
		{monitor.Unknown, "never", 0}, {monitor.Unknown, "poisoned", 0}, {monitor.Unknown, "suspect", 0}, {monitor.Unknown, "unknown", 3},
	} {
		if got := status(failOn(monitor.Report{Verdict: tt.verdict}, tt.least), io.Discard); got != tt.want {
			t.Errorf("%s with --fail-on %s ends with %d, want %d", tt.verdict, tt.least, got, tt.want)
		}
	}
	// The owner's pin is the last word, unless the name is clean after all.
	for v, want := range map[monitor.Verdict]int{monitor.Suspicious: 2, monitor.Unknown: 2, monitor.Clean: 0} {
		r := monitor.Report{Verdict: v, Watches: []monitor.Judgement{{Verdict: v, Reasons: []monitor.Reason{{Rule: "pin.violation"}}}}}
		if got := status(failOn(r, "unknown"), io.Discard); got != want {
			t.Errorf("%s with a broken pin ends with %d, want %d", v, got, want)
		}
	}
}

// TestStatus has no failure end like a verdict.
func TestStatus(t *testing.T) {
	_, missing := os.Open("testdata/none")
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{usage("no"), 64},
		{configError{{text: "no"}}, 78},
		{fmt.Errorf("sock: %w", control.ErrNoDaemon), 69},
		{&control.Error{Status: 500, Text: "no"}, 69},
		{context.DeadlineExceeded, 69},
		{missing, 74},
		{fmt.Errorf("write: %w", syscall.ENOSPC), 74},
		{fmt.Errorf("open: %w", fs.ErrPermission), 77},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, 77},
		{errors.New("anything"), 70},
		{exit{exitPoisoned, nil}, 2},
		{fmt.Errorf("wrapped: %w", exit{exitUnknown, errors.New("why")}), 3},
	} {
		if got := status(tt.err, io.Discard); got != tt.want {
			t.Errorf("status(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
}

//go:build !lab

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// Nobody can put a daemon to sleep by its environment.
func TestEnvironmentSwitchesNothingOff(t *testing.T) {
	file := filepath.Join(t.TempDir(), "samples.jsonl")
	t.Setenv("DNSTASTER_LAB_OFF", "id.tls_mismatch,no.such")
	t.Setenv("DNSTASTER_LAB_RECORD", file)
	var mc monitor.Config
	if err := impair(&mc); err != nil || mc.Off != nil || mc.Tap != nil {
		t.Errorf("switched off: %q, recorded: %t (%v)", mc.Off, mc.Tap != nil, err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v, want none", file, err)
	}
}

// Every test that clears an answer is on the page of rules.
func TestClearingsPage(t *testing.T) {
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| ((?:clear|vote)\.[a-z0-9_]+) \| `).FindAllStringSubmatch(page(t, "rules.md"), -1) {
		listed = append(listed, row[1])
	}
	if diff := cmp.Diff(monitor.Clearings(), listed); diff != "" {
		t.Errorf("clearing tests (-of the code +of the page):\n%s", diff)
	}
}
